"""The whole matrix of this machine as a person runs it: real nox, interpreters and servers."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from interpreters.clients import clients, default_clients
from runs.remedy_options import snippets
from servers.protocols import Protocol
from tests.support.causes import goes_below, has_old
from tests.support.checkout import MEASURED, serving
from tests.support.dissection import check_hellos, has_tshark
from tests.support.limits import SLOW
from tests.support.probing import board

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def measured(
    checkout: Checkout, known: dict[str, Interpreter], callers_environment: Mapping[str, str]
) -> Checkout:
    """The copy, after a matrix of everything on this machine: its own, or the one that is named."""
    assert known
    if report := callers_environment.get(MEASURED):
        history = checkout.folder / "reports" / "history"
        shutil.copytree(report, history / Path(report).name)
        checkout.latest.unlink(missing_ok=True)
        checkout.latest.symlink_to(Path("history") / Path(report).name)
        # An interpreter may have been installed since.
        if known.keys() <= {interpreter for interpreter, _ in checkout.matrix()}:
            return checkout
    status, said = checkout.nox("-s", "matrix", "--", "--made")
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
            "ssl": not goes_below(interpreter),
            "botocore": not goes_below(interpreter),
            "urllib3": not goes_below(interpreter) or int(urllib3.split(".")[0]) >= 2,
        }
        # What the library has not, nothing else has to hold back.
        holder = "code" if has_old(interpreter) else "build"
        for client, holding in holds.items():
            row = matrix[name, client]
            assert row["verdict"] == ("enforced" if holding else "downgraded"), row["reason"]
            assert row["held_by"] == (holder if holding else "nothing")
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
    made = [row for row in measured.matrix().values() if row["environment"] == "made"]
    rows = [row for row in made if row["client"] == "botocore"]
    downgraded = [row for row in rows if row["verdict"] == "downgraded"]
    if not downgraded:
        pytest.skip("no interpreter here can be downgraded: a Python before 3.10 would be one")
    assert {row["page_check"] for row in downgraded} <= {"pass", "broken"}
    fooled = sum(row["page_check"] == "pass" for row in downgraded)
    paragraphs = (measured.latest / "matrix.md").read_text().split("\n\n")
    assert f"{len(downgraded)} of" in paragraphs[1]
    page = paragraphs[paragraphs.index("## The AWS page's own check") + 1] if fooled else ""
    assert not fooled or f"calls {fooled} of the {len(downgraded)}" in page


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
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SLOW)
        for line in done.stdout.splitlines():
            name, _, versions = line.partition("\t")
            known = {wire_names[text] for text in versions.split(",") if text in wire_names}
            theirs.setdefault(name, set()).update(known)
    assert captures
    assert theirs == {name: versions for name, versions in ours.items() if name in theirs}
    assert {name for name, versions in ours.items() if versions} <= theirs.keys()


def test_a_third_party_reads_what_each_client_offers(measured: Checkout) -> None:
    """Of each client's hello tshark sees the groups, key shares, suites and schemes that the report has."""
    if not has_tshark():
        pytest.skip("no tshark on PATH: `apt-get install tshark`, or Wireshark, enables this")
    assert check_hellos(measured.latest, "open") >= {"ssl", "urllib3", "botocore"}


def test_a_bare_path_finds_every_interpreter(measured: Checkout, known: dict[str, Interpreter]) -> None:
    """With only the system's folders on PATH the sessions are the same."""
    status, said = measured.nox("-l", PATH="/usr/bin:/bin")
    assert status == 0, said
    listed = {line.split("venv(")[1].split(")")[0] for line in said.splitlines() if "venv(" in line}
    on_path_only = {name for name, one in known.items() if one.source == "path"}
    assert known.keys() - on_path_only <= listed


@dataclass(frozen=True)
class DisturbedRun:
    """A run of one interpreter in surroundings that must not matter, and what there was before it."""

    before: dict[tuple[str, str], dict[str, str]]
    """The rows of the same interpreter in the undisturbed run."""
    after: dict[tuple[str, str], dict[str, str]]
    observations: list[dict[str, Any]]
    said: str
    half: Path
    """Where a run that was killed had left half a report."""


@pytest.fixture(scope="module")
def disturbed(measured: Checkout, sample: Interpreter) -> DisturbedRun:
    """Measure one interpreter amid variables of the caller and the remains of another run."""
    before = {key: row for key, row in measured.matrix().items() if key[0] == sample.id}
    half = measured.folder / "reports" / "history" / ".20000101T000000Z-dead.4194304"
    half.mkdir()
    nonsense = {
        "AWS_PROFILE": "nonsense",
        "AWS_ACCESS_KEY_ID": "nonsense",
        "AWS_ENDPOINT_URL": "https://nonsense.invalid",
        "HTTPS_PROXY": "https://nonsense.invalid:1",
        "REQUESTS_CA_BUNDLE": "/nonsense",
        "PYTHONPATH": "/nonsense",
        "PYTHONWARNINGS": "error",
    }
    status, said = measured.nox("-s", "matrix", "--", "--only", sample.id, **nonsense)
    assert status == 0, said
    lines = (measured.latest / "observations.jsonl").read_text().splitlines()
    return DisturbedRun(before, measured.matrix(), [json.loads(line) for line in lines], said, half)


