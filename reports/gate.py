"""The gate: reads the latest matrix and the policy, and says whether a build may go on.

As a program, `python -m reports.gate [FOLDER]`, it needs nothing but Python, and its exit code tells
findings (1) from an inconclusive measurement (2) and from an error of the tool or the policy (3).
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import itertools
import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from interpreters.atomic import write_atomically
from interpreters.errors import FloorError
from interpreters.regular import read_regular
from reports.files import LATEST, REPORTS, SUMS, marks, sums_of
from reports.formats.escape import visible
from reports.verdicts.contradictions import contradictions, standings_of
from reports.verdicts.decision import (
    GATE_VERSION,
    Decision,
    GateOutcome,
    GateReport,
    GateRow,
    GateRun,
    decide,
    interpreter_lines,
)
from reports.verdicts.judge import Verdict
from reports.verdicts.policy import POLICY, read_policy
from reports.verdicts.scope import moment, read_scope, scope_summary
from reports.verdicts.stand_ins import ALL_CLIENTS, MATRIX_VERSION, MISSING, did_not_report
from servers.conditions import Condition
from servers.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reports.verdicts.decision import GateResult
    from reports.verdicts.policy import Policy


class ReportError(FloorError):
    """A matrix cannot be decided on; the message names the file and the fact."""


MATRIX, SUMMARY, RECORD = "matrix.json", "run.json", "gate.json"
"""The file of a report that is decided on, its summary, and what is left beside both."""


class ContradictionError(ReportError):
    """A matrix claims what its own cells, or the files beside it, deny."""


class OtherSchemaError(ReportError):
    """A matrix is another version's: nothing is wrong with it, and it says nothing that we could read."""


def read_report(path: Path, remedy: str) -> GateReport:
    """Read what the gate needs of a run's folder or matrix.json; raises ReportError with the remedy."""
    file = path / MATRIX if path.is_dir() else path
    try:
        raw = read_regular(file)
        document = json.loads(raw)
        version = document["schema_version"]
        if isinstance(version, int) and not isinstance(version, bool) and version != MATRIX_VERSION:
            msg = f"{file} has schema version {version}, and this gate reads {MATRIX_VERSION}: {remedy}"
            raise OtherSchemaError(msg)
        report = parse_report(document)
        if denied := next(itertools.chain(contradictions(document), _beside(file, raw, document)), ""):
            msg = f"{file} cannot be believed, as {denied}: {remedy}"
            raise ContradictionError(msg)
    except OSError as error:
        fact = f"cannot be read ({error.strerror})"
    except KeyError as error:
        fact = f"is damaged or another version's (it lacks {error})"
    except (ValueError, TypeError, RecursionError) as error:
        fact = f"is damaged or another version's ({error})"
    else:
        return report
    msg = f"{file} {fact}: {remedy}"
    raise ReportError(msg)


def _beside(file: Path, raw: bytes, document: Mapping[str, Any]) -> Iterator[str]:
    """Say what a run's other files, if they are there, tell of matrix.json that it denies.

    Raises KeyError, ValueError or TypeError for what is none of them.
    """
    summary = file.with_name(SUMMARY)
    texts = {file.name: raw, **({SUMMARY: read_regular(summary)} if summary.exists() else {})}
    listed = sums_of(file.parent) if file.with_name(SUMS).exists() else {}
    for name in texts.keys() & listed.keys():
        if hashlib.sha256(texts[name]).hexdigest() != listed[name]:
            yield f"{name} is not the file whose hash {SUMS} has"
    if not summary.exists():
        return
    run = json.loads(texts[SUMMARY])
    parts = run["parts"] or [run]
    # Of the parts of a merged report there is less.
    facts = ("run_id", "host", "tool", "started", "ended") if not run["parts"] else ("run_id", "host")
    stated = [tuple(part[name] for name in facts) for part in parts]
    if stated != [tuple(part[name] for name in facts) for part in document["runs"]]:
        yield f"{SUMMARY} is about another run, or other times"
    elif Counter(run["standings"]) + Counter(run["standings_found"]) != standings_of(document):
        yield f"{SUMMARY} counts other verdicts"


