"""Looks into a place: which Pythons and environments are there, and what the place is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from interpreters.clients import PROBES
from interpreters.deployed.bundles import LOCATIONS, BundleFacts, bundles_there
from interpreters.deployed.found import read_found
from interpreters.identify import IdentifyError, answer_there
from interpreters.interpreter import PROGRAM, program_id
from interpreters.locate import PATH, Candidate, interpreter_id, label_of, unique, way_id
from interpreters.locations import EXECUTABLE, SearchedLocation, Status, is_interpreter_name, read_locations
from interpreters.places import CHOICE, CHOOSER, NO_PYTHON, Passenger, Place, PlaceError, identity_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from interpreters.programs import Program

SCRIPT = PROBES / "discover.py"
MARK = "TLS-FLOOR-FOUND "

LOOK_LIMIT = 60.0
"""Seconds that looking for Pythons may take."""

MOST = 1000
"""Interpreters, and environments, that are taken of a place: it may name any number."""

MOST_WAYS = 20
"""Pythons by which one environment may be entered."""

NO_SHELL = re.compile(
    r"\bsh\b.{0,80}(not found|no such file)|executable file .{0,40}not found", re.IGNORECASE
)
"""Words of a command that found no shell in the place."""


@dataclass(frozen=True)
class VisitedPlace:
    """A place that was entered, and what is there."""

    place: Place
    candidates: tuple[Candidate, ...]
    """Each is measured as it is: nothing is installed there."""
    looked: tuple[SearchedLocation, ...]
    environments_looked: tuple[SearchedLocation, ...]
    distribution: str
    architecture: str
    user: str
    variables: Mapping[str, str]
    """Of those that were asked for, the ones that are set there."""
    python: Path | None = None
    """Which Python answered; None where it does not say."""
    identity: str = ""
    """As `identity_of` has it, which asks nobody in the place."""


def visit(
    ways: Sequence[Place], variables: Sequence[str] = (), programs: Sequence[Program] = ()
) -> VisitedPlace:
    """Enter a place by the first way through which a Python answers, and look for these programs there too.

    Raises PlaceError, with the reason for each way, where none does.
    """
    problems = []
    for place in ways:
        try:
            facts = _answer(place, variables, programs)
            visited = _read(place, facts, [program.id for program in programs])
            return replace(visited, identity=identity_of(place))
        except IdentifyError as error:
            problems.append(str(error))
            if NO_PYTHON in str(error):
                break
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"what it says of itself makes no sense: {str(error)[:200]}")
    raise PlaceError("; ".join(dict.fromkeys(problems)))


def _answer(place: Place, variables: Sequence[str], programs: Sequence[Program]) -> dict[str, Any]:
    """Return what the place says; a shell there chooses the Python, or we do, where there is no shell."""
    sources, found = read_locations(), read_found()
    patterns = [pattern for source in (*sources, *found) for pattern in (*source.folders, *source.lists)]
    wanted = {
        "interpreters": [(source.id, pattern) for source in sources for pattern in source.folders],
        "lists": [(source.id, pattern) for source in sources for pattern in source.lists],
        "environments": [(source.id, pattern) for source in found for pattern in source.folders],
        "programs": [(program.id, program.command) for program in programs],
        "zipapps": [folder for source in read_locations(LOCATIONS) for folder in source.folders],
        "names": EXECUTABLE.pattern,
        "variables": list(variables),
    }
    named = {pattern[1:].partition("/")[0] for pattern in patterns if pattern.startswith("$")} - {"PWD"}
    first = Passenger(
        None,
        (SCRIPT, "{folder}/locations.json"),
        {"locations.json": json.dumps(wanted)},
        limit=LOOK_LIMIT,
        keep=(*sorted(named), *variables),
        start=("sh", "-c", CHOOSER, "sh"),
    )
    try:
        return answer_there(place, first, MARK)
    except IdentifyError as error:
        if NO_PYTHON in str(error) or not NO_SHELL.search(str(error)):
            raise
    problem = IdentifyError(f"{NO_PYTHON} {', '.join(CHOICE)}")
    for name in CHOICE:
        try:
            return answer_there(place, replace(first, start=(name, "-c")), MARK)
        except IdentifyError as error:
            problem = problem if _is_absent(str(error)) else error
    raise problem


def _is_absent(problem: str) -> bool:
    """Whether a problem says no more than that there is no such file to start."""
    return (
        re.search(r"before a Python answered.*(not found|no such file)", problem, re.IGNORECASE) is not None
    )


def _read(place: Place, facts: Mapping[str, Any], programs: Sequence[str]) -> VisitedPlace:
    """Check what a place says; raises KeyError, TypeError or ValueError for what makes no sense."""
    variables = {_text(name): _text(value) for name, value in dict(facts["variables"]).items()}
    return VisitedPlace(
        place,
        (
            *unique(
                [*_interpreters(place, facts["interpreters"]), *_environments(place, facts["environments"])]
            ),
            *bundles_there(place, map(_bundle, facts["zipapps"][:MOST])),
            *_programs(place, facts["programs"], programs),
        ),
        (*map(_looked, facts["looked"]), *_beyond(facts["interpreters"])),
        (
            *map(_looked, facts["environments_looked"]),
            *_beyond(facts["environments"]),
            *_beyond(facts["zipapps"]),
        ),
        _text(facts["distribution"]),
        _text(facts["architecture"]),
        _text(facts["user"]),
        variables,
        _path(facts["python"]) if facts["python"] else None,
    )


def _interpreters(place: Place, found: Sequence[Mapping[str, Any]]) -> Iterator[Candidate]:
    """Give each interpreter, with its own packages as they are."""
    known = {source.id: source for source in (*read_locations(), PATH)}
    for each in found[:MOST]:
        source, path = known[_text(each["source"])], _path(each["path"])
        refused = _text(each["refused"])
        yield Candidate(
            interpreter_id(source, path), source.id, path, refused, given=True, place=place, site=True
        )


def _environments(place: Place, found: Sequence[Mapping[str, Any]]) -> Iterator[Candidate]:
    """Give each virtual environment."""
    known = {source.id for source in (*read_found(), PATH)}
    for each in found[:MOST]:
        folder, source = _path(each["path"]), _text(each["source"])
        if source not in known:
            msg = f"no source of environments is {source!r}"
            raise ValueError(msg)
        refused, names = _text(each["refused"]), [*map(_text, each["pythons"])]
        if not names or len(names) > MOST_WAYS or not all(map(is_interpreter_name, names)):
            msg = f"no environment is entered by {names[:MOST_WAYS]}"
            raise ValueError(msg)
        for number, python in enumerate(names):
            name = way_id(label_of(folder), python if number else "")
            path = folder / "bin" / python
            yield Candidate(name, source, path, refused, given=True, environment=folder, place=place)


def _programs(place: Place, found: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterator[Candidate]:
    """Give each program that was asked for."""
    there = {_text(each["source"]): each for each in found}
    if strange := sorted(there.keys() - set(names)):
        msg = f"nobody asked for a program {strange[0]!r}"
        raise ValueError(msg)
    for name in (name for name in names if name in there):
        path, refused = _path(there[name]["path"]), _text(there[name]["refused"])
        yield Candidate(program_id(name), PROGRAM, path, refused, place=place)


def _bundle(facts: Mapping[str, Any]) -> BundleFacts:
    """Return what a place says of a zipapp."""
    return BundleFacts(
        _path(facts["path"]),
        _text(facts["line"]),
        frozenset(map(_text, facts["members"])),
        {_text(word): _path(path) for word, path in dict(facts["commands"]).items()},
        _text(facts["refused"]),
    )


def _beyond(found: Sequence[object]) -> Iterator[SearchedLocation]:
    """Say that a place names more than are taken of it, which our own script there would not do."""
    if len(found) > MOST:
        yield SearchedLocation("all of the place", "unreadable", f"it names {len(found)}, more than {MOST}")


def _looked(facts: Sequence[Any]) -> SearchedLocation:
    name, status, reason = map(_text, facts)
    for known in get_args(Status):
        if status == known:
            return SearchedLocation(name, known, reason)
    msg = f"{status!r} is no status of a location"
    raise ValueError(msg)


def _path(value: object) -> Path:
    if (path := Path(_text(value))).is_absolute():
        return path
    msg = f"{value!r} is no absolute path"
    raise ValueError(msg)


def _text(value: object) -> str:
    if isinstance(value, str) and "\0" not in value:
        return value
    msg = f"{value!r} where a text should be"
    raise TypeError(msg)
