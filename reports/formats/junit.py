"""The matrix as JUnit XML, so that a stock CI shows each verdict and cell as a test.

There is no one schema. This follows the two that are in common use, Jenkins's (junit-10.xsd of its xUnit
plugin) and Windy Road's (JUnit.xsd, after Ant), in all that both have; only the counts on the root element,
which readers of summaries look for, are Jenkins's alone.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from reports.formats.escape import for_json, for_xml, visible
from reports.formats.format import Format
from reports.verdicts.cells import CellKind, CellResult
from reports.verdicts.decision import Disposition, GateOutcome, GateResult, GateRow
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Subject, under
from reports.verdicts.policy import Policy
from reports.verdicts.scope import in_full
from reports.verdicts.stand_ins import MISSING
from servers.catalogue import Role
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from interpreters.interpreter import Interpreter
    from reports.verdicts.decision import Decision
    from reports.verdicts.matrix import Matrix, Measured, Row, RowGroup
    from reports.verdicts.observations import Run
    from servers.catalogue import Server
    from servers.protocols import Protocol

FORMATS = (
    Format(
        "junit.xml",
        "CI systems: a suite for each interpreter, a case for each client and server, under the machine's own"
        " configuration; red for what the gate fails",
        lambda report: build_junit(report.matrix, report.decision),
    ),
)

PACKAGE = "tls_floor"
"""What every suite belongs to; Jenkins shows it in front of the suite's name."""

VERDICT = "verdict"
"""Name of the case that stands for a client as a whole."""

MATRIX, SCOPE = "matrix", "scope"
"""Names of the suite that stands for the run as a whole, and of its case."""

_SUMS = {"failure": "failures", "error": "errors", "skipped": "skipped"}
"""What a suite calls its number of each result."""

_QUOTED = {'"': "&quot;", "\n": "&#10;", "\t": "&#09;"}
"""What an attribute cannot have as it is, beside what no text can (XML 1.0, sections 2.3 and 3.3.3)."""

_Times = dict[tuple[str, str, str], float]
"""How long a cell took, by client, condition and server."""


