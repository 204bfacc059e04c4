"""A copy of the repository in which end-to-end tests run sessions as a person does."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.limits import SLOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parent.parent.parent

MEASURED = "TLS_FLOOR_MEASURED"
"""The variable that names the report of a whole matrix of this checkout, as .ci/run has just measured one.

Where it is set, that is read in the place of another such run, and the environments of the checkout are used.
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of the repository in which sessions are run."""

    folder: Path
    index: Mapping[str, str]
    """The caller's variables with which an installer reaches its index."""

    @property
    def latest(self) -> Path:
        """Where its newest report is."""
        return self.folder / "reports" / "latest"

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment for a session, with changes."""
        ours = (
            *("TLS_FLOOR_RUN", "TLS_FLOOR_WIDTH", "COVERAGE_PROCESS_START", "GITHUB_STEP_SUMMARY"),
            # Set by who runs tests side by side, they outweigh a terminal.
            *("COLUMNS", "LINES"),
        )
        kept = {name: text for name, text in os.environ.items() if name not in ours}
        return {**kept, **self.index, "NOX_SCRIPT_MODE": "none", **changes}

    def start(self, *words: str, **changes: str) -> subprocess.Popen[str]:
        """Start nox with some words, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "nox", *words],
            cwd=self.folder,
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def nox(self, *words: str, **changes: str) -> tuple[int, str]:
        """Run nox to its end; return its exit status and what it printed."""
        with self.start(*words, **changes) as process:
            try:
                said, _ = process.communicate(timeout=SLOW)
            except subprocess.TimeoutExpired:
                # It takes down what it has started.
                process.send_signal(signal.SIGINT)
                raise
        return process.returncode, said

    def on_terminal(self, width: int, *words: str, **changes: str) -> str:
        """Run nox on a terminal of some columns; return what the terminal got."""
        keeper, terminal = pty.openpty()
        try:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
            environment = self.environment(TERM="xterm-256color", **changes)
            command = [sys.executable, "-m", "nox", *words]
            with subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
            ) as process:
                os.close(terminal)
                said = b""
                # A terminal whose other side is gone reads as an error, not as an end.
                with contextlib.suppress(OSError):
                    while piece := os.read(keeper, 1 << 16):
                        said += piece
                assert process.wait(SLOW) == 0, said
        finally:
            os.close(keeper)
        return said.decode().replace("\r\n", "\n")

    def matrix(self) -> dict[tuple[str, str], dict[str, str]]:
        """Read the rows of its newest matrix, by interpreter and client."""
        with (self.latest / "matrix.csv").open(newline="") as file:
            return {(row["interpreter"], row["client"]): row for row in csv.DictReader(file)}

    def measure(self, *words: str, **changes: str) -> dict[tuple[str, str], dict[str, str]]:
        """Run a matrix, which must succeed; return its rows, by interpreter and client."""
        status, said = self.nox("-s", "matrix", "--", *words, **changes)
        assert status == 0, said
        return self.matrix()

    def processes(self) -> list[str]:
        """Return the command lines of processes that have to do with this copy."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                place = (entry / "cwd").readlink()
                if str(self.folder) in line or self.folder in (place, *place.parents):
                    found.append(line)
        return found


def copy_repository(folder: Path) -> Path:
    """Copy what git tracks, or would track, into a folder that is not there yet; return it."""
    ignore = shutil.ignore_patterns(
        ".nox",
        ".venv",
        ".git",
        "history",
        "latest",
        "served",
        "__pycache__",
        ".*_cache",
        ".hypothesis",
        "policy.toml",
    )
    return shutil.copytree(ROOT, folder, ignore=ignore)


@contextlib.contextmanager
def serving(
    checkout: Checkout, *words: str
) -> Iterator[tuple[dict[str, int], str, str, subprocess.Popen[str]]]:
    """Run `serve`; give the ports by server id, the authority's file, the page, and the process."""
    # Empty is as good as not set: what it prints must not wait in a buffer for most people either.
    with checkout.start("-s", "serve", *(("--", *words) if words else ()), PYTHONUNBUFFERED="") as process:
        try:
            ports, trust, page = {}, "", ""
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.match(r"(\w+) +https://(?:127\.0\.0\.1|localhost):(\d+)/", line):
                    ports[found[1]] = int(found[2])
                if "trust " in line and "authority" in line:
                    trust = line.split("trust ")[-1].strip()
                if line.startswith("Serving with"):
                    page = line.split("at ")[-1].split()[0]
                    break
            yield ports, trust, page, process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
