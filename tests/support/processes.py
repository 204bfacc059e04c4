"""Ends processes that a test started, says whether they still live, and which ports are free."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import socket
import threading
import time
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

Output = TypeVar("Output", str, bytes)


@contextlib.contextmanager
def killed_at_the_end(process: subprocess.Popen[Output]) -> Iterator[subprocess.Popen[Output]]:
    """Kill a process in any case: `with` of Popen waits for its end, and after a failed test for ever."""
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def alive(folder: Path) -> Iterator[tuple[Path, int]]:
    """Make a named pipe, open for reading: processes that hold its other end are alive until it ends."""
    path = folder / "alive"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield path, reader
    finally:
        os.close(reader)


def read_end(reader: int) -> bytes:
    """Return what was written to such a pipe once nobody holds it any more; fail if somebody does."""
    said = b""
    while True:
        ready, _, _ = select.select([reader], [], [], 10)
        assert ready, f"a process is still alive; so far it said {said!r}"
        if not (data := os.read(reader, 4096)):
            return said
        said += data


def free_ports(count: int) -> int:
    """Return the first of so many free ports in a row, below those that the system hands out by itself."""
    for first in range(20000, 30000, count):
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + count):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    pytest.skip(f"there are no {count} free ports in a row here: a machine with some enables this")


class Witness:
    """Sees whether processes still live: they hold the far end of a named pipe open."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.watch = f"exec 9>{shlex.quote(str(path))}; printf x >&9"
        """Shell commands that put the shell, and all that it starts from then on, under watch."""

    def when_watching(self, act: Callable[[], object]) -> None:
        """Act, in another thread, as soon as a process is under watch."""

        def wait() -> None:
            if select.select([self._reader], [], [], 10)[0]:
                act()

        threading.Thread(target=wait).start()

    def all_gone(self, patience: float = 5.0) -> bool:
        """Whether something was watched and has ended, all of it, after a moment's patience."""
        seen = b""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            select.select([self._reader], [], [], 0.02)
            try:
                piece = os.read(self._reader, 100)
            except BlockingIOError:
                continue
            if not piece:
                return bool(seen)
            seen += piece
        return False

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._reader)
