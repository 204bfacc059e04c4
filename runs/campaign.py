"""One run's measuring: the lab up, its controls, and a probe in every interpreter under each condition."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runs.visit import PROBES, Visit, strangers_told, unvisited, visit
from servers.catalogue import Catalogue, Certificate, Role, Server
from servers.certificates import NAME
from servers.conditions import Condition, write_configurations
from servers.control import Control
from servers.engine import EngineError
from servers.lab import open_lab
from servers.peers import HOSTS, can_tell, hosts_file, is_ours
from servers.progress import Tally, counted
from servers.resources import exhausted, visits_at_once

if TYPE_CHECKING:
    from servers.lab import LabServer
    from servers.protocols import Protocol


@dataclass(frozen=True)
class Guest:
    """An interpreter that is ready to be probed, itself or in one of its environments."""

    id: str
    python: Path
    environment: Mapping[str, str]
    clients: tuple[str, ...]
    snippets: Mapping[str, str] = field(default_factory=dict)
    """By client, source text that is run in the probe before that client is used."""
    programs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """How to run each client, if they are programs rather than modules of the interpreter."""

    def has(self, client: str) -> bool:
        """Whether this client can be had here: a program need not have a relaxed variant."""
        return not self.programs or client in self.programs


@dataclass(frozen=True)
class Campaign:
    """What a run measured: with which servers, how its controls came out, and every visit."""

    engine: str
    controls: Mapping[str, Control]
    visits: tuple[tuple[Guest, Condition, Visit], ...]
    notes: tuple[str, ...] = ()
    """What disturbed the run as a whole, in sentences."""


@dataclass(frozen=True)
class Settings:
    """What a campaign needs to know."""

    catalogue: Catalogue
    floor: Protocol
    conditions: tuple[Condition, ...]
    cache: Path
    """Folder of ours, readable by us alone; the run's keys are in a folder below it while it lasts."""
    environment: Mapping[str, str]
    """The caller's environment, in which the servers run."""
    openssl: Path | None = None


WAITING = 2
"""Probes that run beside one for each processor, because each waits for its servers half of the time."""

FILES_A_SERVER = 3
"""Open files of a server at the most: its port or pipe, its process, and a control's connection."""

FILES_A_VISIT = 16
"""Open files of a visit beside one for each tap: the pipes of its process, and connections on both sides."""

NOBODY_TELLS = (
    "This system does not say whose a connection is: what another program sends to a port of ours would be"
    " taken for the client's."
)

NAME_UNKNOWN = (
    f"{HOSTS} does not say that {NAME} is this machine alone: a client that looks it up by itself is not sent"
    " to the AWS page's two servers, whose certificate has only that name, and no verdict rests on them."
)

FollowUp = Callable[[Condition, Guest, Mapping[Condition, Visit], Mapping[str, Control]], tuple[str, ...]]
"""Names the clients of a guest that are worth one more visit, under this condition, after those so far."""

TELLING = (Condition.PERMISSIVE, Condition.EMPTY)
"""The conditions that tell what holds a client. Empty comes last: whom permissive lets through needs both."""

Progress = Callable[[str], None]

Errand = tuple[Guest, tuple[str, ...]]
"""Which clients are sent where."""


Visited = tuple[Guest, Condition, Visit]
"""Who was visited under which condition, and what came of it."""


async def run_campaign(
    guests: Sequence[Guest], settings: Settings, follow_up: FollowUp, reference: str, progress: Progress
) -> Campaign:
    """Measure all guests, a few more at a time than there are processors.

    Those of TELLING that were not asked for are visited all the same, but only by the clients that
    `follow_up` names, the permissive one by the `reference` client too, and only on one server for each
    way of exchanging keys below the floor: enough to tell what holds it.

    Raises EngineError, before anything is measured, where openssl can serve nothing of the catalogue.
    """
    with (
        tempfile.TemporaryDirectory(dir=settings.cache, prefix="run-") as folder,
        contextlib.ExitStack() as held,
    ):
        scratch = Path(folder)
        files = write_configurations(scratch, settings.floor)
        places = asyncio.Semaphore(_side_by_side(guests, settings, progress))
        async with open_lab(
            settings.catalogue, scratch, settings.cache, settings.environment, settings.openssl
        ) as bed:
            if bed.unavailable:
                raise EngineError(bed.unavailable)
            controls = asyncio.create_task(bed.controls())
            interpreters: dict[str, list[Guest]] = {}
            for guest in guests:
                interpreters.setdefault(guest.id, []).append(guest)
            tally = held.enter_context(counted(len(interpreters), "measured", progress))
            usher = _Usher(settings, bed.servers, files, places, reference, tally)

            async def attend(rooms: Sequence[Guest]) -> list[Visited]:
                """Visit one interpreter, itself first and all of its environments side by side."""
                visits = await usher.measure(rooms)
                for condition in TELLING:
                    if condition not in settings.conditions:
                        wanted = _wanted(rooms, condition, visits, follow_up, await controls)
                        visits += await usher.tell(rooms[0], wanted, condition)
                tally.done(_in_short(rooms, visits))
                return visits

            attended = await asyncio.gather(*(attend(rooms) for rooms in interpreters.values()))
            visits = tuple(one for several in attended for one in several)
            notes = _notes(visits, settings.catalogue)
            for sentence in notes:
                progress(sentence)
            return Campaign(bed.engine, await controls, visits, notes)


