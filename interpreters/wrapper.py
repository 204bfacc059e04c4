"""Finds which variables a wrapper changes before it starts an interpreter, and applies those changes."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

RELEVANT = ("OPENSSL_", "SSL_", "LD_", "DYLD_", "PYTHON")
"""How the names of variables begin that decide which library is loaded, and with which settings."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def relevant_variables(env: Mapping[str, str]) -> dict[str, str]:
    """Return those variables of an environment that matter, by name."""
    return {name: text for name, text in sorted(env.items()) if name.startswith(RELEVANT)}


def changed_variables(given: Mapping[str, str], inside: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables that matter and that differ inside; None for a variable that is gone.

    `inside` is the interpreter's own account, which is not to be trusted: raises ValueError for a name or
    value that no variable can have.
    """
    found: dict[str, str | None] = {}
    before, after = relevant_variables(given), relevant_variables(inside)
    for name in sorted({*before, *after}):
        # Compared as bytes: in the locale C an old Python reads as single bytes what we read as letters.
        raw = None if name not in after else after[name].encode("utf-8", "surrogateescape")
        if raw is not None and (b"\0" in raw or not NAME.fullmatch(name)):
            msg = f"no environment has the variable {name!r}"
            raise ValueError(msg)
        if raw != (None if name not in before else os.fsencode(before[name])):
            found[name] = None if raw is None else os.fsdecode(raw)
    return found


def applied(env: Mapping[str, str], changed: Mapping[str, str | None]) -> dict[str, str]:
    """Return an environment with these changes made."""
    kept = {name: text for name, text in env.items() if name not in changed}
    return kept | {name: text for name, text in changed.items() if text is not None}


def env_to_start(env: Mapping[str, str], changed: Mapping[str, str | None]) -> dict[str, str]:
    """Return an environment in which the interpreter behind a wrapper starts, and nothing else differs.

    The interpreter may need libraries that only the wrapper knows of.
    """
    return applied(env, {name: changed[name] for name in changed if name.startswith(("LD_", "DYLD_"))})
