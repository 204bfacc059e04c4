"""Environments as they were found: measured with what is in them, and byte for byte unchanged by that."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.trees import tree

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e

FAKES = {
    "httpx.py": "__version__ = '0.16.0'\n",
    "requests.py": "import nonesuch_of_requests\n",
}
"""Clients of which one is too old for the probe, and the other broken."""

OLD = ("urllib3==1.26.20", "botocore==1.31.85")
"""What many applications have: urllib3 2 was the first to set a minimum (its migration guide)."""


@dataclass(frozen=True)
class MeasuredEnvironment:
    """An environment, what was measured in it, and its hash before and after that."""

    folder: Path
    rows: dict[tuple[str, str], dict[str, str]]
    before: str
    after: str


def _make(interpreter: Interpreter, folder: Path) -> Path:
    """Make an environment in which nothing is installed; return its site-packages."""
    subprocess.run([interpreter.path, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    return packages


def _measure(checkout: Checkout, folder: Path, *words: str) -> MeasuredEnvironment:
    before = tree(folder)
    rows = checkout.measure(*words, "--only", "env_*")
    return MeasuredEnvironment(folder, rows, before, tree(folder))


@pytest.fixture(scope="module")
def fake(
    checkout: Checkout, strict: Interpreter, tmp_path_factory: pytest.TempPathFactory
) -> MeasuredEnvironment:
    """Measure an environment with made-up packages, by its Python."""
    folder = tmp_path_factory.mktemp("srv") / "shop" / "venv"
    packages = _make(strict, folder)
    for name, text in FAKES.items():
        (packages / name).write_text(text)
    return _measure(checkout, folder, "--interpreter", str(folder / "bin" / "python"))


@pytest.fixture(scope="module")
def old(
    checkout: Checkout,
    loose: Interpreter,
    callers_environment: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> MeasuredEnvironment:
    """Measure an environment with packages of some years ago, by its folder."""
    folder = tmp_path_factory.mktemp("opt") / "old-app"
    packages = _make(loose, folder)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--target",
        packages,
        *OLD,
    ]
    command += ["--python", folder / "bin" / "python"]
    done = subprocess.run(command, env=callers_environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{OLD} cannot be had: an index that can be reached enables this ({done.stderr})")
    return _measure(checkout, folder, "--environment", str(folder))


def test_only_what_is_installed_has_a_row(fake: MeasuredEnvironment) -> None:
    """What is not there is left out, what is there and cannot be measured says why, and `ssl` always is."""
    assert {client for _, client in fake.rows} == {"ssl", "httpx", "requests"}
    ssl, httpx, requests = (fake.rows["env_shop_venv", one] for one in ("ssl", "httpx", "requests"))
    assert ssl["verdict"] == "enforced", ssl["reason"]
    assert httpx["verdict"] == requests["verdict"] == "untestable"
    assert httpx["reason"].startswith("httpx 0.16.0 is too old for this probe")
    assert "nonesuch_of_requests" in requests["reason"]


def test_the_versions_that_are_there_are_measured(old: MeasuredEnvironment) -> None:
    """urllib3 1.26 and its botocore go below the floor where a newer urllib3 would hold it."""
    assert {client for _, client in old.rows} == {"ssl", "urllib3", "botocore"}
    for client, version in (("urllib3", "1.26.20"), ("botocore", "1.31.85")):
        row = old.rows["env_old_app", client]
        assert (row["verdict"], row["held_by"], row["client_version"]) == ("downgraded", "nothing", version)


def test_an_environment_is_a_subject_of_its_own(old: MeasuredEnvironment, checkout: Checkout) -> None:
    """Rows, document and observations name its folder, and the answer counts it as what it is."""
    checkout.measure("--environment", str(old.folder), "--only", "env_*", "--clients", "ssl")
    assert {row["environment"] for row in old.rows.values()} == {str(old.folder)}
    assert {row["path"] for row in old.rows.values()} == {str(old.folder / "bin" / "python")}
    document = json.loads((checkout.latest / "matrix.json").read_text())
    assert {one["environment"] for one in document["interpreters"]} == {str(old.folder)}
    said = (checkout.latest / "observations.jsonl").read_text().splitlines()
    assert {json.loads(line)["environment"] for line in said} == {str(old.folder)}
    assert (
        "1 of 1 applications' environments negotiates TLS 1.0" in (checkout.latest / "matrix.md").read_text()
    )


@pytest.mark.parametrize("kind", ["fake", "old"])
def test_an_environment_is_unchanged(kind: str, request: pytest.FixtureRequest) -> None:
    """Not a byte of it is changed, and no file added."""
    found = request.getfixturevalue(kind)
    assert found.before == found.after


def test_environments_that_are_the_same_are_measured_once(
    checkout: Checkout, strict: Interpreter, tmp_path: Path
) -> None:
    """Of three with a made-up package one is measured for two, and a changed byte has the third measured."""
    folders = [tmp_path / name for name in ("alpha", "beta", "gamma-long")]
    for folder in folders:
        (_make(strict, folder) / "requests.py").write_text("import nonesuch_of_requests\n")
    changed = next(folders[2].glob("lib/python*/site-packages")) / "requests.py"
    changed.write_text("import nonesuch_of_requestz\n")
    before = [tree(folder) for folder in folders]
    rows = checkout.measure("--search", str(tmp_path), "--found", "--only", "env_*")
    assert [tree(folder) for folder in folders] == before
    own = {
        folder.name: row for folder in folders for row in rows.values() if row["environment"] == str(folder)
    }
    document = json.loads((checkout.latest / "matrix.json").read_text())
    shared = {one["environment"]: one["shared_with"] for one in document["interpreters"]}
    names = {one["environment"]: one["interpreter"] for one in document["interpreters"]}
    alpha, beta, gamma = map(str, folders)
    assert (shared[alpha], shared[beta], shared[gamma]) == ("", names[alpha], "")
    verdicts = {
        (row["environment"], row["client"]): (row["verdict"], row["client_version"]) for row in rows.values()
    }
    for client in ("ssl", "requests"):
        assert verdicts[alpha, client] == verdicts[beta, client]
    assert verdicts[alpha, "ssl"][0] == "enforced"
    assert f"measured in {names[alpha]}" in rows[names[beta], "ssl"]["reason"]
    lines = map(json.loads, (checkout.latest / "observations.jsonl").read_text().splitlines())
    probed = {line["environment"] for line in lines}
    assert {alpha, gamma} <= probed
    assert beta not in probed
    assert own.keys() == {folder.name for folder in folders}


def test_what_is_no_environment_is_refused(checkout: Checkout, tmp_path: Path) -> None:
    """A folder without a Python ends the session with a sentence."""
    status, said = checkout.nox("-s", "matrix", "--", "--environment", str(tmp_path))
    assert status != 0
    assert f"--environment {str(tmp_path)!r}: there is no bin/python in it" in said
