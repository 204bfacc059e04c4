"""What this machine lets a run have: open files, folders with room; and a sentence where it is too little."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import resource
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.errors import FloorError

if TYPE_CHECKING:
    from collections.abc import Iterator

MEBIBYTE = 2**20

ROOM = 16 * MEBIBYTE
"""Bytes that must be free where a run writes: a report with its captures takes 1 to 5 MiB, rarely more."""

OWN_FILES = 24
"""Open files beside those counted: streams, pipes to children, keys, the report's, and some to spare."""

NO_ROOM_FOR_CODE = ("failed to map segment", "cannot map zero-fill pages")
"""What glibc's dynamic linker says where there is no memory for a library: dlerror(3)."""

_EXHAUSTED = {
    errno.EMFILE: "this process may open no more files: raise its limit (ulimit -n 4096)",
    errno.ENFILE: "this machine can open no more files: end what holds many of them",
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "the quota of the disk is used up: make room",
    errno.EROFS: "the file system is read-only: use a checkout that can be written to",
    errno.EFBIG: "a file may have no more bytes: raise the limit (ulimit -f)",
    errno.EPIPE: "nobody reads what it prints any more: let it print into a file",
    errno.EIO: "the disk, or whoever shares it, fails (input/output error): see the system's log",
    errno.ESTALE: "the network's file system has lost it (stale file handle): mount it again",
    errno.ENOLCK: "the file system has no locks: use a checkout on another one",
    errno.EACCES: "permission is denied: give the folder to the user who measures",
    errno.EPERM: "permission is denied: give the folder to the user who measures",
    errno.EAGAIN: "no more processes or threads can be started: raise the limits (ulimit -u, ulimit -v)",
    errno.ENOMEM: "there is not enough memory: free some, or raise the limit (ulimit -v)",
    errno.EADDRINUSE: "no port is left: end what holds many of them",
    errno.EADDRNOTAVAIL: "no port is left: end what holds many of them",
}
"""What the system's errors mean for a run, and the remedy: errno(3)."""


class ResourceError(FloorError):
    """This machine does not let a run have what it needs; the message names subject, limit and remedy."""


def exhausted(error: BaseException) -> str:
    """Return a sentence for an error that says that a resource has run out; empty for any other error."""
    if isinstance(error, MemoryError) or any(map(_is_no_room_for_code, _causes(error))):
        return _EXHAUSTED[errno.ENOMEM]
    # So Python's own code fails, too, where it was given no memory and said nothing of that.
    if isinstance(error, SystemError) and "without exception set" in str(error):
        return _EXHAUSTED[errno.ENOMEM]
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return _EXHAUSTED[errno.EAGAIN]
    if isinstance(error, OSError) and error.errno in _EXHAUSTED:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{_EXHAUSTED[error.errno]}"
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and those that it was raised from: a package may say that another is lacking."""
    while error:
        yield error
        error = error.__cause__


def _is_no_room_for_code(error: BaseException) -> bool:
    return isinstance(error, ImportError) and any(words in str(error) for words in NO_ROOM_FOR_CODE)


def removed(error: BaseException, folder: Path) -> str:
    """Return a sentence for an error by which a file of ours is not there; empty for any other error.

    What a run keeps in `folder` nobody else has to remove while it runs.
    """
    if not isinstance(error, FileNotFoundError) or not isinstance(error.filename, str):
        return ""
    path = Path(error.filename).absolute()
    if not path.is_relative_to(folder):
        return ""
    return f"{path} was removed meanwhile: run this again, and remove nothing of {folder} while it runs"


def writing_problem(folder: Path, room: int = ROOM) -> str:
    """Return why a run could not write to a folder that is there or can be made; empty if it could.

    Nothing is written to find out.
    """
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not place.is_dir():
        return f"{place} is no folder: remove it"
    # In words of access(2): false for a read-only file system too.
    if not os.access(place, os.W_OK | os.X_OK):
        return f"nothing can be written to {place}, which belongs to {_owner(place)}: {_remedy(place)}"
    free = shutil.disk_usage(place).free
    if free < room:
        wanted, there = room // MEBIBYTE, free / MEBIBYTE
        return f"{place} has {there:.1f} MiB left, and a run needs {wanted}: make room"
    return ""


def own_problem(folder: Path) -> str:
    """Return why a folder cannot be kept to ourselves: it is another user's; empty if it can."""
    if not folder.exists() or os.geteuid() in (0, folder.stat().st_uid):
        return ""
    return f"{folder} belongs to {_owner(folder)}, and keys are kept in it: {_remedy(folder)}"


def link_problem(folder: Path, checkout: Path) -> str:
    """Return which link leads a folder, in which keys are kept, out of its checkout; empty if none does.

    A folder outside the checkout is one that the user named, as by `nox --envdir`.
    """
    if folder.is_relative_to(checkout):
        for path in (folder, *folder.parents):
            if path == checkout:
                break
            if path.is_symlink() and not path.resolve().is_relative_to(checkout.resolve()):
                where = path.readlink()
                return f"{path} is a link to {where}: remove the link, or name a folder by nox --envdir"
    return ""


def _owner(path: Path) -> str:
    number = path.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _remedy(path: Path) -> str:
    """Return what makes a folder one that this user can write to."""
    ours = path.stat().st_uid == os.geteuid()
    return "use a checkout that can be written to" if ours else "give it to the user who measures (chown)"


def raise_open_files(wanted: int) -> int:
    """Let this process have `wanted` open files, or as many as it may; return how many those are.

    No more than are wanted: Python 2.7 goes through all of them each time that it starts a process.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted if soft == resource.RLIM_INFINITY else soft
    best = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    # macOS says that its hard limit is infinite, and refuses what is beyond kern.maxfilesperproc.
    for limit in (best, min(best, 10240)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            return limit
    return soft


def make_room_for(files: int) -> int:
    """Let this process open so many files beside what it has open; return how many it may have in all."""
    return raise_open_files(_open_now() + OWN_FILES + files)


def probes_at_once(wanted: int, each: int, common: int) -> tuple[int, str]:
    """Return how many probes may run side by side, at most `wanted`, and a sentence if those are fewer.

    A probe needs `each` open files, and the run `common` beside them. Raises ResourceError where there are
    too few for a single one.
    """
    base = _open_now() + common + OWN_FILES
    limit = make_room_for(common + wanted * each)
    fitting = (limit - base) // each
    if fitting >= wanted:
        return wanted, ""
    if fitting < 1:
        msg = (
            f"this process may open {limit} files, and to measure takes at least {base + each}:"
            f" raise its hard limit to {base + wanted * each} (ulimit -n)"
        )
        raise ResourceError(msg)
    return fitting, (
        f"{fitting} at once instead of {wanted}, because this process may open {limit} files only"
        f" (with a hard limit of {base + wanted * each}, ulimit -n, there would be {wanted})"
    )


def _open_now() -> int:
    """Return how many files are open: fd(4) lists them, itself among them."""
    try:
        return len(list(Path("/dev/fd").iterdir()))
    except OSError:
        return OWN_FILES
