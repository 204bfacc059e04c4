"""Places, for real: what is measured there is what is measured here, and a place that lies gains nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.clients import PROBES, RELAXED, ClientKey
from interpreters.places import LOCAL, Passenger, Place, command, ways_to
from interpreters.process_environment import sanitized_environment
from reports.verdicts.judge import Verdict
from runs.campaign import Settings, run_campaigns
from runs.probe import ProbeTask
from servers.catalogue import Catalogue, read_catalogue
from servers.conditions import Condition
from servers.protocols import Protocol
from tests.support.causes import goes_below
from tests.support.far_ends import FRAMES
from tests.support.measuring import FEW
from tests.support.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def campaign(
    folder: Path,
    catalogue: Catalogue,
    *machines: Sequence[ProbeTask],
    conditions: tuple[Condition, ...] = (Condition.AMBIENT, Condition.HARDENED),
) -> list[CampaignResult]:
    """Measure machines side by side against the same servers."""
    (cache := folder / "cache").mkdir(mode=0o700)
    settings = Settings(catalogue, FLOOR, conditions, cache, os.environ)
    return asyncio.run(run_campaigns(machines, settings))


def tasks(pythons: Sequence[Path], place: Place, env: dict[str, str]) -> list[ProbeTask]:
    """Return what to measure in these interpreters, here or in a place: `ssl` and the reference."""
    return [
        ProbeTask(str(number), python, env, (ClientKey("ssl"), RELAXED), place=place)
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
    """Interpreters tell the same here and in a place, on every server, and so does the wire."""
    # The oldest and the newest: each takes seconds.
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


@contextlib.contextmanager
def private_sshd(folder: Path) -> Iterator[Place]:
    """Run an sshd of our own on loopback, with keys of its own, and give the place that it leads to."""
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if sshd is None or shutil.which("ssh") is None:
        pytest.skip("there is no ssh with an sshd here: `apt-get install openssh-server` enables this")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # what its package makes at the start of the machine
    for name in ("host", "user"):
        key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
        subprocess.run(key, check=True)
    port = free_ports(1)
    configuration = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "user.pub",
        "PidFile": folder / "pid",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "MaxStartups": 100,
        # A bash that sshd starts reads ~/.bashrc unless it is within another: with pyenv in that it takes as
        # long as a probe, and what is measured here is no user's own start-up file.
        "SetEnv": "SHLVL=2",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {text}\n" for name, text in configuration.items()))
    (folder / "config").write_text(
        f"Host web1\nHostName 127.0.0.1\nPort {port}\nIdentityFile {folder / 'user'}\n"
        f"UserKnownHostsFile {folder / 'known'}\nStrictHostKeyChecking accept-new\n"
    )
    with subprocess.Popen(
        [sshd, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL
    ) as server:
        try:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.02)
            (usual,) = ways_to("ssh:web1")
            yield replace(usual, prefix=("ssh", "-F", str(folder / "config"), *usual.prefix[1:]))
        finally:
            server.terminate()


def test_python_27_is_measured_over_ssh_as_here(tmp_path: Path, python27: Path) -> None:
    """The oldest Python is the far end of an ssh connection, and tells what it tells here."""
    whole = read_catalogue()
    few = Catalogue(tuple(whole[name] for name in FEW), whole.sha256)
    env = sanitized_environment(os.environ, tmp_path)
    with private_sshd(tmp_path) as place:
        here, there = campaign(tmp_path, few, tasks([python27], LOCAL, env), tasks([python27], place, {}))
    one, other = here.interpreters["0"].observations, there.interpreters["0"].observations
    assert [same(seen) for seen in one] == [same(seen) for seen in other]
    assert all(seen.account for seen in one)


MOMENTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2, 1.6)
"""Seconds after its start at which a near end is killed."""


@pytest.mark.parametrize("way", ["env", "cage", "ssh"])
def test_a_near_end_that_is_killed_at_any_moment_leaves_nothing(
    tmp_path: Path, way: str, request: pytest.FixtureRequest
) -> None:
    """Whenever a near end dies, its far end is gone a moment later, with its process and its folder."""
    (temporary := tmp_path / "tmp").mkdir()
    (python := tmp_path / "python-of-this-test").symlink_to(sys.executable)
    with contextlib.ExitStack() as stack:
        if way == "cage":
            place = request.getfixturevalue("cage")
            # This Python may lie in the /tmp of this machine, which the cage has not.
            python = Path(request.getfixturevalue("sample").path)
            # A file system of its own is gone with it; its first process is known by this word.
            place = replace(place, prefix=(*place.prefix[:-1], "--setenv", str(tmp_path), "x", "--"))
        else:
            place = Place("exec", "env", ("env",), passes=("PATH",))
            if way == "ssh":
                place = stack.enter_context(private_sshd(tmp_path))
            place = replace(
                place, prefix=(*place.prefix, *(["env"] if way == "ssh" else []), f"TMPDIR={temporary}")
            )
        who = Passenger(python, ("-c", "import time; time.sleep(600)", PROBES / "status_page.py"), limit=600)
        began = time.monotonic()
        started = [
            subprocess.Popen(command(place, who, {}), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            for _ in MOMENTS
        ]
        for process in started:
            stack.enter_context(process)
            stack.callback(process.kill)
        for moment, process in zip(MOMENTS, started, strict=True):
            time.sleep(max(0.0, began + moment - time.monotonic()))
            # The last one lives until a far end is there that it could leave behind.
            while process is started[-1] and not _left(tmp_path):
                assert time.monotonic() < began + PATIENCE
            process.kill()
            process.wait()
        killed = time.monotonic()
        while left := _left(tmp_path):
            assert time.monotonic() < killed + PATIENCE, left
            time.sleep(0.02)


PATIENCE = 10.0
"""Seconds in which all must be gone: a fifth of one on a machine that is idle."""


def _left(folder: Path) -> list[str]:
    """Return what there is of far ends: their folders, and the command lines that name the test's folder."""
    found = [str(path) for path in (folder / "tmp").iterdir()]
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            ours = "sshd_config" in line or "/reach.py" in line
            found += [line] if str(folder) in line and not ours else []
    return found


