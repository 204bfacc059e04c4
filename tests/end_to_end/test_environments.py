"""Environments as they were found: measured with what is in them, and byte for byte unchanged by that."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
class MeasuredEnvironments:
    """Two environments, what was measured in both by one run, and their hashes before and after that."""

    fake: Path
    """One with made-up packages, given by its Python."""
    old: Path
    """One with packages of some years ago, given by its folder."""
    rows: Mapping[tuple[str, str], Mapping[str, str]]
    before: Mapping[Path, str]
    after: Mapping[Path, str]
    document: dict[str, Any]
    """matrix.json."""
    observations: list[dict[str, Any]]
    opening: str
    """matrix.md."""

    def of(self, name: str) -> dict[str, Mapping[str, str]]:
        """Return the rows of one of them by client."""
        return {client: row for (one, client), row in self.rows.items() if one == name}


def _make(interpreter: Interpreter, folder: Path) -> Path:
    """Make an environment in which nothing is installed; return its site-packages."""
    subprocess.run([interpreter.path, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    return packages


@pytest.fixture(scope="module")
def measured(
    checkout: Checkout,
    strict: Interpreter,
    loose: Interpreter,
    callers_environment: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> MeasuredEnvironments:
    """Measure an environment with made-up packages, and one with old ones, in one run."""
    fake = tmp_path_factory.mktemp("srv") / "shop" / "venv"
    packages = _make(strict, fake)
    for name, text in FAKES.items():
        (packages / name).write_text(text)
    old = tmp_path_factory.mktemp("opt") / "old-app"
    target = ("--target", _make(loose, old), "--python", old / "bin" / "python")
    command: list[str | Path] = [sys.executable, "-m", "uv", "pip", "install", "--quiet", *target, *OLD]
    done = subprocess.run(command, env=callers_environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{OLD} cannot be had: an index that can be reached enables this ({done.stderr})")
    before = {folder: tree(folder) for folder in (fake, old)}
    given = ("--interpreter", str(fake / "bin" / "python"), "--environment", str(old))
    # Whoever runs this may have environments of applications too.
    rows = checkout.measure(*given, "--only", "env_shop_venv", "--only", "env_old_app")
    return MeasuredEnvironments(
        fake,
        old,
        rows,
        before,
        {folder: tree(folder) for folder in (fake, old)},
        json.loads((checkout.latest / "matrix.json").read_text()),
        [json.loads(line) for line in (checkout.latest / "observations.jsonl").read_text().splitlines()],
        (checkout.latest / "matrix.md").read_text(),
    )


def test_only_what_is_installed_has_a_row(measured: MeasuredEnvironments) -> None:
    """What is not there is left out, what is there and cannot be measured says why, and `ssl` always is."""
    rows = measured.of("env_shop_venv")
    assert rows.keys() == {"ssl", "httpx", "requests"}
    assert rows["ssl"]["verdict"] == "enforced", rows["ssl"]["reason"]
    assert rows["httpx"]["verdict"] == rows["requests"]["verdict"] == "untestable"
    assert rows["httpx"]["reason"].startswith("httpx 0.16.0 is too old for this probe")
    assert "nonesuch_of_requests" in rows["requests"]["reason"]


def test_the_versions_that_are_there_are_measured(measured: MeasuredEnvironments) -> None:
    """urllib3 1.26 and its botocore go below the floor where a newer urllib3 would hold it."""
    rows = measured.of("env_old_app")
    assert rows.keys() == {"ssl", "urllib3", "botocore"}
    for client, version in (("urllib3", "1.26.20"), ("botocore", "1.31.85")):
        row = rows[client]
        assert (row["verdict"], row["held_by"], row["client_version"]) == ("downgraded", "nothing", version)


def test_an_environment_is_a_subject_of_its_own(measured: MeasuredEnvironments) -> None:
    """Rows, document and observations name its folder, and the answer counts it as what it is."""
    rows = measured.of("env_old_app").values()
    assert {row["environment"] for row in rows} == {str(measured.old)}
    assert {row["path"] for row in rows} == {str(measured.old / "bin" / "python")}
    both = {str(measured.fake), str(measured.old)}
    assert {one["environment"] for one in measured.document["interpreters"]} == both
    assert {cell["environment"] for cell in measured.observations} == both
    assert "1 of 2 applications' environments negotiates TLS 1.0" in measured.opening


def test_an_environment_is_unchanged(measured: MeasuredEnvironments) -> None:
    """Not a byte of either is changed, and no file added."""
    assert measured.before == measured.after


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
