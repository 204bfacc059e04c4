"""Writes remedies.md, remedies.json, which it also reads, and the OpenSSL configurations that they advise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reports.formats.records import SCHEMA_VERSION, RecordError, read_record, reading
from reports.formats.remedies_document import build_remedies_markdown
from reports.verdicts.floor_file import FloorFile
from reports.verdicts.judge import Verdict
from reports.verdicts.remedies import Case, Origin, Remedy, RemedyAttempt, Standing, needing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

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
    document = json.dumps(build_remedies_json(cases, run, floor), indent=1)
    (folder / DOCUMENT).write_text(document + "\n", encoding="utf-8")
    (folder / "remedies.md").write_text(build_remedies_markdown(cases, run, floor), encoding="utf-8")


def build_remedies_json(cases: Sequence[Case], run: Run, floor: Protocol) -> dict[str, object]:
    """Return one entry for each row that needs a remedy, with every remedy in order of effort.

    Each says which run tried them, and on what: for anything else they are not known to help.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.run_id,
        "host": run.host,
        "floor": str(floor),
        "rows": [_entry(case, run.of(case.row.interpreter)) for case in cases],
    }


def _entry(case: Case, run: Run) -> dict[str, object]:
    origin = case.origin or Origin(run.run_id, run.ended)
    return {
        "host": run.host,
        **tried_on(case.row),
        "verdict": str(case.row.verdict),
        "run_id": origin.run_id,
        "ended": origin.ended,
        "remedies": [
            {**vars(attempt), "file": attempt.file and vars(attempt.file)} for attempt in case.attempts
        ],
    }


def tried_on(row: Row) -> dict[str, str]:
    """Return what a row's remedies were tried on: where one of these differs, they have to be tried again."""
    one = row.interpreter
    return {
        "interpreter": one.id,
        "path": one.path,
        "environment": one.environment,
        "build": one.build,
        "openssl": one.openssl,
        "openssl_conf": one.openssl_conf,
        "openssl_conf_sha256": one.openssl_conf_sha256,
        "client": str(row.client),
        "client_version": row.client_version,
        "urllib3": row.urllib3,
    }


def read_remedies(path: Path, run: Run, rows: Sequence[Row]) -> tuple[Case, ...]:
    """Return the cases that write_remedies wrote for these rows; raises RecordError for anything else."""
    document = read_record(path, SCHEMA_VERSION)
    ill = {(row.interpreter.id, str(row.client)): row for row in needing(rows)}
    with reading(path):
        if document["run_id"] != run.run_id:
            msg = f"is of the run {document['run_id']}, and what is beside it of {run.run_id}: measure again"
            raise RecordError(msg)
        return tuple(read_case(one, ill[one["interpreter"], one["client"]], run) for one in document["rows"])


def read_case(entry: Mapping[str, Any], row: Row, run: Run) -> Case:
    """Return the case that an entry of remedies.json is, for a row of a run; raises as JSON does."""
    origin = Origin(entry["run_id"], entry["ended"])
    attempts = tuple(map(_attempt, entry["remedies"]))
    return Case(row, attempts, None if origin.run_id == run.run_id else origin)


def _attempt(facts: Mapping[str, Any]) -> RemedyAttempt:
    return RemedyAttempt(
        Remedy(facts["remedy"]),
        Standing(facts["standing"]),
        facts["said"],
        None if facts["verdict"] is None else Verdict(facts["verdict"]),
        tuple(facts["lines"]),
        None if facts["file"] is None else FloorFile(**facts["file"]),
    )
