"""Names what running processes read otherwise than a fresh one would: it changed, or is elsewhere for them.

Python reads its packages and its start-up code once, and OpenSSL its configuration. Nothing of that stays
mapped, so the kernel does not tell that it is another file by now. The time at which the status of a file
changed (ctime) does, and nobody can set that: inode(7). A process in a mount namespace of its own may have
another file behind the same path; what it has is below its root: proc_pid_root(5).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from interpreters.clients import clients
from interpreters.distributions import METADATA
from interpreters.locations import PROC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from interpreters.interpreter import RunningProcess

LAG = 0.01
"""Seconds by which the time of a file may be told too early: the kernel takes that from its last tick. What
changed so long before the start of a process may have changed after it, and counts as changed."""

MOST_LINKS = 40
"""Links on the way of a path that are followed, as by the kernel: path_resolution(7)."""


def with_changes(
    processes: tuple[RunningProcess, ...],
    environment: str,
    files: Iterable[str],
    search_path: Sequence[str],
    proc: Path = PROC,
) -> tuple[RunningProcess, ...]:
    """Return processes with what each has read otherwise: of these files, and of packages on this path.

    Of packages those count that are clients, or that these stand on: what else is installed beside a service
    that runs decides on no version. An environment of which another stands in its place counts by its path.
    """
    if not processes:
        return ()
    decide = deciding(environment, files, search_path)
    changed = {path: when for path in (*decide, *_moved_above(environment)) if (when := changed_at(path))}
    there = set(map(os.path.realpath, search_path))

    def since(process: RunningProcess) -> Iterator[str]:
        yield from process.replaced
        yield from (path for path, when in changed.items() if when >= began_at(process) - LAG)
        # Where nothing was started, nobody knows what a fresh one has on its path.
        others = set(map(os.path.realpath, process.packages)) - there if there else ()
        if any(map(_is_of_an_environment, others)):
            yield environment

    return tuple(
        replace(
            process,
            replaced=tuple(dict.fromkeys(since(process))),
            elsewhere=_elsewhere(process, (*process.libraries, *decide, *search_path), proc),
        )
        for process in processes
    )


def deciding(environment: str, files: Iterable[str], search_path: Iterable[str]) -> tuple[str, ...]:
    """Return what decides of an environment what a process has read: these files, and packages of clients."""
    return tuple(dict.fromkeys((*files, *_entered(environment), *_metadata(search_path))))


def began_at(process: RunningProcess) -> float:
    """Return from when on a process may have read files, since the epoch."""
    return process.began or dt.datetime.fromisoformat(process.started).timestamp()


def _entered(environment: str) -> tuple[str, ...]:
    """Return what is another file once another virtual environment is in the place of this one.

    To rename a folder changes its own status, and nothing in it.
    """
    settings = Path(environment, "pyvenv.cfg")
    return (str(settings), environment) if settings.is_file() else ()


def _moved_above(environment: str) -> Iterator[str]:
    """Give the folders above a virtual environment that may have been renamed.

    Their status changes with each entry too, but then at the same time as their content.
    """
    for folder in Path(environment).parents if _entered(environment) else ():
        with contextlib.suppress(OSError):
            found = folder.stat()
            if found.st_ctime_ns != found.st_mtime_ns:
                yield str(folder)


def _is_of_an_environment(packages: str) -> bool:
    """Whether a folder of packages is in a virtual environment: lib/pythonX.Y/site-packages below it."""
    return len(Path(packages).parts) > 3 and Path(packages).parents[2].joinpath("pyvenv.cfg").is_file()  # noqa: PLR2004


def _elsewhere(process: RunningProcess, paths: Iterable[str], proc: Path) -> tuple[str, ...]:
    """Return the paths behind which a process has another file than we have, or one of the two has none."""
    own = f"{proc}/{process.pid}"
    if _identity(f"{own}/ns/mnt") in (None, _identity(f"{proc}/self/ns/mnt")):
        return ()
    named = dict.fromkeys(path for path in paths if os.path.isabs(path) and path not in process.replaced)  # noqa: PTH117
    return tuple(path for path in named if _identity(_led(path, f"{own}/root")) != _identity(path))


def _led(path: str, root: str) -> str:
    """Return where a path leads below a root. The kernel takes a link to a whole path for one below ours."""
    found, ahead, left = "", path.split("/")[::-1], MOST_LINKS
    while ahead and left:
        part = ahead.pop()
        if part in ("", ".", ".."):
            found = found.rpartition("/")[0] if part == ".." else found
            continue
        try:
            target = os.readlink(f"{root}{found}/{part}")  # noqa: PTH115
        except OSError:
            found = f"{found}/{part}"
            continue
        found, left = "" if target.startswith("/") else found, left - 1
        ahead += target.split("/")[::-1]
    return "" if ahead else root + found


def _identity(path: str) -> tuple[int, int] | None:
    """Return which file is behind a path; None where there is none, or nobody tells."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def changed_at(path: str) -> float:
    """Return when the status of a file last changed; 0 where there is none: a fresh process lacks it too."""
    if not os.path.isabs(path):  # noqa: PTH117
        return 0.0
    try:
        itself, behind = os.lstat(path), os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return 0.0
    # Files come and go in the folder behind a link all the time.
    is_led = stat.S_ISLNK(itself.st_mode) and not stat.S_ISDIR(behind.st_mode)
    return max(itself.st_ctime, behind.st_ctime) if is_led else itself.st_ctime


def links(path: str) -> list[str]:
    """Return the links that lead to a path: a deployment may lead them to another release."""
    return [str(each) for each in (Path(path), *Path(path).parents) if each.is_symlink()]


def _metadata(search_path: Iterable[str]) -> Iterator[str]:
    """Give what says which version of a client is there: a folder that installers make anew with each.

    The files in it may be links to those of another environment, whose status changes with each link.
    """
    names = {name for client in clients().values() for name in (*client.requirement.split(), *client.modules)}
    known = {canonicalize_name(re.split(r"[\[<=>]", name)[0]) for name in names}
    for folder in search_path:
        for entry in _entries(folder):
            if entry.endswith(tuple(METADATA)) and canonicalize_name(entry.partition("-")[0]) in known:
                yield str(Path(folder, entry))


def _entries(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder)) if os.path.isabs(folder) else []  # noqa: PTH117, PTH208
    except OSError:
        return []
