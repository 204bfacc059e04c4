"""The matrix as one JSON document, for other programs to be written against; see matrix.schema.json."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from interpreters.documents import as_json, as_text
from interpreters.places import LOCAL, Place
from interpreters.shared import Shared
from reports.formats.contract import ScopeDocument
from reports.formats.escape import for_json as _text
from reports.formats.format import Format
from reports.formats.matrix_contract import (
    CellDocument,
    HelloDocument,
    InterpreterDocument,
    MatrixFile,
    MatrixRunDocument,
    ServerDocument,
    VerdictDocument,
)
from reports.formats.records import RecordError, read_document, reading
from reports.verdicts.cells import CellKind, CellResult
from servers.catalogue import Catalogue, Server
from servers.control import Control

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from interpreters.documents import Document
    from reports.verdicts.matrix import Matrix, Row
    from reports.verdicts.observations import Observation, Run
    from reports.verdicts.policy import Policy
    from reports.verdicts.remedies import Case
    from servers.protocols import Protocol

FORMATS = (
    Format(
        "matrix.json",
        "scripts that want more than a table: run, interpreters, verdicts, cells",
        lambda report: pieces(report.document, build_cells(report.matrix)),
    ),
)

KEY = ("run_id", "interpreter", "client", "condition", "server")
"""What an entry is found by; what it belongs to is found by the first of these."""

PARTS = {"runs": KEY[:1], "interpreters": KEY[:2], "verdicts": KEY[:4], "cells": KEY}
"""The document's lists; an entry of one belongs to an entry of the one before."""

UNMEASURED = "it was not measured"
"""The reason of a cell that no row has anything of."""


@dataclass(frozen=True)
class StoredRun:
    """One run that was read back from its files; a matrix.json that was merged has several."""

    run: Run
    catalogue: Catalogue
    """The servers that were met, without how they are run."""
    floor: Protocol
    rows: tuple[Row, ...]
    """With their findings, of which only a version at which data went both ways is known."""
    folder: Path = field(compare=False)
    """Where its files are."""
    observations: Sequence[Observation] = ()
    """Empty where matrix.json alone was read."""
    cases: tuple[Case, ...] | None = None
    """What its remedies came to; None if it tried none, or if matrix.json alone was read."""
    captures: Path | None = field(default=None, compare=False)
    """The folder that its captures would be in; None if matrix.json alone was read."""

    @property
    def host(self) -> str:
        """The name of the machine that it measured."""
        return self.run.host


def build_json(matrix: Matrix, policy: Policy) -> Any:
    """Return the document: JSON's own types throughout, everything in the order of rows and catalogue.

    What belongs to a run names it, so that the documents of several machines can become one. Hellos and both
    witnesses' accounts are left to observations.jsonl.
    """
    return json.loads("".join(pieces(build_facts(matrix, policy), build_cells(matrix))))


def build_facts(matrix: Matrix, policy: Policy) -> Any:
    """Return the document without a cell, of which a large report has a hundred thousand."""
    run, catalogue = matrix.run, matrix.catalogue
    document = MatrixFile.of(
        matrix,
        policy=policy.record(),
        runs=(),
        interpreters=tuple(
            InterpreterDocument.of_interpreter(group.interpreter, run.of(group.interpreter))
            for group in matrix.groups
        ),
        verdicts=tuple(VerdictDocument.of_row(row, run.of(row.interpreter)) for row in matrix.rows),
        cells=(),
        hellos=_hellos(matrix.rows),
    )
    # One by one: those of a fleet say again and again where nothing was found, which is kept once.
    shared = Shared()
    runs = [shared.of(_plain(_run(part, _met(part, catalogue)))) for part in run.parts or (run,)]
    return _plain(document) | {"runs": runs}


def build_cells(matrix: Matrix) -> Iterator[CellDocument]:
    """Yield a cell for each row and each server that its run met, measured or not."""
    for row in matrix.rows:
        own = matrix.run.of(row.interpreter)
        for server in _met(own, matrix.catalogue):
            yield CellDocument.of_result(_result(row, server), row, own, matrix.floor)


def _hellos(rows: Iterable[Row]) -> tuple[HelloDocument, ...]:
    """Return what the clients offer, each once."""
    found = {row.hello.fingerprint: row.hello for row in rows if row.hello}
    return tuple(map(HelloDocument.of_hello, found.values()))


def _plain(document: Document) -> Any:
    """Return a document in JSON's own types, with every text in it as every parser can read it."""
    try:
        msgspec.json.encode(document)
    except UnicodeEncodeError:  # half a surrogate pair
        return _texts(as_json(document))
    return as_json(document)


