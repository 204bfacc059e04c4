"""A made-up /proc: what the kernel would tell of processes that never ran."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pytest

_READLINK = os.readlink

BOOTED = 1_750_000_000
"""When the machine was started, in seconds since the epoch."""

SETTLED = 0.1
"""Seconds after which a file is no newer than a process that starts then: the kernel tells of both by its
ticks, and what is in doubt counts as changed since."""

ALICE = 64_001
"""A user whom no machine knows."""


class MadeUpProc:
    """A folder like /proc, to which processes are added."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._locked: set[str] = set()
        folder.mkdir()
        monkeypatch.setattr("os.readlink", self._readlink)
        (folder / "stat").write_text(f"cpu  1 2 3\nbtime {BOOTED}\nprocesses 7\n")

    def _readlink(self, path: str) -> str:
        """Do as os.readlink does, which others than root may do for processes of their own."""
        if path in self._locked:
            raise PermissionError
        return _READLINK(path)

    # 11 parameters: what the kernel tells of a process
    def add(
        self,
        pid: int,
        words: Sequence[str],
        executable: Path | str = "",
        variables: Mapping[str, str] | bytes = b"",
        *,
        mapped: Iterable[Path | str] = (),
        parent: int = 1,
        uid: int = ALICE,
        folder: Path | str = "/",
        group: str = "/user.slice/user-1000.slice/session-3.scope",
        state: str = "S",
        root: Path | str = "/",
        ticks: int = 100,
    ) -> None:
        """Add a process; one without an executable is another user's, of whom nobody tells more."""
        own = self.folder / str(pid)
        own.mkdir()
        status = f"Name:\tx\nUid:\t0\t{uid}\t0\t0\n"
        (own / "status").write_text(status)
        (own / "stat").write_text(f"{pid} (a ) b) {state} {parent} {'0 ' * 17}{ticks} 0 0\n")
        (own / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
        if not executable:
            self._locked.add(str(own / "exe"))
            return
        (own / "exe").symlink_to(executable)
        (own / "cwd").symlink_to(folder)
        (own / "root").symlink_to(root)
        pairs = variables.items() if not isinstance(variables, bytes) else ()
        text = b"".join(f"{name}={value}".encode() + b"\0" for name, value in pairs)
        (own / "environ").write_bytes(variables if isinstance(variables, bytes) else text)
        (own / "cgroup").write_text(f"1:name=systemd:/x\n0::{group}\n")
        lines = (f"7f00-7f01 r-xp 00000000 fe:00 260386                     {path}\n" for path in mapped)
        (own / "maps").write_text(
            "".join(["00-01 rw-p 00000000 00:00 0 \n", *lines, "0-1 r-xp 0 0:0 0 [vdso]\n"])
        )
