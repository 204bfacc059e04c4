"""Pythons that run: a fresh one of each is measured, under the variables that they were started with."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.deployed.proc import read_processes
from interpreters.deployed.running import find_running
from interpreters.locations import PROC
from servers.conditions import Condition, configuration
from servers.protocols import Protocol
from tests.support.limits import HANGS
from tests.support.proc import SETTLED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not PROC.is_dir(), reason="only Linux tells what runs: one with /proc enables this"),
]

PROGRAM = f"import ssl, time; print('ready', flush=True); time.sleep({HANGS * 5})"
"""An application that has loaded its TLS library, and ends by itself if a test cannot end it."""

SECRET = "hunter2-of-the-tests"  # noqa: S105  it is there to be looked for
NOBODY = 65534


@dataclass(frozen=True)
class Application:
    """An application that runs, as a child of nobody who tests it."""

    pid: int

    @property
    def mapped(self) -> list[str]:
        """The files that it has mapped."""
        return next([file.path for file in one.mapped] for one in read_processes() if one.pid == self.pid)


@contextlib.contextmanager
def running(folder: Path, user: int | None = None, **variables: str) -> Iterator[Application]:
    """Run an application in an environment until the block ends.

    It is started by a shell that ends, as by a daemon: what this process itself started is ours.
    """
    python = str(folder / "bin" / "python")
    command = ["sh", "-c", '"$@" & echo $!', "sh", python, "-c", PROGRAM, SECRET]
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {**kept, "AWS_SECRET_ACCESS_KEY": SECRET, **variables}
    time.sleep(SETTLED)
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, user=user, text=True) as shell:
        assert shell.stdout is not None
        lines = [shell.stdout.readline() for _ in range(2)]
    pid = next(int(line) for line in lines if line.strip().isdecimal())
    try:
        assert "ready\n" in lines
        yield Application(pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _wait_for_end(pid)


def _wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + HANGS
    while any(one.pid == pid for one in read_processes()) and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Return a folder that every user can read, with a name that no other run of these tests has."""
    made = Path(tempfile.mkdtemp(prefix=f"shop{os.getpid()}x"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def floor(folder: Path) -> Path:
    """Return an OpenSSL configuration that holds the floor."""
    file = folder / "floor.cnf"
    file.write_text(configuration(Condition.HARDENED, Protocol.TLSV1_2))
    return file


def make(interpreter: str, folder: Path) -> Path:
    """Make an environment in which nothing is installed; return its folder."""
    subprocess.run([interpreter, "-m", "venv", "--without-pip", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def venv(loose: Interpreter, folder: Path) -> Path:
    """Return an environment whose Python goes below the floor by itself."""
    return make(loose.path, folder / "venv")


@dataclass(frozen=True)
class MeasuredServices:
    """Applications of one environment that ran at once, and what one run made of them."""

    plain: Application
    worker: Application
    """Another one that is started like `plain`."""
    held: Application
    """Under a configuration that holds the floor."""
    private: Application
    """Under that too, and under a PYTHONPATH."""
    found: Mapping[int, Mapping[str, Any]]
    """The interpreters of matrix.json by the number of each process, with their row of `ssl`."""
    written: list[Path]
    """The files of the report."""
    kept: list[Path]
    """These, and what the tool keeps about interpreters."""


PRIVATE = "private-of-the-tests"


def measure(checkout: Checkout, venv: Path) -> dict[int, dict[str, Any]]:
    """Measure what runs in an environment; return its interpreters in matrix.json, with the row of `ssl`."""
    rows = checkout.measure(
        "--running", "--only", f"running_{venv.parent.name}*".lower(), "--clients", "ssl,urllib3"
    )
    document = json.loads((checkout.latest / "matrix.json").read_text())
    return {
        process["pid"]: {
            **one,
            "row": next(row for key, row in rows.items() if key[0] == one["interpreter"]),
        }
        for one in document["interpreters"]
        for process in one["processes"]
    }


@pytest.fixture(scope="module")
def services(checkout: Checkout, venv: Path, floor: Path, folder: Path) -> MeasuredServices:
    """Measure one environment while it runs in three ways, one of them twice."""
    (private := folder / PRIVATE).mkdir()
    with (
        running(venv) as plain,
        running(venv, OPENSSL_CONF=str(floor)) as held,
        running(venv) as worker,
        running(venv, OPENSSL_CONF=str(floor), PYTHONPATH=str(private)) as secretive,
    ):
        found = measure(checkout, venv)
    report = [file for file in checkout.latest.resolve().rglob("*") if file.is_file()]
    kept = (checkout.folder / ".nox" / ".cache" / "identities").rglob("*.json")
    return MeasuredServices(plain, worker, held, secretive, found, report, [*report, *kept])


def test_each_way_to_run_an_application_has_its_verdict(
    services: MeasuredServices, venv: Path, floor: Path
) -> None:
    """Of one environment a process without variables goes below, and one under a configuration does not."""
    found, plain, held = services.found, services.plain.pid, services.held.pid
    worker = services.worker.pid
    assert set(found) == {plain, worker, held, services.private.pid}
    # Numbers begin anew once the last was given, so either may have the lower one.
    assert {process["pid"] for process in found[plain]["processes"]} == {plain, worker}
    below, above = (found[service]["row"] for service in (plain, held))
    assert (below["client"], below["verdict"], below["held_by"]) == ("ssl", "downgraded", "nothing")
    assert (above["client"], above["verdict"], above["held_by"]) == ("ssl", "enforced", "openssl.cnf")
    assert (found[plain]["variables"], found[held]["variables"]) == ({}, {"OPENSSL_CONF": str(floor)})
    assert {one["environment"] for one in found.values()} == {str(venv)}
    assert found[held]["openssl_conf"] == str(floor)
    for process in found[plain]["processes"]:
        assert (process["command"], process["replaced"]) == ("python -c", [])
        assert process["user"] == pwd.getpwuid(os.geteuid()).pw_name
        assert process["libraries"]


def test_no_secret_of_a_process_is_written(services: MeasuredServices, floor: Path) -> None:
    """Neither an argument nor another variable is in a report or kept, and of PYTHONPATH no report has it."""
    found = services.found[services.private.pid]
    assert found["row"]["verdict"] == "enforced"
    assert found["variables"] == {"OPENSSL_CONF": str(floor), "PYTHONPATH": "(not shown)"}
    assert len(services.written) > 5
    assert len(services.kept) > len(services.written)
    for word, where in ((SECRET, services.kept), (PRIVATE, services.written)):
        assert [file for file in where if word.encode() in file.read_bytes()] == []


def test_what_was_replaced_is_named_and_proves_nothing(
    checkout: Checkout, venv: Path, floor: Path, folder: Path
) -> None:
    """A process whose libssl was replaced on disk is to be restarted, whatever a fresh one does."""
    with running(venv) as sample:
        originals = [
            Path(file) for file in sample.mapped if Path(file).name.startswith(("libssl", "libcrypto"))
        ]
    copies = folder / "lib"
    copies.mkdir()
    for original in originals:
        shutil.copy2(original, copies)
    with running(venv, OPENSSL_CONF=str(floor), LD_LIBRARY_PATH=str(copies)) as service:
        own = [file for file in service.mapped if file.startswith(f"{copies}/libssl")]
        if not own:
            pytest.skip("Python's ssl module has its OpenSSL inside, or an RPATH: another build enables this")
        shutil.copy2(own[0], f"{own[0]}.new")
        Path(f"{own[0]}.new").rename(own[0])
        (found,) = measure(checkout, venv).values()
    (process,) = found["processes"]
    assert process["replaced"] == own
    assert found["row"]["verdict"] == "inconclusive"
    reason = f"process {service.pid} (python -c) still uses the old {own[0]}, which changed on disk since"
    assert f"{reason}: restart it" in found["row"]["reason"]


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone could start something as another user")
def test_root_starts_nothing_under_the_variables_of_another_user(checkout: Checkout, folder: Path) -> None:
    """The row of such a process says who has to run nox, and the code that its variables name is not run."""
    system = Path("/usr/bin/python3")
    if not system.exists():
        pytest.skip("there is no Python that every user can start: one in /usr/bin enables this")
    venv = make(str(system), folder / "of-nobody")
    hook = folder / "hook"
    hook.mkdir()
    hook.chmod(0o777)
    told = "import os, pathlib; pathlib.Path(__file__).with_name(f'ran-as-{os.geteuid()}').touch()"
    (hook / "sitecustomize.py").write_text(told)
    name = pwd.getpwuid(NOBODY).pw_name
    with running(venv, NOBODY, PYTHONPATH=str(hook)) as service:
        rows = checkout.measure("--running", "--only", "running_of_nobody*")
        ((_, row),) = rows.items()
    assert row["verdict"] == "untestable"
    assert f"process {service.pid}: not started as root under the PYTHONPATH of {name}" in row["reason"]
    assert sorted(file.name for file in hook.glob("ran-as-*")) == [f"ran-as-{NOBODY}"]


def test_the_processes_of_one_environment_are_found_among_many(venv: Path) -> None:
    """Three of one environment are one subject with their numbers, whatever else runs beside them."""
    with contextlib.ExitStack() as held:
        services = [held.enter_context(running(venv)) for _ in range(3)]
        for _ in range(100):
            process = held.enter_context(subprocess.Popen(["sleep", str(HANGS * 5)]))
            held.callback(process.kill)
        found = find_running({}, own=os.getpid())
    (own,) = (one for one in found.candidates if one.environment == venv)
    assert {process.pid for process in own.processes} == {service.pid for service in services}
