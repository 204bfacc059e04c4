"""What changed between two runs, with the likely cause of each change: a pure comparison, and its text.

A run records more than verdicts: of each interpreter its build, its OpenSSL and the configuration that it
reads; of each client its version; of itself its instruments and what it was asked. Whatever of that differs
and can touch a row is named. What only one run was asked to measure is no change.
"""

from __future__ import annotations

import enum
import fnmatch
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from interpreters.interpreter import MADE
from reports.causes import UNKNOWN, CauseSubject, ChangeCause, of_client_file, of_rows, of_runs
from reports.formats.found import MOST_ENTRIES
from reports.verdicts.judge import Verdict
from reports.verdicts.labels import place
from reports.verdicts.matrix import RowGroup, Subject, by_interpreter, subject_of
from reports.verdicts.stand_ins import ALL_CLIENTS
from servers.conditions import Condition
from servers.protocols import LADDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from interpreters.clients import ClientKey
    from interpreters.interpreter import Interpreter
    from reports.formats.matrix_json import StoredRun
    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Run, RunRequest

GIVEN = "given"
"""The source of an interpreter that only --interpreter leads to."""


class ChangeKind(enum.StrEnum):
    """What became of a row; what asks for attention comes first."""

    WORSE = "worse"
    APPEARED = "appeared"
    VANISHED = "vanished"
    BETTER = "better"
    CHANGED = "changed"
    """Something that decides verdicts is another, and the verdict is the same."""


TITLES = {
    ChangeKind.WORSE: "Worse",
    ChangeKind.APPEARED: "Appeared",
    ChangeKind.VANISHED: "Vanished",
    ChangeKind.BETTER: "Better",
    ChangeKind.CHANGED: "Changed, with no effect on the verdict",
}


@dataclass(frozen=True)
class Change:
    """One client in one interpreter under one condition, of which two runs do not say the same."""

    kind: ChangeKind
    host: str
    interpreter: str
    client: ClientKey
    condition: Condition
    older: Row | None
    """None if it was not there."""
    newer: Row | None
    causes: tuple[ChangeCause, ...]
    """Empty if nothing in the records explains it."""
    environment: str = MADE
    """Where the client is: made for measuring, or the path of what was found as it is."""


@dataclass(frozen=True)
class Unasked:
    """What only one of two runs was asked for."""

    which: str
    """The `older` or the `newer`."""
    what: str

    def __str__(self) -> str:
        """Return this in a sentence."""
        return f"Only the {self.which} run was asked for {self.what}."


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side."""

    older: tuple[Run, ...]
    newer: tuple[Run, ...]
    between: tuple[ChangeCause, ...]
    """How the runs themselves differ."""
    changes: tuple[Change, ...]
    unasked: tuple[Unasked, ...]
    """What only one of them was asked for."""
    same: int
    """Rows of which both say the same."""


@dataclass(frozen=True)
class _Pair:
    """One client in one interpreter under one condition, as both runs have it."""

    client: ClientKey
    condition: Condition
    older: Row | None
    newer: Row | None
    link: str
    """The path that led to the one interpreter and leads to the other; empty if none did."""
    both: bool = True
    """Whether both runs have the interpreter, whatever they have of this client in it."""

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter, as the newer run knows it if it does."""
        sides = [row for row in (self.newer, self.older) if row]
        return next((row for row in sides if not _silent(row)), sides[0]).interpreter


@dataclass(frozen=True)
class _InterpreterPair:
    """One interpreter as both runs have it; a side is None where a run has nothing of it."""

    older: RowGroup | None
    newer: RowGroup | None
    link: str

    def clients(self) -> Iterator[_Pair]:
        """Pair the rows of each client and condition, those of the newer run first."""
        olds, news = (_by_client(group) for group in (self.older, self.newer))
        keys = dict.fromkeys((*news, *olds))
        for client, condition in [key for key in keys if key[0] != ALL_CLIENTS] or keys:
            # A row for all clients, because nothing could be measured, is the other side of each.
            old, new = (rows.get((client, condition)) or _for_all(rows) for rows in (olds, news))
            yield _Pair(client, condition, old, new, self.link, bool(self.older and self.newer))


def _by_client(group: RowGroup | None) -> dict[tuple[ClientKey, Condition], Row]:
    return {(row.client, row.condition): row for row in group.rows} if group else {}


