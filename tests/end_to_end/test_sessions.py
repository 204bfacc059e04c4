"""The sessions as a person finds them: their list, their help, and what stands last on the screen."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runs.options import SESSIONS
from tests.support.limits import SLOW

if TYPE_CHECKING:
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("name", ["matrix", "serve"])
def test_the_help_of_a_session_is_printed_by_itself(checkout: Checkout, name: str) -> None:
    """Asked for help a session shows its usage and does nothing else; test_options.py has the others."""
    status, said = checkout.nox("-s", name, "--", "--help")
    assert status == 0, said
    assert said.splitlines()[1].startswith(f"usage: nox -s {name} -- ")
    assert said.count("usage: ") == 1


def test_what_no_session_knows_starts_none(checkout: Checkout) -> None:
    """Of sessions asked for together none begins with an option that is nobody's, or means two things."""
    status, said = checkout.nox("-s", "gate", "harden", "--", "--only", "x")
    assert status == 2
    assert "unrecognized arguments: --only x" in said
    assert "fetch the sources" not in said
    status, said = checkout.nox("-s", "serve", "harden", "--", "--openssl", sys.executable)
    assert status == 1
    assert "--openssl means one thing to serve" in said
    assert "fetch the sources" not in said


def test_people_find_their_sessions_first(checkout: Checkout) -> None:
    """The list has one line for each session, those that prepare one interpreter each at its end."""
    status, said = checkout.nox("-l")
    assert status == 0, said
    listed = [line[2:].partition(" -> ") for line in said.splitlines() if line.startswith(("* ", "- "))]
    names = [name.partition("(")[0] for name, _, _ in listed]
    assert list(dict.fromkeys(names)) == list(SESSIONS)
    assert names[: len(SESSIONS) - 1] == list(SESSIONS)[:-1]
    assert all(text for _, _, text in listed)


def test_the_answer_stands_last(checkout: Checkout, sample: Interpreter, tmp_path: Path) -> None:
    """A matrix that has to make environments says how far it is, and ends with its answer."""
    words = ("-s", "matrix", "--", "--only", sample.id, "--clients")
    status, said = checkout.nox("--envdir", str(tmp_path / "nox"), *words, "urllib3")
    assert status == 0, said
    lines = said.splitlines()
    assert lines[0] == "nox > Running session matrix"
    assert lines[-1] == "To fail a build on it: nox -s gate"
    assert any(line.startswith(f"nox > measured 1 of 1: {sample.id} (") for line in lines)
    assert "parallel" not in said
    on_screen = checkout.on_terminal(80, *words, "ssl")
    assert on_screen.splitlines()[-1] == "To fail a build on it: nox -s gate"


def test_what_fails_is_still_named(checkout: Checkout) -> None:
    """The words of nox about a session that failed stay."""
    status, said = checkout.nox("-s", "compare", "--", "no_such_run")
    assert status == 1
    assert "Session compare aborted: there is no run 'no_such_run'" in said


def test_the_file_is_a_program(checkout: Checkout) -> None:
    """noxfile.py runs by itself, which `uv run noxfile.py -s matrix` does with what its header names."""
    done = subprocess.run(
        [sys.executable, "noxfile.py", "-s", "gate", "--", "--help"],
        cwd=checkout.folder,
        env=checkout.environment(),
        capture_output=True,
        text=True,
        timeout=SLOW,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: nox -s gate -- ")