@dataclass(frozen=True, slots=True)
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
class _Sums:
    """What several cases come to: how many to each result, and the seconds of all."""

    results: Counter[str]
    seconds: float

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes that say so."""
        counts = {plural: str(self.results[result]) for result, plural in _SUMS.items()}
        return {"tests": str(self.results.total()), **counts, "time": _time(self.seconds)}


@dataclass(frozen=True)
class _Suite:
    """One testsuite: an interpreter with its cases."""

    name: str
    run: Run
    properties: Mapping[str, str]
    cases: Sequence[_Case]
    lines: Sequence[str]
    """What there is to read for those that passed too: a line for each client."""

    @property
    def sums(self) -> _Sums:
        """What its cases come to."""
        return _Sums(Counter(case.result for case in self.cases), sum(case.seconds for case in self.cases))


@dataclass
class _Subject:
    """What one suite is about: the rows of an interpreter, and what the policy misses of it."""

    name: str
    run: Run
    interpreter: str = ""
    """Its name in the matrix; empty for one that has no row there."""
    rows: list[tuple[Row, GateResult]] = field(default_factory=list)
    absent: list[GateResult] = field(default_factory=list)


def build_junit(matrix: Matrix, decision: Decision) -> Iterator[str]:
    """Give the document in pieces: a suite for each interpreter, a case for each client and server.

    What is red here is what the gate fails, `decision`, as far as that can be known while the report is
    written: a case named `verdict` stands for each client as a whole, and where it fails a connection below
    the floor and a server that tampers and was followed are failures, and a cell that says nothing is an
    error. What the policy lets pass is skipped, and says why. The servers that repeat the AWS page's check
    have no case, because no verdict rests on them, and so has what was not measured under the machine's own
    configuration. A suite of its own says whether the run answers for its machine at all.

    Cases take the time that their observations say.
    """
    run, floor = matrix.run, matrix.floor
    measured = {each.interpreter.name: each for each in matrix.measured}
    policy = _applied(decision.policy or Policy())
    suites = (
        _suite(subject, matrix, _times(measured.get(subject.interpreter)), policy)
        for subject in _subjects(matrix, decision)
    )
    whole = _Suite(MATRIX, run, _provenance(run, floor) | policy, [_answers(decision)], [])
    # As texts, which are smaller than their cases.
    done = [(s.sums, _text(s, number)) for number, s in enumerate(itertools.chain(suites, [whole]))]
    results = Counter[str]()
    for sums, _ in done:
        results += sums.results
    every = _Sums(results, sum(sums.seconds for sums, _ in done))
    return _document(every, [text for _, text in done], run, floor)


def _times(measured: Measured | None) -> _Times:
    """Return how long the cells took of what was measured itself."""
    return {
        (str(seen.client), seen.condition, seen.server): seen.account.took
        for seen in (measured.observations if measured else ())
        if measured and seen.account and seen.interpreter == measured.interpreter.id
    }


def _subjects(matrix: Matrix, decision: Decision) -> list[_Subject]:
    """Return what there is a suite for, in the order of the rows; then what the policy misses altogether."""
    run = matrix.run
    gated_rows = {
        (gated.row.host, gated.row.interpreter, gated.row.client): gated for gated in decision.results
    }
    found: dict[tuple[str, str], _Subject] = {}
    # What holds under a configuration that is not the machine's makes no build red or green.
    for group in under(matrix.groups, Condition.AMBIENT):
        own = run.of(group.interpreter)
        place = (for_json(own.host), group.interpreter.id)
        subject = found[place] = _Subject(_suite_name(group), own, group.name)
        for row in group.rows:
            gated = gated_rows.pop((*place, str(row.client)), None) or _by_itself(row, own)
            subject.rows.append((row, gated))
    runs = {for_json(part.host): part for part in run.reporting}
    for (host, interpreter, _), gated in gated_rows.items():
        name = f"{interpreter} on {host}" if run.parts else interpreter
        place = (host, interpreter)
        found.setdefault(place, _Subject(name, runs.get(host, run))).absent.append(gated)
    return list(found.values())


def _suite_name(group: RowGroup) -> str:
    """Name a suite: after the interpreter, and of what was found with where that is.

    Classes of cases have the name alone: viewers take what is before a dot of theirs for a package.
    """
    where = f" ({group.interpreter.environment})" if group.subject.as_found else ""
    return f"{group.name}{where}"


def _by_itself(row: Row, run: Run) -> GateResult:
    """Judge a row where nothing was decided, because the report is not fit to be held against the policy."""
    silent = row.subject is Subject.MACHINE
    gate_row = GateRow(
        host=run.host,
        interpreter=row.interpreter.id,
        client=str(row.client),
        source=row.interpreter.source,
        verdict=row.verdict,
        silent=silent,
        environment=row.interpreter.environment,
    )
    return GateResult(gate_row, Disposition.PASSES if row.verdict is Verdict.ENFORCED else Disposition.FAILS)


def _answers(decision: Decision) -> _Case:
    """Return the case that fails where the report is not fit to pass, whatever its rows came to."""
    red = any(result.disposition is Disposition.FAILS for result in decision.results)
    message = "; ".join(decision.doubts) or ("" if decision.passed or red else decision.message)
    kind = (
        decision.kind if message and decision.kind is not GateOutcome.FINDINGS else GateOutcome.INCONCLUSIVE
    )
    return _Case(MATRIX, SCOPE, result="error" if message else "", kind=str(kind), message=message)


def _suite(
    subject: _Subject,
    matrix: Matrix,
    times: _Times,
    policy: dict[str, str],
) -> _Suite:
    own, floor = subject.run, matrix.floor
    servers = [s for s in matrix.catalogue.servers if s.role is not Role.PAGE and s.id in own.controls]
    cases: list[_Case] = []
    for row, gated in subject.rows:
        cases.append(_whole(row, gated))
        client, condition, classname, context = str(row.client), row.condition, _classname(row), _context(row)
        for server in servers:
            body = partial(_met, context, server, own)
            result, kind, message, text = _cell(row, gated, server, floor, body)
            took = times.get((client, condition, server.id), 0.0)
            cases.append(_Case(classname, server.id, took, result, kind, message, text))
    cases += [_absent(subject.name, gated) for gated in subject.absent]
    properties = _provenance(own, floor) | policy
    for row, _ in subject.rows:
        properties |= _facts(row.interpreter) | _settled(row)
    return _Suite(subject.name, own, properties, cases, [_line(row, servers) for row, _ in subject.rows])


def _provenance(run: Run, floor: Protocol) -> dict[str, str]:
    scope = run.scope
    return {
        "floor": str(floor),
        "run_id": run.run_id,
        "host": run.host,
        "tool": run.tool,
        "engine": run.engine,
        "catalogue": run.catalogue,
        "started": run.started,
        "ended": run.ended,
        "commit": scope.commit or scope.commit_unknown,
        "local changes": "yes" if scope.local_changes else "no",
        "user": scope.user,
        "distribution": scope.distribution,
        "architecture": scope.architecture,
        "partial": "; ".join(scope.narrowed) or "no",
        "scope": " ".join(in_full(run.reporting)),
    }


def _applied(policy: Policy) -> dict[str, str]:
    """Return the policy that was in force, with a property for each waiver."""
    properties = {
        "policy": policy.file or "default",
        "policy floor": str(policy.floor or "as measured"),
        "policy clients": ", ".join(policy.clients) or "all",
        "policy sources": ", ".join(policy.sources) or "all",
        "policy environments": ", ".join(policy.environments) or "all",
        "policy fails": ", ".join([Verdict.DOWNGRADED, *policy.fails]),
        "policy new_only": policy.new_only or "no",
        "policy partial": "yes" if policy.partial else "no",
        "policy max_age": str(policy.max_age),
        "policy openssl_conf": ", ".join(policy.openssl_conf) or "none",
    }
    for number, waiver in enumerate(policy.waivers, 1):
        properties[f"policy waiver {number}"] = f"{waiver} until {waiver.expires}: {waiver.reason}"
    return properties


def _facts(interpreter: Interpreter) -> dict[str, str]:
    return {
        "path": interpreter.path,
        "source": interpreter.source,
        "environment": interpreter.environment,
        "version": interpreter.version,
        "implementation": interpreter.implementation,
        "openssl": interpreter.openssl,
    }


def _settled(row: Row) -> dict[str, str]:
    """Return what was found out about a client as a whole, beside its verdict."""
    return {
        f"{row.client} version": row.client_version,
        f"{row.client} offered": row.judgement.offer,
        f"{row.client} held_by": str(row.held_by),
        f"{row.client} page_check": str(row.page_check),
    }


def _classname(row: Row) -> str:
    return f"{row.interpreter.name}.{row.client}"


def _whole(row: Row, gated: GateResult) -> _Case:
    bad = "failure" if row.verdict in (Verdict.DOWNGRADED, Verdict.FRAGILE) else "error"
    measured = ("", "", "") if row.verdict is Verdict.ENFORCED else (bad, row.verdict, row.judgement.reason)
    result, kind, message = _fated(gated, *measured)
    if gated.why and result == bad:
        message = f"{message} ({gated.why})"
    body = _context(row) if result in ("failure", "error") else ""
    return _Case(_classname(row), VERDICT, result=result, kind=kind, message=message, body=body)


def _fated(gated: GateResult, result: str, kind: str, message: str) -> tuple[str, str, str]:
    """Return a result as the gate takes it: what does not fail there is skipped here, and says why."""
    if gated.disposition is Disposition.FAILS or (gated.disposition is Disposition.PASSES and not result):
        return result, str(kind), message
    why = gated.why or str(gated.disposition)
    return "skipped", str(kind or gated.disposition), f"{why}: {message}" if message else why


def _absent(suite: str, gated: GateResult) -> _Case:
    """Return the case of what has to be measured and was not."""
    message = "it has to be measured, and was not"
    result, kind, message = _fated(gated, "error", MISSING, message)
    return _Case(f"{suite}.{gated.row.client}", VERDICT, result=result, kind=kind, message=message)


def _cell(
    row: Row, gated: GateResult, server: Server, floor: Protocol, body: Callable[[], str]
) -> tuple[str, str, str, str]:
    """Return a cell's result, its type, its message, and where it is red what there is to read."""
    finding = row.findings.get(server.id)
    if finding is None:
        finding = CellResult(server, CellKind.MISSING, reason="it was not measured")
    result, kind, message = _result(row, finding, floor)
    if result in ("failure", "error"):
        result, kind, message = _fated(gated, result, kind, message)
    return result, kind, message, body() if result in ("failure", "error") else ""


