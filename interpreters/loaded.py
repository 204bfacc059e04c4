"""What a Python loads at every start, as files: whoever may change one of these decides what it runs."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

START_UP = re.compile(r".*\.pth|(site|user)customize(\.py)?", re.DOTALL)
"""The names in site-packages whose code runs at every start (site)."""

LIBRARY = ("", "__pycache__", "lib-dynload", "encodings", "encodings/__pycache__", "importlib", "collections")
"""The folders of the standard library from which every start loads something."""

PACKAGES = ("site-packages", "dist-packages")


def all_in(folder: str) -> Iterator[str]:
    """Give what lies in a folder; raises OSError where it cannot be listed."""
    return (os.path.join(folder, name) for name in os.listdir(folder))  # noqa: PTH118, PTH208


def loaded_by(python: Path, inside: Callable[[str], Iterable[str]] = all_in) -> Iterator[str]:
    """Give the files and folders that a Python loads at every start, as far as the layout tells.

    That is its library and its site-packages, where those are below the folder that has its bin, and where
    an environment leads to. What is not there is not given. Of a folder of which all counts `inside` gives
    what its caller wants, and may raise OSError.
    """
    real = os.path.realpath(python)
    for prefix in dict.fromkeys(map(_prefix, (str(python), real))):
        yield from _there(prefix, "pyvenv.cfg")
        for library in _libraries(prefix, os.path.basename(real)):  # noqa: PTH119  in text, as below
            for folder in LIBRARY:
                yield from _within(os.path.join(library, folder), inside)  # noqa: PTH118
            for packages in PACKAGES:
                yield from start_up_files(os.path.join(library, packages))  # noqa: PTH118


def start_up_files(packages: str) -> Iterator[str]:
    """Give a folder of packages, and what in the folder runs at every start, packages with their files."""
    for path in _within(packages):
        name = path.rpartition("/")[2]
        if path == packages or START_UP.fullmatch(name):
            yield from (path,) if path == packages else _within(path)


def _prefix(python: str) -> str:
    return os.path.dirname(os.path.dirname(python))  # noqa: PTH120


def _libraries(prefix: str, name: str) -> Iterator[str]:
    """Give the folders of a Python of this name: its version's, and Debian's for a whole major version."""
    version = re.fullmatch(r"python(\d+)(\.\d+)?\w*", name)
    own = {f"python{version[1]}", f"python{version[1]}{version[2] or ''}"} if version else set()
    for lib in ("lib", "lib64", "local/lib"):
        for path in _within(os.path.join(prefix, lib)):  # noqa: PTH118
            folder = path.rpartition("/")[2]
            if folder in own or (not own and folder.startswith("python")):
                yield path


def _within(folder: str, inside: Callable[[str], Iterable[str]] = all_in) -> Iterator[str]:
    """Give a file, or a folder and what lies in it; nothing where it is not there, or cannot be listed."""
    folder = folder.removesuffix("/")
    yield from _there(folder)
    with contextlib.suppress(OSError):
        yield from inside(folder)


def _there(*parts: str) -> Iterator[str]:
    path = os.path.join(*parts)  # noqa: PTH118
    if os.path.lexists(path):
        yield path