LIAR = (
    FRAMES
    + """def read(size):
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
)

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
        machines.append([ProbeTask("liar", Path(sys.executable), {}, (ClientKey("ssl"),), place=place)])
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
    """One place answers, and is sent what it lacks, one cannot be entered: both are in the report."""
    words = ["--place", "exec:env", "--place", "exec:sh -c 'echo no such host >&2; exit 3'"]
    options = ["--only", sample.id, "--clients", "ssl,botocore", "--newest"]
    status, said = checkout.nox("-s", "matrix", "gate", "--", *words, *options)
    document: dict[str, Any] = json.loads((checkout.latest / "matrix.json").read_text())
    runs = {run["host"]: run for run in document["runs"]}
    assert list(runs) == [word for word in words if word != "--place"]
    assert runs["exec:env"]["scope"]["place"] == "exec:env"
    hosts = {run["run_id"]: host for host, run in runs.items()}
    rows = {(hosts[row["run_id"]], row["interpreter"], row["client"]): row for row in document["verdicts"]}
    has_botocore = not subprocess.run(
        [sample.path, "-c", "import botocore"], check=False, capture_output=True
    ).returncode
    measured = [(sample.id, "ssl"), (sample.id if has_botocore else f"newest_{sample.id}", "botocore")]
    measured += [] if has_botocore else [(f"newest_{sample.id}", "ssl")]
    assert set(rows) == {*(("exec:env", *each) for each in measured), (words[-1], "missing", "all")}
    verdicts = {rows["exec:env", *each]["verdict"] for each in measured if each[1] == "ssl"}
    assert verdicts == {"downgraded" if goes_below(sample) else "enforced"}
    assert rows["exec:env", *measured[1]]["verdict"] in ("downgraded", "enforced")
    silent = rows[words[-1], "missing", "all"]
    assert "ended with status 3 before a Python answered: no such host" in silent["reason"]
    assert status, said
    assert f"machine {words[-1]}" in said
