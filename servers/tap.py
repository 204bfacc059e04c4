"""The wire tap: forwards one client's bytes to one server and keeps both directions as they passed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from servers.entrance import Entrance
from servers.peers import CLOSED, LOOPBACK
from servers.protocols import Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.entrance import Reachable
    from servers.peers import Admission

CONNECTION_LIMIT = 20.0
"""Seconds until the tap ends a connection that neither side has ended."""

LINGER_LIMIT = 5.0
"""Seconds that a client may hold its end when the server has ended: as long as one waits for a socket."""

KEPT_BYTES = 256 * 1024
"""Bytes kept of a connection; a handshake and a status page take a twentieth of it."""

BACKLOG = 1024
"""Connections that may wait to be accepted: a flood of others must not leave a client's own outside."""

CONNECTIONS_LIMIT = 100
"""Connections of a cell that are looked at, where it matters whose they are; who retries makes ten. A look is
at all that a process has open, so that thousands would hold up everybody else."""

ACCEPTED_AT_ONCE = 100
"""Connections that are accepted before others have their turn."""

PAUSE = 0.2
"""Seconds until a tap tries again that could not accept."""

NO_LINGER = struct.pack("ii", 1, 0)
"""A SO_LINGER of zero, with which a connection ends with a TCP reset: socket(7)."""

PORT_ATTEMPTS = 20
"""Ports that are tried until one is free on both families."""

RECORD_HEADER = 5
"""Bytes of a record header: RFC 8446 section 5.1, RFC 5246 section 6.2.1."""

HANDSHAKE = 22
"""The first byte of a record with a ClientHello: ContentType.handshake, RFC 8446 section 5.1."""


@dataclass(frozen=True)
class Chunk:
    """Bytes as they arrived, with the UTC time in seconds since the epoch."""

    at: float
    sender: Sender
    data: bytes


@dataclass
class Capture:
    """All that passed on one connection, in order.

    `notes` say how it ended; `faults` say why this is not all that passed.
    """

    chunks: list[Chunk] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    touched: float = field(default=0.0, compare=False)
    """When the last byte came, in seconds of time.monotonic()."""
    _kept: int = field(default=0, init=False, repr=False)
    _cut: bool = field(default=False, init=False, repr=False)

    def stream(self, sender: Sender) -> bytes:
        """Return everything one side sent, joined."""
        return b"".join(chunk.data for chunk in self.chunks if chunk.sender is sender)

    def add(self, sender: Sender, data: bytes) -> None:
        """Keep some bytes, up to the limit; past it a note says that the record is incomplete."""
        self.touched = time.monotonic()
        left = KEPT_BYTES - self._kept
        if len(data) > left and not self._cut:
            self._cut = True
            self.faults.append(f"record cut at {KEPT_BYTES} bytes")
        if kept := data[:left]:
            self._kept += len(kept)
            self.chunks.append(Chunk(time.time(), sender, kept))


NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
"""Errors where there is no ::1, ipv6(7); with any other one somebody else could have that port."""


