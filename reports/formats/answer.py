"""The answer in sentences: how many negotiate versions below the floor, and which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interpreters.interpreter import PROGRAM
from reports.formats.sweep import counted
from reports.formats.sweep import in_short as sweep_in_short
from reports.verdicts.judge import PAGE_FLOOR, HeldBy, PageCheck, Verdict
from reports.verdicts.matrix import Subject
from servers.catalogue import Role
from servers.conditions import Condition
from servers.protocols import LADDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.verdicts.matrix import Row
    from servers.protocols import Protocol

_MEANING = {
    Verdict.DOWNGRADED: "connected below {floor}",
    Verdict.FRAGILE: "would go lower if it could",
    Verdict.INCONCLUSIVE: "no clear answer: not safe",
    Verdict.UNTESTABLE: "could not be measured",
    Verdict.ENFORCED: "holds {floor}",
}

HOLDERS = {
    HeldBy.BUILD: "the library has nothing lower",
    HeldBy.LIBRARY: "the library's built-in default",
    HeldBy.CODE: "Python's or the client's own minimum",
    HeldBy.CONFIGURATION: "the OpenSSL configuration",
    HeldBy.NOTHING: "nothing does",
}
"""What each holder of the floor is, in a few words."""


def meaning(verdict: Verdict, floor: Protocol) -> str:
    """Return what a verdict means, in the few words that fit under its count."""
    return _MEANING[verdict].format(floor=floor.prose)


Groups = dict[str, list["Row"]]

GAPS = (Verdict.INCONCLUSIVE, Verdict.UNTESTABLE)
"""Verdicts by which nothing is known: one client there is a gap in what is said of its interpreter."""

MOST_NAMED = 6
"""Clients that are named whose cells say nothing; the table has them all."""


def by_interpreter(rows: Sequence[Row], condition: Condition = Condition.AMBIENT) -> Groups:
    """Group the rows of one condition by the names of interpreters, in their order."""
    groups: Groups = {}
    for row in rows:
        if row.condition is condition:
            groups.setdefault(row.interpreter.name, []).append(row)
    return groups


def by_subject(rows: Sequence[Row]) -> dict[Subject, list[Row]]:
    """Return the rows apart by what they are about, interpreters first; only what there is."""
    apart = {subject: [row for row in rows if row.subject is subject] for subject in Subject}
    return {subject: theirs for subject, theirs in apart.items() if theirs}


def standing(rows: Sequence[Row]) -> Verdict:
    """Return the verdict that stands for a whole interpreter: the worst of its clients'."""
    return min((row.verdict for row in rows), key=list(Verdict).index)


