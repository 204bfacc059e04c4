"""The whole tool inside Debian releases whose OpenSSL differs in what it holds by itself.

The Pythons of bookworm (OpenSSL 3.0) and trixie (3.5) leave everything to OpenSSL, so they are controls with
known answers: since 3.1 whatever is below TLS 1.2 takes security level 0 (OpenSSL NEWS.md, 3.1).
"""

from __future__ import annotations

import csv
import itertools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nox
import pytest
from uv import find_uv_bin

from tests.support.checkout import ROOT, copy_repository
from tests.support.limits import SLOW

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.e2e

RELEASES = ROOT / ".nox" / ".cache" / "releases"
"""Root file systems, kept between runs; delete it for newer ones."""

PACKAGES = ("base-files", "python3", "python3-venv", "openssl", "libstdc++6")
"""What the tool needs of a system: Python, an openssl to serve with, and what its table is computed with."""

OWN = {"bookworm": "python3-botocore", "trixie": "awscli"}
"""A package of the release's own that speaks to AWS, installed as every user of the release has it."""


BULLSEYE = """\
HOME = .
oid_section = new_oids
openssl_conf = default_conf

[ new_oids ]

[default_conf]
ssl_conf = ssl_sect

[ssl_sect]
system_default = system_default_sect

[system_default_sect]
MinProtocol = TLSv1.2
CipherString = DEFAULT@SECLEVEL=2
"""
"""What Debian 11's openssl.cnf sets for TLS, in its sections."""


