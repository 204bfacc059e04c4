"""Tests that a run measured and judged by commit ab58ca1 comes to the same when today's code judges it.

`data/ab58ca1/` has what that commit stored; the README there says by which commands. Today's code reads the
observations, judges them from nothing else, and writes its report; each column and exit code that
commit had must come out the same, save the differences listed here, each with its reason.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import lzma
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.documents import as_json
from interpreters.interpreter import MADE
from reports import gate
from reports.formats.contract import SCHEMA_VERSION, ScopeDocument
from reports.formats.escape import for_csv
from reports.formats.frame import build_frame
from reports.formats.matrix_json import read_json
from reports.formats.records import read_jsonl
from reports.report import write_report
from reports.verdicts.judge import HELD, HeldBy, Verdict
from reports.verdicts.matrix import Matrix, Measured, build_matrix
from reports.verdicts.policy import Policy
from reports.verdicts.scope import Scope
from servers.catalogue import read_catalogue
from servers.conditions import Condition
from tests.support.builders import keys

if TYPE_CHECKING:
    from collections.abc import Iterable

STORED = Path(__file__).parents[1] / "data" / "ab58ca1"

Record = dict[str, Any]
Line = dict[str, str]
Change = Callable[[list[Record], Record], None]

ADDED = {"environment", "tls_library"}
"""The columns that the second version of the contract has beside those of the first."""

OFFERED = {"groups", "key_shares", "post_quantum", "ja4"}
"""Those that came later, of what a client offers; tests/servers/test_hello.py holds what is in them."""


@dataclass(frozen=True)
class Both:
    """The lines that ab58ca1 and today's code make of one stored run."""

    run: str
    frozen: list[Line]
    today: list[Line]


def _stored(run: str, file: str) -> str:
    """Return a file of a run as ab58ca1 stored it."""
    return lzma.decompress((STORED / run / f"{file}.xz").read_bytes()).decode()


def _lines(table: str) -> list[Line]:
    return list(csv.DictReader(io.StringIO(table, newline="")))


def _observation(record: Record) -> Record:
    """Return an observation of the first version as one of the second.

    All environments were made for the measurement. Whether a handshake was finished was not yet recorded.
    """
    wires = [{**wire, "finished": False} for wire in record["wire"]]
    return {**record, "schema_version": SCHEMA_VERSION, "environment": MADE, "wire": wires}


def _document(document: Record) -> Record:
    """Return a matrix.json of the first version as one of the second; what was not yet recorded is empty."""
    new: Record = {
        "configuration_problems": [],
        "context_minimum": "",
        "start_up": [],
        "environment": MADE,
    }
    return {
        **document,
        "schema_version": SCHEMA_VERSION,
        "policy": Policy().record(),
        "runs": [{**run, "scope": as_json(ScopeDocument.of(Scope()))} for run in document["runs"]],
        "interpreters": [{**one, **new} for one in document["interpreters"]],
        "verdicts": [{**one, "tls_library": ""} for one in document["verdicts"]],
    }


def _as_measured(records: list[Record], document: Record) -> None:
    """Change nothing."""


def _those_that_hold(records: list[Record], document: Record) -> None:
    """Leave only the interpreters of which ab58ca1 found each client enforced."""
    below = {one["interpreter"] for one in document["verdicts"] if one["verdict"] != Verdict.ENFORCED}
    records[:] = [one for one in records if one["interpreter"] not in below]
    for part in ("interpreters", "verdicts"):
        document[part] = [one for one in document[part] if one["interpreter"] not in below]


def _without_control(records: list[Record], document: Record) -> None:
    """Leave those that hold, and let the control of one server below the floor have failed."""
    _those_that_hold(records, document)
    for one in records:
        if one["server"] == "tls1_1_rsa":
            one["control"] = {"passed": False, "reason": "deaf at TLSv1.1, which it claims"}


