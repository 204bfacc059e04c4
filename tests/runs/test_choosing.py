"""The options that nox has to know at load: each is told from other words, and a path is absolute."""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runs.choosing import CHOOSING, ONLY, Option, a_folder, a_path
from runs.options import SESSIONS

if TYPE_CHECKING:
    from pathlib import Path


def test_what_chooses_interpreters_is_an_option_of_matrix() -> None:
    """Each is an option of the session whose interpreters it chooses."""
    assert all(option in SESSIONS["matrix"] for option in CHOOSING)


@pytest.mark.parametrize(
    ("word", "among"), [("--only", True), ("--only=x", True), ("--onlyx", False), ("only", False)]
)
def test_an_option_is_told_from_other_words(word: str, among: bool) -> None:  # noqa: FBT001
    """An option is given by its name, with its value behind an equal sign or as the next word."""
    assert ONLY.among(["matrix", word]) is among
    assert not Option("only", "words by themselves").among([word])


def test_paths_are_meant_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path becomes absolute, and a folder has to be there."""
    monkeypatch.chdir(tmp_path)
    assert a_path("x") == tmp_path / "x"
    (tmp_path / "x").mkdir()
    assert a_folder("x") == tmp_path / "x"
    with pytest.raises(argparse.ArgumentTypeError, match="there is no folder 'y'"):
        a_folder("y")


def test_what_nox_loads_is_light() -> None:
    """To list the sessions nothing is imported that only measuring, judging or writing needs."""
    loaded = "import runs.plan, runs.own_environment, runs.perform, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True, text=True)
    ours = {name for name in done.stdout.split() if name.startswith(("runs.", "reports.", "servers."))}
    assert ours == {
        *("runs.choosing", "runs.own_environment", "runs.perform", "runs.plan", "runs.task"),
        "servers.resources",
    }
