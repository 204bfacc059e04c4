"""One run's measuring: the lab up, its controls, and a probe in every interpreter under each condition."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.clients import RELAXED
from interpreters.listing import some_of
from interpreters.log import LOG
from interpreters.scratch import scratch_folder, temporary_folder
from reports.verdicts.judged import JudgedCells
from reports.verdicts.observations import Joined
from runs.aging import is_old
from runs.families import families, told_by_the_first
from runs.probe import Probe, ProbeResult, ProbeTask, Stranger, not_probed, stranger_sentences
from runs.spending import Spending
from servers.catalogue import Catalogue, Certificate, Role, Server
from servers.certificates import NAME
from servers.conditions import Condition, write_configurations
from servers.engine import EngineError
from servers.lab import open_lab
from servers.peers import HOSTS, can_tell, hosts_file, is_ours
from servers.progress import Tally, counted
from servers.resources import exhausted, probes_at_once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from interpreters.clients import ClientKey
    from interpreters.places import Place
    from reports.verdicts.observations import Observation
    from runs.spool import Spool
    from runs.unfinished import Unfinished
    from runs.visits import RememberedVisits
    from servers.control import Control
    from servers.lab import Lab
    from servers.protocols import Protocol


@dataclass(frozen=True)
class ProbedInterpreter:
    """What came of the probes of one interpreter, in itself and in its environments."""

    tasks: tuple[ProbeTask, ...]
    """For an environment as found, with the clients that are there, as soon as the environment was probed."""
    judged: JudgedCells
    results: Mapping[Condition, Mapping[Path, ProbeResult]] = field(default_factory=dict)
    """By condition, and by the Python that the probe ran in: the interpreter itself, or an environment's."""

    @property
    def clients(self) -> tuple[ClientKey, ...]:
        """Every client that was to be measured, and is there."""
        return tuple(dict.fromkeys(client for task in self.tasks for client in task.clients))

    @property
    def all_results(self) -> tuple[ProbeResult, ...]:
        """Every result, in the order of the conditions and, under each, of the environments."""
        return tuple(result for by_python in self.results.values() for result in by_python.values())

    @property
    def observations(self) -> Joined[Observation]:
        """Every observation, in the same order."""
        return Joined(tuple(cells.observations for cells in self.judged.by_client.values()))

    def identity_of(self, python: Path) -> Mapping[str, Any] | None:
        """Return what one of its Pythons has said of itself, first of all; None if it said nothing."""
        identities = (results[python].identity for results in self.results.values() if python in results)
        return next(identities, None)

    def under(self, condition: Condition, results: Mapping[Path, ProbeResult]) -> ProbedInterpreter:
        """Return this with what came of probes under one more condition, judged."""
        judged = self.judged.and_of(seen for result in results.values() for seen in result.observations)
        absent = {python: result.absent for python, result in results.items()}
        tasks = tuple(task.without(absent.get(task.python, ())) for task in self.tasks)
        # What was observed is among the judged cells.
        rest = {python: replace(result, observations=()) for python, result in results.items()}
        return replace(self, tasks=tasks, judged=judged, results={**self.results, condition: rest})

    def kept(self, spool: Spool | None) -> ProbedInterpreter:
        """Return this with the bulk of what was observed in a file: it is not needed before the report."""
        return replace(self, judged=self.judged.kept(spool.put)) if spool else self


@dataclass(frozen=True)
class CampaignResult:
    """What a run measured: with which servers, how its controls came out, and what each interpreter did."""

    engine: str
    controls: Mapping[str, Control]
    # Up to Python 3.11 asyncio.run makes the repr of what it returns, twice: megabytes an environment
    # (asyncio.runners gives signal.getsignal a handler to look up, whose repr has the task and its result).
    interpreters: Mapping[str, ProbedInterpreter] = field(repr=False)
    """By interpreter id."""
    notes: tuple[str, ...] = ()
    """What disturbed the run as a whole, in sentences."""
    followers: Mapping[str, str] = field(default_factory=dict)
    """By the id of an environment that was not measured itself, the one whose measurement holds for it."""


