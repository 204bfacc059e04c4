"""A run that broke off is gone on with by one that asks the same, and by no other."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from interpreters.environments import STAMP, ClientVenv
from interpreters.prepared import Prepared
from reports.verdicts.judged import JudgedCells
from runs.campaign import ProbedInterpreter
from runs.unfinished import AGE_LIMIT, ResumeError, Unfinished, interpreters_of, unfinished
from tests.support.builders import a_catalogue, an_interpreter

if TYPE_CHECKING:
    from runs.measure import RunStart

QUESTION = {"checkout": "tool", "options": "all", "interpreters": {"a": "1", "b": "2"}}


def a_result() -> ProbedInterpreter:
    """Return what an interpreter came to."""
    return ProbedInterpreter((), JudgedCells(a_catalogue()))


def broken_off(cache: Path, run_id: str = "one", *interpreters: str) -> Path:
    """Return the folder of a run that measured these, and then broke off."""
    folder = None
    with contextlib.suppress(KeyboardInterrupt), unfinished(cache, run_id, QUESTION, resume=False) as kept:
        folder = kept.folder
        for interpreter in interpreters:
            kept.keep(interpreter, a_result())
        raise KeyboardInterrupt
    assert folder is not None
    return folder


def refusal(cache: Path, **changed: object) -> str:
    """Return why a run is not gone on with."""
    with (
        pytest.raises(ResumeError) as refused,
        unfinished(cache, "two", {**QUESTION, **changed}, resume=True),
    ):
        pass
    return str(refused.value)


def test_a_run_goes_on_with_what_was_measured(tmp_path: Path) -> None:
    """It has what the other one came to, says so, and may break off as well: then a third has both."""
    broken_off(tmp_path, "one", "a")
    with contextlib.suppress(KeyboardInterrupt), unfinished(tmp_path, "two", QUESTION, resume=True) as kept:
        assert kept.run_id == "one"
        assert kept.earlier["a"][1] == a_result()
        kept.keep("b", a_result())
        raise KeyboardInterrupt
    with unfinished(tmp_path, "three", QUESTION, resume=True) as kept:
        assert kept.earlier.keys() == {"a", "b"}
    assert refusal(tmp_path).endswith("no run of the last week broke off here: run without --resume")


def test_the_report_says_what_was_measured_when() -> None:
    """The sentence names the run, the times and the interpreters; a run of its own has none."""
    earlier = {"b": ("2026-01-01T10:05:00+00:00", a_result()), "a": ("2026-01-01T10:00:00+00:00", a_result())}
    (sentence,) = Unfinished(Path("x"), earlier, "one").notes
    words = ("one", "--resume", "2026-01-01T10:00:00+00:00 to 2026-01-01T10:05:00+00:00", "a, b")
    assert all(word in sentence for word in words)
    assert Unfinished(Path("x"), earlier, "one").times[0] == "2026-01-01T10:00:00+00:00"
    assert Unfinished(Path("x")).notes == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"checkout": "other"}, "the checkout changed"),
        ({"options": "other"}, "the options changed"),
        ({"interpreters": {"a": "1", "b": "3", "c": "4"}}, "the interpreters (b, c) changed"),
        ({"checkout": "x", "options": "y"}, "the checkout and the options changed"),
    ],
)
def test_another_question_is_refused_by_name(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    """The sentence says what changed; nothing is lost by it."""
    folder = broken_off(tmp_path, "one", "a")
    said = refusal(tmp_path, **changed)
    assert words in said
    assert "one broke off" in said
    assert said.endswith("run without --resume")
    assert folder.is_dir()


def test_a_run_at_work_is_not_gone_on_with(tmp_path: Path) -> None:
    """While it lasts, another one cannot take what it has; several begin side by side."""
    with unfinished(tmp_path, "one", QUESTION, resume=False) as kept:
        kept.keep("a", a_result())
        assert "no run" in refusal(tmp_path)
        with unfinished(tmp_path, "two", QUESTION, resume=False):
            pass
        assert kept.folder.is_dir()
    assert not kept.folder.exists()


def test_a_run_that_ended_answers_for_those_before(tmp_path: Path) -> None:
    """What broke off before a complete run is removed with its end."""
    folder = broken_off(tmp_path, "one", "a")
    with unfinished(tmp_path, "two", QUESTION, resume=False):
        assert folder.is_dir()
    assert not folder.exists()


def test_what_is_half_written_or_damaged_is_never_taken(tmp_path: Path) -> None:
    """A file that was being written is none; one that is damaged refuses the whole."""
    folder = broken_off(tmp_path, "one", "a")
    (folder / ".half.measured.123").write_bytes(b"x")
    with contextlib.suppress(KeyboardInterrupt), unfinished(tmp_path, "two", QUESTION, resume=True) as kept:
        assert kept.earlier.keys() == {"a"}
        raise KeyboardInterrupt
    (file,) = folder.glob("[!.]*.measured")
    file.write_bytes(file.read_bytes()[:-10])
    assert "cannot be read" in refusal(tmp_path)
    (folder / "question.json").write_text("[")
    assert "cannot be read" in refusal(tmp_path)


def test_what_is_too_old_is_forgotten(tmp_path: Path) -> None:
    """After a week nobody goes on with it, and it is removed."""
    folder = broken_off(tmp_path, "one", "a")
    os.utime(folder, (time.time() - 1.1 * AGE_LIMIT,) * 2)
    assert "no run" in refusal(tmp_path)
    assert not folder.exists()


def test_a_full_disk_stops_no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be kept is not there to go on with, and that is all."""
    Unfinished(tmp_path / "gone").keep("a", a_result())
    assert not (tmp_path / "gone").exists()

    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, f"no space for {len(text)} in {path}")

    monkeypatch.setattr("runs.unfinished.write_atomically", full)
    assert broken_off(tmp_path, "one", "a").is_dir()
    assert "no run" in refusal(tmp_path)


def test_an_interpreter_is_its_build_and_its_packages(tmp_path: Path) -> None:
    """Another build, other packages in a folder of its path, and an environment made anew are changes."""
    packages, python = tmp_path / "site-packages", tmp_path / "env" / "bin" / "python"
    packages.mkdir()
    python.parent.mkdir(parents=True)
    (tmp_path / "env" / STAMP).write_text("{}")
    one = replace(an_interpreter("a"), build="b1", search_path=(str(packages),))
    prepared = Prepared(one, python, (ClientVenv(python),))

    def state(each: Prepared) -> str:
        start = SimpleNamespace(prepared=(each,), programs=())
        return interpreters_of(cast("RunStart", start))["a"]

    found = [state(prepared), state(replace(prepared, interpreter=replace(one, build="b2")))]
    assert state(prepared) == found[0]
    os.utime(packages, (1, 1))
    found.append(state(prepared))
    os.utime(tmp_path / "env" / STAMP, (1, 1))
    found.append(state(prepared))
    assert len(set(found)) == len(found)
