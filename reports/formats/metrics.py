"""The run as metrics for node_exporter's textfile collector: a fleet's Prometheus sees its verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from reports.formats.escape import visible
from reports.formats.format import Format
from reports.verdicts.judge import Verdict
from reports.verdicts.scope import moment
from servers.protocols import LADDER

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from prometheus_client.metrics_core import Metric

    from reports.formats.format import Report
    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Run

FORMATS = (
    Format(
        "metrics.prom",
        "Prometheus, by the textfile collector of node_exporter: a verdict for each row, and when it was"
        " measured; rules and a dashboard are in `deploy/prometheus/`",
        lambda report: build_metrics(report),  # noqa: PLW0108  it is defined below
    ),
)

ROW = ("host", "interpreter", "environment", "client", "condition")
"""The labels of a row: no two rows of a report have the same values of these."""


def build_metrics(report: Report) -> str:
    """Return the metrics in Prometheus' text format; times are seconds since 1970, in UTC."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_ReportMetrics(report))
    return generate_latest(registry).decode()


class _ReportMetrics:
    """Gives the metrics of one report, as prometheus-client asks for them."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Give each metric with all of its samples."""
        matrix = self._report.matrix
        yield from _of_rows(matrix.rows, matrix.run)
        yield from _of_runs(matrix.run.parts or (matrix.run,))
        hosts = visible(matrix.run.host)
        passed = _family("gate_passed", "Whether the gate passes the run as it stands: 1 or 0.", ("host",))
        passed.add_metric([hosts], float(self._report.decision.passed))
        yield passed


def _family(name: str, text: str, labels: Sequence[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"tls_floor_{name}", text, labels=labels)


def _of_rows(rows: Sequence[Row], run: Run) -> Iterator[Metric]:
    """Give what each row came to, and how many rows of a machine stand at which verdict."""
    verdict = _family(
        "verdict_info",
        f"The verdict on one client in one interpreter or environment: {', '.join(Verdict)}.",
        (*ROW, "client_version", "verdict"),
    )
    lowest = _family(
        "lowest_negotiated",
        "The lowest TLS version at which data went both ways, as a number: 1.0 to 1.3, and 0 for SSLv3.",
        ROW,
    )
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        host = visible(run.of(row.interpreter).host)
        labels = [
            *(host, visible(row.interpreter.id), visible(row.interpreter.environment)),
            *(visible(str(row.client)), str(row.condition)),
        ]
        verdict.add_metric([*labels, visible(row.client_version), str(row.verdict)], 1)
        if version := row.judgement.lowest:
            place = LADDER.index(version)
            lowest.add_metric(labels, (place + 9) / 10 if place else 0)
        counts |= {(host, str(each)): counts.get((host, str(each)), 0) for each in Verdict}
        counts[host, str(row.verdict)] += 1
    rows_at = _family("rows", "How many rows of the report stand at a verdict.", ("host", "verdict"))
    for (host, name), count in counts.items():
        rows_at.add_metric([host, name], count)
    yield from (verdict, lowest, rows_at)


def _of_runs(runs: Sequence[Run]) -> Iterator[Metric]:
    """Give when each machine was measured, how long that took, and by what; nothing of one that is silent."""
    ended = _family("measured_timestamp_seconds", "When the measurement ended.", ("host",))
    took = _family("measurement_duration_seconds", "How long the measurement took.", ("host",))
    about = _family(
        "run_info",
        "The run that was measured, by which commit of the tool, and whether it left something out.",
        ("host", "run_id", "tool", "commit", "floor", "partial"),
    )
    for run in runs:
        host, reported = visible(run.host), bool(run.controls)
        facts = (run.run_id, run.tool, run.scope.commit, str(run.asked.floor))
        if reported:
            end: dt.datetime = moment(run.ended)
            ended.add_metric([host], end.timestamp())
            took.add_metric([host], (end - moment(run.started)).total_seconds())
            partial = "yes" if run.scope.narrowed else "no"
            about.add_metric([host, *map(visible, facts), partial], 1)
    yield from (ended, took, about)
