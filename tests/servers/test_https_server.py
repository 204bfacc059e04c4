"""The engine that is a process of ours: what it is told of an entry, what it says, and what it serves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servers import https_server as module
from servers.catalogue import Catalogue, Certificate, KeyExchange, Role, Server, read_catalogue
from servers.engine import EngineError
from servers.https_server import DH_PARAMETERS, HttpsServer, https_server
from servers.lab import open_lab
from servers.protocols import LADDER, Protocol
from servers.s_server import cipher_string
from servers.tap import Tap
from tests.support.limits import HANGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from servers.certificates import KeyPair
    from servers.lab import Lab

LADDER_ONLY = read_catalogue().only(Role.LADDER)

DELAY = 0.1
"""Seconds that a byte takes in each direction through the relay of these tests."""

AT_ONCE = 40
"""Clients that visit one server side by side: as many places as once came out inconclusive, 15 of 40."""

PATIENCE = 30.0
"""Seconds that each of these waits for a socket: six times as long as a client does, on a busy machine."""


def _entry(*protocols: Protocol) -> Server:
    return Server("one", "why", frozenset(protocols), KeyExchange.ANY, Certificate.RSA)


# What the process is told ---------------------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path) -> HttpsServer:
    """Return an engine whose process nobody asks anything."""
    return HttpsServer(None, tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize("first", range(1, len(LADDER)))
@pytest.mark.parametrize("last", range(1, len(LADDER)))
def test_the_process_is_told_what_the_entry_says(
    engine: HttpsServer, pairs: dict[Certificate, KeyPair], first: int, last: int
) -> None:
    """Lowest and highest version, the ciphers of s_server's command line, and the pair are in the request."""
    if first > last or not all(getattr(ssl, protocol.has) for protocol in LADDER[first : last + 1]):
        pytest.skip("no range, or this Python lacks one of its versions: an OpenSSL with all enables this")
    server, pair = _entry(*LADDER[first : last + 1]), pairs[Certificate.RSA]
    told = engine.entry(server, pair)
    assert told["versions"] == [LADDER[first], LADDER[last]]
    assert told["ciphers"] == cipher_string(server)
    assert (told["certificate"], told["key"]) == (str(pair.certificate), str(pair.key))


@pytest.mark.parametrize("lacking", LADDER)
def test_a_version_that_this_python_lacks(
    engine: HttpsServer,
    pairs: dict[Certificate, KeyPair],
    monkeypatch: pytest.MonkeyPatch,
    lacking: Protocol,
) -> None:
    """A version that the ssl module was built without cannot be served, and the reason names both."""
    monkeypatch.setattr(ssl, lacking.has, False)
    with pytest.raises(EngineError, match=f"does not speak {lacking}") as caught:
        engine.entry(_entry(lacking), pairs[Certificate.RSA])
    assert ssl.OPENSSL_VERSION in str(caught.value)


def test_the_group_is_that_of_the_rfc() -> None:
    """The file has ffdhe2048's prime and generator (RFC 7919 appendix A.1), as tlslite-ng has them."""
    from tlslite.mathtls import FFDHE2048  # noqa: PLC0415

    generator, prime = FFDHE2048
    der = ssl.PEM_cert_to_DER_cert(DH_PARAMETERS.read_text().replace("DH PARAMETERS", "CERTIFICATE"))
    assert der.endswith(prime.to_bytes(256, "big") + bytes((2, 1, generator)))


# What it says ---------------------------------------------------------------------------------------------


def _serve(folder: Path, pair: KeyPair, *servers: Server) -> list[str]:
    """Serve entries one after another; return of each the reason why it is not served, or nothing."""

    async def test() -> list[str]:
        async with asyncio.timeout(HANGS), https_server(folder, os.environ) as engine:
            said = []
            for server in servers:
                try:
                    async with engine.serve(server, pair):
                        said.append("")
                except EngineError as error:
                    said.append(str(error))
            return said

    return asyncio.run(test())


def _instead(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-S", "-c", program))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("", "said 'nothing'"),
        ("print('what')", "said 'what'"),
        ("print('7')", "said '7'"),
        ("""input(); print('{"id": "another", "address": "/x"}')""", "another"),
        ("""input(); print('{"id": "one", "error": "no cipher"}')""", "does not serve one: no cipher"),
        ("raise SystemExit('broken')", "said 'broken'"),
    ],
)
def test_a_process_that_does_not_serve_is_a_reason(
    tmp_path: Path,
    pairs: dict[Certificate, KeyPair],
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    reason: str,
) -> None:
    """Whatever the process says in place of an address, the entry has a reason that names it."""
    _instead(monkeypatch, program)
    (said,) = _serve(tmp_path, pairs[Certificate.RSA], _entry(Protocol.TLSV1_2))
    assert reason in said


