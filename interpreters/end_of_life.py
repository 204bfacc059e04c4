"""When releases of Python reach their end of life: end_of_life.toml, and what it says of a version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt

TABLE = Path(__file__).with_suffix(".toml")


def read_ends(path: Path = TABLE) -> dict[str, dt.date]:
    """Return the day on which each release reaches its end of life, by its name: ``3.9``."""
    with path.open("rb") as file:
        return tomllib.load(file)


def ended(version: str, today: dt.date) -> dt.date | None:
    """Return the day on which a version of Python reached its end of life; None where it has not.

    A version that the table does not know is newer than the table. `today` is in UTC.
    """
    release = re.match(r"\d+\.\d+", version)
    end = read_ends().get(release[0]) if release else None
    return end if end and end < today else None
