"""Keeps track of what a run starts, so that nothing outlives the run: neither its end nor its violent death.

Each process is registered with a reaper (reaper.py), which ends what is left when we are killed. On Linux
processes that leave their group, as daemons do, become children of ours (PR_SET_CHILD_SUBREAPER, prctl(2)),
and are known by a variable that they were started with: they are ended, and named, too. Those that end by
themselves are reaped as they do, as init would: else each would hold one of the system's processes.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.log import LOG
from interpreters.reaper import ROUNDS, VARIABLE, bears

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REAPER = Path(__file__).with_name("reaper.py")

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""prctl(2), by linux/prctl.h."""

REAP_LIMIT = 5.0
"""Seconds that the reaper may take to end, once it is told that all is in order."""

END_LIMIT, POLL_INTERVAL = 1.0, 0.01
"""Seconds to wait for a process that was killed, and between two looks at it."""

REAP_INTERVAL = 0.25
"""Seconds between two looks at which children of ours have ended that nobody waits for."""

_OFFSPRING: contextvars.ContextVar[Offspring | None] = contextvars.ContextVar("offspring", default=None)


class Offspring:
    """What a run has started and not seen the end of."""

    def __init__(self) -> None:
        self._mark = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._started = 0
        self._starting = 0
        """How many processes are being started, whose number nobody knows yet."""
        self._closed = threading.Event()
        self._known: set[int] = set()
        self._before = frozenset(children_of(os.getpid()))
        self._reaper: subprocess.Popen[bytes] | None = None

    def mark(self) -> str:
        """Return what the next process bears; from the first on, orphans become children of ours.

        Not before, because a session that starts nothing through this module, such as that of the tests,
        has no right to processes that others leave running.
        """
        with self._lock:
            if not self._started:
                _prctl(PR_SET_CHILD_SUBREAPER, 1)
                # Where no more threads can be had, those that have ended wait for the end of the run.
                with contextlib.suppress(RuntimeError):
                    threading.Thread(target=self._keep_reaping, name="orphans", daemon=True).start()
            self._started += 1
            return f"{self._mark}.{self._started}."

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Start a process in the block, and say there that it began: nobody may reap it before."""
        with self._lock:
            self._starting += 1
        try:
            yield
        finally:
            with self._lock:
                self._starting -= 1

    def _keep_reaping(self) -> None:
        while not self._closed.wait(REAP_INTERVAL):
            self.reap()

    def reap(self) -> None:
        """Reap what has ended of the orphans that became children of ours.

        Not those of our own group: they were started by other means, and whoever did so waits for them.
        """
        with self._lock:
            if self._starting:
                return
            for pid in self._adopted():
                if _group_of_ended(pid) not in (None, os.getpgrp()):
                    with contextlib.suppress(OSError):
                        os.waitpid(pid, os.WNOHANG)

    def _adopted(self) -> set[int]:
        """Return the children of ours that this run has not started, and that were not there before."""
        reaper = {self._reaper.pid} if self._reaper else set()
        return children_of(os.getpid()) - self._known - self._before - reaper

    def tell(self, sign: str, what: str) -> None:
        """Tell the reaper, which is started now if this is the first that it hears."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            if self._reaper is None:
                self._reaper = subprocess.Popen(
                    [sys.executable, "-I", "-S", REAPER, self._mark],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={},
                    start_new_session=True,
                )
            assert self._reaper.stdin is not None  # noqa: S101  we asked for a pipe
            os.write(self._reaper.stdin.fileno(), os.fsencode(f"{sign} {what}\n"))

    def began(self, pid: int) -> None:
        """Take note of a process that is the first of its group."""
        self._known.add(pid)

    def ended(self, pid: int) -> None:
        """Take note that all of a group is gone."""
        self._known.discard(pid)
        self.tell("-", str(pid))

    def strays(self, mark: str) -> Iterator[tuple[int, str]]:
        """Yield those children of ours, with their names, that bear a mark and that nobody waits for."""
        wanted = os.fsencode(f"{VARIABLE}={mark}")
        for pid in self._adopted():
            if bears(pid, wanted):
                yield pid, name_of(pid)

    def close(self) -> None:
        """End whatever child of ours is still there, and let the reaper go."""
        self._closed.set()
        for _ in range(ROUNDS):
            spared = self._before | ({self._reaper.pid} if self._reaper else set())
            if not (left := children_of(os.getpid()) - spared):
                break
            for pid in left:
                if name := _end(pid):
                    say_left(name)
        if self._reaper:
            self.tell(".", "")
            assert self._reaper.stdin is not None  # noqa: S101  we asked for a pipe
            self._reaper.stdin.close()
            try:
                self._reaper.wait(REAP_LIMIT)
            except subprocess.TimeoutExpired:
                # Somebody stopped it. What it would have ended has ended.
                self._reaper.kill()
                self._reaper.wait()


