"""A large report of the bench: as many rows as are wanted, and figures of what was really written."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from reports.merge import part_of, write_part
from reports.verdicts.judge import Verdict
from reports.verdicts.policy import Policy
from runs.bench_reports import large, time_report
from tests.support.builders import a_catalogue, a_matrix, a_row, a_run

if TYPE_CHECKING:
    from pathlib import Path


def test_a_large_report_has_the_rows_and_is_written(tmp_path: Path) -> None:
    """A run of few rows comes to at least as many as are wanted, and every file of them is timed."""
    catalogue = a_catalogue()
    run = a_run(catalogue)
    run = replace(run, asked=replace(run.asked, clients=("ssl",)))
    matrix = a_matrix([a_row(Verdict.UNTESTABLE)], run, catalogue)
    write_part(tmp_path, matrix, Policy())
    assert len(large(tmp_path, 7).rows) in range(7, 7 + len(part_of(matrix).rows))
    page = tmp_path / "page.html"
    found = time_report(tmp_path, 7, page)
    assert page.stat().st_size == found["html"]
    assert found["servers"] == len(catalogue.servers)
    assert found["rows"] == len(large(tmp_path, 7).rows)
    assert min(found["wall"], found["peak"], found["html"]) > 0
    shutil.rmtree(tmp_path)
