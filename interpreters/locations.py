"""Reads the locations where interpreters are put, and finds which of their folders this machine has."""

from __future__ import annotations

import fnmatch
import itertools
import os
import pwd
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from interpreters.tables import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from interpreters.tables import Table

LOCATIONS = Path(__file__).with_name("locations.toml")

EXECUTABLE = re.compile(r"((platform-)?python|pypy)(\d(\.\d+)?)?t?d?(-dbg|-debug)?")
"""The names that interpreters are installed under; python3-config and the like are none."""

FIRST_OWN_UID = 100
"""User ids below are the distribution's own (Debian policy 9.2.2): nobody but root has a home there."""

PROC = Path("/proc")
"""What Linux tells of the processes that run: proc(5)."""

PROCESSES = "running processes"
"""The location where Pythons are that run: no folder."""

LIST_LIMIT = 1024 * 1024
"""Bytes that are read of a file which lists installations."""


@dataclass(frozen=True)
class InterpreterSource:
    """A source of interpreters as its table describes it; the keys are explained at the head of the file."""

    id: str
    folders: tuple[str, ...]
    lists: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    own: bool = False


Status = Literal["looked", "absent", "unreadable"]


@dataclass(frozen=True)
class SearchedLocation:
    """A location, and whether discovery could look there."""

    place: str
    """As the file has it, such as ``~/.pyenv/versions/*/bin``; or the path of what could not be read."""
    status: Status
    reason: str = ""


@dataclass(frozen=True)
class Home:
    """A home folder; `user` is empty for that of whoever runs the tool."""

    path: str
    user: str = ""


@dataclass(frozen=True)
class Location:
    """One line of the file on this machine: the folders it names, and all that lies below."""

    source: InterpreterSource
    folders: tuple[Path, ...]
    below: str
    """A glob of all that lies below."""
    user: str = ""
    """Whose home it is in; empty outside homes, and in that of whoever runs the tool."""

    def has(self, path: str) -> bool:
        """Whether a path lies below: as text first, because to compile a glob takes much longer."""
        start = re.split(r"[*?[]", self.below, maxsplit=1)[0]
        return path.startswith(start) and fnmatch.fnmatchcase(path, self.below)


def is_interpreter_name(name: str) -> bool:
    """Whether an interpreter could be installed under this name."""
    return EXECUTABLE.fullmatch(name) is not None


def location_at(source: InterpreterSource, folder: Path) -> Location:
    """Return a folder as a location of this source."""
    return Location(source, (folder,), _below(_escape(str(folder))))


@cache
def read_locations(path: Path = LOCATIONS) -> tuple[InterpreterSource, ...]:
    """Read and check a file of locations; raises TableError that names the entry at fault."""
    found = tables(path.name, path.read_bytes(), InterpreterSource)
    return tuple(_read_source(name, table) for name, table in found.items())


def _read_source(name: str, table: Table) -> InterpreterSource:
    if "_" in name:
        table.refuse("a source begins the ids of its interpreters, and ends at their first _: it has none")
    texts = {key: patterns(table, key) for key in ("folders", "lists", "claims")}
    return InterpreterSource(name, **texts, names=names(table), own=table.get("own", bool, default=False))


def patterns(table: Table, key: str) -> tuple[str, ...]:
    """Return the locations that a table lists under a key; raises TableError for one without sense."""
    found = table.texts(key, "/opt/*/bin")
    for pattern in found:
        if not re.fullmatch(r"(~|\$[A-Z][A-Z0-9_]*)?(/[^/]+)*", pattern):
            table.refuse(
                f"{key} has {pattern!r}; a location begins with /, ~/ or a $NAME/, and ends without /"
            )
    return found


def names(table: Table) -> tuple[str, ...]:
    """Return a table's patterns of names; raises TableError for one that names nothing."""
    found = table.texts("names", "/([^/]+)/bin")
    for expression in found:
        try:
            groups = re.compile(expression).groups
        except re.error as error:
            table.refuse(f"names has {expression!r}, which is no regular expression: {error}")
        if not groups:
            table.refuse(f"names has {expression!r}; put what is the name in parentheses")
    return found


