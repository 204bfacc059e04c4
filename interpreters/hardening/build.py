"""Runs a build phase by phase: times and logs each, and goes on with a build that was stopped."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interpreters.hardening.recipes import HardenError
from interpreters.hardening.unpack import DiskFullError
from interpreters.log import LOG
from interpreters.processes import signal_name, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

HEARTBEAT_INTERVAL = 30.0
"""Seconds between two signs of life of a phase."""

INTERRUPT_GRACE = 10.0
"""Seconds that make gets to remove what it has half made, when a build is interrupted."""

PHASE_LIMIT = 3600.0
"""Seconds that one command of a build may take; the longest takes three hundred on two processors."""

LAST_LINES = 8
"""Lines of a log that are shown when a phase failed: of its end, and of what reads like an error before."""

TELLING = r"(?i)\berror\b|\*\*\* \[|undefined reference"
"""What compilers, linkers and make say when they fail."""

PASSED_ON = ("PATH", "HOME", "TMPDIR", "CC", "CXX", "AR", "RANLIB", "SDKROOT", "MACOSX_DEPLOYMENT_TARGET")
"""Variables that a build sees; flags, PYTHON*, OPENSSL_* and DESTDIR would make it another build."""


class BuildError(HardenError):
    """A phase of the build failed; the message says which, and where its log is."""


@dataclass(frozen=True)
class Phase:
    """One step of a build, and the phase at which to begin again when this one was cut off."""

    name: str
    title: str
    act: Callable[[], None]
    again_from: str


class BuildDir:
    """The folder of one build: it has a mark for each phase that was begun, and that was done."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self._began = time.monotonic()
        self._title = ""

    def run(self, phases: Sequence[Phase]) -> None:
        """Do every phase that is not done yet, in order.

        After a phase that failed, the build begins again with the phase that removes what may be left of it.
        After Ctrl-C, which lets a phase clean up, the build goes on with the phase itself.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        names = [phase.name for phase in phases]
        for phase in phases:
            if self._mark(phase.name, "begun").exists():
                for name in names[names.index(phase.again_from) :]:
                    self._mark(name, "done").unlink(missing_ok=True)
        for number, phase in enumerate(phases, 1):
            self._title = f"[{number}/{len(phases)}] {phase.title}"
            if self._mark(phase.name, "done").exists():
                LOG.info("%s: done before", self._title)
                continue
            LOG.info("%s (%s)", self._title, self._clock())
            begun = self._mark(phase.name, "begun")
            begun.touch()
            (self.logs / f"{phase.name}.log").unlink(missing_ok=True)
            try:
                phase.act()
            except KeyboardInterrupt:
                begun.unlink()
                raise
            self._mark(phase.name, "done").touch()
            begun.unlink()

    def tidy(self) -> None:
        """Remove all but the logs."""
        for path in self.path.iterdir():
            if path.is_dir() and path != self.logs:
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_file():
                path.unlink()

    @property
    def is_new(self) -> bool:
        """Whether no phase was done yet."""
        return not any(self.path.glob("*.done"))

    def command(self, name: str, folder: Path, command: Sequence[str | Path], env: Mapping[str, str]) -> None:
        """Run one command of a phase in `folder`, its output in the log `name`; BuildError if it fails."""
        path = self.logs / f"{name}.log"
        with path.open("ab") as log:
            log.write(f"$ {shlex.join(map(str, command))}\n".encode())
            log.flush()
            try:
                with started(command, env, log, folder, INTERRUPT_GRACE) as process:
                    status = self._wait(process)
            except OSError as error:
                msg = f"{self._title}: {command[0]} cannot be run: {error.strerror or error}"
                raise BuildError(msg) from error
        if status:
            self._fail(
                path, f"died of {signal_name(-status)}" if status < 0 else f"failed with status {status}"
            )

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        deadline = time.monotonic() + PHASE_LIMIT
        while time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(HEARTBEAT_INTERVAL)
            LOG.info("%s goes on (%s)", self._title, self._clock())
        msg = f"{self._title} did not end within {PHASE_LIMIT:g} s"
        raise BuildError(msg)

    def _fail(self, log: Path, how: str) -> None:
        everything = log.read_text(encoding="utf-8", errors="replace").splitlines()
        # make -j goes on with what it has begun, so the error may stand far above the end.
        telling = [line for line in everything[:-LAST_LINES] if re.search(TELLING, line)]
        lines = telling[-LAST_LINES:] + everything[-LAST_LINES:]
        for line in lines:
            LOG.info("  | %s", line[:200])
        if any(os.strerror(errno.ENOSPC) in line for line in lines):
            msg = f"{self._title} {how}: no space is left; make room, and run it again to go on"
            raise DiskFullError(msg)
        msg = f"{self._title} {how} after {self._clock()}: its log is {log}"
        raise BuildError(msg)

    def _mark(self, name: str, state: str) -> Path:
        return self.path / f"{name}.{state}"

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self._began)
        return f"{seconds // 60}:{seconds % 60:02}"


def build_environment(env: Mapping[str, str], *, quick: bool) -> dict[str, str]:
    """Return what a build sees of its caller's environment, and its own flags.

    Here a quick build differs only in the compiler's options for speed and debuggers.
    """
    kept = {name: text for name, text in env.items() if name in PASSED_ON}
    flags = {"CFLAGS": "-O0 -g0"} if quick else {}
    return {**kept, **flags, "LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1"}


@contextlib.contextmanager
def install_atomically(staged_prefixes: Mapping[Path, Path]) -> Iterator[None]:
    """Put copies of folders in place for good if the block succeeds; else leave everything as it was.

    `staged_prefixes` names, for each prefix, the folder that becomes it. Each folder appears at once and
    complete: it is copied beside its prefix and renamed.
    """
    with contextlib.ExitStack() as undo:
        copies = {}
        for prefix, staged in staged_prefixes.items():
            _make_parents(prefix.parent, undo)
            copies[prefix] = prefix.with_name(f".{prefix.name}.new")
            undo.callback(shutil.rmtree, copies[prefix], ignore_errors=True)
            shutil.rmtree(copies[prefix], ignore_errors=True)
            shutil.copytree(staged, copies[prefix], symlinks=True)
        replaced = []
        for prefix, copy in copies.items():
            before = prefix.with_name(f".{prefix.name}.before")
            _restore(before, prefix)  # a run that was killed may have left it
            undo.callback(_restore, before, prefix)
            if prefix.exists():
                prefix.rename(before)
                replaced.append(before)
            undo.callback(shutil.rmtree, prefix, ignore_errors=True)
            copy.rename(prefix)
        yield
        undo.pop_all()
    for before in replaced:
        shutil.rmtree(before, ignore_errors=True)


def _restore(before: Path, prefix: Path) -> None:
    if before.exists():
        shutil.rmtree(prefix, ignore_errors=True)
        before.rename(prefix)


def _make_parents(folder: Path, undo: contextlib.ExitStack) -> None:
    """Make a folder and those above it, to be removed again if they are still empty."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir()
        undo.callback(_remove_empty, parent)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
