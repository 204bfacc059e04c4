"""Ends what a run started, and removes its keys, where the run itself was killed: a process that waits.

It reads its standard input, of which the run alone holds the other end: `+ 12` for a process group that has
begun, `- 12` for one that has ended, `+ /a/folder` and `- /a/folder`, and `.` where all is in order. The end
without that full stop is the end of the run, of whatever it died. As a program of the standard library alone
it starts in a fiftieth of a second; interpreters/offspring.py starts it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VARIABLE = "TLS_FLOOR_STARTED_BY"
"""The variable by which a process is known that a run started, and what that started in its turn."""

ROUNDS = 10
"""How often those are looked for: some may start others while they are ended."""


def open_ends(lines: Iterable[bytes]) -> tuple[set[str], set[str]] | None:
    """Return the groups and the folders that are left at the end of the input; None where all is in order."""
    left: dict[str, None] = {}
    for line in lines:
        sign, _, what = os.fsdecode(line).rstrip("\n").partition(" ")
        if sign == ".":
            return None
        if sign == "+":
            left[what] = None
        else:
            left.pop(what, None)
    groups = {what for what in left if what.isdigit()}
    return groups, {what for what in left if what.startswith("/")}


def bearers(mark: str) -> Iterator[int]:
    """Yield the processes, but for this one, in whose environment the mark begins a value; Linux alone tells.

    Source: proc_pid_environ(5). What a process was started with counts, whatever it has made of that since.
    """
    wanted = os.fsencode(f"{VARIABLE}={mark}")
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208  pathlib takes as long to import as all the rest
            if name.isdigit() and int(name) != os.getpid() and bears(int(name), wanted):
                yield int(name)


def bears(pid: int, wanted: bytes) -> bool:
    """Whether an entry of a process's environment begins so; false where that may not be looked at."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
        return any(entry.startswith(wanted) for entry in file.read().split(b"\0"))
    return False


def end(groups: Iterable[str], mark: str) -> None:
    """Kill all processes of these groups, and those that bear the mark, wherever they went."""
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(int(group), signal.SIGKILL)
    for _ in range(ROUNDS):
        found = list(bearers(mark))
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            break


def main() -> None:
    """Wait for the end of the run whose mark is the only argument, and put in order what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    left = open_ends(sys.stdin.buffer)
    if left is None:
        return
    groups, folders = left
    end(groups, sys.argv[1])
    import shutil  # noqa: PLC0415  late, because few runs are killed, and it takes long to import

    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
