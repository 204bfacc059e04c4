"""Remembers what files had in them that processes read, so that a change of owner or mode alone is none.

The status of a file (since.py) changes with its owner too, as by `chown -R`. What it had in it when a process
began is known where a run looked at it since then, and its status had not changed by that time. The time of
its content and its inode count too: what was edited and put back may have been read in between.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.atomic import write_atomically
from interpreters.describe import read_at_start
from interpreters.distributions import METADATA
from interpreters.regular import read_regular
from interpreters.since import LAG, began_at, changed_at, deciding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from interpreters.interpreter import RunningProcess
    from interpreters.prepared import Prepared

KEPT = 8
"""Looks that are kept of a file: each that found it changed."""

AGE = 90 * 24 * 3600.0
"""Seconds after which a look is forgotten."""

FILE_LIMIT = 16 << 20
"""Bytes of a file that is looked into."""


@dataclass(frozen=True)
class Look:
    """What was behind a path when it was looked at."""

    changed: float
    """When its status had changed last, since the epoch."""
    seen: float
    """When it was looked at."""
    content: str
    """A hash over what it had in it, where it was, and since when."""

    def tells(self, began: float) -> bool:
        """Whether this is what a process found that began then: no change between that and the look."""
        return self.changed < began - LAG and began <= self.seen


def unaltered(prepared: Sequence[Prepared], env: Mapping[str, str], memory: Path) -> tuple[Prepared, ...]:
    """Return the same, whose processes do not name what has in it what it had when they began.

    `memory` is the file of our cache where looks are kept; `env` is what all are run in.
    """
    if not any(each.interpreter.processes for each in prepared):
        return tuple(prepared)
    known = _read(memory)
    kept = tuple(_judged(each, env, known) for each in prepared)
    with contextlib.suppress(OSError):
        texts = {path: [[look.changed, look.seen, look.content] for look in known[path]] for path in known}
        write_atomically(memory, json.dumps(texts))
    return kept


def _judged(prepared: Prepared, env: Mapping[str, str], known: dict[str, list[Look]]) -> Prepared:
    interpreter = prepared.interpreter
    if not interpreter.processes:
        return prepared
    environment = interpreter.environment
    read = read_at_start(interpreter, prepared.variables(env))
    looks = {
        **{path: _look(path, _itself) for path in map(str, Path(environment).parents)},
        **{path: _look(path, _told) for path in deciding(environment, read, interpreter.search_path)},
    }
    now = {path: look for path, look in looks.items() if look}

    def same(process: RunningProcess, path: str) -> bool:
        began, before = began_at(process), known.get(path, ())
        return path in now and any(look.tells(began) and look.content == now[path].content for look in before)

    processes = tuple(
        replace(each, replaced=tuple(path for path in each.replaced if not same(each, path)))
        for each in interpreter.processes
    )
    for path, look in now.items():
        _note(known.setdefault(path, []), look)
    return replace(prepared, interpreter=replace(interpreter, processes=processes))


def _note(looks: list[Look], look: Look) -> None:
    """Add a look; of one that found the same as the last it is enough to know until when."""
    if looks and (looks[-1].changed, looks[-1].content) == (look.changed, look.content):
        looks.pop()
    looks.append(look)
    del looks[:-KEPT]


def _look(path: str, describe: Callable[[Path], Iterable[str]]) -> Look | None:
    """Look at a path; None where it cannot be told what it has in it."""
    seen, changed = time.time(), changed_at(path)
    try:
        content = "\0".join(describe(Path(path)))
    except (OSError, ValueError):
        return None
    # What changes as it is looked at is not known.
    if not changed or changed_at(path) != changed:
        return None
    return Look(changed, seen, hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest())


def _itself(path: Path) -> Iterator[str]:
    """Give what tells a folder from another one of its name; raises OSError."""
    facts = path.lstat()
    yield f"{stat.S_IFMT(facts.st_mode)} {facts.st_dev} {facts.st_ino}"


def _told(path: Path) -> Iterator[str]:
    """Give what tells one content of a path from another one; raises OSError."""
    yield from _itself(path)
    facts = path.lstat()
    yield str(facts.st_mtime_ns)
    if stat.S_ISLNK(facts.st_mode):
        yield str(path.readlink())
        end = Path(os.path.realpath(path))
        yield from _told(end) if end.is_file() else [str(end)]
    elif stat.S_ISDIR(facts.st_mode):
        yield from sorted(entry.name for entry in path.iterdir())
        for name in (*METADATA.values(), "RECORD"):
            if (path / name).is_file():
                yield hashlib.sha256(read_regular(path / name, FILE_LIMIT)).hexdigest()
    else:
        yield hashlib.sha256(read_regular(path, FILE_LIMIT)).hexdigest()


def _read(memory: Path) -> dict[str, list[Look]]:
    """Return the looks that are kept; none where they cannot be read."""
    try:
        stored = json.loads(read_regular(memory))
        found = {
            path: [Look(float(changed), float(seen), str(content)) for changed, seen, content in looks]
            for path, looks in stored.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    young = time.time() - AGE
    kept = {path: [look for look in looks if look.seen > young] for path, looks in found.items()}
    return {path: looks for path, looks in kept.items() if looks}