@dataclass(frozen=True)
class Release:
    """A root file system with a copy of the repository, and the tool's environment, that it can see."""

    suite: str
    root: Path
    folder: Path
    index: Mapping[str, str]
    """The caller's variables with which an installer reaches its index."""

    def run(self, *words: str | Path, configuration: Path | None = None) -> tuple[int, str]:
        """Run a command inside; return its exit status and what it printed.

        `configuration` lies in the place of the release's own openssl.cnf.
        """
        binds: list[tuple[str, str | Path, str | Path]] = [
            ("--bind", self.folder, self.folder),
            ("--bind", _uv("cache", "dir"), "/tmp/uv-cache"),
        ]
        # Such as a certificate authority: where the installer looks for it.
        named = [path for path in self.index.values() if path.startswith("/") and Path(path).exists()]
        binds += [("--ro-bind", path, path) for path in ("/etc/hosts", "/etc/resolv.conf", *named)]
        if configuration:
            binds.append(("--ro-bind", configuration, "/etc/ssl/openssl.cnf"))
        environment = {
            **self.index,
            "PATH": f"{self.folder}/venv/bin:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "UV_CACHE_DIR": "/tmp/uv-cache",
            "NOX_SCRIPT_MODE": "none",
        }
        sets = [word for pair in environment.items() for word in ("--setenv", *pair)]
        inside = ("--bind", self.root, "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp")
        ends = ("--unshare-pid", "--die-with-parent", "--clearenv", *sets, "--chdir", self.folder)
        done = subprocess.run(
            ["bwrap", *map(str, (*inside, *itertools.chain(*binds), *ends, *words))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SLOW,
            check=False,
        )
        return done.returncode, done.stdout

    @property
    def latest(self) -> Path:
        """Where its newest report is."""
        return self.folder / "reports" / "latest"

    def measure(self, *words: str, configuration: Path | None = None) -> list[dict[str, str]]:
        """Run a matrix, which must succeed; return its rows."""
        status, said = self.run("nox", "-s", "matrix", "--", *words, configuration=configuration)
        assert status == 0, said
        with (self.latest / "matrix.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def version(self, package: str) -> str:
        """Return the version of a Python package that the release itself has, as its file name says it."""
        (found,) = self.root.glob(f"usr/lib/python3/dist-packages/{package}-*.*-info")
        return found.stem.removeprefix(f"{package}-")


def _held(rows: list[dict[str, str]], environment: str = "made") -> dict[str, tuple[str, str, str]]:
    """Return verdict, lowest version and holder by client, in one environment of the release's Python."""
    return {
        row["client"]: (row["verdict"], row["lowest_negotiated"], row["held_by"])
        for row in rows
        if row["source"] == "system" and row["environment"] == environment
    }


def _uv(*words: str) -> str:
    done = subprocess.run([find_uv_bin(), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _root(suite: str) -> Path:
    """Return the root file system of a release, made where there is none yet; skip where it cannot be."""
    if os.getuid() != 0 or shutil.which("mmdebstrap") is None or shutil.which("bwrap") is None:
        pytest.skip(
            "root file systems of Debian take root: `apt-get install mmdebstrap bubblewrap` enables this"
        )
    if subprocess.run(["bwrap", "--bind", "/", "/", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this container may not make namespaces: one with CAP_SYS_ADMIN enables this")
    root = RELEASES / f"{suite}-{OWN[suite]}"
    if not root.is_dir():
        RELEASES.mkdir(parents=True, exist_ok=True)
        aside = RELEASES / f"{root.name}.{os.getpid()}"
        command: list[str | Path] = [
            "mmdebstrap",
            "--variant=extract",
            f"--include={','.join((*PACKAGES, OWN[suite]))}",
            suite,
            aside,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SLOW, check=False)
        if done.returncode:
            shutil.rmtree(aside, ignore_errors=True)
            pytest.skip(f"mmdebstrap made no {suite}, a network to Debian enables this: {done.stderr[-200:]}")
        aside.replace(root)
    return root


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def release(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    callers_environment: Mapping[str, str],
) -> Release:
    """A Debian release with the tool's dependencies, installed by its own Python."""
    folder = copy_repository(tmp_path_factory.mktemp(request.param) / "checkout")
    (folder / "home").mkdir()
    index = {
        name: text
        for name, text in callers_environment.items()
        if name.startswith(("UV_", "SSL_CERT_")) or name.upper().endswith("_PROXY")
        # By which nox tells uv of the environment that the tests run in.
        if name not in ("UV_PYTHON", "UV_PROJECT_ENVIRONMENT")
    }
    one = Release(request.param, _root(request.param), folder, index)
    shutil.copy(find_uv_bin(), folder / "home" / "uv")
    tool = nox.project.load_toml(ROOT / "pyproject.toml")["project"]["dependencies"]
    for words in (("venv", "venv", "--python", "/usr/bin/python3"), ("pip", "install", *tool)):
        status, said = one.run(folder / "home" / "uv", *words)
        assert status == 0, said
    return one


@pytest.fixture(scope="module")
def rows(release: Release) -> list[dict[str, str]]:
    """The release as it is: its Python with the newest clients, and what the release itself brings."""
    return release.measure()


def test_what_holds_a_release_is_told(release: Release, rows: list[dict[str, str]]) -> None:
    """Bookworm's OpenSSL holds nothing, trixie's does by itself, and urllib3 2 sets a minimum in code."""
    open_ = ("downgraded", "TLSv1", "nothing")
    by_itself = ("enforced", "TLSv1.2", "library")
    expected = {"bookworm": open_, "trixie": by_itself}[release.suite]
    assert _held(rows) == {
        "ssl": expected,
        "urllib3": ("enforced", "TLSv1.2", "code"),
        "botocore": expected,
    }


def test_what_a_release_brings_is_measured_as_it_is(release: Release, rows: list[dict[str, str]]) -> None:
    """Bookworm's own botocore on urllib3 1.26 goes below the floor; trixie's urllib3 is one that holds."""
    versions = {row["client"]: row["client_version"] for row in rows if row["environment"] == "/usr"}
    held = _held(rows, "/usr")
    if release.suite == "bookworm":
        assert held["urllib3"] == held["botocore"] == ("downgraded", "TLSv1", "nothing")
        assert versions["botocore"] == release.version("botocore")
    else:
        assert held["urllib3"] == ("enforced", "TLSv1.2", "code")
        assert "botocore" not in held  # the AWS CLI 2 has a copy of its own
    assert versions["urllib3"] == release.version("urllib3")
    assert "ssl" not in held


def test_the_configuration_of_an_older_release_holds_it(release: Release) -> None:
    """What bullseye's openssl.cnf sets holds bookworm, and trixie needs none of it."""
    configuration = release.folder / "openssl.cnf"
    configuration.write_text(BULLSEYE)
    holder = {"bookworm": "openssl.cnf", "trixie": "library"}[release.suite]
    held = ("enforced", "TLSv1.2", holder)
    code = ("enforced", "TLSv1.2", "code")
    rows = release.measure("--made", configuration=configuration)
    assert _held(rows) == {"ssl": held, "urllib3": code, "botocore": held}


def test_every_cell_of_a_release_is_what_its_causes_make_it(release: Release) -> None:
    """The truth set is clean inside a release, with the empty configuration among its conditions."""
    status, said = release.run("nox", "-s", "truth")
    assert status == 0, said
    with (release.folder / "reports" / "latest" / "truth.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert {"ambient", "empty", "permissive", "hardened"} == {cell["condition"] for cell in cells}
    assert {cell["agrees"] for cell in cells} == {"yes"}
    empty = [cell for cell in cells if (cell["condition"], cell["client"]) == ("empty", "ssl")]
    fell = any(cell["true_safe"] == "no" for cell in empty)
    assert fell is (release.suite == "bookworm")


@pytest.mark.parametrize("release", ["trixie"], indirect=True)
def test_the_aws_cli_of_a_release_is_measured_by_its_connections(release: Release) -> None:
    """No probe knows version 2; told by variables where the servers are, it holds as the release does."""
    fetch = "aws s3api get-object --no-sign-request --bucket tls.floor --key probe /dev/null"
    # What an installation compiles: without that each start takes three times as long.
    release.run(*fetch.split(), "--region", "us-east-1", "--endpoint-url", "https://127.0.0.1:1")
    rows = release.measure("--made", "--only", "program_aws", "--command", fetch, "--command-limit", "30")
    (row,) = rows
    assert (row["verdict"], row["lowest_negotiated"]) == ("enforced", "TLSv1.2"), row["reason"]
    assert (release.latest / "evidence" / "program_aws.pcapng").stat().st_size
