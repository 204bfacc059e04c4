"""The script that looks for Pythons in a place tells of what it leaves out."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.deployed.visit import SCRIPT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module, which takes two of each kind."""
    spec = importlib.util.spec_from_file_location("discover", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "MOST", 2)
    return module


def test_interpreters_beyond_the_limit_are_told_of(script: Any, tmp_path: Path) -> None:
    """The folder whose Pythons are too many is named, and one that holds none more is not."""
    folders = [("opt", str(tmp_path / name)) for name in ("a", "b", "c")]
    for (_, folder), names in zip(folders, (["python2", "python3"], ["python3"], []), strict=True):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    looked: list[tuple[str, str, str]] = []
    assert len(script.executables(folders, re.compile("python[23]$"), looked)) == 2
    assert looked == [(folders[1][1], "unreadable", script.TOO_MANY)]


def test_environments_beyond_the_limit_are_told_of(script: Any, tmp_path: Path) -> None:
    """The pattern that names more environments than are taken is unreadable from there on."""
    for name in "abc":
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "python").touch(0o755)
        (tmp_path / name / "pyvenv.cfg").touch()
    looked: list[tuple[str, str, str]] = []
    pattern = str(tmp_path / "*")
    assert len(script.environments({"environments": [("srv", pattern)]}, [], looked)) == 2
    assert looked[:2] == [(pattern, "looked", ""), (pattern, "unreadable", script.TOO_MANY)]


def test_programs_are_found_as_a_shell_would(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first on PATH that can be run counts, and a path is itself; what is not there is not named."""
    for name, mode in (("a", 0o644), ("b", 0o755), ("c", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tool").touch(mode)
    monkeypatch.setenv("PATH", f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/c")
    monkeypatch.setattr(script, "refused", lambda paths: "")
    wanted = [("one", "tool"), ("other", str(tmp_path / "c" / "tool")), ("none", "gone")]
    found = [(each["source"], each["path"]) for each in script.programs(wanted)]
    assert found == [("one", f"{tmp_path}/b/tool"), ("other", f"{tmp_path}/c/tool")]
