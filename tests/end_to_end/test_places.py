"""Places, for real: what is measured there is what is measured here, and a place that lies gains nothing."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.clients import RELAXED, ClientKey
from interpreters.places import LOCAL, Place, ways_to
from interpreters.process_environment import sanitized_environment
from reports.verdicts.judge import Verdict
from runs.campaign import Settings, run_campaigns
from runs.probe import ProbeTask
from servers.catalogue import Catalogue, read_catalogue
from servers.conditions import Condition
from servers.protocols import Protocol
from tests.support.causes import goes_below
from tests.support.measuring import FEW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interpreters.interpreter import Interpreter
    from reports.verdicts.observations import Observation
    from runs.campaign import CampaignResult
    from servers.wire import WireAccount
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e

FLOOR = Protocol.TLSV1_2

CAGE = (
    "exec:bwrap --unshare-all --die-with-parent --new-session --ro-bind / / --proc /proc --dev /dev"
    " --tmpfs /tmp --"
)
"""This machine's own files, with a loopback of its own: a place that needs nothing."""


@pytest.fixture(scope="module")
def cage() -> Place:
    """The place that is this machine in a network of its own."""
    words = CAGE.partition(":")[2].split()
    if shutil.which("bwrap") is None or subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("bwrap makes no namespaces here: `apt-get install bubblewrap`, and a kernel that lets it")
    (place,) = ways_to(CAGE)
    return place


def campaign(folder: Path, catalogue: Catalogue, *machines: Sequence[ProbeTask]) -> list[CampaignResult]:
    """Measure machines side by side against the same servers."""
    (cache := folder / "cache").mkdir(mode=0o700)
    settings = Settings(catalogue, FLOOR, (Condition.AMBIENT, Condition.HARDENED), cache, os.environ)
    return asyncio.run(run_campaigns(machines, settings))


def tasks(pythons: Sequence[Path], place: Place, env: dict[str, str]) -> list[ProbeTask]:
    """Return what to measure in these interpreters, here or in a place: `ssl` and the reference."""
    return [
        ProbeTask(str(number), python, env, ("ssl", RELAXED), place=place)
        for number, python in enumerate(pythons)
    ]


def same(seen: Observation) -> tuple[object, ...]:
    """Return what of an observation has to be the same wherever it was made."""
    account = seen.account and replace(seen.account, seconds=0.0, error_text=_masked(seen.account.error_text))
    return (seen.client, seen.server, seen.condition, account, seen.missing, tuple(map(_wire, seen.wire)))


def _masked(text: str | None) -> str:
    # A port, an address in memory or a path differs from one process to the next.
    return re.sub(r"\d{4,}|0x[0-9a-f]+", "N", text or "")


def _wire(wire: WireAccount) -> WireAccount:
    return replace(wire, client_hello=wire.client_hello[:4], server_hello=wire.server_hello[:4])


def test_a_place_is_measured_as_this_machine_is(
    tmp_path: Path, known: dict[str, Interpreter], cage: Place
) -> None:
    """Interpreters tell the same here and in a place, on every server, and so does the wire.

    The oldest and the newest, as each takes seconds; with the variable TLS_FLOOR_EVERY set, every one.
    """
    pythons = [Path(one.path) for one in known.values()]
    pythons = pythons if os.environ.get("TLS_FLOOR_EVERY") else [*dict.fromkeys((pythons[0], pythons[-1]))]
    env = sanitized_environment(os.environ, tmp_path)
    here, there = campaign(tmp_path, read_catalogue(), tasks(pythons, LOCAL, env), tasks(pythons, cage, {}))
    for number in here.interpreters:
        one, other = here.interpreters[number], there.interpreters[number]
        assert [same(seen) for seen in one.observations] == [same(seen) for seen in other.observations]
        assert one.observations
        assert all(seen.account for seen in one.observations)
    assert not there.notes


