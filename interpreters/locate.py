"""Finds every Python executable on this machine by looking at files only: nothing is run here."""

from __future__ import annotations

import contextlib
import fnmatch
import itertools
import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.errors import FloorError
from interpreters.interpreter import ENVIRONMENT
from interpreters.listing import some_of
from interpreters.loaded import start_up_files
from interpreters.locations import (
    InterpreterSource,
    Location,
    SearchedLocation,
    expand,
    is_interpreter_name,
    location_at,
    not_looked_at,
    read_locations,
)
from interpreters.owners import not_as_root
from interpreters.places import LOCAL, Place
from interpreters.ways import PYTHON, same_program, ways_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from interpreters.interpreter import RunningProcess
    from interpreters.search import SearchResult

PATH = InterpreterSource("path", ())
"""The source of interpreters that are in no location and were found on PATH."""

GIVEN = InterpreterSource("given", ())
"""The source of interpreters that are in no location and were given by the user."""

SEARCH = InterpreterSource("search", (), own=True)
"""The source of interpreters that are in no location and were found in a tree of the user's choice."""

CFG_LIMIT = 64 * 1024
"""Bytes that are read of a pyvenv.cfg; a real one has two hundred."""

COMMON = ("venv", "env", "virtualenv")
"""Common names of environments, which need the name of the folder around them."""

MOST_NAMED = 60
"""Ids that are named to somebody who asked for one that is not there."""

NAMED = 5
"""Users that are named; further users are only counted."""


@dataclass(frozen=True)
class Candidate:
    """A file that should be a Python: its id and path, and the reason if it must not be run."""

    id: str
    source: str
    path: Path
    """The real path, or the path of the link itself where it leads nowhere."""
    unavailable: str = ""
    """Why the file must not be run; empty if it may."""
    given: bool = field(default=False, compare=False)
    """Whether the user named the file; two candidates that differ in nothing else are equal."""
    environment: Path | None = None
    """The folder of the environment that this Python starts, to be measured as found."""
    words: tuple[str, ...] = ()
    """What stands between the Python and the script that it runs, such as the path of a zipapp."""
    variables: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    """The variables that the Python is started with, beside those that everything measured is run in; None
    for one of those that it is started without."""
    processes: tuple[RunningProcess, ...] = ()
    """Those that run so, where it was found by them."""
    place: Place = LOCAL
    """Where it is; its paths are paths there."""
    site: bool = False
    """Whether the packages of the interpreter's own are meant, to be measured as found."""

    @property
    def as_found(self) -> bool:
        """Whether nothing is made for it: what is measured is what is there."""
        return self.site or self.environment is not None


@dataclass(frozen=True)
class Discovery:
    """What was found on this machine, and where discovery looked, could not look, and found nothing."""

    candidates: tuple[Candidate, ...]
    looked: tuple[SearchedLocation, ...]


NOTHING = Discovery((), ())


class SelectionError(FloorError):
    """What the user asked for cannot be selected; the message says why and what there is."""


def locate(
    env: Mapping[str, str], given: Iterable[Path] = (), environments: Iterable[Path] = ()
) -> tuple[Candidate, ...]:
    """Return the candidates of `discover`."""
    return discover(env, given, environments=environments).candidates


def discover(
    env: Mapping[str, str],
    given: Iterable[Path] = (),
    searched: Sequence[SearchResult] = (),
    environments: Iterable[Path] = (),
) -> Discovery:
    """Return every candidate once, by real path, with ids that are unique and stable.

    `searched` are the trees of the user's own, searched already: see search.py. Of a virtual environment that
    was given, by its Python or as one of the folders `environments`, the path is its own Python, which leads
    elsewhere. Raises SelectionError for a given path where no file is, and TableError.
    """
    locations, looked = expand(read_locations(), env)
    executables, listed = _executables(locations, env)
    for tree in searched:
        executables += [(path, location_at(SEARCH, tree.folder)) for path in tree.executables]
        listed += tree.looked
    pythons = [leads_to(_existing(path)) for path in given]
    own = [*map(python_of, environments), *filter(_in_venv, pythons)]
    named = [path for path in pythons if not _in_venv(path)]
    candidates = [*_without_copies(_candidates(executables, locations, named)), *_environments(own)]
    return Discovery(unique(candidates), tuple(dict.fromkeys([*looked, *listed, *_left_out(env)])))


