"""Verifies a run's folder: judges its observations again, and names each file and row that differs."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from interpreters.clients import RELAXED, ClientKey
from interpreters.errors import FloorError
from reports.files import SUMS, sha256, sums_of
from reports.formats.captures import evidence_name
from reports.formats.matrix_json import StoredRun, read_json
from reports.formats.records import (
    OBSERVATIONS,
    RecordError,
    read_document,
    read_jsonl,
    read_summary,
)
from reports.formats.records_contract import RunFile
from reports.gate import MATRIX, RECORD, SUMMARY
from reports.merge import merge, placed
from reports.remade import cases_of, differing_texts
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Matrix, Measured, Subject, build_matrix, subject_of
from reports.verdicts.stand_ins import ALL_CLIENTS
from servers.catalogue import read_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Observation, Run, RunRequest
    from servers.catalogue import Server

ADDED = frozenset({RECORD, "compare.md", "compare.json", "bench.json", SUMS})
"""What other sessions put beside a run's files, which SHA256SUMS, as the run left it, does not list."""

RANDOM = slice(12, 76)
"""Where a hello message in hexadecimal has its random (RFC 8446 4.1.2), which no other hello has."""

WEIGHED = ("start-up code", "runs at its start", "changes its TLS contexts")
"""Words of a reason that rests on start-up code too, of which the observations say nothing."""


def verify(folder: Path, *, same_tool: bool = True) -> list[str]:
    """Return what does not follow in a run's folder, in sentences; empty where everything does.

    `same_tool` says that the run is by this very tool, so that each text must come out byte for byte; by
    another, verdicts and cells alone are held.
    """
    problems = list(_sums(folder))
    try:
        stored, recomputed = _read(folder)
    except FloorError as error:
        return [*problems, f"{error}"]
    problems += _rows(stored, recomputed, same_tool=same_tool)
    problems += _captures(folder, recomputed)
    if same_tool:
        problems += differing_texts(folder, recomputed)
    return problems


def same_tool(folder: Path, commit: str) -> bool:
    """Whether a run's folder, with all that it is merged of, is by a commit; true where it cannot say."""
    try:
        record = read_document(folder / SUMMARY, RunFile)
    except RecordError:
        return True
    # A machine that did not report names none.
    parts = {part.scope.commit for part in record.parts} - {""}
    return {record.scope.commit, *parts} == {commit}


def _sums(folder: Path) -> Iterator[str]:
    """Hold each file against the hash that the run left of it."""
    try:
        listed = sums_of(folder)
    except (OSError, ValueError) as error:
        yield f"{SUMS} cannot be read: {error}"
        return
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name, path in sorted(there.items()):
        if name in listed:
            try:
                right = sha256(path) == listed[name]
            except OSError as error:
                yield f"{name} cannot be read: {error.strerror}"
                continue
            if not right:
                yield f"{name} is not the file that {SUMS} has the hash of"
        elif name not in listed and name not in ADDED:
            yield f"{name} is not listed in {SUMS}"
    yield from (f"{name} is listed in {SUMS}, and is not there" for name in sorted(listed.keys() - there))


def _read(folder: Path) -> tuple[tuple[Row, ...], Matrix]:
    """Return the rows of matrix.json, and the matrix that the observations make; raises FloorError."""
    parts, own = read_json(folder / MATRIX), read_summary(folder / SUMMARY)[0]
    seen = read_jsonl(folder / OBSERVATIONS)
    if strange := seen.keys() - {part.run.run_id for part in parts}:
        msg = f"{folder / OBSERVATIONS} has cells of the run {min(strange)}, which {MATRIX} does not know"
        raise RecordError(msg)
    if [part.run.run_id for part in parts] == [own.run_id]:
        (part,) = parts
        return part.rows, _taken_over(part.rows, judge_again(part, seen.get(own.run_id, ()), folder))
    rows = tuple(placed(row, part.host) for part in parts for row in part.rows)
    return rows, _taken_over(rows, _merge_again(parts, seen, own, folder))


def read_again(folder: Path) -> StoredRun:
    """Return a report, merged or not, as its observations make it, with its remedies; raises FloorError."""
    _, matrix = _read(folder)
    cases = cases_of(folder, matrix)
    return StoredRun(matrix.run, matrix.catalogue, matrix.floor, matrix.rows, folder, cases=cases)


