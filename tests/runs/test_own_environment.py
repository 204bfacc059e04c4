"""The tool's own environment: who needs it, when it is made, and that nothing asks about it twice."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest

from interpreters.process_environment import RUN_BY, runners
from runs import own_environment
from runs.own_environment import FOLDER, MODE, enter, is_made, is_satisfied, make, requirements


class _WentOnError(Exception):
    """This process would have become another one."""


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that this process would have become; the tool's own environment is there."""
    commands: list[list[str]] = []

    def become(_: str, command: list[str], env: dict[str, str]) -> None:
        commands.append([*command, f"{MODE}={env[MODE]}", *(w for w in env if w.endswith("PYTHONPATH"))])
        raise _WentOnError

    monkeypatch.setattr(own_environment, "is_made", lambda *_: True)
    monkeypatch.setattr(os, "execve", become)
    return commands


@pytest.mark.parametrize(
    "words", [("-l",), ("-s", "gate"), ("--list", "-s", "matrix"), ("-s", "gate", "--", "--help")]
)
def test_what_needs_nothing_waits_for_nothing(
    elsewhere: list[list[str]], words: tuple[str, ...], tmp_path: Path
) -> None:
    """The list of sessions and the gate stay in whichever Python runs nox."""
    enter(words, {}, tmp_path)
    assert elsewhere == []


def test_whoever_said_so_stays(elsewhere: list[list[str]], tmp_path: Path) -> None:
    """With nox's own variable at `none` sessions run where nox does, as its workers do."""
    enter(["-s", "matrix"], {MODE: "none"}, tmp_path)
    assert elsewhere == []


@pytest.mark.parametrize("words", [(), ("-s", "matrix", "gate", "--", "-l"), ("-k", "gate")])
def test_what_measures_goes_on_in_the_environment(
    elsewhere: list[list[str]], words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another nox goes on with the same words in the caller's folder; no PYTHONPATH says what it loads."""
    monkeypatch.chdir("/")
    with pytest.raises(_WentOnError):
        enter(words, {"PYTHONPATH": "theirs"}, tmp_path)
    (command,) = elsewhere
    assert command[0].startswith(str(FOLDER))
    assert command[command.index("-f") + 2 :] == [*words, f"{MODE}=none", "NOX_OUTER_PYTHONPATH"]
    assert os.getcwd() == str(tmp_path)  # noqa: PTH109  as the system has it


@pytest.mark.parametrize(("prefix", "told"), [("/srv/nox", "/srv/nox"), (sys.base_prefix, None)])
def test_which_environment_nox_was_started_in_is_known_later(
    elsewhere: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prefix: str,
    told: str | None,
) -> None:
    """That of `uv run` or pipx is the tool's, and no application's; a Python without one says nothing."""
    monkeypatch.setattr(sys, "prefix", prefix)
    env: dict[str, str] = {}
    with pytest.raises(_WentOnError):
        enter(["-s", "matrix"], env, tmp_path)
    assert elsewhere
    monkeypatch.undo()
    own = Path(os.path.realpath(sys.prefix))
    assert env.get(RUN_BY) == told
    assert runners(env) == ((own, Path(told)) if told else (own,))


def test_an_environment_is_made_once(tmp_path: Path) -> None:
    """What was made is there; with other requirements, without its Python or half made it is not."""
    folder = tmp_path / "tool"
    make(folder, [])
    assert is_made(folder, [])
    assert not is_made(folder, ["b"])
    (folder / "bin" / "python").unlink()
    assert not is_made(folder, [])


def test_nobodys_settings_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A uv.toml in or above the folder that nox is called in says nothing of where packages come from."""
    wheel = tmp_path / "a_tool-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a_tool-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: a-tool\nVersion: 1\n")
        archive.writestr("a_tool-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("a_tool-1.dist-info/RECORD", "")
    (tmp_path / "uv.toml").write_text("no settings [")
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "tool", [str(wheel)])
    assert is_made(tmp_path / "tool", [str(wheel)])


def test_an_environment_that_fails_is_none(tmp_path: Path) -> None:
    """Where an installer fails nothing says that all is there, and the sentence names its status."""
    with pytest.raises(own_environment.OwnEnvironmentError, match="ended with"):
        make(tmp_path / "tool", [str(tmp_path / "no_such_folder")])
    assert not is_made(tmp_path / "tool", [str(tmp_path / "no_such_folder")])


def test_what_is_there_is_told_from_what_is_not() -> None:
    """Here are all requirements of the tool; a package or a version that there is not is not."""
    assert is_satisfied(requirements())
    assert not is_satisfied(["packaging>=24", "no-such-package"])
    assert not is_satisfied(["packaging<1"])
