"""What decides how a real interpreter must come out, from what it says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interpreters.interpreter import Interpreter


def has_old(interpreter: Interpreter) -> bool:
    """Whether its OpenSSL has anything below TLS 1.2; Python says so since 3.7, and before it always had."""
    return any(interpreter.has.get(name, True) for name in ("HAS_SSLv3", "HAS_TLSv1", "HAS_TLSv1_1"))


def goes_below(interpreter: Interpreter) -> bool:
    """Whether a plain context there goes below TLS 1.2: its OpenSSL can, and Python lets it."""
    return has_old(interpreter) and not interpreter.sets_minimum