def _texts(value: Any) -> Any:
    """Return JSON's own types with every text in them as every parser can read it."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(name): _texts(inner) for name, inner in value.items()}
    return [_texts(inner) for inner in value] if isinstance(value, list | tuple) else value


def pieces(document: Any, cells: Iterable[CellDocument] = ()) -> Iterator[str]:
    """Give the text of a document, which these cells are in too, piece by piece: whole it is far too large.

    It is what json.dumps gives with an indent, for which that has no fast encoder: msgspec indents it.
    """
    opening = "{\n "
    for name, part in document.items():
        yield f"{opening}{json.dumps(name)}: "
        opening = ",\n "
        if isinstance(part, list | tuple):
            more = map(_line, cells) if name == "cells" else ()
            yield from _listed(itertools.chain(map(json.dumps, part), more))
        else:
            yield _indented(json.dumps(part), "\n ")
    yield "\n}\n"


def _listed(entries: Iterable[str]) -> Iterator[str]:
    """Give the text of a list with these entries."""
    before = "[\n  "
    for entry in entries:
        yield before + _indented(entry, "\n  ")
        before = ",\n  "
    yield "[]" if before.startswith("[") else "\n ]"


def _line(cell: CellDocument) -> str:
    """Return a cell as JSON."""
    line = as_text(cell)
    # What is no Unicode stands there as an escape that begins so; most cells have none to look for.
    return json.dumps(_plain(cell)) if "\\ud" in line else line


def _indented(text: str, line: str) -> str:
    """Return a part of a document as it stands below its start, each `line` of it behind that indent."""
    return msgspec.json.format(text, indent=1).replace("\n", line)


def _met(run: Run, catalogue: Catalogue) -> list[Server]:
    """Return the servers of a run, whose controls it has; another machine's may have met others too."""
    return [server for server in catalogue.servers if server.id in run.controls]


def _run(run: Run, servers: Sequence[Server]) -> MatrixRunDocument:
    return MatrixRunDocument.of(
        run,
        scope=ScopeDocument.of(run.scope),
        servers=tuple(ServerDocument.of_server(server, run) for server in servers),
    )


def _result(row: Row, server: Server) -> CellResult:
    return row.findings.get(server.id, CellResult(server, CellKind.MISSING, reason=UNMEASURED))


def read_json(path: Path) -> tuple[StoredRun, ...]:
    """Return the runs that a document is of; raises RecordError where it is none that this tool reads."""
    document = read_document(path, MatrixFile)
    with reading(path):
        _check_whole(document)
        return tuple(_read_run(run, document, path.parent) for run in document.runs)


def _check_whole(document: MatrixFile) -> None:
    """Refuse what belongs to nothing or is there twice: it would be left out of the rows without a word."""
    found = {
        part: [tuple(getattr(entry, name) for name in key) for entry in getattr(document, part)]
        for part, key in PARTS.items()
    }
    for part, keys in found.items():
        if twice := [key for key, times in Counter(keys).items() if times > 1]:
            msg = f"has {_called(twice[0])} twice among its {part}: measure again"
            raise RecordError(msg)
    for owners, part in itertools.pairwise(PARTS):
        there, length = set(found[owners]), len(PARTS[owners])
        if lost := [key for key in found[part] if key[:length] not in there]:
            owner = f"{_called(lost[0][:length])} among its {owners}"
            msg = f"has {_called(lost[0])} among its {part}, and not {owner}: measure again"
            raise RecordError(msg)
    judged = {key[:2] for key in found["verdicts"]}
    if idle := [key for key in found["interpreters"] if key not in judged]:
        msg = f"has {_called(idle[0])} among its interpreters, and no verdict of it: measure again"
        raise RecordError(msg)


def _called(key: Iterable[str]) -> str:
    return "/".join(key)


def _read_run(facts: MatrixRunDocument, document: MatrixFile, folder: Path) -> StoredRun:
    controls = {server.server: server.control.to(Control) for server in facts.servers}
    servers = {server.server: server.entry() for server in facts.servers}
    kind, _, name = facts.scope.place.partition(":")
    place = Place(kind, name) if kind else LOCAL
    interpreters = {
        entry.interpreter: replace(entry.description(), place=place)
        for entry in document.interpreters
        if entry.run_id == facts.run_id
    }
    findings: dict[tuple[str, str, str], dict[str, CellResult]] = {}
    for cell in document.cells:
        if cell.run_id == facts.run_id and (cell.outcome, cell.reason) != (CellKind.MISSING, UNMEASURED):
            key = (cell.interpreter, cell.client, cell.condition)
            findings.setdefault(key, {})[cell.server] = cell.result(servers[cell.server])
    hellos = {entry.fingerprint: entry.hello() for entry in document.hellos}
    rows = tuple(
        entry.row(
            interpreters[entry.interpreter],
            findings.get((entry.interpreter, entry.client, entry.condition), {}),
            hellos,
        )
        for entry in document.verdicts
        if entry.run_id == facts.run_id
    )
    catalogue = Catalogue(tuple(servers.values()), facts.catalogue)
    return StoredRun(facts.run(controls, facts.scope), catalogue, document.floor, rows, folder)
