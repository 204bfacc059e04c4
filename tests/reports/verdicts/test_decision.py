"""The decision: what passes is enforced or excused, and nothing that is unknown or worse is let through."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.verdicts.decision import Disposition, GateOutcome, GateReport, GateRow, decide, interpreter_lines
from reports.verdicts.judge import Verdict
from reports.verdicts.policy import CHOICES, Policy, Waiver
from reports.verdicts.stand_ins import MISSING
from tests.support.builders import NOW, TLS1_0, TLS1_1, TLS1_2, a_part

if TYPE_CHECKING:
    from servers.protocols import Protocol

TODAY = NOW.date()
HOSTS, INTERPRETERS, NAMES, SOURCES = ("one", "two"), ("a", "b"), ("ssl", "botocore", "all"), ("pyenv", "opt")
UNKNOWN = (Verdict.INCONCLUSIVE, Verdict.UNTESTABLE, MISSING)

LINES = st.builds(
    GateRow,
    st.sampled_from(HOSTS),
    st.sampled_from(INTERPRETERS),
    st.sampled_from(NAMES),
    st.sampled_from(SOURCES),
    st.sampled_from((*Verdict, MISSING)),
    st.sampled_from((None, TLS1_0, TLS1_1, TLS1_2)),
)
REPORTS = st.builds(
    GateReport,
    st.just(TLS1_2),
    st.just((a_part("now"),)),
    st.lists(LINES, max_size=6, unique_by=lambda one: (one.host, one.interpreter, one.client)).map(tuple),
)
WAIVERS = st.builds(
    Waiver,
    st.sampled_from(("a", "b", "*", "c")),
    st.just("so it is"),
    st.dates(TODAY - dt.timedelta(2), TODAY + dt.timedelta(2)),
    st.sampled_from(("ssl", "*")),
    st.sampled_from(("one", "*")),
)
POLICIES = st.builds(
    Policy,
    clients=st.sampled_from(((), ("ssl",), ("ssl", "botocore"))),
    sources=st.sampled_from(((), ("pyenv",))),
    fails=st.sets(st.sampled_from(CHOICES)).map(lambda some: tuple(v for v in CHOICES if v in some)),
    new_only=st.just("earlier"),
    waivers=st.lists(WAIVERS, max_size=2).map(tuple),
    file=st.just("policy.toml"),
)
BASELINES = st.none() | REPORTS.map(lambda report: replace(report, parts=(a_part("earlier"),)))


@given(REPORTS, POLICIES, BASELINES)
def test_each_row_has_one_fate_and_the_kind_follows_from_them(
    report: GateReport, policy: Policy, baseline: GateReport | None
) -> None:
    """Every row is judged once, and findings outweigh what is inconclusive, which outweighs a pass."""
    decision = decide(report, policy, NOW, baseline)
    assert [result.row for result in decision.results][: len(report.rows)] == list(report.rows)
    assert {result.row.verdict for result in decision.results[len(report.rows) :]} <= {MISSING}
    failing = {result.row.verdict for result in decision.results if result.disposition is Disposition.FAILS}
    counted = {
        result.row.verdict for result in decision.results if result.disposition is not Disposition.NOT_COUNTED
    }
    if failing & {Verdict.DOWNGRADED, Verdict.FRAGILE}:
        expected = GateOutcome.FINDINGS
    elif failing or counted <= set(UNKNOWN):
        expected = GateOutcome.INCONCLUSIVE
    else:
        expected = GateOutcome.PASSED
    assert decision.kind is expected
    assert decision.passed is (expected is GateOutcome.PASSED)


@given(REPORTS, POLICIES, BASELINES)
def test_what_passes_is_enforced_or_excused(
    report: GateReport, policy: Policy, baseline: GateReport | None
) -> None:
    """A row that is not enforced passes only by choice, by a waiver that has not expired, or as known."""
    for result in decide(report, policy, NOW, baseline).results:
        row = result.row
        covering = [one for one in policy.waivers if one.covers(row.host, row.interpreter, row.client)]
        if result.disposition is Disposition.PASSES:
            assert row.verdict == Verdict.ENFORCED or not policy.fails_on(row.verdict)
        if result.disposition is Disposition.WAIVED:
            assert any(one.expires >= TODAY for one in covering)
        if result.disposition is Disposition.KNOWN:
            assert baseline
            assert not covering
            assert row.verdict != Verdict.ENFORCED
        if result.disposition is Disposition.NOT_COUNTED:
            assert row.source not in (policy.sources or SOURCES) or row.client not in (
                *policy.clients,
                "all",
            )


@given(REPORTS)
def test_without_a_policy_only_what_is_enforced_throughout_passes(report: GateReport) -> None:
    """Under the default policy a matrix passes if each of its rows is enforced and it has any."""
    enforced = {line.verdict for line in report.rows} == {Verdict.ENFORCED}
    assert decide(report, Policy(), NOW).passed is enforced


@given(REPORTS, POLICIES, BASELINES, st.sampled_from(HOSTS))
def test_one_more_downgraded_row_never_passes(
    report: GateReport, policy: Policy, baseline: GateReport | None, host: str
) -> None:
    """A downgraded row that counts, and that nobody waived or knows, is a finding beside any others."""
    client = (policy.clients or NAMES)[0]
    bad = GateRow(host, "new", client, (policy.sources or SOURCES)[0], Verdict.DOWNGRADED, TLS1_0)
    waivers = tuple(one for one in policy.waivers if one.interpreter != "*")
    more = replace(report, rows=(*report.rows, bad))
    decision = decide(more, replace(policy, waivers=waivers), NOW, baseline)
    assert decision.kind is GateOutcome.FINDINGS
    assert "new/" in decision.message


def test_a_program_lacks_no_client() -> None:
    """Clients that have to be measured are missing where an interpreter was not asked, not in a program."""
    lines = tuple(
        GateRow("one", name, client, source, Verdict.ENFORCED, TLS1_2)
        for name, client, source in (("a", "ssl", "pyenv"), ("program_tool", "tool", "program"))
    )
    decision = decide(GateReport(TLS1_2, (a_part("now"),), lines), Policy(clients=("ssl", "botocore")), NOW)
    missing = [result.row for result in decision.results if result.row.verdict == MISSING]
    assert [(line.interpreter, line.client) for line in missing] == [("a", "botocore")]


PROGRAMS = Policy(clients=("ssl", "tool"), programs=("tool",), file="policy.toml")


def _held(*rows: tuple[str, str, str, str]) -> GateReport:
    """Return a matrix in which every host, interpreter, client and source holds the floor."""
    return GateReport(
        TLS1_2, (a_part("now"),), tuple(GateRow(*row, Verdict.ENFORCED, TLS1_2) for row in rows)
    )


def test_a_program_that_counts_is_missing_once_a_machine() -> None:
    """A program of the policy has to be measured on each machine that reported, in no interpreter."""
    report = _held(
        ("one", "a", "ssl", "pyenv"),
        ("one", "program_tool", "tool", "program"),
        ("two", "a", "ssl", "pyenv"),
        ("two", "b", "ssl", "pyenv"),
    )
    silent = GateRow("three", MISSING, "all", "", MISSING, silent=True)
    decision = decide(replace(report, rows=(*report.rows, silent)), PROGRAMS, NOW)
    assert decision.message == "2 missing: machine three, program_tool/tool on two"


def test_a_program_that_does_not_hold_is_a_finding() -> None:
    """A program that the policy names fails like any client, and one that it does not name is no matter."""
    lines = (*_held(("one", "a", "ssl", "pyenv")).rows,)
    bad = tuple(
        GateRow("one", f"program_{name}", name, "program", Verdict.DOWNGRADED, TLS1_0)
        for name in ("tool", "saw")
    )
    decision = decide(GateReport(TLS1_2, (a_part("now"),), lines + bad), PROGRAMS, NOW)
    assert decision.message == "1 downgraded: program_tool/tool"
    assert "client saw does not count: program_saw/saw" in decision.notices


def test_where_only_programs_count_no_interpreter_has_to_be_measured() -> None:
    """Neither a missing client nor an interpreter without an environment fails a policy of programs alone."""
    policy = Policy(clients=("tool",), programs=("tool",))
    report = _held(("one", "a", "ssl", "pyenv"), ("one", "program_tool", "tool", "program"))
    broken = GateRow("one", "broken", "all", "pyenv", Verdict.UNTESTABLE)
    decision = decide(replace(report, rows=(*report.rows, broken)), policy, NOW)
    assert decision.message == "all 1 rows hold TLSv1.2"


@pytest.mark.parametrize(
    ("days", "fate"),
    [(-400, Disposition.FAILS), (-1, Disposition.FAILS), (0, Disposition.WAIVED), (1, Disposition.WAIVED)],
)
def test_a_waiver_counts_up_to_its_last_day(days: int, fate: Disposition) -> None:
    """A waiver counts on the day that it names, and on no later one."""
    waiver = Waiver("a", "so it is", TODAY + dt.timedelta(days))
    report = GateReport(
        TLS1_2, (a_part("now"),), (GateRow("one", "a", "ssl", "pyenv", Verdict.DOWNGRADED, TLS1_0),)
    )
    (result,) = decide(report, Policy(waivers=(waiver,), file="policy.toml"), NOW).results
    assert result.disposition is fate
    assert str(waiver.expires) in result.why


@pytest.mark.parametrize(
    ("before", "now", "known"),
    [
        (TLS1_1, TLS1_1, True),
        (TLS1_0, TLS1_1, True),
        (TLS1_1, TLS1_0, False),
        (None, None, True),
        (TLS1_0, None, True),
        (None, TLS1_1, False),
    ],
)
def test_what_got_lower_is_new(before: Protocol | None, now: Protocol | None, *, known: bool) -> None:
    """A row is known if it came out the same before and got as low; nowhere is higher than anywhere."""
    old = GateRow("one", "a", "ssl", "pyenv", Verdict.DOWNGRADED, before)
    earlier = GateReport(TLS1_2, (a_part("old"),), (old,))
    report = GateReport(TLS1_2, (a_part("now"),), (replace(old, lowest=now),))
    (result,) = decide(report, Policy(new_only="old", file="policy.toml"), NOW, earlier).results
    assert (result.disposition is Disposition.KNOWN) is known


@pytest.mark.parametrize("verdict", [v for v in (*Verdict, MISSING) if v is not Verdict.DOWNGRADED])
def test_what_came_out_otherwise_is_new(verdict: str) -> None:
    """A downgraded row is new wherever it was anything else before, or was not there."""
    bad = GateRow("one", "a", "ssl", "pyenv", Verdict.DOWNGRADED, TLS1_0)
    policy = Policy(new_only="old", file="policy.toml")
    report = GateReport(TLS1_2, (a_part("now"),), (bad,))
    for lines in [(), (replace(bad, verdict=verdict),), (replace(bad, client="urllib3"),)]:
        assert (
            decide(report, policy, NOW, GateReport(TLS1_2, (a_part("old"),), lines)).kind
            is GateOutcome.FINDINGS
        )


def test_hosts_are_told_apart_only_where_there_are_several() -> None:
    """One machine may change its name between runs; among several, each has its own past."""
    bad = GateRow("one", "a", "ssl", "pyenv", Verdict.DOWNGRADED, TLS1_0)
    good = replace(bad, host="two", verdict=Verdict.ENFORCED, lowest=TLS1_2)
    policy = Policy(new_only="old", file="policy.toml")

    def fate(now: tuple[GateRow, ...], before: tuple[GateRow, ...]) -> Disposition:
        return (
            decide(
                GateReport(TLS1_2, (a_part("now"),), now),
                policy,
                NOW,
                GateReport(TLS1_2, (a_part("old"),), before),
            )
            .results[0]
            .disposition
        )

    assert fate((bad,), (replace(bad, host="renamed"),)) is Disposition.KNOWN
    assert fate((bad, good), (bad, good)) is Disposition.KNOWN
    assert fate((bad, good), (replace(bad, host="three"),)) is Disposition.FAILS
    assert fate((bad,), (replace(bad, host="two"), replace(good, host="one"))) is Disposition.FAILS


def test_exit_codes_are_those_that_are_promised() -> None:
    """Passed, findings, inconclusive and error are 0, 1, 2 and 3."""
    assert {kind: kind.exit_code for kind in GateOutcome} == {
        "passed": 0,
        "findings": 1,
        "inconclusive": 2,
        "error": 3,
    }


def _found(name: str, path: str, client: str = "urllib3", verdict: str = Verdict.DOWNGRADED) -> GateRow:
    """Return a row of an environment that was found."""
    lowest = TLS1_0 if verdict == Verdict.DOWNGRADED else TLS1_2
    return GateRow("one", name, client, "venv", verdict, lowest, environment=path)


def _of(*rows: GateRow) -> GateReport:
    return GateReport(TLS1_2, (a_part("now"),), rows)


GOOD = GateRow("one", "a", "ssl", "pyenv", Verdict.ENFORCED, TLS1_2)
SHOP = _found("env_shop", "/srv/shop/venv")


def test_every_environment_that_was_found_counts() -> None:
    """Without a policy, an application that goes below fails the gate, named by id and path."""
    decision = decide(_of(GOOD, SHOP), Policy(), NOW)
    assert decision.kind is GateOutcome.FINDINGS
    assert decision.message == "1 downgraded: env_shop (/srv/shop/venv): urllib3"


def test_a_policy_says_which_environments_count() -> None:
    """Those that its globs match by path or id count, the others are named, and interpreters count."""
    other = _found("env_other", "/opt/other")
    for glob in ("/opt/*", "env_other"):
        decision = decide(_of(GOOD, SHOP, other), Policy(environments=(glob,)), NOW)
        assert decision.message == "1 downgraded: env_other (/opt/other): urllib3"
        (note,) = decision.notices
        assert note == "only the environments that the policy names count: env_shop (/srv/shop/venv): urllib3"


def test_a_glob_that_matches_no_environment_passes_nothing() -> None:
    """A mistyped glob, or an application that is gone, is missing: nothing is known of it."""
    decision = decide(_of(GOOD, SHOP), Policy(environments=("/srv/shopp/*",)), NOW)
    assert decision.kind is GateOutcome.INCONCLUSIVE
    assert decision.message.startswith("1 missing: /srv/shopp/*")


def test_sources_are_interpreters() -> None:
    """They leave out no environment but an interpreter's own packages, which come with it."""
    site = replace(_found("site_system_3_11", "/usr"), source="system")
    decision = decide(_of(GOOD, SHOP, site), Policy(sources=("pyenv",)), NOW)
    assert [result.disposition for result in decision.results] == [
        Disposition.PASSES,
        Disposition.FAILS,
        Disposition.NOT_COUNTED,
    ]


