"""The script that asks programs of a place what they are prints what each said, or why it said nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from interpreters.programs_there import MARK, SCRIPT

if TYPE_CHECKING:
    from pathlib import Path


def ask(folder: Path, python: Path | str, *commands: list[str]) -> list[dict[str, object]]:
    """Return what the script prints of these commands."""
    (file := folder / "programs.json").write_text(json.dumps([{"words": c, "limit": 0.5} for c in commands]))
    done = subprocess.run([python, SCRIPT, file], capture_output=True, text=True, check=True, timeout=60)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(MARK))
    said: list[dict[str, object]] = json.loads(line.removeprefix(MARK))["said"]
    return said


COMMANDS = (["sh", "-c", "echo a; echo b >&2; exit 3"], ["/no/such"], ["sleep", "60"])


def test_each_program_is_asked(tmp_path: Path) -> None:
    """Both streams and the status are told; one that is not there, or never ends, has a problem."""
    said, absent, hung = ask(tmp_path, sys.executable, *COMMANDS)
    assert (said["status"], said["output"], said["problem"]) == (3, "a\nb\n", "")
    assert absent["problem"] == "cannot be run: No such file or directory"
    assert hung["problem"] == "did not end within 0.5 s, and was ended"


def test_python_27_asks_too(tmp_path: Path, python27: Path) -> None:
    """The oldest Python of a place tells the same."""
    assert ask(tmp_path, python27, *COMMANDS) == ask(tmp_path, sys.executable, *COMMANDS)
