"""When releases of Python reach their end of life: end_of_life.toml, and what it says of a version."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path

from interpreters.tables import Table, parse
from interpreters.versions import minor_of

TABLE = Path(__file__).with_suffix(".toml")


def read_ends(path: Path = TABLE) -> dict[str, dt.date]:
    """Return the day on which each release, such as ``3.9``, reaches its end of life; raises TableError."""
    ends = parse(path.name, path.read_bytes())
    table = Table(path.name, ends, dict.fromkeys(ends, True))
    return {name: table.get(name, dt.date) for name in ends}


@cache
def _known_ends() -> dict[str, dt.date]:
    """Return what the table has, read once: a report asks for each of its interpreters."""
    return read_ends()


def ended(version: str, today: dt.date) -> dt.date | None:
    """Return the day on which a version of Python reached its end of life; None where it has not.

    A version that the table does not know is newer than the table. `today` is in UTC.
    """
    end = _known_ends().get(minor_of(version))
    return end if end and end < today else None