def homes(env: Mapping[str, str]) -> tuple[Home, ...]:
    """Return the home of whoever runs the tool and, for root, those of all other users.

    Without HOME, as in a system service, the password database says where it is.
    """
    if not (own := env.get("HOME", "")):
        try:
            own = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            own = ""
    found = {own: Home(own)} if own else {}
    if os.geteuid() == 0:
        for home in _users_homes():
            found.setdefault(home.path, home)
    return tuple(found.values())


def not_looked_at(env: Mapping[str, str]) -> tuple[Home, ...]:
    """Return the homes of other users, which nobody but root looks at."""
    looked = {home.path for home in homes(env)}
    return tuple(home for home in _users_homes() if home.path not in looked)


def _users_homes() -> Iterator[Home]:
    """Give every home that is its user's own: many accounts of services have a folder of the system's."""
    for user in pwd.getpwall():
        if user.pw_uid and user.pw_uid < FIRST_OWN_UID:
            continue
        try:
            own = Path(user.pw_dir).is_dir() and Path(user.pw_dir).stat().st_uid == user.pw_uid
        except OSError:
            continue
        if own and user.pw_dir != "/":
            yield Home(user.pw_dir, user.pw_name)


def expand(
    sources: Iterable[InterpreterSource], env: Mapping[str, str]
) -> tuple[list[Location], list[SearchedLocation]]:
    """Return the locations of all sources on this machine, in order, and what was looked at to find them."""
    locations: list[Location] = []
    looked: list[SearchedLocation] = []
    users: list[Home] = []
    for home in homes(env):
        problem = "" if home.path == "/" else _locked(home.path)
        if problem:
            looked.append(SearchedLocation(home.path, "unreadable", problem))
        else:
            users.append(home)
            if home.user:
                looked.append(SearchedLocation(home.path, "looked", f"home of {home.user}"))
    for source in sources:
        for pattern in source.folders:
            found, seen = _expand(source, pattern, users, env)
            locations += found
            looked += seen
        for pattern in source.lists:
            found, seen = _expand_list(source, pattern, users, env)
            locations += found
            looked += seen
        for pattern in source.claims:
            for literal, user in _literals(pattern, users, env):
                locations.append(Location(source, (), _below(literal), user))
    return locations, looked


def _locked(folder: str) -> str:
    """Say why nothing below a folder can be looked at; empty where it can, or where it is not there."""
    try:
        Path(folder, "..").stat()  # needs more than the folder's own status
    except PermissionError as error:
        return _why(error)
    except OSError:
        pass
    return ""


def _expand(
    source: InterpreterSource, pattern: str, users: Iterable[Home], env: Mapping[str, str]
) -> tuple[list[Location], list[SearchedLocation]]:
    """Return the locations of one pattern: one in each home, if it is of homes."""
    locations, refused = [], []
    literals = _literals(pattern, users, env)
    for literal, user in literals:
        found, problems = _matching(literal)
        locations.append(Location(source, tuple(found), _below(literal), user))
        refused += problems
    if any(location.folders for location in locations):
        return locations, [SearchedLocation(pattern, "looked"), *refused]
    if refused:
        return locations, refused
    unset = f"{pattern[1:].partition('/')[0]} is not set" if pattern[0] == "$" and not literals else ""
    return locations, [SearchedLocation(pattern, "absent", unset)]


