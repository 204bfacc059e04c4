"""Whoever watches learns how many of how many are done, and who is waited for."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from interpreters.log import shown
from servers.progress import PACE_AFTER, Tally, counted
from tests.support.limits import HANGS

if TYPE_CHECKING:
    import pytest


def test_what_is_done_is_counted() -> None:
    """Each thing done is a line with its number and the total, and without a sentence only counted."""
    lines: list[str] = []
    with shown(lines.append), counted(3, "measured") as tally:
        tally.done("first")
        tally.done("")
        tally.done("last")
    assert lines == ["measured 1 of 3: first", "measured 3 of 3: last"]


def test_what_nothing_was_said_of_is_explained_at_the_end() -> None:
    """Where the last line names fewer than there are, one more says why of the others nothing was said."""
    lines: list[str] = []
    with shown(lines.append), counted(5, "measured") as tally:
        tally.done("first")
        tally.done(why="the same as another")
        tally.done("second")
        for why in ("without a client", "the same as another"):
            tally.done(why=why)
    assert lines[2:] == ["measured 5 of 5: 2 the same as another, 1 without a client"]


def test_a_run_of_which_nothing_was_worth_saying_ends_in_silence() -> None:
    """Nor is anything more to be said where the last line named all, or the run broke off."""
    lines: list[str] = []
    with shown(lines.append):
        with counted(1, "prepared") as tally:
            tally.done(why="at once")
        with counted(2, "measured") as tally:
            tally.done(why="without a client")
            tally.done("last")
        with contextlib.suppress(OSError), counted(3, "measured") as tally:
            tally.done("first")
            tally.done(why="without a client")
            raise OSError
    assert lines == ["measured 2 of 2: last", "measured 1 of 3: first"]


def test_silence_is_explained() -> None:
    """After a while without a word a line names who is waited for, the slowest first, and how many more."""
    lines: list[str] = []
    spoken = threading.Event()

    def say(line: str) -> None:
        lines.append(line)
        spoken.set()

    with shown(say), counted(5, "measured", patience=0.05) as tally:
        with tally.at_work("a"), tally.at_work("b"), tally.at_work("c"), tally.at_work("d"):
            assert spoken.wait(HANGS)
        spoken.clear()
        assert not spoken.wait(0.2)
    assert lines[0] == "0 of 5 done, waiting for a (for 0 s), b (for 0 s), c (for 0 s) and 1 more"


def test_nobody_is_named_twice_in_a_short_while() -> None:
    """Where a line was just written, no other says that somebody is waited for."""
    lines: list[str] = []
    tally = Tally(2, "measured")
    with shown(lines.append), tally.at_work("a"):
        tally.done("first")
        tally.wait(HANGS)
        assert lines == ["measured 1 of 2: first"]
        tally.wait(0.0)
    assert lines[1:] == ["1 of 2 done, waiting for a (for 0 s)"]


def test_what_is_left_is_told_at_the_pace_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some seconds each line says how long the rest takes, and the last one nothing of the sort."""
    clock = [100.0]
    monkeypatch.setattr("servers.progress.time.monotonic", lambda: clock[0])
    lines: list[str] = []
    tally = Tally(36, "measured")
    for _ in range(5):
        tally.done("", before=True)
    with shown(lines.append), tally.at_work("slow"):
        tally.done("too early to tell")
        clock[0] += PACE_AFTER
        tally.done("first")
        clock[0] += 2 * PACE_AFTER
        tally.wait()
        for _ in range(27):
            tally.done("")
        tally.done("last but one")
        tally.done("last")
    assert lines == [
        "measured 6 of 36: too early to tell",
        f"measured 7 of 36 (about {PACE_AFTER / 2 * 29 / 60:.0f} min left): first",
        f"7 of 36 done, about {3 * PACE_AFTER / 2 * 29 / 60:.0f} min left, waiting for slow (for 30 s)",
        f"measured 35 of 36 (about {3 * PACE_AFTER / 30:.0f} s left): last but one",
        "measured 36 of 36: last",
    ]