def _merge_again(
    parts: Sequence[StoredRun], seen: Mapping[str, Sequence[Observation]], own: Run, folder: Path
) -> Matrix:
    """Return what the machines' runs of a merged report come to, each judged by its own observations.

    `own` is the merging; raises FloorError for what cannot be merged.
    """
    judged, silent = [], {}
    for part in parts:
        if part.run.controls:
            there = tuple(seen.get(part.run.run_id, ()))
            rows = judge_again(part, there, folder).rows
            judged.append(replace(part, rows=rows, observations=there))
        else:
            silent[part.host] = next((row.judgement.reason for row in part.rows), "")
            # Nothing else has when the merging was, and what it was asked.
            own = replace(own, started=part.run.started, ended=part.run.ended, asked=part.run.asked)
    return merge(judged, silent, own)


def _taken_over(stored: Iterable[Row], matrix: Matrix) -> Matrix:
    """Return the matrix with the stored verdicts of rows that rest on start-up code, which it knows not."""
    theirs = {_key(row): row for row in stored}
    rows = [
        replace(
            row,
            judgement=replace(row.judgement, verdict=there.verdict, reason=there.judgement.reason),
            held_by=there.held_by,
        )
        if (there := theirs.get(_key(row))) and _weighed(there, row)
        else row
        for row in matrix.rows
    ]
    return replace(matrix, rows=tuple(rows))


def judge_again(stored: StoredRun, observations: Iterable[Observation], folder: Path) -> Matrix:
    """Return what a run's observations make of it, of whose own verdicts none is taken over.

    Facts alone are: the run, its servers and its interpreters. Raises RecordError, with the files in
    `folder`, for an observation of an interpreter that the run does not know.
    """
    rows_of: dict[str, list[Row]] = {}
    for row in stored.rows:
        rows_of.setdefault(row.interpreter.id, []).append(row)
    known: dict[str, list[Observation]] = {name: [] for name in rows_of}
    for seen in observations:
        if seen.interpreter not in known:
            msg = f"{folder / OBSERVATIONS} has a cell of {seen.interpreter}, which {MATRIX} does not know"
            raise RecordError(msg)
        known[seen.interpreter].append(seen)
    measured = tuple(_measured(stored.run.asked, rows, known) for rows in rows_of.values())
    ours = {server.id: server for server in read_catalogue().servers}
    servers = tuple(_as_run(server, ours.get(server.id)) for server in stored.catalogue.servers)
    catalogue = replace(stored.catalogue, servers=servers)
    rows = build_matrix(measured, (), stored.run.asked.conditions, catalogue, stored.floor)
    # An environment that another was measured for has its rows from there, and no observation itself.
    own = tuple(replace(each, observations=tuple(known[each.interpreter.id])) for each in measured)
    return Matrix(stored.run, own, rows, catalogue)


def _as_run(server: Server, known: Server | None) -> Server:
    """Return a server with how it tampers, which our catalogue alone has, where that has the same server."""
    declared = ("protocols", "key_exchange", "certificate", "role")
    same = known and all(getattr(known, name) == getattr(server, name) for name in declared)
    return known if known and same else server


def _measured(
    request: RunRequest, rows: Sequence[Row], known: Mapping[str, Sequence[Observation]]
) -> Measured:
    """Return what was measured in an interpreter: each client that has a row, an observation, or was due."""
    interpreter = rows[0].interpreter
    seen = known.get(interpreter.shared_with or interpreter.id, ())
    due = [row.client for row in rows if row.client != ALL_CLIENTS]
    due += [
        record.client
        for record in seen
        if record.client != RELAXED and not record.client.remedy and record.condition in request.conditions
    ]
    if subject_of(interpreter) is Subject.INTERPRETER:
        due += map(ClientKey.parse, request.clients)
    unavailable = {row.client: row.judgement.reason for row in rows if row.verdict is Verdict.UNTESTABLE}
    alone = interpreter.unavailable and not interpreter.is_program
    return Measured(interpreter, unavailable, tuple(seen), () if alone else tuple(dict.fromkeys(due)))


Key = tuple[str, str, str, str]
"""A machine in a merged report, an interpreter's id, a client and a condition: what a row is found by."""


def _key(row: Row) -> Key:
    return row.interpreter.host, row.interpreter.id, str(row.client), str(row.condition)


