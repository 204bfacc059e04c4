"""The decision on a matrix under a policy: pure functions, with the message in words."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from interpreters.clients import ClientKey
from interpreters.interpreter import MADE, PROGRAM, RUNNING, names_application, program_id
from reports.verdicts.doubts import doubts, on_the_way, unfinished
from reports.verdicts.judge import Verdict
from reports.verdicts.policy import CHOICES, unknown_client
from reports.verdicts.stand_ins import ALL_CLIENTS, MISSING
from servers.protocols import LADDER

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from reports.verdicts.policy import Policy, Waiver
    from reports.verdicts.scope import Begun, Scope
    from servers.protocols import Protocol

GATE_VERSION = 2
"""Schema version of gate.json; changes when a reader of the old one would be misled."""

MOST_NAMED = 6
"""Environments as found that a sentence names; the report and gate.json have them all."""

SEVERITY = (Verdict.DOWNGRADED, *CHOICES)
"""Everything that a row can come out as beside `enforced`, the worst first."""

MEASURED = frozenset({Verdict.DOWNGRADED, Verdict.FRAGILE, Verdict.ENFORCED})
"""What says something about a client, be it good or bad."""


class GateOutcome(enum.StrEnum):
    """How the gate ends; each has an exit code of its own, because each wants another person to act."""

    PASSED = "passed"
    FINDINGS = "findings"
    """Something is below the floor, or would be."""
    INCONCLUSIVE = "inconclusive"
    """Nothing of that is known, but not everything was measured, or not as the policy asks, or not now."""
    ERROR = "error"
    """The report or the policy is not fit to decide by."""

    @property
    def exit_code(self) -> int:
        """The exit code of `python -m reports.gate`."""
        return list(GateOutcome).index(self)


class Disposition(enum.StrEnum):
    """What became of one row."""

    PASSES = "passes"
    FAILS = "fails"
    WAIVED = "waived"
    KNOWN = "known"
    """It fails as it did in the baseline."""
    NOT_COUNTED = "not counted"


@dataclass(frozen=True)
class GateRow:
    """One row of the matrix under the machine's own configuration, as the gate reads it."""

    host: str
    interpreter: str
    client: str
    source: str
    verdict: str
    """A Verdict; or MISSING for what was expected and is not there."""
    lowest: Protocol | None = None
    silent: bool = False
    """Whether it stands for a machine that did not report."""
    environment: str = MADE
    """Where the clients are: made for measuring, or the path of what was found as it is."""

    @property
    def as_found(self) -> bool:
        """Whether it is of an environment or process that was measured as it is."""
        return self.environment != MADE

    @property
    def subject(self) -> str:
        """What a message names it by: an id, and where that is if it was found."""
        where = f" ({self.environment})" if self.environment not in (MADE, self.interpreter) else ""
        return f"{self.interpreter}{where}"


@dataclass(frozen=True)
class GateRun:
    """One machine's run as the gate reads it: an Origin."""

    run_id: str
    host: str
    tool: str
    started: str
    ended: str
    scope: Scope


