"""What a capture says: the wire's own account of a connection, read with tlslite-ng's parsers."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, TypeVar

from tlslite.constants import (
    TLS_1_3_HRR,
    AlertDescription,
    AlertLevel,
    CipherSuite,
    ContentType,
    ExtensionType,
    HandshakeType,
)
from tlslite.defragmenter import Defragmenter
from tlslite.errors import BaseTLSException
from tlslite.messages import Alert, ClientHello, ServerHello
from tlslite.utils.codec import DecodeError, Parser

from servers.hello import alike
from servers.protocols import Protocol, Sender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.tap import Capture

RECORD_HEADER = struct.Struct(">BBBH")
"""Type, version in two bytes, and length: RFC 8446 5.1."""

ALERT_LENGTH = 2
"""Bytes of an alert in clear (RFC 8446 6); encrypted it is longer, if only by its authentication."""

LONGEST_CONTROL = 22
"""Bytes of the longest record without data that a TLS 1.3 client sends behind its Finished: a KeyUpdate of 5,
1 for its type and 16 of authentication; an alert has less (RFC 8446 4.6.3, 5.2, 6)."""

RANDOM = slice(6, 38)
"""Where a hello message has its random: behind its type, length and legacy_version (RFC 8446 4.1.2)."""

_Hello = TypeVar("_Hello", ClientHello, ServerHello)


@dataclass(frozen=True)
class WireAlert:
    """An alert record; level and description are None where it was encrypted."""

    sender: Sender
    level: str | None
    description: str | None


@dataclass(frozen=True)
class WireAccount:
    """One connection as it passed the tap: facts only, no judgement."""

    offered: tuple[Protocol, ...] | None
    """Versions in the ClientHello's supported_versions, highest first; None without that extension."""
    legacy_version: Protocol | None
    """ClientHello.legacy_version: the ceiling of a client that sends no supported_versions."""
    cipher_count: int | None
    server_version: Protocol | None
    """The version that the last ServerHello chose."""
    server_cipher: str | None
    alerts: tuple[WireAlert, ...]
    client_data: int
    """Bytes in the client's application_data records (in TLS 1.3 part of the handshake is in them)."""
    server_data: int
    client_hello: str
    """The first ClientHello message in hex, empty if none was seen."""
    server_hello: str
    """The last ServerHello message in hex, empty if none was seen."""
    faults: tuple[str, ...] = ()
    """What makes this record unfit as evidence: bytes that make no sense, a record cut short."""
    notes: tuple[str, ...] = ()
    """What the tap has to add, such as who broke off."""
    finished: bool = False
    """Whether both sides sent a Finished, so that the handshake is complete, with or without data behind it.

    Up to TLS 1.2 an encrypted handshake record behind ChangeCipherSpec is one (RFC 5246 7.1, 7.4.9). In TLS
    1.3 the wire does not tell.
    """
    used: bool = False
    """Whether the client completed a handshake and sent application data behind that, however it all ended.

    In TLS 1.3 the first encrypted record of a client is its Finished, or an alert in its place; data is in a
    later record that is too long for an alert or a KeyUpdate. Nobody else but the client decides about this,
    so a server without an answer, or a tap that ended the connection, takes nothing back.
    """

    @property
    def data_both_ways(self) -> bool:
        """Whether each side sent application_data records.

        Up to TLS 1.2 that proves a completed handshake; in TLS 1.3 part of the handshake is in such
        records (RFC 8446 5.1), so there it does so only together with the client's account.
        """
        return self.server_version is not None and self.client_data > 0 and self.server_data > 0

    @property
    def server_random(self) -> bytes:
        """The random of the last ServerHello; empty without one."""
        return bytes.fromhex(self.server_hello)[RANDOM]

    @property
    def alerted(self) -> str:
        """The alerts in words, for reasons: ``client: protocol_version``."""
        return ", ".join(f"{a.sender}: {a.description or 'encrypted alert'}" for a in self.alerts)


