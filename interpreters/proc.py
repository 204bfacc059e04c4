"""Reads what Linux tells of the processes that run: their files, words and variables; judges nothing.

Source: proc(5), and of single files proc_pid_stat(5), proc_pid_status(5), proc_pid_maps(5),
proc_pid_environ(5). /proc is read without psutil, which strips what matters most here, that a file is
"(deleted)", reads far more than the names of mapped files, and takes longer to import than all this takes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROC = Path("/proc")

READ_LIMIT = 16 * 1024 * 1024
"""Bytes that are read of one file: a browser maps a few thousand files, in half a million."""

DELETED = " (deleted)"
"""What the kernel adds to the path of a file that is open or mapped, and has no such name any more."""


@dataclass(frozen=True)
class MappedFile:
    """A file that a process has mapped, by the path that it had then."""

    path: str
    deleted: bool = False
    """Whether that very file is no longer there: removed, or replaced by another of the same name."""


@dataclass(frozen=True)
class ProcessRecord:
    """One process, as the kernel tells of it."""

    pid: int
    parent: int
    uid: int
    """The effective user."""
    started: float
    """Seconds since the epoch."""
    words: tuple[str, ...]
    """What it was started with, its own name first; a program may write over that."""
    executable: str = ""
    """Real path of what runs; empty where it may not be looked at."""
    deleted: bool = False
    """Whether that file is no longer there."""
    elsewhere: bool = False
    """Whether that path leads to another file here, as of a process in a container."""
    folder: str = ""
    """Where it is at work now; relative paths are meant there."""
    variables: Mapping[str, str] | None = field(default_factory=dict, hash=False)
    """Those that it was started with; None where it wrote over them, as what sets its own title does."""
    mapped: tuple[MappedFile, ...] = ()
    """Each file once, in the order of addresses."""

    @property
    def readable(self) -> bool:
        """Whether more may be looked at than everybody may."""
        return bool(self.executable)


def read_processes(proc: Path = PROC) -> tuple[ProcessRecord, ...]:
    """Return every process that runs, by id; those that end meanwhile, or are the kernel's own, are none.

    Of those that this user may not look into, there is just what everybody may know. Empty where this
    system has no such folder.
    """
    boot = _boot_time(proc)
    pids = sorted(int(entry.name) for entry in _entries(proc) if entry.name.isdecimal())
    return tuple(record for pid in pids if (record := _read_process(proc / str(pid), pid, boot)))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def _read_process(folder: Path, pid: int, boot: float) -> ProcessRecord | None:
    try:
        status = dict(re.findall(r"^(\w+):\t(.*)$", _read(folder / "status"), re.MULTILINE))
        after = _read(folder / "stat").rpartition(")")[2].split()
        words = _words(_read(folder / "cmdline"))
        uid, parent = int(status["Uid"].split()[1]), int(status["PPid"])
    except (OSError, KeyError, ValueError, IndexError):
        return None
    # A zombie runs nothing any more, and a thread of the kernel never had any words.
    if not words or status.get("State", "").startswith(("Z", "X")):
        return None
    started = boot + int(after[19]) / os.sysconf("SC_CLK_TCK")
    seen = ProcessRecord(pid, parent, uid, started, words)
    try:
        return _look_into(folder, seen)
    except PermissionError:
        return seen
    except OSError:
        return None


def _look_into(folder: Path, seen: ProcessRecord) -> ProcessRecord:
    """Return a process with what only its user and root may know; raises OSError."""
    named = os.readlink(folder / "exe")
    executable, deleted = named.removesuffix(DELETED), named.endswith(DELETED)
    return ProcessRecord(
        seen.pid,
        seen.parent,
        seen.uid,
        seen.started,
        seen.words,
        executable=executable,
        deleted=deleted,
        elsewhere=not deleted and not _is_same(folder / "exe", Path(executable)),
        folder=os.readlink(folder / "cwd").removesuffix(DELETED),
        variables=_variables(_read(folder / "environ")),
        mapped=_mapped(_read(folder / "maps")),
    )


def _is_same(link: Path, named: Path) -> bool:
    """Whether the file that a process runs is the one that its path leads to from here."""
    try:
        return link.samefile(named)
    except OSError:
        return False


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        return os.fsdecode(opened.read(READ_LIMIT))


def _boot_time(proc: Path) -> float:
    """Return when the machine was started, in seconds since the epoch; 0 where it does not say."""
    try:
        found = re.search(r"^btime (\d+)$", _read(proc / "stat"), re.MULTILINE)
    except OSError:
        return 0.0
    return float(found[1]) if found else 0.0


def _words(text: str) -> tuple[str, ...]:
    """Return the words of a command line, each of which ends in a NUL; a title may lack it, or have many."""
    return tuple(text.rstrip("\0").split("\0")) if text.strip("\0") else ()


def _variables(text: str) -> dict[str, str] | None:
    """Return the variables of an environment; None where something else was written over them."""
    found = {}
    for entry in text.removesuffix("\0").split("\0") if text else ():
        name, sign, value = entry.partition("=")
        if not sign or not name:
            return None
        found[name] = value
    return found


def _mapped(text: str) -> tuple[MappedFile, ...]:
    """Return the files among mappings, which have the path from their sixth column on."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        columns = line.split(maxsplit=5)
        if len(columns) > 5 and columns[5].startswith("/"):  # noqa: PLR2004  proc_pid_maps(5)
            found[columns[5].replace("\\012", "\n")] = None
    return tuple(MappedFile(path.removesuffix(DELETED), path.endswith(DELETED)) for path in found)
