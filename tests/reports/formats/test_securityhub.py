"""securityhub.json: as botocore's model of the service wants it, and as moto's Security Hub takes it in."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.session import Session
from botocore.validate import ParamValidator
from moto import mock_aws

from interpreters.interpreter import RUNNING
from reports.formats.format import AwsAccount, Report
from reports.formats.securityhub import build_securityhub, finding_id
from reports.verdicts.decision import Decision, Disposition, GateOutcome, GateResult, GateRow
from reports.verdicts.judge import Verdict
from reports.verdicts.policy import Policy
from tests.support.builders import (
    a_catalogue,
    a_matrix,
    a_program,
    a_row,
    a_run,
    an_environment,
    an_interpreter,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.verdicts.matrix import Row

CATALOGUE = a_catalogue()
RUN = a_run(CATALOGUE)
ACCOUNT = AwsAccount("123456789012", "eu-central-1")
ROWS = (
    a_row(Verdict.ENFORCED, client="botocore"),
    a_row(Verdict.DOWNGRADED, reason="it went below " * 200),
    a_row(Verdict.INCONCLUSIVE, interpreter=an_environment("/srv/shop/venv")),
    a_row(Verdict.UNTESTABLE, client="all", interpreter=an_interpreter("opt_hang", unavailable="hung")),
    a_row(Verdict.FRAGILE, interpreter=a_program()),
)


def findings(*rows: Row, run: Any = RUN, waived: str = "", aws: AwsAccount | None = ACCOUNT) -> list[Any]:
    """Return the findings of a run that came to these rows, of which those of one interpreter are waived."""
    results = [
        GateResult(GateRow(run.host, waived, str(row.client), "pyenv", str(row.verdict)), Disposition.WAIVED)
        for row in rows
        if waived
    ]
    decision = Decision(GateOutcome.FINDINGS, "so it was decided", results=tuple(results))
    text = build_securityhub(Report(a_matrix(rows, run, CATALOGUE), Policy(), {}, decision, aws=aws))
    return list(json.loads(text)) if text else []


def test_without_an_account_there_is_no_file() -> None:
    """Nobody who did not ask for findings gets any."""
    assert findings(*ROWS, aws=None) == []


def test_each_finding_fits_the_services_own_model() -> None:
    """Of every finding botocore's model of BatchImportFindings has each key, type and required part."""
    model = Session().get_service_model("securityhub").operation_model("BatchImportFindings").input_shape
    report = ParamValidator().validate({"Findings": findings(*ROWS)}, model)
    assert not report.has_errors(), report.generate_report()
    broken = findings(*ROWS)
    del broken[0]["Title"]
    assert ParamValidator().validate({"Findings": broken}, model).has_errors()


def test_findings_keep_to_the_formats_lengths() -> None:
    """Titles, descriptions and recommendations are cut where the format ends; no text is empty."""
    for finding in findings(*ROWS):
        assert len(finding["Title"]) <= 256
        assert len(finding["Description"]) <= 1024
        advice = finding.get("Remediation", {"Recommendation": {"Text": ""}})
        assert len(advice["Recommendation"]["Text"]) <= 512
        assert all(value.strip() for value in finding["ProductFields"].values())


def test_what_needs_work_comes_first_and_what_holds_is_archived() -> None:
    """A mended row archives its finding; of what is not known nothing is said to pass."""
    found = [
        (finding["Severity"]["Label"], finding["RecordState"], finding["Compliance"]["Status"])
        for finding in findings(*ROWS)
    ]
    assert found == [
        ("HIGH", "ACTIVE", "FAILED"),
        ("MEDIUM", "ACTIVE", "FAILED"),
        *[("LOW", "ACTIVE", "NOT_AVAILABLE")] * 2,
        ("INFORMATIONAL", "ARCHIVED", "PASSED"),
    ]


def test_a_waived_row_is_suppressed() -> None:
    """What the policy waives is a finding all the same, and asks nobody for work."""
    row = a_row(Verdict.DOWNGRADED)
    (waived,), (open_,) = findings(row, waived=row.interpreter.id), findings(row)
    assert (waived["Workflow"], "Workflow" in open_) == ({"Status": "SUPPRESSED"}, False)


def test_an_id_is_of_what_a_row_is_about_alone() -> None:
    """Another verdict, version or run has the same Id; another client, place or machine has not."""
    row = a_row()
    same = a_row(
        Verdict.DOWNGRADED, reason="otherwise", interpreter=replace(row.interpreter, version="3.9.19")
    )
    others = (a_row(client="botocore"), a_row(interpreter=replace(row.interpreter, path="/else/python")))
    assert finding_id(same, "a-host") == finding_id(row, "a-host")
    assert (
        len(
            {finding_id(row, "a-host"), finding_id(row, "b-host"), *(finding_id(o, "a-host") for o in others)}
        )
        == 4
    )


def test_processes_of_one_environment_have_findings_of_their_own() -> None:
    """Started with other options of Python, which no variable shows, they are told apart by their ids."""
    first = replace(an_environment("/srv/shop"), source=RUNNING)
    ids = {
        finding_id(a_row(interpreter=replace(first, id=name)), "a-host")
        for name in ("running_shop", "running_shop_0a6e75")
    }
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_the_product_is_in_the_regions_partition(region: str, partition: str) -> None:
    """China and the US government have partitions of their own."""
    assert AwsAccount("1" * 12, region).product.startswith(
        f"arn:{partition}:securityhub:{region}:{'1' * 12}:"
    )


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a client of moto's Security Hub."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made-up")
    with mock_aws():
        yield boto3.client("securityhub", region_name="eu-central-1")


def test_security_hub_takes_every_finding_and_knows_it_again(hub: Any) -> None:
    """All findings are imported; a later run of the same comes to the same findings, but for the dates."""
    later = replace(
        RUN, run_id="later", started="2026-11-25T02:00:00+00:00", ended="2026-11-25T02:00:09+00:00"
    )
    kept = []
    for run in (RUN, later):
        answer = hub.batch_import_findings(Findings=findings(*ROWS, run=run))
        assert (answer["FailedCount"], answer["SuccessCount"]) == (0, len(ROWS))
        kept.append({found["Id"]: found for found in hub.get_findings(MaxResults=100)["Findings"]})
    first, second = kept
    assert len(first) == len(second) == len(ROWS)
    for key, finding in first.items():
        differing = {name for name in finding if finding[name] != second[key][name]}
        assert differing - {"ProcessedAt"} == {"CreatedAt", "UpdatedAt"}
