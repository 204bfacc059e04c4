"""The decision on a matrix under a policy: pure functions, with the message in words."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interpreters.clients import plain
from interpreters.interpreter import PROGRAM
from reports.verdicts.doubts import doubts, on_the_way, unfinished
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import ALL_CLIENTS, MISSING, did_not_report
from reports.verdicts.policy import CHOICES
from servers.protocols import LADDER

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from reports.verdicts.policy import Policy, Waiver
    from reports.verdicts.scope import Begun, Scope
    from servers.protocols import Protocol

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


class Fate(enum.StrEnum):
    """What became of one row."""

    PASSES = "passes"
    FAILS = "fails"
    WAIVED = "waived"
    KNOWN = "known"
    """It fails as it did in the baseline."""
    NOT_COUNTED = "not counted"


@dataclass(frozen=True)
class Line:
    """One row of the matrix under the machine's own configuration, as the gate reads it."""

    host: str
    interpreter: str
    client: str
    source: str
    verdict: str
    """A Verdict; or MISSING for what was expected and is not there."""
    lowest: Protocol | None = None


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
class Report:
    """A matrix as the gate reads it."""

    floor: Protocol
    parts: tuple[GateRun, ...]
    """The runs that it is of, without those that stand for a machine that did not report."""
    lines: tuple[Line, ...]
    begun: tuple[Begun, ...] = ()
    """Runs of this machine that began and have published nothing."""

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The ids of its runs."""
        return tuple(part.run_id for part in self.parts)


@dataclass(frozen=True)
class Judged:
    """A row with what became of it, and why if there is more to say than its verdict."""

    line: Line
    fate: Fate
    why: str = ""


@dataclass(frozen=True)
class Decision:
    """What the gate decided, and the rows it rests on."""

    kind: GateOutcome
    message: str
    report: Report | None = None
    rows: tuple[Judged, ...] = ()
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
    report: Report,
    policy: Policy,
    now: dt.datetime,
    baseline: Report | None = None,
    *,
    together: bool = False,
) -> Decision:
    """Decide about a matrix. Findings outweigh what is inconclusive; nothing measured never passes.

    `now` is in UTC; `baseline` is the earlier matrix against which only what is new fails; `together` says
    that the matrix was asked for in the same command, so that whoever narrowed it knows.
    """
    if trouble := _unfit(report, policy, baseline):
        return Decision(GateOutcome.ERROR, trouble, report, policy=policy)
    today = now.date()
    lines = _lines(report, policy)
    known = _known(lines, _lines(baseline, policy)) if baseline else frozenset()
    rows = tuple(_judge(line, policy, today, known) for line in lines)
    counted = [row for row in rows if row.fate is not Fate.NOT_COUNTED]
    several = len({row.line.host for row in rows}) > 1
    kind, message = _outcome(rows, counted, report.floor, several=several)
    doubtful = (
        *unfinished(report.begun, report.parts),
        *doubts(report.parts, policy, now, together=together),
    )
    notices = (
        *on_the_way(report.begun, report.parts),
        *_exceptions(rows, several=several),
        *(said for waiver in policy.waivers if (said := _idle(waiver, counted, today))),
    )
    if kind is GateOutcome.FINDINGS:
        notices = (*doubtful, *notices)
    elif doubtful:
        # What would pass is left out: it holds for another scope than the policy asks about.
        message = "; ".join([*doubtful, *([message] if kind is GateOutcome.INCONCLUSIVE else [])])
        kind = GateOutcome.INCONCLUSIVE
    return Decision(kind, message, report, rows, notices, policy, doubtful)


def _outcome(
    rows: Sequence[Judged], counted: Sequence[Judged], floor: Protocol, *, several: bool
) -> tuple[GateOutcome, str]:
    """Return what the rows come to by themselves, in words."""
    if failing := [row for row in rows if row.fate is Fate.FAILS]:
        found = any(row.line.verdict in MEASURED for row in failing)
        return GateOutcome.FINDINGS if found else GateOutcome.INCONCLUSIVE, _failures(
            failing, several=several
        )
    if not any(row.line.verdict in MEASURED for row in counted):
        return GateOutcome.INCONCLUSIVE, _nothing(rows, counted)
    return GateOutcome.PASSED, _success(counted, floor)


def _unfit(report: Report, policy: Policy, baseline: Report | None) -> str:
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
    return ""


def _rank(line: Line) -> int:
    """Return how low a row got; one that connected nowhere is above all."""
    return len(LADDER) if line.lowest is None else LADDER.index(line.lowest)


def _lines(report: Report, policy: Policy) -> tuple[Line, ...]:
    """Return a matrix's rows, and a missing one for each client that has to be measured and was not.

    Each interpreter has to have its clients, and each machine its programs.
    """
    groups: dict[tuple[str, str], dict[str, Line]] = {}
    for line in report.lines:
        groups.setdefault((line.host, line.interpreter), {})[line.client] = line
    missing = (
        Line(host, interpreter, client, next(iter(rows.values())).source, MISSING)
        for (host, interpreter), rows in groups.items()
        if ALL_CLIENTS not in rows and not any(line.source == PROGRAM for line in rows.values())
        for client in _inside(policy)
        if client not in map(plain, rows)
    )
    there = {(line.host, line.client) for line in report.lines if line.source == PROGRAM}
    hosts = [line.host for line in report.lines if not did_not_report(line.interpreter, line.client)]
    absent = (
        Line(host, f"{PROGRAM}_{program}", program, PROGRAM, MISSING)
        for host in dict.fromkeys(hosts)
        for program in policy.programs
        if (host, program) not in there
    )
    return (*report.lines, *missing, *absent)


def _inside(policy: Policy) -> list[str]:
    """Return those of a policy's clients that are measured inside interpreters."""
    return [client for client in policy.clients if client not in policy.programs]


