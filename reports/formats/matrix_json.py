"""The matrix as one JSON document, for other programs to be written against; see matrix.schema.json."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from interpreters.clients import ClientKey
from interpreters.documents import from_json
from interpreters.interpreter import Interpreter
from reports.formats.contract import RunDocument, ScopeDocument
from reports.formats.escape import for_json as _text
from reports.formats.records import RecordError, read_record, reading
from reports.verdicts.cells import CellKind, CellResult
from reports.verdicts.judge import HeldBy, Judgement, PageCheck, Verdict
from reports.verdicts.matrix import MATRIX_VERSION, Row, Subject, did_not_report, subject_of
from servers.catalogue import Catalogue, Certificate, KeyExchange, Role, Server
from servers.conditions import Condition
from servers.control import Control
from servers.protocols import LADDER, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from reports.verdicts.matrix import Matrix
    from reports.verdicts.observations import Observation, Run, RunRequest
    from reports.verdicts.policy import Policy
    from reports.verdicts.remedies import Case

SCHEMA_VERSION = MATRIX_VERSION

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
    observations: tuple[Observation, ...] = ()
    """Empty where matrix.json alone was read."""
    cases: tuple[Case, ...] | None = None
    """What its remedies came to; None if it tried none, or if matrix.json alone was read."""

    @property
    def host(self) -> str:
        """The name of the machine that it measured."""
        return self.run.host


def build_json(matrix: Matrix, policy: Policy) -> dict[str, object]:
    """Return the document: JSON's own types throughout, everything in the order of rows and catalogue.

    Each row has a cell for each server that its run met, measured or not. What belongs to a run names it,
    so that the documents of several machines can become one. Hellos and both witnesses' accounts are left
    to observations.jsonl.
    """
    run, rows, catalogue, floor = matrix.run, matrix.rows, matrix.catalogue, matrix.floor
    interpreters = [group.interpreter for group in matrix.groups]
    parts = run.parts or (run,)
    return {
        "schema_version": SCHEMA_VERSION,
        "floor": str(floor),
        "policy": policy.record(),
        "runs": [_run(part, _met(part, catalogue)) for part in parts],
        "interpreters": [_interpreter(one, run.of(one)) for one in interpreters],
        "verdicts": [_verdict(row, run.of(row.interpreter)) for row in rows],
        "cells": [
            _cell(row, server, own, floor)
            for row in rows
            for own in [run.of(row.interpreter)]
            for server in _met(own, catalogue)
        ],
    }


def _texts(value: object) -> object:
    """Return JSON's own types with every text in them as every parser can read it."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {_text(name): _texts(inner) for name, inner in value.items()}
    return [_texts(inner) for inner in value] if isinstance(value, list) else value


def _names(protocols: Iterable[Protocol]) -> list[str]:
    return [str(protocol) for protocol in sorted(protocols, key=LADDER.index)]


def _name(protocol: Protocol | None) -> str | None:
    return str(protocol) if protocol else None


def _met(run: Run, catalogue: Catalogue) -> list[Server]:
    """Return the servers of a run, whose controls it has; another machine's may have met others too."""
    return [server for server in catalogue.servers if server.id in run.controls]


def _run(run: Run, servers: Sequence[Server]) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "host": _text(run.host),
        "tool": run.tool,
        "engine": _text(run.engine),
        "catalogue": run.catalogue,
        "started": run.started,
        "ended": run.ended,
        "asked": _asked(run.asked),
        "scope": _texts(run.scope.record()),
        "servers": [_server(server, run) for server in servers],
    }


def _asked(asked: RunRequest) -> dict[str, object]:
    return {
        "clients": list(asked.clients),
        "conditions": [str(condition) for condition in asked.conditions],
        "floor": str(asked.floor),
        "attacks": asked.attacks,
        "only": [_text(glob) for glob in asked.only],
        "interpreters": [{"path": _text(one.path), "real": _text(one.real)} for one in asked.interpreters],
        "botocore": _text(asked.botocore),
        "urllib3": _text(asked.urllib3),
        "programs": asked.programs,
    }


