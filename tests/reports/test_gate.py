"""The gate: for each matrix and policy its decision, its exit code, and what it says and writes down."""

from __future__ import annotations

import copy
import datetime as dt
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.clients import clients
from interpreters.programs import read_programs
from reports.files import SUMS, begun, marks, write_sums
from reports.formats.matrix_json import build_json
from reports.gate import gate, main, parse_report
from reports.verdicts.contradictions import standings_of
from reports.verdicts.decision import Disposition, GateOutcome, decide
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Subject
from reports.verdicts.policy import Policy
from reports.verdicts.stand_ins import MISSING
from servers.conditions import Condition
from tests.support.builders import (
    FLOORS,
    NOW,
    TLS1_1,
    TLS1_2,
    TLS1_3,
    a_catalogue,
    a_matrix,
    a_policy,
    a_row,
    a_run,
    a_scope,
    an_interpreter,
    with_cells,
)
from tests.support.checkout import ROOT
from tests.support.examples import examples
from tests.support.schemas import validator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from reports.verdicts.matrix import Row
    from servers.protocols import Protocol

CATALOGUE = a_catalogue()

DOWN, FRAGILE, UNSURE, UNTESTED, GOOD = (
    a_row(verdict, name)
    for verdict, name in zip(Verdict, ("down", "fragile", "unsure", "untested", "good"), strict=True)
)
"""A row of each verdict, named after it, all of the client ssl."""

NO_ENVIRONMENT = a_row(Verdict.UNTESTABLE, "broken", "all")


def _document(
    rows: Sequence[Row],
    floor: Protocol = TLS1_2,
    run_id: str = "now",
    host: str = "here",
    *,
    ended: dt.datetime = NOW,
    **scope: Any,
) -> dict[str, Any]:
    run = replace(a_run(CATALOGUE, host), run_id=run_id, scope=a_scope(**scope))
    run = replace(run, started=ended.isoformat(), ended=ended.isoformat())
    run = replace(run, asked=replace(run.asked, **_request(rows), floor=floor))
    rows = [with_cells(row, CATALOGUE, floor) for row in rows]
    document: dict[str, Any] = json.loads(
        json.dumps(build_json(a_matrix(rows, run, CATALOGUE, floor), Policy()))
    )
    return document


def _request(rows: Sequence[Row]) -> dict[str, Any]:
    """Return which clients a run was asked for, and under what, if these are its rows: those of everybody."""
    there: dict[str, set[tuple[str, Condition]]] = {}
    for row in rows:
        there.setdefault(row.interpreter.id, set()).add((str(row.client), row.condition))
    common = set.intersection(*there.values()) if there else set()
    return {
        "clients": tuple({client: None for client, _ in sorted(common)}),
        "conditions": tuple({condition: None for _, condition in sorted(common)}) or (Condition.AMBIENT,),
    }


def _merged(*documents: dict[str, Any]) -> dict[str, Any]:
    """Return the documents of several machines as one."""
    merged = copy.deepcopy(documents[0])
    for other in documents[1:]:
        for part in ("runs", "interpreters", "verdicts", "cells"):
            merged[part] += other[part]
    return merged


def _silent(host: str) -> dict[str, Any]:
    """Return what stands for a machine that was expected and did not report."""
    machine = replace(an_interpreter(MISSING), source=MISSING)
    return _document(
        [a_row(Verdict.UNTESTABLE, client="all", interpreter=machine, subject=Subject.MACHINE)],
        run_id=host,
        host=host,
    )


