"""What is kept between runs is forgotten by one rule."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from runs.aging import AHEAD, is_old
from runs.clean import leftovers

if TYPE_CHECKING:
    from pathlib import Path

NOW, DAY = 1_800_000_000.0, 86_400.0


@pytest.mark.parametrize(
    ("age", "old"),
    [(0.0, False), (DAY - 1, False), (DAY, True), (-AHEAD, False), (-AHEAD - 1, True), (-30 * DAY, True)],
)
def test_what_is_too_old_or_of_a_clock_that_was_ahead_goes(age: float, *, old: bool) -> None:
    """What a file server stamps a little ahead stays; a date of next month says nothing of the age."""
    assert is_old(NOW - age, DAY, NOW) is old


def test_what_a_clock_dated_ahead_is_left_over(tmp_path: Path) -> None:
    """It would never get too old otherwise, and a clock that was ahead is a real thing."""
    (tmp_path / "identities").mkdir()
    file, now = tmp_path / "identities/one.json", time.time()
    file.touch()
    assert leftovers(tmp_path, now) == ()
    os.utime(file, (now + 30 * DAY, now + 30 * DAY))
    assert [left.path for left in leftovers(tmp_path, now)] == [file]
