"""Joins the runs of several machines into one report, in which every cell keeps its origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.errors import FloorError
from interpreters.interpreter import Interpreter
from reports.formats.captures import EVIDENCE, capture_name, captures_folder, write_captures
from reports.formats.matrix_json import StoredRun, build_cells, build_facts, pieces, read_json
from reports.formats.records import OBSERVATIONS, build_jsonl, observations_of, read_jsonl
from reports.formats.remedies import DOCUMENT as REMEDIES
from reports.formats.remedies import read_remedies
from reports.gate import read_report
from reports.history import DOCUMENT
from reports.verdicts.judge import Judgement, Verdict
from reports.verdicts.matrix import Matrix, Measured, Row, Subject
from reports.verdicts.observations import Joined, Run, RunRequest
from reports.verdicts.rejudged import denials
from reports.verdicts.remedies import Case, needing
from reports.verdicts.scope import Scope
from reports.verdicts.stand_ins import ALL_CLIENTS, MISSING
from servers.catalogue import Catalogue
from servers.conditions import Condition
from servers.control import Control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reports.verdicts.observations import Observation
    from reports.verdicts.policy import Policy
    from servers.catalogue import Server
    from servers.protocols import Protocol

DID_NOT_REPORT = "this machine was expected and did not report: see what became of its job"


class MergeError(FloorError):
    """These runs cannot become one; the message says which, why, and what to do."""


def read_parts(folders: Iterable[Path], expected: Sequence[str] = ()) -> tuple[StoredRun, ...]:
    """Read the runs in these folders and below, in order; raises MergeError or RecordError.

    A folder without any is an error: a mistyped name must not look like a machine with nothing to say.
    Only where machines are expected may there be an empty one: who is missing has a row then.
    """
    parts = []
    for folder in folders:
        documents = sorted(folder.rglob(DOCUMENT))
        if not documents and not (expected and folder.is_dir()):
            msg = (
                f"{folder} has no {DOCUMENT} in it or below: give the folder of a run, or one that holds some"
            )
            raise MergeError(msg)
        parts += [part for document in documents for part in _read(document.parent)]
    return tuple(parts)


def _read(folder: Path) -> tuple[StoredRun, ...]:
    """Read the run of a folder, or those that a merged report is of; the gate has to believe it."""
    stored = read_json(folder / DOCUMENT)
    if len(stored) > 1 and (folder / REMEDIES).exists():
        hosts = ", ".join(part.host for part in stored)
        msg = f"{folder} is merged from {hosts}, with remedies of each: give the runs of those themselves"
        raise MergeError(msg)
    read_report(folder, "measure again")
    seen = read_jsonl(folder / OBSERVATIONS)
    if strange := seen.keys() - {part.run.run_id for part in stored}:
        unknown = f"the run {min(strange)}, which its {DOCUMENT} does not know"
        msg = f"{folder} has observations of {unknown}: measure again"
        raise MergeError(msg)
    runs = [part.run for part in stored]
    several = len(runs) > 1
    inside = {r.run_id: captures_folder(n, r) if several else EVIDENCE for n, r in enumerate(runs, 1)}
    return tuple(
        replace(
            _with_observations(part, tuple(seen.get(part.run.run_id, ())), folder),
            captures=folder / inside[part.run.run_id],
        )
        for part in stored
    )


def _with_observations(part: StoredRun, seen: tuple[Observation, ...], folder: Path) -> StoredRun:
    """Return a run with what was seen, which has to be what its rows say."""
    known = {row.interpreter.id for row in part.rows}
    if strange := [o.interpreter for o in seen if o.interpreter not in known]:
        msg = f"{folder} has observations of {strange[0]}, which its {DOCUMENT} does not know: measure again"
        raise MergeError(msg)
    if denied := next(denials(part.rows, seen, part.catalogue), ""):
        msg = f"{folder} cannot be believed, as {denied}: measure again"
        raise MergeError(msg)
    # What matrix.json leaves to the observations decides what is advised.
    own_tls = {(o.interpreter, o.client, o.condition): o.own_tls for o in seen}
    rows = tuple(
        replace(row, own_tls=own_tls.get((row.interpreter.id, row.client, row.condition)))
        for row in part.rows
    )
    file = folder / REMEDIES
    cases = read_remedies(file, part.run, rows) if file.exists() else None
    return replace(part, rows=rows, observations=seen, cases=cases)


def part_of(matrix: Matrix) -> StoredRun:
    """Return what was just measured on one machine, or in one place, as a part of a whole."""
    # What is in the run's spool stays there: a fleet has a million of these.
    seen = Joined(tuple(measured.observations for measured in matrix.measured))
    # As it is read again, beside parts that were.
    servers = tuple(server.reported for server in matrix.catalogue.servers)
    catalogue = replace(matrix.catalogue, servers=servers)
    return StoredRun(matrix.run, catalogue, matrix.floor, matrix.rows, Path(matrix.run.host), seen)


def write_part(folder: Path, matrix: Matrix, policy: Policy) -> None:
    """Write what read_parts reads of a run; the report of the whole is written once all are there."""
    write_captures(folder, matrix)
    texts = {
        DOCUMENT: pieces(build_facts(matrix, policy), build_cells(matrix)),
        OBSERVATIONS: build_jsonl(observations_of(matrix)),
    }
    for name, text in texts.items():
        with (folder / name).open("w", encoding="utf-8") as file:
            file.writelines(text)


def merge(parts: Sequence[StoredRun], expected: Iterable[str] | Mapping[str, str], own: Run) -> Matrix:
    """Return several machines' runs as one; raises MergeError if they are not about the same.

    `own` is the merging itself: its id, time and tool, the machine it happens on, and the floor that
    stands if nobody reported. A machine that was expected and is not among the parts has a row that
    says so, for the reason that `expected` has for it, if that is a mapping, or a merged report among the
    parts.
    """
    _check_hosts(parts)
    reasons = {
        **(expected if isinstance(expected, Mapping) else dict.fromkeys(expected, DID_NOT_REPORT)),
        **{part.host: row.judgement.reason for part in parts for row in part.rows if _is_silent(row)},
    }
    parts = [part for part in parts if not any(map(_is_silent, part.rows))]
    floor = _floor(parts) or own.asked.floor
    catalogue = Catalogue(_servers(parts), _facts_by_host(parts, lambda run: run.catalogue))
    absent = [host for host in reasons if host not in {part.host for part in parts}]
    silent = [_silent(own, host, number) for number, host in enumerate(absent, 1)]
    runs = (*(part.run for part in parts), *silent)
    rows = [placed(row, part.host) for part in parts for row in part.rows]
    return Matrix(
        run=_joined(runs, parts, own, catalogue, floor),
        measured=tuple(measured for part in parts for measured in _measured(part)),
        rows=(*rows, *(_missing(run.host, reasons[run.host]) for run in silent)),
        catalogue=catalogue,
    )


def merge_cases(parts: Sequence[StoredRun]) -> tuple[Case, ...] | None:
    """Return a case for each row that needs a remedy, tried or not; None if no machine tried any."""
    if all(part.cases is None for part in parts):
        return None
    return tuple(
        replace(case, row=placed(case.row, part.host))
        for part in parts
        for case in (_untried(part) if part.cases is None else part.cases)
    )


def _untried(part: StoredRun) -> list[Case]:
    # Remedies are tried on interpreters alone.
    return [Case(row, ()) for row in needing(part.rows) if not row.interpreter.is_program]


def _check_hosts(parts: Sequence[StoredRun]) -> None:
    """Two reports under one name may be two machines, of which neither may vanish behind the other."""
    seen: dict[str, Path] = {}
    for part in parts:
        if part.host in seen:
            name = f"the host {part.host}" if part.host else "a host without a name"
            msg = (
                f"{seen[part.host]} and {part.folder} are both of {name}: leave one out,"
                " or tell them apart with nox -s matrix -- --host NAME"
            )
            raise MergeError(msg)
        seen[part.host] = part.folder


def _floor(parts: Sequence[StoredRun]) -> Protocol | None:
    for part in parts[1:]:
        first = parts[0]
        if part.floor is not first.floor:
            msg = (
                f"{first.folder} was measured against a floor of {first.floor}, and {part.folder}"
                f" against {part.floor}: measure both against one, with nox -s matrix -- --floor"
            )
            raise MergeError(msg)
    return parts[0].floor if parts else None


def _servers(parts: Sequence[StoredRun]) -> tuple[Server, ...]:
    """Return every server that any of them met; under one id it must have been the same."""
    found: dict[str, tuple[Server, StoredRun]] = {}
    for part in parts:
        for server in part.catalogue.servers:
            known, first = found.setdefault(server.id, (server, part))
            if replace(known, why="") != replace(server, why=""):
                msg = (
                    f"the server {server.id} is not the same in {first.folder} and {part.folder}:"
                    " measure both with the same version of this tool"
                )
                raise MergeError(msg)
    return tuple(server for server, _ in found.values())


def _is_silent(row: Row) -> bool:
    return row.subject is Subject.MACHINE


def _silent(own: Run, host: str, number: int) -> Run:
    """Return a run for a machine that did not report: nothing was met, and no control says anything."""
    return replace(
        own,
        run_id=f"{own.run_id}-{MISSING}{number}",
        host=host,
        engine="none: it did not report",
        catalogue="",
        controls={},
        scope=Scope(),
    )


def _missing(host: str, reason: str) -> Row:
    """Return the row that stands for such a machine."""
    interpreter = Interpreter(MISSING, MISSING, "", unavailable=reason, host=host)
    judgement = Judgement(Verdict.UNTESTABLE, reason)
    return Row(interpreter, ALL_CLIENTS, "", "", Condition.AMBIENT, judgement, subject=Subject.MACHINE)


def placed(row: Row, host: str) -> Row:
    """Return a row as a report of several machines has it: with its machine's name."""
    return replace(row, interpreter=replace(row.interpreter, host=host))


