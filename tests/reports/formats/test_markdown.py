"""The Markdown report: the answer first, every row and control in it, and no foreign text as markup."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from interpreters.end_of_life import read_ends
from interpreters.interpreter import RUNNING, RunningProcess
from reports.formats.answer import HOLDERS
from reports.formats.markdown import MOST_PATTERNS, build_markdown, reasons
from reports.verdicts.cells import CellKind, CellResult
from reports.verdicts.judge import HeldBy, PageCheck, Verdict
from reports.verdicts.matrix import Matrix, sharing
from reports.verdicts.scope import in_full
from servers.catalogue import Catalogue, Role
from servers.conditions import Condition
from tests.support.builders import (
    FLOORS,
    SMALL,
    TLS1_0,
    TLS1_1,
    TLS1_2,
    TLS1_3,
    a_catalogue,
    a_narrow_scope,
    a_policy,
    a_program,
    a_row,
    a_run,
    a_server,
    an_environment,
    an_interpreter,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Run
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
    run = replace(run, asked=replace(run.asked, floor=floor))
    return build_markdown(Matrix(run, (), tuple(rows), catalogue))


def _section(report: str, title: str) -> str:
    return report.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0].strip()


def _cells(line: str) -> list[str]:
    """Take a table line apart at the pipes that are not escaped."""
    return [cell.strip() for cell in line.replace("\\\\", "").replace("\\|", "").split("|")[1:-1]]


def test_it_opens_with_the_answer() -> None:
    """The first paragraph counts and names the interpreters; what the page would say is further down."""
    report = _report()
    title, opening, *_ = report.split("\n\n")
    assert title == "# TLS floor matrix: TLS 1.2 on a-host"
    assert opening.startswith("1 of 3 interpreters negotiates TLS 1.0 (below the TLS 1.2 minimum): one.")
    assert "page" not in opening
    assert "1 of the 1 interpreter below TLS 1.2 safe: one." in _section(report, "The AWS page's own check")
    assert "three" in opening
    assert "two" in opening


@pytest.mark.parametrize("floor", FLOORS)
def test_nothing_else_is_taken_for_the_floor(floor: Protocol) -> None:
    """Title, answer and advice follow the floor, whichever it is."""
    report = _report(floor=floor)
    assert report.startswith(f"# TLS floor matrix: {floor.prose} on ")
    steps = _section(report, "What to do")
    assert f"it holds {floor.prose}" in steps
    assert all((other.prose in steps) is (other is floor) for other in FLOORS)


def _lines(report: str, title: str) -> list[list[str]]:
    """Return the cells of a section's table, its head first."""
    head, _, *lines = (line for line in _section(report, title).splitlines() if line.startswith("|"))
    return [_cells(line) for line in (head, *lines)]


def test_the_verdicts_have_a_line_for_the_clients_that_came_out_alike() -> None:
    """The worst interpreter comes first, and clients of one verdict, version and holder share its line."""
    assert _lines(_report(), "Verdicts") == [
        ["interpreter", "Python", "verdict", "lowest", "held by", "clients"],
        ["one", "3.9.18", "downgraded", "TLSv1", "", "ssl 1.26.20, botocore 1.26.20"],
        ["three", "3.9.18", "inconclusive", "", "", "ssl 1.26.20"],
        ["two", "3.9.18", "enforced", "TLSv1.2", "code", "ssl 1.26.20"],
    ]


def test_the_words_of_the_table_are_explained() -> None:
    """Below the verdicts each verdict and holder that occurs is explained once, and no other."""
    legend = _section(_report(), "Verdicts").split("\n\n")[1]
    assert legend == (
        "*downgraded*: connected below TLS 1.2; *inconclusive*: no clear answer: not safe; *enforced*: holds"
        " TLS 1.2. Held by *code*: Python's or the client's own minimum."
    )
    assert set(HOLDERS) == set(HeldBy) - {HeldBy.UNKNOWN}


def test_clients_that_came_out_differently_have_lines_of_their_own() -> None:
    """Verdict, lowest version, holder and condition each part the clients of one interpreter."""
    rows = [
        a_row(Verdict.DOWNGRADED, "one", "a", lowest=TLS1_0),
        a_row(Verdict.DOWNGRADED, "one", "b", lowest=TLS1_1),
        a_row(Verdict.ENFORCED, "one", "c", holder=HeldBy.CODE),
        a_row(Verdict.ENFORCED, "one", "d", holder=HeldBy.BUILD),
        a_row(Verdict.ENFORCED, "one", "e", holder=HeldBy.BUILD, condition=Condition.HARDENED),
    ]
    head, *lines = _lines(_report(rows), "Verdicts")
    assert "condition" in head
    assert [line[-1].split()[0] for line in lines] == ["a", "b", "c", "d", "e"]


