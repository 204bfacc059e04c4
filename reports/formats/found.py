"""Environments and processes as found: those that came out alike together, so that hundreds can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from interpreters.listing import some_of
from reports.verdicts.judge import Verdict
from reports.verdicts.labels import place, versioned
from reports.verdicts.matrix import Subject
from reports.verdicts.stand_ins import ALL_CLIENTS
from servers.protocols import LADDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from interpreters.interpreter import Interpreter
    from reports.verdicts.matrix import Row, RowGroup

MOST_ENTRIES = 6
"""Entries of a sentence, each an environment or some that are alike; the tables have them all."""

FEW = 2
"""As many that are alike are named one by one; of more, as many are named for an example."""

MOST_HOSTS = 3
"""Hosts that are named of one environment."""


@dataclass(frozen=True)
class Entry:
    """Environments or processes of which a sentence says the same."""

    groups: tuple[RowGroup, ...]
    clients: str
    """The clients that it is about, with their versions; empty where it is about all alike."""
    base: str
    """The interpreter that they are environments of."""

    @property
    def depth(self) -> int:
        """How low they got: the lower, the worse; one that connected nowhere is above all."""
        reached = [row.judgement.lowest for group in self.groups for row in group.rows]
        return min((LADDER.index(version) for version in reached if version), default=len(LADDER))


def alike(groups: Iterable[RowGroup]) -> list[tuple[RowGroup, ...]]:
    """Return the groups together that came out alike: the same Python, and clients, versions and verdicts."""
    found: dict[tuple[object, ...], list[RowGroup]] = {}
    for group in groups:
        about = group.interpreter
        facts = (group.subject, about.version, about.implementation, about.openssl)
        rows = tuple(
            (row.condition, row.column, row.client_version, row.verdict, row.judgement.lowest, row.held_by)
            for row in group.rows
        )
        found.setdefault((facts, rows), []).append(group)
    return [tuple(same) for same in found.values()]


def bases(groups: Iterable[RowGroup]) -> dict[tuple[str, str], str]:
    """Return the interpreters' ids by host and build, by which the base of an environment is known.

    Nobody there has an interpreter with what was sent: that is no base of what is deployed.
    """
    interpreters = [group.interpreter for group in groups if group.subject is Subject.INTERPRETER]
    return {
        (each.host, each.build): each.id for each in reversed(interpreters) if each.build and not each.is_sent
    }


def base_of(interpreter: Interpreter, known: Mapping[tuple[str, str], str]) -> str:
    """Name the interpreter that an environment is of: by its id, or by its version where it has no row."""
    python = f"{interpreter.implementation or 'Python'} {interpreter.version}".replace("CPython", "Python")
    return known.get((interpreter.host, interpreter.build)) or python.strip()


def found_names(groups: Sequence[RowGroup], every: Sequence[RowGroup], verdict: Verdict | None = None) -> str:
    """Name environments or processes, the worst first, for a sentence; those of which it says the same once.

    With a verdict each is named with the clients at that, and their versions. `every` are all groups of the
    report, among which are the interpreters that they are of, and the same environments on other hosts.
    """
    known = bases(every)
    alike_here: dict[tuple[str, str], list[RowGroup]] = {}
    for group in groups:
        there = [row for row in group.only(verdict) if row.client != ALL_CLIENTS] if verdict else []
        clients = ", ".join(map(versioned, there))
        base = base_of(group.interpreter, known) if verdict else ""
        alike_here.setdefault((clients, base), []).append(group)
    entries = [Entry(tuple(same), *key) for key, same in alike_here.items()]
    entries.sort(key=lambda entry: (entry.depth, -len(entry.groups)))
    hosts = _hosts(every)
    texts = [text for entry in entries for text in _entry(entry, hosts)]
    named, left = texts[:MOST_ENTRIES], sum(number for _, number in texts[MOST_ENTRIES:])
    return ", ".join(text for text, _ in named) + (f" and {left} more" if left else "")


def outcome(row: Row) -> str:
    """Return a row in the words of a cell: ``downgraded TLSv1 (1.26.20)``."""
    version = "" if row.client_version == row.interpreter.version else row.client_version
    lowest = str(row.judgement.lowest or "") if row.verdict is Verdict.DOWNGRADED else ""
    return " ".join(filter(None, [str(row.verdict), lowest, version and f"({version})"]))


def places_of(groups: Sequence[RowGroup], most: int = FEW) -> str:
    """Name the places of groups: all, or where there are more than one beyond `most`, these and a number."""
    named = [text for text, _ in _placed(groups, {})]
    if len(named) <= most + 1:
        return ", ".join(named)
    return f"{', '.join(named[:most])} and {len(named) - most} more"


def _entry(entry: Entry, hosts: Mapping[str, list[str]]) -> list[tuple[str, int]]:
    """Return what is to be named of an entry, each text with the number of groups that it stands for."""
    placed = _placed(entry.groups, hosts)
    if not entry.clients:
        return placed
    if len(placed) <= FEW:
        together = " and ".join(text for text, _ in placed)
        return [(f"{together} ({entry.clients})", len(entry.groups))]
    some = ", ".join(text for text, _ in placed[:FEW])
    left = len(entry.groups) - sum(number for _, number in placed[:FEW])
    text = f"{len(entry.groups)} with {entry.clients} on {entry.base} ({some} and {left} more)"
    return [(text, len(entry.groups))]


def _placed(groups: Sequence[RowGroup], hosts: Mapping[str, list[str]]) -> list[tuple[str, int]]:
    """Return each place of these groups once, in a merged report with the hosts that it is said of."""
    found: dict[str, list[str]] = {}
    for group in groups:
        found.setdefault(place(group.interpreter), []).append(group.interpreter.host)
    return [(f"{where}{_on(on, hosts.get(where, on))}", len(on)) for where, on in found.items()]


def _on(on: Sequence[str], hosts: Sequence[str]) -> str:
    """Say on which hosts something is so, out of those that have it; nothing in a machine's own report."""
    if not any(on):
        return ""
    named = some_of(on, MOST_HOSTS)
    return f" on {named}" if len(hosts) == 1 else f" on {len(on)} of {len(hosts)} hosts, {named}"


def _hosts(every: Iterable[RowGroup]) -> dict[str, list[str]]:
    """Return the hosts that each place of an environment or process is on."""
    found: dict[str, list[str]] = {}
    for group in every:
        if group.subject.as_found:
            found.setdefault(place(group.interpreter), []).append(group.interpreter.host)
    return found
