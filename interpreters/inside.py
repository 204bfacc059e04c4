"""What the start of an interpreter changes in its environment: a wrapper sets variables, then starts it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TELLING = ("OPENSSL_", "SSL_", "LD_", "DYLD_", "PYTHON")
"""How the names of variables begin that decide which library is loaded and what code and settings it gets."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def telling(environment: Mapping[str, str]) -> dict[str, str]:
    """Return those variables of an environment that matter, by name."""
    return {name: text for name, text in sorted(environment.items()) if name.startswith(TELLING)}


def changes(given: Mapping[str, str], inside: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables that matter and are not inside as they were given; None for one that is gone.

    Raises ValueError for what can be no variable: an interpreter's own account is not to be trusted.
    """
    found: dict[str, str | None] = {}
    before, after = telling(given), telling(inside)
    for name in sorted({*before, *after}):
        # Compared as bytes: in the locale C an old Python reads as single bytes what we read as letters.
        raw = None if name not in after else after[name].encode("utf-8", "surrogateescape")
        if raw is not None and (b"\0" in raw or not NAME.fullmatch(name)):
            msg = f"no environment has the variable {name!r}"
            raise ValueError(msg)
        if raw != (None if name not in before else os.fsencode(before[name])):
            found[name] = None if raw is None else os.fsdecode(raw)
    return found


def applied(environment: Mapping[str, str], changed: Mapping[str, str | None]) -> dict[str, str]:
    """Return an environment with these changes made."""
    kept = {name: text for name, text in environment.items() if name not in changed}
    return kept | {name: text for name, text in changed.items() if text is not None}


def to_start(environment: Mapping[str, str], changed: Mapping[str, str | None]) -> dict[str, str]:
    """Return an environment in which the interpreter behind a wrapper starts, and nothing else differs.

    It may be in need of libraries that only the wrapper knows of.
    """
    return applied(
        environment, {name: changed[name] for name in changed if name.startswith(("LD_", "DYLD_"))}
    )
