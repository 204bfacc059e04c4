"""Copies that cost next to nothing: each starts, knows itself for a copy, and has what the first one has."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from interpreters.unchanged import tree
from runs.bench_copies import copy_environment, copy_interpreter, copyable
from tests.support.builders import an_interpreter

SAYS = "import json, sys, ssl; print(json.dumps([sys.executable, sys.prefix, sys.base_prefix, ssl.__file__]))"


def says(python: Path) -> list[str]:
    """Return where a Python is, by its own word."""
    done = subprocess.run([python, "-c", SAYS], check=True, capture_output=True, text=True, timeout=60)
    return list(json.loads(done.stdout))


def test_a_copy_is_an_interpreter_of_its_own(tmp_path: Path) -> None:
    """A copy starts where it is, with the library of the first one."""
    first = Path(sys.executable).resolve()
    copy = copy_interpreter(first, tmp_path, 7)
    executable, prefix, base, module = says(copy)
    assert (executable, prefix, base) == (str(copy), str(tmp_path / "copy_7"), str(tmp_path / "copy_7"))
    assert module.startswith(prefix)
    assert not copy.is_symlink()


def test_a_copy_of_an_environment_has_its_packages(tmp_path: Path) -> None:
    """What is installed in the first one is there in the copy; what is written there is not in the first."""
    first = tmp_path / "first"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", first], check=True, timeout=60)
    (packages,) = first.glob("lib/python*/site-packages")
    (packages / "theirs.py").write_text("")
    (packages / "package").mkdir()
    (packages / "package" / "inner.py").write_text("")
    python = copy_environment(first, tmp_path / "copy")
    assert says(python)[1] == str(tmp_path / "copy")
    own = tmp_path / "copy" / packages.relative_to(first)
    assert {path.name for path in own.iterdir()} == {"package", "theirs.py"}
    assert (own / "package" / "inner.py").samefile(packages / "package" / "inner.py")
    (own / "application.py").write_text("")
    assert {path.name for path in packages.iterdir()} == {"package", "theirs.py"}


def test_a_copy_of_an_environment_can_be_looked_through(tmp_path: Path) -> None:
    """Installers leave no links to folders, which hide whether what is in them changes; a copy has none."""
    packages = tmp_path / "first" / "lib" / "python3.12" / "site-packages"
    (packages / "package").mkdir(parents=True)
    copy_environment(tmp_path / "first", tmp_path / "copy")
    assert tree(str(tmp_path / "copy" / packages.relative_to(tmp_path / "first")))


def test_the_newest_that_can_be_copied_is() -> None:
    """The system's own Python has its library among everybody's, and is not copied."""
    system = replace(an_interpreter("system"), source="system", path="/usr/bin/python3.13")
    old, new = (
        replace(an_interpreter(name), source="pyenv", path=f"/home/x/{name}/bin/python3")
        for name in ("a", "b")
    )
    assert copyable([old, new, system]) == new
    assert copyable([system]) is None
