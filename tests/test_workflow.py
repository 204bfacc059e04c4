"""The nightly workflow: what it promises, and its commands, run for real with GitHub's part played here."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WORKFLOW = ROOT / ".github" / "workflows" / "tls-floor.yml"
FAULTS = WORKFLOW.with_name("faults.yml")
HOW_TO = ROOT / "docs" / "how-to.md"
LIMIT = 600.0
"""Seconds for one step: the first provisions everything, perhaps over a slow network."""


@pytest.fixture(scope="module")
def workflow() -> Any:
    """The workflow, parsed."""
    return YAML(typ="safe").load(WORKFLOW.read_text(encoding="utf-8"))


def _steps(workflow: Any, job: str) -> list[Any]:
    return list(workflow["jobs"][job]["steps"])


def test_faults_are_injected_every_night() -> None:
    """The other nightly workflow injects all faults, as root, and is held to the same rules."""
    faults = YAML(typ="safe").load(FAULTS.read_text(encoding="utf-8"))
    test_it_runs_nightly_and_by_hand(faults)
    test_it_may_do_nothing_but_read(faults)
    assert _steps(faults, "faults")[-1]["run"].rstrip("\n").endswith(".venv/bin/nox -s faults'")


def test_it_runs_nightly_and_by_hand(workflow: Any) -> None:
    """It is started by a schedule and by a person, and by nobody's push or pull request."""
    (schedule,) = workflow["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", schedule["cron"])
    assert set(workflow["on"]) == {"schedule", "workflow_dispatch"}


def test_it_may_do_nothing_but_read(workflow: Any) -> None:
    """No job has a permission beyond reading the repository, keeps its token on disk, or runs for ever."""
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert 0 < job["timeout-minutes"] <= 60
        checkout = next(step for step in job["steps"] if "actions/checkout@" in step.get("uses", ""))
        assert checkout["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", [WORKFLOW, FAULTS], ids=lambda path: path.stem)
def test_every_action_is_pinned(path: Path) -> None:
    """Each action is a commit, with the release that it is of beside it."""
    lines = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)] == []


def test_every_image_is_expected(workflow: Any) -> None:
    """The merge expects exactly the machines that measure: none can go missing unseen."""
    images = workflow["jobs"]["measure"]["strategy"]["matrix"]["image"]
    merge = next(step["run"] for step in _steps(workflow, "gate") if step.get("name") == "Merge")
    assert re.findall(r"--expect (\S+)", merge) == images


def test_what_one_machine_does_stops_no_other(workflow: Any) -> None:
    """A machine that fails does not end the others, uploads what it has, and the merge goes on without it."""
    assert workflow["jobs"]["measure"]["strategy"]["fail-fast"] is False
    assert workflow["jobs"]["gate"]["if"] == "${{ !cancelled() }}"
    for job in workflow["jobs"]:
        uploads = [step for step in _steps(workflow, job) if "upload-artifact@" in step.get("uses", "")]
        assert [step["if"] for step in uploads] == ["${{ !cancelled() }}"]


