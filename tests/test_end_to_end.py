"""The sessions as a person runs them: real nox, interpreters and servers, in a copy of the checkout."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import http.client
import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import trustme
from conftest import axe_violations, board

from interpreters.clients import DEFAULT, clients
from interpreters.identify import IdentifyError, identify
from interpreters.locate import Candidate, locate
from reports.observations import Interpreter
from reports.snippets import snippets
from servers.conditions import Condition, configuration
from servers.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parent.parent
LIMIT = 240.0
"""Seconds for one session: the first makes environments, perhaps over a slow network."""


@dataclass(frozen=True)
class Checkout:
    """A copy of the repository in which sessions are run."""

    folder: Path

    @property
    def latest(self) -> Path:
        """Where its newest report is."""
        return self.folder / "reports" / "latest"

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment for a session, with changes."""
        ours = (
            *("TLS_FLOOR_RUN", "TLS_FLOOR_WIDTH", "COVERAGE_PROCESS_START", "GITHUB_STEP_SUMMARY"),
            *(
                "COLUMNS",
                "LINES",
            ),  # set by who runs tests side by side, they outweigh a terminal
        )
        kept = {name: text for name, text in os.environ.items() if name not in ours}
        return kept | {"NOX_SCRIPT_MODE": "none"} | changes

    def start(self, *words: str, **changes: str) -> subprocess.Popen[str]:
        """Start nox with some words, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "nox", *words],
            cwd=self.folder,
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def nox(self, *words: str, **changes: str) -> tuple[int, str]:
        """Run nox to its end; return its exit status and what it printed."""
        with self.start(*words, **changes) as process:
            said, _ = process.communicate(timeout=LIMIT)
        return process.returncode, said

    def on_terminal(self, width: int, *words: str, **changes: str) -> str:
        """Run nox on a terminal of some columns; return what the terminal got."""
        keeper, terminal = pty.openpty()
        try:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
            environment = self.environment(TERM="xterm-256color", **changes)
            command = [sys.executable, "-m", "nox", *words]
            with subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
            ) as process:
                os.close(terminal)
                said = b""
                # A terminal whose other side is gone reads as an error, not as an end.
                with contextlib.suppress(OSError):
                    while piece := os.read(keeper, 1 << 16):
                        said += piece
                assert process.wait(LIMIT) == 0, said
        finally:
            os.close(keeper)
        return said.decode().replace("\r\n", "\n")

    def matrix(self) -> dict[tuple[str, str], dict[str, str]]:
        """Read the rows of its newest matrix, by interpreter and client."""
        with (self.latest / "matrix.csv").open(newline="") as file:
            return {(row["interpreter"], row["client"]): row for row in csv.DictReader(file)}

    def processes(self) -> list[str]:
        """Return the command lines of processes that have to do with this copy."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(self.folder) in line or str(self.folder) == str((entry / "cwd").readlink()):
                    found.append(line)
        return found


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Interpreter]:
    """Every interpreter here that can be measured, with what decides its verdict."""
    home = tmp_path_factory.mktemp("home")
    found = {}
    for candidate in locate(os.environ):
        with contextlib.suppress(IdentifyError):
            identity = identify(candidate.path, {"HOME": str(home), "PATH": os.environ["PATH"]})
            if identity.ssl and not identity.is_venv:
                found[candidate.id] = _interpreter(candidate, identity.version, identity.configure_flags)
    if not found:
        pytest.skip("no interpreter with an ssl module: install one, or pyenv with some")
    return found


def _interpreter(candidate: Candidate, version: str, flags: tuple[str, ...]) -> Interpreter:
    return Interpreter(candidate.id, candidate.source, str(candidate.path), version, configure_flags=flags)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy of what git tracks or would track."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH: install OpenSSL's command line tool")
    folder = tmp_path_factory.mktemp("copy") / "checkout"
    ignore = shutil.ignore_patterns(
        ".nox", ".git", "history", "latest", "__pycache__", ".*_cache", ".hypothesis", "policy.toml"
    )
    shutil.copytree(ROOT, folder, ignore=ignore)
    return Checkout(folder)


@pytest.fixture(scope="module")
def measured(checkout: Checkout, known: dict[str, Interpreter]) -> Checkout:
    """The copy, after a matrix of everything on this machine."""
    assert known
    status, said = checkout.nox("-s", "matrix")
    assert status == 0, said
    return checkout


def test_matrix_gives_each_interpreter_the_verdict_that_its_causes_demand(
    measured: Checkout, known: dict[str, Interpreter]
) -> None:
    """A context with no minimum of its own goes below the floor, and one with a minimum does not."""
    matrix = measured.matrix()
    for name, interpreter in known.items():
        # Plain ssl contexts and botocore's add nothing to what Python does; urllib3 2 sets a minimum.
        urllib3 = matrix[name, "urllib3"]["urllib3"]
        holds = {
            "ssl": interpreter.sets_minimum,
            "botocore": interpreter.sets_minimum,
            "urllib3": interpreter.sets_minimum or int(urllib3.split(".")[0]) >= 2,
        }
        for client, holding in holds.items():
            row = matrix[name, client]
            assert row["verdict"] == ("enforced" if holding else "downgraded"), row["reason"]
            assert row["held_by"] == ("code" if holding else "nothing")
            assert row["lowest_negotiated"] == ("TLSv1.2" if holding else "TLSv1")