def _known(now: Sequence[Line], before: Sequence[Line]) -> frozenset[Line]:
    """Return the rows that came out the same before, and got no lower since.

    Hosts are told apart only where one side has several: those of scheduled jobs are often named anew.
    """
    several = any(len({line.host for line in side}) > 1 for side in (now, before))

    def key(line: Line) -> tuple[str, str, str]:
        return (line.host if several else "", line.interpreter, line.client)

    earlier = {key(line): line for line in before}
    pairs = ((line, earlier[key(line)]) for line in now if key(line) in earlier)
    return frozenset(line for line, old in pairs if line.verdict == old.verdict and _rank(line) >= _rank(old))


def _judge(line: Line, policy: Policy, today: dt.date, known: Collection[Line]) -> Judged:
    if why := _uncounted(line, policy):
        return Judged(line, Fate.NOT_COUNTED, why)
    if line.verdict == Verdict.ENFORCED:
        return Judged(line, Fate.PASSES)
    if not policy.fails_on(line.verdict):
        return Judged(line, Fate.PASSES, f"{line.verdict} does not fail under {policy.file}")
    if waived := _waived(line, policy, today):
        return waived
    if line in known:
        return Judged(line, Fate.KNOWN, f"known from {policy.new_only}")
    return Judged(line, Fate.FAILS)


def _waived(line: Line, policy: Policy, today: dt.date) -> Judged | None:
    """Judge a row by the waiver that covers it longest, if any does; a baseline takes no date back."""
    waiver = max((w for w in policy.waivers if _covers(w, line)), key=lambda w: w.expires, default=None)
    if waiver is None:
        return None
    if _expired(waiver, today):
        return Judged(line, Fate.FAILS, f"its waiver expired on {waiver.expires}: {waiver.reason}")
    return Judged(line, Fate.WAIVED, f"waived until {waiver.expires}: {waiver.reason}")


def _uncounted(line: Line, policy: Policy) -> str:
    """Say why a row does not count; one that stands for a machine does, or for all clients if any does."""
    if did_not_report(line.interpreter, line.client):
        return ""
    if policy.sources and line.source not in policy.sources:
        return f"source {line.source} does not count"
    everyone = [ALL_CLIENTS] if _inside(policy) else []
    if policy.clients and plain(line.client) not in (*policy.clients, *everyone):
        return f"client {line.client} does not count"
    return ""


def _covers(waiver: Waiver, line: Line) -> bool:
    return waiver.covers(line.host, line.interpreter, line.client)


def _expired(waiver: Waiver, today: dt.date) -> bool:
    return today > waiver.expires


def _name(line: Line, *, several: bool) -> str:
    if did_not_report(line.interpreter, line.client):
        return f"machine {line.host}"
    return f"{line.interpreter}/{line.client}" + (f" on {line.host}" if several else "")


def _by_verdict(rows: Iterable[Judged]) -> Mapping[str, list[Judged]]:
    listed = list(rows)
    groups = {verdict: [row for row in listed if row.line.verdict == verdict] for verdict in SEVERITY}
    return {str(verdict): group for verdict, group in groups.items() if group}


