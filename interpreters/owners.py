"""Finds whom root would trust by starting a file: whoever owns the file, or may put another in its place."""

from __future__ import annotations

import functools
import grp
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SYSTEM = Path("/usr")
"""Whoever owns this folder owns the machine: root, or in a user namespace somebody beyond it."""


def not_as_root(path: Path, status: Callable[[Path], os.stat_result] = os.stat) -> str:
    """Return why root must not start a file; empty if root may, and for every other user.

    `path` is a real path. Each folder above counts too, because whoever may write to a folder can replace
    what is in it; a sticky folder, such as /tmp, allows that to nobody but the owner (chmod(1)).
    """
    return Trust(status).not_as_root(path)


class Trust:
    """Whom root would trust by starting files; each folder above several files is looked at once."""

    def __init__(self, status: Callable[[Path], os.stat_result] = os.stat) -> None:
        self._status = status
        self._doubtful: dict[str, tuple[str, os.stat_result] | None] = {}
        """By path, the first of itself and the folders above that somebody else may change."""

    def not_as_root(self, path: Path) -> str:
        """Return what the function of this name does."""
        if os.geteuid() != 0:
            return ""
        try:
            doubtful = self._find(str(path))
        except OSError as error:
            return f"who owns {path} cannot be found out: {error.strerror or error}"
        if doubtful is None:
            return ""
        part, found = doubtful
        if found.st_uid not in self._trusted:
            return _owned(str(path), part, found.st_uid)
        return f"{part} is writable by {_writers(found)}: not started as root; run chmod go-w on it"

    @functools.cached_property
    def _trusted(self) -> set[int]:
        return {0, self._status(SYSTEM).st_uid}

    def _find(self, path: str) -> tuple[str, os.stat_result] | None:
        if path not in self._doubtful:
            found = self._status(Path(path))
            if found.st_uid not in self._trusted or _writers(found):
                self._doubtful[path] = path, found
            else:
                above = os.path.dirname(path)  # noqa: PTH120  in text, which is the key
                self._doubtful[path] = self._find(above) if above != path else None
        return self._doubtful[path]


def others(path: Path, status: Callable[[Path], os.stat_result] = os.stat) -> str:
    """Return who beside root may change a file, or put another in its place; empty if nobody.

    `path` is a real path. Folders above count as for `not_as_root`; what cannot be looked at is anybody's.
    """
    try:
        trusted = {0, status(SYSTEM).st_uid}
        for part in (path, *path.parents):
            found = status(part)
            if found.st_uid not in trusted:
                return _name(found.st_uid)
            if who := _writers(found):
                return who
    except OSError:
        return "somebody"
    return ""


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _owned(path: str, part: str, owner: int) -> str:
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        return f"{part} is owned by user {owner}, whom this machine does not know: not started as root"
    what = "owned by" if part == path else f"{part} is owned by"
    return f"{what} {name}: not started as root; run nox as {name}"


def _writers(found: os.stat_result) -> str:
    """Return who beside the owner may write to a file, or to what is in a folder; empty if nobody."""
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
        return ""
    if found.st_mode & stat.S_IWOTH:
        return "everybody"
    if found.st_mode & stat.S_IWGRP and found.st_gid != 0 and (others := _members(found.st_gid)):
        return f"{others[0]} and others" if others[1:] else others[0]
    return ""


def _members(group: int) -> list[str]:
    """Return the users of a group beside root: Debian's /usr/local belongs to one that nobody is in."""
    try:
        named = grp.getgrgid(group).gr_mem
    except KeyError:
        named = []
    first = [user.pw_name for user in pwd.getpwall() if user.pw_gid == group and user.pw_uid]
    return [name for name in dict.fromkeys((*first, *named)) if name != "root"]
