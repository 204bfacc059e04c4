"""What one client's connections to the served catalogue show so far, by the wire alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.verdicts.judge import Verdict
from servers.catalogue import Role
from servers.protocols import LADDER, Sender, span

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from servers.catalogue import Catalogue
    from servers.observed import Connection
    from servers.protocols import Protocol

OPEN, REFUSES = "open", "refuses"
"""What there is to say short of a verdict: not every server was met, or all were and none got through."""


def so_far(
    met: Sequence[Connection], sound: Collection[str], catalogue: Catalogue, floor: Protocol
) -> tuple[str, str]:
    """Return a word and a reason; `sound` are the ids of the servers whose control passed.

    It never says `enforced`, which takes the client's own account beside the wire's: that is for the
    matrix. A handshake that was completed below the floor is proof enough, whether or not data followed.
    """
    counted = [
        connection for connection in met if connection.server.id in sound and not connection.wire.faults
    ]
    if below := [
        connection for connection in counted if _completed(connection) and _chose_below(connection, floor)
    ]:
        lowest = min(below, key=lambda connection: LADDER.index(connection.wire.server_version or floor))
        return Verdict.DOWNGRADED, f"connected at {lowest.wire.server_version} to {lowest.server.id}"
    if old := frozenset(p for connection in counted for p in connection.wire.offered or () if p.below(floor)):
        return Verdict.FRAGILE, f"no connection below {floor}, but it offers {span(old)}"
    if agreed := [
        connection for connection in counted if _chose_below(connection, floor) and not _refused(connection)
    ]:
        return (
            Verdict.FRAGILE,
            f"no connection below {floor}, but it did not refuse that of {_server_ids(agreed)}",
        )
    low = [s.id for s in catalogue.servers if s.role is Role.LADDER and s.only_below(floor) and s.id in sound]
    refused = {connection.server.id for connection in counted if _refused(connection)}
    if left := [name for name in low if name not in refused]:
        return OPEN, f"refused {len(low) - len(left)} of {len(low)} below {floor}; left: {', '.join(left)}"
    if not low:
        return OPEN, f"no server below {floor} has passed its control"
    return REFUSES, f"refused all {len(low)} servers below {floor}, as far as the wire shows"


def _chose_below(connection: Connection, floor: Protocol) -> bool:
    return connection.wire.server_version is not None and connection.wire.server_version.below(floor)


def _completed(connection: Connection) -> bool:
    return connection.wire.finished or connection.wire.data_both_ways


def _refused(connection: Connection) -> bool:
    """Whether it ended over the version: the client said so, or the server before it had chosen one."""
    by = Sender.CLIENT if connection.wire.server_version else Sender.SERVER
    alerts = {alert.description for alert in connection.wire.alerts if alert.sender is by}
    return bool(alerts & {"protocol_version", "illegal_parameter"})


def _server_ids(met: Sequence[Connection]) -> str:
    return ", ".join(dict.fromkeys(connection.server.id for connection in met))
