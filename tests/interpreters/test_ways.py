"""An environment is entered by each of its Pythons that may start a different one, and by no other name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from interpreters.ways import ways_in

WRAPPER = '#!/bin/sh\nOPENSSL_CONF=/etc/strict.cnf exec "${0%/*}/python3" "$@"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an environment of one Python, as venv makes it: `python3` and `python3.11` lead to its base."""
    folder = Path(os.path.realpath(tmp_path)) / "shop"
    (folder / "bin").mkdir(parents=True)
    for name, text in (("base", "ELF 3.11"), ("other", "ELF 3.12")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (folder / "bin/python3").symlink_to(tmp_path / "base")
    for name in ("python", "python3.11"):
        (folder / "bin" / name).symlink_to("python3")
    for name in ("pip", "python3-config", "activate"):
        (folder / "bin" / name).touch()
    return folder


def names(folder: Path) -> list[str]:
    """Return the names of an environment's ways in, all of which lie in its `bin`."""
    ways = ways_in(folder)
    assert {way.parent for way in ways} == {folder / "bin"}
    return [way.name for way in ways]


def test_names_of_one_file_are_one_way(folder: Path) -> None:
    """The links that every environment has lead to one Python, which has the usual name."""
    assert names(folder) == ["python"]


def test_copies_of_one_program_are_one_way(folder: Path) -> None:
    """With `venv --copies` each name is a file of its own, and all are the same."""
    for name in ("python", "python3", "python3.11"):
        (folder / "bin" / name).unlink()
        (folder / "bin" / name).write_text("ELF 3.11")
    assert names(folder) == ["python"]


@pytest.mark.parametrize(
    ("replaced", "ways"),
    [
        (["python"], ["python", "python3"]),
        (["python3.11"], ["python", "python3.11"]),
        (["python", "python3.11"], ["python", "python3", "python3.11"]),
    ],
)
def test_a_script_is_a_way_of_its_own(folder: Path, replaced: list[str], ways: list[str]) -> None:
    """A wrapper in the place of a link starts Python under variables of its own, whichever name it has."""
    for name in replaced:
        (folder / "bin" / name).unlink()
        (folder / "bin" / name).write_text(WRAPPER)
    assert names(folder) == ways


def test_a_link_to_another_python_is_a_way_of_its_own(folder: Path, tmp_path: Path) -> None:
    """After an upgrade by hand one name may lead to another Python than the others."""
    (folder / "bin/python3.12").symlink_to(tmp_path / "other")
    assert names(folder) == ["python", "python3.12"]


def test_the_same_program_in_another_installation_is_a_way_of_its_own(folder: Path, tmp_path: Path) -> None:
    """Each of the two may load a library of its own, from beside itself."""
    (tmp_path / "second").mkdir()
    (tmp_path / "second/base").write_text("ELF 3.11")
    (folder / "bin/python3.11").unlink()
    (folder / "bin/python3.11").symlink_to(tmp_path / "second/base")
    assert names(folder) == ["python", "python3.11"]


def test_what_starts_nothing_is_no_way(folder: Path) -> None:
    """A link that leads nowhere is none; without the usual name the next one is the way in."""
    (folder / "bin/python3.9").symlink_to("/nowhere/python3.9")
    assert names(folder) == ["python"]
    (folder / "bin/python").unlink()
    assert names(folder) == ["python3"]


def test_without_any_python_the_usual_path_is_named(tmp_path: Path) -> None:
    """What is not there is named by the path where it should be, whether or not there is a folder."""
    assert ways_in(tmp_path) == (tmp_path / "bin/python",)
