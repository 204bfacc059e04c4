"""The gate: reads the latest matrix and says whether the machine holds the floor."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from reports.files import write_aside
from reports.frame import COLUMNS
from reports.verdicts import Verdict
from servers.conditions import Condition

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Decision:
    """What the gate decided, and the rows it rests on, as ``interpreter/client``."""

    passed: bool
    message: str
    run_id: str = ""
    floor: str = ""
    rows: dict[str, list[str]] = field(default_factory=dict)
    """Row names by verdict."""


def decide(frame: pd.DataFrame) -> Decision:
    """Decide from a matrix: every row under the machine's own configuration must be enforced."""
    if missing := [column for column in COLUMNS if column not in frame.columns]:
        return Decision(False, f"matrix.csv has no column {missing[0]!r}: it is not a matrix of this tool")
    if frame.isna().any().any() or not frame["condition"].isin(list(Condition)).all():
        return Decision(False, "matrix.csv is damaged: a row is cut off, or has a condition that is none")
    ambient = frame[frame["condition"] == Condition.AMBIENT]
    if ambient.empty:
        return Decision(False, "nothing was measured under the machine's own configuration")
    names = ambient["interpreter"] + "/" + ambient["client"]
    rows = {str(v): sorted(names[ambient["verdict"] == v]) for v in Verdict}
    strange = sorted(names[~ambient["verdict"].isin(list(Verdict))])
    floor = str(ambient["floor"].iloc[0])
    bad = {v: listed for v, listed in rows.items() if v != Verdict.ENFORCED and listed}
    if strange:
        bad["of an unknown verdict"] = strange
    if bad:
        message = "; ".join(f"{len(listed)} {v}: {', '.join(listed)}" for v, listed in bad.items())
    else:
        message = f"all {len(ambient)} rows hold {floor}"
    return Decision(not bad, message, str(ambient["run_id"].iloc[0]), floor, rows)


def gate(folder: Path) -> Decision:
    """Decide about the report in `folder` and leave gate.json beside it; no report is a failure."""
    matrix = folder / "matrix.csv"
    try:
        decision = decide(pd.read_csv(matrix, dtype=str, keep_default_na=False))
    except (OSError, ValueError) as error:
        reason = f"nothing was measured: {matrix} cannot be read ({error}); run nox -s matrix first"
        decision = Decision(False, reason)
    if folder.is_dir():
        record = {"schema_version": SCHEMA_VERSION} | asdict(decision)
        write_aside(folder / "gate.json", json.dumps(record, indent=2) + "\n")
    return decision
