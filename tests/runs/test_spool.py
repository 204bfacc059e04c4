"""Tests of the file that keeps what was observed: nothing is lost, little is held, nothing is left."""

from __future__ import annotations

import errno
import os
import tracemalloc
from typing import TYPE_CHECKING

from runs.spool import Spooled, spool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest


def test_what_was_put_comes_back(tmp_path: Path) -> None:
    """Several lots come back whole and in order, as often as asked, one by one or in part."""
    lots = [[("a", 1), ("b", 2)], [], [("c", 3)]]
    with spool(tmp_path, in_memory=0) as ours:
        kept = [ours.put(lot) for lot in lots]
        for _ in range(2):
            assert [list(lot) for lot in kept] == lots
        assert [len(lot) for lot in kept] == [2, 0, 1]
        assert (kept[0][1], kept[0][-1:]) == (("b", 2), (("b", 2),))


def test_little_is_held(tmp_path: Path) -> None:
    """Of a hundred lots of 100,000 bytes less than one is in memory."""
    with spool(tmp_path, in_memory=0) as ours:
        kept = [ours.put([b""])]
        tracemalloc.start()
        try:
            kept += [ours.put([os.urandom(100_000)]) for _ in range(100)]
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 100_000
        assert {len(item) for lot in kept[1:] for item in lot} == {100_000}


def test_nothing_is_left(tmp_path: Path) -> None:
    """The file has no name while it is there, so a run that is killed leaves nothing either."""
    with spool(tmp_path, in_memory=0) as ours:
        ours.put([1])
        assert not list(tmp_path.iterdir())


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk has no room for stays in memory; what is put once there is room is kept on disk."""
    write, room = os.pwrite, [3, 0]

    def short(file: int, data: memoryview, offset: int) -> int:
        if not room:
            return write(file, data, offset)
        if size := room.pop(0):
            return write(file, data[:size], offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", short)
    first: Sequence[str] = ["first"]
    with spool(tmp_path, in_memory=0) as ours:
        assert ours.put(first) is first
        second = ours.put(["second"])
        assert isinstance(second, Spooled)
        assert list(second) == ["second"]


def test_few_stay_as_they_are(tmp_path: Path) -> None:
    """The first lots up to the limit are no copies; one that goes past it is in the file."""
    lots = [[1, 2], [3, 4, 5], [6]]
    with spool(tmp_path, in_memory=3) as ours:
        kept = [ours.put(lot) for lot in lots]
        assert [each is lot for each, lot in zip(kept, lots, strict=True)] == [True, False, True]
        assert [list(each) for each in kept] == lots
