"""Merging: several machines become one report, nothing is lost or mixed up, and who is silent is named."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import random
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import TYPE_CHECKING

import jsonschema
import pytest

from interpreters.errors import FloorError
from reports.compare import compare
from reports.files import REPORTS
from reports.formats.answer import answer
from reports.formats.escape import for_csv, visible
from reports.formats.matrix_json import read_json
from reports.formats.records import RecordError
from reports.formats.terminal import show
from reports.gate import gate
from reports.merge import DID_NOT_REPORT, MergeError, each_interpreters, merge, merge_cases, read_parts
from reports.report import write_report
from reports.verdicts.decision import GateOutcome
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Matrix, Measured, build_matrix, by_interpreter
from reports.verdicts.observations import Joined
from reports.verdicts.policy import Policy, Waiver
from reports.verdicts.remedies import Case, Remedy, RemedyAttempt, Standing, needing
from servers.conditions import Condition
from tests.faults.inputs import RUBBISH, damaged
from tests.support.builders import (
    CRT,
    FAILED,
    LOOSE,
    NOW,
    PASSED,
    SMALL,
    STRICT,
    TLS1_0,
    TLS1_2,
    TLS1_3,
    Stack,
    a_catalogue,
    a_run,
    a_server,
    an_interpreter,
    connected,
    keys,
    meet,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from servers.catalogue import Catalogue
    from servers.protocols import Protocol

CATALOGUE = a_catalogue()
OWN = replace(
    a_run(CATALOGUE, "the-merger"),
    run_id="20261125T030000Z-ffff-merge",
    started="2026-11-25T03:00:00+00:00",
    ended="2026-11-25T03:00:00+00:00",
    controls={},
)
SCHEMA = json.loads((REPORTS / "formats" / "matrix.schema.json").read_text(encoding="utf-8"))
HOSTILE = "=a|b\n<b>\x1b[1m`*_c"


def _measured(name: str, stack: Stack, catalogue: Catalogue, text: str = "") -> Measured:
    """Return an interpreter whose one client met all servers, with a version and an answer of this text."""
    cells = [replace(meet(stack, server), interpreter=name) for server in catalogue.servers]
    told = [replace(cell, account=replace(connected(), cipher=text)) if text else cell for cell in cells[-1:]]
    one = an_interpreter(name, version=text or "3.9.18")
    return Measured(one, {}, (*cells[:-1], *told))


def _machine(
    folder: Path,
    host: str,
    *measured: Measured,
    floor: Protocol = TLS1_2,
    catalogue: Catalogue = CATALOGUE,
    failing: Sequence[str] = (),
    attempts: Sequence[RemedyAttempt] = (),
) -> Path:
    """Write the report of one machine, as its own run would; with attempts, as one that tried remedies."""
    run = replace(a_run(catalogue, host, failing), run_id=f"20261124T020000Z-{len(host):04}")
    run = replace(run, asked=replace(run.asked, only=(), floor=floor, clients=("ssl",)))
    rows = build_matrix(measured, keys(["ssl"]), [Condition.AMBIENT], catalogue, floor)
    folder.mkdir(parents=True)
    cases = [Case(row, tuple(attempts)) for row in needing(rows)] if attempts else None
    write_report(folder, Matrix(run, measured, rows, catalogue), Policy(), cases=cases)
    return folder


def _merge(folder: Path, *machines: Path, expect: Sequence[str] = ()) -> Matrix:
    """Merge some machines and write the report."""
    parts = read_parts(machines)
    merged = merge(parts, expect, OWN)
    folder.mkdir(parents=True)
    write_report(folder, merged, Policy(), cases=merge_cases(parts))
    return merged


def test_what_is_in_a_file_stays_there() -> None:
    """Joined observations of one interpreter are handed on as they are; others are told apart."""
    a, b = (_measured(name, STRICT, CATALOGUE).observations for name in ("a", "b"))
    mixed = (a[0], b[0])
    found = each_interpreters(Joined((a, b, mixed, ())))
    assert {name: list(theirs) for name, theirs in found.items()} == {"a": [*a, a[0]], "b": [*b, b[0]]}
    alone = each_interpreters(Joined((a, b)))
    assert alone["a"] is a
    assert alone["b"] is b
    assert each_interpreters(mixed) == {"a": (a[0],), "b": (b[0],)}


def _table(folder: Path) -> list[dict[str, str]]:
    with (folder / "matrix.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _lines(folder: Path, name: str = "observations.jsonl") -> list[str]:
    return (folder / name).read_text(encoding="utf-8").splitlines(keepends=True)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of two machines, written once: each test has copies of its own."""
    folder = tmp_path_factory.mktemp("machines")
    _machine(folder / "one", "one", _measured("py", STRICT, CATALOGUE))
    _machine(folder / "other", "other", _measured("py", LOOSE, CATALOGUE))
    return folder


