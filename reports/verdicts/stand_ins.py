"""What stands in the files of a report where a machine, or every client, has no name of its own there.

Apart from the matrix, because the gate reads files alone, and starts before every build.
"""

from __future__ import annotations

from interpreters.clients import ClientKey

MATRIX_VERSION = 2
"""Schema version of matrix.json; changes when a reader of the old one would be misled."""

ALL_CLIENTS = ClientKey("all")
"""The client of a row that stands for every client, because nothing could be measured at all."""

MISSING = "missing"
"""What files name as the interpreter in a row of a machine that was expected and did not report."""


def did_not_report(interpreter: str, client: str) -> bool:
    """Whether a file's row of this interpreter and client stands for a machine that did not report.

    Only who reads files has to ask: a Row and a GateRow know what they are about.
    """
    return (interpreter, client) == (MISSING, str(ALL_CLIENTS))
