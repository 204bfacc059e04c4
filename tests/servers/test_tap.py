"""The wire tap: passes on every byte, keeps them in order, and says where its record has a hole."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers import tap as tap_module
from servers.peers import CLOSED
from servers.protocols import Sender
from servers.tap import CONNECTIONS_LIMIT, Capture, Tap
from tests.support.examples import examples
from tests.support.limits import HANGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_T = TypeVar("_T")


def _run(test: Coroutine[None, None, _T]) -> _T:
    async def limited() -> _T:
        async with asyncio.timeout(HANGS):
            return await test

    return asyncio.run(limited())


class _Upstream:
    """A server that handles connections with `handler` and counts them."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections = 0
        self.reached = asyncio.Event()
        self.address = ("", 0)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.reached.set()
        try:
            with contextlib.suppress(OSError):
                await self.handler(reader, writer)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def _upstream(handler: Handler) -> AsyncIterator[_Upstream]:
    upstream = _Upstream(handler)
    server = await asyncio.start_server(upstream.handle, "127.0.0.1", 0)
    upstream.address = server.sockets[0].getsockname()
    try:
        yield upstream
    finally:
        server.close()


@contextlib.asynccontextmanager
async def _client(port: int) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _answer_reversed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer all that came until the client's end with the same bytes in reverse."""
    writer.write((await reader.read())[::-1])
    await writer.drain()


async def _stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:  # noqa: ARG001
    """Say nothing until the client's end."""
    await reader.read()


async def _exchange(port: int, sent: bytes) -> bytes:
    """Send some bytes and the end, and return all that comes back until its end."""
    async with _client(port) as (reader, writer):
        writer.write(sent)
        writer.write_eof()
        return await reader.read()


