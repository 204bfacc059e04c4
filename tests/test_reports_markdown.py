"""The Markdown report: the answer first, every row and control in it, and no foreign text as markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from builders import (
    FLOORS,
    SMALL,
    TLS1_0,
    TLS1_1,
    TLS1_2,
    TLS1_3,
    a_catalogue,
    a_program,
    a_row,
    a_run,
    a_server,
    an_interpreter,
)

from reports.frame import build_frame
from reports.markdown import build_markdown
from reports.outcomes import Kind, Outcome
from reports.verdicts import Finding, HeldBy, PageCheck, Verdict
from servers.catalogue import Catalogue, Role
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.matrix import Row
    from reports.observations import Run
    from servers.protocols import Protocol

CATALOGUE = a_catalogue()
HOSTILE = "a|b\n`c` <script>alert(1)</script> **d** [e](f) \\"
ROWS = (
    a_row(Verdict.DOWNGRADED, "one", "ssl", page=PageCheck.PASS, reason="connected at TLSv1 to only_1_0"),
    a_row(
        Verdict.DOWNGRADED, "one", "botocore", page=PageCheck.PASS, reason="connected at TLSv1 to only_1_0"
    ),
    a_row(Verdict.ENFORCED, "two", "ssl", holder=HeldBy.CODE, reason="never went below"),
    a_row(Verdict.INCONCLUSIVE, "three", "ssl", reason="no connection passed the tap"),
)


def _report(
    rows: Sequence[Row] = ROWS,
    run: Run | None = None,
    catalogue: Catalogue = CATALOGUE,
    floor: Protocol = TLS1_2,
) -> str:
    run = run or a_run(catalogue)
    return build_markdown(build_frame(rows, run, catalogue, floor), rows, run, catalogue, floor)


def _section(report: str, title: str) -> str:
    return report.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0].strip()


def _cells(line: str) -> list[str]:
    """Take a table line apart at the pipes that are not escaped."""
    return [cell.strip() for cell in line.replace("\\\\", "").replace("\\|", "").split("|")[1:-1]]


def test_it_opens_with_the_answer() -> None:
    """The first paragraph counts, names the interpreters, and says how many the page would call safe."""
    title, opening, *_ = _report().split("\n\n")
    assert title == "# TLS floor matrix: TLSv1.2 on a-host"
    assert opening.startswith("1 of 3 interpreters")
    assert "TLSv1: one." in opening
    assert "1 of these 1 safe: one." in opening
    assert "three" in opening
    assert "two" in opening


@pytest.mark.parametrize("floor", FLOORS)
def test_nothing_else_is_taken_for_the_floor(floor: Protocol) -> None:
    """Title, answer and advice follow the floor, whichever it is."""
    report = _report(floor=floor)
    assert report.startswith(f"# TLS floor matrix: {floor} on ")
    steps = _section(report, "What to do")
    assert f"MinProtocol = {floor}" in steps
    assert all((str(other) in steps) is (other is floor) for other in FLOORS)


def test_every_row_has_its_line_in_both_tables() -> None:
    """Verdicts and cells are tables with one line a row, in the rows' order."""
    report = _report()
    for title, columns in (("Verdicts", 9), ("Every cell", 3 + len(SMALL))):
        header, rule, *lines = (line for line in _section(report, title).splitlines() if line.startswith("|"))
        assert len(_cells(header)) == len(_cells(rule)) == columns
        assert [_cells(line)[0] for line in lines] == [row.interpreter.id for row in ROWS]
    verdicts = _section(report, "Verdicts").splitlines()
    assert _cells(verdicts[2]) == [
        *("one", "3.9.18", "ssl", "1.26.20", "ambient", "downgraded", "TLSv1", "", "pass"),
    ]


def test_a_program_has_no_version_of_python() -> None:
    """The table shows a program's version as its client's, and leaves the column for Python empty."""
    row = a_row(client="tool", interpreter=a_program())
    run, catalogue = a_run(a_catalogue()), a_catalogue()
    report = build_markdown(build_frame([row], run, catalogue, TLS1_2), [row], run, catalogue, TLS1_2)
    line = _section(report, "Verdicts").splitlines()[2]
    assert _cells(line)[:4] == ["program_tool", "", "tool", "1.26.20"]


def test_a_reason_is_said_once_for_those_who_share_it() -> None:
    """Clients of one interpreter with one reason share a line, and every row's reason is there."""
    why = _section(_report(), "Why").splitlines()
    assert len(why) == 3
    assert "ssl, botocore: **downgraded**. connected at TLSv1 to only_1_0." in why[0].replace("\\_", "_")
    assert [line.split("**")[1] for line in why] == ["one", "two", "three"]


