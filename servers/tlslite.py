"""The engine for what OpenSSL no longer speaks or does honestly: tlslite-ng's server, in threads of ours."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from typing import TYPE_CHECKING

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import CipherSuite
from tlslite.errors import BaseTLSException
from tlslite.messages import ServerHello

from servers.catalogue import KeyExchange, Server
from servers.entrance import private_socket
from servers.peers import LOOPBACK
from servers.protocols import LADDER, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path
    from socket import socket

    from servers.certificates import KeyPair
    from servers.entrance import Address

CONNECTION_LIMIT = 5.0
"""Seconds for each socket operation with a client."""

SENTINELS = {
    Protocol.TLSV1_2: b"DOWNGRD\x01",
    Protocol.TLSV1_1: b"DOWNGRD\x00",
    Protocol.TLSV1: b"DOWNGRD\x00",
}
"""What a server that knows TLS 1.3 puts at the end of its random when it negotiates less: RFC 8446 4.1.3."""

_KEY_EXCHANGES = {
    KeyExchange.ANY: ["rsa", "dhe_rsa", "ecdhe_rsa", "ecdhe_ecdsa"],
    KeyExchange.RSA: ["rsa"],
    KeyExchange.DHE: ["dhe_rsa"],
    KeyExchange.ECDHE: ["ecdhe_rsa", "ecdhe_ecdsa"],
}


class _Connection(TLSConnection):  # type: ignore[misc]  # tlslite-ng has no types
    """A server connection that can claim, in its random, to have been talked down from TLS 1.3."""

    sentinel = b""

    def _sendMsg(self, msg: object, *args: object, **kwargs: object) -> Iterator[object]:  # noqa: N802
        if isinstance(msg, ServerHello) and self.sentinel:
            msg.random[-8:] = self.sentinel
        yield from super()._sendMsg(msg, *args, **kwargs)


class TlsliteServer:
    """tlslite-ng's server, restricted to what the entry says; see servers.engine.Engine.

    With a folder of ours it is out of everybody else's reach.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Remember where sockets go."""
        self._folder = folder

    description = "tlslite-ng"

    @contextlib.asynccontextmanager
    async def serve(self, server: Server, pair: KeyPair) -> AsyncIterator[Address]:
        """Serve the entry while the block lasts."""
        chain = X509CertChain()
        chain.parsePemList(pair.certificate.read_text())
        key = parsePEMKey(pair.key.read_text(), private=True)
        settings = _settings(server)
        sentinel = SENTINELS[max(server.protocols, key=LADDER.index)] if server.script == "sentinel" else b""

        class HandshakeHandler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                _answer(self.request, chain, key, settings, sentinel)

        path = private_socket(self._folder)
        with (
            _UnixThreads(str(path), HandshakeHandler)
            if path
            else _Threads((LOOPBACK, 0), HandshakeHandler) as listening
        ):
            loop = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
            loop.start()
            try:
                yield path or listening.socket.getsockname()
            finally:
                listening.shutdown()


class _LeftToTheTap:
    """Leaves it to the tap to tell what became of a connection; socketserver would print a traceback."""

    request_queue_size = 1024
    """Connections that may wait to be accepted, of as many places as are measured at once; else five."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Do nothing: where no thread can be started, the connection is closed, and its cell says so."""


class _Threads(_LeftToTheTap, socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = False


class _UnixThreads(_LeftToTheTap, socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False


def _settings(server: Server) -> HandshakeSettings:
    settings = HandshakeSettings()
    versions = sorted((protocol.wire for protocol in server.protocols), reverse=True)
    settings.minVersion, settings.maxVersion = versions[-1], versions[0]
    settings.versions = versions
    if server.script == "sentinel" and settings.maxVersion == Protocol.TLSV1_2.wire:
        # Knowing 1.3 without speaking it, tlslite-ng writes this sentinel by itself, and in time for the
        # signature over the random that key exchanges with one have.
        settings.maxVersion = Protocol.TLSV1_3.wire
    settings.keyExchangeNames = _KEY_EXCHANGES[server.key_exchange]
    settings.cipherNames = ["aes128gcm", "aes128", "aes256gcm", "aes256"]
    settings.eccCurves = ["secp256r1", "x25519"]
    settings.keyShares = []
    return settings


def _answer(
    plain: socket, chain: X509CertChain, key: object, settings: HandshakeSettings, sentinel: bytes
) -> None:
    """Shake hands and send a status page like OpenSSL's; a client that breaks off is no fault of ours."""
    plain.settimeout(CONNECTION_LIMIT)
    connection = _Connection(plain)
    connection.sentinel = sentinel
    with contextlib.suppress(OSError, BaseTLSException, ValueError):
        connection.handshakeServer(certChain=chain, privateKey=key, settings=settings)
        request = b""
        # To its end: a socket closed on unread bytes resets, which can overtake the answer.
        while b"\r\n\r\n" not in request and (more := connection.recv(4096)):
            request += bytes(more)
        version = Protocol.from_wire(connection.version)
        cipher = CipherSuite.ietfNames.get(connection.session.cipherSuite, "unknown")
        page = f"Cipher is {cipher}\nProtocol  : {version}\n"
        head = "HTTP/1.0 200 ok\r\nContent-type: text/plain\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-length: {len(page)}\r\n\r\n{page}".encode())
        connection.close()
