"""A format writes the text that it builds, whole or in pieces, and no file where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.formats.format import Format, Report
from reports.verdicts.decision import Decision, GateOutcome
from reports.verdicts.policy import Policy
from tests.support.builders import a_catalogue, a_matrix, a_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CATALOGUE = a_catalogue()
RUN = a_run(CATALOGUE, host="höst")
REPORT = Report(a_matrix((), RUN, CATALOGUE), Policy(), {}, Decision(GateOutcome.ERROR, "nobody asked"))


def _pieces(report: Report) -> Iterator[str]:
    yield from ("run ", report.matrix.run.run_id, " of ", report.matrix.run.host, "\n")


@pytest.mark.parametrize("build", [_pieces, lambda report: "".join(_pieces(report))])
def test_text_is_written_whole_or_in_pieces(build: object, tmp_path: Path) -> None:
    """The file has the whole text in UTF-8, however the builder hands it out."""
    Format("a.txt", "people", build).write(tmp_path, REPORT)  # type: ignore[arg-type]
    assert (tmp_path / "a.txt").read_bytes() == f"run {RUN.run_id} of höst\n".encode()


def test_without_a_text_there_is_no_file(tmp_path: Path) -> None:
    """A run that has nothing for a format leaves no file of it."""
    Format("a.txt", "people", lambda _: None).write(tmp_path, REPORT)
    assert list(tmp_path.iterdir()) == []
