"""Keeps what each interpreter of this machine came to as soon as it is measured, so that a run can go on.

A run that breaks off, however that happens, leaves a folder in the cache, which its user alone can read. It
holds for one question: the same files of the tool, the same options, the same interpreters and packages.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import pickle
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.atomic import replacing, write_atomically
from interpreters.environments import STAMP
from interpreters.errors import FloorError
from interpreters.listing import some_of
from interpreters.locks import locked
from interpreters.scratch import in_use, is_abandoned
from runs.aging import is_old

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from interpreters.prepared import Prepared
    from runs.campaign import ProbedInterpreter
    from runs.measure import RunStart

AGE_LIMIT = 7 * 24 * 3600.0
"""Seconds after which nobody goes on with a run: the policy's own limit for a report."""

FOLDER = "unfinished"
"""The folder of the cache that has what runs came to before they broke off."""

QUESTION = "question.json"
"""The file that says for what it holds."""

MEASURED = ".measured"
"""How the name of a file with what one interpreter came to ends."""

NAMED = 5
"""Interpreters that a sentence names; it counts the rest."""


class ResumeError(FloorError):
    """There is no run to go on with; the message says why, and the remedy."""


@dataclass(frozen=True)
class Unfinished:
    """Where a run keeps what it came to, and what the run that it goes on with had measured."""

    folder: Path
    earlier: Mapping[str, tuple[str, ProbedInterpreter]] = field(default_factory=dict)
    """By id of an interpreter, when it was measured, and what it came to."""
    run_id: str = ""
    """The run that broke off; empty for a new one."""

    def keep(self, interpreter: str, probed: ProbedInterpreter) -> None:
        """Keep what an interpreter came to, whole or not at all; a full disk stops no measurement."""
        when = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        name = hashlib.sha256(interpreter.encode(errors="surrogateescape")).hexdigest()
        with contextlib.suppress(OSError), replacing(self.folder / f"{name}{MEASURED}") as aside:
            aside.write_bytes(pickle.dumps((interpreter, when, probed), pickle.HIGHEST_PROTOCOL))

    @property
    def times(self) -> list[str]:
        """When those were measured that were before, in UTC, the earliest first."""
        return sorted(when for when, _ in self.earlier.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """Say which interpreters were measured before, when, and by which run."""
        if not (times := self.times):
            return ()
        spans = times[0] if times[0] == times[-1] else f"{times[0]} to {times[-1]}"
        some = some_of(sorted(self.earlier), NAMED)
        went_on = f"This run went on with {self.run_id}, which broke off (--resume)"
        return (f"{went_on}. That one measured {some} ({spans}).",)


@contextlib.contextmanager
def unfinished(
    cache: Path, run_id: str, question: Mapping[str, Any], *, resume: bool
) -> Iterator[Unfinished]:
    """Keep what is measured while the block lasts; once it has ended well, nothing is kept any more.

    Raises ResumeError where the run is to go on with an earlier one, and there is none, or its question was
    another one.
    """
    everything = cache / FOLDER
    with contextlib.ExitStack() as held:
        # Else two commands could go on with the same run.
        with locked(everything, shared=False):
            everything.mkdir(exist_ok=True)
            left = _left(everything)
            kept = _resumed(left, question) if resume else _begun(everything / run_id, run_id, question)
            held.enter_context(in_use(kept.folder))
        yield kept
    # A complete run answers for those that broke off before it.
    for folder in {kept.folder, *left}:
        shutil.rmtree(folder, ignore_errors=True)


def _left(everything: Path) -> list[Path]:
    """Return what runs left that nobody holds, the newest first; what is too old goes."""
    found = []
    for folder in everything.iterdir():
        if not is_abandoned(folder):
            continue
        if is_old(folder.stat().st_mtime, AGE_LIMIT, time.time()):
            shutil.rmtree(folder, ignore_errors=True)
        elif (folder / QUESTION).is_file():
            found.append(folder)
    return sorted(found, key=lambda folder: folder.stat().st_mtime, reverse=True)


def _begun(folder: Path, run_id: str, question: Mapping[str, Any]) -> Unfinished:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    # Where the disk is full nobody can go on with the run, and that is all.
    with contextlib.suppress(OSError):
        write_atomically(folder / QUESTION, json.dumps({"run": run_id, **question}))
    return Unfinished(folder)


def _resumed(left: list[Path], question: Mapping[str, Any]) -> Unfinished:
    """Return the run that broke off last, if it was asked the same."""
    if not left:
        msg = "--resume: no run of the last week broke off here: run without --resume"
        raise ResumeError(msg)
    folder = left[0]
    try:
        before = json.loads((folder / QUESTION).read_text(encoding="utf-8"))
        run_id = str(before["run"])
        changed = [what for what in question if before.get(what) != json.loads(json.dumps(question[what]))]
        if not changed:
            return Unfinished(folder, dict(_read_all(folder)), run_id)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"--resume: what the run that broke off left cannot be read ({error}): run without --resume"
        raise ResumeError(msg) from error
    if "options" in changed:  # which decide for which interpreters
        changed = [what for what in changed if what != "interpreters"]
    names = " and ".join(f"{_which(what, before.get(what), question[what])}" for what in changed)
    msg = f"--resume: since {run_id} broke off, {names} changed: run without --resume"
    raise ResumeError(msg)


def _which(what: str, before: object, now: object) -> str:
    """Name what changed, and of several things which."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return f"the {what}"
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return f"the {what} ({some_of(names, NAMED)})"


def _read_all(folder: Path) -> Iterator[tuple[str, tuple[str, ProbedInterpreter]]]:
    for path in sorted(folder.glob(f"*{MEASURED}")):
        try:
            interpreter, when, probed = pickle.loads(path.read_bytes())  # noqa: S301  our own, in our own folder
        except Exception as error:  # whatever a file that is damaged may raise
            msg = f"{path.name}: {error}"
            raise ValueError(msg) from error
        yield interpreter, (when, probed)


def interpreters_of(start: RunStart) -> dict[str, str]:
    """Return, by id, a hash of what an interpreter is and what its clients are installed in; programs too."""
    programs = {each.interpreter.id: _hashed([repr(each)]) for each in start.programs}
    return {each.interpreter.id: _state(each) for each in start.prepared} | programs


def _state(prepared: Prepared) -> str:
    """Return a hash of an interpreter's build, configuration, and the folders of its packages."""
    made = [venv.python.parents[1] / STAMP for venv in prepared.venvs if venv.python]
    folders = [*map(Path, prepared.interpreter.search_path), *made]
    return _hashed([repr(prepared.interpreter), *(f"{path} {_written(path)}" for path in folders)])


def _hashed(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode(errors="surrogateescape")).hexdigest()


def _written(path: Path) -> str:
    """Return when something was last written; empty where that cannot be told."""
    with contextlib.suppress(OSError):
        return str(path.stat().st_mtime_ns)
    return ""
