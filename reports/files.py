"""Where reports live: each complete run in a folder of its own, and `latest` pointing to the newest."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.atomic import replacing, write_atomically
from interpreters.errors import FloorError
from interpreters.locks import locked
from interpreters.offspring import removed_if_killed
from interpreters.process_environment import RUN_ID
from interpreters.regular import open_regular, read_regular
from interpreters.scratch import in_use, is_abandoned
from reports.verdicts.scope import Begun

if TYPE_CHECKING:
    from collections.abc import Iterator


class PublishError(FloorError):
    """A report cannot be published; the message says why, and the remedy."""


REPORTS = Path(__file__).parent
LATEST = "latest"
HISTORY = "history"
SUMS = "SHA256SUMS"
"""Lists the hash of each file of a run, as sha256sum(1) writes and checks them."""

ORDER = "order"
"""The file, hidden in the folder of earlier runs, that has their names in the order of publishing."""
KEPT_RUNS = 20
"""Complete runs kept; the oldest are removed first."""


BEGUN = ".begun-"
"""Begins the name of the mark of a run that has not ended well, or not yet; its id follows."""


@contextlib.contextmanager
def begun(run_id: str, reports: Path = REPORTS, refusals: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Leave a mark in `reports` that a run began, which goes once the block has ended well.

    It goes with one of `refusals` too: a run that was refused for what it was asked never began.

    Whoever reads the report before would otherwise take it for the newest word on the machine. A lock on
    the mark, which ends with its process, tells a run that measures from one that broke off (flock(2)).
    """
    started, own = dt.datetime.now(dt.UTC), reports / f"{BEGUN}{run_id}"
    with own.open("w", encoding="utf-8") as mark:
        # Where a file system has no locks, a run on its way looks as if it had broken off.
        with contextlib.suppress(OSError):
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mark.write(started.isoformat())
        mark.flush()
        try:
            yield
        except refusals:
            own.unlink(missing_ok=True)
            raise
    # A complete run answers for those that began before it, too.
    for old in marks(reports):
        if not old.running and old.started <= started:
            (reports / f"{BEGUN}{old.run_id}").unlink(missing_ok=True)


def marks(reports: Path = REPORTS) -> tuple[Begun, ...]:
    """Return the runs that began and have published nothing, the oldest first."""
    found = []
    for path in reports.glob(f"{BEGUN}*"):
        with contextlib.suppress(FileNotFoundError), path.open(encoding="utf-8") as mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
                running = False
            except BlockingIOError:
                running = True
            except OSError:
                running = False
            started = _time(mark.read(), path)
            found.append(Begun(path.name.removeprefix(BEGUN), started, running))
    return tuple(sorted(found, key=lambda run: run.started))


def _time(text: str, path: Path) -> dt.datetime:
    """Return when a run began, as it wrote into its mark; when that was made, if it did not get so far."""
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)


def refuse_taken(run_id: str, reports: Path = REPORTS) -> None:
    """Raise PublishError where a run of this name was published: a second would be measured in vain."""
    if (final := reports / HISTORY / run_id).exists():
        msg = f"{final} is there already: give each run another {RUN_ID}, or none"
        raise PublishError(msg)


@contextlib.contextmanager
def publish(run_id: str, reports: Path = REPORTS, kept: int = KEPT_RUNS) -> Iterator[Path]:
    """Give a folder to write a run's files into; they are published if the block ends well.

    Nobody ever sees half a report: files are written aside, the folder is renamed once it is
    complete, and `latest` is switched in one step. If the block fails, the previous report stays.
    """
    history = reports / HISTORY
    history.mkdir(exist_ok=True)
    aside = history / f".{run_id}.{os.getpid()}"
    final = history / run_id
    refuse_taken(run_id, reports)
    aside.mkdir(mode=0o755)
    try:
        # Else whoever publishes meanwhile would take it for what a killed run left.
        with in_use(aside), removed_if_killed(aside):
            yield aside
            write_sums(aside)
            aside.rename(final)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    latest = reports / LATEST
    if latest.is_dir() and not latest.is_symlink():
        # Somebody's copy, in the place of our link: kept, out of the way.
        latest.rename(history / f"{run_id}-found-as-latest")
    with replacing(latest) as link:
        link.symlink_to(Path(HISTORY) / run_id)
    with locked(history / ORDER, shared=False):
        names = [path.name for path in published(history) if path != final]
        write_atomically(history / f".{ORDER}", "".join(f"{name}\n" for name in [*names, final.name]))
        _forget_oldest(history, kept, final)


def published(history: Path) -> list[Path]:
    """Return the folders of complete runs in the order in which they were published, the oldest first.

    Their names are times, and a clock that was set back names a run as if it were older. Those whose order
    is not known, as after they were copied here, are older than those with one, by name.
    """
    try:
        there = {path.name: path for path in sorted(history.iterdir()) if path.is_dir()}
    except OSError:
        return []
    try:
        known = (history / f".{ORDER}").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        known = []
    ordered = {name: there[name] for name in known if name in there}
    rest = [path for name, path in there.items() if name not in ordered]
    return [path for path in (*rest, *ordered.values()) if not path.name.startswith(".")]


def write_sums(folder: Path) -> None:
    """Write the hashes of all that a run's folder holds, so that a copy of it can be checked."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def sums_of(folder: Path) -> dict[str, str]:
    """Return the hash of each file of a run's folder, as SHA256SUMS has it; raises OSError or ValueError."""
    found: dict[str, str] = {}
    for line in read_regular(folder / SUMS).decode().splitlines():
        digest, gap, name = line.partition("  ")
        if not gap or name in found:
            msg = f"{SUMS} has a line that it should not have: {line}"
            raise ValueError(msg)
        found[name] = digest
    return found


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal; raises OSError as open_regular does."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _forget_oldest(history: Path, kept: int, newest: Path) -> None:
    """Remove the runs published first, but never the newest, and what killed runs left half-written."""
    # Only what publish wrote, which has the hashes: a folder of the user's own stays, and does not count.
    runs = [path for path in published(history) if path != newest and _is_ours(path)]
    aside = [path for path in history.iterdir() if path.name.startswith(".") and path.is_dir()]
    abandoned = [path for path in aside if is_abandoned(path)]
    for old in [*runs[: max(0, len(runs) + 1 - kept)], *abandoned]:
        shutil.rmtree(old, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    return not folder.is_symlink() and (folder / SUMS).is_file()


def link_problem(reports: Path = REPORTS) -> str:
    """Say which link leads out of the folder of reports, where nothing is written; empty if none does."""
    for name in (HISTORY, LATEST):
        path = reports / name
        if path.is_symlink() and not path.resolve().is_relative_to(reports.resolve()):
            return f"{path} is a link to {path.readlink()}, which is not below {reports}: remove the link"
    return ""