def _met(context: str, server: Server, run: Run) -> str:
    """Say what a client met, behind whose result it is."""
    control = run.controls[server.id]
    return (
        f"{context}\n"
        f"server: {server.id}: {server.why}\n"
        f"control: {'passed' if control.passed else 'FAILED'}: {control.reason}"
    )


def _result(row: Row, finding: CellResult, floor: Protocol) -> tuple[str, str, str]:
    """Return a cell's result, its type and its message, in the order in which verdicts weigh them."""
    version = finding.negotiated
    if row.verdict is Verdict.UNTESTABLE:
        return "skipped", str(Verdict.UNTESTABLE), row.judgement.reason
    if finding.kind is CellKind.FOOLED:
        at = f" at {version}" if version else ""
        return "failure", str(finding.kind), f"a server that tampers fooled it{at}: {finding.reason}"
    if version and version.below(floor):
        return "failure", str(Verdict.DOWNGRADED), f"connected at {version}, below {floor}"
    if finding.undecided:
        # What is undecided and connected did so at a version that the server does not speak.
        reason = finding.reason or f"connected at {version}, which this server does not speak"
        return "error", str(finding.kind if finding.kind.undecided else CellKind.INCONCLUSIVE), reason
    return "", "", ""


def _context(row: Row) -> str:
    """Say whose result this is: some viewers show a case without its suite."""
    interpreter = row.interpreter
    python = " ".join(filter(None, [interpreter.implementation, interpreter.version])) or "unknown"
    library = interpreter.openssl or "no OpenSSL known"
    where = f"environment: {interpreter.environment}\n" if row.subject.as_found else ""
    return (
        f"{row.subject}: {interpreter.name}: {python}, {library}, {interpreter.path}\n"
        f"{where}client: {row.client} {row.client_version or '(version unknown)'} under {row.condition}\n"
        f"verdict: {row.verdict}: {row.judgement.reason}"
    )