@dataclass(frozen=True)
class GateReport:
    """A matrix as the gate reads it."""

    floor: Protocol
    parts: tuple[GateRun, ...]
    """The runs that it is of, without those that stand for a machine that did not report."""
    rows: tuple[GateRow, ...]
    begun: tuple[Begun, ...] = ()
    """Runs of this machine that began and have published nothing."""

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The ids of its runs."""
        return tuple(part.run_id for part in self.parts)


@dataclass(frozen=True)
class GateResult:
    """A row with what became of it, and why if there is more to say than its verdict."""

    row: GateRow
    disposition: Disposition
    why: str = ""


@dataclass(frozen=True)
class Decision:
    """What the gate decided, and the rows it rests on."""

    kind: GateOutcome
    message: str
    report: GateReport | None = None
    results: tuple[GateResult, ...] = ()
    notices: tuple[str, ...] = ()
    """What does not change the decision, and somebody should know."""
    policy: Policy | None = None
    """The policy applied; None where it could not be read."""
    doubts: tuple[str, ...] = ()
    """Why the report does not answer for its machines as they are; without findings, what decides."""

    @property
    def passed(self) -> bool:
        """Whether a build may go on."""
        return self.kind is GateOutcome.PASSED

    def __str__(self) -> str:
        """Return the decision as a person reads it."""
        return f"{self.kind}: {self.message}"


def decide(
    report: GateReport,
    policy: Policy,
    now: dt.datetime,
    baseline: GateReport | None = None,
    *,
    together: bool = False,
) -> Decision:
    """Decide about a matrix. Findings outweigh what is inconclusive; nothing measured never passes.

    `now` is in UTC; `baseline` is the earlier matrix against which only what is new fails; `together` says
    that the matrix was asked for in the same command, so that whoever narrowed it knows.
    """
    if trouble := _unfit(report, policy, baseline):
        return Decision(GateOutcome.ERROR, trouble, report, policy=policy)
    policy = _with_own_programs(policy, report)
    today = now.date()
    rows = _gate_rows(report, policy)
    known = _known(rows, _gate_rows(baseline, policy)) if baseline else frozenset()
    results = tuple(_judge(row, policy, today, known) for row in rows)
    counted = [result for result in results if result.disposition is not Disposition.NOT_COUNTED]
    several = len({result.row.host for result in results}) > 1
    kind, message = _outcome(results, counted, report.floor, several=several)
    doubtful = (
        *unfinished(report.begun, report.parts),
        *doubts(report.parts, policy, now, together=together),
    )
    notices = (
        *on_the_way(report.begun, report.parts),
        *_exceptions(results, several=several),
        *(idle for waiver in policy.waivers if (idle := _idle(waiver, counted, today))),
    )
    if kind is GateOutcome.FINDINGS:
        notices = (*doubtful, *notices)
    elif doubtful:
        # What would pass is left out: it holds for another scope than the policy asks about.
        message = "; ".join([*doubtful, *([message] if kind is GateOutcome.INCONCLUSIVE else [])])
        kind = GateOutcome.INCONCLUSIVE
    return Decision(kind, message, report, results, notices, policy, doubtful)


def _outcome(
    results: Sequence[GateResult], counted: Sequence[GateResult], floor: Protocol, *, several: bool
) -> tuple[GateOutcome, str]:
    """Return what the rows come to by themselves, in words."""
    if failing := [result for result in results if result.disposition is Disposition.FAILS]:
        found = any(result.row.verdict in MEASURED for result in failing)
        return GateOutcome.FINDINGS if found else GateOutcome.INCONCLUSIVE, _failures(
            failing, several=several
        )
    if not any(result.row.verdict in MEASURED for result in counted):
        return GateOutcome.INCONCLUSIVE, _why_nothing_is_known(results, counted)
    return GateOutcome.PASSED, _success(counted, floor)


def _unfit(report: GateReport, policy: Policy, baseline: GateReport | None) -> str:
    """Say why this matrix cannot be held against this policy; empty if it can."""
    if policy.floor and policy.floor is not report.floor:
        return (
            f"the matrix was measured against a floor of {report.floor}, and {policy.file} asks for "
            f"{policy.floor}: measure again with nox -s matrix -- --floor {policy.floor}"
        )
    if baseline and set(baseline.run_ids) & set(report.run_ids):
        return (
            f"{policy.new_only}, the baseline that {policy.file} names, is the run that is to be judged, "
            "so nothing could be new: name an earlier one, or a copy of its matrix.json"
        )
    measured = {ClientKey.parse(row.client).name for row in report.rows}
    return unknown_client(policy, measured) or _never_counting(_with_own_programs(policy, report))


def _never_counting(policy: Policy) -> str:
    """Say which program of the user's a policy names that its own sources leave out; empty if none."""
    program = next((name for name in policy.own if name in policy.programs), "")
    if not program or PROGRAM in (policy.sources or (PROGRAM,)):
        return ""
    return (
        f"{policy.file}: clients has the program {program!r}, which would never count, because sources lacks"
        f" {PROGRAM!r}: add that, or take it out"
    )


def _with_own_programs(policy: Policy, report: GateReport) -> Policy:
    """Return a policy with what only a report tells: which of the user's own clients are programs."""
    programs = {row.client for row in report.rows if row.source == PROGRAM}
    return replace(policy, programs=(*policy.programs, *(name for name in policy.own if name in programs)))