@dataclass(frozen=True)
class Settings:
    """What a campaign needs to know."""

    catalogue: Catalogue
    floor: Protocol
    conditions: tuple[Condition, ...]
    cache: Path
    """Folder of ours, readable by us alone; the run's keys are in a folder below it while it lasts."""
    env: Mapping[str, str]
    """What the servers run in: no credentials, and no home but ours."""
    openssl: Path | None = None
    spool: Spool | None = None
    """Where what was observed is kept until the report is written; None for in memory."""
    spending: Spending = field(default_factory=Spending)
    unfinished: Unfinished | None = None
    """Where each interpreter is kept as soon as it is measured; None where nobody could go on with it."""
    visits: RememberedVisits | None = None
    """What earlier runs observed that only tells what holds a client; None for measure all of it."""
    meanwhile: Callable[[], object] | None = None
    """What a thread does while probes run, which wait for their servers half of the time."""


WAITING = 2
"""Probes that run beside one for each processor, because each waits for its servers half of the time."""

COMPILED = "compiled"
"""Folder of the cache for what Pythons compile that must write nothing where their modules are."""

COMPILED_AGE = 30 * 24 * 3600.0
"""Seconds after which what is compiled is forgotten, so that nothing stays of what was removed."""

FILES_A_SERVER = 3
"""Open files of a server at the most: its port or pipe, its process, and a control's connection."""

FILES_A_PROBE = 16
"""Open files of a probe beside one for each tap: the pipes of its process, and connections on both sides."""

MOST_NAMED = 5
"""Processes, or clients, that a sentence names; it counts the rest."""

NOBODY_TELLS = (
    "This system does not say whose a connection is: what another program sends to a port of ours would be"
    " taken for the client's."
)

NAME_UNKNOWN = (
    f"{HOSTS} does not say that {NAME} is this machine alone: a client that looks it up by itself is not sent"
    " to the AWS page's two servers, whose certificate has only that name, and no verdict rests on them."
)

TELLING = (Condition.PERMISSIVE, Condition.EMPTY)
"""The conditions that tell what holds a client; empty comes last, for those that permissive lets through."""


async def run_campaign(
    tasks: Sequence[ProbeTask],
    settings: Settings,
    telling: Sequence[Condition] = TELLING,
) -> CampaignResult:
    """Return the campaign of one machine: see run_campaigns."""
    (result,) = await run_campaigns((tasks,), settings, telling)
    return result


async def run_campaigns(
    machines: Sequence[Sequence[ProbeTask]],
    settings: Settings,
    telling: Sequence[Condition] = TELLING,
) -> list[CampaignResult]:
    """Probe all tasks of each machine, which meet the same servers side by side: see open_campaign."""
    number = sum(len({task.interpreter for task in tasks}) for tasks in machines)
    with counted(number, "measured") as tally:
        async with open_campaign(settings, CampaignSize.of(machines), tally, telling) as campaign:
            results = await asyncio.gather(*map(campaign.run, machines))
    say_once(note for result in results for note in result.notes)
    return results


@dataclass(frozen=True)
class CampaignSize:
    """How much there is to probe at once."""

    away: int = 0
    """Places on other machines."""
    clients: int = 0
    """Of a probe, at the most."""
    counts: bool = True
    """Whether each interpreter is counted; else whoever opens the campaign counts what they are on."""

    @classmethod
    def of(cls, machines: Iterable[Iterable[ProbeTask]]) -> CampaignSize:
        """Return it for all of these, side by side."""
        tasks = list(itertools.chain.from_iterable(machines))
        away = {task.place for task in tasks if task.place.away}
        return cls(len(away), max((len(task.clients) for task in tasks), default=0))