def parse_report(document: Any) -> GateReport:
    """Take matrix.json apart; raises KeyError, ValueError or TypeError for what its schema does not have."""
    if document["schema_version"] != MATRIX_VERSION:
        msg = f"schema_version {document['schema_version']!r}, not {MATRIX_VERSION}"
        raise ValueError(msg)
    parts = [_part(run) for run in document["runs"]]
    hosts = {part.run_id: part.host for part in parts}
    about = {
        (entry["run_id"], entry["interpreter"]): {key: _text(entry[key]) for key in ("source", "environment")}
        for entry in document["interpreters"]
    }
    ambient = [entry for entry in document["verdicts"] if Condition(entry["condition"]) is Condition.AMBIENT]
    rows = [
        _gate_row(entry, hosts[entry["run_id"]], about[entry["run_id"], entry["interpreter"]])
        for entry in ambient
    ]
    # A machine that measured nothing must not vanish among others that did.
    silent = [host for run_id, host in hosts.items() if run_id not in {entry["run_id"] for entry in ambient}]
    missing = [GateRow(host, MISSING, str(ALL_CLIENTS), "", MISSING, silent=True) for host in silent if rows]
    absent = {row.host for row in rows if row.silent}
    reported = tuple(part for part in parts if part.host not in absent)
    return GateReport(Protocol(document["floor"]), reported, (*rows, *missing))


def _part(run: Any) -> GateRun:
    texts = {name: _text(run[name]) for name in ("run_id", "host", "tool", "started", "ended")}
    for name in ("started", "ended"):
        moment(texts[name])
    return GateRun(**texts, scope=read_scope(run["scope"]))