def test_the_commands_are_the_readmes(workflow: Any) -> None:
    """Whoever reads the README knows the commands of the workflow, and cron and systemd run the same."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (measure,) = (step["run"] for step in _steps(workflow, "measure") if "run" in step)
    first, second = re.findall(r"^\$ (python3 -m venv .*?) +#", readme, re.MULTILINE)
    assert measure.startswith(f"{first} -- ")
    assert [step["run"] for step in _steps(workflow, "gate") if "run" in step][-1] == ".venv/bin/nox -s gate"
    ours = [line.strip() for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()]
    assert (ours.count(first), ours.count(second)) == (1, 1)
    assert "nox -s matrix && nox -s gate" in readme
    assert HOW_TO.read_text(encoding="utf-8").count("nox -s matrix && nox -s gate") >= 3


@pytest.mark.parametrize(
    ("fails", "printed"),
    [("", ""), ("matrix", "nox -s matrix\n"), ("gate", "nox -s matrix\nnox -s gate\n")],
)
def test_cron_prints_only_what_is_wrong(tmp_path: Path, fails: str, printed: str) -> None:
    """The line for cron, which mails what is printed, says nothing of a good night and all of a bad one."""
    (line,) = re.findall(r"^17 2 \* \* \* (.*)$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE)
    (tmp_path / "tls-floor-matrix").mkdir()
    nox = tmp_path / "nox"
    nox.write_text(f'#!/bin/sh\necho "nox $*" >&2\ntest "$2" != "{fails}"\n')
    nox.chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", line], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == (printed, "")


@dataclass
class Runner:
    """Plays GitHub's part: a fresh checkout for each job, its steps in order, and the artifacts between."""

    workflow: Any
    folder: Path
    environment: Mapping[str, str]
    make_cache: Callable[[Path], Path]

    def run(self, job: str, **matrix: str) -> tuple[list[tuple[str, int, str]], str]:
        """Run a job's steps; return each command with its status and output, and the step summaries."""
        checkout = self.folder / f"{job}-{'-'.join(matrix.values())}"
        ran: list[tuple[str, int, str]] = []
        summary = checkout.with_suffix(".summary")
        summary.unlink(missing_ok=True)
        for step in _steps(self.workflow, job):
            failed = any(status for _, status, _ in ran)
            if failed and step.get("if") != "${{ !cancelled() }}":
                continue
            if "run" in step:
                ran.append(self._command(step, checkout, summary, matrix))
            else:
                self._action(step, checkout, matrix)
        return ran, summary.read_text(encoding="utf-8") if summary.exists() else ""

    def _command(
        self, step: Any, checkout: Path, summary: Path, matrix: Mapping[str, str]
    ) -> tuple[str, int, str]:
        own = {name: _filled(text, matrix) for name, text in step.get("env", {}).items()}
        done = subprocess.run(
            # What GitHub starts for a command that names no shell.
            ["bash", "-e", "-c", step["run"]],
            cwd=checkout,
            env={**self.environment, **own, "GITHUB_STEP_SUMMARY": str(summary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            timeout=LIMIT,
        )
        return step["run"], done.returncode, done.stdout

    def _action(self, step: Any, checkout: Path, matrix: Mapping[str, str]) -> None:
        action = step["uses"].partition("@")[0]
        asked = {name: _filled(str(text), matrix) for name, text in step.get("with", {}).items()}
        artifacts = self.folder / "artifacts"
        if action == "actions/checkout":
            if not checkout.exists():  # a job may run again
                ours = shutil.ignore_patterns(".nox", ".venv", ".git", "history", "latest")
                shutil.copytree(ROOT, checkout, ignore=ours)
                self.make_cache(checkout / ".nox" / ".cache")
        elif action == "actions/upload-artifact":
            source = checkout / asked["path"]
            assert not source.is_symlink()
            if source.exists():
                # Hidden files stay behind unless the action is told otherwise (include-hidden-files).
                hidden = shutil.ignore_patterns(".*")
                shutil.copytree(source, artifacts / asked["name"], ignore=hidden, dirs_exist_ok=True)
        elif action == "actions/download-artifact":
            for found in artifacts.glob(asked["pattern"]):
                shutil.copytree(found, checkout / asked["path"] / found.name)
        else:
            assert action == "actions/setup-python"


def _filled(text: str, matrix: Mapping[str, str]) -> str:
    """Fill in what a step takes from its job's matrix, and nothing else."""
    filled = re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda match: matrix[match[1]], text)
    assert "${{" not in filled
    return filled


@pytest.fixture
def runner(
    workflow: Any,
    tmp_path: Path,
    callers_environment: Mapping[str, str],
    make_cache: Callable[[Path], Path],
) -> Runner:
    """A runner with a Python of its own, in which `pip install` touches nobody else's."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH: install OpenSSL's command line tool")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "python"], check=True, timeout=LIMIT)
    ours = ("TLS_FLOOR_", "NOX", "GITHUB_", "COVERAGE_", "PYTEST_")
    kept = {name: text for name, text in callers_environment.items() if not name.startswith(ours)}
    path = f"{tmp_path / 'python' / 'bin'}{os.pathsep}{kept['PATH']}"
    return Runner(workflow, tmp_path, {**kept, "PATH": path, "CI": "true"}, make_cache)


@pytest.mark.e2e
def test_its_commands_measure_merge_and_gate(runner: Runner) -> None:
    """Where no image reports the gate names each and fails; where one does, the other, and fails for it."""
    images = runner.workflow["jobs"]["measure"]["strategy"]["matrix"]["image"]
    ran, _ = runner.run("gate")
    assert [status for _, status, _ in ran] == [0, 1], ran
    assert f"{len(images)} missing: {', '.join(f'machine {image}' for image in images)}" in ran[-1][2]
    image, silent = images
    ((_, status, said),), summary = runner.run("measure", image=image)
    assert status == 0, said
    assert summary.startswith("# TLS floor matrix: TLS 1.2 on ")
    assert image in summary.splitlines()[0]
    ran, summary = runner.run("gate")
    (_, merged, told), (_, gated, decided) = ran
    assert merged == 0, told
    assert f"1 machine was expected and did not report, so nothing is known about it: {silent}." in told
    assert silent in summary
    assert gated == 1
    assert f"1 missing: machine {silent}" in decided
    run = max((runner.folder / "artifacts" / "merged").iterdir())
    document = json.loads((run / "matrix.json").read_text())
    assert [one["host"] for one in document["runs"]] == [image, silent]
    assert json.loads((run / "gate.json").read_text())["passed"] is False
