"""Writes remedies.md, remedies.json, which it also reads, and the OpenSSL configurations that they advise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interpreters.documents import as_text
from reports.formats.records import RecordError, read_document, reading
from reports.formats.remedies_contract import CaseDocument, RemediesFile
from reports.formats.remedies_document import build_remedies_markdown
from reports.verdicts.remedies import Case, needing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Run
    from servers.protocols import Protocol

DOCUMENT = "remedies.json"


def write_remedies(folder: Path, cases: Sequence[Case], run: Run, floor: Protocol) -> None:
    """Write the files into a folder.

    The configurations are in what is to be copied too, so a report of several machines, where files of
    one name may differ, has none beside it.
    """
    files = {attempt.file for case in cases for attempt in case.attempts if attempt.file}
    if not run.parts:
        for file in files:
            file.write(folder)
    document = as_text(build_remedies_json(cases, run, floor), indent=1)
    (folder / DOCUMENT).write_text(document, encoding="utf-8")
    (folder / "remedies.md").write_text(build_remedies_markdown(cases, run, floor), encoding="utf-8")


def build_remedies_json(cases: Sequence[Case], run: Run, floor: Protocol) -> RemediesFile:
    """Return one entry for each row that needs a remedy, with every remedy in order of effort.

    Each says which run tried them, and on what: for anything else they are not known to help.
    """
    rows = tuple(CaseDocument.of_case(case, run.of(case.row.interpreter)) for case in cases)
    return RemediesFile.of(run, floor=floor, rows=rows)


def read_remedies(path: Path, run: Run, rows: Sequence[Row]) -> tuple[Case, ...]:
    """Return the cases that write_remedies wrote for these rows; raises RecordError for anything else."""
    document = read_document(path, RemediesFile)
    ill = {(row.interpreter.id, str(row.client)): row for row in needing(rows)}
    with reading(path):
        if document.run_id != run.run_id:
            msg = f"is of the run {document.run_id}, and what is beside it of {run.run_id}: measure again"
            raise RecordError(msg)
        return tuple(entry.case(ill[entry.interpreter, entry.client], run) for entry in document.rows)