@examples(15)
@given(st.binary(min_size=1, max_size=300), st.integers(1, 700))
def test_every_byte_passes_and_is_kept(pattern: bytes, repeats: int) -> None:
    """Both directions arrive as they were sent, and the capture has both, up to many buffers' worth."""
    sent = (pattern * repeats)[: tap_module.KEPT_BYTES // 2]

    async def test() -> None:
        async with _upstream(_answer_reversed) as upstream, Tap(upstream.address) as tap:
            assert await _exchange(tap.port, sent) == sent[::-1]
            await tap.settle()
        (capture,) = tap.captures
        assert capture.stream(Sender.CLIENT) == sent
        assert capture.stream(Sender.SERVER) == sent[::-1]
        assert capture.faults == []

    _run(test())


def test_turns_are_kept_in_order() -> None:
    """In a dialogue the capture has each question before its answer, and each answer before the next."""
    turns = [bytes([number]) for number in range(1, 9)]

    async def answer_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while question := await reader.read(1):
            writer.write(question * 2)

    async def test() -> list[tuple[Sender, bytes]]:
        async with _upstream(answer_each) as upstream, Tap(upstream.address) as tap:
            async with _client(tap.port) as (reader, writer):
                for turn in turns:
                    writer.write(turn)
                    assert await reader.readexactly(2) == turn * 2
            await tap.settle()
        return [(chunk.sender, chunk.data) for chunk in tap.captures[0].chunks]

    # Two equal bytes may arrive as one chunk or as two: what must hold is the order of the bytes.
    seen = [(sender, bytes([byte])) for sender, data in _run(test()) for byte in data]
    expected = [
        said
        for turn in turns
        for said in ((Sender.CLIENT, turn), (Sender.SERVER, turn), (Sender.SERVER, turn))
    ]
    assert seen == expected


def test_each_connection_has_its_own_capture() -> None:
    """Connections that overlap are not mixed up: one capture each, in the order they came."""

    async def test() -> None:
        async with _upstream(_answer_reversed) as upstream, Tap(upstream.address) as tap:
            async with _client(tap.port) as (first, to_first), _client(tap.port) as (second, to_second):
                for writer, data in ((to_second, b"second"), (to_first, b"first")):
                    writer.write(data)
                    writer.write_eof()
                assert await first.read() == b"tsrif"
                assert await second.read() == b"dnoces"
            await tap.settle()
        assert [capture.stream(Sender.CLIENT) for capture in tap.captures] == [b"first", b"second"]
        assert [capture.stream(Sender.SERVER) for capture in tap.captures] == [b"tsrif", b"dnoces"]

    _run(test())


def test_no_piece_waits_until_an_earlier_one_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ends of a tap send small pieces at once, as TCP_NODELAY of tcp(7) has it."""
    at_once: list[int] = []

    class Watched(tap_module._TapEnd):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            end = transport.get_extra_info("socket")
            at_once.append(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            super().connection_made(transport)

    async def test() -> None:
        async with _upstream(_answer_reversed) as upstream, Tap(upstream.address) as tap:
            assert await _exchange(tap.port, b"x") == b"x"

    monkeypatch.setattr(tap_module, "_TapEnd", Watched)
    _run(test())
    assert len(at_once) == 2
    assert all(at_once)


def test_silent_client_does_not_reach_the_server() -> None:
    """A server is dialled with the first byte only, so a silent client cannot hold it up."""

    async def test() -> None:
        async with _upstream(_answer_reversed) as upstream, Tap(upstream.address) as tap:
            async with _client(tap.port):
                assert await _exchange(tap.port, b"x") == b"x"
                assert upstream.connections == 1
            await tap.settle()
            assert upstream.connections == 1
        silent = next(capture for capture in tap.captures if not capture.chunks)
        assert silent.notes == ["the client closed without a byte"]
        assert silent.faults == []

    _run(test())


def test_server_that_is_not_there_is_noted() -> None:
    """Where nobody listens upstream the client is hung up on, its bytes are kept and the note says why."""

    async def test() -> None:
        with socket.socket() as nobody:  # bound and not listening: nothing else can take this port
            nobody.bind(("127.0.0.1", 0))
            async with Tap(nobody.getsockname()) as tap:
                with contextlib.suppress(OSError):
                    assert await _exchange(tap.port, b"hello?") == b""
                await tap.settle()
        (capture,) = tap.captures
        assert capture.stream(Sender.CLIENT) == b"hello?"
        assert capture.stream(Sender.SERVER) == b""
        assert any("did not accept" in note for note in capture.notes)

    _run(test())


def test_server_that_resets_is_noted() -> None:
    """A server that breaks off ends the client's connection, and the notes say who broke off."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async def test() -> None:
        async with _upstream(reset) as upstream, Tap(upstream.address) as tap:
            async with _client(tap.port) as (reader, writer):
                writer.write(b"x")
                with contextlib.suppress(OSError):
                    assert await reader.read() == b""
            await tap.settle()
        (capture,) = tap.captures
        assert capture.stream(Sender.SERVER) == b""
        assert any(Sender.SERVER in note for note in capture.notes)

    _run(test())


def test_both_ends_that_reset_are_noted_and_let_the_next_one_in() -> None:
    """A client resets behind its hello, and so does the server before an answer: both have ended."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        # The tap has the client's reset by then.
        await asyncio.sleep(0.1)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()

    async def test() -> None:
        async with _upstream(reset) as upstream, Tap(upstream.address) as tap:
            _, writer = await asyncio.open_connection("127.0.0.1", tap.port)
            writer.write(b"x")
            await upstream.reached.wait()
            tap_module.reset(writer.transport)
            await tap.settle()
        (capture,) = tap.captures
        assert not capture.faults
        assert [note.partition(" broke off")[0] for note in capture.notes] == ["the client", "the server"]

    _run(test())


@pytest.mark.parametrize("over", [0, 1, 5])
def test_bytes_past_the_limit_are_a_fault(monkeypatch: pytest.MonkeyPatch, over: int) -> None:
    """Past the limit bytes still pass, but are not kept, and the capture says that it is cut."""
    monkeypatch.setattr(tap_module, "KEPT_BYTES", 20)
    sent = bytes(range(10 + over))

    async def test() -> Capture:
        async with _upstream(_answer_reversed) as upstream, Tap(upstream.address) as tap:
            assert await _exchange(tap.port, sent) == sent[::-1]
            await tap.settle()
        return tap.captures[0]

    capture = _run(test())
    assert capture.stream(Sender.CLIENT) == sent
    assert capture.stream(Sender.SERVER) == sent[::-1][: 20 - len(sent)]
    assert bool(capture.faults) is (over > 0)
    assert all("20 bytes" in fault for fault in capture.faults)


@given(st.lists(st.binary(max_size=9), max_size=9))
def test_record_never_exceeds_the_limit(pieces: list[bytes]) -> None:
    """However the bytes arrive, what is kept is their beginning up to the limit."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(tap_module, "KEPT_BYTES", 20)
        capture = Capture()
        for piece in pieces:
            capture.add(Sender.CLIENT, piece)
    everything = b"".join(pieces)
    assert capture.stream(Sender.CLIENT) == everything[:20]
    assert len(capture.faults) == (len(everything) > 20)


def test_connection_that_nobody_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection past its time is ended by the tap, on both sides, and that is a fault."""
    monkeypatch.setattr(tap_module, "CONNECTION_LIMIT", 0.1)
    ended = asyncio.Event()

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _stay(reader, writer)
        ended.set()

    async def test() -> Capture:
        async with _upstream(stay) as upstream, Tap(upstream.address) as tap:
            async with _client(tap.port) as (reader, writer):
                writer.write(b"x")
                assert await reader.read() == b""
                await ended.wait()
            await tap.settle()
        return tap.captures[0]

    capture = _run(test())
    assert len(capture.faults) == 1
    assert "0.1 s" in capture.faults[0]
    assert capture.stream(Sender.CLIENT) == b"x"


def test_a_client_that_keeps_its_end_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server has ended, a client may hold its end in a pool: the record is whole, and says so."""
    monkeypatch.setattr(tap_module, "LINGER_LIMIT", 0.1)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"y")
        writer.close()

    async def test() -> Capture:
        async with (
            _upstream(answer) as upstream,
            Tap(upstream.address) as tap,
            _client(tap.port) as (reader, writer),
        ):
            writer.write(b"x")
            assert await reader.read() == b"y"
            await tap.settle(HANGS)
            return tap.captures[0]

    capture = _run(test())
    assert (capture.stream(Sender.CLIENT), capture.stream(Sender.SERVER)) == (b"x", b"y")
    assert capture.faults == []
    assert any("held its end for 0.1 s" in note for note in capture.notes)


