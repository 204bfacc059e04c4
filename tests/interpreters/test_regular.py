"""Files of others are read if they are files, and up to a limit: nobody waits for a pipe, or for memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from interpreters.regular import LIMIT, read_regular

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    """All of a file comes back, and one byte more than the limit is an error."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert read_regular(path) == read_regular(path, 3) == b"abc"
    with pytest.raises(OSError, match="it has more than 2 bytes"):
        read_regular(path, 2)


def test_a_sparse_file_takes_no_memory(tmp_path: Path) -> None:
    """A file of any size that holds nothing is refused by its size."""
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(LIMIT * 60)
    with pytest.raises(OSError, match="more than"):
        read_regular(tmp_path / "sparse")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe, a device and a folder are errors, at once."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "absent"):
        with pytest.raises(OSError):  # noqa: PT011  which of them, the system says
            read_regular(path)