def _line(row: Row, servers: Iterable[Server]) -> str:
    """Say how one client came out on every server."""
    cells = ", ".join(f"{s.id} {row.findings[s.id]}" for s in servers if s.id in row.findings)
    summary = f"{row.client}: {row.verdict}: {row.judgement.reason}"
    return visible(f"{summary} [{cells}]" if cells else summary)


def _document(sums: _Sums, suites: Iterable[str], run: Run, floor: Protocol) -> Iterator[str]:
    """Give the document: what all suites come to, and each of them."""
    # Of the two schemas, one allows this element no attributes, and the other no number of skipped cases.
    counts = {name: count for name, count in sums.attributes.items() if name != "skipped"}
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f"{_tag('testsuites', {'name': f'TLS floor matrix: {floor} on {run.host}'} | counts)}>\n"
    yield from suites
    yield "</testsuites>\n"


def _text(suite: _Suite, number: int) -> str:
    """Return a suite as it stands in the document."""
    attributes = {
        "name": suite.name,
        "package": PACKAGE,
        "id": str(number),
        "timestamp": _timestamp(suite.run.started),
        # An empty one is not valid; this is what the schema asks for in its place.
        "hostname": suite.run.host.strip() or "localhost",
    }
    output = _element("system-out", "\n".join(suite.lines))
    return "".join(
        (
            f"  {_tag('testsuite', attributes | suite.sums.attributes)}>\n    <properties>\n",
            *(f"      {_tag('property', {'name': n, 'value': v})} />\n" for n, v in suite.properties.items()),
            "    </properties>\n",
            *map(_case, suite.cases),
            f"    {output}\n    <system-err />\n  </testsuite>\n",
        )
    )


def _case(case: _Case) -> str:
    """Return a case as it stands in its suite."""
    name, time = _attribute(case.name), _time(case.seconds)
    opening = f'    <testcase classname="{_attribute(case.classname)}" name="{name}" time="{time}"'
    if not case.result:
        return f"{opening} />\n"
    result = f'{case.result} type="{_attribute(case.kind)}" message="{_attribute(case.message)}"'
    return f"{opening}>\n      {_element(result, case.body)}\n    </testcase>\n"


def _tag(tag: str, attributes: Mapping[str, str]) -> str:
    """Return the start of a tag, with its attributes."""
    return " ".join((f"<{tag}", *(f'{name}="{_attribute(value)}"' for name, value in attributes.items())))


def _element(start: str, text: str) -> str:
    """Return an element with a text in it; `start` is its name, with its attributes as they stand there."""
    return f"<{start}>{escape(for_xml(text))}</{start.partition(' ')[0]}>" if text else f"<{start} />"


@lru_cache(maxsize=2**12)
def _attribute(value: str) -> str:
    """Return the value of an attribute, fit for XML; most cases repeat what others have."""
    return escape(for_xml(value), _QUOTED)


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"


def _timestamp(moment: str) -> str:
    """Return a time in UTC as the schema wants it: without saying so."""
    return dt.datetime.fromisoformat(moment).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