def _for_all(rows: Mapping[tuple[ClientKey, Condition], Row]) -> Row | None:
    return next((row for row in rows.values() if row.client == ALL_CLIENTS), None)


def compare(older: Sequence[StoredRun], newer: Sequence[StoredRun]) -> Comparison:
    """Compare two runs, or two documents of several machines each, which are then paired by host."""
    between: dict[ChangeCause, None] = {}
    changes: list[Change] = []
    unasked: dict[Unasked, None] = {}
    same = 0
    for before, after in _by_host(older, newer):
        # What a silent machine did not do differs in everything, and explains nothing.
        silent = any(_silent(row) for row in (*before.rows, *after.rows))
        shared = () if silent else of_runs(before, after)
        between |= dict.fromkeys(shared)
        pairs = (pair for both in _interpreter_pairs(before, after) for pair in both.clients())
        for pair in pairs:
            if note := _not_asked(pair, before.run.asked, after.run.asked):
                unasked[note] = None
            elif change := _change(pair, before, after, shared):
                changes.append(change)
            else:
                same += 1
    return Comparison(
        older=tuple(record.run for record in older),
        newer=tuple(record.run for record in newer),
        between=tuple(between),
        changes=tuple(sorted(changes, key=lambda change: list(ChangeKind).index(change.kind))),
        unasked=tuple(unasked),
        same=same,
    )


def _by_host(older: Sequence[StoredRun], newer: Sequence[StoredRun]) -> Iterator[tuple[StoredRun, StoredRun]]:
    """Pair the runs of two documents; two single runs are a pair wherever they were made."""
    if len(older) == len(newer) == 1:
        yield older[0], newer[0]
        return
    befores, afters = ({record.host: record for record in records} for records in (older, newer))
    for host in dict.fromkeys((*afters, *befores)):
        # A machine that is in one of them only is held against nothing of its own.
        yield (
            befores[host] if host in befores else replace(afters[host], rows=()),
            afters[host] if host in afters else replace(befores[host], rows=()),
        )


def _interpreter_pairs(before: StoredRun, after: StoredRun) -> Iterator[_InterpreterPair]:
    """Pair the interpreters of two runs: those of the newer one, then those that only the older one has."""
    links = dict(_links(before.run.asked, after.run.asked))
    (olds, old_machine), (news, new_machine) = map(_by_report, (before, after))
    partners = _partners(olds, news, links)
    paired = [(partners.get(new.name), new) for new in news]
    gone = {old.name for old in olds} - {old.name for old in partners.values()}
    left = [(old, None) for old in olds if old.name in gone]
    for old, new in [*paired, *left] or [(None, None)]:
        link = links.get((old.interpreter.path, new.interpreter.path), "") if old and new else ""
        # A machine that did not report has one row, which is the other side of all.
        yield _InterpreterPair(old or old_machine, new or new_machine, link)


def _by_report(run: StoredRun) -> tuple[list[RowGroup], RowGroup | None]:
    """Return the rows of each interpreter, and that of a machine that did not report if the run has it."""
    groups = by_interpreter(run.rows)
    silent = next((group for group in groups if group.subject is Subject.MACHINE), None)
    return [group for group in groups if group.subject is not Subject.MACHINE], silent


def _links(before: RunRequest, after: RunRequest) -> Iterator[tuple[tuple[str, str], str]]:
    """Give, for each path that both runs were given, where it led and leads, and the path."""
    led = {given.path: given.real for given in before.interpreters}
    for given in after.interpreters:
        if led.get(given.path, given.real) != given.real:
            yield (led[given.path], given.real), given.path


def _partners(
    olds: Sequence[RowGroup], news: Sequence[RowGroup], links: Mapping[tuple[str, str], str]
) -> dict[str, RowGroup]:
    """Return the older group of each newer one, by name: of the same path, or id, or by the same link.

    An interpreter, its own packages and what runs on it have one path and are three things. The id of an
    environment may become another's, when one like it appears.
    """
    ways: tuple[Callable[[Interpreter, Interpreter], bool], ...] = (
        lambda old, new: (old.path, old.variables) == (new.path, new.variables),
        lambda old, new: old.id == new.id,
        lambda old, new: (old.path, new.path) in links,
    )
    left = {old.name: old for old in olds}
    found: dict[str, RowGroup] = {}
    for alike in ways:
        for new in (group for group in news if group.name not in found):
            partner = (
                old
                for old in left.values()
                if _same_kind(old.interpreter, new.interpreter) and alike(old.interpreter, new.interpreter)
            )
            if old := next(partner, None):
                found[new.name] = left.pop(old.name)
    return found


