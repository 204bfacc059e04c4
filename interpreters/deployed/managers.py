"""Tells by its files which tool manages a found environment: that tool is to change it, and no other."""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from interpreters.distributions import Distribution
    from interpreters.interpreter import Interpreter

PROJECT_LIMIT = 4096
"""Bytes that are read of the file in which pipenv names a project: a path has fewer."""


class Manager(enum.StrEnum):
    """Who installs into an environment."""

    PIP = "pip"
    UV = "uv"
    """An environment without pip, as uv makes them."""
    PIPX = "pipx"
    UV_TOOL = "uv tool"
    UV_PROJECT = "uv project"
    POETRY = "poetry"
    PDM = "pdm"
    PIPENV = "pipenv"
    HATCH = "hatch"
    CONDA = "conda"
    SYSTEM = "the system's package manager"
    ZIPAPP = "zipapp"
    """Nobody: the file is built again."""


@dataclass(frozen=True)
class Management:
    """Which tool manages an environment, and of what."""

    manager: Manager
    name: str = ""
    """The application of pipx or `uv tool`, or the folder of the project; empty where nothing says so."""


LOCKS = {
    "poetry.lock": Manager.POETRY,
    "pdm.lock": Manager.PDM,
    "Pipfile.lock": Manager.PIPENV,
    "uv.lock": Manager.UV_PROJECT,
}
"""By the file beside a project's environment, the tool that writes that file."""

HOMES = {
    ("pypoetry", "virtualenvs"): Manager.POETRY,
    ("pdm", "venvs"): Manager.PDM,
    ("hatch", "env"): Manager.HATCH,
}
"""By two parts of an environment's path, the tool that keeps its environments there; source: their docs."""


def managed_by(interpreter: Interpreter, distributions: Iterable[Distribution]) -> Management:
    """Return who installs into an interpreter's environment, by what is there; raises nothing for files."""
    folder = Path(interpreter.environment)
    if folder.is_file():
        return Management(Manager.ZIPAPP)
    if (folder / "pipx_metadata.json").exists():
        return Management(Manager.PIPX, folder.name)
    if (folder / "uv-receipt.toml").exists():
        return Management(Manager.UV_TOOL, folder.name)
    if (folder / "conda-meta").is_dir():
        return Management(Manager.CONDA)
    if not (folder / "pyvenv.cfg").exists() and _is_externally_managed(interpreter.search_path):
        return Management(Manager.SYSTEM)
    return _of_a_project(folder) or _by_its_contents(distributions)


def _is_externally_managed(search_path: Iterable[str]) -> bool:
    """Whether nothing but the system's package manager may install for this interpreter: PEP 668.

    Debian 11 and older have no such file; what is in dist-packages came with their packages all the same.
    """
    places = [Path(place) for place in search_path]
    return any((place / "EXTERNALLY-MANAGED").exists() for place in places) or any(
        place.name == "dist-packages" and place.is_relative_to("/usr/lib") for place in places
    )


def _of_a_project(folder: Path) -> Management | None:
    """Return which tool keeps an environment for a project; None if none is known."""
    parts = folder.parts
    for (first, second), manager in HOMES.items():
        if any(pair == (first, second) for pair in itertools.pairwise(parts)):
            return Management(manager)
    if project := _pipenvs_project(folder / ".project"):
        return Management(Manager.PIPENV, project)
    for name, manager in LOCKS.items():
        if (folder.parent / name).exists():
            return Management(manager, str(folder.parent))
    return None


def _pipenvs_project(file: Path) -> str:
    """Return the project that pipenv made an environment for, as it notes in the environment."""
    try:
        if not file.is_file():
            return ""
        with file.open("rb") as opened:
            return opened.read(PROJECT_LIMIT).decode(errors="surrogateescape").strip()
    except OSError:
        return ""


def _by_its_contents(distributions: Iterable[Distribution]) -> Management:
    has_pip = any(distribution.name == "pip" for distribution in distributions)
    return Management(Manager.PIP if has_pip else Manager.UV)
