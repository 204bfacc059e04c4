"""Tells what is kept between runs for too long: one rule for all of it."""

from __future__ import annotations

AHEAD = 3600.0
"""Seconds by which a file may be newer than now, as where a file server's clock is ahead."""


def is_old(written: float, limit: float, now: float) -> bool:
    """Whether something was written longer ago than a limit, or by a clock that was ahead: who knows when."""
    return not -AHEAD <= now - written < limit
