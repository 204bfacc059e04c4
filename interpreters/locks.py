"""Locks folders between runs: many runs use a folder at a time, and one run alone makes or removes it."""

from __future__ import annotations

import contextlib
import fcntl
import time
from typing import IO, TYPE_CHECKING

from interpreters.errors import FloorError
from interpreters.log import LOG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_LIMIT = 300.0
"""Seconds to wait for other runs: as long as a large measurement takes."""

POLL_INTERVAL = 0.05
"""Seconds between two attempts."""

ANNOUNCE_AFTER = 1.0
"""Seconds after which waiting is announced."""


class BusyError(FloorError):
    """Other runs have used a folder for too long; the message says which, and the remedy."""


@contextlib.contextmanager
def locked(folder: Path, *, shared: bool, limit: float = WAIT_LIMIT) -> Iterator[None]:
    """Lock a folder, which need not exist, for the block: alone, or `shared` with other runs.

    Raises BusyError after `limit` seconds. The lock is on a file beside the folder. The file stays, because
    a file that was removed excludes nobody: flock(2). The system releases the lock when a process ends.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("a") as file:
        _take(file, folder, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, limit)
        yield


def _take(file: IO[str], folder: Path, kind: int, limit: float) -> None:
    began, announced = time.monotonic(), False
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - began
            if waited >= limit:
                msg = f"another run has used {folder} for {limit:g} s: measure again when that run has ended"
                raise BusyError(msg) from None
            if waited >= ANNOUNCE_AFTER and not announced:
                announced = True
                LOG.info("another run uses %s: waiting until it lets go, at most %g s", folder, limit)
            from interpreters.processes import pause  # few ever wait

            pause(POLL_INTERVAL)
        else:
            return
