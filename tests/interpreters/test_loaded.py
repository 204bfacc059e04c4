"""What a Python loads at every start is found by the layout, in an interpreter and in an environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from interpreters.identify import IdentifyError, identify
from interpreters.loaded import loaded_by, start_up_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter of made-up files, of which only the start-up ones matter."""
    files = (
        *("bin/python3.9", "lib/python3.9/os.py", "lib/python3.9/encodings/utf_8.py", "lib/python3.8/os.py"),
        *("lib/python3/dist-packages/a.pth", "lib/python3.9/site-packages/sitecustomize/__init__.py"),
        *("lib/python3.9/site-packages/urllib3/__init__.py", "lib/python3.9/json/decoder.py"),
    )
    for name in files:
        path = tmp_path / "base" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o755)
    return tmp_path / "base" / "bin" / "python3.9"


def test_what_every_start_loads_is_given(python: Path) -> None:
    """The library of its own version and start-up code are given, and neither packages nor other versions."""
    base = f"{python.parent.parent}/lib"
    found = set(loaded_by(python))
    assert found >= {
        f"{base}/python3.9",
        f"{base}/python3.9/os.py",
        f"{base}/python3.9/encodings/utf_8.py",
        f"{base}/python3.9/site-packages",
        f"{base}/python3.9/site-packages/sitecustomize/__init__.py",
        f"{base}/python3/dist-packages/a.pth",
    }
    assert not [path for path in found if "3.8" in path or "urllib3/" in path or "decoder" in path]


def test_an_environment_loads_from_two_places(python: Path, tmp_path: Path) -> None:
    """Of an environment its settings and packages count, and the library that it leads to."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(python)
    packages = venv / "lib" / "python3.9" / "site-packages"
    packages.mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    (packages / "usercustomize.py").touch()
    found = set(loaded_by(venv / "bin" / "python"))
    library = str(python.parent.parent / "lib" / "python3.9" / "os.py")
    assert found >= {str(venv / "pyvenv.cfg"), str(packages / "usercustomize.py"), library}
    assert list(start_up_files(str(tmp_path / "nowhere"))) == []


@pytest.mark.parametrize("name", ["os.py", "site-packages", "site-packages/theirs.pth", "encodings/utf_8.py"])
def test_root_starts_nothing_whose_start_up_others_could_change(
    python: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """An interpreter of root's is not even asked what it is where somebody else may change what it loads."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("interpreters.owners.SYSTEM", tmp_path)  # whoever runs the tests is trusted
    path = python.parent.parent / "lib" / "python3.9" / name
    if not path.exists():
        path.touch()
    path.chmod(0o777)
    python.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    with pytest.raises(IdentifyError, match="not started as root"):
        identify(python, os.environ)
    assert not (tmp_path / "ran").exists()