@pytest.fixture
def one(tmp_path: Path, written: Path) -> Path:
    """A machine whose interpreter holds the floor."""
    return shutil.copytree(written / "one", tmp_path / "one")


@pytest.fixture
def other(tmp_path: Path, written: Path) -> Path:
    """A machine with an interpreter of the same id that does not."""
    return shutil.copytree(written / "other", tmp_path / "other")


@pytest.mark.parametrize("text", ["", HOSTILE, "=cmd();+1", "\udc80 \u202e", 'a "quoted", one'])
def test_a_single_run_comes_out_as_it_was(tmp_path: Path, text: str) -> None:
    """Rows of matrix.csv and observations are those of the origin, byte for byte, whatever they contain."""
    measured = [
        _measured("b", LOOSE, CATALOGUE, text),
        _measured("a", STRICT, CATALOGUE, text),
        Measured(an_interpreter("hangs", unavailable=f"it hangs {text}"), {}, ()),
    ]
    origin = _machine(tmp_path / "origin", "one", *measured)
    _merge(tmp_path / "merged", origin)
    for name in ("matrix.csv", "observations.jsonl"):
        assert (tmp_path / "merged" / name).read_bytes() == (origin / name).read_bytes()


HELPED = RemedyAttempt(
    Remedy.CODE, Standing.ADVISED, "it held", Verdict.ENFORCED, ("import ssl", "a_floor()")
)
USELESS = RemedyAttempt(Remedy.CONFIGURATION, Standing.FAILED, "it ignores it", Verdict.DOWNGRADED)


def _advice(folder: Path, name: str) -> str:
    """Return what a report says is to be done about one interpreter."""
    text = (folder / "matrix.md").read_text(encoding="utf-8").partition("## What to do")[2]
    return text.partition(f"**{name}**")[2].partition("\n- ")[0]


def test_what_one_machine_tried_is_not_called_untried(tmp_path: Path, other: Path) -> None:
    """Remedies stay with the machine that tried them, though another has an interpreter of the same id."""
    tried = _machine(tmp_path / "a", "tried", _measured("py", LOOSE, CATALOGUE), attempts=[USELESS, HELPED])
    target = tmp_path / "merged"
    _merge(target, other, tried)
    assert "Not tried yet" in _advice(target, "py on other")
    ours = _advice(target, "py on tried")
    assert "Not tried yet" not in ours
    assert "A floor set in code: measured in this run, it holds with ssl" in ours
    assert "An OpenSSL configuration: tried in this run, it does not help ssl" in ours
    said = (target / "remedies.md").read_text(encoding="utf-8")
    assert "1 of 1 rows that go or would go below TLS 1.2 have a remedy" in said
    assert "Nothing was tried yet on py on other (ssl): run nox -s remedy there." in said
    assert "- measured in this run: py on tried (ssl).\n```python\nimport ssl\na_floor()\n```" in said
    assert said.count("py on other") == 2
    assert "a_floor()" in (target / "matrix.html").read_text(encoding="utf-8")
    rows = json.loads((target / "remedies.json").read_text(encoding="utf-8"))["rows"]
    assert [(row["host"], len(row["remedies"])) for row in rows] == [("other", 0), ("tried", 2)]


