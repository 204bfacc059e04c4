"""Keeps what many probes observed in a file without a name until the report is written: memory stays flat."""

from __future__ import annotations

import contextlib
import os
import pickle
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_Item = TypeVar("_Item")


class Spooled(Sequence[_Item]):
    """Objects that are in the file: each look at them reads these again, and keeps nothing."""

    def __init__(self, file: BinaryIO, offset: int, size: int, number: int) -> None:
        """Remember where they are: `size` bytes from `offset` on, which hold `number` objects."""
        self._file, self._offset, self._size, self._number = file, offset, size, number

    def _read(self) -> tuple[_Item, ...]:
        raw = os.pread(self._file.fileno(), self._size, self._offset)
        items: tuple[_Item, ...] = pickle.loads(raw)  # noqa: S301  our own, and nobody else can open the file
        return items

    def __iter__(self) -> Iterator[_Item]:
        """Give the objects."""
        return iter(self._read())

    def __len__(self) -> int:
        """Return how many there are; nothing is read for that."""
        return self._number

    @overload
    def __getitem__(self, index: int) -> _Item: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[_Item, ...]: ...
    def __getitem__(self, index: int | slice) -> _Item | tuple[_Item, ...]:
        """Return one, or some."""
        return self._read()[index]


IN_MEMORY = 1000
"""Objects that stay as they are, which is what twenty interpreters observe: a report reads all four times."""


class Spool:
    """The file, and where it ends."""

    def __init__(self, file: BinaryIO, in_memory: int = IN_MEMORY) -> None:
        """Write into this file from its end on what there is beside the first objects."""
        self._file, self._end, self._room = file, 0, in_memory

    def put(self, items: Sequence[_Item]) -> Sequence[_Item]:
        """Return the same objects out of the file; as they are for the first, or without room on the disk."""
        if len(items) <= self._room:
            self._room -= len(items)
            return items
        raw = pickle.dumps(tuple(items), pickle.HIGHEST_PROTOCOL)
        start, left = self._end, memoryview(raw)
        try:
            while left:
                written = os.pwrite(self._file.fileno(), left, self._end)
                left, self._end = left[written:], self._end + written
        except OSError:
            return items
        return Spooled(self._file, start, len(raw), len(items))


@contextlib.contextmanager
def spool(folder: Path, in_memory: int = IN_MEMORY) -> Iterator[Spool]:
    """Give a spool whose file is on the disk of `folder`, and gone with the block, however that ends.

    Raises OSError where no file can be made there.
    """
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        yield Spool(file, in_memory)
