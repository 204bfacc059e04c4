"""The matrix as one JSON document, for other programs to be written against; see matrix.schema.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.outcomes import Kind, Outcome
from reports.verdicts import Finding
from servers.protocols import LADDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.matrix import Row
    from reports.observations import Interpreter, Run
    from servers.catalogue import Catalogue, Server
    from servers.protocols import Protocol

SCHEMA_VERSION = 1
"""Changes when a reader of the old one would be misled."""


def build_json(rows: Sequence[Row], run: Run, catalogue: Catalogue, floor: Protocol) -> dict[str, object]:
    """Return the document: JSON's own types throughout, everything in the order of rows and catalogue.

    Each row has a cell for each server, measured or not. What belongs to a run names it, so that the
    documents of several machines can become one. Hellos and both witnesses' accounts are left to
    observations.jsonl.
    """
    interpreters = {row.interpreter.id: row.interpreter for row in rows}
    return {
        "schema_version": SCHEMA_VERSION,
        "floor": str(floor),
        "policy": None,
        "runs": [_run(run, catalogue)],
        "interpreters": [_interpreter(one, run) for one in interpreters.values()],
        "verdicts": [_verdict(row, run) for row in rows],
        "cells": [_cell(row, server, run, floor) for row in rows for server in catalogue.servers],
    }


def _text(text: str) -> str:
    """Return text as every JSON parser can read it.

    Half a surrogate pair, which is what Python makes of a path that cannot be decoded, is not Unicode;
    parsers may refuse the whole document for it (RFC 8259, section 8.2). JSON escapes all else itself.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _names(protocols: Iterable[Protocol]) -> list[str]:
    return [str(protocol) for protocol in sorted(protocols, key=LADDER.index)]


def _name(protocol: Protocol | None) -> str | None:
    return str(protocol) if protocol else None


def _run(run: Run, catalogue: Catalogue) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "host": _text(run.host),
        "tool": run.tool,
        "engine": _text(run.engine),
        "catalogue": run.catalogue,
        "started": run.started,
        "ended": run.ended,
        "servers": [_server(server, run) for server in catalogue.servers],
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
        "configure_flags": [_text(flag) for flag in one.configure_flags],
        "library_protocols": _library_protocols(one),
        "problem": _text(one.problem),
    }


def _library_protocols(one: Interpreter) -> list[str] | None:
    """Return what the ssl module says that its library can speak; None where it is too old to say."""
    if not one.has:
        return None
    return [str(protocol) for protocol in LADDER if one.has.get(f"HAS_{protocol.replace('.', '_')}")]


def _verdict(row: Row, run: Run) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "interpreter": row.interpreter.id,
        "client": row.client,
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
    }


def _cell(row: Row, server: Server, run: Run, floor: Protocol) -> dict[str, object]:
    unmeasured = Finding(server, Outcome(Kind.MISSING, reason="it was not measured"))
    finding = row.findings.get(server.id, unmeasured)
    negotiated = finding.negotiated
    return {
        "run_id": run.run_id,
        "interpreter": row.interpreter.id,
        "client": row.client,
        "condition": str(row.condition),
        "server": server.id,
        "outcome": str(finding.outcome.kind),
        "negotiated": _name(negotiated),
        "below_floor": negotiated is not None and negotiated.below(floor),
        "reason": _text(finding.outcome.reason),
        "offered": _names(finding.offered),
        "control_passed": run.controls[server.id].passed,
    }
