"""How people read what a row is about: an interpreter by its id, an environment as found by where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interpreters.interpreter import MADE

if TYPE_CHECKING:
    from interpreters.interpreter import Interpreter
    from reports.verdicts.matrix import Row


def label(interpreter: Interpreter) -> str:
    """Return what people read in place of an interpreter's name: in a merged report with the host."""
    named = place(interpreter)
    return f"{named} on {interpreter.host}" if interpreter.host else named


def place(interpreter: Interpreter) -> str:
    """Return the label without the host; the same application on two machines has the same."""
    if interpreter.environment == MADE or interpreter.is_program:
        return interpreter.id
    if interpreter.is_running:
        return f"{interpreter.id} in {interpreter.environment}"
    if interpreter.is_site:
        return f"packages of {interpreter.path}"
    by_path = interpreter.is_as_installed or interpreter.other_ways
    return interpreter.path if by_path else interpreter.environment


def versioned(row: Row) -> str:
    """Name a client with its version, which the standard library's has from its interpreter."""
    own = row.client_version == row.interpreter.version
    return str(row.client) if own else " ".join(filter(None, [str(row.client), row.client_version]))
