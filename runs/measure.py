"""Measures: sends a probe into each environment of each interpreter, and judges what they met."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from interpreters.clients import PROBES, RELAXED, ClientKey
from interpreters.clients import clients as known_clients
from interpreters.deployed.same import alike
from interpreters.process_environment import NO_BYTECODE
from interpreters.programs import commands
from reports.verdicts.matrix import Matrix, build_matrix
from reports.verdicts.observations import Run
from runs.campaign import run_campaigns
from runs.collect import collect, collect_programs
from runs.probe import ProbeTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from interpreters.own_clients import OwnClient
    from interpreters.prepared import Prepared
    from interpreters.programs import InstalledProgram
    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import RunRequest
    from reports.verdicts.scope import Scope
    from runs.campaign import CampaignResult, Settings


@dataclass(frozen=True)
class RunStart:
    """A run before it measures: its id, machine and tool, what it was asked, and what it will measure."""

    run_id: str
    host: str
    tool: str
    request: RunRequest
    scope: Scope
    prepared: tuple[Prepared, ...]
    env: Mapping[str, str]
    """What all that is measured is run in under the ambient condition."""
    programs: tuple[InstalledProgram, ...] = ()
    own: tuple[OwnClient, ...] = ()
    """The clients of the user's own files."""


def probe_tasks(start: RunStart, clients: Sequence[ClientKey]) -> tuple[ProbeTask, ...]:
    """Return who is to be probed: interpreters, the environments that clients are at home in, programs.

    Environments as found are probed for what the run's request says of them, or for the same clients.
    Nothing is written where an interpreter is, or a program in Python; what we made may keep its compiled
    modules. A program is a client of its own; this Python runs its probe, or one of the program's place.
    """
    known = (*known_clients().values(), *(own.client for own in start.own))
    modules = {client.id: client.modules for client in known}
    apart = frozenset(client.id for client in known if client.apart)
    families = alike(start.prepared, start.env)
    as_found = tuple(map(ClientKey.parse, start.request.found_clients))
    interpreters = (
        ProbeTask(
            interpreter=prepared.interpreter.id,
            python=python,
            env=prepared.variables(start.env) | (NO_BYTECODE if python == prepared.executable else {}),
            # An interpreter's own packages are beside its standard library, which the interpreter itself has.
            clients=tuple(key for key in keys if not prepared.interpreter.is_site or modules[key.name]),
            environment=prepared.interpreter.environment,
            arguments=(*prepared.words, PROBES),
            place=prepared.interpreter.place,
            modules=modules,
            sources={own.client.id: own.text for own in start.own},
            apart=apart,
            sent=prepared.sent,
            alike=(family := families.get(prepared.interpreter.id, "")),
            tells_loaded=bool(family),
        )
        for prepared in start.prepared
        for python, keys in prepared.places(clients, as_found).items()
    )
    programs = (found for found in start.programs if not found.interpreter.unavailable)
    return (*interpreters, *(_program_task(found, start.env) for found in programs))


def _program_task(found: InstalledProgram, env: Mapping[str, str]) -> ProbeTask:
    return ProbeTask(
        interpreter=found.interpreter.id,
        python=found.python,
        env={**env, **NO_BYTECODE},
        clients=(ClientKey(found.program.id),),
        programs=commands(found, RELAXED.name),
        place=found.interpreter.place,
    )


def measure(start: RunStart, clients: Sequence[ClientKey], settings: Settings) -> Matrix:
    """Measure with these clients, and return every interpreter and program of the run, measured or not.

    Raises EngineError where openssl can serve nothing, and ResourceError where there are too few open files.
    """
    begun = _begin(start, clients, settings)
    (campaign,) = asyncio.run(run_campaigns((begun.tasks,), settings))
    with settings.spending.phase("rows"):
        return begun.matrix(campaign)


def measure_all(
    starts: Sequence[RunStart],
    clients: Sequence[ClientKey],
    settings: Settings,
    keep: Callable[[Matrix], object],
) -> list[Matrix]:
    """Measure several machines or places side by side; return the matrix of each: see measure.

    `keep` is given each matrix as soon as its machine is measured, while others may still be.
    """
    begun = [_begin(start, clients, settings) for start in starts]
    found: dict[int, Matrix] = {}

    def ended(number: int, campaign: CampaignResult) -> None:
        found[number] = begun[number].matrix(campaign)
        keep(found[number])

    asyncio.run(run_campaigns([each.tasks for each in begun], settings, ended=ended))
    return [found[number] for number in range(len(begun))]


def _begin(start: RunStart, clients: Sequence[ClientKey], settings: Settings) -> BegunRun:
    return BegunRun(start, clients, settings, now())


@dataclass(frozen=True)
class BegunRun:
    """A run of one machine or place that is being measured."""

    start: RunStart
    clients: Sequence[ClientKey]
    settings: Settings
    started: str

    @property
    def tasks(self) -> tuple[ProbeTask, ...]:
        """Who is to be probed."""
        return probe_tasks(self.start, self.clients)

    def matrix(self, campaign: CampaignResult) -> Matrix:
        """Judge what was measured."""
        start, settings = self.start, self.settings
        run = Run(
            run_id=start.run_id,
            host=start.host,
            tool=start.tool,
            engine=campaign.engine,
            catalogue=settings.catalogue.sha256,
            started=min([self.started, *(settings.unfinished.times if settings.unfinished else ())]),
            ended=now(),
            asked=start.request,
            controls=campaign.controls,
            scope=start.scope,
        )
        measured = (
            *collect(start.prepared, campaign, start.env),
            *collect_programs(start.programs, campaign),
        )
        rows = build_matrix(measured, self.clients, settings.conditions, settings.catalogue, settings.floor)
        resumed = settings.unfinished.notes if settings.unfinished else ()
        notes = (*resumed, *start.scope.notes, *campaign.notes, *nowhere(start.own, rows))
        run = replace(run, scope=replace(run.scope, notes=notes))
        return Matrix(run, measured, rows, settings.catalogue)


def nowhere(own: Iterable[OwnClient], rows: Iterable[Row]) -> tuple[str, ...]:
    """Say which clients of the user's have no row, because no environment has what they import."""
    there = {row.client.name for row in rows}
    return tuple(
        f"The client {client.client.id} was measured nowhere: no environment that could be looked into has"
        f" {' and '.join(client.client.modules) or 'a Python'}."
        for client in own
        if client.client.id not in there
    )


def now() -> str:
    """Return the time as a run has it: UTC, ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
