"""Keeps what each place came to as soon as it is measured, so that a run that broke off can go on."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from interpreters.locks import locked
from interpreters.shared import Shared
from reports.merge import each_interpreters, part_of, read_parts, write_part
from reports.verdicts.observations import Joined
from runs.aging import is_old
from runs.unfinished import AGE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from reports.formats.matrix_json import StoredRun
    from reports.verdicts.matrix import Matrix
    from reports.verdicts.observations import Observation
    from reports.verdicts.policy import Policy

Put = Callable[[Sequence["Observation"]], Sequence["Observation"]]

PLACES = "places"
"""The folder of the cache that has them."""

UNFINISHED = "-unfinished"
"""How the name of a folder ends that is being written."""


@dataclass(frozen=True)
class KeptParts:
    """The places that were measured for one question: where they are kept, and those of an earlier run."""

    folder: Path
    shared: Shared
    """What is the same in several places."""
    parts: tuple[StoredRun, ...] = ()

    def keep(self, matrix: Matrix, policy: Policy) -> StoredRun:
        """Keep the matrix of a place, whole or not at all; return it as a part of the whole."""
        name = hashlib.sha256(matrix.run.host.encode()).hexdigest()
        aside = self.folder / f"{name}{UNFINISHED}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        write_part(aside, matrix, policy)
        shutil.rmtree(self.folder / name, ignore_errors=True)
        aside.rename(self.folder / name)
        return alike(part_of(matrix), self.shared)


@contextlib.contextmanager
def kept_parts(
    cache: Path, question: Iterable[str], put: Put = tuple, *, resume: bool
) -> Iterator[KeptParts]:
    """Keep parts for a question while the block lasts; begin anew, unless the run is to go on.

    What was observed is where `put` puts it: a fleet has a million of these.

    `question` is all that decides what an answer is: the tool, the options and the places. Raises BusyError
    where another run asks the same for too long, and RecordError where what was kept cannot be read.
    """
    everything = cache / PLACES
    folder = everything / hashlib.sha256("\0".join(question).encode()).hexdigest()
    _forget_old(everything)
    with locked(folder, shared=False):
        if not resume:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        whole = sorted(each for each in folder.iterdir() if not each.name.endswith(UNFINISHED))
        # One after the other: what each observed is then out of memory.
        shared = Shared()
        parts = (alike(_put(part, put), shared) for place in whole for part in read_parts([place]))
        yield KeptParts(folder, shared, tuple(parts))


def alike(part: StoredRun, shared: Shared) -> StoredRun:
    """Return a part that has no text, cell or list of its own that another part has, too.

    Most of what a place says of itself is where was looked, and with which servers: each of 1,000 says that.
    """
    return replace(
        part, run=shared.of(part.run), catalogue=shared.of(part.catalogue), rows=shared.of(part.rows)
    )


def _put(part: StoredRun, put: Put) -> StoredRun:
    apart = each_interpreters(part.observations).values()
    return replace(part, observations=Joined(tuple(map(put, apart))))


def _forget_old(everything: Path) -> None:
    """Remove what was kept for questions that nobody asked lately; their locks stay: see locks.py."""
    for each in everything.glob("*") if everything.is_dir() else ():
        with contextlib.suppress(OSError):
            if is_old(each.stat().st_mtime, AGE_LIMIT, time.time()):
                shutil.rmtree(each, ignore_errors=True)
