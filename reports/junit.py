"""The matrix as JUnit XML, so that a stock CI shows each verdict and cell as a test.

There is no one schema. This follows the two that are in common use, Jenkins's (junit-10.xsd of its xUnit
plugin) and Windy Road's (JUnit.xsd, after Ant), in all that both have; only the counts on the root element,
which readers of summaries look for, are Jenkins's alone.
"""

from __future__ import annotations

import datetime as dt
import math
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.escape import for_xml, visible
from reports.matrix import did_not_report
from reports.outcomes import Kind, Outcome
from reports.verdicts import Finding, Verdict
from servers.catalogue import Role
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reports.matrix import Measured, Row
    from reports.observations import Interpreter, Run
    from reports.policy import Policy
    from servers.catalogue import Catalogue, Server
    from servers.protocols import Protocol

PACKAGE = "tls_floor"
"""What every suite belongs to; Jenkins shows it in front of the suite's name."""

VERDICT = "verdict"
"""Name of the case that stands for a client as a whole."""

_SUMS = {"failure": "failures", "error": "errors", "skipped": "skipped"}
"""What a suite calls its number of each result."""


@dataclass(frozen=True)
class _Case:
    """One testcase; no result means that it passed."""

    classname: str
    name: str
    seconds: float = 0.0
    result: str = ""
    kind: str = ""
    message: str = ""
    body: str = ""


@dataclass(frozen=True)
class _Suite:
    """One testsuite: an interpreter with its cases."""

    name: str
    run: Run
    properties: Mapping[str, str]
    cases: Sequence[_Case]
    said: Sequence[str]
    """What there is to read for those that passed too: a line for each client."""


def build_junit(
    rows: Sequence[Row],
    run: Run,
    catalogue: Catalogue,
    floor: Protocol,
    policy: Policy,
    measured: Iterable[Measured] = (),
) -> str:
    """Return the document: a suite for each interpreter, a case for each client and server.

    A failure is a connection below the floor, or a server that tampers and was followed; an error is a
    cell that says nothing; skipped is what could not be tested. One more case for each client, named
    `verdict`, stands for it as a whole, and also fails where it is fragile. The servers that repeat the
    AWS page's check have no case, because no verdict rests on them. A run without any row is one error.

    Results are those of the measurement, whatever the policy waives: that is among the properties.
    Cases take the time that `measured` has for them; without it, none.
    """
    seconds = {
        (one.interpreter.name, o.client, o.condition, o.server): _seconds(o.account.seconds)
        for one in measured
        for o in one.observations
        if o.account and o.interpreter == one.interpreter.id
    }
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.interpreter.name, []).append(row)
    suites = [_suite(group, run, catalogue, floor, seconds, _applied(policy)) for group in groups.values()]
    return _document(suites or [_nothing(run, _provenance(run, floor) | _applied(policy))], run, floor)


def _seconds(told: float) -> float:
    """Return a duration that can be one: a probe may say anything, and old clocks jump back."""
    return max(0.0, told) if math.isfinite(told) else 0.0


def _nothing(run: Run, provenance: Mapping[str, str]) -> _Suite:
    """Return the suite of a run that has no rows: an empty document would pass."""
    said = "no interpreter was measured, so nothing is known about this machine"
    case = _Case("matrix", VERDICT, result="error", kind=Kind.MISSING, message=said)
    return _Suite("matrix", run, provenance, [case], [])


def _suite(
    rows: Sequence[Row],
    run: Run,
    catalogue: Catalogue,
    floor: Protocol,
    seconds: Mapping[tuple[str, str, str, str], float],
    policy: Mapping[str, str],
) -> _Suite:
    interpreter = rows[0].interpreter
    own = run.of(interpreter)
    servers = [s for s in catalogue.servers if s.role is not Role.PAGE and s.id in own.controls]
    cases: list[_Case] = []
    for row in rows:
        cases.append(_whole(row))
        for server in servers:
            took = seconds.get((interpreter.name, row.client, row.condition, server.id), 0.0)
            cases.append(_cell(row, server, own, floor, took))
    properties = {**_provenance(own, floor), **policy, **_facts(interpreter)}
    for row in rows:
        properties |= _settled(row)
    return _Suite(interpreter.name, own, properties, cases, [_line(row, servers) for row in rows])


