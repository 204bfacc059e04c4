"""The truth set: what each cell must show by its causes, held against what we and the AWS page said.

The judgement of cells and rows is not imported, so that nothing of what is checked can leak in: its words are
written out.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from interpreters.clients import ClientKey
from reports.verdicts.expected import REFERENCE, UnknownCauseError, expect
from servers.catalogue import Role
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from reports.verdicts.expected import Expectation
    from reports.verdicts.matrix import Matrix, Row
    from servers.catalogue import Catalogue, Server
    from servers.protocols import Protocol

YES, NO, UNDECIDED = "yes", "no", "undecided"


@dataclass(frozen=True)
class TruthCell:
    """What one client shows on one server beside what it must: a line of truth.csv, in this order."""

    interpreter: str
    condition: str
    client: str
    client_version: str
    server: str
    floor: str
    expected: str
    observed: str
    agrees: str
    verdict: str
    true_safe: str
    our_safe: str
    page_true_safe: str
    page_safe: str
    true_held_by: str
    held_by: str
    because: str

    @property
    def place(self) -> tuple[str, str]:
        """The interpreter and the condition, of which the page speaks as a whole."""
        return self.interpreter, self.condition

    @property
    def is_silent(self) -> bool:
        """Whether it shows nothing."""
        return self.observed in ("inconclusive", "missing")


COLUMNS = tuple(column.name for column in fields(TruthCell))
"""The columns of truth.csv; those that end in `_safe` and `agrees` hold yes, no, or undecided."""


CELLS = 1000
"""Cells that a truth set takes; on a machine with few interpreters, two thirds of those it could have."""


@dataclass(frozen=True)
class Truth:
    """The cells that have an expectation, and what has none."""

    cells: tuple[TruthCell, ...]
    left_out: tuple[str, ...]
    """Who contributes no cells, with the reason."""


def build_truth(
    rows: Sequence[Row],
    catalogue: Catalogue,
    floor: Protocol,
    ambient: Mapping[str, Mapping[str, str]] | None = None,
) -> Truth:
    """Hold the rows of a matrix, those of the reference client among them, against the expectation.

    `ambient` has what each interpreter's own OpenSSL configuration sets, by interpreter id. There is a
    cell for each row on each server of role ladder, whether anything was observed there or not.

    A row is truly safe if and only if none of its cells must connect below the floor. `enforced` and
    `fragile` say that nothing did; `downgraded` that something did; all else is undecided. The page
    speaks for an interpreter as a whole, so it is held against all its clients but the reference.
    """
    ladder = catalogue.only(Role.LADDER).servers
    cells: list[TruthCell] = []
    left_out: dict[str, None] = {}
    for row in rows:
        name = f"{row.interpreter.id}/{row.client}"
        if str(row.verdict) == "untestable":
            left_out[f"{name} was not measured: {row.judgement.reason}"] = None
            continue
        try:
            cells += _cells(row, ladder, floor, ambient or {})
        except UnknownCauseError as error:
            left_out[f"{name} under {row.condition}: {error}"] = None
    unsafe = {cell.place for cell in cells if cell.client != REFERENCE and cell.true_safe == NO}
    judged = (replace(cell, page_true_safe=NO if cell.place in unsafe else YES) for cell in cells)
    return Truth(tuple(judged), tuple(left_out))


def _cells(
    row: Row, ladder: Sequence[Server], floor: Protocol, ambient: Mapping[str, Mapping[str, str]]
) -> list[TruthCell]:
    """Return a row's cells, without what is true of its interpreter; raises UnknownCauseError."""
    expected = [_expect_row(row, server, floor, ambient) for server in ladder]
    holder = _expect_holder(row, ladder, floor, ambient)
    below = any(e.protocol and e.protocol.below(floor) for e in expected)
    shown = [str(row.findings.get(server.id, "missing")) for server in ladder]
    return [
        TruthCell(
            interpreter=row.interpreter.id,
            condition=str(row.condition),
            client=str(row.client),
            client_version=row.client_version,
            server=server.id,
            floor=str(floor),
            expected=str(expectation.answer),
            observed=observed,
            agrees=YES if observed == expectation.answer else NO,
            verdict=str(row.verdict),
            true_safe=NO if below else YES,
            our_safe=_OURS.get(str(row.verdict), UNDECIDED),
            page_true_safe="",
            page_safe=_PAGE.get(str(row.page_check), UNDECIDED),
            true_held_by=holder,
            held_by=str(row.held_by),
            because="; ".join(map(str, expectation.causes)),
        )
        for server, expectation, observed in zip(ladder, expected, shown, strict=True)
    ]


_OURS = {"enforced": YES, "fragile": YES, "downgraded": NO}


_PAGE = {"pass": YES, "fail": NO}


def _expect_row(
    row: Row, server: Server, floor: Protocol, ambient: Mapping[str, Mapping[str, str]]
) -> Expectation:
    settings, client = ambient.get(row.interpreter.id, {}), row.client.name
    return expect(
        row.interpreter, client, row.client_version, row.condition, server, floor, row.urllib3, settings
    )


_WITHOUT = {Condition.AMBIENT: (Condition.EMPTY,), Condition.HARDENED: (Condition.AMBIENT, Condition.EMPTY)}
"""Where to look for what a condition's own configuration holds: under those that are without it."""


