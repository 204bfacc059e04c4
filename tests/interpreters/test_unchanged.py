"""Whatever is done to a file that a Python could load shows in its status, and nothing else does."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from interpreters import unchanged
from interpreters.unchanged import ABSENT, UntoldError, changed_since, looked_at, status, tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TICK = 0.02
"""Seconds in which the clock of a file system moves on."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of packages."""
    (tmp_path / "lib" / "package").mkdir(parents=True)
    (tmp_path / "lib" / "package" / "module.py").write_text("MINIMUM = 2\n")
    (tmp_path / "lib" / "start.pth").write_text("import package\n")
    (tmp_path / "lib" / "linked.py").symlink_to(tmp_path / "elsewhere.py")
    (tmp_path / "elsewhere.py").write_text("MINIMUM = 2\n")
    return tmp_path / "lib"


def _same_length(path: Path) -> None:
    """Change a byte, and put size and time of change back, as far as anybody can."""
    before = path.stat()
    path.write_text(path.read_text().replace("2", "1"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


EDITS: dict[str, Callable[[Path], object]] = {
    "a byte": lambda folder: _same_length(folder / "package" / "module.py"),
    "a byte behind a link": lambda folder: _same_length(folder.parent / "elsewhere.py"),
    "a file more": lambda folder: (folder / "sitecustomize.py").touch(),
    "a file less": lambda folder: (folder / "start.pth").unlink(),
    "an empty folder, which is a package too": lambda folder: (folder / "ssl").mkdir(),
    "another file of that name": lambda folder: _replaced(folder / "start.pth"),
    "a mode": lambda folder: (folder / "package" / "module.py").chmod(0),
}


def _replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_whatever_is_done_to_a_folder_shows(folder: Path, edit: Callable[[Path], object]) -> None:
    """Each edit changes the hash, and without one that stays as it is."""
    before = tree(str(folder))
    assert tree(str(folder)) == before
    time.sleep(TICK)
    edit(folder)
    assert tree(str(folder)) != before


def test_what_comes_into_being_shows(tmp_path: Path) -> None:
    """A folder or a file that was not there has another status once it is."""
    assert tree(str(tmp_path / "later")) == status(str(tmp_path / "later")) == ABSENT
    (tmp_path / "later").mkdir()
    assert tree(str(tmp_path / "later")) != ABSENT


def test_a_further_name_is_no_change(folder: Path) -> None:
    """What uv links into one more environment is as it was in the others; a write shows all the same."""
    module = folder / "package" / "module.py"
    (folder.parent / "first.py").hardlink_to(module)
    time.sleep(TICK)
    before, began = tree(str(folder)), time.time()
    time.sleep(TICK)
    (folder.parent / "second.py").hardlink_to(module)
    assert tree(str(folder)) == before
    assert not changed_since(str(folder / "package"), began)
    module.write_text("MINIMUM = 1\n")
    assert tree(str(folder)) != before
    assert changed_since(str(folder / "package"), began)


def test_what_is_passed_over_does_not_count_and_is_told(folder: Path) -> None:
    """A folder of tests is not walked, and whoever loads from there is told that it was not."""
    before = tree(str(folder))
    (folder / "package" / "tests").mkdir()
    (inside := folder / "package" / "tests" / "module.py").touch()
    assert tree(str(folder)) == before
    assert looked_at(str(inside), [str(folder)]) == str(inside)
    assert looked_at(str(inside), [str(folder), str(inside.parent)]) == ""
    assert looked_at(str(folder / "package" / "module.py"), [str(folder)]) == ""
    assert looked_at(f"{folder}2/module.py", [str(folder)]) == f"{folder}2/module.py"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Return a folder of packages as interpreters have it."""
    folder = tmp_path / "site-packages"
    for name in ("botocore/data/s3.json", "botocore/client.py", "botocore-1.dist-info/RECORD", "six.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("MINIMUM = 2\n")
    return folder


INSIDE: dict[str, Callable[[Path], object]] = {
    "a byte": lambda package: _same_length(package / "client.py"),
    "a byte of what is no code": lambda package: _same_length(package / "data" / "s3.json"),
    "a file more, further down": lambda package: (package / "data" / "endpoints.json").touch(),
}


@pytest.mark.parametrize("edit", INSIDE.values(), ids=INSIDE)
def test_what_a_package_has_inside_counts_with_the_package(
    packages: Path, edit: Callable[[Path], object]
) -> None:
    """The folder of packages is the same whatever changes in one, and that package is not."""
    package = looked_at(str(packages / "botocore" / "client.py"), [str(packages)])
    assert package == str(packages / "botocore")
    before, inside, began = tree(str(packages)), tree(package), time.time()
    time.sleep(TICK)
    edit(packages / "botocore")
    assert tree(str(packages)) == before
    assert tree(package) != inside
    assert changed_since(package, began)


OUTSIDE: dict[str, Callable[[Path], object]] = {
    "another distribution": lambda folder: (folder / "boto3-1.dist-info").mkdir(),
    "another release": lambda folder: _same_length(folder / "botocore-1.dist-info" / "RECORD"),
    "another package": lambda folder: (folder / "ssl").mkdir(),
    "start-up code": lambda folder: (folder / "start.pth").touch(),
    "a module": lambda folder: _same_length(folder / "six.py"),
    "a module more in a package": lambda folder: (folder / "botocore" / "more.py").touch(),
}


@pytest.mark.parametrize("edit", OUTSIDE.values(), ids=OUTSIDE)
def test_what_could_be_loaded_instead_shows(packages: Path, edit: Callable[[Path], object]) -> None:
    """Whatever appears, or changes, beside packages changes the folder of packages."""
    before = tree(str(packages))
    time.sleep(TICK)
    edit(packages)
    assert tree(str(packages)) != before
    assert looked_at(str(packages / "six.py"), [str(packages)]) == ""
    assert looked_at(str(packages / "botocore-1.dist-info" / "RECORD"), [str(packages)]) == ""


@pytest.mark.parametrize("odd", ["a link to a folder", "a pipe", "too many"])
def test_what_cannot_be_told_is_an_error(folder: Path, odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is no file, is somewhere else, or has no end, nobody says that it stayed as it was."""
    if odd == "a pipe":
        os.mkfifo(folder / "pipe")
    elif odd == "too many":
        monkeypatch.setattr(unchanged, "FILES_LIMIT", 2)
    else:
        (folder / "link").symlink_to(folder.parent)
    with pytest.raises(UntoldError, match=str(folder)):
        tree(str(folder))


def test_a_name_that_no_file_has_is_an_error() -> None:
    """A path with a null byte is neither there nor absent."""
    with pytest.raises(UntoldError):
        status("/a\0b")


def test_a_file_that_is_newer_than_a_moment_is_told(folder: Path) -> None:
    """A write, a new mode and the lack of a file show; its age alone does not."""
    time.sleep(TICK)
    began = time.time()
    module = folder / "package" / "module.py"
    assert not changed_since(str(module), began)
    assert changed_since(str(folder / "none"), began)
    time.sleep(TICK)
    _same_length(module)
    assert changed_since(str(module), began)
