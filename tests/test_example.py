"""docs/example: the sample report is what today's code makes of the stored run, and the README shows it."""

from __future__ import annotations

import io
import json
import re
import shutil
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from docs.example import make
from reports.formats.terminal import show
from reports.verdicts.judge import HeldBy, Verdict
from reports.verdicts.matrix import Subject
from tests.support.checkout import ROOT
from tests.support.schemas import validator

if TYPE_CHECKING:
    from pathlib import Path

    from reports.verdicts.matrix import Matrix

EXAMPLE = ROOT / "docs" / "example"
MOST_BYTES, LARGEST_PICTURE = 450_000, 300_000
REMAKE = "run .nox/tests/bin/python docs/example/make.py, look at the difference, and commit it"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Matrix, Path]:
    """Return the matrix of the stored run, as today's code judges it, and the folder of its report."""
    folder = tmp_path_factory.mktemp("example")
    return make.rebuild(folder), folder


@pytest.mark.parametrize("file", make.SHOWN)
def test_the_example_is_what_the_code_makes(made: tuple[Matrix, Path], file: str) -> None:
    """Each file of the example is, byte for byte, what today's code makes of the stored run."""
    assert (EXAMPLE / file).read_bytes() == (made[1] / file).read_bytes(), REMAKE


@pytest.mark.parametrize(
    "file", ["matrix.json", "run.json", "gate.json", "remedies.json", "observations.jsonl"]
)
def test_what_others_read_fits_its_schema(made: tuple[Matrix, Path], file: str) -> None:
    """Each JSON file of the example's report, and each line of the observations, fits the stored schema."""
    text = (made[1] / file).read_text(encoding="utf-8")
    documents = text.splitlines() if file.endswith("l") else [text]
    assert documents
    for document in documents:
        validator(file).validate(json.loads(document))


@pytest.mark.e2e
def test_the_maker_runs_as_its_page_says(tmp_path: Path) -> None:
    """make.py, started by its path from anywhere and without PYTHONPATH, writes each file beside itself."""
    copy = tmp_path / "docs" / "example"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns(*make.SHOWN, "__pycache__"))
    for room in ("interpreters", "probes", "reports", "servers"):
        (tmp_path / room).symlink_to(ROOT / room)
    # Without a PATH there is no browser, so no picture is taken.
    done = subprocess.run(
        [sys.executable, copy / "make.py"], cwd="/", env={}, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert {name: (copy / name).read_bytes() for name in make.SHOWN} == {
        name: (EXAMPLE / name).read_bytes() for name in make.SHOWN
    }, REMAKE


def test_the_example_shows_both_ends(made: tuple[Matrix, Path]) -> None:
    """The example has rows that hold the floor, rows that do not, and an interpreter that has both."""
    verdicts: dict[str, set[Verdict]] = {}
    for row in made[0].rows:
        verdicts.setdefault(row.interpreter.id, set()).add(row.verdict)
    below, held = {Verdict.DOWNGRADED}, {Verdict.ENFORCED}
    assert {frozenset(seen) for seen in verdicts.values()} == {
        frozenset(s) for s in (below, held, below | held)
    }


def test_the_example_shows_what_is_deployed(made: tuple[Matrix, Path]) -> None:
    """It has an environment that goes below, and a process of that environment that its variables hold."""
    found = {group.subject: group for group in made[0].groups if group.subject.as_found}
    environment, process = found[Subject.ENVIRONMENT], found[Subject.PROCESS]
    assert environment.interpreter.environment == process.interpreter.environment
    assert environment.standing is Verdict.DOWNGRADED
    assert {(row.verdict, row.held_by) for row in process.rows} == {(Verdict.ENFORCED, HeldBy.CONFIGURATION)}
    assert "OPENSSL_CONF" in process.interpreter.variables


def test_the_example_has_no_file_besides() -> None:
    """Nothing lies in the example that its own page does not name, save what makes it."""
    named = set(re.findall(r"\]\(([\w.-]+)\)", (EXAMPLE / "README.md").read_text(encoding="utf-8")))
    there = {path.name for path in EXAMPLE.iterdir() if path.is_file()}
    assert there == named | {"README.md", "make.py"}


def test_the_example_is_small() -> None:
    """The example does not make a checkout slow: under 450 kB, with a picture under 300 kB."""
    files = [path for path in EXAMPLE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    assert make.PICTURE.stat().st_size < LARGEST_PICTURE


def test_the_picture_is_that_of_the_maker() -> None:
    """The picture in the README is a PNG of the size that make.py takes (PNG, 11.2.2 IHDR)."""
    head = make.PICTURE.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:]) == (make.WIDTH, make.HEIGHT)
    assert "](docs/report.png)" in (ROOT / "README.md").read_text(encoding="utf-8")


def _joined(text: str) -> str:
    return " ".join(text.split())


def test_the_readme_shows_the_example(made: tuple[Matrix, Path]) -> None:
    """What the README says that `matrix` prints is how a terminal has the example, down to its end."""
    printed = io.StringIO()
    show(made[0], printed, 0, colour=False)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```text\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert _joined(shown)
    assert _joined(printed.getvalue()).endswith(_joined(shown))


@pytest.mark.parametrize("file", [*make.SHOWN, "policy.toml"])
def test_the_example_names_nobody(file: str) -> None:
    """No file has a path in a home but the neutral one and Homebrew's, or a host but the neutral one."""
    text = (EXAMPLE / file).read_text(encoding="utf-8")
    assert set(re.findall(r"(?<![\w*])/(?:home|root|Users|work)/([\w.-]*)", text)) <= {"you", "linuxbrew"}
    assert set(re.findall(r'"host": "([^"]*)"', text)) <= {"workstation", "*"}