def test_every_interpreter_is_told_with_its_path_and_library() -> None:
    """Where it is and what does its TLS is there for each, the worst first."""
    head, *lines = _lines(_report(), "Interpreters")
    assert head == ["interpreter", "Python", "end of life", "TLS library", "path"]
    assert [line[0] for line in lines] == ["one", "three", "two"]
    assert all(line[4] == f"/made/up/{line[0]}/bin/python" for line in lines)


def _found(*rows: Row) -> list[Row]:
    """Return an interpreter's row, and rows of environments."""
    return [a_row(Verdict.ENFORCED, "system_3_11"), *rows]


def test_environments_have_a_table_of_their_own_with_a_column_for_each_client_there() -> None:
    """Each cell has a verdict and a version, and a client that none of them has makes no column."""
    shop, other = an_environment("/srv/shop"), an_environment("/srv/other")
    report = _report(
        _found(
            a_row(Verdict.DOWNGRADED, interpreter=shop, client="botocore"),
            a_row(Verdict.DOWNGRADED, interpreter=shop, client="urllib3"),
            a_row(Verdict.ENFORCED, interpreter=other, client="httpx"),
        )
    )
    assert "shop" not in _section(report, "Verdicts").split("\n\n", maxsplit=1)[0]
    table = [_cells(line) for line in _section(report, "Environments as found").split("\n\n")[0].split("\n")]
    low = "downgraded TLSv1 (1.26.20)"
    assert table[0] == ["environment", "verdict", "Python", "botocore", "urllib3", "httpx"]
    assert table[2:] == [
        ["/srv/shop", "downgraded", "3.11.2", low, low, ""],
        ["/srv/other", "enforced", "3.11.2", "", "", "enforced (1.26.20)"],
    ]


def test_environments_that_came_out_alike_share_a_line_and_each_is_listed_folded() -> None:
    """However many there are, one line says how they came out, and a folded list has each with its path."""
    every = [an_environment(f"/srv/app{number}") for number in range(200)]
    report = _report(_found(*(a_row(interpreter=each, client="urllib3") for each in every)))
    table, fold, listed, end = _section(report, "Environments as found").split("\n\n")
    assert len(table.split("\n")) == 3
    assert _cells(table.split("\n")[2])[0] == "200: /srv/app0, /srv/app1 and 198 more"
    assert (fold, end) == ("<details><summary>All 200</summary>", "</details>")
    assert [_cells(line)[1] for line in listed.split("\n")[2:]] == [each.environment for each in every]
    assert _cells(listed.split("\n")[2])[2:4] == ["venv", "system_3_11"]


def test_an_environment_that_could_not_be_measured_has_its_verdict_and_no_column() -> None:
    """A row for all clients makes no column of its own: the verdict says it."""
    broken = an_environment("/srv/broken", unavailable="it hangs")
    report = _report(_found(a_row(Verdict.UNTESTABLE, interpreter=broken, client="all")))
    lines = _section(report, "Environments as found").split("\n")
    assert [_cells(line) for line in lines[:1] + lines[2:3]] == [
        ["environment", "verdict"],
        ["/srv/broken", "untestable"],
    ]


def test_running_processes_have_a_table_of_their_own() -> None:
    """A process stands apart from the environment that it runs in."""
    shop = an_environment("/srv/shop")
    process = replace(shop, id="running_shop", source="running")
    report = _report(_found(a_row(interpreter=shop), a_row(Verdict.DOWNGRADED, interpreter=process)))
    assert "running" not in _section(report, "Environments as found")
    assert "| running_shop in /srv/shop | downgraded |" in _section(report, "Running processes")
    assert "## Running processes" not in _report(_found(a_row(interpreter=shop)))


def test_a_running_process_is_named_with_what_it_has_in_use() -> None:
    """The list of processes says which they are, whose, since when, and what is to be restarted."""
    process = RunningProcess(
        12, "web", "2026-01-01T00:00:00+00:00", "gunicorn", {}, ("/lib/libssl.so.3",), ("/lib/libssl.so.3",)
    )
    shop = replace(an_environment("/srv/shop"), id="running_shop", source=RUNNING, processes=(process,))
    section = _section(_report(_found(a_row(interpreter=shop))), "Running processes")
    head, _, line = map(_cells, section.split("\n\n")[1].split("\n"))
    facts = dict(zip(head, line, strict=True))
    assert facts["what runs"] == "process 12 (gunicorn) of web, since 2026-01-01 00:00 UTC"
    assert facts["TLS libraries in use"] == "/lib/libssl.so.3"
    assert facts["to restart"].startswith("process 12 (gunicorn) still uses the old /lib/libssl.so.3,")
    assert "variables" not in facts