def test_an_environment_lacks_no_client() -> None:
    """What a policy asks to be measured is missing in an interpreter, never where it is not installed."""
    report = _of(GOOD, _found("env_shop", "/srv/shop", "ssl", Verdict.ENFORCED))
    rows = decide(report, Policy(clients=("ssl", "botocore")), NOW).results
    assert [(r.row.interpreter, r.row.client) for r in rows if r.row.verdict == MISSING] == [
        ("a", "botocore")
    ]


def test_a_waiver_of_an_environment_excuses_that_alone() -> None:
    """The other environment fails, though the interpreter of the waiver is any."""
    waiver = Waiver("*", "it is moving", TODAY, environment="/srv/shop/*")
    decision = decide(_of(GOOD, SHOP, _found("env_b", "/opt/b")), Policy(waivers=(waiver,)), NOW)
    assert decision.message == "1 downgraded: env_b (/opt/b): urllib3"
    assert any("waived until" in notice and "/srv/shop/venv" in notice for notice in decision.notices)


def test_an_id_that_became_another_environments_is_not_known() -> None:
    """A baseline excuses what was there, not what has its id now."""
    policy = Policy(new_only="earlier", file="policy.toml")
    earlier = GateReport(TLS1_2, (a_part("earlier"),), (SHOP,))
    moved = replace(SHOP, environment="/srv/other/venv")
    assert decide(_of(GOOD, SHOP), policy, NOW, earlier).passed
    assert decide(_of(GOOD, moved), policy, NOW, earlier).kind is GateOutcome.FINDINGS