def _gate_row(facts: Any, host: str, about: Mapping[str, str]) -> GateRow:
    interpreter, client, lowest = (
        _text(facts["interpreter"]),
        _text(facts["client"]),
        facts["lowest_negotiated"],
    )
    verdict, silent = Verdict(facts["verdict"]), did_not_report(interpreter, client)
    return GateRow(
        host=host,
        interpreter=interpreter,
        client=client,
        source=about["source"],
        environment=about["environment"],
        verdict=MISSING if silent else verdict,
        lowest=None if lowest is None else Protocol(lowest),
        silent=silent,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = f"{value!r} where a text should be"
        raise TypeError(msg)
    return value


def gate(
    folder: Path, policy_file: Path = POLICY, now: dt.datetime | None = None, *, together: bool = False
) -> Decision:
    """Decide about the report in `folder`, and leave gate.json in it; a folder that has none stays as it is.

    `now` is in UTC, by default the clock's; `together` says that the report was asked for in this command.
    """
    now = (now or dt.datetime.now(dt.UTC)).replace(microsecond=0)
    decision = _decision(folder, policy_file, now, together=together)
    # What an earlier decision left must not outlive the report that it was about.
    if any((folder / file).exists() for file in (MATRIX, RECORD)):
        try:
            write_atomically(folder / RECORD, json.dumps(build_record(decision, now), indent=2) + "\n")
        except OSError as error:
            fact = f"{folder / 'gate.json'} cannot be written ({error.strerror}): make room or allow it"
            return Decision(GateOutcome.ERROR, visible(fact), policy=decision.policy)
    return _shown(decision)


def decision_lines(decision: Decision, now: dt.datetime) -> list[str]:
    """Return what there is to read before a decision: the scope, a line for each interpreter, notices."""
    scope = scope_summary(decision.report.parts, now) if decision.report else []
    return [
        *map(visible, scope),
        *map(visible, interpreter_lines(decision.results)),
        *(f"note: {notice}" for notice in decision.notices),
    ]


def _decision(folder: Path, policy_file: Path, now: dt.datetime, *, together: bool) -> Decision:
    policy = report = baseline = None
    try:
        policy = read_policy(policy_file)
        report = read_report(folder, "run nox -s matrix first")
        if folder.name == LATEST:
            report = replace(report, begun=marks(folder.parent))
        baseline = _baseline(policy, policy_file.parent)
    except OtherSchemaError as error:
        # A report from before an upgrade is in order and says nothing of now; a baseline is up to the policy.
        kind = GateOutcome.ERROR if report else GateOutcome.INCONCLUSIVE
        return Decision(kind, str(error), report, policy=policy)
    except FloorError as error:
        return Decision(GateOutcome.ERROR, str(error), report, policy=policy)
    return decide(report, policy, now, baseline, together=together)


def foresee(
    document: Any, policy: Policy, folder: Path = POLICY.parent, *, together: bool = False
) -> Decision:
    """Decide about a matrix.json that is being written, as the gate does as long as nothing is newer.

    `folder` is the policy's. Age cannot be known yet, save that of a part beside newer ones.
    """
    report = parse_report(document)
    newest = max((moment(part.ended) for part in report.parts), default=dt.datetime.now(dt.UTC))
    try:
        return decide(report, policy, newest, _baseline(policy, folder), together=together)
    except ReportError as error:
        return Decision(GateOutcome.ERROR, str(error), report, policy=policy)


def _baseline(policy: Policy, folder: Path) -> GateReport | None:
    """Return the earlier matrix against which only what is new fails, if there is to be one."""
    if not policy.new_only:
        return None
    remedy = f"put an earlier run's matrix.json there, or take new_only out of {policy.file}"
    return read_report(folder / policy.new_only, remedy)


def _shown(decision: Decision) -> Decision:
    """Return a decision with its words escaped: names of hosts, reasons and paths are others'."""
    notices, doubts = (tuple(map(visible, texts)) for texts in (decision.notices, decision.doubts))
    return replace(decision, message=visible(decision.message), notices=notices, doubts=doubts)


def build_record(decision: Decision, now: dt.datetime) -> dict[str, object]:
    """Return what gate.json holds of a decision that is made at this time, in UTC."""
    decision = _shown(decision)
    report, policy = decision.report, decision.policy
    return {
        "schema_version": GATE_VERSION,
        "decided": now.isoformat(),
        "kind": str(decision.kind),
        "exit_code": decision.kind.exit_code,
        "passed": decision.passed,
        "message": decision.message,
        "notices": list(decision.notices),
        "doubts": list(decision.doubts),
        "scope": [visible(sentence) for sentence in scope_summary(report.parts, now)] if report else [],
        "run_ids": list(report.run_ids) if report else [],
        "floor": str(report.floor) if report else None,
        "policy": policy.record() if policy else None,
        "rows": [_row(result) for result in decision.results],
    }


def _row(result: GateResult) -> dict[str, object]:
    row = result.row
    return {
        "host": row.host,
        "interpreter": row.interpreter,
        "client": row.client,
        "environment": row.environment,
        "source": row.source,
        "verdict": str(row.verdict),
        "lowest_negotiated": row.lowest and str(row.lowest),
        "fate": str(result.disposition),
        "why": result.why,
    }


class _GateParser(argparse.ArgumentParser):
    """A parser whose own exit code for a wrong argument does not read as an inconclusive measurement."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(GateOutcome.ERROR.exit_code, f"{GateOutcome.ERROR}: {message}\n")


def main(
    arguments: Sequence[str] | None = None, policy_file: Path = POLICY, now: dt.datetime | None = None
) -> int:
    """Print the decision, and return its exit code."""
    codes = ", ".join(f"{kind.exit_code} {kind}" for kind in GateOutcome)
    parser = _GateParser("python -m reports.gate", description=__doc__, epilog=f"exit codes: {codes}")
    parser.add_argument("folder", nargs="?", type=Path, default=REPORTS / LATEST, metavar="FOLDER")
    folder = parser.parse_args(arguments).folder
    try:
        now = now or dt.datetime.now(dt.UTC)
        decision = gate(folder, policy_file, now)
        print(*decision_lines(decision, now), decision, sep="\n")
    except Exception as error:  # noqa: BLE001  a traceback would end with 1, which means findings
        print(f"{GateOutcome.ERROR}: the gate itself failed: {error!r}", file=sys.stderr)
        return GateOutcome.ERROR.exit_code
    return decision.kind.exit_code


if __name__ == "__main__":
    sys.exit(main())
