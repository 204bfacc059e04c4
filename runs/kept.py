"""What remedies came to in earlier runs, as long as it still holds: nothing that it rests on has changed."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.atomic import write_atomically
from interpreters.clients import Client, clients
from reports.files import REPORTS
from reports.formats.records import RecordError, read_document, reading
from reports.formats.remedies import DOCUMENT
from reports.formats.remedies_contract import CaseDocument, RemediesFile
from reports.history import kept_runs
from reports.verdicts.remedies import Case, Remedy, needing, other_interpreter
from runs.remedy_options import known_options

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from reports.verdicts.matrix import Matrix, Row
    from reports.verdicts.remedies import RemedyOptions

KEPT_FOLDER = "remedies"
"""The folder of reports that has what the last run of `remedy` advised."""

UNKNOWN = Client("", "", reference=False)
"""A client of the user's own, of which nothing is known once it was measured."""

Entry = tuple[Path, CaseDocument]


def kept_cases(matrix: Matrix, today: dt.date, reports: Path = REPORTS) -> tuple[Case, ...] | None:
    """Return a case for each row that needs a remedy, as the newest kept run has it that tried any on it.

    It has to be the same build of the interpreter, the same client, the same configuration and the same
    floor. A row of which that is not known has an empty case; None stands for no remedies at all, as for a
    merged report, whose machines have tried their own. Another interpreter takes no trial, so it is looked
    for in this run.
    """
    rows = [row for row in needing(matrix.rows) if not row.interpreter.is_program]
    if matrix.run.parts or not rows:
        return None
    entries = tuple(_entries(matrix, reports))
    kept = [_kept(row, entries, matrix) for row in rows]
    if not any(case.attempts for case in kept):
        return None
    known = clients()
    options = known_options(
        matrix.rows,
        {row.client: known.get(row.client.name, UNKNOWN) for row in rows},
        matrix.floor,
        today,
    )
    return tuple(_with_other_interpreter(case, matrix.rows, options) for case in kept)


def _entries(matrix: Matrix, reports: Path) -> Iterator[Entry]:
    """Yield what kept runs tried against this floor, with their files, the newest first."""
    for folder in (*reversed(kept_runs(reports)), reports / KEPT_FOLDER):
        path = folder / DOCUMENT
        # A file that is broken, or of another version, is as good as none.
        with contextlib.suppress(RecordError):
            document = read_document(path, RemediesFile)
            if document.floor is matrix.floor:
                yield from ((path, entry) for entry in document.rows)


def _kept(row: Row, entries: Iterable[Entry], matrix: Matrix) -> Case:
    """Return what was tried last on what a row is about; without a known build that is nothing."""
    for path, entry in entries:
        if row.interpreter.build and entry.remedies and entry.is_about(row, matrix.run.host):
            with contextlib.suppress(RecordError), reading(path):
                return entry.case(row, matrix.run)
    return Case(row, ())


def _with_other_interpreter(case: Case, rows: tuple[Row, ...], options: RemedyOptions) -> Case:
    if not case.attempts:
        return case
    other = other_interpreter(case.row, rows, options)
    return replace(
        case,
        attempts=tuple(
            other if attempt.remedy is Remedy.INTERPRETER else attempt for attempt in case.attempts
        ),
    )


def keep(run: Path, reports: Path = REPORTS) -> None:
    """Copy what a run advised to where no later run of another kind replaces it, or removes it as too old."""
    folder = reports / KEPT_FOLDER
    folder.mkdir(exist_ok=True)
    for path in (run / DOCUMENT, run / "remedies.md", *run.glob("floor-*.cnf")):
        write_atomically(folder / path.name, path.read_text(encoding="utf-8", errors="surrogateescape"))
