"""Servers that answer a ClientHello with something no honest server would say, then wait for the reaction."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlslite.constants import AlertDescription, AlertLevel, ContentType
from tlslite.extensions import SrvSupportedVersionsExtension
from tlslite.messages import Alert, ClientHello, RecordHeader3, ServerHello
from tlslite.utils.codec import DecodeError, Parser
from tlslite.utils.cryptomath import getRandomBytes

from servers.entrance import private_socket
from servers.peers import LOOPBACK
from servers.protocols import Protocol, Sender
from servers.tap import reset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from servers.catalogue import Server
    from servers.certificates import KeyPair
    from servers.entrance import Address
    from servers.wire import WireAccount

REACTION_LIMIT = 2.0
"""Seconds that a script waits for the client's reaction before it closes."""

UNKNOWN_VERSION = (3, 5)
"""A version higher than any that exists."""


@dataclass(frozen=True)
class Script:
    """What a server does once it has a ClientHello."""

    answer: Callable[[ClientHello], bytes]
    """The bytes it sends; none, if it only hangs up."""
    reset: bool
    """Whether it ends the connection with a TCP reset."""
    evident: Callable[[WireAccount], bool]
    """Whether a connection's wire record shows that the script was played: its control."""


def _record(kind: int, body: bytes) -> bytes:
    header = RecordHeader3().create((3, 3), kind, len(body)).write()
    return bytes(header) + body


def _hello(version: tuple[int, int], chosen: Protocol | None = None) -> Callable[[ClientHello], bytes]:
    """Return an answer with this legacy_version, and with `chosen` in supported_versions if given."""

    def answer(client: ClientHello) -> bytes:
        extensions = [SrvSupportedVersionsExtension().create(chosen.wire)] if chosen else None
        hello = ServerHello().create(
            version, getRandomBytes(32), client.session_id, client.cipher_suites[0], extensions=extensions
        )
        return _record(ContentType.handshake, bytes(hello.write()))

    return answer


def _alert(_: ClientHello) -> bytes:
    alert = Alert().create(AlertDescription.handshake_failure, AlertLevel.fatal)
    return _record(ContentType.alert, bytes(alert.write()))


def _nothing(_: ClientHello) -> bytes:
    return b""


def _hung_up(wire: WireAccount) -> bool:
    return bool(wire.client_hello) and not wire.server_hello and not wire.alerts


def _alerted(wire: WireAccount) -> bool:
    return any(a.sender is Sender.SERVER and a.description == "handshake_failure" for a in wire.alerts)


def _helloed(wire: WireAccount) -> bool:
    return bool(wire.server_hello)


SCRIPTS = {
    "close": Script(_nothing, reset=False, evident=_hung_up),
    "reset": Script(_nothing, reset=True, evident=_hung_up),
    "alert": Script(_alert, reset=False, evident=_alerted),
    "hello_higher": Script(_hello(UNKNOWN_VERSION), reset=False, evident=_helloed),
    "hello_sslv3": Script(_hello(Protocol.SSLV3.wire), reset=False, evident=_helloed),
    "hello_old_in_extension": Script(
        _hello(Protocol.TLSV1_2.wire, Protocol.TLSV1_1), reset=False, evident=_helloed
    ),
}
"""The scripts by the name that the catalogue uses."""


class ScriptedServer:
    """The engine of catalogue entries with a script; with a folder of ours, out of everybody else's reach."""

    def __init__(self, folder: Path | None = None) -> None:
        """Remember where sockets go."""
        self._folder = folder

    description = "scripted answers, made with tlslite-ng's messages"

    @contextlib.asynccontextmanager
    async def serve(self, server: Server, _: KeyPair) -> AsyncIterator[Address]:
        """Play the entry's script to every connection while the block lasts."""
        script = SCRIPTS[server.script]

        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, DecodeError):
                async with asyncio.timeout(REACTION_LIMIT):
                    hello = await _read_hello(reader)
                    if answer := script.answer(hello):
                        writer.write(answer)
                        await reader.read()
            if script.reset:
                reset(writer.transport)
            writer.close()

        path = private_socket(self._folder)
        if path:
            listening = await asyncio.start_unix_server(play, path)
        else:
            listening = await asyncio.start_server(play, LOOPBACK, 0)
        try:
            yield path or (LOOPBACK, listening.sockets[0].getsockname()[1])
        finally:
            listening.close()


async def _read_hello(reader: asyncio.StreamReader) -> ClientHello:
    """Read one ClientHello; raises DecodeError for anything else."""
    header = RecordHeader3().parse(Parser(bytearray(await reader.readexactly(5))))
    message = bytearray(await reader.readexactly(header.length))
    return ClientHello().parse(Parser(message[1:]))