LIAR = """
import json, os, struct, socket, sys
HEADER = struct.Struct(">cII")
def send(kind, number=0, data=b""):
    os.write(1, HEADER.pack(kind, number, len(data)) + data)
def say(**record):
    send(b"L", 0, b"\\nTLS-FLOOR-PROBE " + json.dumps(record).encode() + b"\\n")
def read(size):
    data = b""
    while len(data) < size:
        data += os.read(0, size - len(data)) or sys.exit(0)
    return data
boot = int(sys.argv[-1].split("<")[1].split(":")[0])
read(boot)
os.write(1, b"\\n\\0TLS-FLOOR-REACH\\0\\n")
plan = None
def frame():
    kind, number, length = HEADER.unpack(read(HEADER.size))
    return kind, number, read(length)
while frame()[0] != b"I":
    pass
say(kind="identity", identity=None, lacking={})
while plan is None:
    kind, number, data = frame()
    plan = json.loads(data) if kind == b"P" else None
cells = plan["cells"]
def account(cell, outcome, version, **more):
    told = dict(outcome=outcome, version=version, cipher="C", seconds=0.1, error_class=None, error_text=None)
    say(kind="begin", client=cell["client"], server=cell["server"])
    say(kind="account", client=cell["client"], server=cell["server"], account=dict(told, **more))
say(kind="client", client="ssl", version="9.9", urllib3="", tls=None)
for number, cell in enumerate(cells, 1):
    good = cell["server"] in ("open", "tls1_2", "tls1_3")
    LIE
say(kind="end")
send(b"Z", 0, b"0")
"""

CLAIM = "account(cell, 'connected' if good else 'failed', 'TLSv1.3' if good else None)"

LIES = {
    "without a connection": CLAIM,
    "with bytes that are no hello": (
        "send(b'O', number, struct.pack('>I', cell['port'])); send(b'D', number, b'GET / HTTP/1.0');"
        f" send(b'E', number); {CLAIM}"
    ),
    "with a hello cut short": (
        "send(b'O', number, struct.pack('>I', cell['port']));"
        f" send(b'D', number, bytes.fromhex('16030300ff0100')); send(b'R', number); {CLAIM}"
    ),
    "with versions that there are not": "account(cell, 'connected', 'TLSv9')",
    "about servers that it was not sent to": "account(dict(cell, server='tls9'), 'connected', 'TLSv1.3')",
    "of a command that is not told": "account(cell, 'untold', None)",
}


def test_a_place_that_lies_is_never_enforced(tmp_path: Path) -> None:
    """Whatever places say of their cells, without the hellos on the wire nothing holds the floor."""
    machines, before = [], []
    for number, lie in enumerate(LIES.values()):
        before.append(far := tmp_path / f"far-{number}.py")
        far.write_text(LIAR.replace("LIE", lie))
        place = Place("exec", f"far-{number}", (sys.executable, str(far)), passes=("PATH",))
        machines.append([ProbeTask("liar", Path(sys.executable), {}, ("ssl",), place=place)])
    whole = read_catalogue()
    few = Catalogue(tuple(whole[name] for name in FEW), whole.sha256)
    for lie, found in zip(LIES, campaign(tmp_path, few, *machines), strict=True):
        judged = found.interpreters["liar"].judged
        verdicts = {
            judged.judgement(ClientKey("ssl"), condition, FLOOR).verdict
            for condition in (Condition.AMBIENT, Condition.HARDENED)
        }
        assert verdicts == {Verdict.INCONCLUSIVE}, lie
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "cache"])
    assert not list((tmp_path / "cache").glob("run-*"))


def test_a_run_over_places_has_a_host_for_each(checkout: Checkout, sample: Interpreter) -> None:
    """One place answers, one cannot be entered: both are in the report, and the gate names the latter."""
    words = ["--place", "exec:env", "--place", "exec:sh -c 'echo no such host >&2; exit 3'"]
    status, said = checkout.nox("-s", "matrix", "gate", "--", *words, "--only", sample.id, "--clients", "ssl")
    document: dict[str, Any] = json.loads((checkout.latest / "matrix.json").read_text())
    runs = {run["host"]: run for run in document["runs"]}
    assert list(runs) == [word for word in words if word != "--place"]
    assert runs["exec:env"]["scope"]["place"] == "exec:env"
    hosts = {run["run_id"]: host for host, run in runs.items()}
    rows = {(hosts[row["run_id"]], row["interpreter"]): row for row in document["verdicts"]}
    assert set(rows) == {("exec:env", sample.id), (words[-1], "missing")}
    measured, silent = rows["exec:env", sample.id], rows[words[-1], "missing"]
    assert measured["verdict"] == "downgraded" if goes_below(sample) else "enforced"
    assert "ended with status 3 before a Python answered: no such host" in silent["reason"]
    assert status, said
    assert f"machine {words[-1]}" in said