@contextlib.contextmanager
def offspring_ended() -> Iterator[None]:
    """See to it that nothing which is started in the block, through this module, outlives the block or us."""
    offspring = Offspring()
    before = _OFFSPRING.set(offspring)
    try:
        yield
    finally:
        _OFFSPRING.reset(before)
        offspring.close()
        _prctl(PR_SET_CHILD_SUBREAPER, 0)


class Start:
    """A process that is about to be started, and is then registered, and looked after to its end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._offspring = _OFFSPRING.get()
        self._mark = self._offspring.mark() if self._offspring else ""
        self._pid = 0
        self.environment = {**environment, **({VARIABLE: self._mark} if self._mark else {})}
        """What it is started with."""

    def starting(self) -> contextlib.AbstractContextManager[None]:
        """Start it in the block that this is for, and say there that it began."""
        return self._offspring.starting() if self._offspring else contextlib.nullcontext()

    def began(self, pid: int) -> None:
        """Take note of its number."""
        self._pid = pid
        if self._offspring:
            self._offspring.began(pid)

    def register(self) -> None:
        """Have its group ended where we are killed; raises OSError where nobody can be had who would."""
        if self._offspring:
            self._offspring.tell("+", str(self._pid))

    def ended(self, left: Callable[[str], None]) -> None:
        """Its group was killed: end what has left the group, and hand on the names."""
        if not self._offspring:
            return
        for _ in range(ROUNDS):
            if not (strays := list(self._offspring.strays(self._mark))):
                break
            for pid, name in strays:
                _end(pid)
                left(name)
        self._offspring.ended(self._pid)


@contextlib.contextmanager
def removed_if_killed(folder: Path) -> Iterator[None]:
    """Let a folder be removed where we are killed within the block."""
    offspring = _OFFSPRING.get()
    if offspring:
        offspring.tell("+", str(folder))
    yield
    if offspring:
        offspring.tell("-", str(folder))


def say_left(name: str) -> None:
    """Say that a process was ended that something else had started and left running."""
    LOG.info("%s was left running, and was ended", name)


def end_with_parent() -> None:
    """Let SIGTERM reach us when our parent dies, which is to be ended together with us; Linux alone can."""
    parent = os.getppid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        signal.raise_signal(signal.SIGTERM)


def children_of(pid: int) -> set[int]:
    """Return the processes whose parent a process is; none where the system does not list them."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        # In text, because this is asked a hundred times in a run, of each thread.
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb", 0) as file:  # noqa: PTH123
                found.update(map(int, file.read().split()))
    return found


def name_of(pid: int) -> str:
    """Return the name of a process, which is its own to choose; empty if there is no such process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    return ""


def _group_of_ended(pid: int) -> int | None:
    """Return the group of a process that has ended and was not reaped; None for any other."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name before it may have blanks and brackets: proc_pid_stat(5).
        state, _, group = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[:3]
        return int(group) if state == b"Z" else None
    return None


def _end(pid: int) -> str:
    """Kill and reap a child of ours; return its name, empty if it had ended by itself."""
    name = name_of(pid)
    deadline = time.monotonic() + END_LIMIT
    with contextlib.suppress(OSError):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return ""
        os.kill(pid, signal.SIGKILL)
        while not os.waitpid(pid, os.WNOHANG)[0] and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL)
    return name


def _prctl(option: int, value: int) -> None:
    """Set an attribute of this process, where the system has such."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError, ImportError):
            import ctypes  # noqa: PLC0415  late, because few commands start anything

            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
