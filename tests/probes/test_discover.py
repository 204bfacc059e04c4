"""The script that looks for Pythons in a place tells of what it leaves out."""

from __future__ import annotations

import importlib.util
import os
import re
import zipapp
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.deployed.visit import MOST_WAYS, SCRIPT
from interpreters.locations import EXECUTABLE
from interpreters.ways import ways_in

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
    wanted = {"environments": [("srv", pattern)], "names": EXECUTABLE.pattern}
    assert len(script.environments(wanted, [], looked)) == 2
    assert looked[:2] == [(pattern, "looked", ""), (pattern, "unreadable", script.TOO_MANY)]


@pytest.mark.parametrize(
    "files",
    [
        {"python": "ELF", "python3": "ELF"},
        {"python": "#!/bin/sh", "python3": "#!/bin/sh"},
        {"python": "#!/bin/sh", "python3": "ELF", "python3.11": "ELF", "python3-config": "#!/bin/sh"},
        {"python3": "ELF", "python3.12": "another"},
        {},
    ],
)
def test_ways_into_an_environment_are_those_that_there_are_here(
    script: Any, tmp_path: Path, files: dict[str, str]
) -> None:
    """The script finds in a place what interpreters/ways.py finds on this machine, and has the same limit."""
    (tmp_path / "bin").mkdir()
    for name, text in files.items():
        (tmp_path / "bin" / name).write_text(text)
    (tmp_path / "bin/python3.9").symlink_to("nowhere")
    found = script.ways_in(str(tmp_path), EXECUTABLE.pattern)
    assert found == [way.name for way in ways_in(tmp_path) if files]
    assert script.MOST_WAYS == MOST_WAYS


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


def test_zipapps_are_found_by_their_files(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python runs of a file counts, with what its first line starts here; other files are passed over."""
    (app := tmp_path / "app").mkdir()
    (app / "__main__.py").touch()
    (tmp_path / "bin").mkdir()
    (python := tmp_path / "bin/python3.9").touch(0o755)
    monkeypatch.setenv("PATH", str(python.parent))
    monkeypatch.setattr(script, "refused", lambda paths: " ".join(paths) if len(paths) > 2 else "")
    zipapp.create_archive(app, python.parent / "shop", "/usr/bin/env python3.9")
    zipapp.create_archive(app, python.parent / "unrunnable", "/usr/bin/env python3.9")
    (python.parent / "shop").chmod(0o755)
    (python.parent / "unrunnable").chmod(0o644)
    (more := tmp_path / "more").mkdir()
    zipapp.create_archive(app, more / "plain.pyz")
    with zipfile.ZipFile(more / "data.pyz", "w") as archive:
        archive.writestr("data.txt", "no code")
    whole = (more / "plain.pyz").read_bytes()
    (more / "cut.pyz").write_bytes(whole[: len(whole) // 2])
    os.mkfifo(more / "pipe.pyz")
    looked: list[tuple[str, str, str]] = []
    absent = str(tmp_path / "absent")
    plain, shop = sorted(script.zipapps({"zipapps": [str(more), absent]}, [], looked), key=lambda each: each["path"])[::-1]
    assert (plain["path"], plain["line"], plain["members"]) == (str(more / "plain.pyz"), "", ["__main__.py"])
    assert (shop["path"], shop["line"]) == (str(python.parent / "shop"), "#!/usr/bin/env python3.9")
    env = {"/usr/bin/env": "/usr/bin/env"} if os.access("/usr/bin/env", os.X_OK) else {}
    assert shop["commands"] == {**env, "python3.9": str(python)}
    assert plain["commands"] == {}
    assert looked == [(str(more), "looked", ""), (absent, "absent", "")]
    script.MOST = 1
    assert len(script.zipapps({"zipapps": [str(more)]}, [], looked)) == 1
    assert looked[-1] == (str(python.parent), "unreadable", script.TOO_MANY)
