"""Finds whom root would trust by starting a file: whoever owns the file, or may put another in its place."""

# In text, because an interpreter loads a thousand files, and to make a Path takes as long as to look at one.

from __future__ import annotations

import functools
import grp
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SYSTEM = Path("/usr")
"""Whoever owns this folder owns the machine: root, or in a user namespace somebody beyond it."""

WRITTEN_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def not_as_root(path: str | Path, status: Callable[[str], os.stat_result] = os.lstat) -> str:
    """Return why root must not start a file; empty if root may, and for every other user.

    What counts is where a path leads, and each folder above that, because whoever may write to a folder can
    replace what is in it; a sticky folder, such as /tmp, allows that to nobody but the owner (chmod(1)).
    """
    return Trust(status).not_as_root(path)


class Trust:
    """Whom root would trust by starting files, of which each is looked at once, and each folder above."""

    def __init__(self, status: Callable[[str], os.stat_result] = os.lstat) -> None:
        self._status = status
        self._known: dict[str, _Followed] = {}
        """By absolute path."""

    @functools.cached_property
    def _is_root(self) -> bool:
        return os.geteuid() == 0

    def not_as_root(self, path: str | Path) -> str:
        """Return what the function of this name does."""
        if not self._is_root:
            return ""
        try:
            # What is above a link is not what the text says: `..` is left to the system.
            whole = os.path.realpath if os.pardir in str(path) else os.path.abspath
            found = self._find(whole(path))
        except OSError as error:
            return f"who owns {os.path.realpath(path)} cannot be found out: {error.strerror or error}"
        if found.doubtful is None:
            return ""
        part, facts = found.doubtful
        if facts.st_uid not in self._trusted:
            return _owned(found.real, part, facts.st_uid)
        return f"{part} is writable by {_writers(facts)}: not started as root; run chmod go-w on it"

    def suspects(self, folder: str) -> Iterator[str]:
        """Give what in a folder not_as_root has to be asked of once the folder itself is known to be safe.

        Among a thousand files these are few: what is no link, and whose owner is trusted and alone may write
        to it, is as safe as its folder. Raises OSError where the folder cannot be listed.
        """
        with os.scandir(folder) as entries:
            yield from (entry.path for entry in entries if not self._is_plain(entry))

    def _is_plain(self, entry: os.DirEntry[str]) -> bool:
        """Whether there is nothing in what lies in a folder that its folder has not."""
        try:
            facts = entry.stat(follow_symlinks=False)
        except OSError:
            return False
        is_link, written = stat.S_ISLNK(facts.st_mode), facts.st_mode & WRITTEN_BY_OTHERS
        return facts.st_uid in self._trusted and not (written or is_link)

    @functools.cached_property
    def _trusted(self) -> set[int]:
        return {0, self._status(os.path.realpath(SYSTEM)).st_uid}

    def _find(self, path: str) -> _Followed:
        """Return what is known of a path; raises OSError where it leads nowhere, or cannot be looked at."""
        if path not in self._known:
            folder, name = os.path.split(path)
            above = self._find(folder) if name else _Followed("", None)
            here = f"{above.real.rstrip('/')}/{name}"
            facts = self._status(here)
            if stat.S_ISLNK(facts.st_mode):
                self._known[path] = self._find(os.path.realpath(here, strict=True))
            elif facts.st_uid not in self._trusted or _writers(facts):
                self._known[path] = _Followed(here, (here, facts))
            else:
                self._known[path] = _Followed(here, above.doubtful)
        return self._known[path]


class _Followed(NamedTuple):
    """Where a path leads, and the first of that and the folders above that somebody else may change."""

    real: str
    doubtful: tuple[str, os.stat_result] | None


def others(path: Path, status: Callable[[str], os.stat_result] = os.lstat) -> str:
    """Return who beside root may change a file, or put another in its place; empty if nobody.

    `path` is a real path. Folders above count as for `not_as_root`; what cannot be looked at is anybody's.
    """
    try:
        trusted = {0, status(os.path.realpath(SYSTEM)).st_uid}
        for part in (path, *path.parents):
            found = status(str(part))
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
