"""Finds what the cache has that no run needs any more, and removes it: nothing but what runs made there."""

from __future__ import annotations

import contextlib
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.environments import FAILURE, PACKAGES, STAMP, packages_of
from interpreters.locks import BusyError, locked
from interpreters.scratch import PREFIXES, is_abandoned
from interpreters.ways import PYTHON
from runs.aging import is_old
from runs.campaign import COMPILED, COMPILED_AGE
from runs.kept_places import PLACES
from runs.unfinished import AGE_LIMIT, FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENVIRONMENTS, IDENTITIES = "environments", "identities"
"""Folders of the cache: for each interpreter its environments, and what it said of itself."""

TWO_DAYS = 2 * 24 * 3600.0
"""Seconds after which no environment comes to lead to packages: those of a day are shared on that day."""


@dataclass(frozen=True)
class Leftover:
    """A folder or file of the cache that no run needs, and why."""

    path: Path
    why: str
    size: int
    """Bytes, without what links lead to."""


def leftovers(cache: Path, now: float) -> tuple[Leftover, ...]:
    """Return what the cache has in vain, the largest first; nothing is looked for behind a link."""
    broken_off = _aged(cache / FOLDER, 1, AGE_LIMIT, now)
    found = [
        *((path, "its interpreter is gone") for path in _each(cache / ENVIRONMENTS, 2) if _is_orphan(path)),
        *((path, "no environment leads to it") for path in _unused(cache, now)),
        *((path, "a run that was killed left it") for path in _each(cache, 1) if _is_scratch(path)),
        *((path, "nobody used it for 30 days") for path in _aged(cache / COMPILED, 2, COMPILED_AGE, now)),
        *((path, "nobody used it for 30 days") for path in _aged(cache / IDENTITIES, 1, COMPILED_AGE, now)),
        *((path, "nobody went on with it for 7 days") for path in _aged(cache / PLACES, 1, AGE_LIMIT, now)),
        *((path, "nobody went on with it for 7 days") for path in broken_off if is_abandoned(path)),
    ]
    return tuple(
        sorted((Leftover(path, why, size_of(path)) for path, why in found), key=lambda rest: -rest.size)
    )


def clean(cache: Path, say: Callable[[str], None], *, dry_run: bool) -> int:
    """Remove what is left over, or only say what that would be; return how many bytes it takes.

    What a run uses stays.
    """
    freed = 0
    for rest in leftovers(cache, time.time()):
        sentence = f"{rest.path.relative_to(cache)} ({shown(rest.size)}): {rest.why}"
        if not dry_run and not _removed(rest.path):
            say(f"{sentence}, but a run uses it, or it cannot be removed: it stays")
            continue
        freed += rest.size
        say(sentence)
    return freed


def shown(size: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; a link is as long as its name."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            return sum(map(size_of, path.iterdir()))
        return path.lstat().st_size
    return 0


def _each(folder: Path, depth: int) -> Iterator[Path]:
    """Yield what is so deep below a folder, sorted; nothing where the way leads over a link."""
    if not stat.S_ISDIR(_mode(folder)):
        return
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if depth > 1:
                yield from _each(path, depth - 1)
            elif not path.is_symlink():
                yield path


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _is_orphan(folder: Path) -> bool:
    """Whether a folder is an environment that a run made, and its interpreter is not there any more.

    One that cannot be looked for may be there: on a disk that is not mounted now it would be missed.
    """
    if not any((folder / name).is_file() for name in (STAMP, FAILURE)):
        return False
    try:
        (folder / PYTHON).stat()
        _home(folder).stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _unused(cache: Path, now: float) -> Iterator[Path]:
    """Yield the folders of packages that no environment leads to: a new one may lead to those of today."""
    used = {path.resolve() for each in _each(cache / ENVIRONMENTS, 2) for path in packages_of(each)}
    yield from (path for path in _aged(cache / PACKAGES, 1, TWO_DAYS, now) if path.resolve() not in used)


def _home(folder: Path) -> Path:
    """Return the folder of an environment's interpreter (PEP 405); its own where it names none."""
    lines = (folder / "pyvenv.cfg").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    values = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    return Path(values.get("home") or folder)


def _is_scratch(path: Path) -> bool:
    return path.name.startswith(PREFIXES) and is_abandoned(path)


def _aged(folder: Path, depth: int, limit: float, now: float) -> Iterator[Path]:
    """Yield what is so deep below a folder and older than a limit; locks stay: see locks.py."""
    for path in _each(folder, depth):
        with contextlib.suppress(OSError):
            if not path.name.endswith(".lock") and is_old(path.lstat().st_mtime, limit, now):
                yield path


def _removed(path: Path) -> bool:
    """Remove a file or folder that no run uses; return whether it is gone."""
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink()
            return True
        # What has no lock beside it is no run's, or has a lock of its own: see scratch.py.
        shared = path.with_name(f".{path.name}.lock").exists()
        with locked(path, shared=False, limit=0.0) if shared else contextlib.nullcontext():
            shutil.rmtree(path)
    except (BusyError, OSError):
        return False
    return True
