"""Says, before a build starts, what this machine lacks for it, and which package brings that."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.hardening.recipes import HardenError
from interpreters.processes import run

if TYPE_CHECKING:
    from collections.abc import Mapping

TRY_LIMIT = 60.0
"""Seconds that a compiler may take for three lines."""

MEBIBYTE = 2**20

ROOM_TO_BUILD = 900 * MEBIBYTE
"""Bytes that both source trees, their objects and the staged prefixes take, with a third to spare."""

ROOM_TO_INSTALL = 400 * MEBIBYTE
"""Bytes that both prefixes take, with as much to spare."""


class MissingError(HardenError):
    """Something that a build needs is not on this machine, or not allowed to us."""


@dataclass(frozen=True)
class Need:
    """A tool, or a header with its library: how to see whether it is there, and what brings it."""

    what: str
    debian: str
    fedora: str
    command: tuple[str, ...] = ()
    """Succeeds where it is there; without it, the tool's own name is looked for on PATH."""
    header: str = ""
    library: str = ""


COMPILER = Need(
    "a C compiler that can link a program", "build-essential", "gcc", header="stdio.h", library="c"
)
TOOLS = (
    Need("make", "make", "make"),
    Need(
        "perl with its standard modules",
        "perl",
        "perl-core",
        ("perl", "-MFindBin", "-MFile::Compare", "-MIPC::Cmd", "-MPod::Usage", "-e", "1"),
    ),
)
ZLIB = Need("zlib's header", "zlib1g-dev", "zlib-devel", header="zlib.h", library="z")
"""pip is unpacked with it."""

PACKAGE_TOOLS = (Need("dpkg-source", "dpkg-dev", "dpkg-dev"), Need("patch", "patch", "patch"))
"""What unpacks a Debian source package."""

OPTIONAL = (
    Need("ctypes", "libffi-dev", "libffi-devel", header="ffi.h", library="ffi"),
    Need("bz2", "libbz2-dev", "bzip2-devel", header="bzlib.h", library="bz2"),
    Need("lzma", "liblzma-dev", "xz-devel", header="lzma.h", library="lzma"),
    Need("sqlite3", "libsqlite3-dev", "sqlite-devel", header="sqlite3.h", library="sqlite3"),
    Need("readline", "libreadline-dev", "readline-devel", header="readline/readline.h", library="readline"),
)
"""Modules of Python that are left out where the header is not there."""


def check_tools(env: Mapping[str, str], *, packages: bool) -> tuple[str, ...]:
    """Return the modules that the Python will lack; raises MissingError if a build cannot succeed at all.

    `packages` says whether a Debian source package may have to be unpacked.
    """
    tools = (*TOOLS, *(PACKAGE_TOOLS if packages else ()))
    missing = [need for need in tools if not _is_there(need, env)]
    if not _compiles(COMPILER, env):
        missing.insert(0, COMPILER)
    elif not _compiles(ZLIB, env):
        missing.append(ZLIB)
    if missing:
        apt = shutil.which("apt-get", path=env.get("PATH")) is not None
        names = dict.fromkeys(need.debian if apt else need.fedora for need in missing)
        install = f"{'apt-get' if apt else 'dnf'} install {' '.join(names)}"
        msg = f"a build needs {_listed([need.what for need in missing])}, which is not here: {install}"
        raise MissingError(msg)
    return tuple(f"{need.what} ({need.debian})" for need in OPTIONAL if not _compiles(need, env))


def check_room(work: Path, prefix: Path) -> None:
    """Raise MissingError unless there is room to build in `work` and to install below `prefix`'s parent."""
    for folder, needed, purpose in ((work, ROOM_TO_BUILD, "build"), (prefix, ROOM_TO_INSTALL, "install")):
        there = existing(folder)
        free = shutil.disk_usage(there).free
        if free < needed:
            msg = (
                f"{there} has {free // MEBIBYTE} MiB left and {needed // MEBIBYTE} are needed to {purpose}: "
                "make room, or choose another place with --prefix"
            )
            raise MissingError(msg)


def check_writable(prefix: Path) -> None:
    """Raise MissingError unless a folder can be made where `prefix` is to be."""
    if reason := unwritable(prefix.parent):
        msg = f"{prefix} cannot be made ({reason}): run it as a user who may, or choose with --prefix DIR"
        raise MissingError(msg)


def unwritable(folder: Path) -> str:
    """Return why nothing can be made in a folder, or in the nearest above it that exists; empty if it can."""
    nearest = existing(folder)
    if not nearest.is_dir():
        return f"{nearest} is no folder"
    try:
        # Asking for permission is not enough: root has it on a file system that is mounted read-only.
        with tempfile.TemporaryDirectory(dir=nearest, prefix=".tls-floor-"):
            return ""
    except OSError as error:
        return f"{nearest}: {error.strerror}"


def existing(folder: Path) -> Path:
    """Return what is at the path itself, or at the nearest one above it where there is anything."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _is_there(need: Need, env: Mapping[str, str]) -> bool:
    if not need.command:
        return shutil.which(need.what, path=env.get("PATH", os.defpath)) is not None
    return _succeeds(need.command, env)


def _compiles(need: Need, env: Mapping[str, str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "try.c"
        source.write_text(f"#include <stdio.h>\n#include <{need.header}>\nint main(void) {{ return 0; }}\n")
        compiler = env.get("CC", "cc").split()
        command = (*compiler, str(source), "-o", str(source.with_suffix("")), f"-l{need.library}")
        return _succeeds(command, env)


def _succeeds(command: tuple[str, ...], env: Mapping[str, str]) -> bool:
    try:
        return run(command, env, TRY_LIMIT)[0] == 0
    except (OSError, subprocess.SubprocessError):
        return False


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
