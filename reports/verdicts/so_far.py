"""What one client's connections to the served catalogue show so far, by the wire alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from interpreters.clients import ClientKey
from reports.verdicts.cells import UNTOLD, CellKind
from reports.verdicts.judge import Verdict, connections_below, find, weakness
from reports.verdicts.observations import Account, Observation
from servers.catalogue import Role
from servers.conditions import Condition
from servers.control import Control

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from servers.catalogue import Catalogue
    from servers.observed import Connection
    from servers.protocols import Protocol
    from servers.wire import WireAccount

OPEN, REFUSES = "open", "refuses"
"""What there is to say short of a verdict: not every server was met, or all were and none got through."""

NOBODYS = Account(UNTOLD, None, None, None, "the client was not asked", 0.0)
"""The account of a client that was not asked."""


def so_far(
    met: Sequence[Connection], sound: Collection[str], catalogue: Catalogue, floor: Protocol
) -> tuple[str, str]:
    """Return a word and a reason; `sound` are the ids of the servers whose control passed.

    Each cell is judged as in a matrix, of a client that does not say whether it got an answer. It never says
    `enforced`, which takes the client's own account beside the wire's: that is for the matrix.
    """
    cells = find(_observations(met, sound), catalogue).values()
    if below := connections_below(cells, floor):
        return Verdict.DOWNGRADED, below
    if weak := weakness(cells, floor):
        return Verdict.FRAGILE, weak
    low = [s.id for s in catalogue.servers if s.role is Role.LADDER and s.only_below(floor) and s.id in sound]
    refused = {cell.server.id for cell in cells if cell.kind in (CellKind.NOT_OFFERED, CellKind.REJECTED)}
    if left := [name for name in low if name not in refused]:
        return OPEN, f"refused {len(low) - len(left)} of {len(low)} below {floor}; left: {', '.join(left)}"
    if not low:
        return OPEN, f"no server below {floor} has passed its control"
    return REFUSES, f"refused all {len(low)} servers below {floor}, as far as the wire shows"


def _observations(met: Iterable[Connection], sound: Collection[str]) -> Iterator[Observation]:
    """Give what there is of each server that counts: all connections to it of which the record is whole."""
    wires: dict[str, list[WireAccount]] = {}
    for connection in met:
        if connection.server.id in sound and not connection.wire.faults:
            wires.setdefault(connection.server.id, []).append(_used(connection.wire))
    for server, wire in wires.items():
        yield Observation(
            interpreter="",
            client=ClientKey("anybody"),
            client_version="",
            condition=Condition.AMBIENT,
            server=server,
            account=NOBODYS,
            missing="",
            wire=tuple(wire),
            control=Control(passed=True, reason=""),
        )


def _used(wire: WireAccount) -> WireAccount:
    """Return a connection as made if its handshake was completed, whether or not data followed."""
    return replace(wire, used=wire.used or wire.finished or wire.data_both_ways)
