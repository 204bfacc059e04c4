"""Runs a process for as long as a block lasts, and takes all of it down again, whatever it did meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.offspring import Start, children_of, say_left
from servers.peers import family

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

REAP_LIMIT = 1.0
"""Seconds to wait for a killed process; only one whose pipe a stranger holds takes longer."""


def has_pidfd() -> bool:
    """Whether the system tells of a process's end by a file; older kernels and some sandboxes do not."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


if sys.version_info < (3, 12) and has_pidfd():
    # As later versions do by themselves. Before, a thread waits for each process, and where no more of them
    # can be started the process that was is left running.
    asyncio.set_child_watcher(asyncio.PidfdChildWatcher())

LINE_LIMIT = 2**20
"""Bytes of the longest line that a process may print."""


@contextlib.asynccontextmanager
async def running(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    stdin: int = asyncio.subprocess.DEVNULL,
    folder: Path | None = None,
    left: Callable[[str], None] = say_left,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a command whose output, both streams mixed, is a pipe; kill its whole group at the end.

    The group, because an interpreter or an openssl may be a wrapper script, and a client may have
    helpers. What has left the group is ended too, where the system tells, and its name is given to `left`.
    It runs in `folder`, or in ours. Raises OSError if it cannot be started.
    """
    start = Start(environment)
    with start.starting():
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=start.environment,
            cwd=folder,
            process_group=0,
            limit=LINE_LIMIT,
        )
        start.began(process.pid)
    try:
        start.register()
        yield process
    finally:
        # Not process.kill(), which would reap the process behind asyncio's back. PermissionError is how
        # macOS says that only zombies are left in the group.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await ended(process)
        start.ended(left)
        if process.stdin is not None:
            await _let_go(process.stdin)
        # asyncio has no public way to let go of a pipe that a process outside the group still holds.
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001


async def _let_go(stdin: asyncio.StreamWriter) -> None:
    """Close a process's input, whether or not the process has read all of it.

    A process that ends before it has read its input breaks the pipe. Before Python 3.11.5, asyncio prints the
    traceback of that exception on the terminal if nobody retrieves it.
    """
    stdin.close()
    closing = asyncio.ensure_future(stdin.wait_closed())
    # Not asyncio.timeout, which would cancel the future on which asyncio itself relies.
    _, waiting = await asyncio.wait({closing}, timeout=REAP_LIMIT)
    if waiting:
        # A process outside the group still holds the other end, and does not read. AttributeError is how
        # asyncio says that the pipe has closed since: where the loop was held up, that comes out late.
        with contextlib.suppress(AttributeError):
            stdin.transport.abort()
    with contextlib.suppress(OSError):
        await closing


def processor_time(process: asyncio.subprocess.Process) -> float:
    """Return the processor time, in seconds, of a process and of what it waited for; 0 if nobody tells.

    Source: proc_pid_stat(5), fields 14 to 17, in ticks.
    """
    try:
        # The name before it may have blanks and brackets.
        fields = Path(f"/proc/{process.pid}/stat").read_bytes().rpartition(b")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return 0.0


def waits_of(root: int) -> dict[int, float]:
    """Return the seconds for which a process, and each that it started, could have run and had no processor.

    Source: /proc/PID/schedstat, its second field, in nanoseconds; nothing where the system does not tell.
    """
    found: dict[int, float] = {}
    for pid in family(root, children_of):
        with contextlib.suppress(OSError, ValueError, IndexError):
            found[pid] = int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    return found


async def ended(process: asyncio.subprocess.Process) -> int | None:
    """Wait a moment for a process to end; return its exit status, None if it lives on."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REAP_LIMIT):
            await process.wait()
    return process.returncode
