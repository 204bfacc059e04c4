"""Findings for AWS Security Hub in its own format, for `batch-import-findings`; nothing is ever sent by us.

Source: the AWS Security Hub user guide, "AWS Security Finding Format (ASFF)" and "BatchImportFindings".
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from reports.formats.advice import together
from reports.formats.answer import meaning
from reports.formats.escape import visible
from reports.formats.format import Format
from reports.verdicts.decision import Disposition
from reports.verdicts.judge import Verdict
from reports.verdicts.labels import place, versioned
from reports.verdicts.matrix import by_interpreter
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.formats.format import AwsAccount, Report
    from reports.verdicts.matrix import Row, RowGroup
    from reports.verdicts.observations import Run

FORMATS = (
    Format(
        "securityhub.json",
        "AWS Security Hub: a finding for each row, for `aws securityhub batch-import-findings`",
        lambda report: build_securityhub(report),  # noqa: PLW0108  it is defined below
        writer="`--securityhub`",
    ),
)

SCHEMA = "2018-10-08"
"""The version of the format, which has had no other."""

GENERATOR = "tls-floor-matrix"

KIND = "Software and Configuration Checks/Industry and Regulatory Standards"
"""The finding's type, of the format's own taxonomy."""

TITLE, TEXT, ADVICE = 256, 1024, 512
"""Characters that the format allows of a title, a description and a recommendation."""

SEVERITIES = {
    Verdict.DOWNGRADED: "HIGH",
    Verdict.FRAGILE: "MEDIUM",
    Verdict.INCONCLUSIVE: "LOW",
    Verdict.UNTESTABLE: "LOW",
    Verdict.ENFORCED: "INFORMATIONAL",
}

COMPLIANCE = {Verdict.ENFORCED: "PASSED", Verdict.DOWNGRADED: "FAILED", Verdict.FRAGILE: "FAILED"}
"""What is known; of anything else nothing is."""

SCOPE = "Measured on loopback: which version the client accepts of a server that offers nothing better."


def build_securityhub(report: Report) -> str | None:
    """Return the findings as a JSON list, those that need work first; None where no account was named.

    A row that holds the floor is archived, so that the finding of one that was mended goes.
    """
    account = report.aws
    if account is None:
        return None
    worst = list(Verdict).index
    rows = sorted(
        (row for row in report.matrix.rows if row.condition is Condition.AMBIENT),
        key=lambda row: worst(row.verdict),
    )
    waived = {
        (result.row.host, result.row.interpreter, result.row.client)
        for result in report.decision.results
        if result.disposition is Disposition.WAIVED
    }
    advised, findings = _advice(by_interpreter(rows), report), []
    for row in rows:
        run = report.matrix.run.of(row.interpreter)
        finding = _finding(row, run, account)
        if (run.host, row.interpreter.id, str(row.client)) in waived:
            finding["Workflow"] = {"Status": "SUPPRESSED"}
        if text := advised.get(row.interpreter.name, ""):
            finding["Remediation"] = {"Recommendation": {"Text": _cut(text, ADVICE)}}
        findings.append(finding)
    return json.dumps(findings, indent=1) + "\n"


def _advice(groups: Sequence[RowGroup], report: Report) -> Mapping[str, str]:
    """Return what to do in a line, by the interpreter's name."""
    advised = together(groups, report.matrix.floor, cases=report.cases or ())
    return {group.name: " ".join(entry.steps) for entry in advised for group in entry.groups}


def _finding(row: Row, run: Run, account: AwsAccount) -> dict[str, object]:
    """Return the finding of one row; its Id is the same as long as what it is about is."""
    interpreter, floor = row.interpreter, run.asked.floor
    where = f"{place(interpreter)} on {run.host}"
    holds = row.verdict is Verdict.ENFORCED
    facts = {
        "verdict": str(row.verdict),
        "lowest_negotiated": str(row.judgement.lowest or ""),
        "held_by": str(row.held_by),
        "client_version": row.client_version,
        "tls_library": row.tls_library,
        "environment": interpreter.environment,
    }
    return {
        "SchemaVersion": SCHEMA,
        "Id": finding_id(row, run.host),
        "ProductArn": account.product,
        "GeneratorId": f"{GENERATOR}/{row.verdict}",
        "AwsAccountId": account.number,
        "Types": [KIND],
        "CreatedAt": _time(run.started),
        "UpdatedAt": _time(run.ended),
        "Severity": {"Label": SEVERITIES[row.verdict]},
        "Title": _cut(f"{versioned(row)} in {where}: {meaning(row.verdict, floor)}", TITLE),
        "Description": _cut(f"{row.verdict}: {row.judgement.reason}. {SCOPE}", TEXT),
        "Resources": [
            {
                "Type": "Other",
                "Id": _cut(f"{run.host}:{interpreter.path or interpreter.id}", ADVICE),
                "Details": {"Other": {"interpreter": _cut(interpreter.id, TITLE)}},
            }
        ],
        "Compliance": {"Status": COMPLIANCE.get(row.verdict, "NOT_AVAILABLE")},
        "RecordState": "ARCHIVED" if holds else "ACTIVE",
        "ProductFields": {
            f"{GENERATOR}/{name}": _cut(fact, TITLE) for name, fact in facts.items() if fact.strip()
        },
    }


def finding_id(row: Row, host: str) -> str:
    """Return the Id of a row's finding, by what the row is about and nothing that a run found out."""
    interpreter = row.interpreter
    variables = ",".join(f"{name}={value}" for name, value in sorted(interpreter.variables.items()))
    # What else sets processes of one environment apart, such as an option of Python, is in the id alone.
    which = interpreter.id if interpreter.is_running else interpreter.path or interpreter.id
    about = (host, interpreter.environment, which, variables, str(row.client))
    digest = hashlib.sha256("\0".join(about).encode("utf-8", "backslashreplace")).hexdigest()
    return f"{GENERATOR}/{digest[:32]}"


def _time(moment: str) -> str:
    """Return a time as the format has it: with Z for UTC."""
    return moment.replace("+00:00", "Z")


def _cut(text: str, most: int) -> str:
    shown = visible(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