def test_a_nonsensical_environment_changes_nothing(disturbed: DisturbedRun) -> None:
    """AWS variables, proxies, bundles, PYTHONPATH and PYTHONWARNINGS=error of the caller reach no probe."""
    # nox shows each logger's words behind the logger's name: those of libraries are none of the answer.
    assert set(re.findall(r"^(\w+) > ", disturbed.said, re.MULTILINE)) == {"nox"}
    assert disturbed.after.keys() == disturbed.before.keys()
    assert disturbed.after
    for key, row in disturbed.after.items():
        assert {**row, "run_id": ""} == {**disturbed.before[key], "run_id": ""}


def test_what_another_run_left_behind_is_not_taken_for_ours(disturbed: DisturbedRun) -> None:
    """A half-written report of a killed run changes nothing, and is removed."""
    assert {row["verdict"] for row in disturbed.after.values()} <= {"enforced", "downgraded"}
    (run,) = {row["run_id"] for row in disturbed.after.values()}
    assert {cell["run_id"] for cell in disturbed.observations} == {run}
    assert not disturbed.half.exists()


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
    checkout: Checkout, known: dict[str, Interpreter], hostile: Path
) -> None:
    """One that hangs, crashes, prints rubbish or dangles is untestable, and the others are still right."""
    name = next((n for n, one in known.items() if one.source == "system"), next(iter(known)))
    only = [
        word for glob in (name, "pyenv_*s", "pyenv_rubbish", "pyenv_dangling") for word in ("--only", glob)
    ]
    status, said = checkout.nox("-s", "matrix", "--", *only, PYENV_ROOT=str(hostile))
    assert status == 0, said
    matrix = checkout.matrix()
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
    assert not [line for line in checkout.processes() if "sleep 1000" in line]


def test_a_terminal_gets_a_table_in_colour_that_fits(
    checkout: Checkout, sample: Interpreter, tmp_path: Path
) -> None:
    """On a terminal the run ends with a table in colour within its width, by parallel sessions too."""
    # What is made anew is made in a cache of its own: other tests need the environments that are there.
    where = ("--envdir", str(tmp_path / "nox"))
    said = checkout.on_terminal(72, *where, "-s", "matrix", "--", "--only", sample.id, "--fresh")
    shown = said[: said.index("Report: ")].splitlines()
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown]
    start = _table(plain)
    assert start is not None, said
    verdict = checkout.matrix()[sample.id, "botocore"]["verdict"]
    assert re.search(rf"\x1b\[[0-9;]*m{verdict}", "\n".join(shown[start:]))
    assert max(len(line.rstrip()) for line in plain[start:]) <= 72


def _table(lines: Sequence[str]) -> int | None:
    """Return where the table of verdicts begins, if it is there."""
    return next((n for n, line in enumerate(lines) if line.split()[:2] == ["interpreter", "Python"]), None)


def test_no_color_on_a_terminal_gets_no_colour(checkout: Checkout, sample: Interpreter) -> None:
    """With NO_COLOR a terminal gets the table and no escape sequence."""
    words = ("--only", sample.id, "--clients", "ssl")
    said = checkout.on_terminal(100, "-s", "matrix", "--", *words, NO_COLOR="1")
    assert _table(said.splitlines()) is not None, said
    assert "\x1b" not in said


def test_a_pipe_gets_the_sentences_alone(disturbed: DisturbedRun) -> None:
    """Where no terminal is, there is neither a table nor an escape sequence."""
    lines = disturbed.said.splitlines()
    assert "Report: reports/latest/matrix.md" in lines
    assert _table(lines) is None
    assert "\x1b" not in disturbed.said


def test_an_installation_without_a_source_leaves_ssl_measured(
    checkout: Checkout, sample: Interpreter, tmp_path: Path
) -> None:
    """Where botocore cannot be installed its clients are untestable with the reason; ssl has a verdict."""
    name = sample.id
    # In a cache of its own: other tests need the environments that are there.
    words = ("--envdir", str(tmp_path / "nox"), "-s", "matrix", "--", "--only", name)
    status, said = checkout.nox(*words, "--find-links", str(tmp_path))
    assert status == 0, said
    matrix = checkout.matrix()
    assert matrix[name, "ssl"]["verdict"] in ("enforced", "downgraded")
    for client in ("urllib3", "botocore"):
        assert matrix[name, client]["verdict"] == "untestable"
        assert "could not be installed" in matrix[name, client]["reason"]


