"""Tells by the status of files, without reading one, whether anything that a Python loads has changed.

A file that was written, replaced or moved has another size, inode or time, and the time at which its status
changed (ctime) nobody can set: inode(7). A walk takes milliseconds where reading takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from typing import TYPE_CHECKING

from interpreters.errors import FloorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FILES_LIMIT = 100_000
"""Files beyond which a walk ends; few applications have these."""

PACKAGES = ("site-packages", "dist-packages")
"""Folders of packages: one within a standard library that is on no path is not loaded from."""

DISTRIBUTIONS = (".dist-info", ".egg-info")
"""How the folders end, in a folder of packages, that say what a distribution is and what it brings along."""

PASSED_OVER = (
    *PACKAGES,
    *("test", "tests", "idlelib", "lib2to3", "tkinter", "turtledemo", "pydoc_data", "ensurepip"),
)
"""Folders that are not walked: half of a standard library, from which next to nothing is loaded. What is
loaded from them counts by itself."""

ABSENT = "absent"

_STATUS = struct.Struct("=QQQQqq")


class UntoldError(FloorError):
    """It cannot be said whether these files change; the message says why."""


def status(path: str) -> str:
    """Return what tells the file behind a path from each other one, and from itself once it has changed.

    ABSENT where there is none; raises UntoldError where that cannot be known.
    """
    try:
        return _packed(os.stat(path)).hex()  # noqa: PTH116  with many files
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be looked at: {error}"
        raise UntoldError(msg) from error


def changed_since(path: str, moment: float) -> bool:
    """Whether a file, or anything in a folder, changed after a moment since the epoch, or is not there."""
    try:
        found = [os.stat(path)]  # noqa: PTH116
        if stat.S_ISDIR(found[0].st_mode):
            found += [facts or os.stat(folder) for folder, facts, _ in _within(path)]  # noqa: PTH116
    except (OSError, ValueError, UntoldError):
        return True
    return any(max(facts.st_mtime_ns, _changed(facts)) >= moment * 1e9 for facts in found)


def tree(root: str) -> str:
    """Return a hash over the status of all that is in a folder, or of a file, which may be absent.

    Of a folder of packages it is over what lies in the folder itself, and over what says which distributions
    are there: what a package has inside counts where something was loaded from it (see `looked_at`).

    Raises UntoldError for more than FILES_LIMIT files, for one that is no file, folder or link, and where
    that cannot be known.
    """
    if not os.path.isdir(root):  # noqa: PTH112
        return status(root)
    found, seen = hashlib.blake2b(digest_size=16), 0
    try:
        for path, _, facts in _within(root):
            seen += 1
            if seen > FILES_LIMIT:
                msg = f"{root} has more than {FILES_LIMIT} files"
                raise UntoldError(msg)
            found.update(os.fsencode(path) + b"\0" + facts)
    except OSError as error:
        msg = f"{error.filename} cannot be looked at: {error.strerror}"
        raise UntoldError(msg) from error
    return found.hexdigest()


def looked_at(path: str, roots: Iterable[str]) -> str:
    """Return what `tree` has to be asked of for a file that was loaded, beside these; empty if nothing.

    That is the package that the file is in, where its folder of packages is among them, else the file.
    """
    inside = path
    for root in roots:
        if path == root:
            return ""
        if not path.startswith(f"{root}/"):
            continue
        first, *rest = path.removeprefix(f"{root}/").split("/")
        if any(folder in PASSED_OVER for folder in (first, *rest)[:-1]):
            continue
        if not rest or not _is_of_packages(root) or first.endswith(DISTRIBUTIONS):
            return ""
        inside = f"{root}/{first}"
    return inside


def _is_of_packages(folder: str) -> bool:
    return folder.rpartition("/")[2] in PACKAGES


def _within(root: str) -> Iterator[tuple[str, os.stat_result | None, bytes]]:
    """Give the names and the status of all below a folder, in an order that is always the same.

    And what of that tells whether something has changed. Of a folder that is walked that is its path alone,
    and its status is left to who wants it: a package may have a thousand.
    """
    ahead, of_packages = [root], _is_of_packages(root)
    while ahead:
        folder = ahead.pop()
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        yield folder, None, b""
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                if of_packages and folder == root and not entry.name.endswith(DISTRIBUTIONS):
                    facts = entry.stat(follow_symlinks=False)
                    yield entry.name, facts, _packed(facts)
                elif entry.name not in PASSED_OVER:
                    ahead.append(entry.path)
                continue
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(facts.st_mode):
                # What it leads to may change while the link stays.
                yield entry.name, facts, _packed(facts) + _behind(entry.path)
            elif stat.S_ISREG(facts.st_mode):
                yield entry.name, facts, _packed(facts)
            else:
                msg = f"{entry.path} is neither a file nor a folder"
                raise UntoldError(msg)


def _behind(link: str) -> bytes:
    """Return what tells a link's end; raises UntoldError for a folder, of which this is not all."""
    try:
        end = os.stat(link)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT.encode()
    if stat.S_ISDIR(end.st_mode):
        msg = f"{link} leads to a folder"
        raise UntoldError(msg)
    return _packed(end)


def _packed(found: os.stat_result) -> bytes:
    """Return the status of a file; of what has several names the inode cannot be another file's."""
    changed = _changed(found)
    return _STATUS.pack(found.st_dev, found.st_ino, found.st_size, found.st_mode, found.st_mtime_ns, changed)


def _changed(found: os.stat_result) -> int:
    """Return when a status changed; 0 for a file of several names, as uv links them: each sets it anew."""
    several = found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode)
    return 0 if several else found.st_ctime_ns