def worst_first(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows, those of the worst interpreters first, each interpreter's together and in order."""
    groups: Groups = {}
    for row in rows:
        groups.setdefault(row.interpreter.name, []).append(row)
    order = sorted(groups.values(), key=lambda group: list(Verdict).index(standing(group)))
    return tuple(row for group in order for row in group)


def standings(rows: Sequence[Row], condition: Condition) -> dict[str, int]:
    """Return how many interpreters, programs and silent machines stand at each verdict under a condition."""
    stands = [standing(group) for group in by_interpreter(rows, condition).values()]
    return {str(verdict): stands.count(verdict) for verdict in Verdict}


def counts(rows: Sequence[Row], condition: Condition) -> dict[str, int]:
    """Return how many stand at each verdict; of GAPS, how many have any client there, whatever is worse."""
    groups = by_interpreter(rows, condition)
    return standings(rows, condition) | {str(gap): len(with_any(groups, gap)) for gap in GAPS}


def with_any(groups: Groups, verdict: Verdict) -> Groups:
    """Return the rows at one verdict, of those interpreters that have any."""
    found = {name: [row for row in group if row.verdict is verdict] for name, group in groups.items()}
    return {name: rows for name, rows in found.items() if rows}


def answer(rows: Sequence[Row], floor: Protocol) -> list[str]:
    """Return the answer in sentences, the most important first; programs apart from interpreters."""
    apart = by_subject(rows)
    silent = [row.interpreter.host for row in apart.pop(Subject.MACHINE, ())]
    said = [one for subject, theirs in apart.items() for one in _answer(theirs, floor, subject)]
    nothing = "No interpreter was measured, so nothing is known about this machine."
    return [*(said or [nothing]), *([_silent(silent)] if silent else [])]


def _silent(hosts: Sequence[str]) -> str:
    one = len(hosts) == 1
    was, them = ("1 machine was", "it") if one else (f"{len(hosts)} machines were", "them")
    return f"{was} expected and did not report, so nothing is known about {them}: {', '.join(hosts)}."


def _answer(rows: Sequence[Row], floor: Protocol, subject: Subject) -> list[str]:
    conditions = {row.condition for row in rows}
    condition = (
        Condition.AMBIENT if Condition.AMBIENT in conditions else min(conditions, default=Condition.AMBIENT)
    )
    # Each sentence says that they are programs; nobody else has names that begin so.
    groups = {i.removeprefix(f"{PROGRAM}_"): group for i, group in by_interpreter(rows, condition).items()}
    by_verdict = {v: {i: g for i, g in groups.items() if standing(g) is v} for v in Verdict}
    total = len(groups)
    where = "" if condition is Condition.AMBIENT else f" under the {condition} configuration"
    downgraded = by_verdict[Verdict.DOWNGRADED]
    # The first of an interpreter's sentences says what they are about.
    several = "" if subject is Subject.INTERPRETER else f" of {total} {subject.plural}"
    unknown = sum(any(row.verdict in GAPS for row in group) for group in groups.values())
    if downgraded:
        sentences = [_downgraded(downgraded, f"{total} {subject.plural}", floor, where)]
    else:
        sentences = [_none_downgraded(unknown, total, subject, floor, where)]
    sentences += _own_tls(downgraded, floor)
    sentences += sweep_in_short(rows, floor)
    if fragile := by_verdict[Verdict.FRAGILE]:
        sentences.append(
            f"{len(fragile)}{several} made no connection below {floor.prose} but would try to, or was stopped"
            f" by something other than the version: {_names(fragile)}."
        )
    sentences += _gaps(groups, several)
    if enforced := by_verdict[Verdict.ENFORCED]:
        held = several or f" of {total}"
        clients = " with every client measured" if subject is Subject.INTERPRETER else ""
        hold = "holds" if len(enforced) == 1 else "hold"
        sentences.append(f"{len(enforced)}{held} {hold} {floor.prose}{where}{clients}: {_names(enforced)}.")
    return sentences


def _none_downgraded(unknown: int, total: int, subject: Subject, floor: Protocol, where: str) -> str:
    """Say that none went below the floor, if that is known of any: silence must not open like safety."""
    below = f"a version below {floor.prose}{where}"
    if unknown == total:
        which = f"the one {subject}" if total == 1 else f"any of the {total} {subject.plural}"
        return f"It is not known whether {which} negotiates {below}."
    none = f"The one {subject} does" if total == 1 else f"None of the {total} {subject.plural}"
    negotiates = "not negotiate" if total == 1 else "negotiates"
    rest = f", but for {unknown} of them this is not known" if unknown else ""
    return f"{none} {negotiates} {below}{rest}."


def _gaps(groups: Groups, several: str) -> list[str]:
    """Say of which nothing is known, as a whole or of some clients, whatever is known of the others."""
    undecided, untestable = (with_any(groups, gap) for gap in GAPS)
    found = []
    if undecided:
        read = "gave no clear answer and must not be read as safe"
        found.append(f"{len(undecided)}{several} {read}: {_some(undecided, groups)}.")
    if untestable:
        part = "could not be measured, wholly or in part"
        found.append(f"{len(untestable)}{several} {part}: {_some(untestable, groups)}.")
    return [*found, *_silent_cells(groups)]


def _some(found: Groups, groups: Groups) -> str:
    """Name interpreters, each with its clients where not all of them are meant."""
    named = []
    for name, rows in found.items():
        some = ", ".join(counted([row.client for row in rows], [row.client for row in groups[name]]))
        named.append(name if len(rows) == len(groups[name]) else f"{name} ({some})")
    return ", ".join(named)


def _silent_cells(groups: Groups) -> list[str]:
    """Count the cells that say nothing of clients of which other cells say enough for a verdict."""
    rows = [row for group in groups.values() for row in group if row.verdict not in GAPS]
    cells = {
        f"{row.interpreter.name}/{row.client}": [
            finding.undecided for finding in row.findings.values() if finding.server.role is not Role.PAGE
        ]
        for row in rows
    }
    silent = [name for name, undecided in cells.items() if any(undecided)]
    if not silent:
        return []
    number, total = sum(map(sum, cells.values())), sum(map(len, cells.values()))
    say = "says" if number == 1 else "say"
    more = f" and {len(silent) - MOST_NAMED} more" if len(silent) > MOST_NAMED else ""
    named = ", ".join(silent[:MOST_NAMED]) + more
    return [f"{number} of {total} cells of the other clients {say} nothing: {named}."]


def _downgraded(groups: Groups, every: str, floor: Protocol, where: str) -> str:
    """Say how many go below the floor and how far, and name the clients where not all of them do."""
    reached = {row.judgement.lowest for group in groups.values() for row in group if row.judgement.lowest}
    low = sorted((p for p in reached if p.below(floor)), key=LADDER.index)
    negotiates = "negotiates" if len(groups) == 1 else "negotiate"
    version = f"{low[0].prose} (below" if len(low) == 1 else f"versions down to {low[0].prose} (below"
    below = f"{version} the {floor.prose} minimum){where}"
    named = _some(with_any(groups, Verdict.DOWNGRADED), groups)
    return f"{len(groups)} of {every} {negotiates} {below}: {named}."


def _own_tls(downgraded: Groups, floor: Protocol) -> list[str]:
    """Name what brings its own TLS and goes below, where all that uses Python's holds the floor."""
    stacks: dict[str, dict[str, None]] = {}
    found = []
    for interpreter, group in downgraded.items():
        pythons = {row.verdict for row in group if not row.own_tls} - {Verdict.UNTESTABLE}
        if pythons == {Verdict.ENFORCED}:
            found.append(interpreter)
            for row in group:
                if row.own_tls and row.verdict is Verdict.DOWNGRADED:
                    stacks.setdefault(row.own_tls.name, {})[row.client] = None
    if not found:
        return []
    named = " and ".join(f"{name} ({', '.join(clients)})" for name, clients in stacks.items())
    brings = "brings its own TLS and does" if len(stacks) == 1 else "bring their own TLS and do"
    itself = f"On {len(found)} of these Python itself holds {floor.prose}"
    return [f"{itself}, but {named} {brings} not: {', '.join(found)}."]


def _names(groups: Groups) -> str:
    return ", ".join(groups)


def page_sentences(rows: Sequence[Row]) -> list[str]:
    """Say what the AWS page's check would have concluded about interpreters that go below its own floor.

    The first condition of the rows counts; empty if none of them goes below it.
    """
    conditions = list(dict.fromkeys(row.condition for row in rows))
    groups = by_interpreter(by_subject(rows).get(Subject.INTERPRETER, ()), *conditions[:1])
    wrong = {
        name: group[0].page_check
        for name, group in groups.items()
        if any(row.judgement.lowest and row.judgement.lowest.below(PAGE_FLOOR) for row in group)
        and standing(group) is Verdict.DOWNGRADED
    }
    concluded = {check: [name for name, its in wrong.items() if its is check] for check in PageCheck}
    below = f"{len(wrong)} {'interpreter' if len(wrong) == 1 else 'interpreters'} below {PAGE_FLOOR.prose}"
    sentences = []
    if fooled := concluded[PageCheck.PASS]:
        safe = f"calls {len(fooled)} of the {below} safe"
        sentences.append(f"The AWS page's own check {safe}: {', '.join(fooled)}.")
    if broken := concluded[PageCheck.BROKEN]:
        check = "It" if fooled else "The AWS page's own check"
        sentences.append(
            f"{check} comes to no conclusion on {len(broken)} of the {below}: {', '.join(broken)}."
        )
    return sentences
