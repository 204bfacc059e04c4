"""Tells by which Pythons an environment can be entered: those in its `bin` may start different ones."""

from __future__ import annotations

import contextlib
import filecmp
import os
from pathlib import Path

from interpreters.locations import is_interpreter_name

PYTHON = Path("bin", "python")
"""Where an environment has its Python (PEP 405, outside Windows)."""

SAME_LIMIT = 1 << 30
"""Bytes of an executable beyond which it is not compared with others: a sparse file can have any number."""


def ways_in(folder: Path) -> tuple[Path, ...]:
    """Return the Pythons of an environment that may start different ones; the usual path where there is none.

    The usual name comes first. Names that lead to one file are one way, and so are copies in one folder. A
    script is a way of its own: what it starts is known when it has been asked.
    """
    usual, there = folder / PYTHON, list[Path]()
    with contextlib.suppress(OSError):
        there = [path for path in usual.parent.iterdir() if is_interpreter_name(path.name)]
    ways: dict[Path, Path] = {}
    for path in sorted(there, key=lambda path: (path != usual, path.name)):
        real = Path(os.path.realpath(path))
        if _is_file(real) and not any(same_program(real, other) for other in ways):
            ways.setdefault(real, path)
    return tuple(ways.values()) or (usual,)


def _is_file(path: Path) -> bool:
    """Whether a file is there, as far as that can be told: nothing else can be started."""
    try:
        return path.is_file()
    except OSError:
        return False


def same_program(path: Path, other: Path) -> bool:
    """Whether two files of one folder are the same program byte by byte.

    What a script does may depend on its name. Of two folders neither is the other's copy: a program may load
    the library that lies beside it.
    """
    try:
        if path.parent != other.parent:
            return False
        size = path.stat().st_size
        if size > SAME_LIMIT or size != other.stat().st_size or not filecmp.cmp(path, other, shallow=False):
            return False
    except OSError:
        return False
    return not is_script(path)


def is_script(path: Path) -> bool:
    """Whether a file names what runs it: execve(2), interpreter scripts."""
    try:
        with path.open("rb") as opened:
            return opened.read(2) == b"#!"
    except OSError:
        return False
