"""Judging what was measured, as a person or a CI system runs it: gate, policy and merge."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.limits import SLOW

if TYPE_CHECKING:
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e


def _gate_program(checkout: Checkout) -> tuple[int, str]:
    """Run the gate as a program; return its exit status and what it printed."""
    command = [sys.executable, "-m", "reports.gate"]
    done = subprocess.run(
        command, cwd=checkout.folder, capture_output=True, text=True, timeout=SLOW, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_gate_tells_findings_by_its_exit_code(checkout: Checkout, loose: Interpreter) -> None:
    """On a real run both forms of the gate name what is downgraded, and the program's exit code tells."""
    checkout.measure("--only", loose.id, "--clients", "ssl")
    status, said = _gate_program(checkout)
    decided = said.splitlines()[-1]
    assert (status, decided.partition(":")[0]) == (1, "findings"), said
    assert f"fails: {loose.id}: " in said
    assert f"{loose.id}/ssl" in said
    nox_status, nox_said = checkout.nox("-s", "gate")
    assert nox_status == 1
    assert decided in nox_said
    record = json.loads((checkout.latest / "gate.json").read_text())
    assert (record["kind"], record["exit_code"]) == ("findings", 1)


@pytest.fixture(scope="module")
def held(checkout: Checkout, strict: Interpreter) -> str:
    """Measure an interpreter that holds the floor, and pass the gate at once; return what was printed."""
    status, said = checkout.nox("-s", "matrix", "gate", "--", "--only", strict.id)
    assert status == 0, said
    assert "unrecognized" not in said
    assert (checkout.latest / "gate.json").exists()
    return said


def test_a_narrowed_run_passes_only_where_that_is_asked_for(
    checkout: Checkout, strict: Interpreter, held: str
) -> None:
    """After --only the gate ends with 2 and a sentence, unless asked for at once or a policy allows it."""
    assert f"This run is partial: --only {strict.id} left out " in held
    status, said = _gate_program(checkout)
    assert status == 2, said
    (decided,) = [line for line in said.splitlines() if line.startswith("inconclusive: ")]
    assert f"is partial (--only {strict.id} left out " in decided
    assert decided.endswith("measure without that, or allow it with partial = true in policy.toml")
    status, said = checkout.nox("-s", "gate")
    assert (status, decided in said) == (1, True)
    policy = checkout.folder / "policy.toml"
    try:
        policy.write_text("partial = true")
        status, said = _gate_program(checkout)
        assert status == 0, said
    finally:
        policy.unlink()
    assert _gate_program(checkout)[0] == 2


def test_a_run_under_a_variable_is_not_taken_for_the_machine(
    checkout: Checkout, strict: Interpreter, tmp_path: Path
) -> None:
    """What an exported OPENSSL_CONF holds is held under that alone, and passes where a policy names it."""
    floor = tmp_path / "floor.cnf"
    floor.write_text("")
    status, said = checkout.nox("-s", "matrix", "gate", "--", "--only", strict.id, OPENSSL_CONF=str(floor))
    assert status == 1
    assert f"measured under OPENSSL_CONF={floor}, so what runs without that is not covered" in said
    assert f"Measured under OPENSSL_CONF={floor}: what runs without that is not covered." in said
    policy = checkout.folder / "policy.toml"
    try:
        policy.write_text(f'openssl_conf = "{floor}"\npartial = true')
        assert checkout.nox("-s", "gate", OPENSSL_CONF=str(floor))[0] == 0
    finally:
        policy.unlink()


@pytest.mark.usefixtures("held")
def test_a_run_that_was_killed_does_not_leave_the_one_before_in_its_place(
    checkout: Checkout, strict: Interpreter
) -> None:
    """After a matrix that was killed the gate does not pass on the report before, and names the run."""
    before = (checkout.latest / "run.json").read_text()
    with checkout.start("-s", "matrix", "--", "--only", strict.id) as process:
        deadline = time.monotonic() + SLOW
        while not list((checkout.folder / "reports").glob(".begun-*")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=SLOW)
    assert (checkout.latest / "run.json").read_text() == before
    status, said = _gate_program(checkout)
    assert status == 2
    assert "and did not finish: run nox -s matrix again, and see what stopped it" in said
    assert checkout.nox("-s", "matrix", "gate", "--", "--only", strict.id)[0] == 0


