"""The table of Python's ends of life: it has every release in order, and says so of each day."""

from __future__ import annotations

import datetime as dt

import pytest

from interpreters.end_of_life import ended, read_ends

DAY = dt.timedelta(days=1)
ENDS = read_ends()
RELEASES = ["2.6", "2.7", *(f"3.{minor}" for minor in range(16))]


def test_no_release_is_left_out() -> None:
    """The table has 2.6 and 2.7, and each 3.x up to 3.15."""
    assert list(ENDS) == RELEASES
    assert all(type(end) is dt.date for end in ENDS.values())


def test_a_later_release_ends_later() -> None:
    """Of Python 3 every release ends after the one before."""
    threes = [end for release, end in ENDS.items() if release.startswith("3.")]
    assert threes == sorted(set(threes))


@pytest.mark.parametrize("release", RELEASES)
def test_an_end_is_passed_the_day_after(release: str) -> None:
    """On its last day a release is maintained, and on the next it is at its end, whatever the patch level."""
    end = ENDS[release]
    assert ended(f"{release}.18", end) is None
    assert ended(f"{release}.18", end + DAY) == end
    assert ended(release, end + DAY) == end


@pytest.mark.parametrize("version", ["3.16.0a1", "3.99", "4.0", "", "unknown"])
def test_what_the_table_does_not_know_has_not_ended(version: str) -> None:
    """A release newer than the table, or a version that is none, is not at its end of life."""
    assert ended(version, dt.date(2100, 1, 1)) is None