def _provenance(run: Run, floor: Protocol) -> dict[str, str]:
    return {
        "floor": str(floor),
        "run_id": run.run_id,
        "host": run.host,
        "tool": run.tool,
        "engine": run.engine,
        "catalogue": run.catalogue,
        "started": run.started,
        "ended": run.ended,
    }


def _applied(policy: Policy) -> dict[str, str]:
    """Return the policy that was in force, with a property for each waiver; a result here is free of it."""
    said = {
        "policy": policy.file or "default",
        "policy floor": str(policy.floor or "as measured"),
        "policy clients": ", ".join(policy.clients) or "all",
        "policy sources": ", ".join(policy.sources) or "all",
        "policy fails": ", ".join([Verdict.DOWNGRADED, *policy.fails]),
        "policy new_only": policy.new_only or "no",
    }
    for number, waiver in enumerate(policy.waivers, 1):
        said[f"policy waiver {number}"] = f"{waiver} until {waiver.expires}: {waiver.reason}"
    return said


def _facts(one: Interpreter) -> dict[str, str]:
    return {
        "path": one.path,
        "source": one.source,
        "version": one.version,
        "implementation": one.implementation,
        "openssl": one.openssl,
    }


def _settled(row: Row) -> dict[str, str]:
    """Return what was found out about a client as a whole, beside its verdict."""
    name = row.client + _where(row)
    return {
        f"{name} version": row.client_version,
        f"{name} offered": row.judgement.offer,
        f"{name} held_by": str(row.held_by),
        f"{name} page_check": str(row.page_check),
    }


def _where(row: Row) -> str:
    """Name the condition, unless it is the machine's own: a case keeps its name whatever else is measured."""
    return "" if row.condition is Condition.AMBIENT else f" under {row.condition}"


def _classname(row: Row) -> str:
    return f"{row.interpreter.name}.{row.client}"


def _whole(row: Row) -> _Case:
    result = {
        Verdict.DOWNGRADED: "failure",
        Verdict.FRAGILE: "failure",
        Verdict.INCONCLUSIVE: "error",
        # A machine that did not report must not look like one that was left out on purpose.
        Verdict.UNTESTABLE: "error" if did_not_report(row.interpreter.id, row.client) else "skipped",
        Verdict.ENFORCED: "",
    }[row.verdict]
    return _Case(
        _classname(row),
        VERDICT + _where(row),
        result=result,
        kind=str(row.verdict),
        message=row.judgement.reason,
        body=_context(row) if result in ("failure", "error") else "",
    )


def _cell(row: Row, server: Server, run: Run, floor: Protocol, seconds: float) -> _Case:
    missing = Finding(server, Outcome(Kind.MISSING, reason="it was not measured"))
    finding = row.findings.get(server.id, missing)
    result, kind, message = _result(row, finding, floor)
    control = run.controls[server.id]
    body = (
        f"{_context(row)}\n"
        f"server: {server.id}: {server.why}\n"
        f"control: {'passed' if control.passed else 'FAILED'}: {control.reason}"
    )
    return _Case(
        _classname(row),
        server.id + _where(row),
        seconds,
        result,
        kind,
        message,
        body if result in ("failure", "error") else "",
    )


