"""Makes copies of an interpreter and of an environment, which share the files that are the same in each."""

from __future__ import annotations

import os
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
    """Return the Python of a copy of an environment: the same files under further names, as uv installs."""
    shutil.copytree(environment, place, symlinks=True, copy_function=os.link)
    return place / "bin" / "python"
