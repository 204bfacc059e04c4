"""Fleets, for real: what a place costs, and that waiting for many of them adds up to little.

Each takes a minute and more, and says what it measured: TLS_FLOOR_FLEETS=1 pytest -rP this file. Another
number is how many places there are instead of 100.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import ClientKey
from interpreters.places import Place
from reports.verdicts.judge import Verdict
from runs.campaign import WAITING
from runs.kept_places import UNFINISHED
from runs.probe import ProbeTask
from servers.catalogue import Catalogue, Role, read_catalogue
from servers.conditions import Condition
from tests.end_to_end.test_places import FLOOR, campaign, private_sshd
from tests.support.processes import killed_at_the_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from interpreters.interpreter import Interpreter
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


RUN = """
import contextlib, sys
from pathlib import Path
from types import SimpleNamespace
from interpreters.offspring import offspring_ended
from runs.job import Job
from runs.options import parse
from runs.places import measure_places
from runs.plan import Plan
from servers.conditions import Condition
folder, words = Path(sys.argv[1]), sys.argv[2:]
with offspring_ended(), contextlib.ExitStack() as held:
    session = SimpleNamespace(cache_dir=folder, invoked_from=str(folder))
    plan = Plan("20260101T000000Z-0000", ("matrix",))
    job = Job(session, plan, parse("matrix", plan.sessions, words, ""), held)
    found = measure_places(job, job.settings((Condition.AMBIENT,)))
print(*(f"{row.interpreter.host}\\t{row.verdict}" for row in found.rows), sep="\\n")
"""
"""Source text: measures places as the session does, and prints each host with its verdict."""

ENTERED = """exec:sh -c 'echo "$0" >> {log}; exec "$@"' {name}"""
"""A place that is this machine, and notes each time that it is entered."""


def test_a_fleet_that_was_killed_goes_on(tmp_path: Path, sample: Interpreter) -> None:
    """After SIGKILL no place is entered again whose measuring was kept, and each is in the report once."""
    (fleet, log), number = (tmp_path / "fleet.txt", tmp_path / "entered"), ASKED if ASKED > 1 else 40
    names = [f"place-{each}" for each in range(number)]
    fleet.write_text("".join(f"{ENTERED.format(log=log, name=name)}\n" for name in names))
    command = [sys.executable, "-c", RUN, str(tmp_path / "cache"), "--places", str(fleet)]
    command += ["--only", sample.id, "--clients", "ssl"]
    (tmp_path / "cache").mkdir(mode=0o700)
    with killed_at_the_end(subprocess.Popen(command, stdout=subprocess.DEVNULL)) as process:
        while len(kept := _kept(tmp_path / "cache")) < number // 3:
            assert process.poll() is None
            time.sleep(0.1)
    before = Counter(log.read_text().split())
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=True)
    hosts = Counter(line.partition("\t")[0].rpartition(" ")[2] for line in done.stdout.splitlines())
    assert hosts == dict.fromkeys(names, 1)
    entered = Counter(log.read_text().split())
    again = {name for name in names if before[name] >= PROBED and entered[name] > before[name]}
    say(f"of {number} places {len(kept)} were kept at the kill, and {len(again)} measured again")
    assert again.isdisjoint(kept)
    # Those at work, and as many whose results were on their way to the disk.
    assert len(again) <= 2 * ((os.cpu_count() or 1) + WAITING)
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(file.read_bytes())
    assert not [line for line in lines if os.fsencode(tmp_path / "cache") in line]


PROBED = 3
"""Times that a place has been entered when its probe begins: looked into, and its Python identified."""


def _kept(cache: Path) -> list[str]:
    """Return the names of the places whose measuring was kept whole."""
    whole = [path for path in cache.glob("places/*/*") if path.is_dir() and UNFINISHED not in path.name]
    documents = [json.loads((path / "matrix.json").read_text()) for path in whole]
    return [run["host"].rpartition(" ")[2] for document in documents for run in document["runs"]]


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