def test_without_a_machine_that_tried_there_are_no_remedies(tmp_path: Path, one: Path, other: Path) -> None:
    """A merged report has files about remedies only if a machine's own has."""
    _merge(tmp_path / "merged", one, other)
    assert not list((tmp_path / "merged").glob("remedies*"))


def test_remedies_of_another_run_are_refused(tmp_path: Path) -> None:
    """Remedies that are not of the run beside them, or of no row of it, are refused by file and fact."""
    folder = _machine(tmp_path / "a", "a", _measured("py", LOOSE, CATALOGUE), attempts=[HELPED])
    file = folder / "remedies.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    for damage, why in (
        (document | {"run_id": "another"}, "is of the run another, and what is beside it of"),
        (document | {"rows": [document["rows"][0] | {"client": "httpx"}]}, "is no whole record"),
    ):
        file.write_text(json.dumps(damage), encoding="utf-8")
        with pytest.raises(RecordError, match=why) as refused:
            read_parts([folder])
        assert str(refused.value).startswith(f"{file} ")


def test_a_client_that_brings_its_own_tls_gets_its_own_advice(tmp_path: Path) -> None:
    """No merged report advises an OpenSSL configuration where none is read."""
    plain = _measured("py", LOOSE, CATALOGUE)
    measured = replace(plain, observations=tuple(replace(o, own_tls=CRT) for o in plain.observations))
    _merge(tmp_path / "merged", _machine(tmp_path / "a", "a", measured))
    said = _advice(tmp_path / "merged", "py on a")
    assert "No OpenSSL configuration reaches ssl." in said
    assert "MinProtocol" not in said


def test_three_machines_of_which_one_is_missing(tmp_path: Path, one: Path, other: Path) -> None:
    """Two machines' rows and cells are joined as they are, and a row says that the third is missing."""
    target = tmp_path / "merged"
    _merge(target, one, other, expect=["one", "third", "other"])
    *reported, silent = _table(target)
    assert reported == [*_table(one), *_table(other)]
    assert _lines(target) == [*_lines(one), *_lines(other)]
    facts = ("host", "interpreter", "client", "verdict", "reason", "open")
    assert [silent[fact] for fact in facts] == [
        *("third", "missing", "all", "untestable"),
        *(DID_NOT_REPORT, "missing"),
    ]
    assert silent["run_id"].startswith(OWN.run_id)