def test_every_control_that_verdicts_rest_on_passed(measured: Checkout) -> None:
    """Each observation on a server of the ladder carries a passed control."""
    lines = (measured.latest / "observations.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    failed = {r["server"] for r in records if not r["control"]["passed"]}
    assert records
    assert not {server for server in failed if not server.startswith("page_")}


def test_the_page_is_shown_to_be_wrong_where_it_is(measured: Checkout) -> None:
    """The page calls downgraded interpreters safe, or cannot be carried through; the report says so."""
    rows = [row for (_, client), row in measured.matrix().items() if client == "botocore"]
    downgraded = [row for row in rows if row["verdict"] == "downgraded"]
    if not downgraded:
        pytest.skip("no interpreter here can be downgraded: a Python before 3.10 would be one")
    assert {row["page_check"] for row in downgraded} <= {"pass", "broken"}
    fooled = sum(row["page_check"] == "pass" for row in downgraded)
    opening = (measured.latest / "matrix.md").read_text().split("\n\n")[1]
    assert f"{len(downgraded)} of" in opening
    assert not fooled or f"would have called {fooled} of these" in opening


def test_a_third_party_reads_the_same_versions(measured: Checkout) -> None:
    """In each interpreter's capture tshark sees the versions that our own record of each cell has."""
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("no tshark on PATH: `apt-get install tshark`, or Wireshark, enables this")
    wire_names = {f"0x{3:02x}{minor:02x}": str(protocol) for minor, protocol in enumerate(Protocol)}
    ours: dict[str, set[str]] = {}
    for line in (measured.latest / "observations.jsonl").read_text().splitlines():
        cell = json.loads(line)
        name = "/".join(cell[key] for key in ("interpreter", "client", "server", "condition"))
        ours[name] = {version for wire in cell["wire"] for version in wire["offered"] or ()}
    theirs: dict[str, set[str]] = {}
    captures = sorted((measured.latest / "evidence").glob("*.pcapng"))
    for capture in captures:
        fields = ("frame.interface_name", "tls.handshake.extensions.supported_version")
        shown = [word for field in fields for word in ("-e", field)]
        command = [tshark, "-r", str(capture), "-Y", "tls.handshake.type == 1", "-T", "fields", *shown]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT)
        for line in done.stdout.splitlines():
            name, _, versions = line.partition("\t")
            known = {wire_names[text] for text in versions.split(",") if text in wire_names}
            theirs.setdefault(name, set()).update(known)
    assert captures
    assert theirs == {name: versions for name, versions in ours.items() if name in theirs}
    assert {name for name, versions in ours.items() if versions} <= theirs.keys()


def test_a_bare_path_finds_every_interpreter(measured: Checkout, known: dict[str, Interpreter]) -> None:
    """With only the system's folders on PATH the sessions are the same."""
    status, said = measured.nox("-l", PATH="/usr/bin:/bin")
    assert status == 0, said
    listed = {line.split("venv(")[1].split(")")[0] for line in said.splitlines() if "venv(" in line}
    on_path_only = {name for name, one in known.items() if one.source == "path"}
    assert known.keys() - on_path_only <= listed


def test_a_nonsensical_environment_changes_nothing(measured: Checkout, known: dict[str, Interpreter]) -> None:
    """AWS variables, proxies, certificate bundles and PYTHONPATH of the caller reach no probe."""
    before = measured.matrix()
    name = next(iter(known))
    nonsense = {
        "AWS_PROFILE": "nonsense",
        "AWS_ACCESS_KEY_ID": "nonsense",
        "AWS_ENDPOINT_URL": "https://nonsense.invalid",
        "HTTPS_PROXY": "https://nonsense.invalid:1",
        "REQUESTS_CA_BUNDLE": "/nonsense",
        "PYTHONPATH": "/nonsense",
    }
    status, said = measured.nox("-s", "matrix", "--", "--only", name, **nonsense)
    assert status == 0, said
    after = measured.matrix()
    assert after.keys() == {key for key in before if key[0] == name}
    for key, row in after.items():
        assert {**row, "run_id": ""} == {**before[key], "run_id": ""}


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A pyenv root whose versions are none, each in its own way."""
    root = tmp_path / "pyenv"
    bodies = {
        "hangs": "sleep 1000",
        "rubbish": "echo 'Python 3.9.9 <script>|'",
        "crashes": "kill -SEGV $$",
    }
    for name, body in bodies.items():
        path = root / "versions" / name / "bin" / "python3"
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    dangling = root / "versions" / "dangling" / "bin" / "python3"
    dangling.parent.mkdir(parents=True)
    dangling.symlink_to("/nonexistent/python3.9")
    return root


def test_what_is_no_python_becomes_a_row_with_its_reason(
    measured: Checkout, known: dict[str, Interpreter], hostile: Path
) -> None:
    """One that hangs, crashes, prints rubbish or dangles is untestable, and the others are still right."""
    name = next((n for n, one in known.items() if one.source == "system"), next(iter(known)))
    only = [
        word for glob in (name, "pyenv_*s", "pyenv_rubbish", "pyenv_dangling") for word in ("--only", glob)
    ]
    status, said = measured.nox("-s", "matrix", "--", *only, PYENV_ROOT=str(hostile))
    assert status == 0, said
    matrix = measured.matrix()
    reasons = {
        "pyenv_hangs": "did not say what it is within",
        "pyenv_rubbish": "is not a Python",
        "pyenv_crashes": "died of SIGSEGV",
        "pyenv_dangling": "is a dangling link to /nonexistent/python3.9",
    }
    for hostile_name, reason in reasons.items():
        assert matrix[hostile_name, "all"]["verdict"] == "untestable"
        assert reason in matrix[hostile_name, "all"]["reason"]
    others = {row["verdict"] for (interpreter, _), row in matrix.items() if interpreter == name}
    assert others
    assert others <= {"enforced", "downgraded"}
    assert not [line for line in measured.processes() if "sleep 1000" in line]


@pytest.mark.parametrize("words", [(), ("--fresh",)], ids=["ready", "fresh"])
def test_a_terminal_gets_a_table_in_colour_that_fits(
    measured: Checkout, known: dict[str, Interpreter], tmp_path: Path, words: tuple[str, ...]
) -> None:
    """On a terminal the run ends with a table in colour within its width, by parallel sessions too."""
    name = next(n for n, one in known.items() if not one.version.startswith("2."))
    # What is made anew is made in a cache of its own: other tests need the environments that are there.
    where = ("--envdir", str(tmp_path / "nox")) if words else ()
    said = measured.on_terminal(72, *where, "-s", "matrix", "--", "--only", name, *words)
    shown = said[said.rindex("\n", 0, said.index("urllib3", said.index("Running session matrix"))) :]
    shown = shown[: shown.index("Report: ")]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    verdict = measured.matrix()[name, "botocore"]["verdict"]
    assert plain.split()[:2] == ["interpreter", "Python"]
    assert re.search(rf"\x1b\[[0-9;]*m{verdict}", shown)
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= 72


def test_no_color_on_a_terminal_and_a_pipe_get_no_colour(
    measured: Checkout, known: dict[str, Interpreter]
) -> None:
    """With NO_COLOR a terminal gets the table and no escape sequence, and a pipe the sentences alone."""
    words = ("-s", "matrix", "--", "--only", next(iter(known)))
    said = measured.on_terminal(100, *words, NO_COLOR="1")
    assert "urllib3" in said
    assert "\x1b" not in said
    _, said = measured.nox(*words)
    assert "Report: reports/latest/matrix.md" in said.splitlines()
    assert "urllib3" not in said
    assert "\x1b" not in said


def _gate_program(checkout: Checkout) -> tuple[int, str]:
    """Run the gate as a program; return its exit status and what it printed."""
    command = [sys.executable, "-m", "reports.gate"]
    done = subprocess.run(
        command, cwd=checkout.folder, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_gate_tells_findings_by_its_exit_code(measured: Checkout, known: dict[str, Interpreter]) -> None:
    """On a real run both forms of the gate name what is downgraded, and the program's exit code tells."""
    loose = {name for name, one in known.items() if not one.sets_minimum}
    if not loose:
        pytest.skip("no interpreter here can be downgraded: a Python before 3.10 would be one")
    status, said = measured.nox("-s", "matrix", "--", "--only", min(loose))
    assert status == 0, said
    status, said = _gate_program(measured)
    assert (status, said.partition(":")[0]) == (1, "findings"), said
    assert f"{min(loose)}/ssl" in said
    nox_status, nox_said = measured.nox("-s", "gate")
    assert nox_status == 1
    assert said.strip() in nox_said
    record = json.loads((measured.latest / "gate.json").read_text())
    assert (record["kind"], record["exit_code"]) == ("findings", 1)


