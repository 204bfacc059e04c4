"""Reads what Linux tells of the processes that run: their files, words and variables; judges nothing.

Source: proc(5), and of single files proc_pid_stat(5), proc_pid_status(5), proc_pid_maps(5),
proc_pid_environ(5). /proc is read without psutil, which strips what matters most here, that a file is
"(deleted)", reads far more than the names of mapped files, and takes longer to import than all this takes.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from interpreters.locations import PROC

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

READ_LIMIT = 16 * 1024 * 1024
"""Bytes that are read of one file: a browser maps a few thousand files, in half a million."""

_PIECE = 1 << 16

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
    """Seconds since the epoch, and no later than it was started."""
    words: tuple[str, ...]
    """What it was started with, its own name first; a program may write over that."""
    executable: str = ""
    """Real path of what runs; empty where it may not be looked at."""
    deleted: bool = False
    """Whether that file is no longer there."""
    elsewhere: bool = False
    """Whether that path leads to another file here, as of a process in a container, or its root is another
    folder, as after chroot."""
    folder: str = ""
    """Where it is at work now; relative paths are meant there. Empty of those that nobody asks about, as are
    the variables."""
    variables: Mapping[str, str] | None = field(default_factory=dict, hash=False)
    """Those that it was started with; None where it wrote over them, as what sets its own title does."""
    mapped: tuple[MappedFile, ...] = ()
    """Each file once, in the order of addresses."""
    unit: str = ""
    """The service of systemd that it belongs to; empty where it is in none, or in a part of one."""
    began: float = 0.0
    """When the process was started from which it has what is in its memory: itself, or the one that it was
    forked from, as a worker is."""

    @property
    def readable(self) -> bool:
        """Whether more may be looked at than everybody may."""
        return bool(self.executable)


_UID = re.compile(rb"^Uid:\t\d+\t(\d+)", re.MULTILINE)
"""The effective user of a process, the second of four."""

_UNIT = re.compile(rb"/([^/\n]+\.service)$", re.MULTILINE)
"""The service at the end of the path of a control group: cgroups(7)."""

_FILE = re.compile(r"^[^/\n]*(/.*)$", re.MULTILINE)
"""The path in a line of mappings, whose other columns have no slash."""


def read_processes(
    proc: Path = PROC, wanted: Callable[[ProcessRecord], bool] = lambda _: True
) -> tuple[ProcessRecord, ...]:
    """Return every process that runs, by id; those that end meanwhile, or are the kernel's own, are none.

    Variables are read of those alone that are wanted, by their files and words. Of those that this user may
    not look into, there is just what everybody may know. Empty where this system has no such folder.
    """
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isdecimal())
    except OSError:
        return ()
    boot = _boot_time(proc)
    # Thousands of files are read: as text, paths cost a third of what they cost as Path.
    found = (_read_process(f"{proc}/{pid}", pid, boot, wanted) for pid in pids)
    records = {record.pid: record for record in found if record}
    return tuple(replace(record, began=_began(record, records)) for record in records.values())


def _began(record: ProcessRecord, records: Mapping[int, ProcessRecord]) -> float:
    """Return when the first was started of those above a process that run the same program by the same words.

    What is forked has both from its parent; what is started anew has the same words only by chance.
    """
    above = records.get(record.parent)
    while above and (above.executable, above.words) == (record.executable, record.words):
        if above.started > record.started:
            break
        record, above = above, records.get(above.parent) if above.parent != above.pid else None
    return record.started


def _read_process(
    folder: str, pid: int, boot: float, wanted: Callable[[ProcessRecord], bool]
) -> ProcessRecord | None:
    try:
        after = _read(f"{folder}/stat").rpartition(b")")[2].split()
        words = _words(os.fsdecode(_read(f"{folder}/cmdline")))
        uid = _UID.search(_read(f"{folder}/status"))
        state, parent, ticks = after[0], int(after[1]), int(after[19])
    except (OSError, ValueError, IndexError):
        return None
    # A zombie runs nothing any more, and a thread of the kernel never had any words.
    if not words or not uid or state in (b"Z", b"X"):
        return None
    seen = ProcessRecord(pid, parent, int(uid[1]), boot + ticks / os.sysconf("SC_CLK_TCK"), words)
    try:
        named = os.readlink(f"{folder}/exe")
        seen = replace(
            seen,
            executable=named.removesuffix(DELETED),
            deleted=named.endswith(DELETED),
            mapped=_mapped(os.fsdecode(_read(f"{folder}/maps"))),
        )
        return _look_into(folder, seen) if wanted(seen) else seen
    except PermissionError:
        return replace(seen, executable="")
    except OSError:
        return None


def _look_into(folder: str, seen: ProcessRecord) -> ProcessRecord:
    """Return a process with where it is at work, under which variables and for whom; raises OSError."""
    return replace(
        seen,
        elsewhere=_has_another_root(folder)
        or (not seen.deleted and not _is_same(f"{folder}/exe", seen.executable)),
        folder=os.readlink(f"{folder}/cwd").removesuffix(DELETED),
        variables=_variables(os.fsdecode(_read(f"{folder}/environ"))),
        unit=_unit(folder),
    )


def _unit(folder: str) -> str:
    """Return the service that a process belongs to; empty also where the kernel has no control groups."""
    try:
        found = _UNIT.search(_read(f"{folder}/cgroup"))
    except OSError:
        return ""
    return os.fsdecode(found[1]) if found else ""


def _has_another_root(folder: str) -> bool:
    """Whether the root of a process is another folder than ours: then what it names leads elsewhere here."""
    try:
        return os.readlink(f"{folder}/root") != "/"
    except FileNotFoundError:
        return False


def _is_same(link: str, named: str) -> bool:
    """Whether the file that a process runs is the one that its path leads to from here."""
    try:
        return os.path.samefile(link, named)
    except OSError:
        return False


def _read(file: str) -> bytes:
    with open(file, "rb", buffering=0) as opened:
        pieces, left = [], READ_LIMIT
        while left > 0 and (piece := opened.read(_PIECE)):
            pieces.append(piece)
            left -= len(piece)
    return b"".join(pieces)


def _boot_time(proc: Path) -> float:
    """Return when the machine was started, in seconds since the epoch, no later; 0 where it does not say.

    The kernel tells the whole second. The clock by which it counts the start of processes tells more, unless
    that is another machine's /proc.
    """
    try:
        found = re.search(rb"^btime (\d+)$", _read(f"{proc}/stat"), re.MULTILINE)
    except OSError:
        return 0.0
    second = float(found[1]) if found else 0.0
    exact = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return exact if 0 <= exact - second < 1 else second


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
    """Return the files among mappings, each once; a newline in a name stands there in octal."""
    paths = (path.replace("\\012", "\n") for path in dict.fromkeys(_FILE.findall(text)))
    return tuple(MappedFile(path.removesuffix(DELETED), path.endswith(DELETED)) for path in paths)
