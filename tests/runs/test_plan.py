"""What nox knows when it loads the sessions: never an exit, and what is wrong is kept as text."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

import pytest

from interpreters.process_environment import RUN_ID
from interpreters.tables import TableError
from runs.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Plan]:
    """Return a function that makes a plan for nox's words on a machine with two pyenv versions."""
    for version in ("3.9.99", "3.12.99"):
        python = tmp_path / "pyenv" / "versions" / version / "bin" / f"python{version.rpartition('.')[0]}"
        python.parent.mkdir(parents=True)
        python.write_text(f"#!/bin/sh\n# {version}\n")
        python.chmod(0o755)

    def load(*words: str, **changes: str) -> Plan:
        environment = {"PYENV_ROOT": str(tmp_path / "pyenv"), "HOME": str(tmp_path), "PATH": "", **changes}
        return Plan.at_load(words, environment, tmp_path)

    return load


def ours(plan: Plan) -> list[str]:
    """Return the ids of the made-up interpreters that a plan chose."""
    return [one.id for one in plan.chosen if "99" in one.id]


def test_the_interpreters_are_known_before_any_session(load: Callable[..., Plan]) -> None:
    """Without words every interpreter is chosen, and matrix is what was asked for."""
    plan = load()
    assert ours(plan) == ["pyenv_3_9_99", "pyenv_3_12_99"]
    assert (plan.sessions, plan.problem) == (("matrix",), "")


@pytest.mark.parametrize("before", [("-s", "matrix"), ("-s", "matrix", "harden"), ("-s", "harden", "matrix")])
def test_only_counts_whatever_else_was_asked_for(load: Callable[..., Plan], before: tuple[str, ...]) -> None:
    """--only chooses for a matrix, with harden in the same command too."""
    plan = load(*before, "--", "--only", "pyenv_3_9*", "--recipe", "aws_page")
    assert ours(plan) == ["pyenv_3_9_99"]
    assert plan.sessions == before[1:]


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("--only",),
        ("--keep", "0"),
        ("--nonsense",),
        ("--conditions", "wishful"),
        ("--floor", "1.2"),
    ],
)
def test_nothing_exits_at_load(load: Callable[..., Plan], words: tuple[str, ...]) -> None:
    """Help, and words that are wrong, are left to the session's own parser."""
    assert ours(load("-s", "truth", "--", *words)) == ["pyenv_3_9_99", "pyenv_3_12_99"]


def test_where_no_interpreter_is_meant_none_is_looked_for(load: Callable[..., Plan]) -> None:
    """The gate waits for no discovery, and the list of sessions, which names interpreters, does."""
    assert load("-s", "gate", "ticket").discovery is None
    assert ours(load("-s", "gate", "matrix")) == ours(load("-l", "-s", "gate")) == ours(load())


def test_a_problem_is_text(load: Callable[..., Plan], tmp_path: Path) -> None:
    """An interpreter that is not there is a sentence, and there are no sessions for others."""
    plan = load("--", "--interpreter", "missing")
    assert plan.problem.startswith(f"--interpreter '{tmp_path / 'missing'}': no such file")
    assert plan.chosen == ()


def test_a_file_of_places_without_sense_is_text(
    load: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry of locations.toml that makes no sense is a sentence for each session, no traceback."""

    def refuse() -> None:
        msg = "locations.toml [brew]: 'folders' is missing"
        raise TableError(msg)

    monkeypatch.setattr("interpreters.locate.read_locations", refuse)
    assert load().problem == "locations.toml [brew]: 'folders' is missing"


def test_a_pattern_that_fits_nothing_is_left_to_the_session(load: Callable[..., Plan]) -> None:
    """A pattern may be a program's: it chooses no interpreter, and what it fits is the session's to know."""
    plan = load("--", "--programs", "--only", "program_curl")
    assert (plan.chosen, plan.problem) == ((), "")


@pytest.mark.parametrize(
    ("words", "sessions"),
    [
        (("-s", "matrix", "gate"), ("matrix", "gate")),
        (("-e", "venv(system_3_11)", "venv(pyenv_3_9_99)", "--", "-s", "tests"), ("venv",)),
        (("--sessions", "tests", "-R"), ("tests",)),
        (("-l",), ("matrix",)),
        (("-k", "matrix or harden"), ()),
        (("-t", "slow"), ()),
    ],
)
def test_the_sessions_of_a_command_are_known(
    load: Callable[..., Plan], words: tuple[str, ...], sessions: tuple[str, ...]
) -> None:
    """The names after nox's own -s count, without parameters; by keyword or tag they are not known."""
    assert load(*words).sessions == sessions


def test_the_variable_of_nox_asks_too(load: Callable[..., Plan]) -> None:
    """NOXSESSION asks for sessions where the command line does not."""
    assert load(NOXSESSION="harden,gate").sessions == ("harden", "gate")
    assert load("-s", "matrix", NOXSESSION="harden").sessions == ("matrix",)


def test_sessions_of_one_command_share_a_run(tmp_path: Path) -> None:
    """The first to load names the run in the environment, and what it starts has the same name."""
    environment = {"HOME": str(tmp_path)}
    first = Plan.at_load([], environment, tmp_path)
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", first.run_id)
    assert environment[RUN_ID] == first.run_id == Plan.at_load([], environment, tmp_path).run_id


def test_paths_in_the_environment_are_absolute(tmp_path: Path) -> None:
    """A relative OPENSSL_CONF is meant where nox was called, for all that is started from there."""
    environment = {"OPENSSL_CONF": "floor.cnf"}
    Plan.at_load([], environment, tmp_path)
    assert environment["OPENSSL_CONF"] == str(tmp_path / "floor.cnf")


def test_a_plan_cannot_be_changed(load: Callable[..., Plan]) -> None:
    """What was known at load stays as it was."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().problem = "another"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["../../x", "", ".", "a/b", "-x", "a\nb", "x" * 200])
def test_an_id_that_names_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    """An id that leads elsewhere, or nowhere, is a problem, and no place to write to."""
    plan = Plan.at_load([], {RUN_ID: name}, tmp_path)
    assert plan.run_id == ""
    assert plan.problem.startswith(f"TLS_FLOOR_RUN is {name[:100]!r}")
