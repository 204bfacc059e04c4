"""The truth set: what each cell must show by its causes, held against what we and the AWS page said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from interpreters.clients import ClientKey
from reports.verdicts.expected import REFERENCE, UnknownCauseError, expect
from servers.catalogue import Role
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from reports.verdicts.expected import Expectation
    from reports.verdicts.matrix import Matrix, Row
    from servers.catalogue import Catalogue, Server
    from servers.protocols import Protocol

YES, NO, UNDECIDED = "yes", "no", "undecided"


COLUMNS = (
    *("interpreter", "condition", "client", "client_version", "server", "floor", "expected", "observed"),
    *("agrees", "verdict", "true_safe", "our_safe", "page_true_safe", "page_safe"),
    *("true_held_by", "held_by", "because"),
)
"""The columns of truth.csv; those that end in `_safe` and `agrees` hold yes, no, or undecided."""


CELLS = 1000
"""Cells that a truth set takes; on a machine with few interpreters, two thirds of those it could have."""


@dataclass(frozen=True)
class Truth:
    """The cells that have an expectation, and what has none."""

    frame: pd.DataFrame
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
    ladder = [server for server in catalogue.servers if server.role is Role.LADDER]
    lines: list[dict[str, str]] = []
    left_out: dict[str, None] = {}
    for row in rows:
        name = f"{row.interpreter.id}/{row.client}"
        if str(row.verdict) == "untestable":
            left_out[f"{name} was not measured: {row.judgement.reason}"] = None
            continue
        try:
            cells = [_expect_row(row, server, floor, ambient or {}) for server in ladder]
            holder = _expect_holder(row, ladder, floor, ambient or {})
        except UnknownCauseError as error:
            left_out[f"{name} under {row.condition}: {error}"] = None
            continue
        below = any(e.protocol and e.protocol.below(floor) for e in cells)
        for server, cell in zip(ladder, cells, strict=True):
            finding = row.findings.get(server.id)
            observed = str(finding) if finding else "missing"
            lines.append(
                {
                    "interpreter": row.interpreter.id,
                    "condition": str(row.condition),
                    "client": str(row.client),
                    "client_version": row.client_version,
                    "server": server.id,
                    "floor": str(floor),
                    "expected": str(cell.answer),
                    "observed": observed,
                    "agrees": YES if observed == cell.answer else NO,
                    "verdict": str(row.verdict),
                    "true_safe": NO if below else YES,
                    "our_safe": _OURS.get(str(row.verdict), UNDECIDED),
                    "page_safe": _PAGE.get(str(row.page_check), UNDECIDED),
                    "true_held_by": holder,
                    "held_by": str(row.held_by),
                    "because": "; ".join(map(str, cell.causes)),
                }
            )
    frame = pd.DataFrame(lines, columns=list(COLUMNS), dtype="str").fillna("")
    applications = frame[frame["client"] != REFERENCE]
    unsafe = applications[applications["true_safe"] == NO]
    pairs = set(zip(unsafe["interpreter"], unsafe["condition"], strict=True))
    places = zip(frame["interpreter"], frame["condition"], strict=True)
    frame["page_true_safe"] = [NO if place in pairs else YES for place in places]
    return Truth(frame, tuple(left_out))


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


def needed_cells(matrix: Matrix, clients: Sequence[str], conditions: Sequence[Condition]) -> int:
    """Return how many cells a truth set of a matrix takes, whose interpreters all had these clients."""
    ladder = matrix.catalogue.only(Role.LADDER).servers
    return min(CELLS, len(matrix.measured) * len(clients) * len(conditions) * len(ladder) * 2 // 3)


def score(truth: Truth, minimum_cells: int) -> Score:
    """Count agreement and errors; fewer than `minimum_cells` cells are no clean score."""
    frame = truth.frame
    silent = frame["observed"].isin(["inconclusive", "missing"])
    wrong = frame[(frame["agrees"] == NO) & ~silent]
    rows = frame.drop_duplicates(["interpreter", "condition", "client"])
    applications = frame[frame["client"] != REFERENCE]
    places = applications.drop_duplicates(["interpreter", "condition"])
    return Score(
        cells=len(frame),
        minimum_cells=minimum_cells,
        wrong=tuple(
            f"{cell['interpreter']}/{cell['client']} under {cell['condition']} on {cell['server']}:"
            f" {cell['observed']}, must be {cell['expected']}"
            for cell in wrong.to_dict("records")
        ),
        undecided=int(silent.sum()),
        ours=_tally(rows, "our_safe", "true_safe"),
        page=_tally(places, "page_safe", "page_true_safe"),
        left_out=truth.left_out,
        misheld=tuple(
            f"{row['interpreter']}/{row['client']} under {row['condition']}: held by"
            f" {row['held_by'] or 'it is not known what'}, must be {row['true_held_by']}"
            for row in rows[rows["our_safe"] != UNDECIDED].to_dict("records")
            if row["held_by"] != row["true_held_by"]
        ),
    )


def _tally(lines: pd.DataFrame, said: str, true: str) -> AnswerTally:
    return AnswerTally(
        answers=len(lines),
        false_safe=int(((lines[said] == YES) & (lines[true] == NO)).sum()),
        false_unsafe=int(((lines[said] == NO) & (lines[true] == YES)).sum()),
        undecided=int((lines[said] == UNDECIDED).sum()),
    )


def write_truth(folder: Path, frame: pd.DataFrame) -> None:
    """Write truth.csv into a folder."""
    frame.to_csv(folder / "truth.csv", index=False)


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