@dataclass
class _Side:
    """What one sender's records say."""

    hellos: list[bytes]
    alerts: list[WireAlert]
    data: list[int]
    """The lengths of the application_data records."""
    faults: list[str]
    finished: bool = False


def read_capture(capture: Capture) -> WireAccount:
    """Read a capture; what cannot be parsed ends up in the faults, never in an exception."""
    client = _read_side(Sender.CLIENT, capture.stream(Sender.CLIENT), HandshakeType.client_hello)
    server = _read_side(Sender.SERVER, capture.stream(Sender.SERVER), HandshakeType.server_hello)
    faults = [*capture.faults, *client.faults, *server.faults]
    # One handshake has one hello a side, and one more after a HelloRetryRequest (RFC 8446 4.1.4).
    allowed = 2 if server.hellos and _is_retry(server.hellos[0]) else 1
    if several := len(client.hellos) > allowed or len(server.hellos) > allowed:
        faults.append("more hellos than one handshake has")
    client_hello, unfit = _client_hello(alike(client.hellos[0])) if client.hellos else (None, ())
    faults += unfit
    server_hello = _parse(ServerHello(), server.hellos[-1:], faults)
    chosen = _chosen(server_hello) if server_hello else None
    return WireAccount(
        offered=_offered(client_hello) if client_hello else None,
        legacy_version=Protocol.from_wire(client_hello.client_version) if client_hello else None,
        cipher_count=len(client_hello.cipher_suites) if client_hello else None,
        server_version=chosen,
        server_cipher=_cipher(server_hello) if server_hello else None,
        alerts=(*client.alerts, *server.alerts),
        client_data=sum(client.data),
        server_data=sum(server.data),
        client_hello=client.hellos[0].hex() if client.hellos else "",
        server_hello=server.hellos[-1].hex() if server.hellos else "",
        faults=tuple(faults),
        notes=tuple(capture.notes),
        finished=client.finished and server.finished and chosen not in (None, Protocol.TLSV1_3),
        used=not several and _used(client, server, chosen),
    )


def reread(account: WireAccount) -> WireAccount:
    """Return an account with what its hellos say, as far as those parse: a stored one may say else."""
    faults: list[str] = []
    client, server = (
        _parse(message, [bytes.fromhex(text)] if text else [], faults)
        for message, text in ((ClientHello(), account.client_hello), (ServerHello(), account.server_hello))
    )
    if isinstance(client, ClientHello):
        account = replace(
            account,
            offered=_offered(client),
            legacy_version=Protocol.from_wire(client.client_version),
            cipher_count=len(client.cipher_suites),
        )
    if isinstance(server, ServerHello):
        account = replace(account, server_version=_chosen(server), server_cipher=_cipher(server))
    return account


def _used(client: _Side, server: _Side, chosen: Protocol | None) -> bool:
    """Whether the client sent data at the version that was chosen: see WireAccount.used."""
    if chosen is Protocol.TLSV1_3:
        return any(length > LONGEST_CONTROL for length in client.data[1:])
    completed = (client.finished and server.finished) or sum(server.data) > 0
    return chosen is not None and completed and sum(client.data) > 0


def _read_side(sender: Sender, stream: bytes, hello_type: int) -> _Side:
    side = _Side([], [], [], [])
    defragmenter = Defragmenter()
    defragmenter.add_static_size(ContentType.alert, ALERT_LENGTH)
    defragmenter.add_dynamic_size(ContentType.handshake, 1, 3)
    encrypted = False
    for kind, payload in _records(stream, side):
        if kind == ContentType.change_cipher_spec:
            # Up to TLS 1.2 what follows is encrypted (RFC 5246 7.1). In TLS 1.3 the record is a
            # dummy, and what follows is application_data, save a second ClientHello.
            encrypted = True
        elif kind == ContentType.application_data:
            side.data.append(len(payload))
        elif kind == ContentType.alert and len(payload) != ALERT_LENGTH:
            side.alerts.append(WireAlert(sender, None, None))
        elif kind == ContentType.handshake and encrypted and not _clear_again(side):
            side.finished = True
        elif kind in (ContentType.alert, ContentType.handshake):
            defragmenter.add_data(kind, bytearray(payload))
            _take_messages(sender, defragmenter, hello_type, side)
    return side