def test_a_policy_sets_the_floor_and_rules_the_gate(
    measured: Checkout, known: dict[str, Interpreter]
) -> None:
    """The floor that is measured is the policy's, which is written beside the verdicts and waives rows."""
    policy = measured.folder / "policy.toml"
    waiver = (
        '[[waiver]]\ninterpreter = "*"\nclient = "[!s]*"\nreason = "it is a test"\nexpires = 9999-12-31\n'
    )
    loose = next((name for name, one in known.items() if not one.sets_minimum), None)
    if loose is None:
        pytest.skip("no interpreter here can be downgraded: a Python before 3.10 would be one")
    try:
        policy.write_text(f'floor = "TLSv1.1"\n{waiver}')
        status, said = measured.nox("-s", "matrix", "--", "--only", loose)
        assert status == 0, said
        assert {row["floor"] for row in measured.matrix().values()} == {"TLSv1.1"}
        document = json.loads((measured.latest / "matrix.json").read_text())
        assert (document["floor"], document["policy"]["floor"]) == ("TLSv1.1", "TLSv1.1")
        assert 'name="policy waiver 1"' in (measured.latest / "junit.xml").read_text()
        status, said = _gate_program(measured)
        assert status == 1
        assert said.splitlines()[-1] == f"findings: 1 downgraded: {loose}/ssl"
        shutil.copy(measured.latest / "matrix.json", measured.folder / "baseline.json")
        status, said = measured.nox("-s", "matrix", "--", "--only", loose)
        assert status == 0, said
        policy.write_text('new_only = "baseline.json"')
        status, said = _gate_program(measured)
        assert status == 0, said
        assert "known from baseline.json" in said
        policy.write_text('flor = "TLSv1.1"')
        for session in ("matrix", "gate"):
            status, said = measured.nox("-s", session)
            assert status == 1
            assert "policy.toml: unknown key 'flor'; did you mean 'floor'?" in said
        assert _gate_program(measured)[0] == 3
    finally:
        policy.unlink()


def test_machines_are_merged_and_a_silent_one_is_named(
    measured: Checkout, known: dict[str, Interpreter], tmp_path: Path
) -> None:
    """Two runs under two names become one matrix, cell for cell, beside a third machine that is missing."""
    name = next(iter(known))
    rows, cells = [], []
    for host in ("one", "two"):
        status, said = measured.nox("-s", "matrix", "--", "--only", name, "--host", host)
        assert status == 0, said
        shutil.copytree(measured.latest.resolve(), tmp_path / host)
        rows += (tmp_path / host / "matrix.csv").read_text().splitlines()[1:]
        cells += (tmp_path / host / "observations.jsonl").read_text().splitlines()
    status, said = measured.nox("-s", "merge", "--", str(tmp_path), "--expect", "one", "--expect", "three")
    assert status == 0, said
    assert "1 machine was expected and did not report, so nothing is known about it: three." in said
    merged = (measured.latest / "matrix.csv").read_text().splitlines()
    assert merged[1:-1] == rows
    assert ",three,missing," in merged[-1]
    assert (measured.latest / "observations.jsonl").read_text().splitlines() == cells
    status, said = measured.nox("-s", "gate")
    assert status == 1
    assert "1 missing: machine three" in said
    document = tmp_path / "one" / "matrix.json"
    document.write_text(document.read_text().replace('"schema_version": 1', '"schema_version": 0', 1))
    status, said = measured.nox("-s", "merge", "--", str(tmp_path))
    assert status == 1
    assert f"{document} has schema version 0, and this tool reads 1" in said
    status, said = measured.nox("-s", "merge")
    assert status == 1
    assert "there is nothing to merge" in said


