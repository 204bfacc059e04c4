"""What a build lacks is said before it starts, with the package that brings it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.hardening import preflight
from interpreters.hardening.preflight import (
    MissingError,
    check_room,
    check_tools,
    check_writable,
    existing,
    unwritable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Script = Callable[[str, str], Path]

COMPILER = """
for word; do case $word in *.c) source=$word;; esac; done
for header in $ABSENT; do grep -q "<$header>" "$source" && exit 1; done
exit 0
"""


@pytest.fixture
def machine(tmp_path: Path, script: Script) -> Callable[..., dict[str, str]]:
    """Return a function that makes a machine with all tools but some, and without some headers."""

    def make(*absent: str, headers: str = "") -> dict[str, str]:
        for name in ("make", "perl", "dpkg-source", "patch", "apt-get"):
            if name not in absent:
                script(f"bin/{name}", "exit 0")
        if "cc" not in absent:
            script("bin/cc", COMPILER)
        (tmp_path / "bin" / "grep").symlink_to(shutil.which("grep") or "/bin/grep")
        return {"PATH": str(tmp_path / "bin"), "ABSENT": headers}

    return make


def test_a_machine_with_everything_is_fine(machine: Callable[..., dict[str, str]]) -> None:
    """Where all is there, nothing is lacking."""
    assert check_tools(machine(), packages=True) == ()


@pytest.mark.parametrize(
    ("absent", "package"),
    [
        ("cc", "build-essential"),
        ("make", "make"),
        ("perl", "perl"),
        ("dpkg-source", "dpkg-dev"),
        ("patch", "patch"),
    ],
)
def test_a_missing_tool_is_named_with_its_package(
    machine: Callable[..., dict[str, str]], absent: str, package: str
) -> None:
    """The sentence says what is missing and what to install."""
    with pytest.raises(MissingError, match=rf"which is not here: apt-get install {package}$"):
        check_tools(machine(absent), packages=True)


def test_everything_that_is_missing_is_named_at_once(machine: Callable[..., dict[str, str]]) -> None:
    """One sentence has all that is missing, so that one installation cures it."""
    with pytest.raises(MissingError, match=r"make and perl .*: apt-get install make perl$"):
        check_tools(machine("make", "perl"), packages=True)


def test_elsewhere_packages_have_other_names(machine: Callable[..., dict[str, str]]) -> None:
    """Without apt, the names are those of the other family."""
    with pytest.raises(MissingError, match=r"dnf install gcc$"):
        check_tools(machine("cc", "apt-get"), packages=False)


def test_tools_for_packages_are_needed_for_packages_alone(machine: Callable[..., dict[str, str]]) -> None:
    """A build from plain archives does not ask for what unpacks packages."""
    assert check_tools(machine("dpkg-source", "patch"), packages=False) == ()


def test_a_missing_header_is_named_with_its_package(machine: Callable[..., dict[str, str]]) -> None:
    """Zlib has to be there, because pip cannot be unpacked without it."""
    with pytest.raises(MissingError, match=r"zlib's header, which is not here: apt-get install zlib1g-dev$"):
        check_tools(machine(headers="zlib.h"), packages=True)


def test_a_header_that_can_be_done_without_is_said(machine: Callable[..., dict[str, str]]) -> None:
    """A header that only a module needs does not stop the build, and the module is named."""
    assert check_tools(machine(headers="ffi.h sqlite3.h"), packages=True) == (
        "ctypes (libffi-dev)",
        "sqlite3 (libsqlite3-dev)",
    )


def test_this_machines_own_compiler_is_believed(tmp_path: Path) -> None:
    """A real compiler compiles the questions, or is reported to be missing."""
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    if shutil.which("cc") is None:
        with pytest.raises(MissingError, match="a C compiler"):
            check_tools(environment, packages=False)
    else:
        assert not preflight._compiles(
            preflight.Need("x", "", "", header="no/such.h", library="c"), environment
        )
        assert preflight._compiles(preflight.COMPILER, environment)


@pytest.mark.parametrize("short", ["work", "prefix"])
def test_a_disk_without_room_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: str) -> None:
    """Where a build or what it installs does not fit, the sentence says how much there is and is needed."""
    for name in ("work", "prefix"):
        (tmp_path / name).mkdir()

    def usage(path: Path) -> shutil._ntuple_diskusage:
        return shutil._ntuple_diskusage(0, 0, 10 * 2**20 if path.name == short else 2**40)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    with pytest.raises(MissingError, match=rf"{short} has 10 MiB left and \d+ are needed"):
        check_room(tmp_path / "work", tmp_path / "prefix" / "not" / "yet")


def test_a_disk_with_room_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly enough room is enough."""
    need = preflight.ROOM_TO_BUILD
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, need))
    check_room(tmp_path, tmp_path)


def test_a_place_that_is_writable_is_left_as_it_was(tmp_path: Path) -> None:
    """Trying whether something can be made leaves nothing behind."""
    assert unwritable(tmp_path / "a" / "b") == ""
    check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_place_for_a_prefix(tmp_path: Path) -> None:
    """It is said before minutes of building, and not after."""
    file = tmp_path / "file"
    file.touch()
    assert unwritable(file / "openssl") == f"{file} is no folder"


def test_a_place_that_is_not_writable_is_said() -> None:
    """A place where even root can make nothing is refused, with the system's reason."""
    assert unwritable(Path("/proc/x/y")).startswith("/proc: ")
    with pytest.raises(MissingError, match=r"/proc/x/y cannot be made \(/proc: .*--prefix DIR"):
        check_writable(Path("/proc/x/y"))


def test_the_nearest_folder_that_exists_is_found(tmp_path: Path) -> None:
    """A folder that is yet to be made is on the disk of the nearest one above it."""
    assert existing(tmp_path / "a" / "b") == tmp_path
    assert existing(tmp_path) == tmp_path