def _candidates(
    executables: Iterable[tuple[Path, Location | None]], locations: Sequence[Location], named: Sequence[Path]
) -> list[Candidate]:
    """Return one candidate for each real path; `named` are those that the user gave."""
    found = {real: _candidate(real, GIVEN) for real in named}
    for path, location in executables:
        real = Path(os.path.realpath(path))
        if os.path.islink(path) and not os.path.exists(real):
            found.setdefault(real, _candidate(*_home(path, locations, location), _broken(path)))
        elif os.path.isfile(real) and not _in_venv(real):
            candidate = _candidate(*_home(real, locations, location))
            known = found.get(real)
            if known is None or (known.source == GIVEN.id and candidate.source != PATH.id):
                # What discovery knows keeps the id that it has without --interpreter.
                found[real] = candidate
    return [replace(candidate, given=candidate.path in named) for candidate in found.values()]


def _existing(path: Path) -> Path:
    """Return a path that the user gave; raises SelectionError if there is no file."""
    if not (problem := _why_no_file(path, "no such file")):
        return path
    msg = f"--interpreter {str(path)!r}: {problem}; give the path of a Python executable"
    raise SelectionError(msg)


def _why_no_file(path: Path, absent: str) -> str:
    """Say why a path is not that of a file, `absent` where nothing is there; empty if it is."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "it is no file"
        return "" if os.access(path, os.X_OK) else "it is not executable"
    except (FileNotFoundError, NotADirectoryError):
        return absent
    except OSError as error:
        return (error.strerror or str(error)).lower()


def leads_to(path: Path) -> Path:
    """Return the path that a given Python is found under: where it leads, or the way into its environment."""
    itself = Path(os.path.abspath(path))
    real = Path(os.path.realpath(path))
    if not _in_venv(itself):
        return real
    ways = ((way, Path(os.path.realpath(way))) for way in ways_in(itself.parent.parent))
    return next((way for way, end in ways if end == real or same_program(end, real)), itself)


def python_of(folder: Path) -> Path:
    """Return the Python of an environment that the user gave; raises SelectionError for none."""
    python = ways_in(Path(os.path.abspath(folder)))[0]
    if not (problem := _why_no_file(python, f"there is no {PYTHON} in it")):
        return python
    msg = f"--environment {str(folder)!r}: {problem}; give the folder of an environment"
    raise SelectionError(msg)


def _environments(pythons: Iterable[Path]) -> list[Candidate]:
    """Return the environments of these Pythons, each in its folder `bin`, once, named after their folders.

    Where that name says nothing, or several have it, the folder around it is named too.
    """
    folders = {python.parent.parent: python for python in pythons}
    names = Counter(plain(folder.name) for folder in folders)
    found = []
    for folder in folders:
        label = label_of(folder, alone=names[plain(folder.name)] == 1)
        found += [replace(each, given=True) for each in environments_at(folder, label, GIVEN.id)]
    return found


def label_of(folder: Path, *, alone: bool = True) -> str:
    """Return what an environment is called in its id: its folder, and the one around that where it has to be.

    That is where many environments have the folder's name, or where this one is not alone with it.
    """
    telling = folder.name.strip(".") not in COMMON and alone
    return plain(folder.name if telling else f"{folder.parent.name}_{folder.name}")


def environments_at(
    folder: Path, label: str, source: str, refuse: Callable[[str | Path], str] | None = None
) -> Iterator[Candidate]:
    """Give the environment in a folder as a candidate for each way in, with the reason if it must not be run.

    The usual way has the label of the environment, and another one its own name behind that. Root starts it
    only if nobody else may change its Python, nor the packages that this loads: `refuse` says who may, as
    not_as_root does.
    """
    for number, python in enumerate(ways_in(folder)):
        name = way_id(label, python.name if number else "")
        yield Candidate(name, source, python, refusal_of(python, folder, refuse), environment=folder)


def way_id(label: str, name: str = "") -> str:
    """Return the id of an environment; `name` is that of its Python, if this is not the usual way in."""
    return f"{ENVIRONMENT}{label}_{plain(name)}" if name else f"{ENVIRONMENT}{label}"


def refusal_of(python: Path, folder: Path, refuse: Callable[[str | Path], str] | None = None) -> str:
    """Say why an environment must not be started by this Python; empty if it may."""
    if not os.path.exists(python):
        return _broken(python)
    if not os.access(python, os.X_OK):
        return f"{os.path.realpath(python)} is not executable"
    loaded = [str(python), str(folder), *_site_packages(folder)] if os.geteuid() == 0 else []
    return next(filter(None, map(refuse or not_as_root, loaded)), "")


def _site_packages(folder: Path) -> Iterator[str]:
    """Give an environment's settings, and its packages' folders with their start-up code."""
    if os.path.exists(f"{folder}/pyvenv.cfg"):
        yield f"{folder}/pyvenv.cfg"
    for name in ("lib", "lib64"):
        with contextlib.suppress(OSError):
            versions = os.listdir(folder / name)
            for each in versions:
                if each.startswith("py"):
                    yield from start_up_files(f"{folder}/{name}/{each}/site-packages")


def _left_out(env: Mapping[str, str]) -> list[SearchedLocation]:
    """Say whose homes were not looked at."""
    users = [home.user for home in not_looked_at(env)]
    if not users:
        return []
    who = f"{some_of(users, NAMED)}: only root looks there"
    return [SearchedLocation("homes of other users", "unreadable", who)]


def select(candidates: tuple[Candidate, ...], only: Iterable[str]) -> tuple[Candidate, ...]:
    """Return the candidates whose id matches any glob, all without globs; SelectionError for none."""
    globs = tuple(only)
    chosen = tuple(c for c in candidates if not globs or any(fnmatch.fnmatchcase(c.id, g) for g in globs))
    if globs and not chosen:
        known = some_of([c.id for c in candidates], MOST_NAMED) or "none at all"
        msg = f"--only {' '.join(globs)}: no interpreter has such an id; there are {known}"
        raise SelectionError(msg)
    return chosen


def _executables(
    locations: Iterable[Location], env: Mapping[str, str]
) -> tuple[list[tuple[Path, Location | None]], list[SearchedLocation]]:
    """Return the files that are called like an interpreter, with their locations, and the folders read."""
    # A folder of shims holds scripts that choose one of the versions found elsewhere.
    on_path = [Path(f) for f in env.get("PATH", "").split(os.pathsep) if f]
    on_path = [folder for folder in dict.fromkeys(on_path) if folder.name != "shims"]
    found: list[tuple[Path, Location | None]] = []
    looked = []
    for folder, location in _folders(locations, on_path).items():
        try:
            names = sorted(os.listdir(folder))
        except PermissionError:
            looked.append(SearchedLocation(str(folder), "unreadable", "permission denied"))
            continue
        except OSError:
            if folder in on_path:
                looked.append(SearchedLocation(str(folder), "absent", "on PATH"))
            continue
        if folder in on_path:
            looked.append(SearchedLocation(str(folder), "looked", "on PATH"))
        found += [(folder / name, location) for name in names if is_interpreter_name(name)]
    return found, looked


def _folders(locations: Iterable[Location], on_path: Iterable[Path]) -> dict[Path, Location | None]:
    """Return every folder to look in, once, with the location that it counts for; PATH is no location.

    A location whose source is `own`, such as a program's, gets only the folders that nothing else has.
    """
    folders: dict[Path, Location | None] = {}
    for first in locations:
        if not first.source.own:
            folders |= {folder: first for folder in first.folders if folder not in folders}
    folders |= {folder: None for folder in on_path if folder not in folders}
    for location in locations:
        folders |= {folder: location for folder in location.folders if folder not in folders}
    return folders


def _home(
    path: Path, locations: Iterable[Location], found_in: Location | None
) -> tuple[Path, InterpreterSource, str]:
    """Return a path with the source that it belongs to, and the user in whose home that is, if another's."""
    for location in locations:
        if not location.source.own and location.has(str(path)):
            return path, location.source, location.user
    if found_in and any(path.is_relative_to(os.path.realpath(folder)) for folder in found_in.folders):
        return path, found_in.source, found_in.user
    return path, PATH, ""