def test_without_openssl_nothing_is_called_safe(measured: Checkout, known: dict[str, Interpreter]) -> None:
    """A missing openssl makes every row inconclusive with that reason, and the gate fails."""
    words = ("--only", next(iter(known)), "--openssl", "/nonexistent/openssl")
    status, said = measured.nox("-s", "matrix", "--", *words)
    assert status == 0, said
    rows = measured.matrix().values()
    assert {row["verdict"] for row in rows} == {"inconclusive"}
    assert all("/nonexistent/openssl" in row["reason"] for row in rows)
    status, said = measured.nox("-s", "gate")
    assert status == 1
    assert "inconclusive" in said
    assert _gate_program(measured)[0] == 2


def test_an_installation_without_a_source_leaves_ssl_measured(
    measured: Checkout, known: dict[str, Interpreter], tmp_path: Path
) -> None:
    """Where botocore cannot be installed its clients are untestable with the reason; ssl has a verdict."""
    name = next((n for n, one in known.items() if not one.version.startswith("2.")), next(iter(known)))
    # In a cache of its own: other tests need the environments that are there.
    words = ("--envdir", str(tmp_path / "nox"), "-s", "matrix", "--", "--only", name)
    status, said = measured.nox(*words, "--find-links", str(tmp_path))
    assert status == 0, said
    matrix = measured.matrix()
    assert matrix[name, "ssl"]["verdict"] in ("enforced", "downgraded")
    for client in ("urllib3", "botocore"):
        assert matrix[name, client]["verdict"] == "untestable"
        assert "could not be installed" in matrix[name, client]["reason"]


def test_what_another_run_left_behind_is_not_taken_for_ours(
    measured: Checkout, known: dict[str, Interpreter]
) -> None:
    """Records and half-written reports of a killed run change nothing, and the latter are removed."""
    name = next(iter(known))
    left = measured.folder / ".nox" / ".cache" / "runs" / "20000101T000000Z-dead" / f"{name}.json"
    left.parent.mkdir(parents=True)
    record = {"identity": None, "same_as": None, "problem": "left behind", "environments": ()}
    left.write_text(json.dumps(record))
    half = measured.folder / "reports" / "history" / ".20000101T000000Z-dead.4194304"
    half.mkdir()
    status, said = measured.nox("-s", "matrix", "--", "--only", name)
    assert status == 0, said
    rows = measured.matrix()
    assert {row["verdict"] for row in rows.values()} <= {"enforced", "downgraded"}
    (run,) = {row["run_id"] for row in rows.values()}
    lines = (measured.latest / "observations.jsonl").read_text().splitlines()
    assert {json.loads(line)["run_id"] for line in lines} == {run}
    assert not half.exists()


def test_ctrl_c_leaves_no_process_and_the_previous_report(
    measured: Checkout, known: dict[str, Interpreter]
) -> None:
    """Interrupted while probes run, a matrix takes everything down and touches no published file."""
    assert known
    status, said = measured.nox("-s", "matrix", "--", "--only", next(iter(known)))
    assert status == 0, said
    before = _hashes(measured.latest)
    with measured.start("-s", "matrix") as process:
        deadline = time.monotonic() + LIMIT
        while not any("s_server" in line for line in measured.processes()):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode != 0
    assert measured.processes() == []
    assert _hashes(measured.latest) == before
    assert not list((measured.folder / "reports" / "history").glob(".*"))


def _hashes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_wrong_argument_is_one_sentence_and_a_failure(checkout: Checkout) -> None:
    """What cannot be meant is named with what there is, and nothing is measured."""
    status, said = checkout.nox("-s", "matrix", "--", "--only", "no_such_python")
    assert status == 1
    assert "--only no_such_python: no interpreter has such an id; there are" in said
    status, said = checkout.nox("-s", "matrix", "--", "--interpreter", "/nonexistent/python3")
    assert status == 1
    assert "--interpreter '/nonexistent/python3': no such file" in said
    status, said = checkout.nox("-s", "matrix", "--", "--conditions", "ambient,wishful")
    assert status == 2
    assert "there is no 'wishful'; there are ambient, permissive, hardened" in said
    status, said = checkout.nox("-s", "matrix", "--", "--keep", "0")
    assert status == 2
    assert "'0' is not a whole number of 1 or more" in said
    status, said = checkout.nox("-s", "compare", "--", "no_such_run")
    assert status == 1
    assert "there is no run 'no_such_run', and there " in said