def test_a_reason_that_many_environments_share_names_a_few_and_counts_the_others() -> None:
    """Two hundred paths in one sentence help nobody."""
    rows = [
        a_row(Verdict.DOWNGRADED, interpreter=an_environment(f"/srv/app{n}"), client="urllib3")
        for n in range(200)
    ]
    for title in ("Why", "What to do"):
        section = _section(_report(_found(*rows)), title)
        assert "/srv/app5" in section
        assert "/srv/app6" not in section
        assert "and 194 more" in section
        assert "env_srv_app" not in section


def test_a_release_past_its_end_is_marked() -> None:
    """Since when a release is not maintained is said as of the day of the run, and nothing of others."""
    rows = [
        a_row(name=name, interpreter=an_interpreter(name, version))
        for name, version in (("old", "3.9.18"), ("new", "3.13.0"), ("ending", "3.10.0"))
    ]
    run = replace(a_run(CATALOGUE), ended="2026-10-31T12:00:00+00:00")
    marks = {line[0]: line[2] for line in _lines(_report(rows, run), "Interpreters")[1:]}
    assert marks == {"old": f"since {read_ends()['3.9']}", "new": "", "ending": ""}
    later = replace(run, ended="2026-11-02T12:00:00+00:00")
    assert {line[0]: line[2] for line in _lines(_report(rows, later), "Interpreters")[1:]}["ending"]


def test_interpreters_with_the_same_to_do_share_an_entry() -> None:
    """One command tries remedies on all of them, and each is named; another verdict has its own entry."""
    rows = [
        a_row(Verdict.DOWNGRADED, "one"),
        a_row(Verdict.FRAGILE, "two"),
        a_row(Verdict.DOWNGRADED, "three"),
        a_row(Verdict.DOWNGRADED, "four", "boto3"),
    ]
    steps = _section(_report(rows), "What to do")
    assert "- **one, three**: downgraded." in steps
    assert "`nox -s remedy -- --only one --only three`" in steps
    assert "`nox -s remedy -- --only two`" in steps
    assert "`nox -s remedy -- --only four --clients boto3`" in steps


def _findings(kind: CellKind) -> dict[str, CellResult]:
    return {server.id: CellResult(server, kind) for server in SMALL}


def test_every_cell_is_in_the_appendix() -> None:
    """Rows that came out alike share a column, whose number names them, and each server has a line."""
    blocked, held = _findings(CellKind.BLOCKED), _findings(CellKind.NOT_OFFERED)
    rows = [
        a_row(Verdict.ENFORCED, "one", "ssl", findings=held),
        a_row(Verdict.FRAGILE, "two", "ssl", findings=blocked),
        a_row(Verdict.ENFORCED, "three", "ssl", findings=held),
    ]
    report = _report(rows)
    head, *lines = _lines(report, "Appendix: every cell")
    assert head == ["server", "1", "2"]
    assert lines == [[server.id, "blocked", "not offered"] for server in SMALL]
    assert "- 1: two (ssl)\n- 2: one, three (ssl)" in _section(report, "Appendix: every cell")


def test_the_appendix_stays_narrow() -> None:
    """However many patterns there are, no table of the appendix is wide, and none is lost."""
    kinds = [CellKind.INCONCLUSIVE, CellKind.BLOCKED]
    rows = []
    for number in range(MOST_PATTERNS + 2):
        cells = {s.id: CellResult(s, kinds[number >> place & 1]) for place, s in enumerate(SMALL)}
        rows.append(a_row(Verdict.DOWNGRADED, f"py{number}", findings=cells))
    tables = [t for t in _section(_report(rows), "Appendix: every cell").split("\n\n") if t[0] == "|"]
    heads = [_cells(table.splitlines()[0])[1:] for table in tables]
    assert [len(head) for head in heads] == [MOST_PATTERNS, 2]
    assert [int(name) for head in heads for name in head] == list(range(1, MOST_PATTERNS + 3))


def test_a_program_has_no_version_of_python() -> None:
    """The table shows a program's version as its client's, and leaves the column for Python empty."""
    rows = [a_row(Verdict.DOWNGRADED), a_row(client="tool", interpreter=a_program())]
    assert _lines(_report(rows), "Verdicts")[2][:2] == ["program_tool", ""]
    assert _lines(_report(rows), "Verdicts")[2][-1] == "tool 1.26.20"