def _broken(link: Path) -> str:
    """Say why a link leads to nothing."""
    try:
        os.stat(link)
    except PermissionError:
        return f"{link} leads into a locked folder: {os.readlink(link)} cannot be looked at"
    except OSError:
        pass
    return f"{link} is a dangling link to {os.readlink(link)}"


def _in_venv(real: Path) -> bool:
    """Whether this is a venv's copy of another interpreter: its pyvenv.cfg has a home elsewhere (PEP 405).

    A stray pyvenv.cfg in an installation names no other home: then the interpreter itself says what it is.
    """
    homes = (_venvs_home(folder / "pyvenv.cfg") for folder in (real.parent, real.parent.parent))
    return any(home and os.path.realpath(home) != str(real.parent) for home in homes)


def _venvs_home(file: Path) -> str:
    """Return the folder that a pyvenv.cfg names as its base's; empty where it names none."""
    if not file.is_file():  # a pipe would never end
        return ""
    try:
        with file.open("rb") as opened:
            text = opened.read(CFG_LIMIT).decode(errors="surrogateescape")
    except OSError:
        return ""
    matched = re.search(r"^\s*home\s*=\s*(\S.*?)\s*$", text, re.MULTILINE | re.IGNORECASE)
    return matched[1] if matched else ""


def _without_copies(found: Iterable[Candidate]) -> list[Candidate]:
    """Keep one of the files in a folder that are the same program byte by byte.

    The file that was given is kept, else the file with the longest name. Scripts are all kept: what a
    script does may depend on its name.
    """
    kept: list[Candidate] = []
    for candidate in sorted(found, key=lambda c: (not c.given, -len(c.path.name), str(c.path))):
        if not any(same_program(candidate.path, other.path) for other in kept):
            kept.append(candidate)
    return kept


