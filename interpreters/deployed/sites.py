"""Interpreters' own site-packages: which there are, and whether a client is there, by looking at files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.interpreter import site_id
from interpreters.owners import not_as_root

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from interpreters.clients import Client
    from interpreters.locate import Candidate
    from interpreters.prepared import Prepared

PATH_FILE_LIMIT = 64 * 1024
"""Bytes that are read of a .pth file."""


def sites(interpreters: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return, for each interpreter that may be started, its own packages as a candidate."""
    return tuple(
        replace(interpreter, id=site_id(interpreter.id), site=True, given=False)
        for interpreter in interpreters
        if not interpreter.as_found and not interpreter.unavailable
    )


def with_clients(
    prepared: Iterable[Prepared], interpreters: Iterable[Candidate], clients: Iterable[Client]
) -> tuple[Prepared, ...]:
    """Return those of the interpreters' own packages in which one of the clients may be installed.

    Of two ways to start one interpreter, the packages are those of the one that is among `interpreters` under
    its own name. An interpreter that cannot be used has a row that says so, and its packages none. Root loads
    no packages that somebody else may change: then the reason says who.
    """
    known = {interpreter.path for interpreter in interpreters}
    needed = [client.modules for client in clients if client.modules]
    found = []
    for each in prepared:
        identity = each.identity
        if each.interpreter.unavailable or identity is None or identity.is_venv:
            continue
        actual = Path(identity.executable or each.interpreter.path)
        twice = str(actual) != each.interpreter.path and actual in known and not each.changed
        if not twice and any(map(modules(identity.path).issuperset, needed)):
            refusal = _refusal(identity.path)
            found.append(each.without(refusal) if refusal else each)
    return tuple(found)


def _refusal(path: Iterable[str]) -> str:
    """Return why root must not load what lies in the folders of a path; empty if root may."""
    there = (Path(os.path.realpath(folder)) for folder in path if Path(folder).exists())
    return next(filter(None, map(not_as_root, there)), "")


def modules(path: Iterable[str]) -> frozenset[str]:
    """Return the names of modules and packages that lie in the folders of an interpreter's path.

    The name of a distribution stands for its modules where these are not in a folder: in a zipped egg, or
    elsewhere, found by code that an editable installation left there (PEP 660).
    """
    found: set[str] = set()
    for folder in _with_path_files(path):
        try:
            names = [entry.name for entry in Path(folder).iterdir()]
        except OSError:
            continue
        found.update(name.partition(".")[0] for name in names)
        found.update(name.partition("-")[0] for name in names if name.endswith((".dist-info", ".egg")))
    return frozenset(found)


def _with_path_files(path: Iterable[str]) -> Iterator[str]:
    """Give the folders of a path, and those that `.pth` files in them name a line each (site)."""
    for folder in path:
        yield folder
        for file in sorted(Path(folder).glob("*.pth")):
            try:
                if not file.is_file():
                    continue
                with file.open("rb") as opened:
                    lines = opened.read(PATH_FILE_LIMIT).decode(errors="surrogateescape").splitlines()
            except OSError:
                continue
            yield from (
                str(Path(folder, line.strip()))
                for line in lines
                if line.strip() and not line.startswith(("#", "import ", "import\t"))
            )
