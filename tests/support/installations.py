"""Makes an installation of a real Python that a test may change: its own site-packages, all else by links."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def installation(python: Path, folder: Path) -> Path:
    """Make an installation of this Python in a folder; return its Python. Skips where links do not do."""
    script = "import os, sys; print(os.path.realpath(sys.prefix)); print(os.path.dirname(os.__file__))"
    # Its own start-up code may print something before.
    printed = subprocess.check_output([python, "-c", script], text=True)
    prefix, modules = map(Path, printed.split()[-2:])
    library = folder / "lib" / modules.name
    for place, source in ((folder, prefix), (folder / "lib", prefix / "lib"), (library, modules)):
        place.mkdir(parents=True)
        for one in source.iterdir():
            if one.name not in ("bin", "lib", library.name, "site-packages"):
                (place / one.name).symlink_to(one)
    (library / "site-packages").mkdir()
    made = folder / "bin" / python.name
    made.parent.mkdir()
    shutil.copy(python, made)
    done = subprocess.run(
        [made, "-c", "import ssl, sys; print(sys.prefix)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if done.stdout.strip() != str(folder):
        pytest.skip(f"{python} cannot be installed by links: one built as pyenv does enables this")
    return made


def site_packages(made: Path) -> Path:
    """Return an installation's own site-packages."""
    (folder,) = made.parent.parent.glob("lib/python*/site-packages")
    return folder
