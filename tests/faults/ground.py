"""Where faults are injected: a checkout with a healthy report, and a look at what a run leaves in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.identify import IdentifyError, identify
from interpreters.interpreter import Interpreter
from interpreters.locate import locate
from interpreters.process_environment import sanitized_environment
from interpreters.scratch import PREFIXES
from tests.faults.fault import NotInjectableError
from tests.faults.promises import Aftermath, Expected, broken
from tests.support.causes import goes_below
from tests.support.checkout import Checkout, copy_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LIMIT = 600.0
"""Seconds that any session may take on a busy machine; a healthy one takes three on an idle one."""

PATIENCE = 8.0
"""Seconds within which what a run left has to be gone: who was killed is followed by a reaper."""

LISTENING = "0A"
"""State of a socket: proc_pid_net(5)."""

ALONE = "TLS_FLOOR_FAULTS_ALONE"
"""Set where all runs in namespaces of its own: whatever process and port there is, is ours."""

NOBODY = 65534


@dataclass(eq=False)
class Ground:
    """A checkout in which sessions are run, and what a healthy run of it says."""

    folder: Path
    alone: bool = field(default_factory=lambda: ALONE in os.environ)
    checkout: Checkout = field(init=False)
    report: Path = field(init=False)
    """The folder of the run without a fault."""

    def __post_init__(self) -> None:
        """Copy the repository, and measure once without a fault."""
        index = {
            name: text
            for name, text in os.environ.items()
            if name.startswith(("UV_", "PIP_", "SSL_CERT_")) or name.upper().endswith("_PROXY")
        }
        (self.folder / "tmp").mkdir()
        self.checkout = Checkout(copy_repository(self.folder / "checkout"), index)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """How a matrix of two interpreters is asked for: one that holds the floor, and one that does not."""
        # The oldest take longest to start, and run no program of today.
        young = [one for one in _usable(self.folder) if not one.version.startswith(("2.", "3.6."))]
        chosen = [
            next(filter(fits, reversed(young)), None) for fits in (lambda one: one.sets_minimum, goes_below)
        ]
        ids = [word for one in chosen if one for word in ("--only", one.id)]
        if None in chosen:
            msg = "it takes an interpreter that holds the floor and one that does not, and here are none such"
            raise NotInjectableError(msg)
        return ("--made", "--clients", "ssl", *ids)

    @cached_property
    def healthy(self) -> dict[tuple[str, str], dict[str, str]]:
        """The rows of the two without a fault."""
        status, said = self.checkout.nox("-s", "matrix", "--", *self.words)
        rows = self.checkout.matrix() if status == 0 else {}
        if {row["verdict"] for row in rows.values()} != {"enforced", "downgraded"}:
            msg = f"not even a healthy run does well: {said}"
            raise RuntimeError(msg)
        self.report = self.checkout.latest.resolve()
        return rows

    @cached_property
    def seconds(self) -> float:
        """How long a warm matrix of the two takes."""
        began = time.monotonic()
        assert self.matrix().status == 0
        return time.monotonic() - began

    @property
    def loose(self) -> str:
        """The path of the interpreter that goes below the floor."""
        return next(row["path"] for row in self.healthy.values() if row["verdict"] == "downgraded")

    @property
    def strict(self) -> str:
        """The path of the interpreter that holds the floor."""
        return next(row["path"] for row in self.healthy.values() if row["verdict"] == "enforced")

    def expected(self, *subjects: str, exactly: bool = False) -> Expected:
        """Return what the rows of the two may say, and those of interpreters that lie."""
        verdicts = {key: row["verdict"] for key, row in self.healthy.items()}
        return Expected(verdicts, exactly, frozenset(subjects))

    def matrix(self, *words: str, **changes: str) -> Aftermath:
        """Measure the two, and what more words name."""
        return self.session("matrix", "--", *self.words, *words, variables=changes)

    def kept(self, *words: str, exactly: bool = False, **changes: str) -> list[str]:
        """Measure the two, and return which promises broke."""
        return broken(self.matrix(*words, **changes), self.expected(exactly=exactly))

    def session(
        self,
        *words: str,
        before: Sequence[str] = (),
        disturb: Callable[[subprocess.Popen[str]], bool] | None = None,
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Aftermath:
        """Run a session to its end, and look at what it leaves.

        `before` stands before the command, as prlimit does. `disturb` is called while it runs, and returns
        whether it told the session to end. `folder` is another checkout than ours.
        """
        assert self.healthy
        checkout = Checkout(folder, self.checkout.index) if folder else self.checkout
        latest, there = _latest(checkout), self.things(checkout)
        command = [*before, sys.executable, "-m", "nox", "-s", *words]
        environment = checkout.environment(**{"TMPDIR": str(self.folder / "tmp"), **(variables or {})})
        log = self.folder / "said"
        with (
            log.open("w+") as said,
            subprocess.Popen(
                command,
                cwd=checkout.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                process_group=0,
            ) as process,
        ):
            stopped = bool(disturb and disturb(process))
            try:
                status = process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                status = process.wait()
                said.write(f"\n{' '.join(words)} did not end within {LIMIT:g} s\n")
        left = self._left(there, checkout)
        text = log.read_text(errors="replace")
        return Aftermath(status, text, _rows(checkout), _latest(checkout) != latest, left, stopped)

    def _left(self, before: set[str], checkout: Checkout) -> tuple[str, ...]:
        """Return what is there and was not, once it had time to go."""
        deadline = time.monotonic() + PATIENCE
        while (left := self.things(checkout) - before) and time.monotonic() < deadline:
            time.sleep(0.05)
        return tuple(sorted(left))

    def rows(self) -> Mapping[tuple[str, str], Mapping[str, str]] | None:
        """Return the rows of the latest report; None if they cannot be read."""
        return _rows(self.checkout)

    def things(self, checkout: Checkout | None = None) -> set[str]:
        """Return the processes, ports, keys and files that no run may leave."""
        folder = (checkout or self.checkout).folder
        cache, history = folder / ".nox" / ".cache", folder / "reports" / "history"
        found = {f"the key {path}" for path in cache.rglob("*.key")}
        found |= {f"the folder {path}" for path in cache.glob("*") if path.name.startswith(PREFIXES)}
        found |= {f"the folder {path}" for path in cache.glob("runs/*")}
        found |= {f"the folder {path}" for path in history.glob(".*") if path.is_dir()}
        found |= {f"the file {path}" for path in (self.folder / "tmp").iterdir()}
        return found | set(self._processes()) | (set(listening()) if self.alone else set())

    def _processes(self) -> Iterator[str]:
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state == "Z" or int(entry.name) in (1, os.getpid()):
                    continue
                own = self.alone or str(self.checkout.folder) in words
                if own or self.checkout.folder in (entry / "cwd").readlink().parents:
                    yield f"the process {entry.name} ({words[:80]})"

    @contextlib.contextmanager
    def changed(self, path: Path) -> Iterator[Path]:
        """Let a path of the checkout be changed within the block, and put what was there back after it."""
        aside = self.folder / "aside"
        if path.is_symlink() or path.exists():
            path.rename(aside)
        try:
            yield path
        finally:
            if path.is_symlink() or path.is_file() or path.is_fifo():
                path.unlink()
            elif path.exists():
                shutil.rmtree(path)
            if aside.is_symlink() or aside.exists():
                aside.rename(path)


def _usable(home: Path) -> list[Interpreter]:
    """Return the interpreters of this machine that can be measured."""
    found = []
    for one in locate(os.environ):
        with contextlib.suppress(IdentifyError):
            said = identify(one.path, sanitized_environment(os.environ, home))
            if said.ssl and not said.is_venv and not one.unavailable:
                found.append(
                    Interpreter(
                        one.id,
                        one.source,
                        str(one.path),
                        said.version,
                        configure_flags=said.configure_flags,
                        has=said.ssl.has,
                    )
                )
    return found


def _latest(checkout: Checkout) -> str:
    with contextlib.suppress(OSError):
        return str(checkout.latest.readlink())
    return ""


def _rows(checkout: Checkout) -> Mapping[tuple[str, str], Mapping[str, str]] | None:
    try:
        json.loads((checkout.latest / "matrix.json").read_text())
        return checkout.matrix()
    except (OSError, ValueError, KeyError):
        return None


def listening() -> Iterator[str]:
    """Give the ports on which somebody listens."""
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path("/proc/net", name).read_text().splitlines()[1:]:
                if line.split()[3] == LISTENING:
                    yield f"the port {int(line.split()[1].rpartition(':')[2], 16)}"


def need_root() -> None:
    """Refuse a fault that takes root."""
    if os.geteuid():
        msg = "only root can do this"
        raise NotInjectableError(msg)


def need(program: str) -> str:
    """Return the path of a program that a fault takes."""
    if found := shutil.which(program):
        return found
    msg = f"{program} is not installed"
    raise NotInjectableError(msg)
