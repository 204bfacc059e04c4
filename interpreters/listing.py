"""Names a few things of many in a sentence, and counts the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def some_of(names: Sequence[str], most: int) -> str:
    """Return the first names, at most so many, and how many there are beside them; empty for none."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