def _rank(row: GateRow) -> int:
    """Return how low a row got; one that connected nowhere is above all."""
    return len(LADDER) if row.lowest is None else LADDER.index(row.lowest)


def _gate_rows(report: GateReport, policy: Policy) -> tuple[GateRow, ...]:
    """Return a matrix's rows, and a missing one for each client that has to be measured and was not.

    Each interpreter has to have its clients, and each machine its programs and the clients of the user's.
    What was found as it is has whatever clients are installed there; but what a policy names has to be found.
    """
    groups: dict[tuple[str, str], dict[str, GateRow]] = {}
    for row in report.rows:
        groups.setdefault((row.host, row.interpreter), {})[row.client] = row
    missing = (
        GateRow(host, interpreter, client, next(iter(clients.values())).source, MISSING)
        for (host, interpreter), clients in groups.items()
        if str(ALL_CLIENTS) not in clients
        and not any(row.source == PROGRAM or row.as_found for row in clients.values())
        for client in _inside(policy)
        if client not in policy.own and client not in {ClientKey.parse(name).name for name in clients}
    )
    there = {(row.host, row.client) for row in report.rows if row.source == PROGRAM}
    hosts = [row.host for row in report.rows if not row.silent]
    absent = (
        GateRow(host, program_id(program), program, PROGRAM, MISSING)
        for host in dict.fromkeys(hosts)
        for program in policy.programs
        if (host, program) not in there
    )
    return (*report.rows, *missing, *absent, *_not_asked(report, policy), *_not_found(report, policy))


def _not_asked(report: GateReport, policy: Policy) -> list[GateRow]:
    """Return a missing row for each machine on which a client file of the user's was measured nowhere.

    An interpreter need not have what the file imports, so where it was measured at all, none is missing.
    """
    there = {(row.host, ClientKey.parse(row.client).name) for row in report.rows}
    source = next(iter(policy.sources), "")
    return [
        GateRow(host, "*", client, source, MISSING)
        for host in dict.fromkeys(row.host for row in report.rows if not row.silent)
        for client in policy.own
        if client not in policy.programs and (host, client) not in there
    ]


def _not_found(report: GateReport, policy: Policy) -> list[GateRow]:
    """Return a missing row for each glob of environments that matches none: a mistyped one excuses all."""
    found = [row for row in report.rows if row.as_found]
    host = next((row.host for row in report.rows if not row.silent), "")
    return [
        GateRow(host, glob, str(ALL_CLIENTS), "", MISSING, environment=glob)
        for glob in policy.environments
        if not any(fnmatchcase(text, glob) for row in found for text in (row.environment, row.interpreter))
    ]


def _inside(policy: Policy) -> list[str]:
    """Return those of a policy's clients that are measured inside interpreters."""
    return [client for client in policy.clients if client not in policy.programs]


def _known(now: Sequence[GateRow], before: Sequence[GateRow]) -> frozenset[GateRow]:
    """Return the rows that came out the same before, and got no lower since.

    Hosts are told apart only where one side has several: scheduled jobs often get a new name each time.
    """
    several = any(len({row.host for row in side}) > 1 for side in (now, before))

    def key(row: GateRow) -> tuple[str, ...]:
        # The id of an environment may become another's, when one like it appears.
        return (row.host if several else "", row.interpreter, row.environment, row.client)

    earlier = {key(row): row for row in before}
    pairs = ((row, earlier[key(row)]) for row in now if key(row) in earlier)
    return frozenset(row for row, old in pairs if row.verdict == old.verdict and _rank(row) >= _rank(old))


def _judge(row: GateRow, policy: Policy, today: dt.date, known: Collection[GateRow]) -> GateResult:
    if why := _uncounted(row, policy):
        return GateResult(row, Disposition.NOT_COUNTED, why)
    if row.verdict == Verdict.ENFORCED:
        return GateResult(row, Disposition.PASSES)
    if not policy.fails_on(row.verdict):
        return GateResult(row, Disposition.PASSES, f"{row.verdict} does not fail under {policy.file}")
    if waived := _waived(row, policy, today):
        return waived
    if row in known:
        return GateResult(row, Disposition.KNOWN, f"known from {policy.new_only}")
    return GateResult(row, Disposition.FAILS)