@contextlib.asynccontextmanager
async def open_campaign(
    settings: Settings, size: CampaignSize, tally: Tally, telling: Sequence[Condition] = TELLING
) -> AsyncIterator[Campaign]:
    """Give what probes machines, under the conditions of the settings, and judges what they observe.

    After that, clients that hold the floor are probed under the conditions of `telling`, on one server for
    each way of exchanging keys: these probes tell what holds the floor. The reference client is probed
    beside them under the permissive condition. Conditions that the settings have are not probed twice.

    Raises EngineError, before anything is measured, where openssl can serve nothing of the catalogue.
    """
    with scratch_folder(settings.cache, "run-") as scratch:
        _forget_what_is_old(settings)
        configurations = write_configurations(scratch, settings.floor)
        at_once = asyncio.Semaphore(_side_by_side(size, settings))
        phase = settings.spending.phase
        async with contextlib.AsyncExitStack() as stack:
            with phase("servers up"):
                lab = await stack.enter_async_context(
                    open_lab(settings.catalogue, scratch, settings.cache, settings.env, settings.openssl)
                )
            if lab.unavailable:
                raise EngineError(lab.unavailable)
            with phase("visits"):
                controls = asyncio.create_task(lab.controls())
                # Not before: the servers would be up later, and all wait for those.
                beside = asyncio.create_task(asyncio.to_thread(settings.meanwhile or (lambda: None)))
                yield Campaign(
                    settings, telling, lab, controls, configurations, scratch, at_once, tally, size.counts
                )
                await asyncio.gather(controls, beside)
            with phase("servers down"):
                await stack.aclose()


def say_once(notes: Iterable[str]) -> None:
    """Say what disturbed runs, each sentence once."""
    for sentence in dict.fromkeys(notes):
        LOG.info(sentence)


def _forget_what_is_old(settings: Settings) -> None:
    """Remove old visits, and what was compiled long ago or left half written by a killed process."""
    if settings.visits:
        settings.visits.forget()
    now = time.time()
    for folder in (settings.cache / COMPILED).glob("*"):
        # Thousands of files, for which a Path each would take longer than to look at them.
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                # Another run may remove the same.
                with contextlib.suppress(OSError):
                    if is_old(entry.stat().st_mtime, COMPILED_AGE, now):
                        Path(entry).unlink()


def _by_interpreter(tasks: Iterable[ProbeTask]) -> dict[str, list[ProbeTask]]:
    found: dict[str, list[ProbeTask]] = {}
    for task in tasks:
        found.setdefault(task.interpreter, []).append(task)
    return found


