"""The summary on a CI run's page: what to act upon, within GitHub's limit, and told if it fails."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from reports.formats.markdown import build_markdown
from reports.formats.step_summary import LIMIT, VARIABLE, append_summary, essence
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Matrix
from tests.support.builders import a_catalogue, a_row, a_run

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = a_catalogue()
RUN = a_run(CATALOGUE)


ROWS = [a_row(Verdict.DOWNGRADED)]
REPORT = build_markdown(Matrix(RUN, (), tuple(ROWS), CATALOGUE))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report of one interpreter."""
    path = tmp_path / "matrix.md"
    path.write_text(REPORT, encoding="utf-8")
    return path


def test_without_the_variable_nothing_is_written(report: Path) -> None:
    """Where GitHub asks for nothing, or for a file without a name, there is no other file and no sentence."""
    assert append_summary(report, {}) == ""
    assert append_summary(report, {VARIABLE: ""}) == ""
    assert list(report.parent.iterdir()) == [report]


def test_what_a_person_acts_upon_is_there(report: Path, tmp_path: Path) -> None:
    """The answer, the verdicts and what to do are the report's own lines; cells and provenance stay there."""
    summary = tmp_path / "summary"
    assert append_summary(report, {VARIABLE: str(summary)}) == ""
    whole, shown = report.read_text(), summary.read_text()
    acted_upon, _, looked_up = whole.partition("\n## Appendix: every cell\n")
    assert shown.startswith(acted_upon.rstrip())
    assert [line for line in shown.splitlines() if line.startswith("#")][1:] == [
        "## Verdicts",
        "## What to do",
        "## Why",
        "## Interpreters",
        "## The AWS page's own check",
        "## Scope",
        "## Policy",
    ]
    assert "## Provenance" in looked_up
    assert "matrix.md" in shown.removeprefix(acted_upon.rstrip())
    assert "left out" not in shown


def test_what_the_step_wrote_before_stays(report: Path, tmp_path: Path) -> None:
    """The summary goes behind what earlier commands of the same step had to say, and behind its own."""
    summary = tmp_path / "summary"
    summary.write_text("before\n")
    for _ in range(2):
        assert append_summary(report, {VARIABLE: str(summary)}) == ""
    said = summary.read_text()
    assert said.startswith("before\n# TLS floor matrix")
    assert len(re.findall("^# TLS floor matrix", said, re.MULTILINE)) == 2


@pytest.mark.parametrize("taken", [0, LIMIT // 2, LIMIT - 1000])
def test_a_large_report_is_cut_below_the_limit(tmp_path: Path, taken: int) -> None:
    """However large the report and however much is there already, the file stays below GitHub's 1 MiB."""
    path, summary = tmp_path / "matrix.md", tmp_path / "summary"
    path.write_text(REPORT.replace("## Why", "## Why\n" + "a reason\n" * LIMIT), encoding="utf-8")
    summary.write_bytes(b"x" * (taken - 1) + b"\n" if taken else b"")
    assert append_summary(path, {VARIABLE: str(summary)}) == ""
    written = summary.read_bytes()[taken:].decode()
    assert 0 < len(written) <= LIMIT - taken
    assert taken + len(written) < 1 << 20
    assert "were left out" in written


@example("a\nü\n\n## Appendix: every cell\nb", 130)
@given(st.text(), st.integers(0, 400))
def test_only_whole_lines_are_kept_and_the_rest_is_counted(report: str, room: int) -> None:
    """What is shown are the report's first lines, whole, within the room; the others' number is said."""
    expected = report.partition("\n## Appendix: every cell\n")[0].rstrip().split("\n")
    try:
        shown = essence(report, room)
    except ValueError:
        assume(False)
    assert len(shown.encode()) <= room
    body, _, note = shown.rstrip().rpartition("\n\n")
    cut = re.match(r"(\d+) of (\d+) lines had no room here", note)
    left = int(cut[1]) if cut else 0
    assert body.split("\n") == expected[: len(expected) - left]
    assert cut is None or int(cut[2]) == len(expected)


@given(st.text())
def test_nothing_is_left_out_without_need(report: str) -> None:
    """Where there is room for all lines, all are there."""
    assert "left out" not in essence(report, 200 + len(report.encode()))


@pytest.mark.parametrize("problem", ["full", "folder", "no folder", "no report"])
def test_a_summary_that_cannot_be_written_is_one_sentence(report: Path, tmp_path: Path, problem: str) -> None:
    """A full summary, a folder in its place, none to write it in, or no report is told and raises nothing."""
    summary = tmp_path / "summary"
    if problem == "full":
        summary.write_bytes(b"x" * LIMIT)
    elif problem == "folder":
        summary.mkdir()
    elif problem == "no folder":
        summary = tmp_path / "none" / "summary"
    else:
        report = tmp_path / "none.md"
    assert append_summary(report, {VARIABLE: str(summary)}).startswith(
        f"{VARIABLE}: the summary was not written: "
    )
    if problem == "full":
        assert summary.stat().st_size == LIMIT
