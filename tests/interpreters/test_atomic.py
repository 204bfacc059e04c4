"""A file is replaced in one step or stays as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from interpreters.atomic import replacing, write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    """A file replaces its former self in one step; text that cannot be written changes nothing."""
    path = tmp_path / "gate.json"
    write_atomically(path, "old")
    write_atomically(path, "new")
    assert path.read_text() == "new"
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "half \udc80")
    assert path.read_text() == "new"
    assert _names(tmp_path) == ["gate.json"]


def test_a_reader_sees_the_former_file_until_the_block_ends(tmp_path: Path) -> None:
    """While a file is being written the former one is what everybody reads."""
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as aside:
        aside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert _names(tmp_path) == ["file"]


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """What was written in a block that fails is gone, and the former file stays."""
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as aside:
            aside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["file"]
