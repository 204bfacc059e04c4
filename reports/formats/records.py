"""The record of a run as files: observations.jsonl and run.json, written and read; see their schemas."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from interpreters.errors import FloorError
from reports.verdicts.observations import Account, Observation, OwnTls, RequestedInterpreter, Run, RunRequest
from reports.verdicts.scope import read_scope
from servers.conditions import Condition
from servers.control import Control
from servers.protocols import Protocol, Sender
from servers.wire import WireAccount, WireAlert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


SCHEMA_VERSION = 2


class RecordError(FloorError):
    """A file is no record that this tool can read; the message says which, why, and what to do."""


def write_jsonl(path: Path, records: Iterable[tuple[Run, Observation]]) -> None:
    """Write one JSON object a line, each with its run; observations.schema.json says what it holds."""
    with path.open("w", encoding="utf-8") as file:
        for run, record in records:
            head = {"schema_version": SCHEMA_VERSION, "run_id": run.run_id, "host": run.host}
            file.write(json.dumps(head | _as_json(record)) + "\n")


def read_jsonl(path: Path) -> tuple[Observation, ...]:
    """Return what write_jsonl wrote, without the captures; raises RecordError for anything else."""
    with reading(path):
        lines = path.read_text(encoding="utf-8").splitlines()
        return tuple(_from_json(_versioned(json.loads(line), SCHEMA_VERSION)) for line in lines)


def write_run(path: Path, run: Run, standings: Mapping[str, int]) -> None:
    """Write the run's provenance as JSON: what measured, where, when, and how its controls came out.

    `standings` says how many interpreters stand at which verdict: the run in short, for those that
    look back at many.
    """
    controls = {name: _came_to(control) for name, control in run.controls.items()}
    parts = [{"run_id": part.run_id, "host": part.host, "scope": part.scope.record()} for part in run.parts]
    head = {"schema_version": SCHEMA_VERSION, **vars(run), "parts": parts}
    asked, scope = asdict(run.asked), run.scope.record()
    record = head | {"asked": asked, "scope": scope, "standings": dict(standings), "controls": controls}
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_summary(path: Path) -> tuple[Run, dict[str, int]]:
    """Return what write_run wrote, without the controls' attempts; raises RecordError for anything else."""
    facts = read_record(path, SCHEMA_VERSION)
    with reading(path):
        controls = {name: Control(**control) for name, control in facts["controls"].items()}
        counts = {str(verdict): int(count) for verdict, count in facts["standings"].items()}
        return build_run(facts, controls), counts


def build_run(facts: Mapping[str, Any], controls: Mapping[str, Control]) -> Run:
    """Return a run from JSON; raises KeyError, TypeError or ValueError for other shapes."""
    return Run(
        run_id=facts["run_id"],
        host=facts["host"],
        tool=facts["tool"],
        engine=facts["engine"],
        catalogue=facts["catalogue"],
        started=facts["started"],
        ended=facts["ended"],
        asked=_read_asked(facts["asked"]),
        controls=controls,
        scope=read_scope(facts["scope"]),
    )


def _read_asked(facts: Mapping[str, Any]) -> RunRequest:
    return RunRequest(
        clients=tuple(facts["clients"]),
        conditions=tuple(Condition(name) for name in facts["conditions"]),
        floor=Protocol(facts["floor"]),
        attacks=facts["attacks"],
        only=tuple(facts["only"]),
        interpreters=tuple(RequestedInterpreter(**given) for given in facts["interpreters"]),
        botocore=facts["botocore"],
        urllib3=facts["urllib3"],
        programs=facts["programs"],
    )


def read_record(path: Path, version: int) -> dict[str, Any]:
    """Return the JSON object in a file of this schema version; raises RecordError for anything else."""
    with reading(path):
        return _versioned(json.loads(path.read_text(encoding="utf-8")), version)


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
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} is no whole record of this tool ({type(error).__name__}: {error}): measure again"
        raise RecordError(msg) from error


def _versioned(record: object, version: int) -> dict[str, Any]:
    """Return a record as it is, if it is an object of this schema version."""
    found = record.get("schema_version") if isinstance(record, dict) else None
    if not isinstance(record, dict) or found != version:
        msg = f"has schema version {found}, and this tool reads {version}: measure again"
        raise RecordError(msg)
    return record


def _came_to(control: Control) -> dict[str, object]:
    return {"passed": control.passed, "reason": control.reason}


def _as_json(record: Observation) -> dict[str, object]:
    """Return a record's fields; of the control only what it came to, because it is the same in every cell."""
    fields = {name: value for name, value in vars(record).items() if name != "captures"}
    return {
        **fields,
        "account": record.account and vars(record.account),
        "own_tls": record.own_tls and vars(record.own_tls),
        "wire": [{**vars(wire), "alerts": [vars(a) for a in wire.alerts]} for wire in record.wire],
        "control": _came_to(record.control),
    }


def _from_json(line: Mapping[str, Any]) -> Observation:
    names = ("interpreter", "environment", "client", "client_version", "urllib3", "condition", "server")
    return Observation(
        **{name: line[name] for name in names},
        missing=line["missing"],
        account=Account(**line["account"]) if line["account"] else None,
        own_tls=OwnTls(**line["own_tls"]) if line["own_tls"] else None,
        wire=tuple(_wire(wire) for wire in line["wire"]),
        control=Control(**line["control"]),
    )


def _wire(facts: Mapping[str, Any]) -> WireAccount:
    def protocol(name: str | None) -> Protocol | None:
        return None if name is None else Protocol(name)

    def alert(facts: Mapping[str, Any]) -> WireAlert:
        return WireAlert(Sender(facts["sender"]), facts["level"], facts["description"])

    read = {
        "offered": None if facts["offered"] is None else tuple(map(Protocol, facts["offered"])),
        "legacy_version": protocol(facts["legacy_version"]),
        "server_version": protocol(facts["server_version"]),
        "alerts": tuple(alert(one) for one in facts["alerts"]),
        "faults": tuple(facts["faults"]),
        "notes": tuple(facts["notes"]),
    }
    return WireAccount(**{**facts, **read})