def _judge_again(folder: Path, run: str, change: Change = _as_measured) -> Matrix:
    """Let today's code judge the stored observations.

    Of the stored matrix only facts are used: the run and which servers it met, the interpreters and their
    order, and why a client could not be had. The servers are today's: a cell changes if one of them does.
    """
    records = [json.loads(line) for line in _stored(run, "observations.jsonl").splitlines()]
    document = json.loads(_stored(run, "matrix.json"))
    change(records, document)
    old = folder / "old"
    old.mkdir()
    (old / "observations.jsonl").write_text("".join(f"{json.dumps(_observation(one))}\n" for one in records))
    (old / "matrix.json").write_text(json.dumps(_document(document)))
    (stored,) = read_json(old / "matrix.json")
    observations = read_jsonl(old / "observations.jsonl").get(stored.run.run_id, [])
    interpreters = {row.interpreter.id: row.interpreter for row in stored.rows}
    measured = tuple(
        Measured(
            interpreter=one,
            unavailable={
                row.client: row.judgement.reason
                for row in stored.rows
                if row.interpreter == one and row.verdict is Verdict.UNTESTABLE
            },
            observations=tuple(record for record in observations if record.interpreter == one.id),
            clients=tuple(row.client for row in stored.rows if row.interpreter == one)[: one.is_program],
        )
        for one in interpreters.values()
    )
    asked = stored.run.asked
    met = tuple(server for server in read_catalogue().servers if server.id in stored.run.controls)
    catalogue = replace(stored.catalogue, servers=met)
    rows = build_matrix(measured, keys(asked.clients), asked.conditions, catalogue, stored.floor)
    return Matrix(stored.run, measured, rows, catalogue)


def _table(matrix: Matrix) -> str:
    """Return a matrix.csv, without all the other files of a report."""
    return build_frame(matrix).map(for_csv).to_csv(index=False)


LET_BELOW = "; only the OpenSSL configuration holds it, a permissive one lets it below"
OWN_LET_BELOW = "; only its defaults hold it, a permissive OpenSSL configuration lets it below"
"""How ab58ca1 ended a reason where the configuration held a client, and where one with its own TLS."""

GOES_BELOW = "; only the OpenSSL configuration holds it, without that it goes below"
"""How a reason ends today where it is known that the configuration holds the client."""


OWN_UNKNOWN = "; what holds it is not known"
OWN_MINIMUM, OWN_BUILT_IN = "a minimum of its own holds it:", "its built-in defaults hold it:"
UNMOVED = "a permissive OpenSSL configuration changes nothing"


def _unmoved(line: Line, lines: Iterable[Line]) -> bool:
    """Whether a line is of a client with its own TLS that held under the permissive configuration too."""
    return "it brings its own TLS" in line["reason"] and any(
        other["condition"] == Condition.PERMISSIVE and other["verdict"] in HELD
        for other in lines
        if (other["interpreter"], other["client"]) == (line["interpreter"], line["client"])
    )


SAME_ON_EACH = re.compile(r"(\w+) (\w+) (\(.*?\)), (\w+) \2 \3, (\w+) \2 \3, and (\d+) more")


