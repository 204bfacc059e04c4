"""metrics.prom: what prometheus-client's parser and promtool read of it, and the rules that stand on it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reports.formats.format import Report
from reports.formats.metrics import build_metrics
from reports.verdicts.decision import Decision, GateOutcome
from reports.verdicts.judge import Verdict
from reports.verdicts.policy import Policy
from tests.support.builders import TLS1_0, TLS1_2, a_catalogue, a_matrix, a_row, a_run, an_environment
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Run

CATALOGUE = a_catalogue()
RUN = a_run(CATALOGUE)
DEPLOYED = ROOT / "deploy" / "prometheus"
ROWS = (
    a_row(Verdict.DOWNGRADED, lowest=TLS1_0),
    a_row(Verdict.ENFORCED, client="botocore", lowest=TLS1_2),
    a_row(Verdict.INCONCLUSIVE, interpreter=an_environment('/srv/"shop"\\n')),
)


def metrics(*rows: Row, passed: bool = False, run: Run = RUN) -> str:
    """Return the metrics of a run that came to these rows."""
    matrix = replace(a_matrix(rows, RUN, CATALOGUE), run=run)
    decision = Decision(GateOutcome.PASSED if passed else GateOutcome.FINDINGS, "so it was decided")
    return build_metrics(Report(matrix, Policy(), {}, decision))


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Return the samples by metric, as prometheus-client's parser reads them."""
    return {
        family.name: [(sample.labels, sample.value) for sample in family.samples]
        for family in text_string_to_metric_families(text)
    }


def test_each_row_has_its_verdict_and_lowest_version() -> None:
    """A row is one sample with its verdict as a label, and a number for the version that it went down to."""
    found = samples(metrics(*ROWS))
    told = [
        (labels["client"], labels["environment"], labels["verdict"])
        for labels, _ in found["tls_floor_verdict_info"]
    ]
    assert told == [
        *(("ssl", "made", "downgraded"), ("botocore", "made", "enforced")),
        ("ssl", '/srv/"shop"\\n', "inconclusive"),
    ]
    assert {value for _, value in found["tls_floor_verdict_info"]} == {1.0}
    assert [value for _, value in found["tls_floor_lowest_negotiated"]] == [1.0, 1.2]


def test_rows_are_counted_at_every_verdict() -> None:
    """A verdict that no row has is there with a zero, so that an alert sees it come and go."""
    found = {labels["verdict"]: value for labels, value in samples(metrics(*ROWS))["tls_floor_rows"]}
    assert found == {"downgraded": 1, "fragile": 0, "inconclusive": 1, "untestable": 0, "enforced": 1}


@pytest.mark.parametrize("passed", [False, True])
def test_the_gate_and_the_time_are_there(*, passed: bool) -> None:
    """The gate's decision is 1 or 0; the end of the measurement is seconds since 1970."""
    found = samples(metrics(passed=passed))
    assert found["tls_floor_gate_passed"] == [({"host": "a-host"}, float(passed))]
    assert found["tls_floor_measured_timestamp_seconds"] == [({"host": "a-host"}, 1795485609.0)]
    assert found["tls_floor_measurement_duration_seconds"] == [({"host": "a-host"}, 9.0)]


def test_a_machine_that_did_not_report_has_no_time() -> None:
    """Of several machines each has its own time, and who said nothing has none that would look fresh."""
    silent = replace(RUN, host="silent", controls={})
    found = samples(metrics(run=replace(RUN, host="a-host, silent", parts=(RUN, silent))))
    assert [labels["host"] for labels, _ in found["tls_floor_measured_timestamp_seconds"]] == ["a-host"]


def test_rules_and_dashboard_ask_for_what_is_written() -> None:
    """Each metric that a rule or the dashboard names is one of the file's."""
    known = samples(metrics(*ROWS)).keys()
    texts = [path.read_text(encoding="utf-8") for path in sorted(DEPLOYED.iterdir())]
    named = {name for text in texts for name in re.findall(r"tls_floor_\w+", text)}
    assert len(texts) == 2
    assert named <= known
    assert len(named) > 4
    json.loads((DEPLOYED / "dashboard.json").read_text(encoding="utf-8"))


def test_what_is_not_known_has_an_alert() -> None:
    """A machine that did not report has no time to grow old, and a row without a verdict is not below."""
    rules = (DEPLOYED / "tls-floor.rules.yml").read_text(encoding="utf-8")
    assert "expr: tls_floor_gate_passed == 0\n" in rules
    silent = samples(metrics(a_row(Verdict.UNTESTABLE), run=replace(RUN, controls={})))
    assert not silent.get("tls_floor_measured_timestamp_seconds")
    assert silent["tls_floor_gate_passed"] == [({"host": RUN.host}, 0.0)]


def test_promtool_finds_nothing_wrong() -> None:
    """Prometheus' own checker passes the metrics and the rules, and each alert fires when it has to."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool: `apt-get install prometheus` enables this")
    for arguments, text in (
        (("check", "metrics"), metrics(*ROWS)),
        (("check", "rules", str(DEPLOYED / "tls-floor.rules.yml")), ""),
        (("test", "rules", str(Path(__file__).with_name("tls-floor.rules.test.yml"))), ""),
    ):
        done = subprocess.run(
            [promtool, *arguments], input=text, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
