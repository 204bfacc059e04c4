"""Programs of a place: what they say of themselves, asked there; what a place says may be anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interpreters import programs_there as room
from interpreters.identify import IdentifyError
from interpreters.interpreter import PROGRAM
from interpreters.locate import Candidate
from interpreters.places import Passenger, Place, ways_to
from interpreters.programs import Program
from interpreters.programs_there import NO_PYTHON, identify_programs_there

(ENV,) = ways_to("exec:env")
FETCH = ("{program}", "{url}")
TOOL = Program("tool", "tool", FETCH, ask=("--version",), version=r"tool (\S+)", only="tool")
MUTE = Program("mute", "mute", FETCH)
PYTHON = Path("/usr/bin/python3")


def candidates(*names: str, unavailable: str = "") -> list[Candidate]:
    """Return programs of a place by these names."""
    return [
        Candidate(f"program_{name}", PROGRAM, Path("/bin") / name, unavailable, place=ENV) for name in names
    ]


def say(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Let the place answer this, or raise it."""

    def answered(place: Place, passenger: Passenger, mark: str) -> Any:
        del place, passenger, mark
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(room, "answer_there", answered)


def test_a_program_says_its_version_or_need_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is known by what it says there; one that is not asked has no version, and nothing unavailable."""
    say(monkeypatch, {"said": [{"status": 0, "output": "tool 1.2", "problem": ""}]})
    tool, mute = identify_programs_there(PYTHON, candidates("tool", "mute"), [TOOL, MUTE])
    assert (tool.interpreter.version, tool.interpreter.unavailable, tool.python) == ("1.2", "", PYTHON)
    assert (mute.interpreter.version, mute.interpreter.unavailable) == ("", "")
    assert tool.interpreter.place == ENV


def test_another_program_of_the_same_name_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not say the words of the table is no such program."""
    say(monkeypatch, {"said": [{"status": 0, "output": "busybox", "problem": ""}]})
    assert identify_programs_there(PYTHON, candidates("tool"), [TOOL]) == ()


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"said": []},
        {"said": 7},
        {"said": [{"status": 0, "output": 7, "problem": ""}]},
        {"said": [{"status": "0", "output": "tool 1", "problem": ""}]},
        {"said": [{"status": 0, "output": "tool 1", "problem": ""}] * 2},
        IdentifyError("ssh ended with status 255"),
    ],
)
def test_an_answer_without_sense_is_the_programs_reason(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Whatever a place says, its program is in the report, and is not measured."""
    say(monkeypatch, answer)
    (found,) = identify_programs_there(PYTHON, candidates("tool"), [TOOL])
    assert "/bin/tool could not be asked what it is" in found.interpreter.unavailable


def test_without_a_python_there_nothing_runs_a_program() -> None:
    """A Python that does not say where it is cannot be started again, which is the program's reason."""
    (found,) = identify_programs_there(None, candidates("tool"), [TOOL])
    assert found.interpreter.unavailable == NO_PYTHON


def test_a_program_that_must_not_be_started_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the place refuses to start has that reason."""
    say(monkeypatch, AssertionError("it was asked"))
    (found,) = identify_programs_there(PYTHON, candidates("tool", unavailable="owned by user 7"), [TOOL])
    assert found.interpreter.unavailable == "owned by user 7"