def _notes(visits: Sequence[Visited], catalogue: Catalogue) -> tuple[str, ...]:
    """Say who else was about, or that nobody can tell, and what the machine makes of our name."""
    told = strangers_told(one for _, _, seen in visits for one in seen.strangers)
    by_name = any(server.certificate is Certificate.PAGE for server in catalogue.servers)
    unknown = by_name and not is_ours(NAME, hosts_file())
    return (*(() if can_tell() else (NOBODY_TELLS,)), *told, *((NAME_UNKNOWN,) if unknown else ()))


@dataclass(frozen=True)
class _Usher:
    """Sends guests to the servers of a lab: what all visits of a campaign have in common."""

    settings: Settings
    stands: Sequence[LabServer]
    files: Mapping[Condition, Path | None]
    places: asyncio.Semaphore
    reference: str
    tally: Tally

    async def measure(self, rooms: Sequence[Guest]) -> list[Visited]:
        """Send an interpreter's environments to every server, under each condition that was asked for."""
        everyone = [(room, room.clients) for room in rooms]
        there = any(self.reference in room.clients for room in rooms)
        visits = []
        for condition in self.settings.conditions:
            more = condition is Condition.PERMISSIVE and not there
            errands = _with(self.reference, rooms[0], everyone) if more else everyone
            visits += await self._send_all(errands, condition, self.settings.catalogue.servers)
        return visits

    async def tell(self, home: Guest, errands: Sequence[Errand], condition: Condition) -> list[Visited]:
        """Send those to the old servers, under a condition that tells what holds them; none if nobody."""
        if errands and condition is Condition.PERMISSIVE:
            errands = _with(self.reference, home, errands)
        return await self._send_all(errands, condition, _openings(self.settings))

    async def _send_all(
        self, errands: Sequence[Errand], condition: Condition, servers: Sequence[Server]
    ) -> list[Visited]:
        return await asyncio.gather(*(self._send(room, condition, who, servers) for room, who in errands))

    async def _send(
        self, guest: Guest, condition: Condition, clients: tuple[str, ...], servers: Sequence[Server]
    ) -> Visited:
        conf = self.files[condition]
        ours = {"OPENSSL_CONF": str(conf)} if conf else {}
        stands = [stand for stand in self.stands if stand.server in servers]
        there = [client for client in clients if guest.has(client)]
        named = f"{guest.id} ({', '.join(there) or 'its identity'}) under {condition}"
        async with self.places:
            try:
                with self.tally.at_work(named):
                    seen = await visit(
                        (guest.python, PROBES),
                        {**guest.environment, **ours},
                        there,
                        stands,
                        snippets=guest.snippets,
                        programs=guest.programs,
                    )
            except (OSError, RuntimeError) as error:
                # One visit that cannot be made is no reason to lose what the others measured.
                seen = unvisited(there, stands, f"it could not be visited: {exhausted(error) or error}")
        return guest, condition, seen


def _in_short(rooms: Sequence[Guest], visits: Sequence[Visited]) -> str:
    """Return what was measured in an interpreter; empty if no client was."""
    clients = dict.fromkeys(client for room in rooms for client in room.clients)
    if not clients:
        return ""
    return f"{rooms[0].id} ({', '.join(clients)}): {sum(len(seen.cells) for _, _, seen in visits)} cells"


def _wanted(
    rooms: Sequence[Guest],
    condition: Condition,
    visits: Sequence[Visited],
    follow_up: FollowUp,
    controls: Mapping[str, Control],
) -> list[Errand]:
    """Return whom a rule wants to see again, under one more condition."""
    so_far = [{other: seen for guest, other, seen in visits if guest is room} for room in rooms]
    asked = [
        (room, follow_up(condition, room, seen, controls)) for room, seen in zip(rooms, so_far, strict=True)
    ]
    return [(room, who) for room, who in asked if who]


def _side_by_side(guests: Sequence[Guest], settings: Settings, progress: Progress) -> int:
    """Return how many visits are made at once: fewer than the processors can do where files would run out."""
    wanted = (os.cpu_count() or 1) + WAITING
    servers, clients = settings.catalogue.servers, max((len(one.clients) for one in guests), default=0)
    # The page's are found by name, on both families. The reference client comes along on some visits.
    ports = len(servers) + sum(1 for server in servers if server.role is Role.PAGE)
    fitting, why = visits_at_once(
        wanted, (clients + 1) * ports + FILES_A_VISIT, len(servers) * FILES_A_SERVER
    )
    if why:
        progress(f"interpreters are visited {why}")
    return fitting


def _with(reference: str, home: Guest, errands: Sequence[Errand]) -> list[Errand]:
    """Return the errands with the reference client at home, in the interpreter itself: it needs no more."""
    own = tuple(client for room, clients in errands if room is home for client in clients)
    return [(home, (*own, reference)), *(errand for errand in errands if errand[0] is not home)]


def _openings(settings: Settings) -> tuple[Server, ...]:
    """Return, for each key exchange and certificate, the below-floor server that speaks most versions."""
    widest: dict[tuple[str, str], Server] = {}
    for server in settings.catalogue.servers:
        if server.role is Role.LADDER and server.only_below(settings.floor):
            kind = (server.key_exchange, server.certificate)
            if kind not in widest or len(server.protocols) > len(widest[kind].protocols):
                widest[kind] = server
    return tuple(widest.values())