def _candidate(path: Path, source: InterpreterSource, user: str = "", unavailable: str = "") -> Candidate:
    return Candidate(interpreter_id(source, path, user), source.id, path, unavailable or _unavailable(path))


def interpreter_id(source: InterpreterSource, path: Path, user: str = "") -> str:
    """Return what an interpreter of a source at a path is called, in another user's home."""
    return "_".join((source.id, _label(source, path), *([plain(user)] if user else [])))


def _unavailable(path: Path) -> str:
    """Return why a file must not be run; empty if it may."""
    return not_as_root(path) if os.access(path, os.X_OK) else f"{path} is not executable"


def _label(source: InterpreterSource, path: Path) -> str:
    """Name an executable by the folder of its installation, or by itself in a shared folder."""
    own_folder = source.id not in ("system", "path") and path.parent.name == "bin"
    text = path.parent.parent.name if own_folder else path.name
    for expression in source.names if own_folder else ():
        if matched := re.search(expression, str(path)):
            text = "-".join(matched.groups(""))
            break
    if source.id == "uv":  # cpython-3.12.1-linux-x86_64-gnu
        text = "-".join(text.split("-")[:2])
    return plain(re.sub(r"^c?python(?=[-@]?\d)[-@]?", "", text.lower()))


def plain(text: str) -> str:
    """Return a text in the letters that an id may have."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:40] or "python"


def unique(candidates: Iterable[Candidate], taken: Iterable[str] = ()) -> tuple[Candidate, ...]:
    """Tell apart, by their executables' names or else by number, candidates that share an id.

    `taken` are ids that others have.
    """
    known = set(taken)
    result = []
    for candidate in sorted(candidates, key=lambda c: (_natural(c.id), str(c.path))):
        name = next(name for name in _names(candidate) if name not in known)
        known.add(name)
        result.append(replace(candidate, id=name))
    return tuple(result)


def _names(candidate: Candidate) -> Iterator[str]:
    """Give a candidate's id, and the ids that it may have where others have that."""
    yield candidate.id
    yield f"{candidate.id}_{_label(PATH, candidate.path)}"
    yield from (f"{candidate.id}_{number}" for number in itertools.count(2))


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """Return a sort key by which 3_9 comes before 3_10."""
    parts = re.split(r"(\d+)", text)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