def _measured(part: StoredRun) -> list[Measured]:
    interpreters = {row.interpreter.id: row.interpreter for row in part.rows}
    seen = each_interpreters(part.observations)
    return [
        Measured(
            replace(interpreter, host=part.host),
            {},
            seen.get(name, ()),
            evidence=_capture_of(part, interpreter),
        )
        for name, interpreter in interpreters.items()
    ]


def each_interpreters(observations: Sequence[Observation]) -> dict[str, Sequence[Observation]]:
    """Return the observations of each interpreter, by id; of joined ones, what is in a file stays there."""
    found: dict[str, list[Sequence[Observation]]] = {}
    for some in observations.parts if isinstance(observations, Joined) else (observations,):
        groups: dict[str, list[Observation]] = {}
        for each in some:
            groups.setdefault(each.interpreter, []).append(each)
        for name, theirs in groups.items():
            found.setdefault(name, []).append(some if len(groups) == 1 else tuple(theirs))
    return {name: theirs[0] if len(theirs) == 1 else Joined(tuple(theirs)) for name, theirs in found.items()}


def _capture_of(part: StoredRun, interpreter: Interpreter) -> Path | None:
    """Return an interpreter's capture; no link of somebody else's is followed out of the run's folder."""
    if part.captures is None:
        return None
    file = part.captures / capture_name(interpreter)
    return file if file.resolve().is_relative_to(part.folder.resolve()) else None


