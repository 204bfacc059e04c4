"""Names what changed on disk since running processes read it: a fresh process reads something else.

Python reads its packages and its start-up code once, and OpenSSL its configuration. Nothing of that stays
mapped, so the kernel does not tell that it is another file by now. The time at which the status of a file
changed (ctime) does, and nobody can set that: inode(7).
"""

from __future__ import annotations

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

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from interpreters.interpreter import RunningProcess

GRAIN = 2.0
"""Seconds by which the start of a process may be told too early: the kernel counts from the boot, which it
gives in whole seconds, and so does a report."""


def with_changes(
    processes: tuple[RunningProcess, ...], files: Iterable[str], search_path: Iterable[str]
) -> tuple[RunningProcess, ...]:
    """Return processes with what changed since each began: of these files, and of packages on this path.

    Of packages those count that are clients, or that these stand on: what else is installed beside a service
    that runs decides on no version.
    """
    if not processes:
        return ()
    changed = {path: when for path in (*files, *_metadata(search_path)) if (when := _changed(path))}
    return tuple(
        replace(
            process,
            replaced=tuple(
                dict.fromkeys(
                    (*process.replaced, *(p for p, when in changed.items() if when > _start(process)))
                )
            ),
        )
        for process in processes
    )


def _start(process: RunningProcess) -> float:
    return dt.datetime.fromisoformat(process.started).timestamp() + GRAIN


def _changed(path: str) -> float:
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
