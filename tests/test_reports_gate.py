"""The gate: it passes a matrix that is enforced throughout, and says of anything else why it does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from builders import FLOORS, TLS1_2, a_catalogue, a_row, a_run

from reports.frame import COLUMNS, build_frame
from reports.gate import decide, gate
from reports.verdicts import Verdict
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from reports.matrix import Row
    from servers.protocols import Protocol

CATALOGUE = a_catalogue()
RUN = a_run(CATALOGUE)
GOOD = a_row(Verdict.ENFORCED, "good")


def _frame(rows: Sequence[Row], floor: Protocol = TLS1_2) -> pd.DataFrame:
    return build_frame(rows, RUN, CATALOGUE, floor)


def _write(folder: Path, *rows: Row, floor: Protocol = TLS1_2) -> Path:
    path = folder / "matrix.csv"
    _frame(rows, floor).to_csv(path, index=False)
    return path


def _record(folder: Path) -> Any:
    return json.loads((folder / "gate.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("floor", FLOORS)
def test_a_matrix_that_is_enforced_throughout_passes(tmp_path: Path, floor: Protocol) -> None:
    """Every row enforced is the only way to pass, and message and record say at which floor."""
    _write(tmp_path, GOOD, a_row(Verdict.ENFORCED, "good", "urllib3"), floor=floor)
    decision = gate(tmp_path)
    assert decision.passed
    assert decision.message == f"all 2 rows hold {floor}"
    record = _record(tmp_path)
    assert record["schema_version"] == 1
    assert record["passed"] is True
    assert (record["run_id"], record["floor"]) == (RUN.run_id, floor)
    assert record["rows"]["enforced"] == ["good/ssl", "good/urllib3"]


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.ENFORCED])
def test_any_other_verdict_fails_and_is_told_apart(tmp_path: Path, verdict: Verdict) -> None:
    """One row that is not enforced fails the gate, named under its own verdict and no other."""
    _write(tmp_path, GOOD, a_row(verdict, "bad", "botocore"))
    decision = gate(tmp_path)
    assert not decision.passed
    assert decision.message == f"1 {verdict}: bad/botocore"
    record = _record(tmp_path)
    assert record["passed"] is False
    assert record["message"] == decision.message
    assert record["rows"] == {str(v): [] for v in Verdict} | {
        "enforced": ["good/ssl"],
        str(verdict): ["bad/botocore"],
    }


def test_all_that_is_wrong_is_listed(tmp_path: Path) -> None:
    """Every verdict that fails has its count and its rows in the message, the worst first."""
    bad = [v for v in Verdict if v is not Verdict.ENFORCED]
    _write(tmp_path, GOOD, *(a_row(v, f"py{n}", c) for n, v in enumerate(bad) for c in ("b", "a")))
    message = gate(tmp_path).message
    assert message == "; ".join(f"2 {v}: py{n}/a, py{n}/b" for n, v in enumerate(bad))


def test_other_conditions_are_no_answer(tmp_path: Path) -> None:
    """Only the machine's own configuration counts: other rows neither fail the gate nor pass it."""
    _write(tmp_path, GOOD, a_row(Verdict.DOWNGRADED, "good", condition=Condition.PERMISSIVE))
    assert gate(tmp_path).passed
    _write(tmp_path, a_row(Verdict.ENFORCED, condition=Condition.PERMISSIVE))
    decision = gate(tmp_path)
    assert not decision.passed
    assert decision.message == "nothing was measured under the machine's own configuration"
    assert _record(tmp_path)["passed"] is False


def test_a_matrix_without_rows_fails(tmp_path: Path) -> None:
    """A report about nothing is a failure, and recorded as one."""
    _write(tmp_path)
    assert not gate(tmp_path).passed
    assert "nothing was measured" in _record(tmp_path)["message"]


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b'a,b\n"1,2\n', b"a\n1,2,3\n4\n5,6,7,8\n"])
def test_a_file_that_cannot_be_read_fails_with_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    """No file, an empty one, or one that is no CSV is a failure that says what to do."""
    if content is not None:
        (tmp_path / "matrix.csv").write_bytes(content)
    decision = gate(tmp_path)
    assert not decision.passed
    assert "nothing was measured" in decision.message or "is not a matrix of this tool" in decision.message
    assert "matrix.csv" in decision.message


def test_no_report_folder_fails_with_a_sentence(tmp_path: Path) -> None:
    """Before the first run the gate fails, and says which session to run."""
    decision = gate(tmp_path / "latest")
    assert not decision.passed
    assert decision.message.endswith("run nox -s matrix first")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_foreign_csv_fails(column: str) -> None:
    """A table that lacks any one of the promised columns is not judged."""
    decision = decide(_frame([GOOD]).drop(columns=column))
    assert not decision.passed
    assert repr(column) in decision.message


@pytest.mark.parametrize("verdict", ["", "safe", "ENFORCED", "enforced ", "nan"])
def test_an_unknown_verdict_fails(tmp_path: Path, verdict: str) -> None:
    """A row whose verdict is none of ours is named and fails the gate, beside any number that hold."""
    frame = _frame([GOOD, a_row(Verdict.ENFORCED, "odd")])
    frame.loc[1, "verdict"] = verdict
    frame.to_csv(tmp_path / "matrix.csv", index=False)
    decision = gate(tmp_path)
    assert not decision.passed
    assert decision.message == "1 of an unknown verdict: odd/ssl"
    assert _record(tmp_path)["passed"] is False


@pytest.mark.parametrize("condition", ["", "Ambient", "ambient "])
def test_an_unknown_condition_fails(condition: str) -> None:
    """A row that may be the machine's own is not passed over because its condition is misspelt."""
    frame = _frame([GOOD, a_row(Verdict.DOWNGRADED, "odd")])
    frame.loc[1, "condition"] = condition
    assert not decide(frame).passed


def test_a_file_that_ends_early_fails(tmp_path: Path) -> None:
    """A matrix cut off in its last row is damaged, whatever the rows before say."""
    path = _write(tmp_path, GOOD, a_row(Verdict.DOWNGRADED, "odd"))
    text = path.read_text()
    path.write_text(text[: text.index(",odd,") + len(",odd,3.9")])
    assert not gate(tmp_path).passed


def test_a_failure_does_not_leave_a_pass_behind(tmp_path: Path) -> None:
    """Where a matrix that had passed can no longer be read, the record beside it says no longer passed."""
    path = _write(tmp_path, GOOD)
    assert gate(tmp_path).passed
    path.write_text("")
    assert not gate(tmp_path).passed
    assert _record(tmp_path)["passed"] is False


def test_nothing_but_the_record_is_left(tmp_path: Path) -> None:
    """Deciding twice leaves one gate.json beside the matrix and no other file."""
    _write(tmp_path, GOOD)
    assert gate(tmp_path) == gate(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"matrix.csv", "gate.json"}
