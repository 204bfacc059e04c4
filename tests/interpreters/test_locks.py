"""Locks: shared by those who use a folder, for one alone who changes it, and never waited for without end."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from interpreters import locks
from interpreters.locks import BusyError, locked
from tests.support.checkout import ROOT
from tests.support.processes import killed_at_the_end

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_only_sharers_are_in_it_together(tmp_path: Path, *, first: bool, second: bool) -> None:
    """Two are in a folder at a time exactly if both share it."""
    folder = tmp_path / "later" / "folder"
    with locked(folder, shared=first):
        if first and second:
            with locked(folder, shared=second, limit=0):
                return
        with pytest.raises(BusyError, match=str(folder)), locked(folder, shared=second, limit=0.1):
            pass
    with locked(folder, shared=second, limit=0):
        pass


def test_other_folders_are_not_in_the_way(tmp_path: Path) -> None:
    """A lock is for one folder."""
    with locked(tmp_path / "one", shared=False), locked(tmp_path / "other", shared=False, limit=0):
        pass


def test_who_waits_long_is_given_the_reason_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, progress: list[str]
) -> None:
    """Whoever has to wait for more than a moment hears once for what, and how long at the most."""
    monkeypatch.setattr(locks, "ANNOUNCE_AFTER", 0.05)
    with (
        locked(tmp_path / "one", shared=True),
        pytest.raises(BusyError),
        locked(tmp_path / "one", shared=False, limit=0.4),
    ):
        pass
    assert len(progress) == 1
    assert str(tmp_path / "one") in progress[0]
    assert "0.4 s" in progress[0]


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    """The lock of a process of another run holds, and is gone with that process however it ends."""
    program = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from interpreters.locks import locked\n"
        "with locked(Path(sys.argv[2]), shared=False):\n    print('mine', flush=True); time.sleep(600)"
    )
    folder = tmp_path / "one"
    command = [sys.executable, "-c", program, str(ROOT), str(folder)]
    with killed_at_the_end(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        with pytest.raises(BusyError), locked(folder, shared=True, limit=0.1):
            pass
    began = time.monotonic()
    with locked(folder, shared=True, limit=10):
        assert time.monotonic() - began < 10
