"""Says what a matrix fails to show of a build that is meant to hold the floor by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interpreters.hardening.checks import Check
from reports.verdicts.judge import HeldBy, Verdict
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.verdicts.matrix import Row
    from servers.protocols import Protocol

CONDITIONS = (Condition.AMBIENT, Condition.PERMISSIVE)
"""Under which a build is measured: what it holds itself, no configuration lets through."""


def held(rows: Iterable[Row], clients: Sequence[str], floor: Protocol) -> Check:
    """Return whether the rows show, for each client under each of CONDITIONS, that the build holds it."""
    missed = misses(rows, clients, CONDITIONS)
    return Check(f"the matrix shows {floor} held by the build", not missed, "; ".join(missed))


def misses(rows: Iterable[Row], clients: Sequence[str], conditions: Sequence[Condition]) -> list[str]:
    """Return, for each client under each condition, why it is not shown that the build holds the floor.

    Only `enforced` and held by the build counts; a row that is not there is a miss like any other.
    """
    known = {(row.client, row.condition): row for row in rows}
    found = []
    for condition in conditions:
        for client in clients:
            row = known.get((client, condition))
            where = f"{client} under {condition}"
            if row is None:
                found.append(f"{where} was not measured")
            elif (row.verdict, row.held_by) != (Verdict.ENFORCED, HeldBy.BUILD):
                found.append(f"{where} is {row.verdict}, held by {row.held_by}: {row.judgement.reason}")
    return found


def told(rows: Iterable[Row]) -> list[dict[str, str]]:
    """Return the verdicts as they are kept beside the build."""
    return [
        {
            "client": row.client,
            "client_version": row.client_version,
            "condition": str(row.condition),
            "verdict": str(row.verdict),
            "held_by": str(row.held_by),
        }
        for row in rows
    ]