def _same_kind(old: Interpreter, new: Interpreter) -> bool:
    """Whether two can be one: both made for measuring, or both found in one place in the same way."""
    kinds = ((each.environment, each.is_as_installed, each.is_running) for each in (old, new))
    return len(set(kinds)) == 1


def _silent(row: Row) -> bool:
    return row.subject is Subject.MACHINE


def _together(unasked: Iterable[Unasked]) -> list[str]:
    """Say in one sentence for each run what it alone was asked for: `--only` leaves out many."""
    found: dict[str, list[str]] = {}
    for each in unasked:
        found.setdefault(each.which, []).append(each.what)
    return [str(Unasked(which, ", ".join(what))) for which, what in found.items()]


def _not_asked(pair: _Pair, before: RunRequest, after: RunRequest) -> Unasked | None:
    """Return what only one of two runs was asked for; None if that is not why a row has no other side."""
    if pair.older and pair.newer:
        return None
    request, other, which = (before, after, "newer") if pair.newer else (after, before, "older")
    interpreter = pair.interpreter
    left_out = request.only and not any(fnmatch.fnmatchcase(interpreter.id, glob) for glob in request.only)
    program = pair.client.name
    wanted = program in request.commands if program in other.commands else request.programs
    if interpreter.is_program and (left_out or not wanted):
        what = f"the program {pair.client}"
    elif left_out:
        what = f"the interpreter {interpreter.id}"
    elif half := _half(interpreter, request):
        what = half
    elif interpreter.source == GIVEN and interpreter.path not in [
        given.real for given in request.interpreters
    ]:
        what = f"the interpreter {interpreter.path}"
    elif not interpreter.is_program and str(pair.client) not in (
        *request.clients_for(interpreter.environment),
        str(ALL_CLIENTS),
    ):
        what = f"the client {pair.client}"
    elif pair.condition not in request.conditions:
        what = f"the {pair.condition} configuration"
    else:
        return None
    return Unasked(which, what)


def _half(interpreter: Interpreter, request: RunRequest) -> str:
    """Name the half of what can be measured that a run was not asked for, if the interpreter is of that."""
    subject = subject_of(interpreter)
    if subject is Subject.PROCESS and not request.running:
        return subject.plural
    if subject is Subject.ENVIRONMENT and interpreter.source != GIVEN and not request.found:
        return f"{subject.plural} as found"
    return "" if request.made or subject is not Subject.INTERPRETER else subject.plural


def _change(pair: _Pair, before: StoredRun, after: StoredRun, shared: Sequence[ChangeCause]) -> Change | None:
    """Return what became of a row; None if both runs say the same and nothing that decides it differs."""
    old, new = pair.older, pair.newer
    causes: tuple[ChangeCause, ...]
    if old is None or new is None:
        kind = ChangeKind.APPEARED if new else ChangeKind.VANISHED
        causes = (_absence(pair, before, after),)
    else:
        kind = _kind(old, new)
        causes = of_rows(pair.client, old, new, pair.link)
        causes += of_client_file(pair.client, before.run, after.run)
        if _facts(old) != _facts(new):
            unclear = Verdict.INCONCLUSIVE in (old.verdict, new.verdict)
            causes += tuple(cause for cause in shared if unclear or cause.source is not CauseSubject.CONTROL)
        elif not causes:
            return None
    return Change(
        kind=kind,
        host=after.run.host,
        interpreter=pair.interpreter.id,
        client=pair.client,
        condition=pair.condition,
        older=old,
        newer=new,
        causes=causes,
        environment=pair.interpreter.environment,
    )


def _facts(row: Row) -> tuple[object, ...]:
    """Return what a row found out; its reason is left out, which puts the same into words."""
    judged = row.judgement
    return (judged.verdict, judged.lowest, judged.highest, judged.offer, row.held_by)


def _absence(pair: _Pair, before: StoredRun, after: StoredRun) -> ChangeCause:
    """Say why a row has no other side, which was asked for it."""
    record, when = (before, "before") if pair.newer else (after, "any more")
    if not record.rows:
        return ChangeCause(CauseSubject.MACHINE, f"nothing of {record.host} is there {when}")
    if pair.interpreter.environment == MADE:
        return ChangeCause(CauseSubject.INTERPRETER, f"{pair.interpreter.path} was not found {when}")
    if pair.both:
        return ChangeCause(CauseSubject.CLIENT, f"{pair.client} was not installed there {when}")
    return ChangeCause(CauseSubject.INTERPRETER, f"{place(pair.interpreter)} was not found {when}")


