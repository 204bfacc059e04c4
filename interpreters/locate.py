"""Finds every Python executable on this machine by looking at files only: nothing is run here."""

from __future__ import annotations

import fnmatch
import glob
import itertools
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PLACES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("pyenv", ("$PYENV_ROOT/versions/*/bin", "~/.pyenv/versions/*/bin")),
    (
        "uv",
        (
            "$UV_PYTHON_INSTALL_DIR/*/bin",
            "$XDG_DATA_HOME/uv/python/*/bin",
            "~/.local/share/uv/python/*/bin",
        ),
    ),
    ("asdf", ("$ASDF_DATA_DIR/installs/python/*/bin", "~/.asdf/installs/python/*/bin")),
    (
        "mise",
        (
            "$MISE_DATA_DIR/installs/python/*/bin",
            "$XDG_DATA_HOME/mise/installs/python/*/bin",
            "~/.local/share/mise/installs/python/*/bin",
        ),
    ),
    (
        "conda",
        tuple(
            f"{root}/{branch}"
            for root in (
                "$CONDA_ROOT",
                *(f"{home}/{name}" for home in ("~", "/opt") for name in ("*conda*", "*mamba*", "*forge*")),
            )
            for branch in ("bin", "envs/*/bin")
        ),
    ),
    (
        "homebrew",
        tuple(
            f"{root}/{branch}"
            for root in ("$HOMEBREW_PREFIX", "/opt/homebrew", "/home/linuxbrew/.linuxbrew")
            for branch in ("opt/python*/bin", "opt/pypy*/bin", "bin")
        ),
    ),
    (
        "opt",
        (
            "/opt/*/bin",
            "/opt/*/*/bin",
            # The tool cache of GitHub's and Azure's runners: Python/3.12.8/x64/bin.
            *(
                f"{root}/{tool}/*/*/bin"
                for root in ("$RUNNER_TOOL_CACHE", "$AGENT_TOOLSDIRECTORY", "/opt/hostedtoolcache")
                for tool in ("Python", "PyPy")
            ),
            # Where our own hardened builds go if /opt is not writable.
            "$XDG_DATA_HOME/tls-floor-matrix/*/bin",
            "~/.local/share/tls-floor-matrix/*/bin",
        ),
    ),
    ("system", ("/usr/bin", "/bin")),
    ("path", ("/usr/local/bin", "/usr/local/*/bin", "/Library/Frameworks/Python.framework/Versions/*/bin")),
)
"""Where each source keeps its executables, most telling first; `$NAME` counts only where it is set."""

SOURCES = (*(source for source, _ in PLACES), "given")
"""Every source that a candidate can have."""

EXECUTABLE = re.compile(r"(python|pypy)(\d(\.\d+)?)?t?d?")
"""The names that interpreters are installed under; python3-config and the like are none."""


TOOL_CACHE = re.compile(r".*/(Python|PyPy)/(\d[^/]*)/[^/-]+(?:-([^/]+))?")
"""An installation in such a cache: the folder of its architecture, with a flavour such as freethreaded."""


@dataclass(frozen=True)
class Candidate:
    """An executable that should be a Python: where it is, and what forbids running it."""

    id: str
    source: str
    path: Path
    """The real path, or the path of the link itself where it leads nowhere."""
    problem: str = ""


class SelectionError(ValueError):
    """What the user asked for cannot be selected; the message says why and what there is."""


def locate(environment: Mapping[str, str], given: Iterable[Path] = ()) -> tuple[Candidate, ...]:
    """Return every candidate once, by real path, with ids that are unique and stable.

    Raises SelectionError for a given path where no file is.
    """
    places = _places(environment)
    found: dict[Path, Candidate] = {}
    for path in given:
        if not os.path.isfile(path):
            msg = f"--interpreter {str(path)!r}: no such file; give the path of a Python executable"
            raise SelectionError(msg)
        real = Path(os.path.realpath(path))
        found.setdefault(real, _candidate("given", real))
    for path in _executables(places, environment):
        real = Path(os.path.realpath(path))
        if os.path.islink(path) and not os.path.exists(real):
            found.setdefault(real, _candidate(_source(path, places), path, _broken(path)))
        elif os.path.isfile(real) and not _in_venv(real):
            problem = "" if os.access(real, os.X_OK) else f"{real} is not executable"
            source = _source(real, places)
            known = found.get(real)
            if known is None or (known.source == "given" and source != "path"):
                # One that discovery knows keeps the id that it has without --interpreter.
                found[real] = _candidate(source, real, problem)
    return _unique(found.values())


