"""The record of a run: what was measured where, and one observation for each cell."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from servers.control import Control
    from servers.observation import Account, Cell, Visit
    from servers.tap import Capture
    from servers.wire import WireAccount

SCHEMA_VERSION = 1


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
    controls: Mapping[str, Control]


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
    has: Mapping[str, bool] = field(default_factory=dict, hash=False)
    """HAS_TLSv1 and so on, as the ssl module reports them (3.7 and later)."""
    openssl_dir: str = ""
    """The folder of the openssl.cnf that was compiled in."""
    problem: str = ""
    """Why nothing at all can be measured in it; empty if something can."""

    @property
    def sets_minimum(self) -> bool:
        """Whether this build of Python adds a minimum version to every context it makes.

        CPython does since 3.10, unless configured --with-ssl-default-suites=openssl (what's new in
        Python 3.10, "ssl"; PyPy follows the version of the language it implements).
        """
        version = re.match(r"(\d+)\.(\d+)", self.version)
        modern = version is not None and (int(version[1]), int(version[2])) >= (3, 10)
        return modern and not self.leaves_suites_to_openssl

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
    return Observation(
        interpreter=interpreter,
        client=cell.client,
        client_version=visit.versions.get(cell.client, ""),
        condition=condition,
        server=cell.server,
        account=cell.account,
        missing=cell.missing,
        wire=cell.wire,
        control=controls[cell.server],
        captures=cell.captures,
    )


def write_jsonl(path: Path, run: Run, records: Iterable[Observation]) -> None:
    """Write one JSON object a line; observations.schema.json says what each holds."""
    head = {"schema_version": SCHEMA_VERSION, "run_id": run.run_id, "host": run.host}
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(head | _as_json(record)) + "\n" for record in records)


def write_run(path: Path, run: Run) -> None:
    """Write the run's provenance as JSON: what measured, where, when, and how its controls came out."""
    controls = {name: _came_to(control) for name, control in run.controls.items()}
    record = {"schema_version": SCHEMA_VERSION, **vars(run), "controls": controls}
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _came_to(control: Control) -> dict[str, object]:
    return {"passed": control.passed, "reason": control.reason}


def _as_json(record: Observation) -> dict[str, object]:
    """Return a record's fields; of the control only what it came to, because it is the same in every cell."""
    fields = {name: value for name, value in vars(record).items() if name != "captures"}
    return {
        **fields,
        "account": record.account and vars(record.account),
        "wire": [{**vars(wire), "alerts": [vars(a) for a in wire.alerts]} for wire in record.wire],
        "control": _came_to(record.control),
    }