def _now_expected(line: Line, lines: Iterable[Line]) -> Line:
    """Return what a line of ab58ca1 has to be today, without the columns that were added.

    Four things were changed on purpose:

    - A reason says "this Python sets" where it named the version, which is in a column of its own.
    - For ab58ca1 `openssl.cnf` held the floor wherever the permissive configuration lets a client below.
      Only the empty condition tells the configuration file from the defaults of the library, and ab58ca1
      had none. So what holds the floor is not known, save under the hardened configuration where the same
      client goes below without that, under the machine's own.
    - For ab58ca1 it was not known what holds a client that brings its own TLS and that the permissive
      configuration does not move: its own minimum if it reads OPENSSL_CONF, else what is built in.
    - What came out the same on every server, of which ab58ca1 named three, is said once.
    """
    reason = line["reason"].replace(f"Python {line['version']} sets", "this Python sets")
    reason = SAME_ON_EACH.sub(r"\1, \4, \5 and \6 more \2 \3", reason)
    if reason.endswith(OWN_UNKNOWN) and _unmoved(line, lines):
        deaf = "neither OPENSSL_CONF" in reason
        holder, words = (HeldBy.LIBRARY, OWN_BUILT_IN) if deaf else (HeldBy.CODE, OWN_MINIMUM)
        return {**line, "held_by": holder, "reason": reason.replace(OWN_UNKNOWN, f"; {words} {UNMOVED}")}
    if line["held_by"] != HeldBy.CONFIGURATION:
        return {**line, "reason": reason}
    goes_below = line["condition"] == Condition.HARDENED and any(
        other["verdict"] == Verdict.DOWNGRADED and other["condition"] == Condition.AMBIENT
        for other in lines
        if (other["interpreter"], other["client"]) == (line["interpreter"], line["client"])
    )
    if goes_below:
        return {**line, "reason": reason.replace(LET_BELOW, GOES_BELOW).replace(OWN_LET_BELOW, GOES_BELOW)}
    unknown = reason.partition(LET_BELOW)[0].replace(OWN_LET_BELOW, "; what holds it is not known")
    return {**line, "held_by": HeldBy.UNKNOWN, "reason": unknown}


RUNS = sorted(path.name for path in STORED.iterdir() if path.is_dir())


@pytest.fixture(scope="module", params=RUNS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Return a stored run, and its matrix.csv of ab58ca1 and of today."""
    run = request.param
    matrix = _judge_again(tmp_path_factory.mktemp(run), run)
    return Both(run, _lines(_stored(run, "matrix.csv")), _lines(_table(matrix)))


def test_each_line_of_the_matrix_is_as_ab58ca1_had_it(both: Both) -> None:
    """From the same observations come the same lines in the same order, with the same cells and verdicts."""
    assert len(both.today) == len(both.frozen)
    expected = [_now_expected(line, both.frozen) for line in both.frozen]
    assert [
        f"line {number}, {name}: {line[name]!r}, and not {then[name]!r}"
        for number, (line, then) in enumerate(zip(both.today, expected, strict=True), 2)
        for name in then
        if line[name] != then[name]
    ] == []


def test_the_matrix_has_the_columns_of_ab58ca1_and_the_two_that_were_added(both: Both) -> None:
    """The columns come in the order that they had, and those that were added say what was measured then."""
    records = map(json.loads, _stored(both.run, "observations.jsonl").splitlines())
    own = {(one["interpreter"], one["client"]): one["own_tls"]["name"] for one in records if one["own_tls"]}
    assert [name for name in both.today[0] if name not in ADDED | OFFERED] == list(both.frozen[0])
    assert [{name: line[name] for name in ADDED} for line in both.today] == [
        {"environment": MADE, "tls_library": own.get((line["interpreter"], line["client"]), line["openssl"])}
        for line in both.frozen
    ]


def test_the_stored_run_is_of_the_ten_interpreters() -> None:
    """The default run has nine versions from pyenv and the system's own, with the three default clients."""
    lines = _lines(_stored("default", "matrix.csv"))
    sources = {line["interpreter"]: line["source"] for line in lines}
    assert Counter(sources.values()) == {"pyenv": 9, "system": 1}
    assert {line["client"] for line in lines} == {"ssl", "urllib3", "botocore"}


@pytest.mark.parametrize(
    ("change", "code"),
    [(_as_measured, 1), (_those_that_hold, 0), (_without_control, 2)],
)
def test_the_gate_ends_as_that_of_ab58ca1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Change, code: int
) -> None:
    """Without a policy the gate ends with the code of ab58ca1's `python -m reports.gate`; see the README."""
    matrix = _judge_again(tmp_path, "default", change)
    report, ended = tmp_path / "new", dt.datetime.fromisoformat(matrix.run.ended)
    report.mkdir()
    write_report(report, matrix, Policy())
    assert (report / "matrix.csv").read_text(encoding="utf-8") == _table(matrix)
    assert gate.main([str(report)], tmp_path / "policy.toml", ended) == code, capsys.readouterr().out
