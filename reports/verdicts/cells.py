"""What one cell shows: a pure function from both witnesses and the control to an outcome."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from servers.catalogue import Role
from servers.protocols import Protocol, Sender, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.verdicts.observations import Account, Observation
    from servers.catalogue import Server
    from servers.wire import WireAccount


UNTOLD, BROKE_OFF = "untold", "broke off"
"""What became of a command of the user's, which need not say whether an answer came back: it ended by itself,
or it had to be ended, or died of a signal (probes/program.py)."""

WIRE_ALONE = (UNTOLD, BROKE_OFF)
"""The outcomes with which only the wire tells what happened."""


class CellKind(enum.StrEnum):
    """How a cell came out; the texts are those of the reports."""

    CONNECTED = "connected"
    NOT_OFFERED = "not offered"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    HELD = "held"
    """On a server that tampers: the client did as it must."""
    FOOLED = "fooled"
    """On a server that tampers: the client went along."""
    INCONCLUSIVE = "inconclusive"
    MISSING = "missing"

    @property
    def undecided(self) -> bool:
        """Whether this says nothing about the client."""
        return self in (CellKind.INCONCLUSIVE, CellKind.MISSING)


@dataclass(frozen=True)
class CellResult:
    """What one cell came to, and what the client offered while it came about."""

    server: Server
    kind: CellKind
    protocol: Protocol | None = None
    """The version that was negotiated, or at which it ended; None where it came to none."""
    reason: str = ""
    """In words, if there is more to say."""
    offered: frozenset[Protocol] = frozenset()
    """Every version listed in a ClientHello of this cell."""
    offer: str = ""
    """The same in words; without supported_versions only a ceiling is known."""

    def __str__(self) -> str:
        """Return what the report's cell shows."""
        return str(self.protocol if self.protocol and self.kind is CellKind.CONNECTED else self.kind)

    @property
    def negotiated(self) -> Protocol | None:
        """The version at which data went both ways; None if none did."""
        return self.protocol if self.kind in (CellKind.CONNECTED, CellKind.FOOLED) else None

    @property
    def undecided(self) -> bool:
        """Whether this says nothing, or something that cannot be."""
        impossible = self.kind is CellKind.CONNECTED and self.negotiated not in self.server.protocols
        return self.kind.undecided or impossible

    def reached_below(self, floor: Protocol) -> bool:
        """Whether this came, or may have come, to a version below the floor before it ended."""
        return self.protocol.below(floor) if self.protocol else not self.server.only_from(floor)


CERTIFICATE_ALERTS = frozenset(
    {
        "bad_certificate",
        "unsupported_certificate",
        "certificate_revoked",
        "certificate_expired",
        "certificate_unknown",
        "unknown_ca",
    }
)
"""Alerts about the certificate (RFC 8446 6.2): the client stopped before its version was put to the test."""

VERSION_UNKNOWN = "untold"
"""What a client says that cannot tell its version (probes/status_page.py): the wire's word stands alone."""

SUMMARY_LIMIT = 160
"""Characters that a reason has of what a client says."""

_SEVERITY = (CellKind.CONNECTED, CellKind.BLOCKED, CellKind.REJECTED, CellKind.NOT_OFFERED)
"""From what weighs most; what is inconclusive is weighed apart."""


def judge_cell(observation: Observation, server: Server) -> CellResult:
    """Judge one cell. Nothing counts without a passed control, and both witnesses must agree."""
    hellos = [wire for wire in observation.wire if wire.client_hello]
    return replace(
        _judge(observation, server),
        offered=frozenset(protocol for wire in hellos for protocol in wire.offered or ()),
        offer=offer(hellos[0]) if hellos else "",
    )


