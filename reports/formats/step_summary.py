"""The report on the page of a GitHub Actions run, for as much as fits there."""

from __future__ import annotations

import bisect
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from reports.formats.markdown import EVERY_CELL

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "GITHUB_STEP_SUMMARY"
"""Names the file that GitHub shows once the step has ended; see "Adding a job summary" in its manual."""

LIMIT = 1_000_000
"""Bytes of the whole file that we go up to. Past 1 MiB GitHub shows none of it, and says so in an error."""


def append_summary(report: Path, environment: Mapping[str, str]) -> str:
    """Append what a person acts upon in `report`, a matrix.md, if GitHub asks for it.

    Returns a sentence if that was asked for and could not be done; the report is there all the same.
    """
    named = environment.get(VARIABLE)
    if not named:
        return ""
    try:
        with Path(named).open("ab") as file:
            # Earlier commands of the same step have written here too.
            room = LIMIT - file.seek(0, os.SEEK_END)
            file.write(essence(report.read_text(encoding="utf-8"), room).encode())
    except (OSError, ValueError) as error:
        return f"{VARIABLE}: the summary was not written: {error}"
    return ""


def essence(report: str, room: int) -> str:
    """Return the report up to its table of every cell, in whole lines and at most `room` bytes.

    What is left out it says at its end. Raises ValueError where not even that has room.
    """
    lines = report.partition(f"\n{EVERY_CELL}\n")[0].rstrip().split("\n")
    kept, note = len(lines), "Every cell, and where all this comes from, is in matrix.md."
    ends = list(itertools.accumulate(len(line.encode()) + 1 for line in lines))
    if ends[-1] + len(_note(note)) > room:
        note = f"{{}} of {len(lines)} lines had no room here and were left out. {note}"
        kept = bisect.bisect_right(ends, room - len(_note(note)) - len(str(len(lines))))
        note = note.format(len(lines) - kept)
    if not kept:
        msg = f"its {LIMIT} bytes are used up"
        raise ValueError(msg)
    return "\n".join(lines[:kept]) + "\n" + _note(note)


def _note(note: str) -> str:
    """Return a paragraph; the blank line in front ends a table, too."""
    return f"\n{note}\n\n"
