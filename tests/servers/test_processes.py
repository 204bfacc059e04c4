"""Tests that a process lives as long as its block, and nothing of it longer."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servers import processes
from servers.processes import ended, processor_time, running, waits_of

if TYPE_CHECKING:
    from tests.support.processes import Witness


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("last", [1, 0])
def test_a_process_ends_with_its_block(last: int) -> None:
    """However the block ends, well or with an exception, the process is gone and reaped."""
    seen = []

    async def run() -> float:
        async with running(["sleep", "600"], os.environ) as process:
            seen.append(process.pid)
            assert not _gone(process.pid)
            return 1 / last

    with contextlib.suppress(ZeroDivisionError):
        asyncio.run(run())
    assert [_gone(pid) for pid in seen] == [True]


def test_a_grandchild_ends_with_the_block(witness: Witness) -> None:
    """What a wrapper script has started in its group ends too."""

    async def run() -> None:
        async with running(
            ["sh", "-c", f"{witness.watch}; sleep 600 & echo up; wait"], os.environ
        ) as process:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"up\n"

    asyncio.run(run())
    assert witness.all_gone()


def test_an_input_that_closes_as_its_time_is_over_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that was held up, so that it sees the limit and the closing at once, ends the block as any."""

    async def run() -> bool:
        async with running(["cat"], os.environ, stdin=asyncio.subprocess.PIPE) as process:
            monkeypatch.setattr(processes, "REAP_LIMIT", 0.0)
        monkeypatch.undo()
        # With which status it ended cannot be told: where nobody waited, asyncio may have reaped it unseen.
        await ended(process)
        return _gone(process.pid)

    assert asyncio.run(run())


@pytest.mark.parametrize("error", [OSError(errno.ENOSYS, "not implemented"), AttributeError("pidfd_open")])
def test_a_system_without_files_for_processes_is_told(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A kernel or a sandbox that refuses the call is seen to, and asyncio is left as it is."""

    def refused(_: int) -> int:
        raise error

    monkeypatch.setattr(os, "pidfd_open", refused, raising=False)
    assert not processes.has_pidfd()


def test_what_a_process_has_spent_is_told_while_it_runs() -> None:
    """Its processor time, and that of what it waited for; nothing once it is gone."""
    # The system counts in ticks, so that it may tell a little less than the process itself.
    busy = "import time\nwhile time.process_time() < 0.4: pass"
    waits = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}])\n"
    program = f"{waits}print(1, flush=True)\ninput()"

    async def run() -> tuple[float, float]:
        async with running([sys.executable, "-c", program], os.environ, asyncio.subprocess.PIPE) as process:
            assert process.stdout is not None
            await process.stdout.readline()
            spent = processor_time(process)
        return spent, processor_time(process)

    spent, afterwards = asyncio.run(run())
    assert (spent >= 0.2) == Path("/proc/self/stat").exists()
    assert afterwards == 0


def test_how_a_process_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status of one that ended, and None for one that lives on."""

    async def run(code: str) -> int | None:
        async with running([sys.executable, "-c", code], os.environ) as process:
            return await ended(process)

    assert asyncio.run(run("import time; time.sleep(600)")) is None
    # On a machine at work a Python may take more than that second to start.
    monkeypatch.setattr(processes, "REAP_LIMIT", 60.0)
    assert asyncio.run(run("raise SystemExit(3)")) == 3
    assert asyncio.run(run("import os; os.kill(os.getpid(), 9)")) == -9


PLENTY = b"x" * 2**20
"""More than a pipe takes up that nobody reads."""


def test_input_that_is_never_read_leaves_no_traceback(logged: list[str]) -> None:
    """Where a process ends before it has read its input, asyncio prints no traceback of the broken pipe."""

    async def run() -> int | None:
        async with running(["sh", "-c", "exit 3"], os.environ, asyncio.subprocess.PIPE) as process:
            assert process.stdin is not None
            process.stdin.write(PLENTY)
            process.stdin.close()
            return await ended(process)

    gc.freeze()  # all that is there already would take a second to go through
    assert asyncio.run(run()) == 3
    gc.collect()  # what nobody retrieved is reported when it goes
    assert logged == []


def test_input_that_somebody_else_holds_does_not_hold_the_block() -> None:
    """The block ends where a process that left the group keeps the input open and reads nothing."""
    away = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(600)"

    async def run() -> int:
        # A shell gives an empty input to what runs in its background, unless the command names another.
        command = ["sh", "-c", 'exec 3<&0; "$@" <&3 & wait', "sh", sys.executable, "-c", away]
        async with asyncio.timeout(60), running(command, os.environ, asyncio.subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(PLENTY)
            return int(await process.stdout.readline())

    os.kill(asyncio.run(run()), signal.SIGKILL)


def test_a_command_that_is_not_there_is_an_oserror() -> None:
    """What cannot be started raises, and the block is not entered."""

    async def run() -> None:
        async with running(["/nonexistent/program"], os.environ):
            pytest.fail("the block was entered")

    with pytest.raises(FileNotFoundError):
        asyncio.run(run())


def test_who_has_no_processor_is_known() -> None:
    """Two that are never idle wait for each other on one processor; one that sleeps waits for nobody."""
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("this kernel does not tell who waits: one with CONFIG_SCHED_INFO enables this")
    (one, *_) = os.sched_getaffinity(0)
    busy = f"import os; os.sched_setaffinity(0, [{one}])\nwhile True: pass"
    programs = (busy, busy, "import time; time.sleep(600)")
    started = [subprocess.Popen([sys.executable, "-c", program]) for program in programs]
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            waits = [waits_of(process.pid)[process.pid] for process in started]
            if min(waits[:2]) > 1:
                break
            time.sleep(0.1)
        assert min(waits[:2]) > 1
        assert waits[2] < min(waits[:2])
        # As of a process that has ended.
        assert waits_of(2**22 + 1) == {}
    finally:
        for process in started:
            process.kill()
            process.wait()
