"""The control: a reference client, independent of every interpreter under test, tries each server first."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.errors import BaseTLSException

from servers.peers import LOOPBACK, admit_port
from servers.protocols import LADDER, Protocol
from servers.scripted import SCRIPTS
from servers.tap import Tap
from servers.tlslite import SENTINELS
from servers.wire import WireAccount, read_capture

if TYPE_CHECKING:
    from servers.catalogue import Server
    from servers.entrance import Reachable

ATTEMPT_LIMIT = 10.0
"""Seconds for each socket operation of one control attempt."""

REQUEST = b"GET / HTTP/1.0\r\n\r\n"

SCRIPT_CLIENT = Protocol.TLSV1_2
"""The version at which the control visits a server that never completes a handshake."""


@dataclass(frozen=True)
class ControlAttempt:
    """The reference client, pinned to one version, on one server: its account and the wire's."""

    protocol: Protocol
    completed: Protocol | None
    """The version at which data came back, by the client's own account; None if it did not."""
    error: str
    """Why it did not complete; empty if it did."""
    wire: WireAccount | None


@dataclass(frozen=True)
class Control:
    """Whether a server speaks what its entry says, and what was tried to know it."""

    passed: bool
    reason: str
    attempts: tuple[ControlAttempt, ...] = ()


def judge_control(protocols: frozenset[Protocol], attempts: tuple[ControlAttempt, ...]) -> Control:
    """Judge the attempts on one server: complete at each version it claims, at no other, seen twice."""
    for attempt in attempts:
        if reason := _fault(protocols, attempt):
            return Control(False, reason, attempts)
    tried = {attempt.protocol for attempt in attempts}
    if untried := [p for p in protocols if p not in tried]:
        return Control(False, f"nothing could try it at {', '.join(sorted(untried))}", attempts)
    spoken = ", ".join(p for p in LADDER if p in protocols)
    return Control(True, f"completed at {spoken} and at nothing else", attempts)


def _fault(protocols: frozenset[Protocol], attempt: ControlAttempt) -> str:
    """Say what one attempt shows to be wrong with a server; empty if nothing."""
    wire, completed = attempt.wire, attempt.completed
    seen = wire.server_version if wire and wire.data_both_ways else None
    if completed is None:
        if seen is not None and seen not in protocols:
            return f"speaks {seen}, which it denies: the wire shows data both ways"
        deaf = attempt.protocol in protocols
        return f"deaf at {attempt.protocol}, which it claims ({_why(attempt)})" if deaf else ""
    wire_shows = seen or "nothing of it"
    checks = {
        f"the record of the control at {completed} is unfit: {'; '.join(wire.faults) if wire else ''}": bool(
            wire and wire.faults
        ),
        f"the control completed at {completed}, the wire shows {wire_shows}": completed is not seen,
        f"asked for {attempt.protocol} it completed at {completed}": completed is not attempt.protocol,
        f"speaks {completed}, which it denies": completed not in protocols,
    }
    return next((reason for reason, wrong in checks.items() if wrong), "")


def _why(attempt: ControlAttempt) -> str:
    """Say why an attempt failed: an alert that can be read, else the client's own words."""
    alerts = attempt.wire.alerts if attempt.wire else ()
    readable = [f"{alert.sender}: {alert.description}" for alert in alerts if alert.description]
    return ", ".join(readable) or attempt.error or "no reason given"


async def run_control(server: Server, address: Reachable, certificate: str) -> Control:
    """Try every version on a server that listens at `address`, through a tap of its own.

    `certificate` is the one that it must show, in PEM: another server on that port would be no control.

    The tap is under test here too: a control passes only if the wire saw what the client saw.
    """
    expected = ssl.PEM_cert_to_DER_cert(certificate)
    if server.script in SCRIPTS:
        return judge_script(server.script, await _try(address, SCRIPT_CLIENT, expected))
    attempts: list[ControlAttempt] = []
    # What it claims comes first: a server that is deaf to that has failed, and may be silent long.
    for protocol in sorted(LADDER, key=lambda protocol: protocol not in server.protocols):
        attempts.append(await _try(address, protocol, expected))
        if protocol in server.protocols and attempts[-1].completed is None:
            break
    attempts.sort(key=lambda attempt: LADDER.index(attempt.protocol))
    control = judge_control(server.protocols, tuple(attempts))
    return judge_sentinel(control) if server.script == "sentinel" and control.passed else control


def judge_script(script: str, attempt: ControlAttempt) -> Control:
    """Judge a server that tampers: the wire must show that it did, and nobody must have completed."""
    if attempt.wire is None or attempt.completed is not None or not SCRIPTS[script].evident(attempt.wire):
        seen = "a completed handshake" if attempt.completed else _why(attempt)
        return Control(False, f"it did not play its script {script!r}: {seen}", (attempt,))
    return Control(True, f"played its script {script!r} to the control", (attempt,))


def judge_sentinel(control: Control) -> Control:
    """Judge a server that must have put a downgrade sentinel in its random: RFC 8446 section 4.1.3."""
    done = [a.wire for a in control.attempts if a.completed is not None and a.wire is not None]
    if all(wire.server_random.endswith(tuple(SENTINELS.values())) for wire in done):
        return replace(control, reason=f"{control.reason}, with the sentinel")
    return replace(control, passed=False, reason="its random has no downgrade sentinel")


async def _try(address: Reachable, protocol: Protocol, expected: bytes) -> ControlAttempt:
    # Bound before the tap listens, so that the tap knows whom to let in.
    with socket.socket() as plain:
        plain.bind((LOOPBACK, 0))
        plain.settimeout(ATTEMPT_LIMIT)
        # Else its request waits until what it sent before is acknowledged, which may be 40 ms later.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        admission = admit_port(plain.getsockname()[1])
        async with Tap(address, admission=admission) as tap:
            completed, error = await asyncio.to_thread(_attempt, plain, tap.port, protocol, expected)
            plain.close()
            await tap.settle()
            wire = read_capture(tap.captures[0]) if tap.captures else None
    return ControlAttempt(protocol, completed, error, wire)


def _attempt(
    plain: socket.socket, port: int, protocol: Protocol, expected: bytes
) -> tuple[Protocol | None, str]:
    """Connect at exactly one version, fetch one byte or more; return the version, or why not."""
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = protocol.wire
    settings.versions = [protocol.wire]
    # One cipher, group and key share are enough for every server of the catalogue, and the cheapest
    # ones: all of this is pure Python. (Brainpool groups, offered by default, are refused in TLS 1.3.)
    settings.cipherNames = ["aes128gcm", "aes128"]
    settings.eccCurves = ["secp256r1"]
    settings.keyShares = ["secp256r1"]
    settings.dhGroups = ["ffdhe2048"]
    try:
        plain.connect((LOOPBACK, port))
        connection = TLSConnection(plain)
        connection.handshakeClientCert(settings=settings)
        shown = bytes(connection.session.serverCertChain.x509List[0].bytes)
        if shown != expected:
            return None, "another server's certificate was shown"
        connection.sendall(REQUEST)
        if not connection.recv(1):
            return None, "no data came back"
        return Protocol.from_wire(connection.version), ""
    except (OSError, BaseTLSException, ValueError) as error:
        return None, f"{type(error).__name__}: {error}".strip(": ")