def test_of_many_environments_a_few_are_named() -> None:
    """The message and the lines before it stay readable, count all, and name each client once a place."""
    rows = [_found(f"env_{n}", f"/srv/{n}", client) for n in range(200) for client in ("urllib3", "botocore")]
    decision = decide(_of(GOOD, *rows), Policy(), NOW)
    assert decision.message.startswith("400 downgraded: env_0 (/srv/0): urllib3 and botocore, ")
    assert decision.message.endswith(", 194 more environments")
    assert interpreter_lines(decision.results) == [
        (
            "fails: 200 environments (env_0 (/srv/0), env_1 (/srv/1) and 198 more):"
            " urllib3 downgraded to TLSv1, botocore downgraded to TLSv1"
        ),
        "passes: a: ssl enforced",
    ]


def _own(*lines: tuple[str, str, str, str, str]) -> GateReport:
    """Return a report of rows of host, interpreter, client, source and verdict."""
    rows = tuple(GateRow(*line[:4], line[4], TLS1_2) for line in lines)
    return GateReport(TLS1_2, (a_part("now"),), rows)


OWN_SHOP = Policy(clients=("ssl", "shop"), own=("shop",), file="policy.toml")
"""A policy with a client that the tool does not know."""


@pytest.mark.parametrize(
    ("interpreter", "source"), [("program_shop", "program"), ("b", "pyenv")], ids=["command", "client"]
)
def test_a_client_of_the_users_counts(interpreter: str, source: str) -> None:
    """A program or client file of the user's fails where it goes below, and is missing in no interpreter."""
    line = ("one", interpreter, "shop", source)
    others = [("one", name, "ssl", "pyenv", Verdict.ENFORCED) for name in ("a", "b")]
    assert decide(_own(*others, (*line, Verdict.ENFORCED)), OWN_SHOP, NOW).kind is GateOutcome.PASSED
    decision = decide(_own(*others, (*line, Verdict.DOWNGRADED)), OWN_SHOP, NOW)
    assert (decision.kind, decision.message) == (
        GateOutcome.FINDINGS,
        f"1 downgraded: {interpreter}/shop",
    )