def test_every_cell_keeps_its_origin_in_json(tmp_path: Path, one: Path, other: Path) -> None:
    """The document fits its schema, and gives back each machine's own record, and the silent one's."""
    target = tmp_path / "merged"
    _merge(target, one, other, expect=["third"])
    document = json.loads((target / "matrix.json").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    first, second, third = read_json(target / "matrix.json")
    assert (first,) == read_json(one / "matrix.json")
    assert (second,) == read_json(other / "matrix.json")
    assert (third.run.host, third.run.controls, third.catalogue.servers) == ("third", {}, ())
    assert len({first.run.run_id, second.run.run_id, third.run.run_id, OWN.run_id}) == 4


def test_the_same_id_on_two_machines_is_told_apart(tmp_path: Path, one: Path, other: Path) -> None:
    """Every format has two interpreters of one id, each with its own machine and verdict."""
    target = tmp_path / "merged"
    merged = _merge(target, one, other)
    said = " ".join(answer(by_interpreter(merged.rows), TLS1_2))
    assert "1 of 2 interpreters negotiates TLS 1.0 (below the TLS 1.2 minimum): py on other." in said
    assert "1 of 2 holds TLS 1.2 with every client measured: py on one." in said
    markdown = (target / "matrix.md").read_text()
    assert "- **downgraded**: py on other (ssl)." in markdown
    assert "- Nothing for py on one: it holds TLS 1.2." in markdown
    html = (target / "matrix.html").read_text()
    assert html.count('<tbody data-number="') == 2
    assert all(
        f'<div class="id" title="/made/up/py/bin/python">py on {host}<' in html for host in ("one", "other")
    )
    out = io.StringIO()
    show(merged, out, 100, colour=False)
    words = [line.split() for line in out.getvalue().splitlines() if line.strip()]
    assert words[0] == ["host", "interpreter", "Python", "ssl"]
    assert words[2:4] == [
        ["other", "py", "3.9.18", "downgraded", "TLSv1"],
        ["one", "py", "3.9.18", "enforced"],
    ]


def test_junit_has_each_machine_and_fails_for_the_silent_one(tmp_path: Path, one: Path, other: Path) -> None:
    """Each suite is of its own host and run, and a machine that did not report is an error, not skipped."""
    _merge(tmp_path / "merged", one, other, expect=["third"])
    suites = ET.parse(tmp_path / "merged" / "junit.xml").getroot()  # noqa: S314  our own document
    assert [(suite.get("name"), suite.get("hostname")) for suite in suites] == [
        ("py on one", "one"),
        ("py on other", "other"),
        ("missing on third", "third"),
        ("matrix", "one, other, third"),
    ]
    counts = [[suite.get(name) for name in ("tests", "failures", "errors", "skipped")] for suite in suites]
    assert counts[0][1:] == ["0", "0", "0"]
    assert int(counts[1][1] or 0) > 0
    assert counts[2] == ["1", "0", "1", "0"]


def test_the_gate_sees_the_machine_that_is_not_there(tmp_path: Path, one: Path) -> None:
    """One that holds and one that is silent is inconclusive, whatever sources count, unless it is waived."""
    target = tmp_path / "merged"
    _merge(target, one, expect=["third"])
    decision = gate(target, tmp_path / "none.toml", NOW)
    assert (decision.kind, decision.message) == (GateOutcome.INCONCLUSIVE, "1 missing: machine third")
    policy = tmp_path / "policy.toml"
    policy.write_text('sources = ["pyenv"]\n')
    assert gate(target, policy, NOW).kind is GateOutcome.INCONCLUSIVE
    policy.write_text(
        '[[waiver]]\ninterpreter = "missing"\nhost = "third"\nreason = "in repair"\nexpires = 2027-01-01\n'
    )
    assert gate(target, policy, NOW).passed
    assert Waiver("missing", "in repair", dt.date(2027, 1, 1), host="third").covers("third", "missing", "all")


def test_nobody_reported(tmp_path: Path) -> None:
    """With nothing to read there is a report all the same, of machines of which nothing is known."""
    target = tmp_path / "merged"
    merged = _merge(target, expect=["a", "b"])
    assert answer(by_interpreter(merged.rows), TLS1_2) == [
        "No interpreter was measured, so nothing is known about this machine.",
        "2 machines were expected and did not report, so nothing is known about them: a, b.",
    ]
    assert [row["verdict"] for row in _table(target)] == ["untestable", "untestable"]
    assert gate(target, tmp_path / "none.toml", NOW).message == "2 missing: machine a, machine b"


@pytest.mark.parametrize("name", ["matrix.json", "observations.jsonl"])
def test_a_run_of_an_older_schema_is_refused(tmp_path: Path, one: Path, other: Path, name: str) -> None:
    """Mixed schema versions are one sentence that names the folder, its version, and what to do."""
    path = other / name
    path.write_text(path.read_text().replace('"schema_version": 2', '"schema_version": 1'))
    with pytest.raises(RecordError) as refusal:
        read_parts([one, other])
    assert str(refusal.value) == f"{path} has schema version 1, and this tool reads 2: measure again"
    assert len(read_parts([one])) == 1
    assert tmp_path in path.parents


def test_runs_are_found_below_a_folder(tmp_path: Path, one: Path, other: Path) -> None:
    """A folder stands for the run in it or for all below it, in the order of their names."""
    assert [part.host for part in read_parts([tmp_path])] == ["one", "other"]
    assert [part.host for part in read_parts([other, one])] == ["other", "one"]


@pytest.mark.parametrize("option", ["programs", "running"])
def test_what_one_machine_was_asked_the_fleet_was(
    tmp_path: Path, one: Path, other: Path, option: str
) -> None:
    """What one machine had to measure beside interpreters was asked for, and did not appear by itself."""
    document = json.loads((one / "matrix.json").read_text())
    document["runs"][0]["asked"][option] = True
    (one / "matrix.json").write_text(json.dumps(document))
    assert getattr(_merge(tmp_path / "merged", one, other).run.asked, option) is True
    assert getattr(_merge(tmp_path / "alone", other).run.asked, option) is False


def test_two_reports_of_one_machine_are_refused(tmp_path: Path, one: Path) -> None:
    """Neither of two runs under one name may vanish behind the other, and both folders are named."""
    again = _machine(tmp_path / "again", "one", _measured("py", LOOSE, CATALOGUE))
    with pytest.raises(MergeError, match=r"are both of the host one: .* --host NAME") as refusal:
        merge(read_parts([one, again]), [], OWN)
    assert f"{one} and {again}" in str(refusal.value)
    nameless = [_machine(tmp_path / name, "", _measured("py", LOOSE, CATALOGUE)) for name in ("c", "d")]
    with pytest.raises(MergeError, match="are both of a host without a name"):
        merge(read_parts(nameless), [], OWN)


def test_different_floors_are_refused(tmp_path: Path, one: Path) -> None:
    """Verdicts about two floors do not stand in one matrix; the sentence names both."""
    strict = _machine(tmp_path / "strict", "strict", _measured("py", STRICT, CATALOGUE), floor=TLS1_3)
    with pytest.raises(MergeError) as refusal:
        merge(read_parts([one, strict]), [], OWN)
    for fact in (f"{one} was measured against a floor of TLSv1.2", f"{strict} against TLSv1.3", "--floor"):
        assert fact in str(refusal.value)


def test_a_server_that_is_another_under_the_same_id_is_refused(tmp_path: Path, one: Path) -> None:
    """A column is one server: where two machines met different ones under its id, the sentence names it."""
    edited = a_catalogue(*SMALL[:-1], replace(SMALL[-1], protocols=frozenset({TLS1_0})))
    path = _machine(tmp_path / "edited", "edited", _measured("py", STRICT, edited), catalogue=edited)
    with pytest.raises(MergeError, match=rf"the server {SMALL[-1].id} is not the same in .*edited"):
        merge(read_parts([one, path]), [], OWN)


def test_servers_that_only_one_machine_met(tmp_path: Path, one: Path) -> None:
    """Columns are those of all, and where a machine did not meet a server its cell is missing."""
    more = a_catalogue(*SMALL, a_server("extra", TLS1_2))
    path = _machine(tmp_path / "more", "more", _measured("py", STRICT, more), catalogue=more)
    target = tmp_path / "merged"
    _merge(target, one, path)
    assert [(row["host"], row["extra"], row["verdict"]) for row in _table(target)] == [
        ("one", "missing", "enforced"),
        ("more", "TLSv1.2", "enforced"),
    ]
    cells = json.loads((target / "matrix.json").read_text())["cells"]
    runs = {cell["run_id"] for cell in cells if cell["server"] == "extra"}
    assert runs == {read_json(path / "matrix.json")[0].run.run_id}
    suites = ET.parse(target / "junit.xml").getroot()  # noqa: S314  our own document
    named = [[case.get("name") for case in suite.iter("testcase")] for suite in suites]
    assert ["extra" in names for names in named] == [False, True, False]


def test_a_control_passed_if_it_did_on_every_machine(tmp_path: Path, one: Path) -> None:
    """A control that failed on one machine has failed in the whole, and each machine's reason is said."""
    measured = _measured("py", STRICT, CATALOGUE)
    cells = [
        replace(cell, control=FAILED) if cell.server == "only_1_0" else cell for cell in measured.observations
    ]
    measured = replace(measured, observations=tuple(cells))
    failing = _machine(tmp_path / "failing", "failing", measured, failing=["only_1_0"])
    merged = merge(read_parts([one, failing]), [], OWN)
    assert merged.run.controls["open"] == PASSED
    control = merged.run.controls["only_1_0"]
    assert not control.passed
    assert control.reason == f"one: {PASSED.reason}; failing: {FAILED.reason}"


def test_what_was_merged_may_be_merged_again(tmp_path: Path, one: Path, other: Path) -> None:
    """Several steps come to what one does, and who was silent in a step is, if nobody else measured there."""
    first = merge(read_parts([one]), {"gone": "no route to host"}, OWN)
    (tmp_path / "first").mkdir()
    write_report(tmp_path / "first", first, Policy())
    again = _merge(tmp_path / "again", tmp_path / "first", other, expect=["gone", "never"])
    at_once = _merge(tmp_path / "at-once", one, other)
    assert again.rows[: len(at_once.rows)] == at_once.rows
    assert [each.observations for each in again.measured] == [each.observations for each in at_once.measured]
    silent = {row.interpreter.host: row.judgement.reason for row in again.rows[len(at_once.rows) :]}
    assert silent == {"gone": "no route to host", "never": DID_NOT_REPORT}
    assert [row["host"] for row in _table(tmp_path / "again")][-2:] == ["gone", "never"]


def test_a_report_of_silence_alone_is_no_machine(tmp_path: Path, one: Path) -> None:
    """A run whose one place did not answer gives the whole a row with the reason, and nothing else."""
    (tmp_path / "silent").mkdir()
    write_report(tmp_path / "silent", merge([], {"gone": "no route to host"}, OWN), Policy())
    merged = _merge(tmp_path / "merged", one, tmp_path / "silent")
    assert [part.host for part in merged.run.parts] == ["one", "gone"]
    assert merged.rows[-1].judgement.reason == "no route to host"


def test_merged_remedies_are_not_merged_again(tmp_path: Path, other: Path) -> None:
    """What was tried on several machines is told apart in their own runs alone."""
    ill = _machine(tmp_path / "ill", "ill", _measured("py", LOOSE, CATALOGUE), attempts=[HELPED])
    _merge(tmp_path / "merged", ill, other)
    with pytest.raises(MergeError, match="with remedies of each: give the runs"):
        read_parts([tmp_path / "merged"])


def test_observations_of_a_run_that_is_not_there_are_refused(tmp_path: Path, one: Path, other: Path) -> None:
    """Each observation belongs to a run of the same folder."""
    _merge(tmp_path / "merged", one, other)
    shutil.copy(tmp_path / "merged" / "observations.jsonl", one)
    with pytest.raises(MergeError, match=r"has observations of the run .*does not know: measure again"):
        read_parts([one])


@pytest.mark.parametrize("name", ["empty", "nowhere"])
def test_a_folder_without_a_run_is_refused(tmp_path: Path, one: Path, name: str) -> None:
    """An empty folder, or none, is named: a mistyped path is no machine that has nothing to say."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(MergeError, match=rf"{name} has no matrix\.json in it or below"):
        read_parts([one, tmp_path / name])


def test_an_empty_folder_where_machines_are_expected(tmp_path: Path) -> None:
    """Where no machine reported there is nothing to read, and each has its row; no folder is still none."""
    (tmp_path / "empty").mkdir()
    assert read_parts([tmp_path / "empty"], ["one"]) == ()
    with pytest.raises(MergeError, match="nowhere has no"):
        read_parts([tmp_path / "nowhere"], ["one"])


def test_observations_of_a_stranger_are_refused(one: Path) -> None:
    """Cells of an interpreter that the matrix does not know are not dropped in silence."""
    path = one / "observations.jsonl"
    path.write_text(path.read_text().replace('"interpreter": "py"', '"interpreter": "stranger"', 1))
    with pytest.raises(MergeError, match="has observations of stranger, which its"):
        read_parts([one])


@pytest.mark.parametrize("name", ["matrix.json", "observations.jsonl"])
@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=list(RUBBISH))
def test_a_damaged_report_ends_in_a_sentence(one: Path, name: str, rubbish: str) -> None:
    """Wherever a file is cut, and whatever is put there, there are parts to merge, or there is a sentence."""
    path = one / name
    text, dice = path.read_text(), random.Random(f"{name} {rubbish[:9]}")  # noqa: S311  dice
    # A few of each: the table of faults tries a hundred.
    for _ in range(3):
        path.write_text(damaged(text, rubbish, dice))
        with contextlib.suppress(FloorError):
            merge(read_parts([one]), [], OWN)


def test_a_matrix_that_its_observations_deny_is_refused(one: Path) -> None:
    """Whoever edits the cells of one machine is found out before its report becomes part of many."""
    path = one / "matrix.json"
    document = json.loads(path.read_text())
    changed = next(cell for cell in document["cells"] if cell["negotiated"])
    changed.update(outcome="not offered", negotiated=None, below_floor=False)
    path.write_text(json.dumps(document))
    with pytest.raises(MergeError, match=r"cannot be believed, as .* and its observations make it"):
        read_parts([one])


def test_a_folder_that_lost_its_observations_is_refused(one: Path) -> None:
    """A matrix without the observations that it rests on is no report."""
    (one / "observations.jsonl").unlink()
    with pytest.raises(RecordError, match="cannot be read"):
        read_parts([one])


def test_a_machine_that_fell_silent_is_a_change(tmp_path: Path, one: Path, other: Path) -> None:
    """Between two nights, a machine that no longer reports is worse for that reason alone."""
    _merge(tmp_path / "before", one, other, expect=["one", "other"])
    _merge(tmp_path / "after", one, expect=["one", "other"])
    older, newer = (read_json(tmp_path / night / "matrix.json") for night in ("before", "after"))
    comparison = compare(older, newer)
    (change,) = comparison.changes
    assert (change.host, change.interpreter, str(change.kind)) == ("other", "py", "worse")
    assert [cause.text for cause in change.causes] == [DID_NOT_REPORT]
    assert (comparison.between, comparison.same) == ((), 1)


def test_a_hostile_host_is_harmless(tmp_path: Path) -> None:
    """A machine's name of markup, formula, newline and escape sequence is only text in every format."""
    machine = _machine(tmp_path / "hostile", HOSTILE, _measured("py", LOOSE, CATALOGUE))
    target = tmp_path / "merged"
    merged = _merge(target, machine, expect=[HOSTILE, f"not {HOSTILE}"])
    assert [row["host"] for row in _table(target)] == [for_csv(HOSTILE), for_csv(f"not {HOSTILE}")]
    for name in ("matrix.md", "matrix.html", "junit.xml"):
        text = (target / name).read_text()
        assert "<b>\x1b" not in text
        assert "\x1b" not in text
    markdown = (target / "matrix.md").read_text()
    assert r"=a\|b\\n&lt;b&gt;\\x1b\[1m\`\*\_c" in markdown
    assert all("=a|b" not in line for line in markdown.splitlines())
    out = io.StringIO()
    show(merged, out, 0, colour=False)
    assert f"py on {visible(HOSTILE)}" in out.getvalue()
    assert "\x1b" not in out.getvalue()