def _failures(rows: Iterable[Judged], *, several: bool) -> str:
    """Say what fails, the worst first, and whose waiver is over."""
    parts = []
    for verdict, group in _by_verdict(rows).items():
        names = sorted(_name(r.line, several=several) + (f" ({r.why})" if r.why else "") for r in group)
        parts.append(f"{len(group)} {verdict}: {', '.join(names)}")
    return "; ".join(parts)


def _nothing(rows: Sequence[Judged], counted: Sequence[Judged]) -> str:
    """Say why nothing is known, though nothing fails."""
    if not rows:
        return "nothing was measured under the machine's own configuration"
    if not counted:
        return f"none of {len(rows)} rows counts under the policy, so nothing is known"
    return f"nothing was measured: {_tally(counted)}"


def _success(counted: Sequence[Judged], floor: Protocol) -> str:
    """Say what holds, and that the rest was let pass."""
    rest = [row for row in counted if row.line.verdict != Verdict.ENFORCED]
    if not rest:
        return f"all {len(counted)} rows hold {floor}"
    return f"{len(counted) - len(rest)} of {len(counted)} rows hold {floor}; {_tally(rest)}"


def _tally(rows: Iterable[Judged]) -> str:
    """Count rows by verdict and by what let them pass."""
    words = {Fate.WAIVED: "waived", Fate.KNOWN: "known from the baseline", Fate.PASSES: "let pass"}
    return ", ".join(
        f"{number} {verdict} and {said}"
        for verdict, group in _by_verdict(rows).items()
        for fate, said in words.items()
        if (number := sum(row.fate is fate for row in group))
    )


def _exceptions(rows: Iterable[Judged], *, several: bool) -> list[str]:
    """Name the rows that did not fail for another reason than that they hold, by that reason."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        if row.why and row.fate is not Fate.FAILS:
            verdict = "" if row.fate is Fate.NOT_COUNTED else f" ({row.line.verdict})"
            groups.setdefault(row.why, []).append(_name(row.line, several=several) + verdict)
    return [f"{why}: {', '.join(sorted(names))}" for why, names in groups.items()]


def _idle(waiver: Waiver, counted: Iterable[Judged], today: dt.date) -> str:
    """Say that a waiver does nothing, if it does nothing."""
    covered = [row for row in counted if _covers(waiver, row.line)]
    over = f"expired on {waiver.expires} and " if _expired(waiver, today) else ""
    if not covered:
        return f"the waiver for {waiver} {over}matches no row that counts: mend or remove it"
    if all(row.fate is Fate.PASSES for row in covered):
        return f"the waiver for {waiver} {over}is not needed, as its rows pass: remove it"
    return ""


RANK = (Fate.FAILS, Fate.WAIVED, Fate.KNOWN, Fate.PASSES, Fate.NOT_COUNTED)
"""What stands for an interpreter: the first of these that any of its rows came to."""


def by_interpreter(rows: Iterable[Judged]) -> list[str]:
    """Return one line for each interpreter, failing ones first: what became of it, and of each client."""
    listed = list(rows)
    several = len({row.line.host for row in listed}) > 1
    groups: dict[tuple[str, str], list[Judged]] = {}
    for row in listed:
        groups.setdefault((row.line.host, row.line.interpreter), []).append(row)
    lines = []
    for (host, interpreter), group in groups.items():
        fate = min((row.fate for row in group), key=RANK.index)
        silent = did_not_report(interpreter, group[0].line.client)
        where = f" on {host}" if several and not silent else ""
        name = f"machine {host}" if silent else f"{interpreter}{where}"
        lines.append((RANK.index(fate), f"{fate}: {name}: {', '.join(map(_client, group))}"))
    return [line for _, line in sorted(lines, key=lambda one: one[0])]


def _client(row: Judged) -> str:
    """Say how one client came out, and what became of that where it is no matter of course."""
    line = row.line
    verdict = (
        f"{line.verdict} to {line.lowest}"
        if line.verdict == Verdict.DOWNGRADED and line.lowest
        else line.verdict
    )
    plainly = row.fate is (Fate.PASSES if line.verdict == Verdict.ENFORCED else Fate.FAILS)
    words = [line.client, verdict] if line.client != ALL_CLIENTS else [verdict]
    return " ".join(words) + ("" if plainly else f" ({row.fate})")