def _server(server: Server, run: Run) -> dict[str, object]:
    control = run.controls[server.id]
    return {
        "server": server.id,
        "role": str(server.role),
        "why": server.why,
        "protocols": _names(server.protocols),
        "key_exchange": str(server.key_exchange),
        "certificate": str(server.certificate),
        "control": {"passed": control.passed, "reason": _text(control.reason)},
    }


def _interpreter(one: Interpreter, run: Run) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "interpreter": one.id,
        "source": one.source,
        "path": _text(one.path),
        "version": _text(one.version),
        "implementation": _text(one.implementation),
        "openssl": _text(one.openssl),
        "openssl_dir": _text(one.openssl_dir),
        "openssl_conf": _text(one.openssl_conf),
        "openssl_conf_sha256": one.openssl_conf_sha256,
        "configuration_problems": [_text(problem) for problem in one.configuration_problems],
        "context_minimum": _text(one.context_minimum),
        "build": one.build,
        "configure_flags": [_text(flag) for flag in one.configure_flags],
        "start_up": [_text(file) for file in one.start_up],
        "library_protocols": _library_protocols(one),
        "environment": _text(one.environment),
        "problem": _text(one.unavailable),
    }


def _library_protocols(one: Interpreter) -> list[str] | None:
    """Return what the ssl module says that its library can speak; None where it is too old to say.

    Later releases of Python 2.7 and 3.6 speak of TLS 1.3 alone, and that is not all that they have.
    """
    if not all(_flag(protocol) in one.has for protocol in LADDER):
        return None
    return [str(protocol) for protocol in LADDER if one.has.get(_flag(protocol))]


def _flag(protocol: Protocol) -> str:
    """Return the name of the ssl module's constant for a version."""
    return f"HAS_{protocol.replace('.', '_')}"


def _verdict(row: Row, run: Run) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "interpreter": row.interpreter.id,
        "client": str(row.client),
        "condition": str(row.condition),
        "verdict": str(row.verdict),
        "reason": _text(row.judgement.reason),
        "lowest_negotiated": _name(row.judgement.lowest),
        "highest_negotiated": _name(row.judgement.highest),
        "offered": _text(row.judgement.offer),
        "held_by": str(row.held_by) or None,
        "page_check": str(row.page_check) or None,
        "client_version": _text(row.client_version),
        "urllib3": _text(row.urllib3),
        "tls_library": _text(row.tls_library),
    }


def _cell(row: Row, server: Server, run: Run, floor: Protocol) -> dict[str, object]:
    unmeasured = CellResult(server, CellKind.MISSING, reason=UNMEASURED)
    finding = row.findings.get(server.id, unmeasured)
    negotiated = finding.negotiated
    return {
        "run_id": run.run_id,
        "interpreter": row.interpreter.id,
        "client": str(row.client),
        "condition": str(row.condition),
        "server": server.id,
        "outcome": str(finding.kind),
        "negotiated": _name(negotiated),
        "below_floor": negotiated is not None and negotiated.below(floor),
        "reason": _text(finding.reason),
        "offered": _names(finding.offered),
        "control_passed": run.controls[server.id].passed,
    }


def read_json(path: Path) -> tuple[StoredRun, ...]:
    """Return the runs that a document is of; raises RecordError where it is none that this tool reads."""
    document = read_record(path, SCHEMA_VERSION)
    with reading(path):
        _check_whole(document)
        return tuple(_read_run(run, document, path.parent) for run in document["runs"])


