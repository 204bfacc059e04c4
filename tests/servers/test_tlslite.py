"""Tests the tlslite-ng engine: SSLv3 by an independent client, downgrade sentinels, and its teardown."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from servers import tlslite
from servers.catalogue import Catalogue, Role, Server, read_catalogue
from servers.control import run_control
from servers.entrance import Entrance
from servers.protocols import LADDER, Protocol
from servers.tap import Tap
from servers.tlslite import SENTINELS, TlsliteServer
from servers.wire import read_capture

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.catalogue import Certificate
    from servers.certificates import KeyPair
    from servers.entrance import Address
    from servers.wire import WireAccount

CATALOGUE = read_catalogue()
OURS = [server for server in CATALOGUE.servers if server.engine == "tlslite"]

T = TypeVar("T")


def _visit(server: Server, pair: KeyPair, client: Callable[[int], T]) -> tuple[T, WireAccount]:
    """Let a blocking client visit the server through a tap; return its answer and the wire's account."""

    async def run() -> tuple[T, WireAccount]:
        async with TlsliteServer().serve(server, pair) as address, Tap(address) as tap:
            told = await asyncio.to_thread(client, tap.port)
            await tap.settle()
            return told, read_capture(tap.captures[0])

    return asyncio.run(run())


def test_an_independent_client_speaks_sslv3(pairs: dict[Certificate, KeyPair]) -> None:
    """The SSLv3 server completes with OpenSSL's old library, which shares nothing with tlslite-ng."""
    reason = "nassl, with its OpenSSL 1.0.2, has no wheel for this platform: elsewhere `nox -s tests` has it"
    legacy = pytest.importorskip("nassl.legacy_ssl_client", reason=reason)
    enums = pytest.importorskip("nassl.ssl_client", reason=reason)

    def client(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), 10) as plain:
            secure = legacy.LegacySslClient(
                underlying_socket=plain,
                ssl_version=enums.OpenSslVersionEnum.SSLV3,
                ssl_verify=enums.OpenSslVerifyEnum.NONE,
            )
            secure.do_handshake()
            secure.write(b"GET / HTTP/1.0\r\n\r\n")
            return bytes(secure.read(4096))

    server = CATALOGUE["ssl3_rsa"]
    page, wire = _visit(server, pairs[server.certificate], client)
    # Against BEAST the first byte comes by itself, and nassl gives no more once the server has closed.
    assert b"HTTP/1.0 200".startswith(page[:12])
    assert page
    assert wire.server_version is Protocol.SSLV3
    assert wire.data_both_ways


@pytest.mark.parametrize("server", OURS, ids=lambda server: server.id)
def test_the_control_passes(server: Server, pairs: dict[Certificate, KeyPair]) -> None:
    """Each entry of this engine speaks what it claims and nothing else, sentinel included."""

    async def run() -> tuple[bool, str]:
        pair = pairs[server.certificate]
        async with TlsliteServer().serve(server, pair) as address:
            control = await run_control(server, address, pair.certificate.read_text())
            return control.passed, control.reason

    passed, reason = asyncio.run(run())
    assert passed, reason
    assert ("sentinel" in reason) is (server.script == "sentinel")


def test_sentinels_are_those_of_the_rfc() -> None:
    """RFC 8446 4.1.3: 44 4F 57 4E 47 52 44, then 01 for TLS 1.2 and 00 for what is below."""
    text = bytes.fromhex("44 4F 57 4E 47 52 44")
    below = {Protocol.TLSV1: text + b"\0", Protocol.TLSV1_1: text + b"\0"}
    assert below | {Protocol.TLSV1_2: text + b"\1"} == SENTINELS


@pytest.mark.parametrize("private", [True, False])
def test_nothing_listens_behind_the_block(
    pairs: dict[Certificate, KeyPair], tmp_path: Path, *, private: bool
) -> None:
    """Once the block has ended its socket is closed, be it a port or in a folder of ours."""
    server = CATALOGUE["ssl3_rsa"]

    async def dial(address: Address) -> None:
        async with Entrance(address).turn(lambda: 0.0) as turn:
            await turn.dial()

    async def run() -> Address:
        engine = TlsliteServer(tmp_path if private else None)
        async with engine.serve(server, pairs[server.certificate]) as address:
            await dial(address)
            return address

    address = asyncio.run(run())
    assert isinstance(address, Path) is private
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        asyncio.run(dial(address))


def test_the_catalogue_can_be_cut_by_role() -> None:
    """Servers that tamper are left out without --attacks, and the hash stays that of the whole file."""
    honest = CATALOGUE.only(Role.LADDER, Role.PAGE)
    assert isinstance(honest, Catalogue)
    assert {server.role for server in honest.servers} == {Role.LADDER, Role.PAGE}
    assert honest.sha256 == CATALOGUE.sha256
    assert {p for server in honest.servers for p in server.protocols} == set(LADDER)


def test_a_connection_that_cannot_be_served_prints_nothing(
    pairs: dict[Certificate, KeyPair], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where no thread can be started, say, the client is hung up on, and no traceback is on the terminal."""

    def fail(*_: object) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(tlslite, "_answer", fail)
    server = next(server for server in read_catalogue().servers if server.engine == "tlslite")

    async def visit() -> bytes:
        async with TlsliteServer().serve(server, pairs[server.certificate]) as address:
            assert isinstance(address, tuple)
            reader, writer = await asyncio.open_connection(*address)
            seen = await reader.read()
            writer.close()
            return seen

    assert asyncio.run(visit()) == b""
    assert "Traceback" not in capfd.readouterr().err
