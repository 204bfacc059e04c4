"""Searches a folder of the user's choice for Pythons: bounded, with progress, and once for a command."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.locations import SearchedLocation, is_interpreter_name
from interpreters.log import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping

VARIABLE = "TLS_FLOOR_SEARCHED"
"""Where the first process of a command leaves what it found for the others, which nox starts in parallel."""

VARIABLE_LIMIT = 100_000
"""Characters that are left in a variable: Linux takes 131,072 bytes (execve(2))."""

UNREAL = frozenset({"/proc", "/sys", "/dev"})
"""Folders that hold no files of a disk."""


@dataclass(frozen=True)
class Limits:
    """How far a search goes."""

    seconds: float = 60.0
    depth: int = 32
    """Folders below the one that is searched."""
    folders: int = 1_000_000
    found: int = 1_000
    every: float = 2.0
    """Seconds between two lines of progress."""


LIMITS = Limits()


@dataclass(frozen=True)
class SearchResult:
    """The result of a search."""

    folder: Path
    executables: tuple[Path, ...]
    looked: tuple[SearchedLocation, ...]
    """The folder itself comes first, with the reason if a part of it was not searched."""


PROGRESS = "%s %s: folders looked at: %s, Pythons found: %s"


def search_once(folders: Iterable[Path], env: MutableMapping[str, str]) -> tuple[SearchResult, ...]:
    """Search each folder, unless another process of this command has; leave what was found for the next."""
    wanted = tuple(dict.fromkeys(folders))
    known = {tree.folder: tree for tree in _recall(env.get(VARIABLE, ""))}
    found = tuple(known[folder] if folder in known else search(folder) for folder in wanted)
    text = json.dumps([asdict(tree) for tree in found], default=str)
    if found and len(text) <= VARIABLE_LIMIT:
        env[VARIABLE] = text
    return found


def _recall(text: str) -> list[SearchResult]:
    """Return what another process found; anything unreadable is as good as nothing."""
    try:
        return [
            SearchResult(
                Path(tree["folder"]),
                tuple(Path(path) for path in tree["executables"]),
                tuple(SearchedLocation(**looked) for looked in tree["looked"]),
            )
            for tree in json.loads(text or "[]")
        ]
    except (ValueError, KeyError, TypeError):
        return []


def search(
    folder: Path,
    limits: Limits = LIMITS,
    clock: Callable[[], float] = time.monotonic,
) -> SearchResult:
    """Return every executable below a folder that is called like a Python.

    The nearest folders are searched first. Links to folders are not followed, so that every search ends.
    """
    began = announced = clock()
    waiting = deque([(folder, 0)])
    found: list[Path] = []
    refused: list[SearchedLocation] = []
    looked_at = 0
    while waiting and not (why := _enough(clock() - began, looked_at, len(found), limits)):
        here, depth = waiting.popleft()
        looked_at += 1
        try:
            executables, folders = _look(here)
        except OSError as error:
            refused.append(SearchedLocation(str(here), "unreadable", (error.strerror or str(error)).lower()))
            continue
        found += executables
        below = [child for child in folders if str(child) not in UNREAL]
        if depth == limits.depth and below:
            refused.append(
                SearchedLocation(str(here), "unreadable", f"more than {limits.depth} folders deep")
            )
        else:
            waiting.extend((child, depth + 1) for child in below)
        if clock() - announced >= limits.every:
            announced = clock()
            LOG.info(PROGRESS, "searching", folder, looked_at, len(found))
    LOG.info(PROGRESS, "searched", folder, looked_at, len(found))
    whole = SearchedLocation(str(folder), "looked", "with --search")
    if waiting:
        whole = SearchedLocation(
            str(folder), "unreadable", f"only in part: {why}, {len(waiting)} folders or more left out"
        )
    return SearchResult(folder, tuple(found), (whole, *refused))


def _enough(seconds: float, folders: int, found: int, limits: Limits) -> str:
    """Say which limit ends a search; empty if none does."""
    if seconds >= limits.seconds:
        return f"searched for {limits.seconds:g} s"
    if folders >= limits.folders:
        return f"looked at {limits.folders} folders"
    return f"found {limits.found} Pythons" if found >= limits.found else ""


def _look(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return what can be run and is called like a Python, and the folders but for links, both sorted.

    A folder of shims holds no Python.
    """
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    named = (folder / entry.name for entry in listed if is_interpreter_name(entry.name))
    executables = [path for path in named if path.is_file() and os.access(path, os.X_OK)]
    below = [folder / entry.name for entry in listed if entry.is_dir(follow_symlinks=False)]
    return [] if folder.name == "shims" else executables, below
