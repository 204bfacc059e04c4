"""Measures: sends a probe into each environment of each interpreter, and judges what they met."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from interpreters.clients import PROBES, RELAXED, ClientKey
from interpreters.clients import clients as known_clients
from interpreters.deployed.same import followers_of
from interpreters.process_environment import NO_BYTECODE
from interpreters.programs import commands
from reports.verdicts.matrix import Matrix, build_matrix
from reports.verdicts.observations import Run
from runs.campaign import run_campaigns
from runs.collect import collect, collect_programs
from runs.probe import ProbeTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
    (found,) = measure_all((start,), clients, settings)
    return found


def measure_all(starts: Sequence[RunStart], clients: Sequence[ClientKey], settings: Settings) -> list[Matrix]:
    """Measure several machines or places side by side; return the matrix of each: see measure."""
    started, phase = now(), settings.spending.phase
    with phase("who is the same"):
        followers = [followers_of(start.prepared, start.env) for start in starts]
    tasks = [
        tuple(task for task in probe_tasks(start, clients) if task.interpreter not in same)
        for start, same in zip(starts, followers, strict=True)
    ]
    campaigns = asyncio.run(run_campaigns(tasks, settings))
    with phase("rows"):
        return [
            _matrix(start, clients, settings, Campaigned(campaign, same, started))
            for start, same, campaign in zip(starts, followers, campaigns, strict=True)
        ]


@dataclass(frozen=True)
class Campaigned:
    """What a campaign came to on a machine, for which environments it holds too, and when it began."""

    campaign: CampaignResult
    followers: Mapping[str, str]
    started: str


def _matrix(start: RunStart, clients: Sequence[ClientKey], settings: Settings, came: Campaigned) -> Matrix:
    """Judge what was measured on a machine."""
    campaign = came.campaign
    run = Run(
        run_id=start.run_id,
        host=start.host,
        tool=start.tool,
        engine=campaign.engine,
        catalogue=settings.catalogue.sha256,
        started=min([came.started, *(settings.unfinished.times if settings.unfinished else ())]),
        ended=now(),
        asked=start.request,
        controls=campaign.controls,
        scope=start.scope,
    )
    measured = (
        *collect(start.prepared, campaign, start.env, came.followers),
        *collect_programs(start.programs, campaign),
    )
    rows = build_matrix(measured, clients, settings.conditions, settings.catalogue, settings.floor)
    resumed = settings.unfinished.notes if settings.unfinished else ()
    notes = (*resumed, *campaign.notes, *nowhere(start.own, rows))
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