def _judge(observation: Observation, server: Server) -> CellResult:
    account = observation.account
    if not observation.control.passed:
        return _inconclusive(server, f"control failed: {observation.control.reason}")
    if account is None:
        return CellResult(server, CellKind.MISSING, reason=observation.missing or "no account was given")
    if not observation.wire:
        return _inconclusive(server, f"no connection passed the tap; the client says: {_summary(account)}")
    # One without a byte is no attempt at TLS if there are others: a stack may look whether anybody is there,
    # or have opened one more by the time that another failed.
    attempts = tuple(wire for wire in observation.wire if wire.client_hello or wire.faults)
    wires: Sequence[WireAccount] = attempts or observation.wire
    if account.outcome in WIRE_ALONE:
        return _judge_by_wire(wires, account, server)
    if server.role is Role.ATTACK:
        return judge_attack(wires, account, server)
    wires = _without_idle(wires) if account.outcome == "connected" else wires
    return _worst([_judge_connection(wire, account, server) for wire in wires], server)


def _without_idle(wires: Sequence[WireAccount]) -> Sequence[WireAccount]:
    """Return the connections of a client that got its answer, without those that it opened and did not need.

    A stack that keeps a pool opens several at once. Nothing was asked on an idle one, and it tells nothing
    beside one with data both ways, unless it came to less than that.
    """
    made = [_rank(wire.server_version) for wire in wires if wire.data_both_ways]
    return [
        wire
        for wire in wires
        if not (made and _is_idle(wire)) or (wire.client_hello and _rank(wire.server_version) < min(made))
    ]


def _is_idle(wire: WireAccount) -> bool:
    """Whether a connection has no byte, or Finished both ways and nothing but goodbyes behind those."""
    readable = any(alert.description for alert in wire.alerts)
    unused = wire.finished and not wire.client_data and not readable
    silent = not wire.client_hello and wire.server_version is None
    return not wire.faults and (unused or silent)


def _judge_by_wire(wires: Sequence[WireAccount], account: Account, server: Server) -> CellResult:
    """Judge a cell of a client that does not say whether it got an answer.

    It connected where it sent data behind a handshake: no later fault of the record takes that back. Where it
    broke off it might have gone on, so that nothing but a connection counts.
    """
    failed = replace(account, outcome="failed", version=None)
    if server.role is Role.ATTACK:
        made = replace(account, outcome="connected", version=VERSION_UNKNOWN)
        seen = made if any(wire.used for wire in wires) else failed
        return _unless_broken_off(judge_attack(wires, seen, server), account)
    results = [
        _judge_version(wire, server) if wire.used else _judge_connection(wire, failed, server)
        for wire in wires
    ]
    return _worst([_unless_broken_off(result, account) for result in results], server)


def _unless_broken_off(result: CellResult, account: Account) -> CellResult:
    """Return a result as far as it counts if the client did not end by itself."""
    went_along = result.kind in (CellKind.CONNECTED, CellKind.FOOLED)
    if account.outcome != BROKE_OFF or went_along or result.undecided:
        return result
    return _inconclusive(result.server, f"{_summary(account)}; until then: {result.kind} ({result.reason})")


def _worst(results: Sequence[CellResult], server: Server) -> CellResult:
    """Of several connections for one cell, the one that weighs most; of several versions, the lowest.

    One that is inconclusive may have been anything that the server speaks, so beside it only a
    connection at the server's lowest version counts.
    """
    connected = [r for r in results if r.kind is CellKind.CONNECTED]
    lowest = min(connected, key=lambda r: _rank(r.protocol), default=None)
    unclear = next((r for r in results if r.kind is CellKind.INCONCLUSIVE), None)
    if unclear and (lowest is None or any(p.wire < _rank(lowest.protocol) for p in server.protocols)):
        return unclear
    return lowest or min(results, key=lambda r: _SEVERITY.index(r.kind))


def judge_attack(wires: Sequence[WireAccount], account: Account, server: Server) -> CellResult:
    """Judge a cell on a server that tampers with the negotiation."""
    first = wires[0]
    if damage := [_damage(wire) for wire in wires if _damage(wire)]:
        return _inconclusive(server, f"the wire's record is unfit: {damage[0]}")
    if server.script == "sentinel" and Protocol.TLSV1_3 not in (first.offered or ()):
        # Who does not offer TLS 1.3 cannot be talked down from it, and has met an honest server.
        return _judge_connection(first, account, server)
    done = next((wire for wire in wires if wire.data_both_ways), None)
    if account.outcome == "connected" or (done and done.server_version is not Protocol.TLSV1_3):
        claim = _judge_claim(done or first, account, server)
        return replace(claim, kind=CellKind.FOOLED) if claim.kind is CellKind.CONNECTED else claim
    if not server.expect:
        return _judge_fallback(wires, server)
    if server.script == "sentinel" and not _offers_any(first, server):
        return CellResult(
            server, CellKind.NOT_OFFERED, reason=f"offers {offer(first)}: there is nothing to notice"
        )
    return _judge_answers(wires, account, server)


