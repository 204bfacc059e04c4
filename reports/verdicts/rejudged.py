"""Judges stored cells again from the observations beside them, and those from the hellos that they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.verdicts.judge import Verdict, find
from servers.catalogue import Role
from servers.wire import reread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Observation
    from servers.catalogue import Catalogue


def denials(rows: Iterable[Row], observations: Iterable[Observation], catalogue: Catalogue) -> Iterator[str]:
    """Yield, in sentences without a full stop, what the observations deny of stored rows and of themselves.

    A row without any observation, such as one that shares another's, is left out, and so are servers that
    tamper: of those no file has what they expect.
    """
    groups: dict[tuple[str, str, str], list[Observation]] = {}
    for seen in observations:
        groups.setdefault((seen.interpreter, str(seen.client), seen.condition), []).append(seen)
        for wire in seen.wire:
            if reread(wire) != wire:
                yield f"{seen.id} says of its hellos what is not in them"
    honest = {server.id for server in catalogue.servers if server.role is not Role.ATTACK}
    for row in rows:
        group = groups.get((row.interpreter.id, str(row.client), row.condition), [])
        known = [seen for seen in group if seen.server in honest]
        if not known or row.verdict is Verdict.UNTESTABLE:
            continue
        for seen in known:
            if seen.measured:
                name = f"{row.interpreter.id}/{row.client} on {seen.server}"
                yield f"{name} was measured at {seen.measured}, and not in its run"
        again = find(known, catalogue)
        for server in honest & {*row.findings, *again}:
            stored, judged = row.findings.get(server), again.get(server)
            there = [None if cell is None else (cell.kind, cell.negotiated) for cell in (stored, judged)]
            if there[0] != there[1]:
                name = f"{row.interpreter.id}/{row.client} on {server}"
                yield f"{name} is {stored or 'not measured'}, and its observations make it {judged or 'that'}"