def test_programs_have_rows_beside_the_interpreters(
    checkout: Checkout, known: dict[str, Interpreter], script: Callable[[str, str], Path]
) -> None:
    """A program is measured like an interpreter; one that hangs or never fetches is never called safe."""
    hangs = script("bin/curl", "exec sleep 1000")
    script("bin/node", 'case "$1" in --print) echo "node 20.1.2, OpenSSL 3.0.1" ;; esac')
    name = next(iter(known))
    globs = (name, "program_curl", "program_node", "program_openssl")
    only = [word for glob in globs for word in ("--only", glob)]
    path = f"{hangs.parent}{os.pathsep}{os.environ['PATH']}"
    status, said = checkout.nox("-s", "matrix", "--", "--programs", *only, PATH=path)
    assert status == 0, said
    matrix = checkout.matrix()
    assert {interpreter for interpreter, _ in matrix} == set(globs)
    curl, node, openssl = (matrix[f"program_{one}", one] for one in ("curl", "node", "openssl"))
    assert curl["verdict"] == "untestable"
    assert f"{hangs} did not say what it is within" in curl["reason"]
    assert (node["verdict"], node["version"], node["openssl"]) == ("inconclusive", "20.1.2", "OpenSSL 3.0.1")
    assert "the answer names no protocol" in node["reason"]
    assert openssl["verdict"] in ("enforced", "fragile", "downgraded")
    assert (openssl["source"], openssl["highest_negotiated"]) == ("program", "TLSv1.3")
    assert (checkout.latest / "evidence" / "program_openssl.pcapng").exists()
    assert "of 3 programs" in said
    assert not [line for line in checkout.processes() if "sleep 1000" in line]
    status, said = checkout.nox("-s", "gate")
    assert status == 1
    assert "program_node/node" in said
    for session in ("truth", "bench"):
        status, said = checkout.nox("-s", session, "--", "--programs", "--only", "program_openssl")
        assert status == 1
        assert "it is matrix alone that measures them" in said


@contextlib.contextmanager
def _serving(checkout: Checkout) -> Iterator[tuple[dict[str, int], str, str, subprocess.Popen[str]]]:
    """Run `serve`; give the ports by server id, the authority's file, the page, and the process."""
    with checkout.start("-s", "serve") as process:
        try:
            ports, trust, page = {}, "", ""
            assert process.stdout is not None
            for line in process.stdout:
                if "https://localhost:" in line:
                    ports[line.split()[0]] = int(line.split("localhost:")[1].split("/")[0])
                if "trust " in line and "authority" in line:
                    trust = line.split("trust ")[-1].strip()
                if line.startswith("Serving with"):
                    page = line.split("at ")[-1].split()[0]
                    break
            yield ports, trust, page, process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def test_serve_shows_any_client_what_it_negotiated(checkout: Checkout) -> None:
    """A client pointed at a printed port gets an answer, and its evidence is printed and on the live page."""
    with _serving(checkout) as (ports, trust, page, process):
        context = ssl.create_default_context(cafile=trust)
        plain = socket.create_connection(("127.0.0.1", ports["tls1_2"]), 10)
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert secure.recv(15)
            assert secure.version() == "TLSv1.2"
        assert process.stdout is not None
        evidence = next(line for line in process.stdout if line.startswith("tls1_2: "))
        verdict = next(process.stdout)
        looking = http.client.HTTPConnection(urlsplit(page).netloc, timeout=10)
        looking.request("GET", "/state.json")
        state = json.load(looking.getresponse())
        looking.close()
    assert "chosen TLSv1.2" in evidence
    assert "data both ways" in evidence
    assert [server["id"] for server in state["servers"]] == list(ports)
    (client,) = state["clients"]
    assert client["connections"][0]["server"] == "tls1_2"
    assert verdict.strip() == f"{client['name']}, so far: {client['word']}: {client['reason']}"
    assert checkout.processes() == []


def _fetch(port: int, trust: str, protocol: Protocol) -> None:
    """Fetch a page with a context that is held to one version, in code."""
    context = ssl.create_default_context(cafile=trust)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        version = ssl.TLSVersion[protocol.replace(".", "_")]
        context.minimum_version = context.maximum_version = version
    plain = socket.create_connection(("127.0.0.1", port), 10)
    with context.wrap_socket(plain, server_hostname="localhost") as secure:
        secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert secure.recv(15)


@contextlib.contextmanager
def _looked_at(browser: Browser, address: str) -> Iterator[tuple[Page, list[str]]]:
    """Open an address; give the page, and a list of all that a page must not do while it is looked at."""
    trouble: list[str] = []

    def record(route: Route) -> None:
        if route.request.url.startswith(address):
            route.continue_()
        else:
            trouble.append(f"request: {route.request.url}")
            route.abort()

    with contextlib.closing(browser.new_context(viewport={"width": 1280, "height": 900})) as context:
        context.route("**/*", record)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.set_default_timeout(20_000)
        page.goto(address)
        yield page, trouble


@pytest.mark.browser
def test_the_live_page_shows_clients_as_they_come(checkout: Checkout, chromium: Browser) -> None:
    """A browser shows, without reloading, each client with what it offered and got, and what that shows."""
    if not ssl.HAS_TLSv1:
        pytest.skip("this Python has no TLS 1.0: one whose OpenSSL was built with it enables this")
    with (
        _serving(checkout) as (ports, trust, address, _),
        _looked_at(chromium, address) as (page, trouble),
    ):
        page.get_by_text("Nobody yet.").wait_for()
        assert page.locator("#servers tr td:first-child").all_inner_texts() == list(ports)
        _fetch(ports["tls1_2"], trust, Protocol.TLSV1_2)
        first = page.locator("section").filter(has_text="client A")
        first.get_by_role("cell", name="TLSv1.2 with ").wait_for()
        assert first.locator(".tag").inner_text() == "open"
        _fetch(ports["tls1_0_rsa"], trust, Protocol.TLSV1)
        second = page.locator("section").filter(has_text="client B")
        second.get_by_role("cell", name="TLSv1 with ").wait_for()
        assert second.locator(".tag").inner_text() == "downgraded"
        assert "connected at TLSv1 to tls1_0_rsa" in second.inner_text()
        _, server, offered, _, end, _ = second.locator("tbody td").all_inner_texts()
        assert (server, offered, end) == ("tls1_0_rsa", "up to TLSv1", "data both ways")
        assert axe_violations(page) == []
        assert trouble == []