def test_there_is_something_to_do_for_each_that_does_not_hold() -> None:
    """Each interpreter is named once: with its steps, or among those that need nothing."""
    steps = _section(_report(), "What to do")
    assert "- **one** (/made/up/one/bin/python): downgraded." in steps
    assert "- **three** (/made/up/three/bin/python): inconclusive." in steps
    assert "- Nothing for two: it holds TLSv1.2." in steps


def test_another_condition_alone_leaves_nothing_to_advise() -> None:
    """Advice is about the machine's own configuration; without it the report says so."""
    report = _report([a_row(Verdict.DOWNGRADED, condition=Condition.HARDENED)])
    assert _section(report, "What to do") == "Nothing was measured under the machine's own configuration."
    assert "under the hardened configuration" in report.split("\n\n")[1]


def test_a_run_without_interpreters_still_has_a_report() -> None:
    """Nothing measured is said in the opening, and the provenance is there."""
    report = _report([])
    assert "nothing is known" in report.split("\n\n")[1]
    assert "## Provenance" in report


def test_the_provenance_names_every_instrument_and_control() -> None:
    """Tool, engine, catalogue and times are there, and each server's control, passed or failed."""
    run = a_run(CATALOGUE, failing=["only_1_0", "page_second"])
    provenance = _section(_report(run=run), "Provenance")
    for fact in (run.run_id, run.started, run.ended, run.tool, run.engine, run.catalogue):
        assert fact in provenance.replace("\\", "")
    lines = {line.split(":")[0].strip(" -"): line for line in provenance.splitlines()}
    for server in CATALOGUE.servers:
        assert ("FAILED" in lines[server.id]) is (server.id in ("only_1_0", "page_second"))
        assert ("no verdict rests" in lines[server.id]) is (server.role is Role.PAGE)


def test_it_does_not_claim_more_than_was_measured() -> None:
    """The scope says that AWS itself was not measured."""
    scope = " ".join(_report().split())
    assert "It does not say that AWS was ever talked to that way" in scope


def test_attacks_are_told_only_if_they_were_met() -> None:
    """Each server that tampers says what it does, by which source, and how each client answered."""
    assert "## Attacks" not in _report()
    attack = a_server("tampers", TLS1_1, role=Role.ATTACK, script="sentinel", expect="illegal_parameter")
    catalogue = a_catalogue(*SMALL, attack)
    outcomes = Outcome(Kind.HELD, None, "client: illegal_parameter"), Outcome(Kind.FOOLED, TLS1_1, "it went")
    rows = [
        a_row(Verdict.ENFORCED, name, findings={"tampers": Finding(attack, outcome)})
        for name, outcome in zip(("one", "two"), outcomes, strict=True)
    ]
    told = _section(_report(rows, catalogue=catalogue), "Attacks on the negotiation")
    assert "**tampers** (RFC 8446): a test needs it" in told
    assert "**held**: client: illegal\\_parameter: one/ssl" in told.replace("illegal_", "illegal\\_")
    assert "**fooled**: it went: two/ssl" in told
    alike = _section(_report(rows[:1], catalogue=catalogue), "Attacks on the negotiation")
    assert "all of them" in alike


def test_text_from_elsewhere_is_no_markup_in_the_tables() -> None:
    """A hostile version, reason, host or engine changes no table and brings in no HTML."""
    odd = a_row(Verdict.ENFORCED, interpreter=an_interpreter(version="3.9|`<b>\n"), reason=HOSTILE)
    report = _report([odd])
    for title in ("Verdicts", "Every cell"):
        lines = [line for line in _section(report, title).splitlines() if line.startswith("|")]
        assert len(lines) == 3
        assert len({len(_cells(line)) for line in lines}) == 1
    assert "<script>" not in report
    assert "<b>" not in report
    assert len(_section(report, "Why").splitlines()) == 1


def test_text_from_elsewhere_is_no_markup_in_the_advice() -> None:
    """A reason that repeats what a broken interpreter printed stays text where it says what to do."""
    steps = _section(_report([a_row(Verdict.UNTESTABLE, reason=HOSTILE)]), "What to do")
    assert "<script>" not in steps
    assert len(steps.splitlines()) == 2


def test_the_hosts_name_is_no_markup_in_the_title() -> None:
    """A host that is named like markup is written out in the title."""
    assert "<script>" not in _report(run=a_run(CATALOGUE, host="<script>")).splitlines()[0]


def test_the_lowest_version_of_each_row_is_shown() -> None:
    """The column of the lowest version has each row's own, and is empty where nothing connected."""
    rows = [
        a_row(Verdict.DOWNGRADED, "one", lowest=TLS1_0),
        a_row(Verdict.ENFORCED, "two", lowest=TLS1_3),
        a_row(Verdict.INCONCLUSIVE, "three"),
    ]
    lines = _section(_report(rows), "Verdicts").splitlines()[2:]
    assert [_cells(line)[6] for line in lines] == ["TLSv1", "TLSv1.3", ""]
