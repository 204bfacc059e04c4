"""Zipapps, built by the tools that people build them with, measured with the packages that are in them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipapp
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e

TOOLS = ("pex", "shiv")
"""What builds zipapps; this test is all that needs it."""

OLD = ("urllib3==1.26.20", "botocore==1.31.85")
"""What many applications have: urllib3 2 was the first to set a minimum (its migration guide)."""

NEW = ("urllib3>=2",)

NO_INTERPRETER = "CPython==2.6.*"
"""A constraint that no interpreter here meets: nothing measures a Python as old."""


@dataclass(frozen=True)
class BundleWorkshop:
    """Where the zipapps are built: a folder, and the interpreter that they are for."""

    folder: Path
    python: str
    index: Mapping[str, str]

    def run(self, *words: str | Path) -> None:
        """Run a command that has to do with an index; skip the test where that cannot be had."""
        done = subprocess.run(
            words, env=self.index, cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"{words} failed: an index that can be reached enables this ({done.stderr[-300:]})")

    def install(self, *words: str | Path) -> None:
        """Install packages with uv."""
        self.run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", self.python, *words)

    @property
    def tools(self) -> Path:
        """Where the tools are, and the old packages beside them."""
        return self.folder / "tools"

    def pex(self, name: str, *words: str | Path) -> Path:
        """Build a pex, which asks for the interpreter by its path."""
        shebang = ("--python-shebang", self.python)
        self.run(self.tools / "bin" / "pex", *words, *shebang, "--output-file", self.folder / name)
        return self.folder / name

    def shiv(self, name: str, packages: Path, elsewhere: Path) -> Path:
        """Build a shiv that would unpack itself elsewhere."""
        where = ("--root", elsewhere, "--python", self.python)
        words = ("--site-packages", packages, *where, "--output-file", self.folder / name)
        self.run(self.tools / "bin" / "shiv", *words)
        return self.folder / name


@pytest.fixture(scope="module")
def workshop(
    loose: Interpreter, callers_environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> BundleWorkshop:
    """Return a workshop with the tools, and with old and new packages in folders of their own."""
    made = BundleWorkshop(tmp_path_factory.mktemp("workshop"), loose.path, callers_environment)
    made.run(sys.executable, "-m", "uv", "venv", "--quiet", "--python", loose.path, made.tools)
    python = made.tools / "bin" / "python"
    made.run(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, *TOOLS, *OLD)
    for name, wanted in (("old", OLD), ("new", NEW)):
        made.install("--target", made.folder / name, *wanted)
    # Most of botocore is descriptions of services other than S3, which take long to pack.
    for service in (made.folder / "old" / "botocore" / "data").iterdir():
        if service.is_dir() and service.name != "s3":
            shutil.rmtree(service)
    return made


@dataclass(frozen=True)
class MeasuredBundles:
    """The zipapps, what was measured in them, and their hashes before and after that."""

    files: Mapping[str, Path]
    rows: Mapping[tuple[str, str], Mapping[str, str]]
    before: Mapping[str, str]
    after: Mapping[str, str]
    elsewhere: Path
    """Where the shiv would unpack itself if nobody told it otherwise."""


def _hashes(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


def _plain(packages: Path, python: str, file: Path) -> Path:
    (packages / "__main__.py").write_text("import urllib3\nprint(urllib3.__version__)\n")
    zipapp.create_archive(packages, file, python, compressed=True)
    return file


def _constrained(pex: Path, file: Path) -> Path:
    """Copy a pex with a constraint that nothing meets, under a hash of its own, by which pex keeps it."""
    with zipfile.ZipFile(pex) as before, file.open("wb") as opened:
        opened.write(pex.read_bytes().partition(b"\n")[0] + b"\n")
        info = json.loads(before.read("PEX-INFO"))
        constrained = json.dumps({**info, "interpreter_constraints": [NO_INTERPRETER]}).encode()
        with zipfile.ZipFile(opened, "w") as after:
            for member in before.infolist():
                content = constrained if member.filename == "PEX-INFO" else before.read(member)
                after.writestr(member, content.replace(info["pex_hash"].encode(), 40 * b"0"))
    file.chmod(0o755)
    return file


@pytest.fixture(scope="module")
def bundles(
    checkout: Checkout, workshop: BundleWorkshop, tmp_path_factory: pytest.TempPathFactory
) -> MeasuredBundles:
    """Measure zipapps of each kind in one run: the shiv found on PATH, the others given."""
    elsewhere = tmp_path_factory.mktemp("root") / "unpacked"
    old, new = workshop.folder / "old", workshop.folder / "new"
    on_path = tmp_path_factory.mktemp("bin")
    shiv = workshop.shiv("shiv-app", old, elsewhere).rename(on_path / "shiv-app")
    files = {
        "app_shiv_app": shiv,
        "app_old": workshop.pex("old.pex", "--venv-repository", workshop.tools, "botocore", "urllib3"),
        "app_new": workshop.pex("new.pex", "--sources-directory", new),
        "app_plain": _plain(old, workshop.python, workshop.folder / "plain.pyz"),
    }
    files["app_constrained"] = _constrained(files["app_new"], workshop.folder / "constrained.pex")
    given = [word for name, file in files.items() if file != shiv for word in ("--environment", str(file))]
    before = _hashes(files)
    path = f"{on_path}:{checkout.environment()['PATH']}"
    rows = checkout.measure(*given, "--only", "app_*", "--clients", "ssl,urllib3,botocore", PATH=path)
    return MeasuredBundles(files, rows, before, _hashes(files), elsewhere)


@pytest.mark.parametrize(
    ("name", "client", "version"),
    [
        ("app_old", "urllib3", "1.26.20"),
        ("app_old", "botocore", "1.31.85"),
        ("app_shiv_app", "urllib3", "1.26.20"),
        ("app_shiv_app", "botocore", "1.31.85"),
        ("app_plain", "urllib3", "1.26.20"),
    ],
)
def test_the_packages_in_a_zipapp_are_measured(
    bundles: MeasuredBundles, workshop: BundleWorkshop, name: str, client: str, version: str
) -> None:
    """Old packages on a Python that sets no minimum go below the floor, and nothing holds them."""
    row = bundles.rows[name, client]
    assert (row["verdict"], row["held_by"], row["client_version"]) == ("downgraded", "nothing", version)
    assert row["lowest_negotiated"] == "TLSv1"
    assert (row["environment"], row["path"]) == (str(bundles.files[name]), workshop.python)
    assert row["source"] == "zipapp"


def test_newer_packages_hold_the_floor(bundles: MeasuredBundles) -> None:
    """On the same Python, urllib3 2 sets a minimum, and what is not in the pex has no row."""
    rows = {client: row for (name, client), row in bundles.rows.items() if name == "app_new"}
    assert {client: row["verdict"] for client, row in rows.items()} == {
        "ssl": "downgraded",
        "urllib3": "enforced",
    }
    assert rows["urllib3"]["held_by"] == "code"


def test_botocore_without_its_files_is_not_called_safe(bundles: MeasuredBundles) -> None:
    """Botocore reads its descriptions of services as files, so in a zip it connects nowhere (loaders.py)."""
    row = bundles.rows["app_plain", "botocore"]
    assert row["verdict"] == "inconclusive"
    assert "DataNotFoundError" in row["reason"]


def test_a_pex_that_finds_no_interpreter_says_so(bundles: MeasuredBundles) -> None:
    """Its own words are the reason, once."""
    rows = [row for (name, _), row in bundles.rows.items() if name == "app_constrained"]
    assert [row["verdict"] for row in rows] == ["untestable"]
    assert f"does not start with {rows[0]['path']}: it printed" in rows[0]["reason"]
    assert f"Version matches {NO_INTERPRETER}" in rows[0]["reason"]


def test_zipapps_are_unchanged_and_unpack_into_the_cache(
    bundles: MeasuredBundles, checkout: Checkout
) -> None:
    """Not a byte of a file changes, and nothing is written where the zipapp itself would."""
    assert bundles.before == bundles.after
    assert not bundles.elsewhere.exists()
    home = checkout.folder / ".nox" / ".cache" / "home"
    assert {".pex", ".shiv"} <= {folder.name for folder in home.iterdir()}