@dataclass(frozen=True)
class Campaign:
    """Sends probes to the servers of a lab, and judges what they observe as it comes in."""

    settings: Settings
    telling: Sequence[Condition]
    lab: Lab
    controls: asyncio.Task[dict[str, Control]]
    configurations: Mapping[Condition, Path | None]
    scratch: Path
    """A folder that is gone with the campaign."""
    at_once: asyncio.Semaphore
    tally: Tally
    counts: bool = True
    """Whether each interpreter is counted, as CampaignSize has it."""
    in_place: defaultdict[Place, asyncio.Semaphore] = field(
        default_factory=lambda: defaultdict(lambda: asyncio.Semaphore(_at_work()))
    )
    """For each place, too: a host takes few connections that are not authenticated yet."""
    first: dict[Path, asyncio.Event] = field(default_factory=dict)
    """By the file of a visit, when the first of those ended that may share it: copies wait for that."""

    async def run(self, tasks: Iterable[ProbeTask]) -> CampaignResult:
        """Probe all interpreters of a machine side by side, each by its tasks.

        Its id is unique on its machine. Of its tasks the first is that in itself, others in its environments.
        """
        interpreters = _by_interpreter(tasks)
        measured: dict[str, ProbedInterpreter] = {}
        followers: dict[str, str] = {}
        await asyncio.gather(
            *(self._probe_family(each, measured, followers) for each in families(interpreters))
        )
        probed = {name: measured[name] for name in interpreters if name in measured}
        strangers = [
            stranger
            for interpreter in probed.values()
            for result in interpreter.all_results
            for stranger in result.strangers
        ]
        return CampaignResult(
            self.lab.engine,
            await self.controls,
            probed,
            (
                *_notes(strangers, self.settings.catalogue),
                *_doubts(probed.values()),
                *_left_running(probed),
            ),
            followers,
        )

    async def _probe_family(
        self,
        family: Mapping[str, Sequence[ProbeTask]],
        measured: dict[str, ProbedInterpreter],
        followers: dict[str, str],
    ) -> None:
        """Probe the first of those that are alike, and then who differs in what was loaded for that.

        Those that differ among themselves are probed side by side.
        """
        leader, *others = family
        measured[leader] = probed = await self._probe_interpreter(family[leader])
        if not others:
            return
        (_, *same), *different = await asyncio.to_thread(
            told_by_the_first, family, probed, self.settings.conditions
        )
        for name in same:
            followers[name] = leader
            if self.counts:
                self.tally.done(why="the same as another")
        rest = ({name: family[name] for name in names} for names in different)
        await asyncio.gather(*(self._probe_family(each, measured, followers) for each in rest))

    async def _probe_interpreter(self, tasks: Sequence[ProbeTask]) -> ProbedInterpreter:
        """Probe an interpreter under each condition that was asked for, then under those that tell more."""
        settings, home = self.settings, tasks[0]
        kept = settings.unfinished
        if kept and home.interpreter in kept.earlier:
            self.tally.done(why="by the run that broke off", before=True)
            return kept.earlier[home.interpreter][1].kept(settings.spool)
        probed = ProbedInterpreter(tuple(tasks), JudgedCells(settings.catalogue))
        for condition in settings.conditions:
            sent = _with_reference(probed.tasks, home, condition)
            probed = await self._probe_all(probed, sent, condition, settings.catalogue.servers)
        for condition in self.telling:
            if condition in settings.conditions:
                continue
            if needy := _needing(condition, probed.tasks, probed.judged, settings.floor):
                sent = _with_reference(needy, home, condition)
                probed = await self._probe_all(probed, sent, condition, _openings(settings))
        # Where a probe gave no account it is asked again: whoever breaks off a run may have ended that too.
        if kept and all(seen.account for seen in probed.observations):
            kept.keep(home.interpreter, probed)
        if self.counts:
            self.tally.done(_in_short(probed), "without a client")
        return probed.kept(settings.spool)

    async def _probe_all(
        self,
        probed: ProbedInterpreter,
        tasks: Sequence[ProbeTask],
        condition: Condition,
        servers: Sequence[Server],
    ) -> ProbedInterpreter:
        """Run a probe for each task, side by side; return what is known with what came of them."""
        standing = [server for server in self.lab.servers if server.server in servers]
        configuration, compiled = self.configurations[condition], self.settings.cache / COMPILED

        def visit(task: ProbeTask) -> Awaitable[ProbeResult]:
            sent = task.under(condition, configuration, standing).keeping_compiled(compiled)
            return self._recall(sent, task, probed) if probed.results else self._probe(sent)

        # What takes longer begins first: environments, with more to import than the interpreter itself has.
        results = await asyncio.gather(*map(visit, reversed(tasks)))
        pythons = [task.python for task in tasks]
        return probed.under(condition, dict(zip(pythons, reversed(results), strict=True)))

    async def _recall(self, sent: ProbeTask, plain: ProbeTask, probed: ProbedInterpreter) -> ProbeResult:
        """Return what an earlier run observed that only tells what holds a client, or run the probe.

        Nothing that it rests on may have changed: see runs/visits.py.
        """
        visits = self.settings.visits
        if visits is None or sent.condition in self.settings.conditions:
            return await self._probe(sent)
        controls, identity = await self.controls, probed.identity_of(sent.python)
        visit = await asyncio.to_thread(visits.of, sent, plain, identity, self.lab.engine)
        if visit is None:
            return await self._probe(sent)
        if first := self.first.get(visit.path):
            await first.wait()
        ended = self.first.setdefault(visit.path, asyncio.Event())
        try:
            if known := await asyncio.to_thread(visit.recalled, controls):
                return known
            result = await self._probe(replace(sent, tells_loaded=True))
            visit.keep(result, self.settings.catalogue)
        finally:
            ended.set()
        return result

    async def _probe(self, task: ProbeTask) -> ProbeResult:
        """Run one probe when its turn has come; a failure to make it is the reason of its cells."""
        clients = some_of([*map(str, task.clients)], MOST_NAMED) or "its identity"
        where = "" if task.place.is_local else f" in {task.place}"
        named = f"{task.interpreter} ({clients}) under {task.condition}{where}"
        async with self.in_place[task.place], self.at_once:
            try:
                with self.tally.at_work(named), temporary_folder(self.scratch) as folder:
                    probe = Probe(task.with_temporary(folder))
                    await probe.run()
                self.settings.spending.visited(task.condition, probe.cpu)
            except (OSError, RuntimeError) as error:
                # One probe that cannot be made is no reason to lose what the others measured.
                reason = f"it could not be probed: {exhausted(error) or error}"
                return not_probed(task, reason, await self.controls)
        return probe.result(await self.controls)