def _write(folder: Path, document: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "matrix.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def _record(folder: Path) -> Any:
    """Return what the gate left, which fits its schema."""
    record = json.loads((folder / "gate.json").read_text(encoding="utf-8"))
    validator("gate.json").validate(record)
    return record


def _waiver(interpreter: str, *, client: str = "*", host: str = "*", expires: str = "2026-12-31") -> str:
    return (
        f'[[waiver]]\nhost = "{host}"\ninterpreter = "{interpreter}"\nclient = "{client}"\n'
        f'reason = "on its way"\nexpires = {expires}\n'
    )


@dataclass(frozen=True)
class GateCase:
    """A matrix under a policy, and what the gate has to say: its exit code, its message and its notices."""

    name: str
    exit_code: int
    message: str
    rows: Sequence[Row] | dict[str, Any]
    policy: str | None = None
    notices: tuple[str, ...] = ()
    floor: Protocol = TLS1_2
    before: Sequence[Row] | dict[str, Any] | None = None


CLIENTS = [one.id for one in clients().values() if not one.reference]
CLIENTS += [one.id for one in read_programs()]

DAYS = "a number of days from 1 to 3650, such as 7"

NEW_ONLY = 'new_only = "baseline"\n'

CASES = [
    # Without a policy: everything counts, and everything but `enforced` fails.
    GateCase("enforced", 0, "all 2 rows hold TLSv1.2", [GOOD, a_row(Verdict.ENFORCED, "good", "botocore")]),
    GateCase("downgraded", 1, "1 downgraded: down/ssl", [GOOD, DOWN]),
    GateCase("fragile", 1, "1 fragile: fragile/ssl", [GOOD, FRAGILE]),
    GateCase("inconclusive", 2, "1 inconclusive: unsure/ssl", [GOOD, UNSURE]),
    GateCase("untestable", 2, "1 untestable: untested/ssl", [GOOD, UNTESTED]),
    GateCase("untestable for all clients", 2, "1 untestable: broken/all", [GOOD, NO_ENVIRONMENT]),
    GateCase(
        "findings outweigh what is inconclusive",
        1,
        "1 downgraded: down/ssl; 1 fragile: fragile/ssl; 1 inconclusive: unsure/ssl; "
        "2 untestable: broken/all, untested/ssl",
        [NO_ENVIRONMENT, GOOD, UNTESTED, UNSURE, FRAGILE, DOWN],
    ),
    GateCase("nothing", 2, "nothing was measured under the machine's own configuration", []),
    GateCase(
        "other conditions do not count",
        0,
        "all 1 rows hold TLSv1.2",
        [GOOD, replace(DOWN, condition=Condition.PERMISSIVE)],
    ),
    GateCase(
        "other conditions alone",
        2,
        "nothing was measured under the machine's own configuration",
        [replace(GOOD, condition=Condition.HARDENED)],
    ),
    GateCase("an empty policy", 1, "1 downgraded: down/ssl", [GOOD, DOWN], "# nothing yet"),
    # What fails.
    GateCase(
        "fragile let pass",
        0,
        "1 of 2 rows hold TLSv1.2; 1 fragile and let pass",
        [GOOD, FRAGILE],
        'fails = ["inconclusive", "untestable", "missing"]',
        ("fragile does not fail under policy.toml: fragile/ssl (fragile)",),
    ),
    GateCase(
        "downgraded fails whatever is chosen",
        1,
        "1 downgraded: down/ssl",
        [GOOD, DOWN, UNSURE],
        "fails = []",
        ("inconclusive does not fail under policy.toml: unsure/ssl (inconclusive)",),
    ),
    GateCase(
        "nothing known does not pass by choice",
        2,
        "nothing was measured: 1 inconclusive and let pass, 1 untestable and let pass",
        [UNSURE, UNTESTED],
        "fails = []",
        (
            "inconclusive does not fail under policy.toml: unsure/ssl (inconclusive)",
            "untestable does not fail under policy.toml: untested/ssl (untestable)",
        ),
    ),
    # What counts.
    GateCase(
        "another client does not count",
        0,
        "all 1 rows hold TLSv1.2",
        [a_row(Verdict.DOWNGRADED, "one", "ssl"), a_row(Verdict.ENFORCED, "one", "botocore")],
        'clients = ["botocore"]',
        ("client ssl does not count: one/ssl",),
    ),
    GateCase(
        "a client that counts and was not measured",
        2,
        "1 missing: good/botocore",
        [GOOD],
        'clients = ["ssl", "botocore"]',
    ),
    GateCase(
        "a client that counts, where there was no environment",
        2,
        "1 untestable: broken/all",
        [GOOD, NO_ENVIRONMENT],
        'clients = ["ssl"]',
    ),
    GateCase(
        "another source does not count",
        0,
        "all 1 rows hold TLSv1.2",
        [a_row(interpreter=replace(an_interpreter("usr"), source="system")), DOWN],
        'sources = ["system"]',
        ("source pyenv does not count: down/ssl",),
    ),
    GateCase(
        "nothing counts",
        2,
        "none of 1 rows counts under the policy, so nothing is known",
        [GOOD],
        'sources = ["system"]',
        ("source pyenv does not count: good/ssl",),
    ),
    # The floor.
    GateCase(
        "the floor that was measured",
        0,
        "all 1 rows hold TLSv1.3",
        [a_row(Verdict.ENFORCED, "good", lowest=TLS1_3)],
        'floor = "TLSv1.3"',
        (),
        TLS1_3,
    ),
    GateCase(
        "a stricter floor than was measured",
        3,
        "the matrix was measured against a floor of TLSv1.2, and policy.toml asks for TLSv1.3: "
        "measure again with nox -s matrix -- --floor TLSv1.3",
        [GOOD],
        'floor = "TLSv1.3"',
    ),
    GateCase(
        "another floor than was measured outweighs findings",
        3,
        "the matrix was measured against a floor of TLSv1.2, and policy.toml asks for TLSv1.1: "
        "measure again with nox -s matrix -- --floor TLSv1.1",
        [DOWN],
        'floor = "TLSv1.1"',
    ),
    # Waivers.
    GateCase(
        "waived",
        0,
        "1 of 2 rows hold TLSv1.2; 1 downgraded and waived",
        [GOOD, DOWN],
        _waiver("do*"),
        ("waived until 2026-12-31: on its way: down/ssl (downgraded)",),
    ),
    GateCase(
        "waived for another client",
        1,
        "1 downgraded: down/ssl",
        [GOOD, DOWN],
        _waiver("down", client="botocore"),
        ("the waiver for down/botocore matches no row that counts: correct or remove it",),
    ),
    GateCase(
        "a waiver on its last day",
        0,
        "1 of 2 rows hold TLSv1.2; 1 untestable and waived",
        [GOOD, UNTESTED],
        _waiver("untested", expires="2026-11-24"),
        ("waived until 2026-11-24: on its way: untested/ssl (untestable)",),
    ),
    GateCase(
        "an expired waiver of a finding",
        1,
        "1 downgraded: down/ssl (its waiver expired on 2026-11-23: on its way)",
        [GOOD, DOWN],
        _waiver("down", expires="2026-11-23"),
    ),
    GateCase(
        "an expired waiver of what could not be measured",
        2,
        "1 untestable: untested/ssl (its waiver expired on 2026-11-23: on its way)",
        [GOOD, UNTESTED],
        _waiver("*ed", expires="2026-11-23"),
    ),
    GateCase(
        "of two waivers the longer counts",
        0,
        "1 of 2 rows hold TLSv1.2; 1 downgraded and waived",
        [GOOD, DOWN],
        _waiver("down", expires="2020-01-01") + _waiver("*", client="ssl"),
        ("waived until 2026-12-31: on its way: down/ssl (downgraded)",),
    ),
    GateCase(
        "a waiver that matches nothing",
        0,
        "all 1 rows hold TLSv1.2",
        [GOOD],
        _waiver("gone_*"),
        ("the waiver for gone_*/* matches no row that counts: correct or remove it",),
    ),
    GateCase(
        "a waiver that is not needed any more",
        0,
        "all 1 rows hold TLSv1.2",
        [GOOD],
        _waiver("good", expires="2020-01-01"),
        ("the waiver for good/* expired on 2020-01-01 and is not needed, as its rows pass: remove it",),
    ),
    GateCase(
        "everything waived and nothing known",
        2,
        "nothing was measured: 1 untestable and waived",
        [UNTESTED],
        _waiver("*"),
        ("waived until 2026-12-31: on its way: untested/ssl (untestable)",),
    ),
    # Only what is new.
    GateCase(
        "known from the baseline",
        0,
        "1 of 2 rows hold TLSv1.2; 1 downgraded and known from the baseline",
        [GOOD, DOWN],
        NEW_ONLY,
        ("known from baseline: down/ssl (downgraded)",),
        before=[DOWN],
    ),
    GateCase("new beside the baseline", 1, "1 downgraded: down/ssl", [GOOD, DOWN], NEW_ONLY, before=[GOOD]),
    GateCase(
        "lower than in the baseline",
        1,
        "1 downgraded: down/ssl",
        [GOOD, DOWN],
        NEW_ONLY,
        before=[a_row(Verdict.DOWNGRADED, "down", lowest=TLS1_1)],
    ),
    GateCase(
        "worse than in the baseline",
        1,
        "1 downgraded: down/ssl",
        [GOOD, DOWN],
        NEW_ONLY,
        before=[a_row(Verdict.FRAGILE, "down")],
    ),
    GateCase(
        "known, but its waiver expired",
        1,
        "1 downgraded: down/ssl (its waiver expired on 2026-01-01: on its way)",
        [GOOD, DOWN],
        NEW_ONLY + _waiver("down", expires="2026-01-01"),
        before=[DOWN],
    ),
    GateCase(
        "the run itself as its baseline",
        3,
        "baseline, the baseline that policy.toml names, is the run that is to be judged, "
        "so nothing could be new: name an earlier one, or a copy of its matrix.json",
        [DOWN],
        NEW_ONLY,
        before=_document([DOWN]),
    ),
    # Several machines.
    GateCase(
        "machines are told apart",
        1,
        "1 downgraded: down/ssl on there",
        _merged(_document([GOOD]), _document([DOWN], run_id="then", host="there")),
    ),
    GateCase(
        "waived on one machine",
        1,
        "1 downgraded: down/ssl on there",
        _merged(_document([GOOD, DOWN]), _document([DOWN], run_id="then", host="there")),
        _waiver("down", host="here"),
        ("waived until 2026-12-31: on its way: down/ssl on here (downgraded)",),
    ),
    GateCase(
        "a machine that did not report",
        2,
        "1 missing: machine there",
        _merged(_document([GOOD]), _silent("there")),
        'clients = ["ssl"]\nsources = ["pyenv"]',
    ),
    GateCase(
        "a machine that did not report, let pass",
        0,
        "1 of 2 rows hold TLSv1.2; 1 missing and let pass",
        _merged(_document([GOOD]), _silent("there")),
        'fails = ["fragile", "inconclusive", "untestable"]',
        ("missing does not fail under policy.toml: machine there (missing)",),
    ),
    GateCase(
        "a machine that measured nothing",
        2,
        "1 missing: machine there",
        _merged(_document([GOOD]), _document([], run_id="then", host="there")),
    ),
    # What a run was asked to leave out.
    GateCase(
        "a partial run",
        2,
        "the run now is partial (--only good left out 9 interpreters):"
        " measure without that, or allow it with partial = true in policy.toml",
        _document([GOOD], narrowed=("--only good left out 9 interpreters",)),
    ),
    GateCase(
        "a partial run, allowed",
        0,
        "all 1 rows hold TLSv1.2",
        _document([GOOD], narrowed=("--only good left out 9 interpreters",)),
        "partial = true",
    ),
    GateCase(
        "findings outweigh what was left out",
        1,
        "1 downgraded: down/ssl",
        _document([GOOD, DOWN], narrowed=("--clients left out botocore",)),
        None,
        (
            (
                "the run now is partial (--clients left out botocore):"
                " measure without that, or allow it with partial = true in policy.toml"
            ),
        ),
    ),
    GateCase(
        "a partial run of what could not be measured",
        2,
        "the run now is partial (--clients left out botocore): measure without that, or allow it with"
        " partial = true in policy.toml; 1 untestable: untested/ssl",
        _document([GOOD, UNTESTED], narrowed=("--clients left out botocore",)),
    ),
    GateCase(
        "one of two machines was measured in part",
        2,
        "the run then on there is partial (--clients left out ssl):"
        " measure without that, or allow it with partial = true in policy.toml",
        _merged(
            _document([GOOD]),
            _document([GOOD], run_id="then", host="there", narrowed=("--clients left out ssl",)),
        ),
    ),
    # When it was measured.
    GateCase(
        "a year old",
        2,
        "the run now ended 365 days ago, on 2025-11-24, and may be 7 days old:"
        " measure again with nox -s matrix, or raise max_age in policy.toml",
        _document([GOOD], ended=NOW - dt.timedelta(365)),
    ),
    GateCase("a week old", 0, "all 1 rows hold TLSv1.2", _document([GOOD], ended=NOW - dt.timedelta(7))),
    GateCase(
        "two days old where one is allowed",
        2,
        "the run now ended 2 days ago, on 2026-11-22, and may be 1 day old:"
        " measure again with nox -s matrix, or raise max_age in policy.toml",
        _document([GOOD], ended=NOW - dt.timedelta(2)),
        "max_age = 1",
    ),
    GateCase(
        "a month old where that is allowed",
        0,
        "all 1 rows hold TLSv1.2",
        _document([GOOD], ended=NOW - dt.timedelta(30)),
        "max_age = 31",
    ),
    GateCase(
        "from the future",
        2,
        "the run now ended at 2026-11-24 14:00 UTC, which is yet to come:"
        " set the clock right, and measure again",
        _document([GOOD], ended=NOW + dt.timedelta(hours=2)),
    ),
    GateCase(
        "by a clock that is a little ahead",
        0,
        "all 1 rows hold TLSv1.2",
        _document([GOOD], ended=NOW + dt.timedelta(minutes=50)),
    ),
    # Under which variables it was measured.
    GateCase(
        "under an OpenSSL configuration that nobody named",
        2,
        "the run now measured under OPENSSL_CONF=/floor.cnf, so what runs without that is not covered:"
        ' measure without it, or allow it with openssl_conf = ["/floor.cnf"] in policy.toml',
        _document([GOOD], variables={"OPENSSL_CONF": "/floor.cnf"}),
    ),
    GateCase(
        "under an OpenSSL configuration that the policy names",
        0,
        "all 1 rows hold TLSv1.2",
        _document([GOOD], variables={"OPENSSL_CONF": "/floor.cnf"}),
        'openssl_conf = ["/other.cnf", "/floor.cnf"]',
    ),
    GateCase(
        "under another OpenSSL configuration than the policy names",
        2,
        "the run now measured under OPENSSL_CONF=, so what runs without that is not covered:"
        " measure without it",
        _document([GOOD], variables={"OPENSSL_CONF": ""}),
        'openssl_conf = "/floor.cnf"',
    ),
    GateCase(
        "with modules from elsewhere",
        2,
        "the run now measured under OPENSSL_MODULES=/lib, so what runs without that is not covered:"
        " measure without it",
        _document([GOOD], variables={"OPENSSL_MODULES": "/lib"}),
        'openssl_conf = "/lib"',
    ),
    GateCase(
        "beside a variable that nothing measured has seen",
        0,
        "all 1 rows hold TLSv1.2",
        _document([GOOD], variables={"SSL_CERT_FILE": "/roots.pem"}),
    ),
    # Policies that cannot be meant.
    GateCase(
        "a number in quotes", 3, f"policy.toml: max_age must be {DAYS}, not '7'", [GOOD], 'max_age = "7"'
    ),
    GateCase("no day", 3, f"policy.toml: max_age must be {DAYS}, not 0", [GOOD], "max_age = 0"),
    GateCase(
        "a million days",
        3,
        f"policy.toml: max_age must be {DAYS}, not 1000000",
        [GOOD],
        "max_age = 1_000_000",
    ),
    GateCase(
        "yes is not true", 3, f"policy.toml: max_age must be {DAYS}, not True", [GOOD], "max_age = true"
    ),
    GateCase(
        "a word for true",
        3,
        "policy.toml: partial must be true or false, without quotes, not 'yes'",
        [GOOD],
        'partial = "yes"',
    ),
    GateCase(
        "a path that is none",
        3,
        "policy.toml: openssl_conf must be a path or a list of paths,"
        ' such as ["/etc/ssl/floor.cnf"], not [1]',
        [GOOD],
        "openssl_conf = [1]",
    ),
    GateCase(
        "an unknown key", 3, "policy.toml: unknown key 'flor'; did you mean 'floor'?", [GOOD], "flor = 1"
    ),
    GateCase(
        "an unknown client",
        3,
        "policy.toml: clients has 'botocor', which is no client of the tool's, and the run measured none of"
        " yours by that name; did you mean 'botocore'? If not, measure it with --client or --command, or take"
        " it out",
        [GOOD],
        'clients = ["botocor"]',
    ),
    GateCase(
        "a waiver without an end",
        3,
        "policy.toml [[waiver]] 1: 'expires' is missing",
        [DOWN],
        '[[waiver]]\ninterpreter = "*"\nreason = "because"',
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_policy_case(case: GateCase, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The gate ends with this exit code and says this, on the terminal and in gate.json alike."""
    policy = tmp_path / "policy.toml"
    if case.policy is not None:
        policy.write_text(case.policy, encoding="utf-8")
    rows = case.rows
    folder = _write(tmp_path / "run", rows if isinstance(rows, dict) else _document(rows, case.floor))
    if (before := case.before) is not None:
        earlier = before if isinstance(before, dict) else _document(before, run_id="earlier")
        _write(tmp_path / "baseline", earlier)
    exit_code = main([str(folder)], policy, NOW)
    kind = list(GateOutcome)[case.exit_code]
    said = capsys.readouterr().out.splitlines()
    ends = [*(f"note: {notice}" for notice in case.notices), f"{kind}: {case.message}"]
    assert said[-len(ends) :] == ends
    record = _record(folder)
    assert said[: len(record["scope"])] == record["scope"]
    assert (len(said) == 1) is not record["scope"]
    assert exit_code == case.exit_code
    assert (record["exit_code"], record["kind"], record["passed"]) == (exit_code, kind, exit_code == 0)
    assert (record["message"], tuple(record["notices"])) == (case.message, case.notices)


def test_the_table_is_large_enough_and_has_every_exit_code() -> None:
    """There are no two cases of one name, and several for each exit code."""
    assert len({case.name for case in CASES}) == len(CASES) >= 20
    for kind in GateOutcome:
        assert sum(case.exit_code == kind.exit_code for case in CASES) >= 5


@pytest.mark.parametrize("floor", FLOORS)
def test_the_record_has_rows_run_floor_and_policy(tmp_path: Path, floor: Protocol) -> None:
    """gate.json tells what became of each row and why, of which run, and under which policy."""
    good = a_row(Verdict.ENFORCED, "good", lowest=floor)
    folder = _write(tmp_path / "run", _document([good, DOWN, FRAGILE], floor))
    policy = tmp_path / "policy.toml"
    policy.write_text('fails = ["inconclusive"]\n' + _waiver("down"), encoding="utf-8")
    gate(folder, policy, NOW)
    record = _record(folder)
    assert record["schema_version"] == 2
    assert (record["run_ids"], record["floor"]) == (["now"], floor)
    assert record["policy"]["file"] == "policy.toml"
    assert record["policy"]["fails"] == ["downgraded", "inconclusive"]
    assert [one["interpreter"] for one in record["policy"]["waivers"]] == ["down"]
    assert [(row["interpreter"], row["verdict"], row["fate"], row["why"]) for row in record["rows"]] == [
        ("good", "enforced", "passes", ""),
        ("down", "downgraded", "waived", "waived until 2026-12-31: on its way"),
        ("fragile", "fragile", "passes", "fragile does not fail under policy.toml"),
    ]
    assert record["rows"][1] == {
        "host": "here",
        "interpreter": "down",
        "client": "ssl",
        "environment": "made",
        "source": "pyenv",
        "verdict": "downgraded",
        "lowest_negotiated": "TLSv1",
        "fate": "waived",
        "why": "waived until 2026-12-31: on its way",
    }


def test_the_record_tells_the_default_policy_from_none_at_all(tmp_path: Path) -> None:
    """Without a file the default policy is recorded; where the file cannot be meant, none was applied."""
    folder = _write(tmp_path / "run", _document([GOOD]))
    gate(folder, tmp_path / "policy.toml", NOW)
    assert _record(folder)["policy"] == Policy().record()
    (tmp_path / "policy.toml").write_text("fail = []")
    gate(folder, tmp_path / "policy.toml", NOW)
    record = _record(folder)
    assert (record["policy"], record["floor"], record["rows"]) == (None, None, [])


def test_today_is_the_day_in_utc(tmp_path: Path) -> None:
    """Unless it is told the day, the gate holds waivers against the present one."""
    folder = _write(tmp_path / "run", _document([GOOD, DOWN], ended=dt.datetime.now(dt.UTC)))
    policy = tmp_path / "policy.toml"
    for expires, kind in (("9999-12-31", GateOutcome.PASSED), ("2026-01-01", GateOutcome.FINDINGS)):
        policy.write_text(_waiver("down", expires=expires))
        assert gate(folder, policy).kind is kind


@pytest.mark.parametrize("name", ["baseline", "baseline/matrix.json"])
def test_a_baseline_is_a_folder_or_a_file_beside_the_policy(tmp_path: Path, name: str) -> None:
    """The baseline is sought from where the policy is, as a run's folder or its matrix.json."""
    folder = _write(tmp_path / "run", _document([GOOD, DOWN]))
    _write(tmp_path / "baseline", _document([DOWN], run_id="earlier"))
    policy = tmp_path / "policy.toml"
    for written in (name, str(tmp_path / name)):
        policy.write_text(f"new_only = {json.dumps(written)}")
        assert gate(folder, policy, NOW).passed


DAMAGES = [None, b"", b"{", b"\xff\xfe\x00", b"[]", b"null", b"{}", b'{"schema_version": 2}', b"[" * 100_000]


@pytest.mark.parametrize("content", DAMAGES)
def test_a_report_that_cannot_be_read_is_an_error(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file, an empty one, one cut off or of another kind gives 3 and one sentence with the remedy."""
    folder = tmp_path / "run"
    folder.mkdir()
    if content is not None:
        (folder / "matrix.json").write_bytes(content)
    assert main([str(folder)], tmp_path / "policy.toml", NOW) == 3
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith(f"error: {folder / 'matrix.json'} ")
    assert said.endswith(": run nox -s matrix first")
    assert content is None or _record(folder)["exit_code"] == 3


@pytest.mark.parametrize("content", DAMAGES)
def test_a_baseline_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    """Without its baseline nothing can be called new, and nothing known: that is neither pass nor finding."""
    folder = _write(tmp_path / "run", _document([GOOD]))
    policy = tmp_path / "policy.toml"
    policy.write_text('new_only = "old.json"')
    if content is not None:
        (tmp_path / "old.json").write_bytes(content)
    decision = gate(folder, policy, NOW)
    assert decision.kind is GateOutcome.ERROR
    assert "old.json" in decision.message
    assert decision.message.endswith(
        "put an earlier run's matrix.json there, or take new_only out of policy.toml"
    )


def test_no_report_folder_is_an_error(tmp_path: Path) -> None:
    """Before the first run the gate says which session to run, and makes no folder."""
    decision = gate(tmp_path / "latest", tmp_path / "policy.toml", NOW)
    assert decision.kind is GateOutcome.ERROR
    assert decision.message.endswith("run nox -s matrix first")
    assert list(tmp_path.iterdir()) == []


def _places(value: Any, *way: str | int) -> Iterator[tuple[str | int, ...]]:
    """Give the way to each part of a document."""
    if way:
        yield way
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in parts:
        yield from _places(inner, *way, key)


BOTH = _merged(_document([GOOD]), _document([DOWN], run_id="then", host="there"))
REMOVED = object()


@examples(300)
@given(
    st.sampled_from(list(_places(BOTH))),
    st.sampled_from([REMOVED, None, 0, -1, True, "", "nan", [], {}, [[]], [{}], 1e400]),
)
def test_no_damage_turns_a_finding_into_a_pass(way: tuple[str | int, ...], wrong: object) -> None:
    """Whatever part of a matrix is gone or something else, the matrix is refused or still does not pass."""
    document: Any = copy.deepcopy(BOTH)
    part = document
    for step in way[:-1]:
        part = part[step]
    if wrong is REMOVED:
        del part[way[-1]]
    else:
        part[way[-1]] = wrong
    try:
        report = parse_report(document)
    except (KeyError, ValueError, TypeError):
        return
    assert not decide(report, Policy(), NOW).passed


@pytest.mark.parametrize("verdict", ["", "safe", "ENFORCED", "enforced ", "missing", None])
def test_an_unknown_verdict_is_an_error(tmp_path: Path, verdict: str | None) -> None:
    """A row whose verdict is none of ours is not passed over, nor counted as anything."""
    document = _document([GOOD, a_row(Verdict.ENFORCED, "odd")])
    document["verdicts"][1]["verdict"] = verdict
    decision = gate(_write(tmp_path / "run", document), tmp_path / "policy.toml", NOW)
    assert decision.kind is GateOutcome.ERROR
    assert f"{verdict!r} is not a valid Verdict" in decision.message


@pytest.mark.parametrize("condition", ["", "Ambient", "ambient ", None])
def test_an_unknown_condition_is_an_error(tmp_path: Path, condition: str | None) -> None:
    """A row that may be the machine's own is not passed over because its condition is misspelt."""
    document = _document([GOOD, DOWN])
    document["verdicts"][1]["condition"] = condition
    assert gate(_write(tmp_path / "run", document), tmp_path / "policy.toml", NOW).kind is GateOutcome.ERROR


def test_a_failure_does_not_leave_a_pass_behind(tmp_path: Path) -> None:
    """Where a matrix that had passed can no longer be read, the record beside it says no longer passed."""
    folder = _write(tmp_path / "run", _document([GOOD]))
    assert gate(folder, tmp_path / "policy.toml", NOW).passed
    (folder / "matrix.json").write_text("")
    assert not gate(folder, tmp_path / "policy.toml", NOW).passed
    assert _record(folder)["passed"] is False


def test_nothing_but_the_record_is_left(tmp_path: Path) -> None:
    """Deciding twice leaves one gate.json beside the matrix and no other file."""
    folder = _write(tmp_path / "run", _document([GOOD]))
    first, second = (gate(folder, tmp_path / "policy.toml", NOW) for _ in range(2))
    assert first == second
    assert {path.name for path in folder.iterdir()} == {"matrix.json", "gate.json"}


def test_a_folder_without_a_report_stays_as_it_is(tmp_path: Path) -> None:
    """Where there is nothing to decide on the gate says so and writes nothing."""
    (tmp_path / "notes.txt").write_text("mine")
    assert gate(tmp_path, now=NOW).kind is GateOutcome.ERROR
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_no_pass_outlives_its_report(tmp_path: Path) -> None:
    """Where a report is gone, the decision about it that still lies there is replaced."""
    folder = _write(tmp_path / "run", _document([GOOD]))
    assert gate(folder, tmp_path / "policy.toml", NOW).passed
    (folder / "matrix.json").unlink()
    assert not gate(folder, tmp_path / "policy.toml", NOW).passed
    assert _record(folder)["passed"] is False


def test_a_record_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A pass that leaves no record is none."""
    folder = _write(tmp_path / "run", _document([GOOD]))
    (folder / "gate.json").mkdir()
    decision = gate(folder, tmp_path / "policy.toml", NOW)
    assert decision.kind is GateOutcome.ERROR
    assert "gate.json cannot be written" in decision.message


def test_texts_from_elsewhere_are_harmless(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences in a host, an interpreter or a waiver's reason reach neither terminal nor record."""
    document = _merged(
        _document([GOOD, a_row(Verdict.DOWNGRADED, "ev\x1b[31mil")], host="ho\x1b[2Jst\n"),
        _document([GOOD], run_id="then", host="\x9bthere"),
    )
    folder = _write(tmp_path / "run", document)
    policy = tmp_path / "policy.toml"
    assert main([str(folder)], policy, NOW) == 1
    policy.write_text(_waiver("ev*").replace("on its way", "on\\u001b its way"))
    assert main([str(folder)], policy, NOW) == 0
    said = capsys.readouterr().out
    assert said.replace("\n", "").isprintable()
    assert "down" in said
    assert "ev\\x1b[31mil/ssl on ho\\x1b[2Jst\\n" in said
    assert "on\\x1b its way" in said


@pytest.mark.parametrize("words", [["--nonsense"], ["one", "two"]])
def test_wrong_arguments_are_an_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An argument that there is not ends with 3: argparse's own 2 would read as inconclusive."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 3
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: unrecognized arguments")


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """The help has every kind with its exit code, and is no failure."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "0 passed, 1 findings, 2 inconclusive, 3 error" in said


def test_a_fault_of_the_gate_itself_does_not_read_as_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever goes wrong in deciding ends with 3 and a sentence, where a traceback would end with 1."""

    def fail(*_: object, **__: object) -> None:
        msg = "no such thing"
        raise RuntimeError(msg)

    monkeypatch.setattr("reports.gate.decide", fail)
    folder = _write(tmp_path / "run", _document([GOOD]))
    assert main([str(folder)], tmp_path / "policy.toml", NOW) == 3
    assert capsys.readouterr().err == "error: the gate itself failed: RuntimeError('no such thing')\n"


PROGRAM = """
import runpy, sys
sys.path.insert(0, {root!r})
# Only the standard library and ours, whatever this Python has installed.
sys.path[:] = [path for path in sys.path if "site-packages" not in path]
sys.argv[1:] = [{folder!r}]
runpy.run_module("reports.gate", run_name="__main__")
"""


@pytest.mark.parametrize(("rows", "status"), [([GOOD], 0), ([DOWN], 1), ([UNSURE], 2), (None, 3)])
def test_the_program_needs_nothing_but_python(tmp_path: Path, rows: list[Row] | None, status: int) -> None:
    """In a process without any package, its exit status is the exit code, for each of them."""
    folder = tmp_path / "run"
    if rows:
        _write(folder, _document(rows, ended=dt.datetime.now(dt.UTC)))
    program = PROGRAM.format(root=str(ROOT), folder=str(folder))
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].startswith(f"{list(GateOutcome)[status]}: ")
    assert done.returncode == status


def test_the_policy_of_a_matrix_does_not_bind_the_gate(tmp_path: Path) -> None:
    """A matrix is judged by the policy that is there when it is judged, not by the one it was made under."""
    document = _document([GOOD, UNSURE])
    document["policy"] = json.loads(json.dumps(a_policy().record()))
    folder = _write(tmp_path / "run", document)
    assert gate(folder, tmp_path / "policy.toml", NOW).kind is GateOutcome.INCONCLUSIVE


@pytest.mark.parametrize("version", [1, 3])
def test_another_schema_is_inconclusive(tmp_path: Path, version: int) -> None:
    """A report of another version of the tool is in order, and says nothing that we could read."""
    folder = _write(tmp_path / "run", {"schema_version": version, "other": []})
    decision = gate(folder, tmp_path / "policy.toml", NOW)
    assert decision.kind is GateOutcome.INCONCLUSIVE
    said = f"{folder / 'matrix.json'} has schema version {version}, and this gate reads 2"
    assert decision.message == f"{said}: run nox -s matrix first"
    policy = tmp_path / "policy.toml"
    policy.write_text('new_only = "run"')
    now = _write(tmp_path / "now", _document([GOOD]))
    assert gate(now, policy, NOW).kind is GateOutcome.ERROR


def test_whoever_narrows_and_decides_at_once_knows_of_it(tmp_path: Path) -> None:
    """In one command a narrowed run may pass, and nothing else that speaks against a run is let pass."""
    document = _document([GOOD], narrowed=("--only good left out 1 interpreter",))
    folder, policy = _write(tmp_path / "run", document), tmp_path / "policy.toml"
    assert gate(folder, policy, NOW, together=True).passed
    assert not gate(folder, policy, NOW).passed
    assert not gate(folder, policy, NOW + dt.timedelta(8), together=True).passed


def test_a_run_that_broke_off_is_not_passed_over(tmp_path: Path) -> None:
    """After a run that published nothing, the report before it does not pass, until a run ends well."""
    folder, policy = _write(tmp_path / "latest", _document([GOOD])), tmp_path / "policy.toml"
    with pytest.raises(KeyError), begun("broken", tmp_path):
        raise KeyError
    (broken,) = marks(tmp_path)
    later = broken.started + dt.timedelta(minutes=1)
    stale = broken.started - dt.timedelta(minutes=1)
    _write(folder, _document([GOOD], ended=stale))
    decision = gate(folder, policy, later)
    assert decision.kind is GateOutcome.INCONCLUSIVE
    began = f"{broken.started:%Y-%m-%d %H:%M} UTC"
    assert decision.message == (
        f"a later run, broken, began at {began} and did not finish:"
        " run nox -s matrix again, and see what stopped it"
    )
    assert gate(_write(tmp_path / "kept", _document([GOOD], ended=stale)), policy, later).passed
    with begun("on its way", tmp_path):
        notices = gate(folder, policy, later).notices
    assert any(notice.startswith("another run, on its way, began at") for notice in notices)
    _write(folder, _document([GOOD], ended=later))
    assert gate(folder, policy, later).passed


def test_a_line_for_each_interpreter_comes_before_the_decision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What failed comes first, each client with its verdict, and what was let pass is marked."""
    rows = [GOOD, DOWN, a_row(Verdict.ENFORCED, "down", "botocore"), NO_ENVIRONMENT, FRAGILE]
    folder, policy = _write(tmp_path / "run", _document(rows)), tmp_path / "policy.toml"
    policy.write_text(_waiver("fragile"))
    main([str(folder)], policy, NOW)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.split(":")[0] in list(Disposition)]
    assert lines == [
        "fails: down: ssl downgraded to TLSv1, botocore enforced",
        "fails: broken: untestable",
        "waived: fragile: ssl fragile (waived)",
        "passes: good: ssl enforced",
    ]


def test_a_verdict_that_its_own_cells_deny_is_an_error(tmp_path: Path) -> None:
    """A row that is said to be enforced, and connected below the floor by its cells, never passes."""
    document = _document([GOOD, DOWN])
    for verdict in document["verdicts"]:
        verdict.update(verdict="enforced", lowest_negotiated=str(TLS1_2), held_by="code")
    decision = gate(_write(tmp_path / "run", document), tmp_path / "policy.toml", NOW)
    assert decision.kind is GateOutcome.ERROR
    assert "cannot be believed, as down/ssl is said to be enforced, and its cells make it" in decision.message


def _published(folder: Path, document: dict[str, Any], **changes: Any) -> Path:
    """Write a matrix with its summary and the hashes of both, as a run does."""
    _write(folder, document)
    facts = {name: document["runs"][0][name] for name in ("run_id", "host", "started", "ended", "tool")}
    stands = standings_of(document)
    summary = {**facts, "parts": [], "standings": dict(stands), "standings_found": {}, **changes}
    (folder / "run.json").write_text(json.dumps(summary))
    (folder / SUMS).unlink(missing_ok=True)
    write_sums(folder)
    return folder


def test_a_report_as_it_was_published_passes(tmp_path: Path) -> None:
    """A matrix that is the file of its hash, and says what its summary counts, is decided on."""
    folder = _published(tmp_path / "run", _document([GOOD]))
    assert gate(folder, tmp_path / "policy.toml", NOW).kind is GateOutcome.PASSED


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ended": "2026-11-25T12:00:00+00:00"}, "run.json is about another run, or other times"),
        ({"run_id": "other"}, "run.json is about another run, or other times"),
        ({"standings": {"enforced": 1, "downgraded": 1}}, "run.json counts other verdicts"),
        ({"standings_found": {"fragile": 1}}, "run.json counts other verdicts"),
    ],
)
def test_a_matrix_that_its_summary_denies_is_an_error(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    """A row that was cut out, or a time that was moved, is seen beside run.json, whatever the hashes say."""
    folder = _published(tmp_path / "run", _document([GOOD]), **changes)
    decision = gate(folder, tmp_path / "policy.toml", NOW)
    assert (decision.kind, words in decision.message) == (GateOutcome.ERROR, True), decision.message


@pytest.mark.parametrize("name", ["matrix.json", "run.json"])
def test_a_file_that_is_not_that_of_its_hash_is_an_error(tmp_path: Path, name: str) -> None:
    """A file in which a single blank was added after the run is named."""
    folder = _published(tmp_path / "run", _document([GOOD]))
    with (folder / name).open("a") as file:
        file.write(" ")
    decision = gate(folder, tmp_path / "policy.toml", NOW)
    assert decision.kind is GateOutcome.ERROR
    assert f"{name} is not the file whose hash SHA256SUMS has" in decision.message


@pytest.mark.parametrize("name", ["matrix.json", "run.json", "SHA256SUMS", "policy.toml"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path, name: str) -> None:
    """Whatever the gate reads may be a pipe to which nobody writes: an error, at once."""
    folder = _published(tmp_path / "run", _document([GOOD]))
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    decision = gate(folder, folder / "policy.toml", NOW)
    assert decision.kind is GateOutcome.ERROR
    assert "it is no regular file" in decision.message
