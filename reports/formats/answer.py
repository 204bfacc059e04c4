"""The answer in sentences: how many negotiate versions below the floor, and which."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interpreters.interpreter import without_program
from interpreters.listing import some_of
from reports.formats.found import found_names
from reports.formats.sweep import client_shares, dependence_sentences
from reports.verdicts.judge import PAGE_FLOOR, HeldBy, PageCheck, Verdict
from reports.verdicts.labels import label, place, versioned
from reports.verdicts.matrix import Subject, first_condition, standings, under
from reports.verdicts.package_sets import package_sets
from reports.verdicts.processes import other_files
from servers.catalogue import Role
from servers.conditions import Condition
from servers.protocols import LADDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.verdicts.matrix import Row, RowGroup
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


def remembered(rows: Iterable[Row]) -> str:
    """Say of how many clients an earlier visit measured what holds them, when, and whose if not their own."""
    known = [row for row in rows if row.held_by_measured]
    if not known:
        return ""
    days = sorted(row.held_by_measured.partition("T")[0] for row in known)
    copies = [row.held_by_measured_in for row in known if row.held_by_measured_in]
    clients = "1 client" if len(days) == 1 else f"{len(days)} clients"
    when = f"on {days[0]}" if days[0] == days[-1] else f"between {days[0]} and {days[-1]}"
    load = "it loads" if len(days) == 1 else "they load"
    share = "" if len(copies) == len(days) else f"of {len(copies)} of them "
    named = some_of([*dict.fromkeys(copies)], MOST_NAMED)
    lent = f" ({share}in {named}, where the same files are loaded)" if copies else ""
    return (
        f"What holds {clients} was measured {when}{lent} and not again, because nothing that {load} has"
        " changed; nox -s matrix -- --fresh measures it anew."
    )


GAPS = (Verdict.INCONCLUSIVE, Verdict.UNTESTABLE)
"""Verdicts by which nothing is known: one client there is a gap in what is said of its interpreter."""

MOST_NAMED = 6
"""Clients that are named whose cells say nothing; the table has them all."""


MOST_SETS = 3
"""Sets of packages that several hosts have which are named, those of most hosts first."""

MOST_HOSTS = 3
"""Hosts that are named of one."""


def by_subject(groups: Iterable[RowGroup]) -> dict[Subject, list[RowGroup]]:
    """Return the groups apart by what they are about, interpreters first; only what there is."""
    found = tuple(groups)
    apart = {subject: [group for group in found if group.subject is subject] for subject in Subject}
    return {subject: theirs for subject, theirs in apart.items() if theirs}


def counts(groups: Sequence[RowGroup], condition: Condition) -> dict[str, int]:
    """Return how many stand at each verdict; of GAPS, how many have any client there, whatever is worse."""
    counted_too = {str(gap): len(with_any(under(groups, condition), gap)) for gap in GAPS}
    return standings(groups, condition) | counted_too


def with_any(groups: Iterable[RowGroup], verdict: Verdict) -> list[RowGroup]:
    """Return those groups that have any row at one verdict."""
    return [group for group in groups if group.only(verdict)]


def answer(groups: Iterable[RowGroup], floor: Protocol) -> list[str]:
    """Return the answer in sentences, the most important first; each kind of subject apart from others."""
    return list(itertools.chain(*parted(groups, floor)))


def parted(groups: Iterable[RowGroup], floor: Protocol) -> tuple[list[str], list[str]]:
    """Return the sentences that open the answer, and the others.

    Interpreters and what was found have one each of the first: whoever reads no further has both halves.
    """
    every = tuple(groups)
    apart = by_subject(every)
    silent = [group.interpreter.host for group in apart.pop(Subject.MACHINE, ())]
    sentences: list[str] = []
    opening: list[str] = []
    for subject, theirs in apart.items():
        first, *rest = _answer(theirs, every, floor, subject)
        opening += [] if subject is Subject.PROGRAM else [first]
        sentences += [first, *rest] if subject is Subject.PROGRAM else rest
    nothing = "No interpreter was measured, so nothing is known about this machine."
    if not opening:
        opening = [sentences.pop(0) if sentences else nothing]
    more = [*_on_many_hosts(every), *_restart(every), *([_silent(silent)] if silent else [])]
    return opening, [*sentences, *more]


def _on_many_hosts(every: Sequence[RowGroup]) -> list[str]:
    """Name what is the same on several hosts and does not hold: that is mended once, as in an image."""
    ill = [each for each in package_sets(every) if each.groups[0].standing is not Verdict.ENFORCED]
    named = [
        f"{len(each.hosts)} hosts have the same packages in the same Python, {_outcome(each.groups[0])}:"
        f" {some_of(each.hosts, MOST_HOSTS)}."
        for each in ill[:MOST_SETS]
    ]
    left = sum(len(each.hosts) for each in ill[MOST_SETS:])
    return [*named, *([f"{left} more hosts have such packages in common with others."] if left else [])]


def _outcome(group: RowGroup) -> str:
    """Say where a group is, and how its worst clients came out."""
    worst = ", ".join(f"{versioned(row)} {row.verdict}" for row in group.only(group.standing))
    return f"{place(group.interpreter)} ({worst})"


def _restart(every: Iterable[RowGroup]) -> list[str]:
    """Say which processes use other files than a fresh one: no measurement shows what those do."""
    processes = (group.interpreter.processes for group in every if group.subject is Subject.PROCESS)
    notes = other_files(list(itertools.chain.from_iterable(processes)))
    return [f"{note[0].upper()}{note[1:]}." for note in notes]


def _silent(hosts: Sequence[str]) -> str:
    was, them = ("1 machine was", "it") if len(hosts) == 1 else (f"{len(hosts)} machines were", "them")
    return f"{was} expected and did not report, so nothing is known about {them}: {', '.join(hosts)}."


def _answer(
    theirs: Sequence[RowGroup], every: Sequence[RowGroup], floor: Protocol, subject: Subject
) -> list[str]:
    condition = first_condition(theirs)
    groups, names = under(theirs, condition), _Names(subject, every)
    at = {verdict: [group for group in groups if group.standing is verdict] for verdict in Verdict}
    total = len(groups)
    where = "" if condition is Condition.AMBIENT else f" under the {condition} configuration"
    downgraded = at[Verdict.DOWNGRADED]
    # The first of an interpreter's sentences says what they are about.
    several = "" if subject is Subject.INTERPRETER else f" of {total} {subject.plural}"
    if subject.as_found and total == 1 and at[Verdict.ENFORCED]:
        alone = f"The one {subject}, {names.alone(groups)}, holds {floor.prose}{where}"
        return [f"{alone} with every client measured.", *_silent_cells(groups)]
    if downgraded:
        sentences = [_downgraded(downgraded, names, f"{total} {_whose(subject, groups)}", floor, where)]
    else:
        sentences = [_none_downgraded(groups, subject, floor, where)]
    sentences += _own_tls(downgraded, names, floor)
    sentences += dependence_sentences(theirs, floor)
    if fragile := at[Verdict.FRAGILE]:
        sentences.append(
            f"{len(fragile)}{several} made no connection below {floor.prose} but would try to, or was stopped"
            f" by something other than the version: {names.alone(fragile)}."
        )
    sentences += _gaps(groups, names, several)
    if enforced := at[Verdict.ENFORCED]:
        held = several or f" of {total}"
        clients = "" if subject is Subject.PROGRAM else " with every client measured"
        hold = "holds" if len(enforced) == 1 else "hold"
        sentences.append(
            f"{len(enforced)}{held} {hold} {floor.prose}{where}{clients}: {names.alone(enforced)}."
        )
    return sentences


def _whose(subject: Subject, groups: Iterable[RowGroup]) -> str:
    """Return the words for several of a subject where a sentence brings it up."""
    if subject is not Subject.ENVIRONMENT:
        return subject.plural
    # An interpreter with its packages, such as that of an image, is no application's.
    mixed = any(group.interpreter.is_as_installed for group in groups)
    return f"{subject.plural} as found" if mixed else f"applications' {subject.plural}"


@dataclass(frozen=True)
class _Names:
    """How sentences about one kind of subject name some of these."""

    subject: Subject
    every: Sequence[RowGroup]
    """All groups of the report."""

    def alone(self, groups: Sequence[RowGroup]) -> str:
        """Name them, without clients."""
        if self.subject.as_found:
            return found_names(groups, self.every)
        return ", ".join(map(_name, groups))

    def with_clients(self, groups: Sequence[RowGroup], verdict: Verdict) -> str:
        """Name them, each with its clients at a verdict where not all of its clients are there.

        What was found has clients of its own, so they are always named, with their versions.
        """
        if self.subject.as_found:
            return found_names(groups, self.every, verdict)
        named = []
        for group in groups:
            rows, name = group.only(verdict), _name(group)
            some = ", ".join(client_shares([row.client for row in rows], [row.client for row in group.rows]))
            named.append(name if len(rows) == len(group.rows) else f"{name} ({some})")
        return ", ".join(named)


def _name(group: RowGroup) -> str:
    return without_program(label(group.interpreter))


def _none_downgraded(groups: Sequence[RowGroup], subject: Subject, floor: Protocol, where: str) -> str:
    """Say that none went below the floor, if that is known of any: silence must not open like safety."""
    total = len(groups)
    unknown = sum(any(row.verdict in GAPS for row in group.rows) for group in groups)
    below = f"a version below {floor.prose}{where}"
    if unknown == total:
        which = f"the one {subject}" if total == 1 else f"any of the {total} {_whose(subject, groups)}"
        return f"It is not known whether {which} negotiates {below}."
    none = f"The one {subject} does" if total == 1 else f"None of the {total} {_whose(subject, groups)}"
    negotiates = "not negotiate" if total == 1 else "negotiates"
    rest = f", but for {unknown} of them this is not known" if unknown else ""
    return f"{none} {negotiates} {below}{rest}."


def _gaps(groups: Sequence[RowGroup], names: _Names, several: str) -> list[str]:
    """Say of which nothing is known, as a whole or of some clients, whatever is known of the others."""
    undecided, untestable = (with_any(groups, gap) for gap in GAPS)
    found = []
    if undecided:
        read = "gave no clear answer and must not be read as safe"
        some = names.with_clients(undecided, Verdict.INCONCLUSIVE)
        found.append(f"{len(undecided)}{several} {read}: {some}.")
    if untestable:
        part = "could not be measured, wholly or in part"
        some = names.with_clients(untestable, Verdict.UNTESTABLE)
        found.append(f"{len(untestable)}{several} {part}: {some}.")
    return [*found, *_silent_cells(groups)]


def _silent_cells(groups: Iterable[RowGroup]) -> list[str]:
    """Count the cells that say nothing of clients of which other cells say enough for a verdict."""
    rows = [row for group in groups for row in group.rows if row.verdict not in GAPS]
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
    named = some_of(silent, MOST_NAMED)
    return [f"{number} of {total} cells of the other clients {say} nothing: {named}."]


def _downgraded(groups: Sequence[RowGroup], names: _Names, every: str, floor: Protocol, where: str) -> str:
    """Say how many go below the floor and how far, and name the clients where not all of them do."""
    reached = {row.judgement.lowest for group in groups for row in group.rows if row.judgement.lowest}
    low = sorted((p for p in reached if p.below(floor)), key=LADDER.index)
    negotiates = "negotiates" if len(groups) == 1 else "negotiate"
    version = f"{low[0].prose} (below" if len(low) == 1 else f"versions down to {low[0].prose} (below"
    below = f"{version} the {floor.prose} minimum){where}"
    some = names.with_clients(groups, Verdict.DOWNGRADED)
    return f"{len(groups)} of {every} {negotiates} {below}: {some}."


def _own_tls(downgraded: Iterable[RowGroup], names: _Names, floor: Protocol) -> list[str]:
    """Name what brings its own TLS and goes below, where all that uses Python's holds the floor."""
    stacks: dict[str, dict[str, None]] = {}
    found = []
    for group in downgraded:
        pythons = {row.verdict for row in group.rows if not row.own_tls} - {Verdict.UNTESTABLE}
        if pythons == {Verdict.ENFORCED}:
            found.append(group)
            for row in group.rows:
                if row.own_tls and row.verdict is Verdict.DOWNGRADED:
                    stacks.setdefault(row.own_tls.brief, {})[str(row.client)] = None
    if not found:
        return []
    named = " and ".join(f"{name} ({', '.join(clients)})" for name, clients in stacks.items())
    brings = "brings its own TLS and does" if len(stacks) == 1 else "bring their own TLS and do"
    itself = f"On {len(found)} of these Python itself holds {floor.prose}"
    return [f"{itself}, but {named} {brings} not: {names.alone(found)}."]


def page_sentences(groups: Sequence[RowGroup]) -> list[str]:
    """Say what the AWS page's check would have concluded about interpreters that go below its own floor.

    The machine's own condition counts, or the first one that was measured; empty if none goes below it.
    """
    interpreters = by_subject(groups).get(Subject.INTERPRETER, ())
    wrong = [
        group
        for group in under(interpreters, first_condition(groups))
        if any(row.judgement.lowest and row.judgement.lowest.below(PAGE_FLOOR) for row in group.rows)
        and group.standing is Verdict.DOWNGRADED
    ]
    concluded = {check: [g.name for g in wrong if g.rows[0].page_check is check] for check in PageCheck}
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