def _expect_holder(
    row: Row, ladder: Sequence[Server], floor: Protocol, ambient: Mapping[str, Mapping[str, str]]
) -> str:
    """Return what must hold a row's client: who, taken away, lets it below."""

    def below(condition: Condition, client: ClientKey = row.client) -> bool:
        there = replace(row, condition=condition, client=client)
        found = (_expect_row(there, server, floor, ambient).protocol for server in ladder)
        return any(protocol is not None and protocol.below(floor) for protocol in found)

    if below(row.condition):
        return "nothing"
    if any(below(condition) for condition in _WITHOUT.get(row.condition, ())):
        return "openssl.cnf"
    if below(Condition.PERMISSIVE):
        return "library"
    return "code" if below(Condition.PERMISSIVE, ClientKey(REFERENCE)) else "build"


@dataclass(frozen=True)
class AnswerTally:
    """How a set of answers to "is it safe?" compares with the truth."""

    answers: int
    false_safe: int
    """Can go below the floor and was called safe."""
    false_unsafe: int
    """Cannot, and was called unsafe."""
    undecided: int


@dataclass(frozen=True)
class Score:
    """How our answers and the page's compare with the truth."""

    cells: int
    minimum_cells: int
    wrong: tuple[str, ...]
    """Each cell that shows something else than it must, in words; the undecided are not among them."""
    undecided: int
    """Cells that show nothing: inconclusive or missing."""
    ours: AnswerTally
    """By interpreter, client and condition."""
    page: AnswerTally
    """By interpreter and condition."""
    left_out: tuple[str, ...]
    misheld: tuple[str, ...] = ()
    """Each row that names another holder than it must, in words; the undecided are not among them."""

    @property
    def clean(self) -> bool:
        """Whether there are enough cells, each as it must be, and no verdict or holder is wrong."""
        enough = self.cells >= max(1, self.minimum_cells)
        failings = self.ours.false_safe + self.ours.false_unsafe + self.ours.undecided + self.undecided
        return enough and not self.wrong and not self.misheld and not failings


def needed_cells(matrix: Matrix, clients: Sequence[ClientKey], conditions: Sequence[Condition]) -> int:
    """Return how many cells a truth set of a matrix takes, whose interpreters all had these clients."""
    ladder = matrix.catalogue.only(Role.LADDER).servers
    return min(CELLS, len(matrix.measured) * len(clients) * len(conditions) * len(ladder) * 2 // 3)


def score(truth: Truth, minimum_cells: int) -> Score:
    """Count agreement and errors; fewer than `minimum_cells` cells are no clean score."""
    cells = truth.cells
    wrong = [cell for cell in cells if cell.agrees == NO and not cell.is_silent]
    rows: dict[tuple[str, ...], TruthCell] = {}
    places: dict[tuple[str, str], TruthCell] = {}
    # The first cell speaks for its row, and the first of an application's for its place.
    for cell in cells:
        rows.setdefault((*cell.place, cell.client), cell)
        if cell.client != REFERENCE:
            places.setdefault(cell.place, cell)
    return Score(
        cells=len(cells),
        minimum_cells=minimum_cells,
        wrong=tuple(
            f"{cell.interpreter}/{cell.client} under {cell.condition} on {cell.server}:"
            f" {cell.observed}, must be {cell.expected}"
            for cell in wrong
        ),
        undecided=sum(cell.is_silent for cell in cells),
        ours=_tally([(row.our_safe, row.true_safe) for row in rows.values()]),
        page=_tally([(place.page_safe, place.page_true_safe) for place in places.values()]),
        left_out=truth.left_out,
        misheld=tuple(
            f"{row.interpreter}/{row.client} under {row.condition}: held by"
            f" {row.held_by or 'it is not known what'}, must be {row.true_held_by}"
            for row in rows.values()
            if row.our_safe != UNDECIDED and row.held_by != row.true_held_by
        ),
    )


def _tally(answers: Sequence[tuple[str, str]]) -> AnswerTally:
    """Count pairs of an answer and the truth."""
    return AnswerTally(
        answers=len(answers),
        false_safe=answers.count((YES, NO)),
        false_unsafe=answers.count((NO, YES)),
        undecided=sum(answer == UNDECIDED for answer, _ in answers),
    )


def write_truth(folder: Path, cells: Iterable[TruthCell]) -> None:
    """Write truth.csv into a folder."""
    with (folder / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(vars, cells))


def summary(result: Score, most: int = 10) -> list[str]:
    """Return the score in sentences, ours and the page's side by side; at most `most` wrong cells."""
    agreeing = result.cells - len(result.wrong) - result.undecided
    failings = (*result.wrong, *result.misheld)
    wrong = [f"Wrong: {line}." for line in failings[:most]]
    more = [f"And {len(failings) - most} more."] if len(failings) > most else []
    few = [f"That is fewer than the {result.minimum_cells} cells it takes."]
    first = (
        f"{agreeing} of {result.cells} cells are what their causes say they must be;"
        f" {len(result.wrong)} are not, {result.undecided} are undecided."
    )
    return [
        first,
        *(few if result.cells < max(1, result.minimum_cells) else []),
        *wrong,
        *more,
        f"Ours, by interpreter, client and condition: {_counts(result.ours)}.",
        f"The AWS page, by interpreter and condition: {_counts(result.page)}.",
        *(f"Left out: {line}." for line in result.left_out),
    ]


def _counts(tally: AnswerTally) -> str:
    return (
        f'{tally.answers} answers, {tally.false_safe} false "safe", {tally.false_unsafe} false "unsafe",'
        f" {tally.undecided} undecided"
    )
