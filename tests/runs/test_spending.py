"""What a run spends is taken down by phase, and read back as it was written."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from runs.spending import WRITES_TO, Spending, Spent, Visits, read_spending

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BUSY = "import time\nwhile time.process_time() < 0.3: pass"


def test_processor_time_goes_to_the_phase_in_which_it_was_spent() -> None:
    """That of this process is its own, that of what ended in a phase is what was started."""
    spending = Spending()
    with spending.phase("outside"):
        subprocess.run([sys.executable, "-c", BUSY], check=True)
    with spending.phase("inside"):
        sum(range(3_000_000))
    start, outside, inside = spending.phases.values()
    assert start.own > 0 == start.wall
    assert outside.started >= 0.3 > outside.own
    assert inside.own > 0 == inside.started
    assert outside.wall > 0


def test_a_phase_that_comes_again_and_each_visit_add_up() -> None:
    """What is measured in parts is one phase, and probes are counted."""
    first, second = Spent(2.0, 1.0, 0.5), Spent(0.5, 0.5, 0.25)
    assert first.plus(second) == Spent(2.5, 1.5, 0.75)
    assert first.plus(second, -1) == Spent(1.5, 0.5, 0.25)
    spending = Spending()
    with spending.phase("visits"):
        sum(range(1_000_000))
    before = spending.phases["visits"]
    with spending.phase("visits"):
        sum(range(1_000_000))
    assert spending.phases["visits"].own > before.own
    for cpu in (0.5, 0.25):
        spending.visited("ambient", cpu)
    assert spending.visits == {"ambient": Visits(2, 0.75)}


def test_it_is_written_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable nothing is written; with it, what is read is what was spent."""
    spending = Spending({"visits": Spent(1.5, 0.25, 3.0)}, {"empty": Visits(3, 1.25)})
    monkeypatch.delenv(WRITES_TO, raising=False)
    spending.written()
    monkeypatch.setenv(WRITES_TO, str(tmp_path / "spent.json"))
    spending.written()
    assert [read_spending(path) for path in tmp_path.iterdir()] == [spending]
    assert [line.split() for line in str(spending).splitlines()] == [
        ["wall", "own", "started"],
        ["visits", "1.50", "0.25", "3.00"],
        ["3", "empty", "1.25"],
    ]