def _waived(row: GateRow, policy: Policy, today: dt.date) -> GateResult | None:
    """Judge a row by the waiver that covers it longest, if any does; a baseline takes no date back."""
    waiver = max((w for w in policy.waivers if _covers(w, row)), key=lambda w: w.expires, default=None)
    if waiver is None:
        return None
    if _expired(waiver, today):
        return GateResult(row, Disposition.FAILS, f"its waiver expired on {waiver.expires}: {waiver.reason}")
    return GateResult(row, Disposition.WAIVED, f"waived until {waiver.expires}: {waiver.reason}")


def _uncounted(row: GateRow, policy: Policy) -> str:
    """Say why a row does not count; one that stands for a machine does, or for all clients if any does.

    Sources are interpreters', and their own site-packages' too; what else was found, `environments` says.
    """
    if row.silent:
        return ""
    of_interpreter = not row.as_found or not (names_application(row.interpreter) or row.source == RUNNING)
    if policy.sources and of_interpreter and row.source not in policy.sources:
        return f"source {row.source} does not count"
    if row.as_found and not policy.counts_environment(row.environment, row.interpreter):
        return "only the environments that the policy names count"
    everyone = [str(ALL_CLIENTS)] if _inside(policy) else []
    if policy.clients and ClientKey.parse(row.client).name not in (*policy.clients, *everyone):
        return f"client {row.client} does not count"
    return ""


def _covers(waiver: Waiver, row: GateRow) -> bool:
    return waiver.covers(row.host, row.interpreter, row.client, row.environment)


def _expired(waiver: Waiver, today: dt.date) -> bool:
    return today > waiver.expires


def _name(row: GateRow, *, several: bool) -> str:
    if row.silent:
        return f"machine {row.host}"
    return f"{row.interpreter}/{row.client}" + (f" on {row.host}" if several else "")


def _by_verdict(results: Iterable[GateResult]) -> Mapping[str, list[GateResult]]:
    listed = list(results)
    groups = {verdict: [result for result in listed if result.row.verdict == verdict] for verdict in SEVERITY}
    return {str(verdict): group for verdict, group in groups.items() if group}


def _failures(results: Iterable[GateResult], *, several: bool) -> str:
    """Say what fails, the worst first, and whose waiver is over."""
    parts = []
    for verdict, group in _by_verdict(results).items():
        names = _names(group, lambda result: f" ({result.why})" if result.why else "", several=several)
        parts.append(f"{len(group)} {verdict}: {names}")
    return "; ".join(parts)


def _why_nothing_is_known(results: Sequence[GateResult], counted: Sequence[GateResult]) -> str:
    """Say why nothing is known, though nothing fails."""
    if not results:
        return "nothing was measured under the machine's own configuration"
    if not counted:
        return f"none of {len(results)} rows counts under the policy, so nothing is known"
    return f"nothing was measured: {_tally(counted)}"


def _success(counted: Sequence[GateResult], floor: Protocol) -> str:
    """Say what holds, and that the rest was let pass."""
    rest = [result for result in counted if result.row.verdict != Verdict.ENFORCED]
    if not rest:
        return f"all {len(counted)} rows hold {floor}"
    return f"{len(counted) - len(rest)} of {len(counted)} rows hold {floor}; {_tally(rest)}"


def _tally(results: Iterable[GateResult]) -> str:
    """Count rows by verdict and by what let them pass."""
    words = {
        Disposition.WAIVED: "waived",
        Disposition.KNOWN: "known from the baseline",
        Disposition.PASSES: "let pass",
    }
    return ", ".join(
        f"{number} {verdict} and {reason}"
        for verdict, group in _by_verdict(results).items()
        for disposition, reason in words.items()
        if (number := sum(result.disposition is disposition for result in group))
    )


