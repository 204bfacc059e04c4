"""Measures: sends a probe into each environment of each interpreter, and judges what they met."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from interpreters.clients import PROBES, RELAXED, ClientKey
from interpreters.clients import clients as known_clients
from interpreters.deployed.same import alike
from interpreters.process_environment import NO_BYTECODE
from interpreters.processes import crew
from interpreters.programs import commands
from reports.verdicts.matrix import Matrix, build_matrix
from reports.verdicts.observations import Run
from runs.campaign import CampaignSize, open_campaign, run_campaigns, say_once
from runs.collect import collect, collect_programs
from runs.probe import ProbeTask
from servers.progress import counted

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
    begun = BegunRun(start, clients, settings, now())
    (campaign,) = asyncio.run(run_campaigns((begun.tasks,), settings))
    with settings.spending.phase("rows"):
        return begun.matrix(campaign)


@dataclass(frozen=True)
class SilentPlace:
    """A place of which nothing can be measured: it has one row, which says why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Fleet:
    """Places, or machines, that are entered and measured, and how many of them side by side."""

    enter: Mapping[str, Callable[[], RunStart | SilentPlace]]
    """By name, what enters the place; it may wait for commands."""
    at_once: int
    entered_at_once: int
    away: int = 0
    """How many of all are on other machines."""
    clients: int = 0
    """How many clients there may be to measure in one environment."""


def measure_all(
    fleet: Fleet,
    clients: Sequence[ClientKey],
    settings: Settings,
    keep: Callable[[str, Matrix], object],
) -> None:
    """Enter places and measure each with these clients as soon as it is entered: see measure.

    They meet the same servers, as many of them side by side as the fleet says; where one ends, the next
    begins. `keep` is given each name and matrix as soon as the place is measured, one at a time, in a thread.
    """
    asyncio.run(_measure_all(fleet, clients, settings, keep))


async def _measure_all(
    fleet: Fleet,
    clients: Sequence[ClientKey],
    settings: Settings,
    keep: Callable[[str, Matrix], object],
) -> None:
    window, keeping, notes = asyncio.Semaphore(fleet.at_once), asyncio.Lock(), list[str]()
    size = CampaignSize(min(fleet.away, fleet.at_once), fleet.clients, counts=False)
    with crew(fleet.entered_at_once) as begin, counted(len(fleet.enter), "measured") as tally:
        async with open_campaign(settings, size, tally) as campaign:

            async def measured(name: str, enter: Callable[[], RunStart | SilentPlace]) -> str:
                with tally.at_work(f"entering {name}"):
                    start = await asyncio.wrap_future(begin(enter))
                if isinstance(start, SilentPlace):
                    return f"{name}, where nothing is: {start.reason}"
                begun = BegunRun(start, clients, settings, now())
                # Who is the same as whom is told by files.
                result = await campaign.run(await asyncio.to_thread(lambda: begun.tasks))
                notes.extend(result.notes)
                async with keeping:
                    # Meanwhile other places are measured, which must not wait for a disk.
                    await asyncio.to_thread(lambda: keep(name, begun.matrix(result)))
                return f"{name}: {sum(len(each.observations) for each in result.interpreters.values())} cells"

            async def in_turn(name: str, enter: Callable[[], RunStart | SilentPlace]) -> None:
                async with window:
                    tally.done(await measured(name, enter))

            await asyncio.gather(*itertools.starmap(in_turn, fleet.enter.items()))
    say_once(notes)


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
