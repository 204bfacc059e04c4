"""Times the writing of a large report: `python -m runs.bench_reports FOLDER ROWS`.

Its rows are those of a run in FOLDER, again and again as if of other machines. A process of its own tells how
much memory that takes.
"""

from __future__ import annotations

import json
import math
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reports.merge import merge, read_parts
from reports.report import write_report
from reports.verdicts.policy import Policy

if TYPE_CHECKING:
    from reports.verdicts.matrix import Matrix

UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in what getrusage(2) counts memory in."""


def large(folder: Path, rows: int) -> Matrix:
    """Return a run's matrix, joined with itself until it has so many rows."""
    (part,) = read_parts([folder])
    times = math.ceil(rows / max(1, len(part.rows)))
    machines = [replace(part, run=replace(part.run, host=f"{part.host}-{n}")) for n in range(times)]
    return merge(machines, (), replace(part.run, run_id="bench"))


def time_report(folder: Path, rows: int) -> dict[str, float]:
    """Write all files of a large report into a folder that goes again; return seconds and bytes."""
    matrix = large(folder, rows)
    with tempfile.TemporaryDirectory() as name:
        began = time.monotonic()
        write_report(Path(name), matrix, Policy())
        wall = time.monotonic() - began
        html = (Path(name) / "matrix.html").stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    return {"rows": len(matrix.rows), "wall": round(wall, 2), "peak": peak, "html": html}


if __name__ == "__main__":
    print(json.dumps(time_report(Path(sys.argv[1]), int(sys.argv[2]))))