def _notes(strangers: Iterable[Stranger], catalogue: Catalogue) -> tuple[str, ...]:
    """Say who else was about, or that nobody can tell, and what the machine makes of our name."""
    by_name = any(server.certificate is Certificate.PAGE for server in catalogue.servers)
    unknown = by_name and not is_ours(NAME, hosts_file())
    return (
        *(() if can_tell() else (NOBODY_TELLS,)),
        *stranger_sentences(strangers),
        *((NAME_UNKNOWN,) if unknown else ()),
    )


def _doubts(probed: Iterable[ProbedInterpreter]) -> Iterator[str]:
    """Say what cannot be told in the places of the probes."""
    found = {doubt for interpreter in probed for result in interpreter.all_results for doubt in result.doubts}
    sentences = {"untold": NOBODY_TELLS, "unnamed": NAME_UNKNOWN}
    yield from (f"In this place: {sentence}" for doubt, sentence in sentences.items() if doubt in found)


def _left_running(probed: Mapping[str, ProbedInterpreter]) -> Iterator[str]:
    """Say what went on after the probes of each interpreter, outside their process groups, and was ended."""
    for name, interpreter in probed.items():
        if left := [process for result in interpreter.all_results for process in result.left]:
            processes = some_of(left, MOST_NAMED)
            yield f"What was measured as {name} left processes running, which were ended: {processes}."


def _in_short(probed: ProbedInterpreter) -> str:
    """Return what was measured in an interpreter; empty if no client was."""
    clients = ", ".join(map(str, probed.clients))
    return clients and f"{probed.tasks[0].interpreter} ({clients}): {len(probed.observations)} cells"


def _needing(
    condition: Condition, tasks: Sequence[ProbeTask], judged: JudgedCells, floor: Protocol
) -> list[ProbeTask]:
    """Return the tasks for those of their clients of which a probe under one more condition tells more."""
    needy = [task.with_clients(judged.needing(condition, task.clients, floor)) for task in tasks]
    return [task for task in needy if task.clients]


def _at_work() -> int:
    """Return how many probes keep the processors of a machine at work."""
    return (os.cpu_count() or 1) + WAITING


def _side_by_side(size: CampaignSize, settings: Settings) -> int:
    """Return how many probes run at once: fewer than the processors can do where files would run out."""
    # A place on another machine is waited for most of the time, so that each has a probe at work.
    wanted, servers = max(_at_work(), size.away), settings.catalogue.servers
    # The page's are found by name, on both families. The reference client comes along with some probes.
    ports = len(servers) + sum(1 for server in servers if server.role is Role.PAGE)
    fitting, why = probes_at_once(
        wanted, (size.clients + 1) * ports + FILES_A_PROBE, len(servers) * FILES_A_SERVER
    )
    if why:
        LOG.info("interpreters are probed %s", why)
    return fitting


def _with_reference(tasks: Sequence[ProbeTask], home: ProbeTask, condition: Condition) -> list[ProbeTask]:
    """Return the tasks, under the permissive condition with the reference client beside the others.

    That client needs no more than the interpreter itself, which is `home`: it goes there unless it is among
    the clients anyway.
    """
    if condition is not Condition.PERMISSIVE or any(RELAXED in task.clients for task in tasks):
        return list(tasks)
    own = next((task for task in tasks if task.python == home.python), home.with_clients(()))
    others = [task for task in tasks if task.python != home.python]
    return [own.with_clients((*own.clients, RELAXED)), *others]


def _openings(settings: Settings) -> tuple[Server, ...]:
    """Return, for each key exchange and certificate, the below-floor server that speaks most versions."""
    widest: dict[tuple[str, str], Server] = {}
    for server in settings.catalogue.servers:
        if server.role is Role.LADDER and server.only_below(settings.floor):
            kind = (server.key_exchange, server.certificate)
            if kind not in widest or len(server.protocols) > len(widest[kind].protocols):
                widest[kind] = server
    return tuple(widest.values())