def _exceptions(results: Iterable[GateResult], *, several: bool) -> list[str]:
    """Name the rows that did not fail for another reason than that they hold, by that reason."""
    groups: dict[str, list[GateResult]] = {}
    for result in results:
        if result.why and result.disposition is not Disposition.FAILS:
            groups.setdefault(result.why, []).append(result)

    def verdict(result: GateResult) -> str:
        return "" if result.disposition is Disposition.NOT_COUNTED else f" ({result.row.verdict})"

    return [f"{why}: {_names(group, verdict, several=several)}" for why, group in groups.items()]


def _names(results: Iterable[GateResult], remark: Callable[[GateResult], str], *, several: bool) -> str:
    """Name rows, each with a remark; those of what was found once for each environment, a few of many."""
    own: list[str] = []
    found: dict[tuple[str, str], list[str]] = {}
    for result in results:
        row, on = result.row, f" on {result.row.host}" if several else ""
        if row.as_found:
            found.setdefault((f"{row.subject}{on}", remark(result)), []).append(row.client)
        else:
            own.append(_name(row, several=several) + remark(result))
    names = sorted(f"{subject}{_clients(clients)}{note}" for (subject, note), clients in found.items())
    more = [f"{len(names) - MOST_NAMED} more environments"] if len(names) > MOST_NAMED else []
    return ", ".join([*sorted(own), *names[:MOST_NAMED], *more])


def _idle(waiver: Waiver, counted: Iterable[GateResult], today: dt.date) -> str:
    """Say that a waiver does nothing, if it does nothing."""
    covered = [result for result in counted if _covers(waiver, result.row)]
    over = f"expired on {waiver.expires} and " if _expired(waiver, today) else ""
    if not covered:
        return f"the waiver for {waiver} {over}matches no row that counts: correct or remove it"
    if all(result.disposition is Disposition.PASSES for result in covered):
        return f"the waiver for {waiver} {over}is not needed, as its rows pass: remove it"
    return ""


def _clients(clients: Sequence[str]) -> str:
    return "" if clients == [str(ALL_CLIENTS)] else f": {' and '.join(clients)}"


RANK = (Disposition.FAILS, Disposition.WAIVED, Disposition.KNOWN, Disposition.PASSES, Disposition.NOT_COUNTED)
"""What stands for an interpreter: the first of these that any of its rows came to."""


def interpreter_lines(results: Iterable[GateResult]) -> list[str]:
    """Return one line for each interpreter, failing ones first: what became of it, and of each client."""
    listed = list(results)
    several = len({result.row.host for result in listed}) > 1
    groups: dict[tuple[str, str], list[GateResult]] = {}
    for result in listed:
        groups.setdefault((result.row.host, result.row.interpreter), []).append(result)
    # Environments of which the same is to be said share a line.
    lines: dict[tuple[int, str, object], list[str]] = {}
    for group in groups.values():
        row = group[0].row
        disposition = min((result.disposition for result in group), key=RANK.index)
        where = f" on {row.host}" if several and not row.silent else ""
        name = f"machine {row.host}" if row.silent else f"{row.subject}{where}"
        key = None if row.as_found else (row.host, row.interpreter)
        fate = ", ".join(map(_client, group))
        lines.setdefault((RANK.index(disposition), fate, key), []).append(name)
    ranked = sorted(lines.items(), key=lambda entry: entry[0][0])
    return [f"{RANK[rank]}: {_joined(names)}: {fate}" for (rank, fate, _), names in ranked]


def _joined(names: Sequence[str]) -> str:
    """Name those that share a line: all of a few, else their number and some of them."""
    if len(names) <= MOST_NAMED:
        return ", ".join(names)
    return f"{len(names)} environments ({', '.join(names[:2])} and {len(names) - 2} more)"


def _client(result: GateResult) -> str:
    """Say how one client came out, and what became of that where it is no matter of course."""
    row = result.row
    verdict = (
        f"{row.verdict} to {row.lowest}" if row.verdict == Verdict.DOWNGRADED and row.lowest else row.verdict
    )
    plainly = result.disposition is (
        Disposition.PASSES if row.verdict == Verdict.ENFORCED else Disposition.FAILS
    )
    words = [row.client, verdict] if row.client != str(ALL_CLIENTS) else [verdict]
    return " ".join(words) + ("" if plainly else f" ({result.disposition})")
