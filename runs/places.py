"""A run over places: enters each, measures what is there side by side, and joins all into one report."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import requirements
from interpreters.deployed.visit import visit
from interpreters.fleets import Destination, destination, read_fleet
from interpreters.image_archives import unpacked
from interpreters.interpreter import PROGRAM, program_id
from interpreters.locate import Candidate, SelectionError, select
from interpreters.log import LOG
from interpreters.places import LOCAL, PlaceError
from interpreters.prepared import distinct, prepare_there
from interpreters.processes import side_by_side
from interpreters.programs_there import identify_programs_there
from interpreters.scratch import scratch_folder
from interpreters.sent import LIBRARY, sentence, with_sent
from reports.merge import merge
from reports.verdicts.observations import Run
from reports.verdicts.scope import Scope
from runs.job import tool
from runs.kept_places import kept_parts
from runs.measure import Fleet, SilentPlace, measure, measure_all, now
from runs.provenance import TLS_VARIABLES, commit_of, not_chosen, same_twice
from runs.task import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from interpreters.deployed.visit import VisitedPlace
    from reports.formats.matrix_json import StoredRun
    from reports.verdicts.matrix import Matrix
    from reports.verdicts.observations import RunRequest
    from runs.campaign import Settings
    from runs.job import Job
    from runs.measure import RunStart
    from runs.options import Shard

HERE_ALONE = ("interpreter", "environment", "search", "running", "made")
"""Options about this machine, which say nothing of another place."""

STDIN = Path("-")
"""The file of places that is the standard input."""

FLEET_LIMIT = 64 * 1024 * 1024
"""Bytes that are read of a file of places: an inventory of 10,000 hosts has a few."""

NOBODY = "no Python was found in this place"


ENTERED_AT_ONCE = 10
"""Places that are entered side by side: a jump host, or a host that several places are on, takes as many
connections that are not authenticated yet (sshd_config(5), MaxStartups)."""


def measure_places(job: Job, settings: Settings) -> Matrix:
    """Measure every place that was asked for; raises FloorError, before any is entered, for a bad question.

    A place that did not answer, or has no Python, has a row that says so. What each came to is kept as
    soon as it is measured, so that --resume asks the others alone.
    """
    fleet = destinations(job)
    sending = "sending" if job.parcels else ""
    question = (tool(), repr(job.request(settings)), sending, *(each.host for each in fleet))
    put = settings.spool.put if settings.spool else tuple
    with kept_parts(job.cache, question, put, resume=job.options.resume) as kept:
        parts = {part.host: part for part in kept.parts}
        silent = {each.host: each.unavailable for each in fleet if each.unavailable}
        rest = [each for each in fleet if each.ways and _reported_as(job, each) not in parts]
        if job.options.resume:
            LOG.info("of %d places %d were measured before, and are not asked again", len(fleet), len(parts))
        with scratch_folder(job.cache, "image-") as folder:
            entering = Entering(job, settings, folder, silent)
            if len(fleet) == len(rest) == 1:
                entered = entering.enter(rest[0])
                if not isinstance(entered, SilentPlace):
                    return measure(entered, tuple(job.sweep), settings)
            elif rest:
                # A report of several names a run by its id, whatever it says of that run.
                names = {each.host: f"{job.run_id}-place{number}" for number, each in enumerate(fleet, 1)}

                def keep(host: str, matrix: Matrix) -> None:
                    parts[matrix.run.host] = kept.keep(matrix, job.policy)
                    entering.left(host)

                measure_all(entering.fleet(rest, names), tuple(job.sweep), settings, keep)
    there = [parts[host] for each in fleet if (host := _reported_as(job, each)) in parts]
    return joined(
        job, settings, there, {each.host: silent[each.host] for each in fleet if each.host in silent}
    )


@dataclass(frozen=True)
class Entering:
    """Enters places, and takes down why one is silent."""

    job: Job
    settings: Settings
    folder: Path
    """Images are unpacked below it, and are gone when their place is measured."""
    silent: dict[str, str]

    def enter(self, where: Destination) -> RunStart | SilentPlace:
        """Return what there is to measure in a place, or why there is nothing."""
        entered = enter(self.job, where, self.settings, self._own_folder(where.host))
        if isinstance(entered, SilentPlace):
            self.silent[where.host] = entered.reason
            self.left(where.host)
        return entered

    def left(self, host: str) -> None:
        """Remove what was unpacked of a place."""
        shutil.rmtree(self._own_folder(host))

    def _own_folder(self, host: str) -> Path:
        (folder := self.folder / hashlib.sha256(host.encode()).hexdigest()).mkdir(exist_ok=True)
        return folder

    def fleet(self, places: Sequence[Destination], names: Mapping[str, str]) -> Fleet:
        """Return these places as they are entered for one report, in which each has a run of this name.

        This machine, which has no Python to enter it by, is entered here and now.
        """

        def begin(each: Destination) -> RunStart | SilentPlace:
            entered = self.enter(each)
            return entered if isinstance(entered, SilentPlace) else replace(entered, run_id=names[each.host])

        here = {each.host: begin(each) for each in places if each.ways == (LOCAL,)}
        enter = {host: partial(lambda entered: entered, entered) for host, entered in here.items()}
        enter |= {each.host: partial(begin, each) for each in places if each.host not in here}
        away = sum(any(way.away for way in each.ways) for each in places)
        clients = len({*self.job.sweep, *self.job.found_clients})
        return Fleet(enter, self.job.options.at_once, ENTERED_AT_ONCE, away, clients)


def _reported_as(job: Job, where: Destination) -> str:
    """Return the host that a report has a place as."""
    return job.host if where.ways == (LOCAL,) else where.host


def destinations(job: Job) -> tuple[Destination, ...]:
    """Return the places that were asked for, each once.

    Raises PlaceError for a name that makes no sense, and SelectionError for options that no place takes.
    """
    found = [destination(text) for text in job.options.place]
    for path in job.option("places", []):
        found += read_places(path)
    fleet = {each.host: each for each in found}
    if fleet.keys() != {LOCAL.name}:
        _refuse_paths_of_ours(job)
    if LOCAL.name not in fleet:
        for option in HERE_ALONE:
            if job.option(option):
                msg = f"--{option} is about this machine, which --place leaves out: add --place {LOCAL.name}"
                raise SelectionError(msg)
    return _sharded(tuple(fleet.values()), job.options.shard)


def _refuse_paths_of_ours(job: Job) -> None:
    """Raise SelectionError for a command whose program is named by a path from a folder of this machine."""
    for text in job.option("command", []) if job.commands else ():
        name = shlex.split(text)[0]
        if os.sep in name and not Path(name).is_absolute():
            msg = (
                f"--command {text!r}: a place knows no folder of this machine: write the absolute path that"
                f" {name!r} has there, or a name that is on PATH there"
            )
            raise SelectionError(msg)


def _not_there(job: Job, visited: VisitedPlace) -> list[Candidate]:
    """Return the programs of commands that a place does not have: each has a row that says so."""
    there = {each.id for each in visited.candidates}
    return [
        Candidate(
            program_id(program.id),
            PROGRAM,
            Path(program.command),
            f"there is no program {program.command!r} in this place that can be run",
            place=visited.place,
        )
        for program in job.commands
        if program_id(program.id) not in there
    ]


def _sharded(fleet: tuple[Destination, ...], shard: Shard | None) -> tuple[Destination, ...]:
    """Return the part of the places that is asked for; raises SelectionError for one without any."""
    if shard is None:
        return fleet
    if part := fleet[shard.number - 1 :: shard.of]:
        return part
    msg = f"--shard {shard}: there are {len(fleet)} places, so no more parts than that"
    raise SelectionError(msg)


def read_places(path: Path) -> tuple[Destination, ...]:
    """Read the places of a file; `-` is the standard input. Raises PlaceError."""
    try:
        if path == STDIN:
            return read_fleet(sys.stdin.read(FLEET_LIMIT), "the standard input")
        with path.open(encoding="utf-8") as file:
            return read_fleet(file.read(FLEET_LIMIT), str(path))
    except (OSError, ValueError) as error:
        msg = f"the list of places {path} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise PlaceError(msg) from error


def enter(job: Job, where: Destination, settings: Settings, folder: Path) -> RunStart | SilentPlace:
    """Return what there is to measure in a place, or why there is nothing."""
    if where.ways == (LOCAL,):
        return job.start(settings)
    try:
        visited = visit(unpacked(where.ways, folder), TLS_VARIABLES, job.programs_there)
        visited = replace(visited, candidates=(*visited.candidates, *_not_there(job, visited)))
        chosen = select(visited.candidates, job.options.only) if visited.candidates else ()
    except (PlaceError, SelectionError) as error:
        return SilentPlace(where.host, str(error))
    if not chosen:
        return SilentPlace(where.host, NOBODY)
    return start_there(job, settings, visited, chosen)


def start_there(job: Job, settings: Settings, visited: VisitedPlace, chosen: Sequence[Candidate]) -> RunStart:
    """Return a run of these Pythons of a place, in which nothing is installed."""
    # A connection of ssh each: hosts take ten at once and no more (sshd_config(5), MaxStartups).
    prepared = side_by_side(
        partial(prepare_there, modules=(LIBRARY,) if job.parcels else ()),
        [each for each in chosen if each.source != PROGRAM],
    )
    needed = requirements(job.sweep)
    sent = [found for each in prepared if job.parcels and (found := with_sent(each, job.parcels, needed))]
    programs = identify_programs_there(
        visited.python, [each for each in chosen if each.source == PROGRAM], job.programs_there
    )
    request = replace(job.request(settings), made=bool(job.parcels), found=True)
    unchosen = not_chosen(visited.candidates, chosen, job.options.only)
    start = job.start_of(request, [*distinct(prepared), *sent], unchosen)
    scope = replace(
        start.scope,
        left_out=(*start.scope.left_out, *same_twice(prepared)),
        notes=tuple(map(sentence, sent)),
        user=visited.user,
        distribution=visited.distribution,
        architecture=visited.architecture,
        variables=visited.variables,
        looked=visited.looked,
        environments_looked=visited.environments_looked,
        place=str(visited.place),
        place_identity=visited.identity,
    )
    return replace(start, host=str(visited.place), scope=scope, env={}, programs=programs)


def joined(job: Job, settings: Settings, parts: Sequence[StoredRun], silent: Mapping[str, str]) -> Matrix:
    """Return what several places came to as one; `silent` says, by place, why there is nothing of it."""
    return merge(parts, silent, joining(job.run_id, job.request(settings)))


def joining(run_id: str, request: RunRequest) -> Run:
    """Return the provenance of what only joins runs that measured, by the tool as it is here."""
    commit, changes, unknown = commit_of(ROOT, os.environ)
    scope = Scope(commit=commit, commit_unknown=unknown, local_changes=changes)
    return Run(run_id, platform.node(), tool(), "", "", now(), now(), request, {}, scope)
