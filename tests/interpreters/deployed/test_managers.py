"""Managers: by which files it is told who installs into an environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from interpreters.deployed.managers import Management, Manager, managed_by
from interpreters.distributions import Distribution
from tests.support.builders import an_interpreter

if TYPE_CHECKING:
    from pathlib import Path

PIP = (Distribution("pip", "23.0.1"),)


def _managed(folder: Path, *, with_pip: bool = True, search_path: tuple[str, ...] = ()) -> Management:
    found = replace(an_interpreter(), environment=str(folder), search_path=search_path)
    return managed_by(found, PIP if with_pip else ())


@pytest.mark.parametrize(
    ("place", "files", "manager", "name"),
    [
        ("venvs/awscli", ["pipx_metadata.json", "pyvenv.cfg"], Manager.PIPX, "awscli"),
        ("uv/tools/awscli", ["uv-receipt.toml", "pyvenv.cfg"], Manager.UV_TOOL, "awscli"),
        ("envs/shop", ["conda-meta/history"], Manager.CONDA, ""),
        ("pypoetry/virtualenvs/shop-Xy-py3.9", ["pyvenv.cfg"], Manager.POETRY, ""),
        ("pdm/venvs/shop-Xy-3.9", ["pyvenv.cfg"], Manager.PDM, ""),
        ("hatch/env/virtual/shop/Xy/shop", ["pyvenv.cfg"], Manager.HATCH, ""),
        ("shop/.venv", ["pyvenv.cfg", "../poetry.lock"], Manager.POETRY, "shop"),
        ("shop/.venv", ["pyvenv.cfg", "../pdm.lock"], Manager.PDM, "shop"),
        ("shop/.venv", ["pyvenv.cfg", "../uv.lock"], Manager.UV_PROJECT, "shop"),
        ("shop/.venv", ["pyvenv.cfg", "../Pipfile.lock"], Manager.PIPENV, "shop"),
        ("shop/venv", ["pyvenv.cfg"], Manager.PIP, ""),
    ],
)
def test_the_files_of_each_tool(
    tmp_path: Path, place: str, files: list[str], manager: Manager, name: str
) -> None:
    """Each leaves files by which its environments are known, and by no others."""
    folder = tmp_path / place
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).resolve().parent.mkdir(exist_ok=True)
        (folder / file).resolve().touch()
    expected = str(tmp_path / name) if name == "shop" else name
    assert _managed(folder) == Management(manager, expected)


def test_pipenv_names_its_project(tmp_path: Path) -> None:
    """Its environments are in a folder for all; a file in each says of which project it is."""
    (tmp_path / ".project").write_text("/srv/shop\n")
    assert _managed(tmp_path) == Management(Manager.PIPENV, "/srv/shop")


def test_an_environment_without_pip_is_uvs(tmp_path: Path) -> None:
    """Where there is no pip, none can be asked to install."""
    assert _managed(tmp_path, with_pip=False) == Management(Manager.UV)


def test_a_file_is_built_again(tmp_path: Path) -> None:
    """Nothing is installed into a zipapp."""
    (tmp_path / "app.pyz").touch()
    assert _managed(tmp_path / "app.pyz") == Management(Manager.ZIPAPP)


def test_what_the_distribution_forbids(tmp_path: Path) -> None:
    """Beside an EXTERNALLY-MANAGED, or in Debian's dist-packages, pip has no business; in a venv it has."""
    library = tmp_path / "lib" / "python3.13"
    library.mkdir(parents=True)
    (library / "EXTERNALLY-MANAGED").touch()
    assert _managed(tmp_path, search_path=(str(library),)).manager is Manager.SYSTEM
    debians = ("/usr/lib/python3.9", "/usr/lib/python3/dist-packages")
    assert _managed(tmp_path, search_path=debians).manager is Manager.SYSTEM
    (tmp_path / "pyvenv.cfg").touch()
    assert _managed(tmp_path, search_path=(str(library),)).manager is Manager.PIP
