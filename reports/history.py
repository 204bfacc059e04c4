"""The runs that are kept: which there are, which two a person means, and how earlier ones stood."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from interpreters.errors import FloorError
from reports.files import HISTORY, LATEST, REPORTS, published
from reports.formats.records import RecordError, read_summary
from reports.verdicts.matrix import Past

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.verdicts.observations import Run, RunRequest

DOCUMENT, SUMMARY = "matrix.json", "run.json"

MOST_PAST = 29
"""Earlier runs that a trend shows: with the newest one a month of nights."""


class NoRunError(FloorError):
    """There is no such run to compare; the message says which there are."""


def kept_runs(reports: Path = REPORTS) -> list[Path]:
    """Return the folders of the complete runs in the order of their publishing, the oldest first."""
    return published(reports / HISTORY)


def past_runs(run: Run, reports: Path = REPORTS) -> tuple[Past, ...]:
    """Return the kept runs that asked the same of the same machine as this one, oldest first.

    Only summaries are read; one that is broken, or of another version, is as good as none.
    """
    found: list[Past] = []
    for folder in reversed(kept_runs(reports)):
        try:
            other, standings, found_there = read_summary(folder / SUMMARY)
        except RecordError:
            continue
        if (other.host, _question(other.asked)) == (run.host, _question(run.asked)):
            found.append(Past(other.run_id, other.ended, standings, found_there))
        if len(found) == MOST_PAST:
            break
    return tuple(reversed(found))


def _question(request: RunRequest) -> RunRequest:
    """Return that part of what was asked which decides what can be counted, and against what."""
    given = tuple(replace(interpreter, real="") for interpreter in request.interpreters)
    # Which clients there are in environments as found is of the tool, unless they are those of `clients`.
    return replace(
        request,
        conditions=request.conditions[:1],
        interpreters=given,
        botocore="",
        urllib3="",
        found_clients=(),
    )


def choose(words: Sequence[str], here: Path, reports: Path = REPORTS) -> tuple[Path, Path]:
    """Return the documents of the two runs that these words mean, the older first.

    Two words are both runs, one is the older, and none means the last two; each is a run's id, its
    folder, or its matrix.json, relative to `here`. Raises NoRunError where there is no such run.
    """
    if len(words) > 2:  # noqa: PLR2004
        msg = f"there are {len(words)} runs to compare, {' '.join(words)}: give two, the older first"
        raise NoRunError(msg)
    named = [find_run(word, here, reports) for word in words]
    if len(named) == 2:  # noqa: PLR2004
        return named[0], named[1]
    kept = [folder / DOCUMENT for folder in kept_runs(reports) if (folder / DOCUMENT).is_file()]
    latest = reports / LATEST / DOCUMENT
    newest = latest.resolve() if latest.is_file() else None
    before = [path for path in kept if path.resolve() != newest]
    if newest is None or (not named and not before):
        msg = f"it takes two runs to compare, and {_there_are(reports)}: run nox -s matrix"
        raise NoRunError(msg)
    older = named[0] if named else before[-1]
    if older.resolve() == newest:
        msg = f"{words[0]} is the latest run itself, and {_there_are(reports)}: name another"
        raise NoRunError(msg)
    return older, newest


def latest_run(reports: Path = REPORTS) -> Path:
    """Return the folder of the latest run; raises NoRunError where nothing was measured yet."""
    latest = reports / LATEST
    if not (latest / DOCUMENT).is_file():
        msg = f"there is no report in {latest}: run nox -s matrix first"
        raise NoRunError(msg)
    return latest.resolve()


def find_run(word: str, here: Path, reports: Path = REPORTS) -> Path:
    """Return the matrix.json of the run that a word means; raises NoRunError where there is none."""
    places = [here / word, reports / word, reports / HISTORY / word]
    for place in places:
        if place.is_file():
            return place
        if (place / DOCUMENT).is_file():
            return place / DOCUMENT
    msg = f"there is no run {word!r}, and {_there_are(reports)}: give an id, a folder or a {DOCUMENT}"
    raise NoRunError(msg)


def _there_are(reports: Path) -> str:
    names = [folder.name for folder in kept_runs(reports) if (folder / DOCUMENT).is_file()]
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(names) or 'none'}"