def _joined(
    runs: Sequence[Run], parts: Sequence[StoredRun], own: Run, catalogue: Catalogue, floor: Protocol
) -> Run:
    """Return the provenance of the whole."""
    theirs = [part.run for part in parts]
    return Run(
        run_id=own.run_id,
        host=", ".join(run.host for run in runs),
        tool=own.tool,
        engine=_facts_by_host(parts, lambda run: run.engine),
        catalogue=catalogue.sha256,
        started=min((run.started for run in theirs), default=own.started),
        ended=max((run.ended for run in theirs), default=own.ended),
        asked=_asked(theirs, floor),
        controls={server.id: _control(server, theirs) for server in catalogue.servers},
        scope=replace(own.scope, narrowed=_narrowed(theirs)),
        parts=tuple(runs),
    )


def _narrowed(runs: Iterable[Run]) -> tuple[str, ...]:
    """Return what each machine's run was asked to leave out: the whole is partial where any part is."""
    return tuple(f"on {run.host}, {reason}" for run in runs for reason in run.scope.narrowed)


def _facts_by_host(parts: Sequence[StoredRun], fact: Callable[[Run], str]) -> str:
    """Return what all runs say, or what each says; empty without any."""
    facts = {part.host: fact(part.run) for part in parts}
    if len(set(facts.values())) == 1:
        return next(iter(facts.values()))
    return "; ".join(f"{host}: {text}" for host, text in facts.items())


def _asked(runs: Sequence[Run], floor: Protocol) -> RunRequest:
    """Return what any of the runs was asked."""
    return RunRequest(
        clients=tuple(dict.fromkeys(client for run in runs for client in run.asked.clients)),
        conditions=tuple(dict.fromkeys(condition for run in runs for condition in run.asked.conditions))
        or (Condition.AMBIENT,),
        floor=floor,
        attacks=any(run.asked.attacks for run in runs),
        programs=any(run.asked.programs for run in runs),
        found_clients=tuple(dict.fromkeys(client for run in runs for client in run.asked.found_clients)),
        running=any(run.asked.running for run in runs),
    )


def _control(server: Server, runs: Sequence[Run]) -> Control:
    """Return what the control on a server came to on every machine: it passed only if it did on each."""
    came_to = {run.host: run.controls[server.id] for run in runs if server.id in run.controls}
    if len(set(came_to.values())) == 1:
        return next(iter(came_to.values()))
    reasons = "; ".join(f"{host}: {control.reason}" for host, control in came_to.items())
    return Control(all(control.passed for control in came_to.values()), reasons)