def _clear_again(side: _Side) -> bool:
    """Whether the ServerHello is still to come: behind a HelloRetryRequest's dummy record, in clear."""
    return len(side.hellos) == 1 and _is_retry(side.hellos[0])


def _records(stream: bytes, side: _Side) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(stream):
        header = stream[position : position + RECORD_HEADER.size]
        if len(header) < RECORD_HEADER.size:
            side.faults.append(f"{len(header)} bytes after the last record")
            return
        kind, major, _, length = RECORD_HEADER.unpack(header)
        position += RECORD_HEADER.size
        body = stream[position : position + length]
        if major != 3 or kind not in ContentType.all:  # noqa: PLR2004
            side.faults.append(f"bytes that are no TLS record: {header.hex()}")
            return
        if len(body) < length:
            side.faults.append(f"a record of {length} bytes ended after {len(body)}")
            return
        yield kind, body
        position += length


def _take_messages(sender: Sender, source: Defragmenter, hello_type: int, side: _Side) -> None:
    while message := source.get_message():
        kind, data = message
        if kind == ContentType.alert:
            side.alerts.append(WireAlert(sender, *_alert_in_words(bytes(data))))
        elif data[0] == hello_type:
            side.hellos.append(bytes(data))


@cache
def _alert_in_words(message: bytes) -> tuple[str, str]:
    """Return the level and the description of an alert, which tlslite-ng looks for among all its names."""
    alert = Alert().parse(Parser(bytearray(message)))
    return AlertLevel.toStr(alert.level), AlertDescription.toStr(alert.description)


def _is_retry(hello: bytes) -> bool:
    """Whether a ServerHello is a HelloRetryRequest: RFC 8446 4.1.3, by its random."""
    return hello[RANDOM] == bytes(TLS_1_3_HRR)


@lru_cache(maxsize=256)
def _client_hello(message: bytes) -> tuple[ClientHello | None, tuple[str, ...]]:
    """Parse a ClientHello, once for all connections of a client that are alike; return its faults too."""
    faults: list[str] = []
    return _parse(ClientHello(), [message], faults), tuple(faults)


def _parse(message: _Hello, raw: list[bytes], faults: list[str]) -> _Hello | None:
    if not raw:
        return None
    try:
        # The parsers expect the stream behind the one-byte message type.
        message.parse(Parser(bytearray(raw[0][1:])))
        # It raises for an extension that is there twice.
        extension = message.getExtension(ExtensionType.supported_versions)
    except (DecodeError, ValueError, TypeError, BaseTLSException) as error:
        faults.append(f"{type(message).__name__} cannot be parsed: {error}")
        return None
    # RFC 8446 4.2.1: at least one version from the client, exactly one from the server.
    if extension is not None and not (
        extension.versions if isinstance(message, ClientHello) else extension.version
    ):
        faults.append(f"{type(message).__name__} names no version in supported_versions")
        return None
    return message


def _offered(hello: ClientHello) -> tuple[Protocol, ...] | None:
    extension = hello.getExtension(ExtensionType.supported_versions)
    if extension is None:
        return None
    known = (Protocol.from_wire(version) for version in extension.versions)
    return tuple(protocol for protocol in known if protocol)


def _chosen(hello: ServerHello) -> Protocol | None:
    extension = hello.getExtension(ExtensionType.supported_versions)
    return Protocol.from_wire(extension.version if extension else hello.server_version)


def _cipher(hello: ServerHello) -> str:
    suite: int = hello.cipher_suite
    return str(CipherSuite.ietfNames.get(suite, f"0x{suite:04x}"))
