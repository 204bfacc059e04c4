"""A program that PyInstaller froze: named by discovery, and measured by what it connects to."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from interpreters.deployed.bundles import find_bundles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e

PACKAGES = ("pyinstaller", "urllib3==1.26.20")
"""What freezes the program, which this test alone needs, and what is frozen."""

PROGRAM = """\
import ssl
import sys

import urllib3
from urllib3.util.ssl_ import create_urllib3_context

context = create_urllib3_context()
context.load_verify_locations(sys.argv[2])
if sys.argv[3:] == ["--strict"]:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
pool = urllib3.PoolManager(ssl_context=context)
sys.stdout.write(pool.request("GET", sys.argv[1], retries=False).data.decode())
"""
"""An application with a floor of its own, if its user asks for that."""


@dataclass(frozen=True)
class FrozenRun:
    """The frozen program, and the rows of a run that was told how to start it in two ways."""

    program: Path
    rows: Mapping[tuple[str, str], Mapping[str, str]]


@pytest.fixture(scope="module")
def frozen(
    loose: Interpreter, callers_environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Freeze the program with a Python that sets no minimum."""
    folder = tmp_path_factory.mktemp("frozen")
    (folder / "fetch.py").write_text(PROGRAM)
    python = folder / "venv" / "bin" / "python"
    uv = (sys.executable, "-m", "uv")
    for words in (
        (*uv, "venv", "--quiet", "--python", loose.path, folder / "venv"),
        (*uv, "pip", "install", "--quiet", "--python", python, *PACKAGES),
        (python, "-m", "PyInstaller", "--log-level", "ERROR", "--onedir", "fetch.py"),
    ):
        done = subprocess.run(
            words,
            env={**callers_environment, "PYINSTALLER_CONFIG_DIR": str(folder / "cache")},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(
                f"{loose.path} froze nothing: an index that can be reached, binutils and the shared library"
                f" of that Python (libpython3.11 on Debian 12) enable this ({done.stderr[-300:]})"
            )
    return folder / "dist" / "fetch" / "fetch"


@pytest.fixture(scope="module")
def run(checkout: Checkout, frozen: Path) -> FrozenRun:
    """Measure the program as it is, and with its own floor; beside it on PATH is one that is not measured."""
    shutil.copy(frozen, frozen.with_name("idle"))
    commands = (f"{frozen} {{url}} {{cafile}}", f"{frozen} {{url}} {{cafile}} --strict")
    words = [word for command in commands for word in ("--command", command)]
    path = f"{frozen.parent}:{checkout.environment()['PATH']}"
    return FrozenRun(frozen, checkout.measure(*words, "--only", "program_fetch*", PATH=path))


def test_it_is_known_by_its_content(frozen: Path) -> None:
    """What PyInstaller itself wrote is told from what it wrote beside that."""
    found = find_bundles({"PATH": str(frozen.parent), "HOME": "/nonexistent"}).frozen
    assert (frozen, "PyInstaller") in [(one.path, one.maker) for one in found]


@pytest.mark.parametrize(
    ("name", "verdict", "lowest"),
    [("fetch", "downgraded", "TLSv1"), ("fetch_2", "enforced", "TLSv1.2")],
)
def test_what_it_connects_to_decides(run: FrozenRun, name: str, verdict: str, lowest: str) -> None:
    """The same file goes below the floor or holds it, as its own code asks."""
    row = run.rows[f"program_{name}", name]
    assert (row["verdict"], row["lowest_negotiated"]) == (verdict, lowest), row["reason"]


@pytest.mark.usefixtures("run")
def test_the_evidence_is_kept(checkout: Checkout) -> None:
    """The connections of each row are in a capture of its own."""
    for name in ("program_fetch", "program_fetch_2"):
        assert (checkout.latest / "evidence" / f"{name}.pcapng").stat().st_size


def test_one_that_is_not_measured_is_named(run: FrozenRun, checkout: Checkout) -> None:
    """The report says what measures the other file, and says nothing like that of the one it measured."""
    document = json.loads((checkout.latest / "run.json").read_text())
    reasons = {entry["path"]: entry["reason"] for entry in document["scope"]["left_out"]}
    assert "--command measures it" in reasons[str(run.program.with_name("idle"))]
    assert str(run.program) not in reasons
