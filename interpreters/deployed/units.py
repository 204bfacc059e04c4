"""Tells of which systemd service a process is, by its control group: the unit sets its variables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from interpreters.locations import PROC

if TYPE_CHECKING:
    from pathlib import Path

_SERVICE = re.compile(r"[A-Za-z0-9:_.@\\-]{1,240}\.service", re.ASCII)
"""What a service's unit may be called; source: systemd.unit(5)."""

GROUP_LIMIT = 64 * 1024
"""Bytes that are read of /proc/PID/cgroup; a real one has a hundred."""


def unit_of(pid: int, proc: Path = PROC) -> str:
    """Return the system service that a process belongs to; empty for none, or where nobody tells."""
    try:
        with (proc / str(pid) / "cgroup").open("rb") as file:
            return unit_in(file.read(GROUP_LIMIT).decode(errors="replace"))
    except OSError:
        return ""


def unit_in(groups: str) -> str:
    """Return the system service that the lines of a process's cgroup file name; empty for none.

    A session, a container and a user's own services have a scope or a manager of their own: a drop-in of the
    system's manager does not reach these. Sources: cgroups(7), systemd.special(7).
    """
    for line in groups.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" or controllers == "name=systemd":
            parts = path.split("/")
            units = [part for part in parts if part.endswith((".service", ".scope"))]
            is_users = any(part.startswith("user@") for part in parts)
            if units and not is_users and _SERVICE.fullmatch(units[-1]):
                return units[-1]
    return ""