@pytest.fixture(scope="module")
def ill(known: dict[str, Interpreter]) -> list[str]:
    """Up to two interpreters whose clients go below the floor: the system's own, and the newest other."""
    names = [name for name, one in known.items() if not one.sets_minimum]
    system = [name for name in names if known[name].source == "system"]
    others = [name for name in names if name not in system]
    if not names:
        pytest.skip("no interpreter here goes below the floor: a Python before 3.10 would")
    return [*system[:1], *others[-1:]]


@pytest.fixture(scope="module")
def remedied(measured: Checkout, ill: list[str]) -> dict[tuple[str, str], dict[str, dict[str, Any]]]:
    """What `remedy` says of them: by interpreter and client, each remedy by name."""
    status, said = measured.nox("-s", "remedy", "--", *(word for name in ill for word in ("--only", name)))
    assert status == 0, said
    rows = json.loads((measured.latest / "remedies.json").read_text())["rows"]
    return {(r["interpreter"], r["client"]): {one["remedy"]: one for one in r["remedies"]} for r in rows}


def test_remedies_are_tried_where_they_are_needed(
    measured: Checkout, ill: list[str], remedied: dict[tuple[str, str], dict[str, dict[str, Any]]]
) -> None:
    """Each downgraded row has every remedy, with the verdict of its trial, or why there was none."""
    matrix = measured.matrix()
    assert remedied.keys() == {key for key, row in matrix.items() if row["verdict"] == "downgraded"}
    assert {(name, "botocore") for name in ill} <= remedied.keys()
    for (_, client), remedies in remedied.items():
        # OpenSSL reads the configuration in every one of these, and a context obeys its own minimum.
        for name in ("openssl.cnf", "code"):
            assert (remedies[name]["standing"], remedies[name]["verdict"]) == ("advised", "enforced")
        # The environments have the newest botocore; it holds back only urllib3.
        if client != "urllib3":
            assert remedies["newer release"]["standing"] == "not tried"
        assert remedies["hardened build"]["standing"] == "not tried"
        assert all(one["said"] for one in remedies.values())
    lines = (measured.latest / "observations.jsonl").read_text().splitlines()
    names = {(cell["interpreter"], cell["client"]) for cell in map(json.loads, lines)}
    assert {(name, "botocore+code") for name in ill} <= names
    assert "measured in this run" in (measured.latest / "matrix.md").read_text()


def test_the_advised_configuration_makes_the_next_matrix_enforced(
    measured: Checkout,
    ill: list[str],
    remedied: dict[tuple[str, str], dict[str, dict[str, Any]]],
    tmp_path: Path,
) -> None:
    """Copied and exported as the lines say, the file turns every row of these interpreters to enforced."""
    only = [word for name in ill for word in ("--only", name)]
    told = [
        shlex.split(line) for line in remedied[ill[0], "botocore"]["openssl.cnf"]["lines"] if line[0] != "#"
    ]
    source, target = next(words[-2:] for words in told if "install" in words)
    settings = [word for words in told for word in words if "OPENSSL_CONF=" in word]
    assert len(settings) > 1
    assert all(setting.endswith(f"OPENSSL_CONF={target}") for setting in settings)
    # The one liberty taken: the tests are not root.
    copy = tmp_path / Path(target).name
    shutil.copy(measured.folder / source, copy)
    status, said = measured.nox("-s", "matrix", "--", *only, OPENSSL_CONF=str(copy))
    assert status == 0, said
    assert {row["verdict"] for row in measured.matrix().values()} == {"enforced"}
    assert {measured.matrix()[name, "botocore"]["held_by"] for name in ill} == {"openssl.cnf"}
    status, said = measured.nox("-s", "gate")
    assert status == 0, said