class Tap:
    """A listening port on loopback in front of one server, and the captures it made.

    Use as ``async with Tap(address) as tap``: it listens on `tap.port` until the block ends.
    """

    def __init__(
        self,
        upstream: Reachable,
        ended: Callable[[Capture], None] | None = None,
        admission: Admission | None = None,
        *,
        port: int = 0,
        by_name: bool = False,
    ) -> None:
        """Remember where connections go, and whom to tell when one has ended; nothing listens yet.

        Without an `admission` everybody is let in. `by_name` says that clients find it by the name localhost:
        then it holds its port on ::1 too, where that is, so that nobody else answers there.
        """
        self._entrance = upstream if isinstance(upstream, Entrance) else Entrance(upstream)
        self._ended = ended
        self._admission = admission
        self._by_name = by_name
        self.port = port
        self.captures: list[Capture] = []
        self.strangers: Counter[str] = Counter()
        """Who else connected, in words, and how often: nothing of theirs is kept or passed on."""
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen on the port, or on an ephemeral one; raises OSError if that cannot be had."""
        # Where no more files can be opened, asyncio would say something else, or nothing.
        self._listening = _listening(self.port, by_name=self._by_name)
        self.port = self._listening[0].getsockname()[1]
        for listener in self._listening:
            self._watch(listener)
        return self

    async def __aexit__(self, *error: object) -> None:
        """Stop listening and end what is still open."""
        for listener in self._listening:
            asyncio.get_running_loop().remove_reader(listener.fileno())
            listener.close()
        await asyncio.sleep(0)  # what was accepted just now gets to where it closes its socket
        for task in self._open:
            task.cancel()
        await self.settle()

    async def settle(self, limit: float = 2.0) -> None:
        """Wait until the connections seen so far have ended, at most `limit` seconds."""
        if self._open:
            await asyncio.wait(self._open, timeout=limit)

    def _watch(self, listening: socket.socket) -> None:
        # By its number: of a socket, asyncio writes down each time all that is known of it.
        if (number := listening.fileno()) >= 0:
            asyncio.get_running_loop().add_reader(number, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Let in who may come in, and send everybody else away before a byte was read.

        Not asyncio's own server: it makes streams and a task for each of a thousand strangers first.
        """
        try:
            for _ in range(ACCEPTED_AT_ONCE):
                connection, far = listening.accept()
                if self._admission and len(self.captures) >= CONNECTIONS_LIMIT:
                    self._refuse(connection)
                    continue
                if who := self._stranger(connection, far):
                    self.strangers[who] += 1
                    _send_away(connection)
                    continue
                connection.setblocking(False)
                capture = Capture()
                self.captures.append(capture)
                task = asyncio.create_task(self._serve(capture, connection))
                self._open.add(task)
                task.add_done_callback(self._open.discard)
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            # Out of files: what waits stays readable, and the loop would do nothing but come back here.
            loop = asyncio.get_running_loop()
            loop.remove_reader(listening.fileno())
            loop.call_later(PAUSE, self._watch, listening)

    def _refuse(self, connection: socket.socket) -> None:
        """Send away one too many; then what was kept is not all that there was."""
        _send_away(connection)
        fault = f"more than {CONNECTIONS_LIMIT} connections: the others were sent away"
        if fault not in self.captures[0].faults:
            self.captures[0].faults.append(fault)

    async def _serve(self, capture: Capture, connection: socket.socket) -> None:
        client = _TapEnd(capture, Sender.CLIENT)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: client, connection)
        try:
            async with asyncio.timeout(CONNECTION_LIMIT):
                await self._forward(capture, client)
        except TimeoutError:
            capture.faults.append(f"still open after {CONNECTION_LIMIT:g} s, ended by the tap")
        except asyncio.CancelledError:
            # Only __aexit__ cancels, and it waits for this: nothing is left to be told further.
            capture.faults.append("still open when nobody needed it any more, ended by the tap")
        finally:
            client.transport.close()
            if self._ended:
                self._ended(capture)

    def _stranger(self, connection: socket.socket, far: tuple[str, int]) -> str:
        """Say who is there instead of whom this is for; nothing if nobody."""
        if self._admission is None:
            return ""
        if who := self._admission(far[:2], connection.getsockname()[:2]):
            return who
        # A stranger may have gone before it was accepted, and the client's own connection, which waits
        # behind, have the same port: that one was found, and this one is without a far end.
        try:
            connection.getpeername()
        except OSError:
            return CLOSED
        return ""

    async def _forward(self, capture: Capture, client: _TapEnd) -> None:
        # A server that handles one connection at a time must not be held up by a client that
        # connects and stays silent, so the server is dialled with the first record in hand.
        await client.began
        if not capture.chunks:
            capture.notes.append("the client closed without a byte")
            return
        async with self._entrance.turn(lambda: capture.touched) as turn:
            server = _TapEnd(capture, Sender.SERVER)
            try:
                await turn.dial(lambda: server)
            except OSError as error:
                capture.notes.append(f"the server did not accept: {error}")
                return
            server.pass_to(client)
            client.pass_to(server)
            await server.ended
            if turn.lost:
                capture.faults.append(turn.lost)
            # The server is done, and free for the next; what the client still says is kept all the same.
            turn.leave()
            # A client may keep its end in a pool, and what nobody will answer tells nothing more.
            try:
                async with asyncio.timeout(LINGER_LIMIT):
                    await client.ended
            except TimeoutError:
                capture.notes.append(f"the client held its end for {LINGER_LIMIT:g} s, ended by the tap")