def _judge_answers(wires: Sequence[WireAccount], account: Account, server: Server) -> CellResult:
    """Judge the alerts with which a client answered; each connection must have one that can be read."""
    answers = [[a.description for a in wire.alerts if a.sender is Sender.CLIENT] for wire in wires]
    if not all(answers):
        return _inconclusive(server, f"the client neither went on nor sent an alert: {_summary(account)}")
    alerts = list(dict.fromkeys(alert for several in answers for alert in several))
    if None in alerts or CERTIFICATE_ALERTS.intersection(alert or "" for alert in alerts):
        return _inconclusive(server, f"the client ended it, but not clearly for this: {_summary(account)}")
    version = wires[0].server_version or "a version that does not exist"
    expected = "" if server.expect in alerts else f"; {server.source} asks for {server.expect}"
    return CellResult(
        server, CellKind.HELD, reason=f"client: {', '.join(filter(None, alerts))} after {version}{expected}"
    )


def _damage(wire: WireAccount) -> str:
    """Say why this record is no evidence; empty if it is."""
    return "; ".join(wire.faults) or ("" if wire.client_hello else "it has no ClientHello")


def _judge_fallback(wires: Sequence[WireAccount], server: Server) -> CellResult:
    """Judge whether any later hello asked for less than the first."""
    highest = [max(w.offered or (w.legacy_version,), key=_rank) for w in wires if w.client_hello]
    count = f"{len(wires)} connection{'s' if len(wires) > 1 else ''}"
    if lower := [version for version in highest[1:] if _rank(version) < _rank(highest[0])]:
        return CellResult(
            server, CellKind.FOOLED, reason=f"came back with no more than {lower[0]} in {count}"
        )
    return CellResult(server, CellKind.HELD, reason=f"{count}, each offering {offer(wires[0])}")


def _rank(version: Protocol | None) -> tuple[int, int]:
    return version.wire if version else (0, 0)


def _judge_connection(wire: WireAccount, account: Account, server: Server) -> CellResult:
    if damage := _damage(wire):
        return _inconclusive(
            server, f"the wire's record is unfit: {damage}; the client says: {_summary(account)}"
        )
    if account.outcome == "connected":
        return _judge_claim(wire, account, server)
    if wire.data_both_ways and wire.server_version is not Protocol.TLSV1_3:
        # In TLS 1.3 handshake messages look like data, so there this is no contradiction.
        return _inconclusive(
            server,
            f"the wire shows data both ways at {wire.server_version}, the client says: {_summary(account)}",
        )
    if not _offers_any(wire, server):
        return _judge_refused_offer(wire, account, server)
    return (
        _judge_abort(wire, account, server) if wire.server_version else _judge_refusal(wire, account, server)
    )


def _judge_refused_offer(wire: WireAccount, account: Account, server: Server) -> CellResult:
    """Judge a connection whose hello lists nothing that the server speaks.

    The hello alone would say so, but a server that is dead or deaf must not pass as one that refused:
    its refusal has to be there, or the client's of a version that it did not list.
    """
    by = Sender.CLIENT if wire.server_version else Sender.SERVER
    alerts = [a.description for a in wire.alerts if a.sender is by]
    if not alerts:
        return _inconclusive(
            server, f"offers {offer(wire)}, but the {by} did not refuse: {_summary(account)}"
        )
    if wire.server_version and not {"protocol_version", "illegal_parameter"}.intersection(alerts):
        return _inconclusive(
            server,
            f"the server chose {wire.server_version}, which was not offered, and the client"
            f" did not say that it refuses: {_summary(account)}",
        )
    return CellResult(server, CellKind.NOT_OFFERED, reason=f"offers {offer(wire)}")