def test_closing_the_tap_ends_what_is_open() -> None:
    """When the block ends, open connections end on both sides, which is a fault, and the port is closed."""
    ended = asyncio.Event()

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _stay(reader, writer)
        ended.set()

    async def test() -> None:
        async with _upstream(stay) as upstream, contextlib.AsyncExitStack() as clients:
            async with Tap(upstream.address) as tap:
                silent, _ = await clients.enter_async_context(_client(tap.port))
                talking, writer = await clients.enter_async_context(_client(tap.port))
                writer.write(b"x")
                await writer.drain()
                await upstream.reached.wait()
            assert await silent.read() == b""
            assert await talking.read() == b""
            await ended.wait()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", tap.port)
        assert all(len(capture.faults) == 1 for capture in tap.captures)

    _run(test())


def test_settle_waits_for_the_open_and_no_longer_than_told() -> None:
    """Settling returns once connections have ended; one that stays open does not hold it for ever."""

    async def test() -> None:
        async with _upstream(_stay) as upstream, Tap(upstream.address) as tap:
            await tap.settle(limit=HANGS)
            async with _client(tap.port) as (_, writer):
                writer.write(b"x")
                await upstream.reached.wait()
                await tap.settle(limit=0.01)
            await tap.settle(limit=HANGS)
            assert tap.captures[0].stream(Sender.CLIENT) == b"x"

    _run(test())


@pytest.mark.parametrize(
    ("number", "there_is_none"),
    [(errno.EAFNOSUPPORT, True), (errno.EADDRNOTAVAIL, True), (errno.EMFILE, False), (errno.EACCES, False)],
)
def test_only_where_there_is_no_ipv6_its_port_is_left(
    monkeypatch: pytest.MonkeyPatch, number: int, *, there_is_none: bool
) -> None:
    """A port on ::1 that cannot be had for want of files could be another's, so that no tap stands then."""
    real, bound = tap_module._bound, []

    def only_the_old_family(host: str, port: int) -> socket.socket:
        if ":" in host:
            raise OSError(number, os.strerror(number))
        bound.append(real(host, port))
        return bound[-1]

    monkeypatch.setattr(tap_module, "_bound", only_the_old_family)
    if there_is_none:
        assert tap_module._listening(0, by_name=True) == bound
        bound[0].close()
    else:
        with pytest.raises(OSError, match=os.strerror(number)):
            tap_module._listening(0, by_name=True)
        assert [one.fileno() for one in bound] == [-1]


@pytest.mark.skipif(
    not sys.platform.startswith("linux"),
    reason="other systems do not end a connection when a new one has the same ports: run this on Linux",
)
def test_who_left_before_being_let_in_is_not_who_has_that_port_now() -> None:
    """What a stranger sent and left is not said of the client whose connection got the same port."""

    def connect(near: int, far: int = 0) -> socket.socket:
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", far))
        one.connect(("127.0.0.1", near))
        return one

    async def test() -> None:
        # Nothing here awaits, so that both wait when the tap looks. It takes everybody for the client.
        async with _upstream(_stay) as upstream, Tap(upstream.address, admission=lambda *_: "") as tap:
            stranger = connect(tap.port)
            port = stranger.getsockname()[1]
            stranger.sendall(b"stranger")
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, tap_module.NO_LINGER)
            stranger.close()
            with connect(tap.port, port) as client:
                client.sendall(b"client")
                await upstream.reached.wait()
            await tap.settle()
        assert [capture.stream(Sender.CLIENT) for capture in tap.captures] == [b"client"]
        assert tap.strangers == {CLOSED: 1}

    _run(test())


def test_a_client_that_opens_connections_without_end_is_not_looked_at_without_end() -> None:
    """Past a limit its connections are sent away unseen, and the record says that it has a hole."""
    looks: list[object] = []

    def look(far: object, _: object) -> str:
        looks.append(far)
        return ""

    async def test() -> None:
        async with _upstream(_stay) as upstream, Tap(upstream.address, admission=look) as tap:
            with contextlib.ExitStack() as stack:
                # Nothing here awaits, so that all wait when the tap looks.
                for _ in range(CONNECTIONS_LIMIT + 5):
                    one = stack.enter_context(socket.create_connection(("127.0.0.1", tap.port)))
                    one.sendall(b"x")
                await upstream.reached.wait()
            await tap.settle()
        assert len(looks) == len(tap.captures) == CONNECTIONS_LIMIT
        (fault,) = tap.captures[0].faults
        assert fault.startswith(f"more than {CONNECTIONS_LIMIT} connections")

    _run(test())
