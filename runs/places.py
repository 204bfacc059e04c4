"""A run over places: enters each, measures what is there side by side, and joins all into one report."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from interpreters.deployed.visit import visit
from interpreters.locate import SelectionError, select
from interpreters.places import LOCAL, PlaceError, ways_to
from interpreters.prepared import prepare_there
from interpreters.processes import side_by_side
from reports.merge import merge, part_of
from reports.verdicts.observations import Run
from runs.job import tool
from runs.measure import measure_all, now
from runs.provenance import TLS_VARIABLES, not_chosen
from servers.progress import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from interpreters.deployed.visit import VisitedPlace
    from interpreters.locate import Candidate
    from reports.verdicts.matrix import Matrix
    from runs.campaign import Settings
    from runs.job import Job
    from runs.measure import RunStart

HERE_ALONE = ("interpreter", "environment", "search", "running", "programs", "command", "made")
"""Options about this machine, which say nothing of another place."""

NOBODY = "no Python was found in this place"


@dataclass(frozen=True)
class SilentPlace:
    """A place of which nothing can be measured: it has one row, which says why."""

    name: str
    reason: str


def measure_places(job: Job, settings: Settings) -> Matrix:
    """Measure every place that was asked for; raises PlaceError or SelectionError before any is entered.

    A place that did not answer, or has no Python, has a row that says so.
    """
    names = tuple(dict.fromkeys(job.options.place))
    check_places(job, names)
    found = [enter(job, name, settings) for name in names if name == LOCAL.name]
    others = [name for name in names if name != LOCAL.name]
    with counted(len(others), "entered") as tally:

        def work(name: str) -> RunStart | SilentPlace:
            with tally.at_work(name):
                entered = enter(job, name, settings)
            tally.done(name)
            return entered

        found += side_by_side(work, others)
    starts = [each for each in found if not isinstance(each, SilentPlace)]
    silent = {each.name: each.reason for each in found if isinstance(each, SilentPlace)}
    matrices = measure_all(starts, tuple(job.sweep), settings) if starts else []
    if len(matrices) == 1 and not silent:
        return matrices[0]
    return joined(job, settings, matrices, silent)


def check_places(job: Job, names: Sequence[str]) -> None:
    """Raise PlaceError for a name that makes no sense, and SelectionError for options that no place takes."""
    for name in names:
        if name != LOCAL.name:
            ways_to(name)
    if LOCAL.name not in names:
        for option in HERE_ALONE:
            if job.option(option):
                msg = f"--{option} is about this machine, which --place leaves out: add --place {LOCAL.name}"
                raise SelectionError(msg)


def enter(job: Job, name: str, settings: Settings) -> RunStart | SilentPlace:
    """Return what there is to measure in a place, or why there is nothing."""
    if name == LOCAL.name:
        return job.start(settings)
    try:
        visited = visit(name, TLS_VARIABLES)
        chosen = select(visited.candidates, job.options.only) if visited.candidates else ()
    except (PlaceError, SelectionError) as error:
        return SilentPlace(name, str(error).removeprefix(f"{name}: "))
    if not chosen:
        return SilentPlace(name, NOBODY)
    return start_there(job, settings, visited, chosen)


def start_there(job: Job, settings: Settings, visited: VisitedPlace, chosen: Sequence[Candidate]) -> RunStart:
    """Return a run of these Pythons of a place, in which nothing is installed."""
    # A connection of ssh each: hosts take ten at once and no more (sshd_config(5), MaxStartups).
    prepared = side_by_side(prepare_there, chosen)
    request = replace(job.request(settings), made=False, found=True)
    unchosen = not_chosen(visited.candidates, chosen, job.options.only)
    start = job.start_of(request, prepared, unchosen)
    scope = replace(
        start.scope,
        user=visited.user,
        distribution=visited.distribution,
        architecture=visited.architecture,
        variables=visited.variables,
        looked=visited.looked,
        environments_looked=visited.environments_looked,
        place=str(visited.place),
    )
    return replace(start, host=str(visited.place), scope=scope, env={})


def joined(job: Job, settings: Settings, matrices: Sequence[Matrix], silent: Mapping[str, str]) -> Matrix:
    """Return the matrices of several places as one; `silent` says, by place, why there is none of it."""
    own = Run(
        job.run_id,
        platform.node(),
        tool(),
        "",
        "",
        now(),
        now(),
        job.request(settings),
        {},
    )
    return merge([part_of(matrix) for matrix in matrices], silent, own)
