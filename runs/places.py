"""A run over places: enters each, measures what is there side by side, and joins all into one report."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import requirements
from interpreters.deployed.visit import visit
from interpreters.fleets import Destination, destination, read_fleet
from interpreters.image_archives import FOLDER, unpacked
from interpreters.interpreter import PROGRAM, program_id
from interpreters.locate import Candidate, SelectionError, select
from interpreters.log import LOG
from interpreters.places import LOCAL, PlaceError
from interpreters.prepared import prepare_there
from interpreters.processes import side_by_side
from interpreters.programs_there import identify_programs_there
from interpreters.scratch import scratch_folder
from interpreters.sent import LIBRARY, sentence, with_sent
from reports.merge import merge, part_of
from reports.verdicts.observations import Run
from reports.verdicts.scope import Scope
from runs.job import tool
from runs.kept_places import kept_parts
from runs.measure import measure, measure_all, now
from runs.provenance import TLS_VARIABLES, commit_of, not_chosen
from runs.task import ROOT
from servers.progress import Tally, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

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


@dataclass(frozen=True)
class SilentPlace:
    """A place of which nothing can be measured: it has one row, which says why."""

    name: str
    reason: str


ENTERED_AT_ONCE = 10
"""Places that are entered side by side: a jump host, or a host that several places are on, takes as many
connections that are not authenticated yet (sshd_config(5), MaxStartups)."""


def measure_places(job: Job, settings: Settings) -> Matrix:
    """Measure every place that was asked for; raises FloorError, before any is entered, for a bad question.

    A place that did not answer, or has no Python, has a row that says so. What each came to is kept as
    soon as it is measured, so that --resume asks the others alone.
    """
    fleet, at_once = destinations(job), job.options.at_once
    sending = "sending" if job.parcels else ""
    question = (tool(), repr(job.request(settings)), sending, *(each.host for each in fleet))
    put = settings.spool.put if settings.spool else tuple
    with kept_parts(job.cache, question, put, resume=job.options.resume) as kept:
        there = {part.host: part for part in kept.parts}
        parts = [there[each.host] for each in fleet if each.host in there]
        silent = {each.host: each.unavailable for each in fleet if each.unavailable}
        rest = [each for each in fleet if each.ways and each.host not in there]
        if job.options.resume:
            LOG.info("of %d places %d were measured before, and are not asked again", len(fleet), len(parts))
        with counted(len(rest), "entered") as tally:
            for some in (rest[i : i + at_once] for i in range(0, len(rest), at_once)):
                with _folder_for_images(job, some) as folder:
                    starts = []
                    entering = _enter_all(job, settings, some, tally, folder)
                    for each, entered in zip(some, entering, strict=True):
                        if isinstance(entered, SilentPlace):
                            silent[each.host] = entered.reason
                        elif len(fleet) == 1:
                            starts.append(entered)
                        else:
                            # A report of several names a run by its id, whatever it says of that run.
                            run_id = f"{job.run_id}-place{fleet.index(each) + 1}"
                            starts.append(replace(entered, run_id=run_id))
                    if starts and len(fleet) == 1:
                        return measure(starts[0], tuple(job.sweep), settings)
                    keep = partial(kept.keep, policy=job.policy)
                    matrices = measure_all(starts, tuple(job.sweep), settings, keep) if starts else []
                parts += map(part_of, matrices)
    return joined(job, settings, parts, silent)


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


def _enter_all(
    job: Job, settings: Settings, fleet: Sequence[Destination], tally: Tally, folder: Path
) -> list[RunStart | SilentPlace]:
    """Enter places side by side, after this machine, which has no Python to enter it by."""

    def work(each: Destination) -> RunStart | SilentPlace:
        with tally.at_work(each.host):
            entered = enter(job, each, settings, folder)
        tally.done(each.host)
        return entered

    here = [work(each) for each in fleet if each.ways == (LOCAL,)]
    others = iter(side_by_side(work, [each for each in fleet if each.ways != (LOCAL,)], ENTERED_AT_ONCE))
    return [here[0] if each.ways == (LOCAL,) else next(others) for each in fleet]


def _folder_for_images(job: Job, fleet: Sequence[Destination]) -> AbstractContextManager[Path]:
    """Give the folder that images of these places are unpacked into, and are gone from after the block."""
    if any(FOLDER in place.prefix for each in fleet for place in each.ways):
        return scratch_folder(job.cache, "image-")
    return nullcontext(job.cache)


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
    start = job.start_of(request, [*prepared, *sent], unchosen)
    scope = replace(
        start.scope,
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
