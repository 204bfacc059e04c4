"""The tool's own files: each change in them is seen, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runs.own_files import checkout_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_checkout_is_its_files(tmp_path: Path) -> None:
    """An edit, committed or not, and another file make another checkout; a text elsewhere does not."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.py").write_text("1")
    first = checkout_of(tmp_path, ["runs"])
    (tmp_path / "README.md").write_text("x")
    assert checkout_of(tmp_path, ["runs"]) == first
    (tmp_path / "runs" / "b.toml").write_text("1")
    second = checkout_of(tmp_path, ["runs"])
    (tmp_path / "runs" / "a.py").write_text("2")
    assert len({first, second, checkout_of(tmp_path, ["runs"])}) == 3