@pytest.mark.parametrize("sources", [(), ("pyenv",)])
def test_a_machine_without_a_client_file_of_the_users_lacks_it(sources: tuple[str, ...]) -> None:
    """Of a fleet each machine has to have measured it, as each has to have measured a program."""
    here = ("one", "a", "shop", "pyenv", Verdict.ENFORCED)
    both = [(host, "a", "ssl", "pyenv", Verdict.ENFORCED) for host in ("one", "two")]
    decision = decide(_own(here, *both), replace(OWN_SHOP, sources=sources), NOW)
    assert (decision.kind, decision.message) == (GateOutcome.INCONCLUSIVE, "1 missing: */shop on two")


def test_a_program_of_the_users_that_no_source_lets_count_is_refused() -> None:
    """As for a program that the tool knows, but with the report: only that tells that it is a program."""
    report = _own(
        ("one", "a", "ssl", "pyenv", Verdict.ENFORCED),
        ("one", "program_shop", "shop", "program", Verdict.ENFORCED),
    )
    decision = decide(report, replace(OWN_SHOP, sources=("pyenv",)), NOW)
    assert decision.kind is GateOutcome.ERROR
    assert "the program 'shop', which would never count, because sources lacks 'program'" in decision.message


def test_a_client_that_is_nobodys_is_an_error() -> None:
    """A mistyped client is refused, and does not read as one that was measured."""
    decision = decide(_own(("one", "a", "ssl", "pyenv", Verdict.ENFORCED)), OWN_SHOP, NOW)
    assert decision.kind is GateOutcome.ERROR
    assert decision.message.startswith("policy.toml: clients has 'shop', which is no client of the tool's")
