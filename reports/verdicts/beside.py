"""Says of a client found below the floor where it holds on the same interpreter, and what differs there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from interpreters.interpreter import MADE
from reports.verdicts.judge import Verdict
from reports.verdicts.labels import versioned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reports.verdicts.matrix import Row

ILL = (Verdict.DOWNGRADED, Verdict.FRAGILE)


def beside_made(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows, those of what was found with what holds beside them where that is known.

    It is a fact of two rows, and no cause: which of the differences decides, a trial of remedies shows.
    """
    holding = {
        (row.interpreter.host, row.interpreter.build, row.client, row.condition): row
        for row in rows
        if row.interpreter.environment == MADE
        and row.interpreter.build
        and not row.interpreter.is_program
        and row.verdict is Verdict.ENFORCED
    }

    def seen(row: Row) -> Row:
        interpreter = row.interpreter
        if interpreter.environment == MADE or row.verdict not in ILL:
            return row
        made = holding.get((interpreter.host, interpreter.build, row.client, row.condition))
        differences = ", ".join(_differences(row, made)) if made else ""
        if made is None or not (differences or _versions(row) != _versions(made)):
            return row
        there = f"in the environment made for {made.interpreter.id}, {_versions(made)} holds"
        here = f"here is {_versions(row)}" + (f", with {differences}" if differences else "")
        reason = f"{row.judgement.reason}; {there}; {here}"
        return replace(row, judgement=replace(row.judgement, reason=reason))

    return tuple(map(seen, rows))


def _versions(row: Row) -> str:
    """Name a client with its version and that of the urllib3 beside it."""
    urllib3 = row.urllib3 if row.client.name != "urllib3" else ""
    return f"{versioned(row)} with urllib3 {urllib3}" if urllib3 else versioned(row)


def _differences(row: Row, made: Row) -> Iterator[str]:
    """Give what is started with a client beside its packages here alone: code at the start, and variables.

    What an interpreter's own library runs at the start, as Debian's does, every environment of it runs.
    """
    if files := [file for file in row.interpreter.start_up if file not in made.interpreter.start_up]:
        yield f"start-up code ({', '.join(files)})"
    for name, value in row.interpreter.variables.items():
        yield f"{name}={value}"
