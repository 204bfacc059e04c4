"""Writes the files about remedies as a run does, without the rest of its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.formats.format import Report
from reports.formats.remedies import FORMATS, write_floor_files
from reports.verdicts.decision import Decision, GateOutcome
from reports.verdicts.policy import Policy
from tests.support.builders import a_catalogue, a_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.verdicts.observations import Run
    from reports.verdicts.remedies import Case


def write_remedies(folder: Path, cases: Sequence[Case], run: Run) -> None:
    """Write what remedies came to into a folder, with the configurations that were tried."""
    undecided = Decision(GateOutcome.ERROR, "nobody asked the gate")
    report = Report(a_matrix((), run, a_catalogue()), Policy(), {}, undecided, cases=cases)
    for form in FORMATS:
        form.write(folder, report)
    write_floor_files(folder, cases, run)