def test_the_gate_refuses_options(checkout: Checkout) -> None:
    """Named another run or floor it does not decide about the latest instead."""
    for words in (["reports/history/another"], ["--floor", "TLSv1.3"]):
        status, said = checkout.nox("-s", "gate", "--", *words)
        assert status == 2
        assert f"unrecognized arguments: {' '.join(words)}; see nox -s gate -- --help" in said


def test_a_policy_sets_the_floor_and_rules_the_gate(checkout: Checkout, loose: Interpreter) -> None:
    """The floor that is checkout is the policy's, which is written beside the verdicts and waives rows."""
    policy = checkout.folder / "policy.toml"
    waiver = (
        '[[waiver]]\ninterpreter = "*"\nclient = "[!s]*"\nreason = "it is a test"\nexpires = 9999-12-31\n'
    )
    try:
        policy.write_text(f'floor = "TLSv1.1"\n{waiver}')
        status, said = checkout.nox("-s", "matrix", "--", "--only", loose.id)
        assert status == 0, said
        assert {row["floor"] for row in checkout.matrix().values()} == {"TLSv1.1"}
        document = json.loads((checkout.latest / "matrix.json").read_text())
        assert (document["floor"], document["policy"]["floor"]) == ("TLSv1.1", "TLSv1.1")
        assert 'name="policy waiver 1"' in (checkout.latest / "junit.xml").read_text()
        status, said = _gate_program(checkout)
        assert status == 1
        assert said.splitlines()[-1] == f"findings: 1 downgraded: {loose.id}/ssl"
        shutil.copy(checkout.latest / "matrix.json", checkout.folder / "baseline.json")
        status, said = checkout.nox("-s", "matrix", "--", "--only", loose.id)
        assert status == 0, said
        policy.write_text('new_only = "baseline.json"\npartial = true')
        status, said = _gate_program(checkout)
        assert status == 0, said
        assert "known from baseline.json" in said
        policy.write_text('flor = "TLSv1.1"')
        for session in ("matrix", "gate"):
            status, said = checkout.nox("-s", session)
            assert status == 1
            assert "policy.toml: unknown key 'flor'; did you mean 'floor'?" in said
        assert _gate_program(checkout)[0] == 3
    finally:
        policy.unlink()


def test_machines_are_merged_and_a_silent_one_is_named(
    checkout: Checkout, sample: Interpreter, tmp_path: Path
) -> None:
    """Two runs under two names become one matrix, cell for cell, beside a third machine that is missing."""
    rows, cells = [], []
    for host in ("one", "two"):
        checkout.measure("--only", sample.id, "--clients", "ssl", "--host", host)
        shutil.copytree(checkout.latest.resolve(), tmp_path / host)
        rows += (tmp_path / host / "matrix.csv").read_text().splitlines()[1:]
        cells += (tmp_path / host / "observations.jsonl").read_text().splitlines()
    status, said = checkout.nox("-s", "merge", "--", str(tmp_path), "--expect", "one", "--expect", "three")
    assert status == 0, said
    assert "1 machine was expected and did not report, so nothing is known about it: three." in said
    merged = (checkout.latest / "matrix.csv").read_text().splitlines()
    assert merged[1:-1] == rows
    assert ",three,missing," in merged[-1]
    assert (checkout.latest / "observations.jsonl").read_text().splitlines() == cells
    status, said = checkout.nox("-s", "gate")
    assert status == 1
    assert "1 missing: machine three" in said
    assert len(list((checkout.latest / "evidence").glob("*/*.pcapng"))) == 2
    status, said = checkout.nox("-s", "pack", "verify")
    assert status == 0, said
    assert "-merge follows from its observations." in said
    assert "another version" not in said
    document = tmp_path / "one" / "matrix.json"
    document.write_text(document.read_text().replace('"schema_version": 2', '"schema_version": 1', 1))
    status, said = checkout.nox("-s", "merge", "--", str(tmp_path))
    assert status == 1
    assert f"{document} has schema version 1, and this tool reads 2" in said
    status, said = checkout.nox("-s", "merge")
    assert status == 1
    assert "there is nothing to merge" in said
