"""Folders for as long as a run lasts, such as those with its keys: what a run that was killed left is swept.

A run locks its folders, and the system releases the locks when the run ends, however that happens (flock(2)).
Unlike the number of a process, a lock also tells across containers that share a cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.locks import locked
from interpreters.offspring import removed_if_killed

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIXES = (
    "run-",
    "remedy-",
    "serve-",
    "bench-",
    "pip-",
    "resolve-",
    "verify-",
    "page-",
    "image-",
    "sent-",
    "packages-",
    "page.",
)
"""What the names of such folders in the cache begin with; `page.` was that of earlier versions."""


@contextlib.contextmanager
def scratch_folder(cache: Path, prefix: str) -> Iterator[Path]:
    """Give a new folder in the cache, readable by us alone, which is gone after the block, or our death.

    `prefix` is one of PREFIXES. What dead runs left is removed first.
    """
    if prefix not in PREFIXES:
        msg = f"{prefix!r} is none of {', '.join(PREFIXES)}: nobody would sweep it"
        raise ValueError(msg)
    with contextlib.ExitStack() as held:
        # Else another run could come between the making of a folder and its lock.
        with locked(cache / "scratch", shared=False):
            sweep(cache)
            folder = Path(tempfile.mkdtemp(dir=cache, prefix=prefix))
            held.enter_context(in_use(folder))
            held.callback(shutil.rmtree, folder, ignore_errors=True)
        with removed_if_killed(folder):
            yield folder


@contextlib.contextmanager
def temporary_folder(scratch: Path) -> Iterator[Path]:
    """Give a new folder in a scratch folder; what is in it is gone after the block."""
    # A process that outlives its probe may still write there: that goes with the scratch folder.
    with tempfile.TemporaryDirectory(dir=scratch, prefix="tmp-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def sweep(cache: Path) -> None:
    """Remove the folders of this kind that no run holds any more."""
    for folder in cache.iterdir():
        if folder.name.startswith(PREFIXES) and is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Show, as long as the block lasts and we live, that a folder is in use."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Where a file system has no locks, nobody sweeps either.
        with contextlib.suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(held)


def is_abandoned(folder: Path) -> bool:
    """Whether a folder is there that nobody uses; not where that cannot be told, nor for a link."""
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(held)
    return True