def test_ctrl_c_leaves_no_process_and_the_previous_report(measured: Checkout) -> None:
    """Interrupted while probes run, a matrix takes everything down and touches no published file."""
    before = _hashes(measured.latest)
    with measured.start("-s", "matrix", "--", "--made") as process:
        deadline = time.monotonic() + SLOW
        while not any("s_server" in line for line in measured.processes()):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode != 0
    assert measured.processes() == []
    assert _hashes(measured.latest) == before
    assert not list((measured.folder / "reports" / "history").glob(".[0-9]*"))


def _hashes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_wrong_argument_is_one_sentence_and_a_failure(checkout: Checkout) -> None:
    """What cannot be meant is named with what there is; test_options.py has every option."""
    status, said = checkout.nox("-s", "matrix", "--", "--only", "no_such_python")
    assert status == 1
    assert "--only no_such_python: no interpreter has such an id; there are" in said
    status, said = checkout.nox("-s", "matrix", "--", "--interpreter", "/nonexistent/python3")
    assert status == 1
    assert "--interpreter '/nonexistent/python3': no such file" in said
    status, said = checkout.nox("-s", "matrix", "--", "--conditions", "ambient,wishful")
    assert status == 2
    assert "there is no 'wishful'; there are ambient, empty, permissive, hardened" in said


def test_an_openssl_that_cannot_serve_ends_a_run_before_it_measures(
    measured: Checkout, sample: Interpreter, script: Callable[[str, str], Path]
) -> None:
    """Where no openssl serves, a matrix fails with one sentence, and the report before stays as it was."""
    before = (measured.latest.resolve(), _hashes(measured.latest))
    libre = str(script("libre/openssl", "echo LibreSSL 3.3.6"))
    for words, sentence in (
        (("--openssl", libre), f"{libre} says that it is 'LibreSSL 3.3.6'"),
        ((), "no openssl on PATH, so no server can be started: install OpenSSL's command line tool"),
    ):
        status, said = measured.nox(
            "-s", "matrix", "--", "--only", sample.id, *words, PATH=str(Path(libre).parent / "nothing")
        )
        assert status == 1
        assert said.count(sentence) == 1
        assert "Traceback" not in said
        assert "measured 1 of" not in said
        assert (measured.latest.resolve(), _hashes(measured.latest)) == before


def test_paths_are_meant_where_nox_was_called(checkout: Checkout, loose: Interpreter, tmp_path: Path) -> None:
    """From another folder, a relative OPENSSL_CONF and --interpreter are those of that folder."""
    (tmp_path / "floor.cnf").write_text(
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMinProtocol = TLSv1.2\n"
    )
    (tmp_path / "mine").symlink_to(loose.path)
    words = ("-s", "matrix", "--", "--interpreter", "mine", "--only", loose.id, "--clients", "ssl")
    done = subprocess.run(
        [sys.executable, "-m", "nox", "-f", checkout.folder / "noxfile.py", *words],
        cwd=tmp_path,
        env=checkout.environment(OPENSSL_CONF="floor.cnf"),
        capture_output=True,
        text=True,
        timeout=SLOW,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    row = checkout.matrix()[loose.id, "ssl"]
    assert (row["verdict"], row["held_by"]) == ("enforced", "openssl.cnf")
    run = json.loads((checkout.latest / "run.json").read_text())
    assert [one["path"] for one in run["asked"]["interpreters"]] == [str(tmp_path / "mine")]


@pytest.mark.parametrize("file", ["reports/history", ".nox/.cache"])
def test_a_file_where_a_folder_has_to_be_is_one_sentence(
    checkout: Checkout, sample: Interpreter, file: str
) -> None:
    """Where a run could not write, it says so in one sentence and measures nothing."""
    place = checkout.folder / file
    aside = place.with_name("aside")
    place.parent.mkdir(exist_ok=True)
    place.mkdir(exist_ok=True)
    place.rename(aside)
    place.touch()
    try:
        status, said = checkout.nox("-s", "matrix", "--", "--only", sample.id)
    finally:
        place.unlink()
        aside.rename(place)
    assert status == 1
    assert said.count(f"{place} is no folder: remove it") == 1
    assert "Traceback" not in said


def test_what_cannot_be_meant_is_said_once(checkout: Checkout) -> None:
    """A word too many is one line, also where every interpreter's environment would have to be made."""
    status, said = checkout.nox("-s", "matrix", "--", "--fresh", "pyenv_9_9_9")
    assert status == 2
    assert said.count("unrecognized arguments: pyenv_9_9_9; see nox -s matrix -- --help") == 1
    assert "venv(" not in said
    assert "usage:" not in said


def test_the_lines_set_in_code_hold_on_every_interpreter(
    measured: Checkout, known: dict[str, Interpreter], tmp_path: Path
) -> None:
    """On each interpreter, needed or not, a client with its lines refuses old versions and strangers only."""
    lines = snippets([clients()[name] for name in default_clients()], Protocol.TLSV1_2)
    stranger = str(tmp_path / "stranger.pem")
    trustme.CA().cert_pem.write_to_path(stranger)
    environments = measured.folder / ".nox" / ".cache" / "environments"
    with serving(measured) as (ports, trust, _, _):
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
