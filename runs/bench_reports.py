"""Times the writing of a large report: `python -m runs.bench_reports FOLDER ROWS [PAGE]`.

Its rows are those of a run in FOLDER, again and again as if of other machines. A process of its own tells how
much memory that takes. Its matrix.html is copied to PAGE.
"""

from __future__ import annotations

import json
import math
import resource
import shutil
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


def time_report(folder: Path, rows: int, page: Path | None = None) -> dict[str, float]:
    """Write all files of a large report into a folder that goes again; return seconds and bytes."""
    matrix = large(folder, rows)
    with tempfile.TemporaryDirectory() as name:
        began, used = time.monotonic(), time.process_time()
        write_report(Path(name), matrix, Policy())
        figures = {"wall": time.monotonic() - began, "cpu": time.process_time() - used}
        html = (Path(name) / "matrix.html").stat().st_size
        if page:
            shutil.copyfile(Path(name) / "matrix.html", page)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    size = {"rows": len(matrix.rows), "servers": len(matrix.catalogue.servers)}
    return size | {name: round(took, 2) for name, took in figures.items()} | {"peak": peak, "html": html}


if __name__ == "__main__":
    print(json.dumps(time_report(Path(sys.argv[1]), int(sys.argv[2]), *map(Path, sys.argv[3:]))))
