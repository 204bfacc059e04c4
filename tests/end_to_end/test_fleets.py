"""Fleets, for real: what a place costs, and that waiting for many of them adds up to little.

Each takes a minute and more, and says what it measured: TLS_FLOOR_FLEETS=1 pytest -rP this file. Another
number is how many places there are instead of 100.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import ClientKey
from interpreters.places import Place
from reports.verdicts.judge import Verdict
from runs.probe import ProbeTask
from servers.catalogue import Catalogue, Role, read_catalogue
from servers.conditions import Condition
from tests.end_to_end.test_places import FLOOR, campaign, private_sshd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runs.campaign import CampaignResult

ASKED = int(os.environ.get("TLS_FLOOR_FLEETS", "0") or 0)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not ASKED, reason="TLS_FLOOR_FLEETS=1 enables this, which takes a minute and more"),
]

PLACES = ASKED if ASKED > 1 else 100
IN_FLIGHT = min(PLACES, 40)
SSL = ClientKey("ssl")
LIMIT = 25.0
"""MiB of a place in flight."""

FEWEST = 10
"""Places among which the servers' memory is shared out, so that each has little of that."""

AMBIENT = (Condition.AMBIENT,)

LATE = """
import os, select, subprocess, sys, time
late = float(sys.argv[1])
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
ways, waiting = {0: child.stdin.fileno(), child.stdout.fileno(): 1}, []
while ways or waiting:
    until = waiting[0][0] - time.monotonic() if waiting else None
    for source in select.select(list(ways), [], [], until and max(0, until))[0]:
        data = os.read(source, 65536)
        waiting.append((time.monotonic() + late, ways[source], data))
        if not data:
            del ways[source]
    while waiting and waiting[0][0] <= time.monotonic():
        _, target, data = waiting.pop(0)
        while data:
            data = data[os.write(target, data):]
        if target == 1 and not waiting and child.poll() is not None:
            sys.exit(child.returncode)
        if target != 1 and 0 not in ways and not any(each[1] == target for each in waiting):
            child.stdin.close()
"""
"""Source text: runs a command, of which each byte comes and goes so many seconds late."""


def say(sentence: str) -> None:
    """Print what was measured."""
    sys.stdout.write(f"{sentence}\n")


@dataclass
class FleetCost:
    """What a block of code cost this process and what it started."""

    wall: float = 0.0
    processor: float = 0.0
    memory: int = 0
    """Bytes: the most that was shared out among what was running, beyond what this process had before."""
    ended: threading.Event = field(default_factory=threading.Event)

    def watch(self, base: int) -> None:
        """Look at the memory until the end."""
        while not self.ended.wait(0.2):
            self.memory = max(self.memory, _memory(os.getpid()) - base)


@contextlib.contextmanager
def spent() -> Iterator[FleetCost]:
    """Measure a block."""
    found, before, began = FleetCost(), _processor(), time.monotonic()
    watcher = threading.Thread(target=found.watch, args=(_memory(os.getpid()),))
    watcher.start()
    try:
        yield found
    finally:
        found.ended.set()
        watcher.join()
        found.wall, found.processor = time.monotonic() - began, _processor() - before


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _memory(pid: int) -> int:
    """Return the bytes of a process and of all below it, in which what several share counts once."""
    total = 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            total += int(line.split()[1]) * 1024 if line.startswith("Pss:") else 0
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            total += sum(_memory(int(child)) for child in task.read_text(encoding="ascii").split())
    return total


def ladder() -> Catalogue:
    """The ladder's servers, which every verdict rests on."""
    whole = read_catalogue()
    servers = tuple(server for server in whole.servers if server.role is Role.LADDER)
    return Catalogue(servers, whole.sha256)


def machines(place: Place, python: Path, number: int) -> list[list[ProbeTask]]:
    """Return so many places that are entered in the same way."""
    places = [replace(place, name=f"{place.name}-{each}") for each in range(number)]
    return [[ProbeTask("it", python, {}, (SSL,), place=each)] for each in places]


def verdicts(found: Sequence[CampaignResult]) -> list[Verdict]:
    """Return what each place comes to, which has to be an answer."""
    cells = (each.interpreters["it"].judged for each in found)
    judged = [each.judgement(SSL, Condition.AMBIENT, FLOOR) for each in cells]
    assert [each.reason for each in judged if each.verdict is Verdict.INCONCLUSIVE] == []
    return [each.verdict for each in judged]


def test_what_a_place_by_ssh_costs(tmp_path: Path) -> None:
    """Each place comes to the same verdict, and takes 25 MiB in flight at most; other costs are told."""
    with private_sshd(tmp_path) as place, spent() as cost:
        python = Path("/usr/bin/python3") if Path("/usr/bin/python3").exists() else Path(sys.executable)
        found = []
        for begin in range(0, PLACES, IN_FLIGHT):
            (folder := tmp_path / str(begin)).mkdir()
            some = machines(place, python, PLACES)[begin : begin + IN_FLIGHT]
            found += verdicts(campaign(folder, ladder(), *some, conditions=AMBIENT))
    each = cost.memory / 2**20 / IN_FLIGHT
    say(f"{PLACES} places: {cost.wall / PLACES:.2f} s and {cost.processor / PLACES:.3f} processor s each")
    say(f"in flight at once were {IN_FLIGHT}, with {each:.1f} MiB each")
    assert len(set(found)) == 1
    assert each <= LIMIT or PLACES < FEWEST


def test_waiting_for_forty_places_at_once_adds_up_to_little(tmp_path: Path) -> None:
    """With 200 ms of round trip 40 places take at most three times as long, and each comes to a verdict."""
    python, times = Path(sys.executable), []
    for late in ("0", "0.1"):
        (folder := tmp_path / late).mkdir()
        prefix = (sys.executable, "-c", LATE, late)
        place = Place("exec", f"late-{late}", prefix, passes=("PATH",), away=True)
        began = time.monotonic()
        verdicts(campaign(folder, ladder(), *machines(place, python, 40), conditions=AMBIENT))
        times.append(time.monotonic() - began)
    say(f"40 at once: {times[0]:.1f} s without, {times[1]:.1f} s with 200 ms of round trip")
    assert times[1] <= 3 * times[0]