def select(candidates: tuple[Candidate, ...], only: Iterable[str]) -> tuple[Candidate, ...]:
    """Return the candidates whose id matches any glob, all without globs; SelectionError for none."""
    globs = tuple(only)
    chosen = tuple(c for c in candidates if not globs or any(fnmatch.fnmatchcase(c.id, g) for g in globs))
    if globs and not chosen:
        known = ", ".join(c.id for c in candidates) or "none at all"
        msg = f"--only {' '.join(globs)}: no interpreter has such an id; there are {known}"
        raise SelectionError(msg)
    return chosen


@dataclass(frozen=True)
class _Place:
    """One pattern of PLACES on this machine: the folders it names, and all that lies under its root."""

    source: str
    folders: tuple[Path, ...]
    below: re.Pattern[str]


def _places(environment: Mapping[str, str]) -> list[_Place]:
    places = []
    for source, patterns in PLACES:
        for pattern in patterns:
            if literal := _resolve(pattern, environment):
                folders = tuple(Path(folder) for folder in sorted(glob.glob(literal)))
                # Real executables may lie deeper than the folder of links (Homebrew's Cellar).
                root = literal.removesuffix("/opt/python*/bin").removesuffix("/opt/pypy*/bin")
                below = re.compile(fnmatch.translate(f"{root}/*"))
                places.append(_Place(source, folders, below))
    return places


def _resolve(pattern: str, environment: Mapping[str, str]) -> str | None:
    """Fill in the leading variable or home folder; None where it is not set."""
    head, _, rest = pattern.partition("/")
    if head == "~":
        head = environment.get("HOME", "")
    elif head.startswith("$"):
        head = environment.get(head[1:], "")
    else:
        return pattern
    return f"{glob.escape(head.rstrip('/'))}/{rest}" if head else None


def _executables(places: Iterable[_Place], environment: Mapping[str, str]) -> Iterator[Path]:
    folders = [folder for place in places for folder in place.folders]
    # A folder of shims holds scripts that choose one of the versions found above.
    on_path = [Path(f) for f in environment.get("PATH", "").split(os.pathsep) if f]
    folders += [folder for folder in on_path if folder.name != "shims"]
    for folder in dict.fromkeys(folders):
        try:
            names = sorted(path.name for path in folder.iterdir())
        except OSError:
            continue
        yield from (folder / name for name in names if EXECUTABLE.fullmatch(name))


def _source(path: Path, places: Iterable[_Place]) -> str:
    """Return the source whose place this path lies in."""
    return next((place.source for place in places if place.below.match(str(path))), "path")


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
    """Whether this is a venv's copy of another interpreter (PEP 405)."""
    return any(os.path.exists(folder / "pyvenv.cfg") for folder in (real.parent, real.parent.parent))


def _candidate(source: str, path: Path, problem: str = "") -> Candidate:
    return Candidate(f"{source}_{_label(source, path)}", source, path, problem)


def _label(source: str, path: Path) -> str:
    """Name an executable by the folder of its installation, or by itself in a shared folder."""
    own_folder = source not in ("system", "path") and path.parent.name == "bin"
    text = path.parent.parent.name if own_folder else path.name
    if own_folder and (cached := TOOL_CACHE.fullmatch(str(path.parent.parent))):
        text = "-".join(cached.groups(""))
    if source == "uv":  # cpython-3.12.1-linux-x86_64-gnu
        text = "-".join(text.split("-")[:2])
    text = re.sub(r"^c?python(?=[-@]?\d)[-@]?", "", text.lower())
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_")[:40] or "python"


def _unique(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Tell apart, by their executables' names or else by number, candidates that share an id."""
    taken: set[str] = set()
    result = []
    for candidate in sorted(candidates, key=lambda c: (_natural(c.id), str(c.path))):
        own = f"{candidate.id}_{_label('path', candidate.path)}"
        numbered = (f"{candidate.id}_{number}" for number in itertools.count(2))
        name = next(n for n in itertools.chain((candidate.id, own), numbered) if n not in taken)
        taken.add(name)
        result.append(replace(candidate, id=name))
    return tuple(result)


def _natural(text: str) -> list[tuple[bool, int, str]]:
    """Return a sort key by which 3_9 comes before 3_10."""
    parts = re.split(r"(\d+)", text)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