@pytest.fixture(scope="module")
def all_remedied(measured: Checkout, ill: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """What `remedy` says of every client of the first of them: by client, each remedy by name."""
    # Like every environment here it is made before a test's own, in which no index may be reached.
    status, said = measured.nox("-s", "remedy", "--", "--clients", "all", "--only", ill[0])
    assert status == 0, said
    needy = {key[1] for key, row in measured.matrix().items() if row["verdict"] == "downgraded"}
    rows = json.loads((measured.latest / "remedies.json").read_text())["rows"]
    remedies = {row["client"]: {one["remedy"]: one for one in row["remedies"]} for row in rows}
    assert remedies.keys() == needy
    return remedies


def test_the_lines_of_every_client_hold_where_they_are_needed(
    all_remedied: dict[str, dict[str, dict[str, Any]]],
) -> None:
    """Each client that has lines is held by them, and the CRT by nothing else: it ignores OPENSSL_CONF."""
    with_lines = snippets(clients().values(), Protocol.TLSV1_2).keys()
    assert len(all_remedied.keys() & with_lines) > len(DEFAULT)
    for client, tried in all_remedied.items():
        code, configuration = tried["code"], tried["openssl.cnf"]
        assert code["standing"] == ("advised" if client in with_lines else "not tried"), (client, code)
        deaf = client in ("awscrt", "boto3_crt")
        assert configuration["verdict"] == ("downgraded" if deaf else "enforced"), (client, configuration)
        assert configuration["standing"] == ("tried and failed" if deaf else "advised")


def test_the_lines_set_in_code_hold_on_every_interpreter(
    measured: Checkout, known: dict[str, Interpreter], tmp_path: Path
) -> None:
    """On each interpreter, needed or not, a client with its lines refuses old versions and strangers only."""
    lines = snippets([clients()[name] for name in DEFAULT], Protocol.TLSV1_2)
    stranger = str(tmp_path / "stranger.pem")
    trustme.CA().cert_pem.write_to_path(stranger)
    environments = measured.folder / ".nox" / ".cache" / "environments"
    with _serving(measured) as (ports, trust, _, _):
        for name in known:
            cells = [
                {
                    "client": c,
                    "server": f"{s} {cafile}",
                    "host": "localhost",
                    "port": ports[s],
                    "cafile": cafile,
                }
                # Trusting once is for good: lines that make a context have one for all their connections.
                for cafile in (stranger, trust)
                for c in lines
                for s in ("tls1_2", "tls1_1_rsa", "tls1_0_rsa")
            ]
            said = board(environments / name / "botocore" / "bin" / "python", cells, snippets=lines)
            outcomes = {
                (record["client"], record["server"]): record["account"]["outcome"]
                for record in said
                if record["kind"] == "account"
            }
            assert outcomes.keys() == {(cell["client"], cell["server"]) for cell in cells}
            connected = {key for key, outcome in outcomes.items() if outcome == "connected"}
            assert connected == {(client, f"tls1_2 {trust}") for client in lines}, name


def _compared(checkout: Checkout) -> tuple[str, dict[str, dict[str, Any]]]:
    """Compare the last two runs; return what was printed, and the changes by client."""
    status, said = checkout.nox("-s", "compare")
    assert status == 0, said
    found = json.loads((checkout.latest / "compare.json").read_text(encoding="utf-8"))
    assert (checkout.latest / "compare.md").is_file()
    return said, {change["client"]: change for change in found["changes"]}


def _matrix(checkout: Checkout, *words: str, **changes: str) -> dict[tuple[str, str], dict[str, str]]:
    status, said = checkout.nox("-s", "matrix", "--", *words, **changes)
    assert status == 0, said
    return checkout.matrix()


def _sources(change: dict[str, Any]) -> set[str]:
    return {cause["source"] for cause in change["causes"]}


def _one(known: dict[str, Interpreter], *, holds: bool) -> Interpreter:
    """Return an interpreter that sets a minimum of its own, or one that does not."""
    # The oldest are not the ones to try old and new packages on.
    fit = [
        one
        for one in known.values()
        if one.sets_minimum is holds and not one.version.startswith(("2.", "3.6"))
    ]
    if not fit:
        pytest.skip(
            f"no Python here that {'sets' if holds else 'does not set'} a minimum version: add one to pyenv"
        )
    return fit[-1]


@pytest.fixture
def index(callers_environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's variables with which an installer reaches its index."""
    return {
        name: text
        for name, text in callers_environment.items()
        if name.startswith(("UV_", "PIP_", "SSL_CERT_")) or name.upper().endswith("_PROXY")
    }


def test_an_upgraded_client_is_named(
    checkout: Checkout, known: dict[str, Interpreter], index: Mapping[str, str]
) -> None:
    """A botocore that is another between two runs is named with both versions, and nothing else is."""
    name = _one(known, holds=False).id
    before = _matrix(checkout, "--only", name, "--botocore", "1.33.13", **index)
    after = _matrix(checkout, "--only", name, **index)
    old, new = (matrix[name, "botocore"]["client_version"] for matrix in (before, after))
    assert old == "1.33.13" != new
    said, changes = _compared(checkout)
    assert f"botocore is {new}, before {old}" in said
    assert _sources(changes["botocore"]) <= {"client", "urllib3"}
    assert changes["botocore"]["kind"] == "changed"
    assert "ssl" not in changes


def test_a_swapped_interpreter_is_named(
    checkout: Checkout, known: dict[str, Interpreter], tmp_path: Path
) -> None:
    """Another build behind the same path is named, and that verdicts are better for it."""
    path = tmp_path / "swapped" / "bin" / "python3"
    path.parent.mkdir(parents=True)
    loose, strict = _one(known, holds=False), _one(known, holds=True)
    words = ("--interpreter", str(path), "--only", "given_*", "--clients", "ssl", "--keep", "2")
    for one in (loose, strict):
        # A copied executable falls back to the library that it was built for.
        path.unlink(missing_ok=True)
        shutil.copy(one.path, path)
        matrix = _matrix(checkout, *words)
        assert [row["version"] for row in matrix.values()] == [one.version]
    said, changes = _compared(checkout)
    rebuilt = f"the interpreter was rebuilt or replaced (Python {strict.version}, before {loose.version})"
    assert rebuilt in said
    assert (changes["ssl"]["kind"], changes["ssl"]["interpreter"]) == ("better", "given_swapped")
    assert len(list((checkout.folder / "reports" / "history").iterdir())) == 2
    assert "interpreter" in _sources(changes["ssl"])


def test_another_configuration_is_named(
    checkout: Checkout, known: dict[str, Interpreter], tmp_path: Path
) -> None:
    """An OPENSSL_CONF that sets the floor is named as the reason why a plain context now holds it."""
    name = _one(known, holds=False).id
    words = ("--only", name, "--clients", "ssl")
    assert _matrix(checkout, *words)[name, "ssl"]["verdict"] == "downgraded"
    hardened = tmp_path / "hardened.cnf"
    hardened.write_text(configuration(Condition.HARDENED, Protocol.TLSV1_2))
    after = _matrix(checkout, *words, OPENSSL_CONF=str(hardened))
    assert after[name, "ssl"]["verdict"] == "enforced"
    said, changes = _compared(checkout)
    assert f"the OpenSSL configuration that it reads is {hardened}, before" in said
    assert (changes["ssl"]["kind"], _sources(changes["ssl"])) == ("better", {"configuration"})
    assert "rebuilt" not in said
    # The run before it is kept, and can be named.
    history = sorted(path.name for path in (checkout.folder / "reports" / "history").iterdir())
    status, said = checkout.nox("-s", "compare", "--", history[-1], history[-2])
    assert status == 0, said
    assert "Worse:" in said


def _opening(checkout: Checkout) -> str:
    """Return the first paragraph of its newest report."""
    return (checkout.latest / "matrix.md").read_text().split("\n\n")[1]


def _minor(interpreter: Interpreter) -> tuple[int, int]:
    major, minor = interpreter.version.split(".")[:2]
    return int(major), int(minor)


def test_every_client_has_a_row_that_its_causes_demand(
    checkout: Checkout, known: dict[str, Interpreter], index: Mapping[str, str]
) -> None:
    """Where Python sets a minimum all that uses its ssl is enforced, and what brings its own TLS as seen."""
    name = next((n for n, one in known.items() if one.sets_minimum and _minor(one) >= (3, 11)), None)
    if name is None:
        pytest.skip("no Python from 3.11 on that sets a minimum was found: pyenv install 3.13 would be one")
    matrix = _matrix(checkout, "--clients", "all", "--only", name, **index)
    opening = _opening(checkout)
    measurable = {one.id for one in clients().values() if not one.reference}
    assert {client for _, client in matrix} == measurable
    lowest: dict[str, str] = {}
    own, notes = set(), set()
    order = [str(protocol) for protocol in Protocol]
    for line in (checkout.latest / "observations.jsonl").read_text().splitlines():
        cell = json.loads(line)
        own |= {cell["client"]} if cell["own_tls"] else set()
        notes |= {cell["account"]["note"]} if cell["client"] == "awscli" and cell["account"] else set()
        for wire in cell["wire"]:
            counts = cell["condition"] == "ambient" and not cell["server"].startswith("page_")
            if counts and wire["client_data"] and wire["server_data"]:
                versions = (wire["server_version"], lowest.get(cell["client"], order[-1]))
                lowest[cell["client"]] = min(versions, key=order.index)
    assert own >= {"awscrt", "boto3_crt"}
    for client in measurable:
        row = matrix[name, client]
        assert row["lowest_negotiated"] == lowest[client]
        down = order.index(lowest[client]) < order.index("TLSv1.2")
        assert row["verdict"] == ("downgraded" if down else "enforced"), row["reason"]
        assert not down or client in own
        assert ("its own TLS" in row["reason"]) is (client in own)
    stack = {client for client in ("awscrt", "boto3_crt") if matrix[name, client]["verdict"] == "downgraded"}
    assert ("the AWS CRT" in opening) is bool(stack)
    assert all(client in opening for client in stack)
    assert all(note.startswith("User-Agent: aws-cli/1.") for note in notes)
    assert notes


WITHOUT = {
    ("2.7", "httpx"): "No matching distribution found for httpx",
    ("2.7", "aiobotocore"): "aiobotocore doesn't support Python earlier than",
    ("2.7", "boto3_crt"): "transfers nothing through the CRT",
    ("3.6", "boto3_crt"): "transfers nothing through the CRT",
}
"""Clients that an old Python has not, with what says so: the installer, the distribution or the client."""


def test_old_pythons_run_the_clients_that_there_are_for_them(
    checkout: Checkout, known: dict[str, Interpreter], index: Mapping[str, str]
) -> None:
    """On 2.7 and 3.6 each client is measured, or untestable with the true reason, and holds up no other."""
    minors = {n: one.version.rpartition(".")[0] for n, one in known.items()}
    old = {n: minor for n, minor in minors.items() if minor in ("2.7", "3.6")}
    if not old:
        pytest.skip("no Python 2.7 or 3.6 was found: `pyenv install 2.7.18 3.6.15` enables this")
    names = ("requests", "httpx", "aiobotocore", "awscrt", "boto3_crt")
    only = [word for name in old for word in ("--only", name)]
    matrix = _matrix(checkout, "--clients", ",".join(names), *only, **index)
    for name, version in old.items():
        for client in names:
            row = matrix[name, client]
            if why := WITHOUT.get((version, client)):
                assert row["verdict"] == "untestable"
                assert why in row["reason"]
            else:
                assert row["verdict"] in ("enforced", "downgraded"), row["reason"]


def test_a_sweep_tells_which_versions_decide(
    checkout: Checkout, known: dict[str, Interpreter], index: Mapping[str, str]
) -> None:
    """Of urllib3 the second sets a minimum: where Python sets none, that is where the floor changes."""
    able = [n for n, one in known.items() if _minor(one) >= (3, 10)]
    name = min(able, key=lambda n: known[n].sets_minimum, default=None)
    if name is None:
        pytest.skip("no Python from 3.10 on was found, for which there is a botocore with both urllib3")
    sets = known[name].sets_minimum
    words = ("--botocore", "1.20.*,1.34.*", "--urllib3", "1.26.*,2.*", "--only", name)
    matrix = _matrix(checkout, "--clients", "urllib3", *words, **index)
    rows = {client: row for (_, client), row in matrix.items()}
    assert len(rows) == 4
    for client, row in rows.items():
        if "botocore-1.20" in client and "urllib3-2" in client:
            assert row["verdict"] == "untestable"
            assert "requirements are unsatisfiable" in row["reason"]
            continue
        second = "urllib3-2" in client
        assert row["client_version"].startswith("2." if second else "1.26.")
        assert row["verdict"] == ("enforced" if second or sets else "downgraded"), row["reason"]
    report = (checkout.latest / "matrix.md").read_text()
    line = next(line for line in report.splitlines() if line.startswith("- urllib3 on"))
    assert ("the versions decide" in line) is ("depends on the versions" in _opening(checkout)) is not sets
