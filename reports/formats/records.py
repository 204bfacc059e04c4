"""The record of a run as files: observations.jsonl and run.json, written and read; see their schemas."""

from __future__ import annotations

import contextlib
import json
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from interpreters.clients import ClientKey
from interpreters.documents import Document, as_text, from_json
from interpreters.errors import FloorError
from interpreters.regular import read_regular
from reports.formats.contract import SCHEMA_VERSION, ControlDocument, ScopeDocument
from reports.formats.format import Format
from reports.formats.records_contract import ConnectionDocument, ObservationDocument, PartDocument, RunFile
from reports.verdicts.copies import CopyChange
from reports.verdicts.matrix import standings_apart
from reports.verdicts.observations import Account, Observation, OwnTls
from reports.verdicts.remedies import Remedy
from servers.control import Control
from servers.wire import WireAccount, WireAlert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from reports.verdicts.matrix import Matrix

from reports.verdicts.observations import Run

OBSERVATIONS = "observations.jsonl"

FORMATS = (
    Format(
        OBSERVATIONS,
        "auditors: each cell as the client and the wire tell it, raw hellos included",
        lambda report: build_jsonl(observations_of(report.matrix)),
    ),
    Format(
        "run.json",
        "provenance and scope: tool with its commit, OpenSSL, catalogue hash, controls, host, user, start and"
        " end in UTC, what was left out",
        lambda report: build_run(report.matrix.run, *_standings(report.matrix)),
    ),
)

NO_PARTS = '\n  "parts": []'
"""Where a run that joins none has its parts in JSON: within a text each quotation mark has a backslash."""

_Kind = TypeVar("_Kind", bound=Document)


class RecordError(FloorError):
    """A file is no record that this tool can read; the message says which, why, and what to do."""


def build_jsonl(records: Iterable[tuple[Run, Observation]]) -> Iterator[str]:
    """Give one JSON object a line, each with its run; observations.schema.json says what it holds."""
    return (as_text(_line(run, record)) for run, record in records)


def observations_of(matrix: Matrix) -> Iterator[tuple[Run, Observation]]:
    """Yield each observation with its run, interpreter by interpreter."""
    for measured in matrix.measured:
        run = matrix.run.of(measured.interpreter)
        yield from ((run, record) for record in measured.observations)


def _line(run: Run, record: Observation) -> ObservationDocument:
    """Return an observation as a line; of the control only what it came to: it is the same in every cell."""
    return ObservationDocument.of(
        record,
        run_id=run.run_id,
        host=run.host,
        client=str(record.client),
        control=ControlDocument.of(record.control),
    )


def read_jsonl(path: Path) -> dict[str, list[Observation]]:
    """Return what build_jsonl gave, without the captures, by the id of the run that each is of.

    A merged report has several. Raises RecordError for anything else.
    """
    found: dict[str, list[Observation]] = {}
    with reading(path):
        for text in read_regular(path).decode().splitlines():
            line = parse_document(text, ObservationDocument)
            found.setdefault(line.run_id, []).append(_observation(line))
    return found


def _observation(line: ObservationDocument) -> Observation:
    return line.to(
        Observation,
        client=ClientKey.parse(line.client, (*Remedy, *CopyChange)),
        account=line.account and line.account.to(Account),
        own_tls=line.own_tls and line.own_tls.to(OwnTls),
        wire=tuple(map(_wire, line.wire)),
        control=line.control.to(Control),
    )


def _wire(connection: ConnectionDocument) -> WireAccount:
    return connection.to(WireAccount, alerts=tuple(alert.to(WireAlert) for alert in connection.alerts))


def build_run(run: Run, stands: Mapping[str, int], found: Mapping[str, int] | None = None) -> Iterator[str]:
    """Give the run's provenance as JSON: what measured, where, when, and how its controls came out.

    `stands` says how many interpreters stand at which verdict, and `found` how many environments as found:
    the run in short, for those that look back at many. The runs that it joins are given one by one: what all
    of a fleet looked at has 100 KiB for each place.
    """
    record = RunFile.of(
        run,
        scope=ScopeDocument.of(run.scope),
        controls={name: ControlDocument.of(control) for name, control in run.controls.items()},
        parts=[],
        standings=stands,
        standings_found=found or {},
    )
    before, after = as_text(record, indent=2).split(NO_PARTS, 1)
    yield before + NO_PARTS.rstrip("]")
    for number, part in enumerate(run.parts):
        text = as_text(PartDocument.of(part, scope=ScopeDocument.of(part.scope)), indent=2)
        yield ("," if number else "") + textwrap.indent(f"\n{text.rstrip()}", " " * 4)
    yield ("\n  ]" if run.parts else "]") + after


def _standings(matrix: Matrix) -> tuple[dict[str, int], dict[str, int]]:
    return standings_apart(matrix.groups, matrix.run.asked.conditions[0])


def read_summary(path: Path) -> tuple[Run, dict[str, int], dict[str, int]]:
    """Return what build_run returned, without attempts and parts; raises RecordError for anything else."""
    record = read_document(path, RunFile)
    controls = {name: control.to(Control) for name, control in record.controls.items()}
    run = replace(record.run(controls, record.scope), parts=())
    return run, dict(record.standings), dict(record.standings_found)


def read_document(path: Path, kind: type[_Kind]) -> _Kind:
    """Return the document that a file is; raises RecordError for anything else."""
    with reading(path):
        return parse_document(read_regular(path).decode(), kind)


def parse_document(text: str, kind: type[_Kind]) -> _Kind:
    """Return the document that a JSON text is; raises RecordError or ValueError for anything else."""
    return from_json(_versioned(json.loads(text, parse_constant=_refuse)), kind)


def _refuse(constant: str) -> None:
    """Refuse NaN and the infinities, which `json` reads and no JSON has: RFC 8259, section 6."""
    msg = f"it has {constant}"
    raise ValueError(msg)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong in the block, while a record is read from `path`, into RecordError."""
    try:
        yield
    except RecordError as error:
        msg = f"{path} {error}"
        raise RecordError(msg) from error
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise RecordError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{path} is no whole record of this tool ({error}): measure again"
        raise RecordError(msg) from error
    except KeyError as error:
        msg = f"{path} is no whole record of this tool (it lacks {error}): measure again"
        raise RecordError(msg) from error


def _versioned(record: object) -> dict[str, Any]:
    """Return a record as it is, if it is an object of our schema version."""
    found = record.get("schema_version") if isinstance(record, dict) else None
    if not isinstance(record, dict) or found != SCHEMA_VERSION:
        msg = f"has schema version {found}, and this tool reads {SCHEMA_VERSION}: measure again"
        raise RecordError(msg)
    return record
