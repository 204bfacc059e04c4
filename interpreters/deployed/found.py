"""Finds the environments of applications where tools put them, by looking at files: nothing is run here."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.deployed.bundles import ZIPAPP
from interpreters.interpreter import ENVIRONMENT
from interpreters.locate import (
    COMMON,
    GIVEN,
    SEARCH,
    Candidate,
    Discovery,
    environments_at,
    plain,
    unique,
)
from interpreters.locations import (
    InterpreterSource,
    SearchedLocation,
    expand,
    names,
    patterns,
    read_locations,
)
from interpreters.owners import Trust
from interpreters.tables import tables
from interpreters.ways import PYTHON, ways_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from interpreters.search import SearchResult

FOUND = Path(__file__).with_name("found.toml")

CONFIGURATION = "pyvenv.cfg"
"""The file by which a folder is a virtual environment (PEP 405)."""

LONGEST = 4
"""Parts of a path that the id of an environment may have; after that, those of the same name are numbered."""

NAMED = 3
"""Folders in one folder that are named where they could not be read; further folders are only counted."""


@dataclass(frozen=True)
class EnvironmentTool:
    """A tool that makes environments, as its table describes it: see the head of the file."""

    id: str
    folders: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """An environment that was found: its folder, by which source, and in whose home if in another's."""

    folder: Path
    source: InterpreterSource
    user: str = ""

    def labels(self) -> Iterator[str]:
        """Give names for its id, from short to long: of environments with one name, each takes its next."""
        folder = self.folder
        if named := self._named():
            yield self._label(named)
            yield self._label(f"{self.source.id}_{named}")
        shortest = 2 if folder.name.strip(".") in COMMON else 1
        yield from (self._label("_".join(folder.parts[-length:])) for length in range(shortest, LONGEST + 1))

    def _label(self, text: str) -> str:
        return f"{plain(text)}_{plain(self.user)}" if self.user else plain(text)

    def _named(self) -> str:
        """Return the name that the tool's table gives; empty where it gives none."""
        for expression in self.source.names:
            if matched := re.search(expression, str(self.folder)):
                return "_".join(dict.fromkeys(matched.groups("")))
        return ""


@cache
def read_found(path: Path = FOUND) -> tuple[InterpreterSource, ...]:
    """Read and check a file of locations of environments; raises TableError that names the entry at fault."""
    found = tables(path.name, path.read_bytes(), EnvironmentTool)
    return tuple(
        InterpreterSource(name.replace("_", "-"), patterns(table, "folders"), names=names(table))
        for name, table in found.items()
    )


def sources() -> tuple[str, ...]:
    """Return every source that a candidate can have; raises TableError for a senseless file of locations."""
    found = (*read_locations(), *read_found(), SEARCH, GIVEN)
    return (*dict.fromkeys(source.id for source in found), ZIPAPP)


def find_environments(
    known: Sequence[Candidate],
    env: Mapping[str, str],
    called_from: Path,
    searched: Sequence[SearchResult] = (),
    own: Collection[Path] = (),
) -> Discovery:
    """Return the environments at the locations of found.toml and in the trees searched, and where we looked.

    `known` are the candidates of `discover`: what is among them is no second candidate, and keeps its id.
    `called_from` is the folder where nox was called; what lies below `own` is this tool's. Raises TableError.
    """
    locations, looked = expand(read_found(), {**env, "PWD": str(called_from)})
    in_locations = (
        _Found(folder, location.source, location.user)
        for location in locations
        for folder in location.folders
    )
    in_trees = (_Found(path.parents[1], SEARCH) for tree in searched for path in tree.executables)
    excluded = {os.path.realpath(each.environment) for each in known if each.environment}
    # A folder with an interpreter of its own is measured as an interpreter, and so are the packages there.
    homes = {str(each.path.parent.parent) for each in known}
    found: dict[str, _Found] = {}
    for each in (*in_locations, *in_trees):
        try:
            there = is_environment(each.folder)
            why = "" if there or not _has_lost_its_python(each.folder) else "its Python is gone"
        except OSError as error:
            why = (error.strerror or str(error)).lower()
        if why:
            looked.append(SearchedLocation(str(each.folder), "unreadable", why))
        elif there and (real := os.path.realpath(each.folder)) not in excluded | homes:
            found.setdefault(real, each)
    ours = [each for real, each in found.items() if not any(Path(real).is_relative_to(o) for o in own)]
    taken = {each.id for each in known}
    return Discovery(unique(_candidates(ours, taken), taken), tuple(grouped(looked)))


def is_environment(folder: Path) -> bool:
    """Whether a folder is a virtual environment with a Python; raises PermissionError where nobody can tell.

    A Python that leads into a locked folder counts: somebody else can start it. virtualenv before 20 wrote no
    pyvenv.cfg, but where the base's library is.
    """
    try:
        regular = stat.S_ISREG((folder / CONFIGURATION).stat().st_mode)
    except PermissionError:
        raise
    except OSError:
        regular = False
    if not regular and not _is_old_virtualenv(folder):
        return False
    try:
        ways_in(folder)[0].stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _has_lost_its_python(folder: Path) -> bool:
    """Whether an environment's Python leads to what is not there, as after an upgrade of the system's."""
    return (folder / CONFIGURATION).is_file() and (folder / PYTHON).is_symlink()


def _is_old_virtualenv(folder: Path) -> bool:
    return Path(folder, "bin/activate_this.py").exists() and any(folder.glob("lib/python*/orig-prefix.txt"))


def _candidates(found: Sequence[_Found], taken: Collection[str]) -> Iterator[Candidate]:
    """Give a candidate for each environment, under the shortest name that no other has."""
    names = [each.labels() for each in found]
    labels = [next(name) for name in names]
    for _ in range(LONGEST + 1):
        several = Counter(labels)
        for number, label in enumerate(labels):
            if several[label] > 1 or f"{ENVIRONMENT}{label}" in taken:
                labels[number] = next(names[number], label)
    trust = Trust()
    for each, label in zip(found, labels, strict=True):
        yield from environments_at(each.folder, label, each.source.id, trust.not_as_root)


def grouped(looked: Iterable[SearchedLocation]) -> Iterator[SearchedLocation]:
    """Give each location once; of many folders in one folder that could not be read, a few by name."""
    refused: dict[tuple[str, str], list[SearchedLocation]] = {}
    for location in dict.fromkeys(looked):
        if location.status == "unreadable":
            refused.setdefault((str(Path(location.place).parent), location.reason), []).append(location)
        else:
            yield location
    for (folder, _), locations in refused.items():
        yield from locations[:NAMED]
        if len(locations) > NAMED:
            yield replace(locations[NAMED], place=f"{len(locations) - NAMED} more of {folder}")