def _check_whole(document: Mapping[str, Any]) -> None:
    """Refuse what belongs to nothing or is there twice: it would be left out of the rows without a word."""
    found = {
        part: [tuple(one[name] for name in key) for one in document[part]] for part, key in PARTS.items()
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


def _read_run(facts: Mapping[str, Any], document: Mapping[str, Any], folder: Path) -> StoredRun:
    def own(part: str) -> list[Mapping[str, Any]]:
        return [one for one in document[part] if one["run_id"] == facts["run_id"]]

    controls = {server["server"]: Control(**server["control"]) for server in facts["servers"]}
    own_facts = {name: facts[name] for name in RunDocument.__struct_fields__}
    run = from_json(own_facts, RunDocument).run(controls, from_json(facts["scope"], ScopeDocument))
    servers = {server["server"]: _read_server(server) for server in facts["servers"]}
    interpreters = {one["interpreter"]: _read_interpreter(one) for one in own("interpreters")}
    findings: dict[tuple[str, str, str], dict[str, CellResult]] = {}
    for cell in own("cells"):
        if (cell["outcome"], cell["reason"]) != (CellKind.MISSING, UNMEASURED):
            key = (cell["interpreter"], cell["client"], cell["condition"])
            findings.setdefault(key, {})[cell["server"]] = _read_cell(cell, servers)
    rows = [
        _read_verdict(verdict, interpreters[verdict["interpreter"]], findings) for verdict in own("verdicts")
    ]
    catalogue = Catalogue(tuple(servers.values()), run.catalogue)
    return StoredRun(run, catalogue, Protocol(document["floor"]), tuple(rows), folder)


def _read_server(facts: Mapping[str, Any]) -> Server:
    return Server(
        id=facts["server"],
        why=facts["why"],
        protocols=frozenset(map(Protocol, facts["protocols"])),
        key_exchange=KeyExchange(facts["key_exchange"]),
        certificate=Certificate(facts["certificate"]),
        role=Role(facts["role"]),
    )


def _read_interpreter(facts: Mapping[str, Any]) -> Interpreter:
    listed = facts["library_protocols"]
    return Interpreter(
        id=facts["interpreter"],
        source=facts["source"],
        path=facts["path"],
        version=facts["version"],
        implementation=facts["implementation"],
        openssl=facts["openssl"],
        configure_flags=tuple(facts["configure_flags"]),
        start_up=tuple(facts["start_up"]),
        has={} if listed is None else {_flag(protocol): protocol in listed for protocol in LADDER},
        openssl_dir=facts["openssl_dir"],
        openssl_conf=facts["openssl_conf"],
        openssl_conf_sha256=facts["openssl_conf_sha256"],
        configuration_problems=tuple(facts["configuration_problems"]),
        context_minimum=facts["context_minimum"],
        build=facts["build"],
        unavailable=facts["problem"],
        environment=facts["environment"],
    )


def _read_verdict(
    facts: Mapping[str, Any],
    interpreter: Interpreter,
    findings: Mapping[tuple[str, str, str], Mapping[str, CellResult]],
) -> Row:
    silent = did_not_report(interpreter.id, facts["client"])
    return Row(
        subject=Subject.MACHINE if silent else subject_of(interpreter),
        interpreter=interpreter,
        client=ClientKey.parse(facts["client"]),
        client_version=facts["client_version"],
        urllib3=facts["urllib3"],
        condition=Condition(facts["condition"]),
        judgement=Judgement(
            Verdict(facts["verdict"]),
            facts["reason"],
            _protocol(facts["lowest_negotiated"]),
            _protocol(facts["highest_negotiated"]),
            facts["offered"],
        ),
        held_by=HeldBy(facts["held_by"] or ""),
        page_check=PageCheck(facts["page_check"] or ""),
        findings=findings.get((interpreter.id, facts["client"], facts["condition"]), {}),
    )


def _read_cell(facts: Mapping[str, Any], servers: Mapping[str, Server]) -> CellResult:
    return CellResult(
        server=servers[facts["server"]],
        kind=CellKind(facts["outcome"]),
        protocol=_protocol(facts["negotiated"]),
        reason=facts["reason"],
        offered=frozenset(map(Protocol, facts["offered"])),
    )


def _protocol(name: str | None) -> Protocol | None:
    return None if name is None else Protocol(name)