class _TapEnd(asyncio.Protocol):
    """One end of a connection: what it sends is kept, and passed on once there is another end.

    Not asyncio's streams: these wake a task with each piece, a fifth to a third of a tap's processor time.
    """

    transport: asyncio.Transport

    def __init__(self, capture: Capture, sender: Sender) -> None:
        """Wait to be connected."""
        loop = asyncio.get_running_loop()
        self.began: asyncio.Future[None] = loop.create_future()
        """Done with its first TLS record, or with what is none, or at its end."""
        self.ended: asyncio.Future[None] = loop.create_future()
        self._capture, self._sender = capture, sender
        self._held = b""
        self._other: _TapEnd | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember how to get at it."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  a socket's goes both ways
        self.transport = transport

    def pass_to(self, other: _TapEnd) -> None:
        """Pass on what it has sent, and what it sends from now on, and its end."""
        self._other = other
        other.transport.write(self._held)
        if self.ended.done():
            other.finish()
        else:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Keep what came, and pass it on or, behind a first record, take no more for now."""
        self._capture.add(self._sender, data)
        if self._other:
            self._other.transport.write(data)
            return
        self._held += data
        if _is_record(self._held):
            self.transport.pause_reading()
            _complete(self.began)

    def eof_received(self) -> bool:
        """Pass on the end of what it sends; what is sent to it may go on."""
        self._end()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on that it is gone, and as it went."""
        if error and not self.ended.done():
            self._capture.notes.append(f"the {self._sender} broke off: {error}")
            if self._other and self._sender is Sender.SERVER and not self._capture.stream(Sender.SERVER):
                # A reset instead of an answer is an answer. One behind the last byte is only bad
                # manners, and passing that on could overtake the bytes before it.
                reset(self._other.transport)
        self._end()

    def finish(self) -> None:
        """Send it the end; whoever no longer takes that is noted where its own direction ends."""
        with contextlib.suppress(OSError):
            self.transport.write_eof()

    def pause_writing(self) -> None:
        """Take no more from the other end than this one takes."""
        if self._other:
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Take more again."""
        if self._other:
            self._other.transport.resume_reading()

    def _end(self) -> None:
        if not self.ended.done() and self._other:
            self._other.finish()
        _complete(self.began)
        _complete(self.ended)


def _complete(future: asyncio.Future[None]) -> None:
    """Let whoever waits for it go on, unless it was done before or is given up."""
    if not future.done():
        future.set_result(None)


def _is_record(seen: bytes) -> bool:
    """Whether there is a whole TLS record, or the start of what is none."""
    length = int.from_bytes(seen[3:RECORD_HEADER], "big")
    return seen[0] != HANDSHAKE or len(seen) >= RECORD_HEADER + length > RECORD_HEADER


def _send_away(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)


def _listening(port: int, *, by_name: bool) -> list[socket.socket]:
    """Return sockets bound to one port of loopback, by name on both families; raises OSError."""
    for _ in range(1 if port else PORT_ATTEMPTS):
        first = _bound(LOOPBACK, port)
        if not by_name:
            return [first]
        try:
            return [first, _bound("::1", first.getsockname()[1])]
        except OSError as error:
            if error.errno in NO_IPV6:
                return [first]  # so nobody can answer there
            first.close()
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"port {port or '(any)'} of ::1 is taken")


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # For what is accepted here: asyncio does so only for sockets that name their protocol. Else the last
    # small piece of an answer waits for 40 ms until the client acknowledges those before it.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setblocking(False)
    return listening


def reset(transport: asyncio.WriteTransport) -> None:
    """End a connection with a TCP reset, unless it has ended: then its socket is closed."""
    if transport.is_closing():
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()
