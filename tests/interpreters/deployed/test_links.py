"""Links lead where realpath says that they lead, whichever of many paths is asked for first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from interpreters.deployed.links import Links

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with links of each kind: to a file, a folder, upwards, to each other and to nothing."""
    (tmp_path / "base/bin").mkdir(parents=True)
    (tmp_path / "base/bin/python3").touch()
    for name, target in {
        "absolute": str(tmp_path / "base/bin/python3"),
        "relative": "base/bin/python3",
        "base/bin/python": "python3",
        "folder": "base",
        "base/up": "../base/bin",
        "chain": "folder/bin/python",
        "one": "two",
        "two": "one",
        "nothing": "base/none/file",
    }.items():
        (tmp_path / name).symlink_to(target)
    return tmp_path


PATHS = ("absolute", "relative", "base/bin/python", "folder/bin/python", "base/up/python", "chain")
LOST = ("nothing", "base/none", "none/at/all")


def test_links_lead_where_realpath_says(tree: Path) -> None:
    """In whatever order the paths are asked for, each leads to the same real path."""
    for order in (PATHS, PATHS[::-1]):
        links = Links()
        for name in (*order, *LOST):
            assert str(links.real(tree / name)) == os.path.realpath(tree / name)


def test_a_loop_ends(tree: Path) -> None:
    """Of links that lead to each other nothing is asked for ever."""
    assert Links().real(tree / "one").name in {"one", "two"}


def test_each_folder_is_looked_at_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand files in one folder, the folders above are not looked at again."""
    looked: list[str] = []
    was = os.path.islink

    def look(path: str) -> bool:
        looked.append(path)
        return was(path)

    monkeypatch.setattr("os.path.islink", look)
    links = Links()
    for number in range(1000):
        links.real(tree / f"base/{number}")
    assert looked.count(str(tree / "base")) == 1
    assert len(looked) < 1100