def _result(row: Row, finding: Finding, floor: Protocol) -> tuple[str, str, str]:
    """Return a cell's result, its type and its message, in the order in which verdicts weigh them."""
    outcome, version = finding.outcome, finding.negotiated
    if row.verdict is Verdict.UNTESTABLE:
        return "skipped", str(Verdict.UNTESTABLE), row.judgement.reason
    if outcome.kind is Kind.FOOLED:
        at = f" at {version}" if version else ""
        return "failure", str(outcome.kind), f"a server that tampers fooled it{at}: {outcome.reason}"
    if version and version.below(floor):
        return "failure", str(Verdict.DOWNGRADED), f"connected at {version}, below {floor}"
    if finding.undecided:
        # What is undecided and connected did so at a version that the server does not speak.
        reason = outcome.reason or f"connected at {version}, which this server does not speak"
        return "error", str(outcome.kind if outcome.kind.undecided else Kind.INCONCLUSIVE), reason
    return "", "", ""


def _context(row: Row) -> str:
    """Say whose result this is: some viewers show a case without its suite."""
    one = row.interpreter
    python = " ".join(filter(None, [one.implementation, one.version])) or "unknown"
    return (
        f"{row.subject}: {one.name}: {python}, {one.openssl or 'no OpenSSL known'}, {one.path}\n"
        f"client: {row.client} {row.client_version or '(version unknown)'} under {row.condition}\n"
        f"verdict: {row.verdict}: {row.judgement.reason}"
    )


def _line(row: Row, servers: Iterable[Server]) -> str:
    """Say how one client came out on every server."""
    cells = ", ".join(f"{s.id} {row.findings[s.id].outcome}" for s in servers if s.id in row.findings)
    said = f"{row.client}{_where(row)}: {row.verdict}: {row.judgement.reason}"
    return visible(f"{said} [{cells}]" if cells else said)


def _document(suites: Sequence[_Suite], run: Run, floor: Protocol) -> str:
    every = [case for suite in suites for case in suite.cases]
    sums = _sums(every)
    # Of the two schemas, one allows this element no attributes, and the other no number of skipped cases.
    sums.pop("skipped")
    root = ET.Element("testsuites", _clean({"name": f"TLS floor matrix: {floor} on {run.host}"} | sums))
    for number, suite in enumerate(suites):
        attributes = {
            "name": suite.name,
            "package": PACKAGE,
            "id": str(number),
            "timestamp": _timestamp(suite.run.started),
            # An empty one is not valid; this is what the schema asks for in its place.
            "hostname": suite.run.host.strip() or "localhost",
        }
        element = _add(root, "testsuite", attributes | _sums(suite.cases))
        properties = _add(element, "properties", {})
        for name, value in suite.properties.items():
            _add(properties, "property", {"name": name, "value": value})
        for case in suite.cases:
            _add_case(element, case)
        _add(element, "system-out", {}, "\n".join(suite.said))
        _add(element, "system-err", {})
    ET.indent(root)
    # ElementTree would name the locale's encoding in a declaration of its own.
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _sums(cases: Sequence[_Case]) -> dict[str, str]:
    results = Counter(case.result for case in cases)
    return {
        "tests": str(len(cases)),
        **{plural: str(results[result]) for result, plural in _SUMS.items()},
        "time": _time(sum(case.seconds for case in cases)),
    }


def _add_case(suite: ET.Element, case: _Case) -> None:
    attributes = {"classname": case.classname, "name": case.name, "time": _time(case.seconds)}
    element = _add(suite, "testcase", attributes)
    if case.result:
        _add(element, case.result, {"type": case.kind, "message": case.message}, case.body)


def _add(parent: ET.Element, tag: str, attributes: Mapping[str, str], text: str = "") -> ET.Element:
    """Add an element; every text of the document passes here or the root, and is made fit for XML."""
    element = ET.SubElement(parent, tag, _clean(attributes))
    element.text = for_xml(text) or None
    return element


def _clean(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: for_xml(value) for name, value in attributes.items()}


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"


def _timestamp(moment: str) -> str:
    """Return a time in UTC as the schema wants it: without saying so."""
    return dt.datetime.fromisoformat(moment).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