def _kind(older: Row, newer: Row) -> ChangeKind:
    """Judge the way from one row to the other: to know nothing any more is worse, whatever was known."""
    old, new = _badness(older), _badness(newer)
    if old == new:
        return ChangeKind.CHANGED
    if old is None or new is None:
        return ChangeKind.BETTER if newer.verdict is Verdict.ENFORCED else ChangeKind.WORSE
    return ChangeKind.WORSE if new > old else ChangeKind.BETTER


def _badness(row: Row) -> tuple[int, int] | None:
    """Return how bad a verdict is, and how far below the floor it went; None if nothing is known."""
    if row.verdict in UNKNOWN:
        return None
    worst_first = [verdict for verdict in Verdict if verdict not in UNKNOWN]
    downgraded = row.verdict is Verdict.DOWNGRADED and row.judgement.lowest
    depth = -LADDER.index(row.judgement.lowest) if downgraded and row.judgement.lowest else 0
    return -worst_first.index(row.verdict), depth


def sections(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Return a comparison in sentences under titles; the first, without a title, sums it up."""
    counts = {kind: sum(change.kind is kind for change in comparison.changes) for kind in ChangeKind}
    counted = [f"{count} {kind}" for kind, count in counts.items() if count]
    olds, news = (", ".join(run.run_id for run in runs) for runs in (comparison.older, comparison.newer))
    found = [("", [f"{news}, compared with {olds}: {', '.join([*counted, f'{comparison.same} the same'])}."])]
    for kind, title in TITLES.items():
        found.append((title, _grouped(change for change in comparison.changes if change.kind is kind)))
    runs = [f"{cause.text[:1].upper()}{cause.text[1:]}." for cause in comparison.between]
    found += [("Between the runs themselves", runs), ("Not compared", _together(comparison.unasked))]
    return [(title, lines) for title, lines in found if lines]


def _grouped(changes: Iterable[Change]) -> list[str]:
    """Say the same change once, for all that it happened to."""
    groups: dict[tuple[str, str, bool], dict[str, list[str]]] = {}
    for change in changes:
        found = change.environment != MADE
        names = groups.setdefault((_became(change), _why(change), found), {})
        names.setdefault(_named(change), []).append(str(change.client))
    sentences = []
    for (became, why, found), names in groups.items():
        entries = [f"{name} ({', '.join(clients)})" for name, clients in names.items()]
        # Of environments there may be hundreds; compare.json has them all.
        most = MOST_ENTRIES if found else len(entries)
        more = f" and {len(entries) - most} more" if len(entries) > most else ""
        sentences.append(f"{'; '.join(entries[:most])}{more}: {became}. {why}")
    return sentences


def _named(change: Change) -> str:
    """Name what changed: an interpreter by its id, what was found by where it is."""
    sides = (change.newer, change.older)
    found = (row.interpreter for row in sides if row and row.interpreter.environment != MADE)
    return next(map(place, found), change.interpreter)


def _became(change: Change) -> str:
    old, new = change.older, change.newer
    under = "" if change.condition is Condition.AMBIENT else f" under the {change.condition} configuration"
    if old is None or new is None:
        return f"was {_stands(old)}{under}" if old else f"{_stands(new)}{under}" if new else ""
    if _stands(old) != _stands(new):
        return f"{_stands(new)}, before {_stands(old)}{under}"
    details = [
        f"{what} {after or 'nothing known'}, before {before or 'nothing known'}"
        for what, before, after in (
            ("held by", old.held_by, new.held_by),
            ("offers", old.judgement.offer, new.judgement.offer),
        )
        if before != after
    ]
    return "; ".join([f"{_stands(new)} as before{under}", *details])


def _stands(row: Row) -> str:
    lowest = row.judgement.lowest if row.verdict is Verdict.DOWNGRADED else None
    return f"{row.verdict} to {lowest}" if lowest else str(row.verdict)


def _why(change: Change) -> str:
    if not change.causes:
        return "The records do not show why."
    opening = "What differs" if change.kind is ChangeKind.CHANGED else "Likely cause"
    return f"{opening}: {'; '.join(cause.text for cause in change.causes)}."