def test_a_reason_is_said_once_for_those_who_share_it() -> None:
    """Interpreters and clients with one reason share a line, the worst first, and no reason is left out."""
    alike = a_row(Verdict.DOWNGRADED, "four", "ssl", reason=ROWS[0].judgement.reason)
    why = _section(_report([*ROWS, alike]), "Why").replace("\\_", "_").splitlines()
    assert why == [
        "- **downgraded**: one (ssl, botocore); four (ssl). Connected at TLSv1 to only_1_0.",
        "- **inconclusive**: three (ssl). No connection passed the tap.",
        "- **enforced**: two (ssl). Never went below.",
    ]


def test_there_is_something_to_do_for_each_that_does_not_hold() -> None:
    """Each interpreter is named once: with its steps, or among those that need nothing."""
    steps = _section(_report(), "What to do")
    assert "- **one** (/made/up/one/bin/python): downgraded." in steps
    assert "- **three** (/made/up/three/bin/python): inconclusive." in steps
    assert "- Nothing for two: it holds TLS 1.2." in steps


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


def test_what_narrows_a_run_opens_and_its_whole_scope_is_a_section() -> None:
    """A partial run under a variable says so beside the answer, and all that it left out in a section."""
    report = _report(run=replace(a_run(CATALOGUE), scope=a_narrow_scope()))
    opening = report.split("\n\n")[1].replace("\\", "")
    assert "This run is partial: --only pyenv_* left out 1 interpreter." in opening
    assert "Measured under OPENSSL_CONF=/made/up/floor.cnf: what runs without that is not covered." in opening
    lines = _section(report, "Scope").replace("\\", "").splitlines()
    assert lines == [
        f"- {sentence}" for sentence in in_full([replace(a_run(CATALOGUE), scope=a_narrow_scope())])
    ]
    assert "partial" not in _report().split("\n\n")[1]
    assert report.split("\n\n")[2].replace("\\", "").startswith("Run 20261124T020000Z-abcd on a-host")


def test_the_policy_in_force_is_a_section() -> None:
    """What the gate will ask, each waiver included, stands in the report; without a file that is said."""
    matrix = Matrix(a_run(CATALOGUE), (), ROWS, CATALOGUE)
    said = _section(build_markdown(matrix, policy=a_policy()), "Policy").replace("\\", "")
    assert "In force is policy.toml: a run may be partial, at most 30 days old" in said
    assert "Waived until 2027-03-31: pyenv_2_7_*/*: it goes in spring." in said
    assert "&lt;it&gt; is = hardx1b" in said
    assert _section(_report(), "Policy").startswith(
        "- In force is no policy file, so the default: a run must be"
    )


def test_it_does_not_claim_more_than_was_measured() -> None:
    """The scope says that AWS itself was not measured."""
    scope = " ".join(_report().split())
    assert "It does not say that AWS was ever talked to that way" in scope


def test_attacks_are_told_only_if_they_were_met() -> None:
    """Each server that tampers says what it does, by which source, and how each client answered."""
    assert "## Attacks" not in _report()
    attack = a_server("tampers", TLS1_1, role=Role.ATTACK, script="sentinel", expect="illegal_parameter")
    catalogue = a_catalogue(*SMALL, attack)
    results = (
        CellResult(attack, CellKind.HELD, None, "client: illegal_parameter"),
        CellResult(attack, CellKind.FOOLED, TLS1_1, "it went"),
    )
    rows = [
        a_row(Verdict.ENFORCED, name, findings={"tampers": result})
        for name, result in zip(("one", "two"), results, strict=True)
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
    for title, count in (("Verdicts", 3), ("Interpreters", 3), ("Appendix: every cell", 2 + len(SMALL))):
        lines = [line for line in _section(report, title).splitlines() if line.startswith("|")]
        assert len(lines) == count
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
    head, *lines = _lines(_report(rows), "Verdicts")
    assert {line[0]: line[head.index("lowest")] for line in lines} == {
        "one": "TLSv1",
        "three": "",
        "two": "TLSv1.3",
    }


def test_who_shares_a_measurement_is_said_once_and_no_reason_twice() -> None:
    """A reason stands once for all that are the same, and whose measurement that is stands apart."""
    first = an_environment("/srv/app0")
    others = [replace(an_environment(f"/srv/app{n}"), shared_with=first.id) for n in (1, 2)]
    rows = [
        a_row(Verdict.DOWNGRADED, interpreter=one, client=client, reason=f"it went below{sharing(one)}")
        for one in (first, *others)
        for client in ("ssl", "urllib3")
    ]
    why = reasons(rows).splitlines()
    assert [line.count("It went below") for line in why] == [1, 0]
    assert why[1].count("measurement of") == 1
    assert all(one.environment in why[1] for one in others)
