"""What remedies came to, as remedies.md and as remedies.json, which it also reads; and what they advise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interpreters.documents import as_text
from reports.formats.format import Format
from reports.formats.records import RecordError, read_document, reading
from reports.formats.remedies_contract import CaseDocument, RemediesFile
from reports.formats.remedies_document import build_remedies_markdown
from reports.verdicts.remedies import Case, needing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from reports.formats.format import Report
    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Run
    from servers.protocols import Protocol

DOCUMENT = "remedies.json"

FORMATS = (
    Format(
        "remedies.md",
        "people: what was tried on each row that needs it, and what to copy; later reports show it, with its"
        " run, until what it rests on changed",
        lambda report: _of_cases(report, build_remedies_markdown),
        "`remedy`",
    ),
    Format(
        DOCUMENT,
        "scripts: what remedies.md says",
        lambda report: _of_cases(report, lambda *facts: as_text(build_remedies_json(*facts), indent=1)),
        "`remedy`",
    ),
)


def _of_cases(report: Report, build: Callable[[Sequence[Case], Run, Protocol], str]) -> str | None:
    """Return the text about what remedies came to; None where none was tried."""
    if report.cases is None:
        return None
    return build(report.cases, report.matrix.run, report.matrix.floor)


def write_floor_files(folder: Path, cases: Sequence[Case], run: Run) -> None:
    """Write the OpenSSL configurations that were tried into a folder.

    They are in what is to be copied too, so a report of several machines, where files of one name may
    differ, has none beside it.
    """
    files = {attempt.file for case in cases for attempt in case.attempts if attempt.file}
    if not run.parts:
        for file in files:
            file.write(folder)


def build_remedies_json(cases: Sequence[Case], run: Run, floor: Protocol) -> RemediesFile:
    """Return one entry for each row that needs a remedy, with every remedy in order of effort.

    Each says which run tried them, and on what: for anything else they are not known to help.
    """
    rows = tuple(CaseDocument.of_case(case, run.of(case.row.interpreter)) for case in cases)
    return RemediesFile.of(run, floor=floor, rows=rows)


def read_remedies(path: Path, run: Run, rows: Sequence[Row]) -> tuple[Case, ...]:
    """Return the cases that remedies.json has for these rows; raises RecordError for anything else."""
    document = read_document(path, RemediesFile)
    ill = {(run.of(row.interpreter).host, row.interpreter.id, str(row.client)): row for row in needing(rows)}
    with reading(path):
        if document.run_id != run.run_id:
            msg = f"is of the run {document.run_id}, and what is beside it of {run.run_id}: measure again"
            raise RecordError(msg)
        known = [(entry, ill[entry.host, entry.interpreter, entry.client]) for entry in document.rows]
        return tuple(entry.case(row, run.of(row.interpreter)) for entry, row in known)
