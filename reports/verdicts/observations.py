"""The record of a run: what was measured where, and one observation for each cell."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from interpreters.errors import FloorError
from interpreters.programs import PROGRAM
from reports.verdicts.scope import MADE, Scope, read_scope
from runs.visit import Account, OwnTls
from servers.conditions import Condition
from servers.control import Control
from servers.protocols import Protocol, Sender
from servers.wire import WireAccount, WireAlert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from runs.visit import Cell, Visit
    from servers.tap import Capture

SCHEMA_VERSION = 2


class RecordError(FloorError):
    """A file is no record that this tool can read; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Given:
    """An interpreter that a run was told to measure: the path as it was given, and where that leads."""

    path: str
    real: str


@dataclass(frozen=True)
class Asked:
    """What a run was asked to measure: what it was not asked for has not vanished."""

    clients: tuple[str, ...]
    conditions: tuple[Condition, ...]
    floor: Protocol
    attacks: bool = False
    """Whether the servers that tamper were to be met too."""
    only: tuple[str, ...] = ()
    """The globs that an interpreter's id had to match one of; empty for all."""
    interpreters: tuple[Given, ...] = ()
    botocore: str = ""
    """The versions or specifiers of botocore; empty for the newest."""
    urllib3: str = ""
    """Those of the urllib3 beside it."""
    programs: bool = False
    """Whether other programs were to be measured too."""


@dataclass(frozen=True)
class Run:
    """The provenance of a run: what measured, where, when, and with which instruments."""

    run_id: str
    host: str
    tool: str
    engine: str
    """The OpenSSL that served, with version and path; or why none did."""
    catalogue: str
    """SHA-256 of the catalogue of servers."""
    started: str
    """UTC, ISO 8601."""
    ended: str
    asked: Asked
    controls: Mapping[str, Control]
    scope: Scope = field(default_factory=Scope)
    parts: tuple[Run, ...] = ()
    """The runs of several machines that it was merged from; empty for one that measured."""

    @property
    def reporting(self) -> tuple[Run, ...]:
        """The runs that measured: itself, or those of its parts that reported."""
        return tuple(part for part in self.parts if part.controls) if self.parts else (self,)

    def of(self, interpreter: Interpreter) -> Run:
        """Return the run that an interpreter was measured in: one of the parts, or this."""
        return next((part for part in self.parts if part.host == interpreter.host), self)


@dataclass(frozen=True)
class Interpreter:
    """One interpreter as the report names it."""

    id: str
    source: str
    path: str
    version: str = ""
    implementation: str = ""
    openssl: str = ""
    configure_flags: tuple[str, ...] = ()
    start_up: tuple[str, ...] = ()
    """The files whose code it runs by itself at every start: sitecustomize, usercustomize, some `.pth`."""
    has: Mapping[str, bool] = field(default_factory=dict, hash=False)
    """HAS_TLSv1 and so on, as far as the ssl module reports them: all of them since Python 3.7."""
    context_minimum: str = ""
    """The ssl module's name of a new context's minimum; empty before Python 3.7. Evidence, never proof:
    options and security levels hold too, and code goes below it."""
    openssl_dir: str = ""
    """The folder of the openssl.cnf that was compiled in."""
    openssl_conf: str = ""
    """The OpenSSL configuration that it reads by itself; empty if it reads none, or none is known."""
    openssl_conf_sha256: str = ""
    """SHA-256 of that file and of what it includes; empty where there is none."""
    configuration_problems: tuple[str, ...] = ()
    """Why the OpenSSL configuration that is meant to hold it does not, or not wholly: in sentences."""
    build: str = ""
    """Hash of its executable and its ssl module; empty if they could not be read."""
    problem: str = ""
    """Why nothing at all can be measured in it; empty if something can."""
    environment: str = MADE
    """Where its clients are that have to be installed: `made`, or the path of the environment that was found
    and measured as it is. What needs no installation is measured in the interpreter itself."""
    host: str = ""
    """The machine that it is on, in a report that was merged; empty in a machine's own."""

    @property
    def name(self) -> str:
        """What tells it apart in a report: its id, and in a merged one the host beside it."""
        return f"{self.id} on {self.host}" if self.host else self.id

    @property
    def is_program(self) -> bool:
        """Whether this is no interpreter but another program, measured beside them."""
        return self.source == PROGRAM

    @property
    def sets_minimum(self) -> bool:
        """Whether this build of Python adds a minimum version to every context it makes.

        CPython does since 3.10, unless configured --with-ssl-default-suites=openssl (what's new in
        Python 3.10, "ssl"; PyPy follows the version of the language it implements).
        """
        version = re.match(r"(\d+)\.(\d+)", self.version)
        modern = version is not None and (int(version[1]), int(version[2])) >= (3, 10)
        return modern and not self.leaves_suites_to_openssl and not self.is_program

    @property
    def leaves_suites_to_openssl(self) -> bool:
        """Whether it was configured --with-ssl-default-suites=openssl."""
        return "--with-ssl-default-suites=openssl" in self.configure_flags


@dataclass(frozen=True)
class Observation:
    """One cell: client x server in an interpreter under a condition, as both witnesses tell it."""

    interpreter: str
    client: str
    client_version: str
    condition: str
    server: str
    account: Account | None
    missing: str
    wire: tuple[WireAccount, ...]
    control: Control
    urllib3: str = ""
    """Version of the urllib3 that the client has, or that is beside it; empty if there is none."""
    own_tls: OwnTls | None = None
    """The TLS that the client brings along; None if it uses its interpreter's."""
    environment: str = MADE
    """As its interpreter's."""
    captures: tuple[Capture, ...] = ()
    """The bytes behind `wire`, for the evidence files."""

    @property
    def id(self) -> str:
        """The cell's id, under which the evidence files have it."""
        return f"{self.interpreter}/{self.client}/{self.server}/{self.condition}"


def observations(
    interpreter: str, condition: str, visit: Visit, controls: Mapping[str, Control]
) -> tuple[Observation, ...]:
    """Join a visit with the controls of its run."""
    return tuple(_observation(interpreter, condition, visit, cell, controls) for cell in visit.cells)


def _observation(
    interpreter: str, condition: str, visit: Visit, cell: Cell, controls: Mapping[str, Control]
) -> Observation:
    # One that needs no urllib3 may be in its environment by the side of one that does.
    beside = next(filter(None, visit.urllib3.values()), "")
    return Observation(
        interpreter=interpreter,
        client=cell.client,
        client_version=visit.versions.get(cell.client, ""),
        urllib3=visit.urllib3.get(cell.client) or beside,
        own_tls=visit.own_tls.get(cell.client),
        condition=condition,
        server=cell.server,
        account=cell.account,
        missing=cell.missing,
        wire=cell.wire,
        control=controls[cell.server],
        captures=cell.captures,
    )


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


def _read_asked(facts: Mapping[str, Any]) -> Asked:
    return Asked(
        clients=tuple(facts["clients"]),
        conditions=tuple(Condition(name) for name in facts["conditions"]),
        floor=Protocol(facts["floor"]),
        attacks=facts["attacks"],
        only=tuple(facts["only"]),
        interpreters=tuple(Given(**given) for given in facts["interpreters"]),
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
