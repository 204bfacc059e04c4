"""The gate: reads the latest matrix and the policy, and says whether a build may go on.

As a program, `python -m reports.gate [FOLDER]`, it needs nothing but Python, and its exit code tells
findings (1) from an inconclusive measurement (2) and from an error of the tool or the policy (3).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from reports.decision import Decision, Kind, Line, Report, decide
from reports.escape import visible
from reports.files import LATEST, REPORTS, write_aside
from reports.matrix import ALL_CLIENTS, MATRIX_VERSION, MISSING, did_not_report
from reports.policy import POLICY, PolicyError, read_policy
from reports.verdicts import Verdict
from servers.conditions import Condition
from servers.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.decision import Judged

SCHEMA_VERSION = 1


class ReportError(Exception):
    """A matrix cannot be decided on; the message names the file and the fact."""


def read_report(path: Path, remedy: str) -> Report:
    """Read what the gate needs of a run's folder or matrix.json; raises ReportError with the remedy."""
    file = path / "matrix.json" if path.is_dir() else path
    try:
        return parse_report(json.loads(file.read_bytes()))
    except OSError as error:
        fact = f"cannot be read ({error.strerror})"
    except KeyError as error:
        fact = f"is damaged or another version's (it lacks {error})"
    except (ValueError, TypeError, RecursionError) as error:
        fact = f"is damaged or another version's ({error})"
    msg = f"{file} {fact}: {remedy}"
    raise ReportError(msg)


def parse_report(document: Any) -> Report:
    """Take matrix.json apart; raises KeyError, ValueError or TypeError for what its schema does not have."""
    if document["schema_version"] != MATRIX_VERSION:
        msg = f"schema_version {document['schema_version']!r}, not {MATRIX_VERSION}"
        raise ValueError(msg)
    hosts = {_text(run["run_id"]): _text(run["host"]) for run in document["runs"]}
    sources = {(one["run_id"], one["interpreter"]): _text(one["source"]) for one in document["interpreters"]}
    ambient = [one for one in document["verdicts"] if Condition(one["condition"]) is Condition.AMBIENT]
    lines = [_line(one, hosts[one["run_id"]], sources[one["run_id"], one["interpreter"]]) for one in ambient]
    # A machine that measured nothing must not vanish among others that did.
    silent = [host for run_id, host in hosts.items() if run_id not in {one["run_id"] for one in ambient}]
    missing = [Line(host, MISSING, ALL_CLIENTS, "", MISSING) for host in silent if lines]
    return Report(Protocol(document["floor"]), tuple(hosts), (*lines, *missing))


def _line(one: Any, host: str, source: str) -> Line:
    interpreter, client, lowest = _text(one["interpreter"]), _text(one["client"]), one["lowest_negotiated"]
    verdict = Verdict(one["verdict"])
    return Line(
        host=host,
        interpreter=interpreter,
        client=client,
        source=source,
        verdict=MISSING if did_not_report(interpreter, client) else verdict,
        lowest=None if lowest is None else Protocol(lowest),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = f"{value!r} where a text should be"
        raise TypeError(msg)
    return value


def gate(folder: Path, policy_file: Path = POLICY, today: dt.date | None = None) -> Decision:
    """Decide about the report in `folder`, and leave gate.json in it; `today` is in UTC, by default now's."""
    decision = _decision(folder, policy_file, today or dt.datetime.now(dt.UTC).date())
    # Names of hosts, reasons and paths are others' words.
    notices = tuple(visible(notice) for notice in decision.notices)
    decision = replace(decision, message=visible(decision.message), notices=notices)
    if folder.is_dir():
        try:
            write_aside(folder / "gate.json", json.dumps(_record(decision), indent=2) + "\n")
        except OSError as error:
            fact = f"{folder / 'gate.json'} cannot be written ({error.strerror}): make room or give leave"
            return Decision(Kind.ERROR, visible(fact), policy=decision.policy)
    return decision


def _decision(folder: Path, policy_file: Path, today: dt.date) -> Decision:
    policy = report = baseline = None
    try:
        policy = read_policy(policy_file)
        report = read_report(folder, "run nox -s matrix first")
        if policy.new_only:
            remedy = f"put an earlier run's matrix.json there, or take new_only out of {policy.file}"
            baseline = read_report(policy_file.parent / policy.new_only, remedy)
    except (PolicyError, ReportError) as error:
        return Decision(Kind.ERROR, str(error), report, policy=policy)
    return decide(report, policy, today, baseline)


def _record(decision: Decision) -> dict[str, object]:
    """Return what gate.json holds."""
    report, policy = decision.report, decision.policy
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": str(decision.kind),
        "exit_code": decision.kind.exit_code,
        "passed": decision.passed,
        "message": decision.message,
        "notices": list(decision.notices),
        "run_ids": list(report.run_ids) if report else [],
        "floor": str(report.floor) if report else None,
        "policy": policy.record() if policy else None,
        "rows": [_row(row) for row in decision.rows],
    }


def _row(row: Judged) -> dict[str, object]:
    line = row.line
    return {
        "host": line.host,
        "interpreter": line.interpreter,
        "client": line.client,
        "source": line.source,
        "verdict": str(line.verdict),
        "lowest_negotiated": line.lowest and str(line.lowest),
        "fate": str(row.fate),
        "why": row.why,
    }


class _Parser(argparse.ArgumentParser):
    """A parser whose own exit code for a wrong argument does not read as an inconclusive measurement."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(Kind.ERROR.exit_code, f"{Kind.ERROR}: {message}\n")


def main(
    arguments: Sequence[str] | None = None, policy_file: Path = POLICY, today: dt.date | None = None
) -> int:
    """Print the decision, and return its exit code."""
    codes = ", ".join(f"{kind.exit_code} {kind}" for kind in Kind)
    parser = _Parser("python -m reports.gate", description=__doc__, epilog=f"exit codes: {codes}")
    parser.add_argument("folder", nargs="?", type=Path, default=REPORTS / LATEST, metavar="FOLDER")
    folder = parser.parse_args(arguments).folder
    try:
        decision = gate(folder, policy_file, today)
        for notice in decision.notices:
            print(f"note: {notice}")
        print(decision)
    except Exception as error:  # noqa: BLE001  a traceback would end with 1, which means findings
        print(f"{Kind.ERROR}: the gate itself failed: {error!r}", file=sys.stderr)
        return Kind.ERROR.exit_code
    return decision.kind.exit_code


if __name__ == "__main__":
    sys.exit(main())
