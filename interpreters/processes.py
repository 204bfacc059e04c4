"""Runs a command that may hang, crash or leave children behind, and always ends all of its processes."""

from __future__ import annotations

import contextlib
import contextvars
import os
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import IO, TYPE_CHECKING, TypeVar

from interpreters.offspring import Start, say_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

OUTPUT_LIMIT = 4 * 1024 * 1024
"""Bytes after which a command is ended: an identity has a thousand, an installer's error a few more."""

POLL_INTERVAL = 0.05
"""Seconds between two looks at how much a command has printed."""


_STOPPED: contextvars.ContextVar[tuple[threading.Event, ...]] = contextvars.ContextVar("stopped", default=())
"""The events of what runs side by side, and of all that this is within: one is set when it has to end."""


def side_by_side(
    work: Callable[[_Item], _Result], items: Iterable[_Item], workers: int | None = None
) -> list[_Result]:
    """Return what `work` makes of each item, in order; at a time, one more than there are processors.

    `work` mostly waits for commands of `run`. If it fails for one item, or on Ctrl-C, the commands of all
    others are ended before the exception goes on.
    """
    with crew(workers or (os.cpu_count() or 1) + 1) as begin:
        futures = [begin(partial(work, item)) for item in items]
        return [future.result() for future in futures]


@contextlib.contextmanager
def crew(workers: int) -> Iterator[Callable[[Callable[[], _Result]], Future[_Result]]]:
    """Give what begins work that mostly waits for commands of `run`, so much of it at a time.

    Where the block ends with an exception, the commands of all work are ended before that goes on.
    """
    stopped = threading.Event()
    with ThreadPoolExecutor(workers) as pool:

        def begin(work: Callable[[], _Result]) -> Future[_Result]:
            context = contextvars.copy_context()
            context.run(_STOPPED.set, (*_STOPPED.get(), stopped))
            return pool.submit(context.run, work)

        try:
            yield begin
        except BaseException:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def pause(seconds: float) -> None:
    """Wait a moment; raises KeyboardInterrupt where what runs side by side has to end."""
    _go_on()
    time.sleep(seconds)


def _go_on() -> None:
    """Raise KeyboardInterrupt, which reaches the main thread alone, in a thread that has to end."""
    if any(stopped.is_set() for stopped in _STOPPED.get()):
        raise KeyboardInterrupt


def run(
    command: Sequence[str | Path], env: Mapping[str, str], limit: float, folder: Path | None = None
) -> tuple[int, str]:
    """Return the exit status (negative: the signal it died of) and what it printed, both streams mixed.

    It runs in `folder`, or where we are. Raises OSError if it cannot be started,
    subprocess.TimeoutExpired after `limit` seconds, and subprocess.SubprocessError if it prints without end.
    """
    # Output goes to a file: a grandchild that outlives the command would keep a pipe open.
    with tempfile.TemporaryFile() as output:
        with started(command, env, output, folder) as process:
            _wait(process, output.fileno(), limit, lambda _: False)
        return process.returncode, _printed(output.fileno()).decode(errors="replace")


def run_until(
    command: Sequence[str | Path],
    env: Mapping[str, str],
    limit: float,
    enough: Callable[[bytes], bool],
) -> tuple[int | None, str]:
    """Do as `run` does, but end the command as soon as what it printed is enough: the status is then None.

    A command that has printed its answer may take a minute to end, or never end.
    """
    with tempfile.TemporaryFile() as output:
        with started(command, env, output) as process:
            ended = _wait(process, output.fileno(), limit, enough)
        return process.returncode if ended else None, _printed(output.fileno()).decode(errors="replace")


def _printed(output: int) -> bytes:
    """Return what is in a file so far, wherever in it is being written."""
    return os.pread(output, OUTPUT_LIMIT, 0)


@contextlib.contextmanager
def started(
    command: Sequence[str | Path],
    env: Mapping[str, str],
    output: IO[bytes],
    folder: Path | None = None,
    grace: float = 0.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command in `folder` whose output, both streams mixed, goes to a file; end all of it at the end.

    What is still running then has `grace` seconds to put its own things in order. Raises OSError if the
    command cannot be started.
    """
    start = Start(env)
    with _interrupts_held_back() as let_go:
        with start.starting():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=start.environment,
                cwd=folder,
                process_group=0,
            )
            start.began(process.pid)
        try:
            start.register()
            let_go()
            yield process
        finally:
            # The whole group, because a wrapper script may have started something that still runs.
            # PermissionError is how macOS says that only zombies are left in it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if grace and process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(grace)
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            start.ended(say_left)


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C back until the function that the block is given is called, or the block ends.

    Raised while Popen is at work it would leave a process that nobody knows of.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # only the main thread is ever interrupted
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))

    def let_go() -> None:
        signal.signal(signal.SIGINT, before)
        while came:
            signal.raise_signal(came.pop())

    try:
        yield let_go
    finally:
        let_go()


def _wait(
    process: subprocess.Popen[bytes], output: int, limit: float, enough: Callable[[bytes], bool]
) -> bool:
    """Wait until a process ends or what it printed is enough; return whether it ended."""
    deadline = time.monotonic() + limit
    seen = 0
    while True:
        left = deadline - time.monotonic()
        try:
            process.wait(max(0.0, min(POLL_INTERVAL, left)))
        except subprocess.TimeoutExpired:
            size = os.fstat(output).st_size
            if size > seen and enough(_printed(output)):
                return False
            seen = size
            _go_on()
            if left <= 0:
                raise
            if size > OUTPUT_LIMIT:
                msg = f"it printed more than {OUTPUT_LIMIT} bytes"
                raise subprocess.SubprocessError(msg) from None
        else:
            return True


def signal_name(number: int) -> str:
    """Return a signal's name; some real-time signals have none, only their number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
