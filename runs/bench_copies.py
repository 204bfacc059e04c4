"""Makes copies of an interpreter and of an environment, of links to all that is the same in each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from interpreters.interpreter import Interpreter


def copyable(interpreters: Sequence[Interpreter]) -> Interpreter | None:
    """Return the newest interpreter that has a folder of its own; None if each is the system's."""
    own = [each for each in interpreters if Path(each.path).parent.name == "bin" and each.source != "system"]
    return own[-1] if own else None


def copy_interpreter(python: Path, folder: Path, number: int) -> Path:
    """Return a copy of an interpreter, of which the executable is a file of its own.

    A Python looks for its library from where its executable is: there is a link to it.
    """
    place = folder / f"copy_{number}"
    (place / "bin").mkdir(parents=True)
    copied = place / "bin" / python.name
    try:
        copied.hardlink_to(python)
    except OSError:  # another file system, or somebody else's file
        shutil.copy2(python, copied)
    for library in ("lib", "lib64"):
        if (python.parents[1] / library).is_dir():
            (place / library).symlink_to(python.parents[1] / library)
    return copied


def copy_environment(environment: Path, place: Path) -> Path:
    """Return the Python of a copy of an environment, of which only the folders are its own."""
    (place / "bin").mkdir(parents=True)
    shutil.copy2(environment / "pyvenv.cfg", place)
    for python in environment.glob("bin/python*"):
        (place / "bin" / python.name).symlink_to(python.readlink())
    for packages in environment.glob("lib/python*/site-packages"):
        own = place / packages.relative_to(environment)
        own.mkdir(parents=True)
        for package in packages.iterdir():
            (own / package.name).symlink_to(package)
    return place / "bin" / "python"