def _rows(stored: Iterable[Row], recomputed: Matrix, *, same_tool: bool) -> Iterator[str]:
    """Hold each row of matrix.json against what the observations make of it."""
    ours = {_key(row): row for row in recomputed.rows}
    theirs = {_key(row): row for row in stored}
    for key in ours.keys() - theirs.keys():
        yield f"{MATRIX} has no row of {_named(key)}, which was measured"
    for key in theirs.keys() - ours.keys():
        yield f"{MATRIX} has a row of {_named(key)}, which nothing was measured of"
    for key, row in theirs.items():
        if key in ours:
            yield from _row(key, row, ours[key], same_tool=same_tool)


def _row(key: Key, stored: Row, ours: Row, *, same_tool: bool) -> Iterator[str]:
    """Say what of one row does not follow from its observations; words are held of the same tool alone."""
    facts = [
        ("verdict", stored.verdict, ours.verdict),
        ("held_by", stored.held_by, ours.held_by),
        ("lowest_negotiated", stored.judgement.lowest, ours.judgement.lowest),
        ("highest_negotiated", stored.judgement.highest, ours.judgement.highest),
        ("offered", stored.judgement.offer, ours.judgement.offer),
        ("client_version", stored.client_version, ours.client_version),
        ("urllib3", stored.urllib3, ours.urllib3),
        ("page_check", stored.page_check, ours.page_check),
        ("hello", *(row.hello and row.hello.fingerprint for row in (stored, ours))),
    ]
    if same_tool:
        facts.append(("reason", stored.judgement.reason, ours.judgement.reason))
    for name, claimed, follows in facts:
        if claimed != follows:
            difference = f"{claimed or 'nothing'!s}, and the observations make {follows or 'nothing'!s}"
            yield f"{MATRIX}, {_named(key)}: {name} is {difference}"
    for server in sorted(stored.findings.keys() | ours.findings.keys()):
        claimed, follows = (str(row.findings.get(server, "missing")) for row in (stored, ours))
        offers = [row.findings[server].offered if server in row.findings else None for row in (stored, ours)]
        if claimed != follows or offers[0] != offers[1]:
            yield f"{MATRIX}, {_named(key)}: the cell of {server} is {claimed}, and was observed as {follows}"


def _weighed(stored: Row, ours: Row) -> bool:
    """Whether start-up code, which no observation shows, made a row worth less than its cells are.

    It never makes a row worth more: whatever else a row claims has to follow from the observations.
    """
    mentioned = any(words in stored.judgement.reason for words in WEIGHED)
    worse = (Verdict.ENFORCED, Verdict.FRAGILE)
    same = stored.verdict is ours.verdict
    return mentioned and (same or (stored.verdict is Verdict.INCONCLUSIVE and ours.verdict in worse))


def _named(key: Key) -> str:
    host, *row = key
    return f"{host}: {'/'.join(row)}" if host else "/".join(row)


def _captures(folder: Path, matrix: Matrix) -> Iterator[str]:
    """Hold each hello of the observations against the captures: it has to be among the bytes that passed."""
    for measured in matrix.measured:
        name = evidence_name(matrix.run, measured.interpreter)
        if not (folder / name).is_file():
            continue
        bytes_there = (folder / name).read_bytes()
        cells = {seen.id for seen in measured.observations}
        for seen in measured.observations:
            for wire in seen.wire:
                hellos = (wire.client_hello, wire.server_hello)
                if any(hello and bytes.fromhex(hello[RANDOM]) not in bytes_there for hello in hellos):
                    yield f"{OBSERVATIONS}, {seen.id}: a hello is not in {name}"
        for cell in sorted(interfaces(bytes_there) - cells):
            yield f"{name} has connections of {cell}, of which {OBSERVATIONS} has nothing"


def interfaces(capture: bytes) -> set[str]:
    """Return the cells of a capture: the names of its interfaces (draft-ietf-opsawg-pcapng 4.2)."""
    found, place = set(), 0
    while place + 8 <= len(capture):
        kind, length = struct.unpack_from("<II", capture, place)
        if length < 12:  # noqa: PLR2004  the shortest block there is
            break
        if kind == 1:
            option, end = place + 16, min(place + length, len(capture))
            while option + 4 <= end - 4:
                code, size = struct.unpack_from("<HH", capture, option)
                if code == 2:  # noqa: PLR2004  if_name
                    found.add(capture[option + 4 : option + 4 + size].decode(errors="replace"))
                option += 4 + size + -size % 4
                if code == 0:
                    break
        place += length
    return found