def test_a_process_that_says_nothing_is_not_waited_for(
    tmp_path: Path, pairs: dict[Certificate, KeyPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a limit the process is given up, for all entries at once, and the reason has the limit."""
    waited: list[object] = []
    real = asyncio.timeout

    def timeout(limit: float) -> asyncio.Timeout:
        waited.append(limit)
        return real(limit)

    monkeypatch.setattr(asyncio, "timeout", timeout)
    monkeypatch.setattr(module, "START_LIMIT", 0.1)
    _instead(monkeypatch, "import time; time.sleep(600)")
    said = _serve(tmp_path, pairs[Certificate.RSA], *map(_entry, (Protocol.TLSV1_2, Protocol.TLSV1_3)))
    assert ["within 0.1 s" in text for text in said] == [True, True]
    assert waited.count(0.1) == 1


def test_a_python_that_is_gone_is_a_reason(
    tmp_path: Path, pairs: dict[Certificate, KeyPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the process cannot be started that is said, and not raised as something else."""
    monkeypatch.setattr(module, "COMMAND", (str(tmp_path / "gone"),))
    with pytest.raises(EngineError, match="cannot be started: No such file"):
        _serve(tmp_path, pairs[Certificate.RSA])


def test_the_next_entry_is_served_all_the_same(tmp_path: Path, pairs: dict[Certificate, KeyPair]) -> None:
    """An entry whose key is not there leaves the process to the others."""
    good = pairs[Certificate.RSA]

    async def test() -> None:
        async with asyncio.timeout(HANGS), https_server(tmp_path, os.environ) as engine:
            with pytest.raises(EngineError, match="does not serve one"):
                async with engine.serve(_entry(Protocol.TLSV1_2), replace(good, key=tmp_path / "none")):
                    pass
            async with engine.serve(_entry(Protocol.TLSV1_2), good) as address:
                assert address

    asyncio.run(test())


# What it serves -------------------------------------------------------------------------------------------


def _in_lab(folder: Path, catalogue: Catalogue, inside: Callable[[Lab], Awaitable[None]]) -> None:
    async def test() -> None:
        async with asyncio.timeout(HANGS), open_lab(catalogue, folder, folder, os.environ) as lab:
            await inside(lab)

    asyncio.run(test())


@pytest.mark.e2e
def test_every_server_of_the_ladder_is_what_it_says(tmp_path: Path) -> None:
    """On each entry of this engine the control completes at exactly the claimed versions, on the wire too."""

    async def inside(lab: Lab) -> None:
        assert lab.engine.startswith(ssl.OPENSSL_VERSION)
        controls = await lab.controls()
        for server in LADDER_ONLY.servers:
            control = controls[server.id]
            assert control.passed, (server.id, control.reason)
            seen = {a.wire.server_version for a in control.attempts if a.wire and a.wire.data_both_ways}
            assert seen == server.protocols

    _in_lab(tmp_path, LADDER_ONLY, inside)


@pytest.mark.e2e
def test_what_python_does_not_speak_tlslite_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a Python that has nothing below TLS 1.2 every entry is served, and its control passes."""
    for protocol in (Protocol.TLSV1, Protocol.TLSV1_1):
        monkeypatch.setattr(ssl, protocol.has, False)
    names = ("open", "tls1_2", "max_tls1_1_rsa", "tls1_1_dhe", "tls1_0_ecdsa")
    few = replace(LADDER_ONLY, servers=tuple(LADDER_ONLY[name] for name in names))

    async def inside(lab: Lab) -> None:
        controls = await lab.controls()
        assert {name: control.reason for name, control in controls.items() if not control.passed} == {}

    _in_lab(tmp_path, few, inside)


@pytest.mark.e2e
def test_many_far_clients_are_served_at_once(tmp_path: Path) -> None:
    """Forty clients at once, each a fifth of a second of round trip away, all get the page."""
    few = replace(LADDER_ONLY, servers=(LADDER_ONLY["tls1_2"],))

    async def inside(lab: Lab) -> None:
        (entry,) = lab.servers
        assert entry.address
        assert entry.pair
        context = ssl.create_default_context(cafile=entry.pair.trust)
        async with Tap(entry.address) as tap, _far(tap.port) as port:
            pages = await asyncio.gather(*(asyncio.to_thread(_fetch, port, context) for _ in range(AT_ONCE)))
            await tap.settle()
        assert all(b"Protocol  : TLSv1.2" in page for page in pages)
        assert len(tap.captures) == AT_ONCE
        assert not [fault for capture in tap.captures for fault in capture.faults]

    _in_lab(tmp_path, few, inside)


def _fetch(port: int, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: tls.recv(65536), b""))


@contextlib.asynccontextmanager
async def _far(port: int) -> AsyncIterator[int]:
    """Open a relay to a port of loopback, through which each byte takes its time; give its own port."""
    tasks: list[asyncio.Task[None] | None] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            loop.call_later(DELAY, writer.write, data)
        await asyncio.sleep(2 * DELAY)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        near_reader, near_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, near_writer), carry(near_reader, writer))

    async with await asyncio.start_server(relay, "127.0.0.1", 0, backlog=AT_ONCE) as listening:
        yield listening.sockets[0].getsockname()[1]
        await asyncio.gather(*filter(None, tasks))


def test_the_process_ends_where_ours_is_killed(tmp_path: Path) -> None:
    """The process lives by its input: when the other end of that is gone, so is the process."""

    async def test() -> int:
        async with asyncio.timeout(HANGS), https_server(tmp_path, os.environ) as engine:
            process = engine._process
            assert process.stdin is not None
            process.stdin.close()
            return await process.wait()

    assert asyncio.run(test()) == 0
