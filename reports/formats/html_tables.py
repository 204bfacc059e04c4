"""The tables of verdicts on the HTML page: interpreters with programs, and what was found as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.formats.found import alike
from reports.formats.html_data import EntryTable, subjects_of, tone
from reports.verdicts.judge import Verdict
from reports.verdicts.labels import label
from reports.verdicts.matrix import under
from reports.verdicts.processes import process_facts
from reports.verdicts.stand_ins import ALL_CLIENTS
from servers.catalogue import Role
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.verdicts.cells import CellResult
    from reports.verdicts.matrix import Row, RowGroup, Subject
    from servers.protocols import Protocol

_BARS = {"D": 12, "F": 7, "E": 2}
"""How high a server's bar stands in a cell, by tone; one that says nothing leaves a gap."""


@dataclass(frozen=True)
class Column:
    """One column of a table of verdicts."""

    client: str
    condition: Condition

    @property
    def key(self) -> str:
        """What the page's script sorts by, in each table that has such a column."""
        return f"{self.client}|{self.condition}"


@dataclass(frozen=True)
class VerdictTable:
    """One table of verdicts: interpreters and programs, or what was found, which has clients of its own."""

    id: str
    subjects: tuple[Subject, ...]
    columns: Sequence[Column]
    lines: Sequence[Mapping[str, object]]
    """One for each interpreter, environment or process, the worst first."""

    @property
    def as_found(self) -> bool:
        """Whether what is in it was found as it is."""
        return self.subjects[0].as_found


def verdict_tables(
    groups: Sequence[RowGroup], primary: Condition, floor: Protocol, shapes: EntryTable
) -> list[VerdictTable]:
    """Return the tables of verdicts that have lines; where none has, one for interpreters."""
    lines = _lines(groups, shapes, floor)
    apart: dict[str, list[RowGroup]] = {} if groups else {"picture": []}
    for group in sorted(groups, key=lambda group: group.subject.as_found):
        apart.setdefault(group.subject.plural if group.subject.as_found else "picture", []).append(group)
    tables = []
    for name, theirs in apart.items():
        ordered = _in_order(theirs, primary)
        # In the order of the lines: a narrow window shows the first columns, and those are of the worst.
        columns = _columns([row for group in ordered for row in group.rows])
        subjects = tuple(subjects_of(theirs))
        here = [lines[group.name].entry(columns) for group in ordered]
        tables.append(VerdictTable(name.replace(" ", "-"), subjects, columns, here))
    return tables


def _columns(rows: Sequence[Row]) -> list[Column]:
    """Return the columns, the machine's own condition first; a row for all clients makes none."""
    order = list(Condition).index
    conditions = sorted({row.condition for row in rows}, key=order)
    clients = list(dict.fromkeys(row.column for row in rows if row.client != ALL_CLIENTS))
    return [Column(cl, co) for co in conditions for cl in clients or ([str(ALL_CLIENTS)] if rows else [])]


@dataclass(frozen=True)
class _Line:
    """A group as a line of a table, whatever columns that has."""

    number: int
    """The group's place in the evidence."""
    group: RowGroup
    rows: Sequence[tuple[int, Row]]
    """Its rows with their places in the evidence."""
    alike: int
    """What it has in common with those groups that came out alike; -1 where none did."""
    floor: Protocol
    shapes: EntryTable

    def entry(self, columns: Sequence[Column]) -> dict[str, object]:
        """Return what the template shows."""
        interpreter = self.group.interpreter
        return {
            "number": self.number,
            "alike": self.alike,
            "name": label(interpreter) if self.group.subject.as_found else interpreter.name,
            "interpreter": interpreter,
            "facts": process_facts(interpreter),
            "cells": [self._cell(column) for column in columns],
        }

    def _cell(self, column: Column) -> dict[str, object] | None:
        for number, row in self.rows:
            if row.client == ALL_CLIENTS or (row.column, row.condition) == (column.client, column.condition):
                shape = _shape(row.findings.values(), self.floor)
                found = self.group.subject.as_found and row.client_version != row.interpreter.version
                return {
                    "row": number,
                    "verdict": row.verdict,
                    "lowest": row.judgement.lowest,
                    "version": row.client_version if found else "",
                    "shape": self.shapes.place(shape),
                }
        return None


def _lines(groups: Sequence[RowGroup], shapes: EntryTable, floor: Protocol) -> dict[str, _Line]:
    """Return each group as a line, by its name."""
    together = alike(group for group in groups if group.subject.as_found)
    alike_as = {group.name: number for number, same in enumerate(together) for group in same if len(same) > 1}
    found: dict[str, _Line] = {}
    # Groups and rows are numbered by their place in the evidence.
    first = 0
    for number, group in enumerate(groups):
        numbered = list(enumerate(group.rows, first))
        first += len(numbered)
        found[group.name] = _Line(number, group, numbered, alike_as.get(group.name, -1), floor, shapes)
    return found


def _in_order(groups: Sequence[RowGroup], primary: Condition) -> list[RowGroup]:
    """Return the groups the worst first, and those that came out alike side by side."""

    def badness(group: RowGroup) -> tuple[int, int]:
        (counting,) = under([group], primary) or [group]
        return list(Verdict).index(counting.standing), -len(counting.only(counting.standing))

    if not groups or not groups[0].subject.as_found:
        return sorted(groups, key=badness)
    return [group for same in sorted(alike(groups), key=lambda some: badness(some[0])) for group in same]


def _shape(findings: Iterable[CellResult], floor: Protocol) -> str:
    """Draw a cell's servers as bars, side by side: the higher, the worse."""
    tones = [tone(finding, floor) for finding in findings if finding.server.role is not Role.PAGE]
    heights = [(place * 5, _BARS.get(letter, 0)) for place, letter in enumerate(tones)]
    return "".join(f"M{left} {12 - high}h4v{high}h-4z" for left, high in heights if high)
