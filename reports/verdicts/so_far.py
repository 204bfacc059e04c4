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
    counted = [one for one in met if one.server.id in sound and not one.wire.faults]
    if below := [one for one in counted if _completed(one) and _chose_below(one, floor)]:
        lowest = min(below, key=lambda one: LADDER.index(one.wire.server_version or floor))
        return Verdict.DOWNGRADED, f"connected at {lowest.wire.server_version} to {lowest.server.id}"
    if old := frozenset(p for one in counted for p in one.wire.offered or () if p.below(floor)):
        return Verdict.FRAGILE, f"no connection below {floor}, but it offers {span(old)}"
    if agreed := [one for one in counted if _chose_below(one, floor) and not _refused(one)]:
        return Verdict.FRAGILE, f"no connection below {floor}, but it did not refuse that of {_names(agreed)}"
    low = [s.id for s in catalogue.servers if s.role is Role.LADDER and s.only_below(floor) and s.id in sound]
    refused = {one.server.id for one in counted if _refused(one)}
    if left := [name for name in low if name not in refused]:
        return OPEN, f"refused {len(low) - len(left)} of {len(low)} below {floor}; left: {', '.join(left)}"
    if not low:
        return OPEN, f"no server below {floor} has passed its control"
    return REFUSES, f"refused all {len(low)} servers below {floor}, as far as the wire shows"


def _chose_below(one: Connection, floor: Protocol) -> bool:
    return one.wire.server_version is not None and one.wire.server_version.below(floor)


def _completed(one: Connection) -> bool:
    return one.wire.finished or one.wire.data_both_ways


def _refused(one: Connection) -> bool:
    """Whether it ended over the version: the client said so, or the server before it had chosen one."""
    by = Sender.CLIENT if one.wire.server_version else Sender.SERVER
    said = {alert.description for alert in one.wire.alerts if alert.sender is by}
    return bool(said & {"protocol_version", "illegal_parameter"})


def _names(met: Sequence[Connection]) -> str:
    return ", ".join(dict.fromkeys(one.server.id for one in met))