def _judge_claim(wire: WireAccount, account: Account, server: Server) -> CellResult:
    """Judge a connection that the client says it made."""
    version = wire.server_version
    if version is None or not wire.data_both_ways:
        return _inconclusive(
            server, f"the client says it connected at {account.version}, the wire does not show it"
        )
    if account.version not in (version, VERSION_UNKNOWN):
        return _inconclusive(server, f"the client says {account.version}, the wire says {version}")
    return _judge_version(wire, server)


def _judge_version(wire: WireAccount, server: Server) -> CellResult:
    """Judge a connection that was made, by whether it can have been."""
    version = wire.server_version
    if version is None or version not in server.protocols:
        return _inconclusive(server, f"connected at {version}, which this server does not speak")
    ceiling = wire.legacy_version
    if version not in wire.offered if wire.offered is not None else ceiling and ceiling.below(version):
        return _inconclusive(server, f"connected at {version}, which the client did not offer")
    return CellResult(server, CellKind.CONNECTED, version)


def _judge_refusal(wire: WireAccount, account: Account, server: Server) -> CellResult:
    """Judge a connection that the server ended before it chose a version."""
    refusals = [a.description for a in wire.alerts if a.sender is Sender.SERVER]
    if not refusals:
        return _inconclusive(server, f"the server gave no answer; the client says: {_summary(account)}")
    if "protocol_version" in refusals:
        return _inconclusive(server, f"the server refused the version although {offer(wire)} was offered")
    return CellResult(server, CellKind.BLOCKED, reason=f"server: {refusals[0] or 'encrypted alert'}")


def _judge_abort(wire: WireAccount, account: Account, server: Server) -> CellResult:
    """Judge a connection that failed after the server had chosen a version."""
    version = wire.server_version
    alerts = [a.description for a in wire.alerts if a.sender is Sender.CLIENT]
    if "protocol_version" in alerts:
        return CellResult(server, CellKind.REJECTED, reason=f"client: protocol_version after {version}")
    if wire.finished:
        # What it sends next is encrypted and may be a goodbye: nothing of this says that it was blocked.
        failure, what = ("", "failed") if wire.client_data else ("a trust failure: ", "sent no data")
        return _inconclusive(
            server, f"{failure}completed a handshake at {version}, and then {what}: {_summary(account)}"
        )
    certificate = next((a for a in alerts if a in CERTIFICATE_ALERTS), None)
    if certificate or "certificate" in str(account.error_text).lower():
        return _inconclusive(
            server, f"the client refused the certificate: {certificate or _summary(account)}"
        )
    if wire.client_data and (wire.used or version is not Protocol.TLSV1_3):
        return _inconclusive(
            server, f"failed after the client had sent data at {version}: {_summary(account)}"
        )
    if not alerts or version is Protocol.TLSV1_3:
        return _inconclusive(
            server,
            f"failed after {version} without a readable alert, which may be a trust failure;"
            f" the client says: {_summary(account)}",
        )
    return CellResult(
        server,
        CellKind.BLOCKED,
        version,
        f"client: {alerts[0] or 'encrypted alert'} after {version} ({_summary(account)})",
    )


def _offers_any(wire: WireAccount, server: Server) -> bool:
    """Whether the hello could lead to any version that the server speaks."""
    if wire.offered is not None:
        return bool(server.protocols.intersection(wire.offered))
    # Without supported_versions only the ceiling is known (RFC 8446 4.2.1).
    ceiling = wire.legacy_version
    return ceiling is None or any(not ceiling.below(protocol) for protocol in server.protocols)


def offer(wire: WireAccount) -> str:
    """Return what a hello offers, in words."""
    if wire.offered is not None:
        return span(wire.offered)
    return f"up to {wire.legacy_version}" if wire.legacy_version else "an unknown version"


def _summary(account: Account) -> str:
    if account.outcome == "connected":
        return f"connected at {account.version}"
    kind = f"{account.error_class}: " if account.error_class else ""
    return f"{kind}{account.error_text}"[:SUMMARY_LIMIT]


def _inconclusive(server: Server, reason: str) -> CellResult:
    return CellResult(server, CellKind.INCONCLUSIVE, reason=reason)