def _expand_list(
    source: InterpreterSource, pattern: str, users: Iterable[Home], env: Mapping[str, str]
) -> tuple[list[Location], list[SearchedLocation]]:
    """Return the locations that the lines of a file name: an installation each."""
    locations, looked = [], []
    for literal, user in _literals(pattern, users, env):
        try:
            files, problems = _matching(literal, folders=False)
            texts = [_head(file) for file in files]
        except OSError as error:
            looked.append(SearchedLocation(literal, "unreadable", _why(error)))
            continue
        looked += problems
        for line in "\n".join(texts).splitlines():
            if line.startswith("/"):
                folder = Path(line.strip()) / "bin"
                there = (folder,) if folder.is_dir() else ()
                locations.append(Location(source, there, _below(_escape(str(folder))), user))
        if texts:
            looked.append(SearchedLocation(pattern, "looked"))
    return locations, list(dict.fromkeys(looked)) or [SearchedLocation(pattern, "absent")]


def _head(file: Path) -> str:
    if not file.is_file():  # one that never ends, such as a pipe, lists nothing
        return ""
    with file.open("rb") as opened:
        return opened.read(LIST_LIMIT).decode(errors="surrogateescape")


def _literals(pattern: str, users: Iterable[Home], env: Mapping[str, str]) -> list[tuple[str, str]]:
    """Fill in the leading variable or each home; nothing where there is none. Gives pattern and user."""
    head, slash, rest = pattern.partition("/")
    if head == "~":
        starts = [(home.path, home.user) for home in users]
    elif head.startswith("$"):
        value = env.get(head[1:], "")
        starts = [(value, "")] if value else []
    else:
        return [(pattern, "")]
    return [(f"{_escape(start.rstrip('/'))}{slash}{rest}", user) for start, user in starts]


@lru_cache(maxsize=2**12)
def _escape(path: str) -> str:
    """Return a pattern that is this very path (glob.escape, for absolute paths)."""
    return re.sub(r"([*?[])", r"[\1]", path)


def _below(literal: str) -> str:
    return f"{literal}/*"


def _matching(literal: str, *, folders: bool = True) -> tuple[list[Path], list[SearchedLocation]]:
    """Return what a pattern names, sorted, and which folders on the way could not be read.

    Unlike glob, this reports an unreadable folder rather than passing over it.
    """
    # Texts, because most of what is asked for is not there, and a Path each would take half of the time.
    found, refused = ["/" if literal.startswith("/") else "."], []
    for step, named in _steps(literal.strip("/")):
        several: list[str] = []
        for folder in found:
            try:
                several += [_there(os.path.join(folder, step))] if named else _entries(folder, step)
            except PermissionError as error:
                locked = _last_open(folder, step) if named else folder
                refused.append(SearchedLocation(locked, "unreadable", _why(error)))
            except OSError:
                continue
        found = several
    return [Path(path) for path in found if os.path.isdir(path) or not folders], refused


def _steps(pattern: str) -> Iterator[tuple[str, bool]]:
    """Give the steps along a pattern: a part with a star, or a path of all parts that name one thing each.

    Such a path is asked for at once, because most of them are not there.
    """
    for named, parts in itertools.groupby(pattern.split("/"), lambda part: _escape(_named(part)) == part):
        if named:
            yield "/".join(map(_named, parts)), True
        else:
            yield from ((part, False) for part in parts)


@lru_cache(maxsize=2**12)
def _named(part: str) -> str:
    """Return what a part of a pattern names, if that is one thing."""
    return re.sub(r"\[([*?[])\]", r"\1", part)


def _there(path: str) -> str:
    """Return a path; raises OSError where it is not there, or that cannot be known."""
    os.stat(path)
    return path


def _last_open(folder: str, path: str) -> str:
    """Return the last folder along a path in which it can be told whether the next part is there."""
    for part in path.split("/"):
        try:
            folder = _there(os.path.join(folder, part))
        except OSError:
            break
    return folder


def _entries(folder: str, part: str) -> list[str]:
    """Return what a part with a star names in a folder; raises OSError where that cannot be known."""
    names = sorted(fnmatch.filter(os.listdir(folder), part))
    # As in a shell, a star stands for no name that begins with a dot.
    return [os.path.join(folder, name) for name in names if name.startswith(".") is part.startswith(".")]


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
