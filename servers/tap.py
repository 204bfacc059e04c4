"""The wire tap: forwards one client's bytes to one server and keeps both directions as they passed."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTION_LIMIT = 20.0
"""Seconds until the tap ends a connection that neither side has ended."""

KEPT_BYTES = 256 * 1024
"""Bytes kept of a connection; a handshake and a status page take a twentieth of it."""


class Sender(enum.StrEnum):
    """Who sent something."""

    CLIENT = "client"
    SERVER = "server"


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
    _kept: int = field(default=0, init=False, repr=False)
    _cut: bool = field(default=False, init=False, repr=False)

    def stream(self, sender: Sender) -> bytes:
        """Return everything one side sent, joined."""
        return b"".join(chunk.data for chunk in self.chunks if chunk.sender is sender)

    def add(self, sender: Sender, data: bytes) -> None:
        """Keep some bytes, up to the limit; past it a note says that the record is incomplete."""
        left = KEPT_BYTES - self._kept
        if len(data) > left and not self._cut:
            self._cut = True
            self.faults.append(f"record cut at {KEPT_BYTES} bytes")
        if kept := data[:left]:
            self._kept += len(kept)
            self.chunks.append(Chunk(time.time(), sender, kept))


class Tap:
    """A listening port on loopback in front of one server, and the captures it made.

    Use as ``async with Tap(address) as tap``: it listens on `tap.port` until the block ends.
    """

    def __init__(self, upstream: tuple[str, int], ended: Callable[[Capture], None] | None = None) -> None:
        """Remember where connections go, and whom to tell when one has ended; nothing listens yet."""
        self.upstream = upstream
        self._ended = ended
        self.port = 0
        self.captures: list[Capture] = []
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen on an ephemeral port of the loopback interface."""
        # Where no more files can be opened, asyncio would say something else, or nothing.
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self._server = await asyncio.start_server(self._serve, sock=listening)
        return self

    async def __aexit__(self, *error: object) -> None:
        """Stop listening and end what is still open."""
        self._server.close()
        for task in self._open:
            task.cancel()
        await self.settle()

    async def settle(self, limit: float = 2.0) -> None:
        """Wait until the connections seen so far have ended, at most `limit` seconds."""
        if self._open:
            await asyncio.wait(self._open, timeout=limit)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  asyncio runs this callback in a task of its own
        self._open.add(task)
        capture = Capture()
        self.captures.append(capture)
        try:
            async with asyncio.timeout(CONNECTION_LIMIT):
                await self._forward(capture, reader, writer)
        except TimeoutError:
            capture.faults.append(f"still open after {CONNECTION_LIMIT:g} s, ended by the tap")
        except asyncio.CancelledError:
            # Only __aexit__ cancels, and it waits for this: nothing is left to be told further.
            capture.faults.append("still open when nobody needed it any more, ended by the tap")
        except OSError as error:
            capture.notes.append(f"connection broke: {error}")
        finally:
            writer.close()
            self._open.discard(task)
            if self._ended:
                self._ended(capture)

    async def _forward(
        self, capture: Capture, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        # A server that handles one connection at a time must not be held up by a client that
        # connects and stays silent, so the server is dialled with the first byte in hand.
        first = await reader.read(65536)
        if not first:
            capture.notes.append("the client closed without a byte")
            return
        capture.add(Sender.CLIENT, first)
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.upstream)
        except OSError as error:
            capture.notes.append(f"the server did not accept: {error}")
            return
        try:
            up_writer.write(first)
            await asyncio.gather(
                _pump(capture, Sender.CLIENT, reader, up_writer),
                _pump(capture, Sender.SERVER, up_reader, writer),
            )
        finally:
            up_writer.close()


async def _pump(
    capture: Capture, sender: Sender, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Pass on one direction until its end, then pass on the end."""
    while True:
        try:
            data = await reader.read(65536)
        except OSError as error:
            capture.notes.append(f"the {sender} broke off: {error}")
            if sender is Sender.SERVER and not capture.stream(Sender.SERVER):
                # A reset instead of an answer is an answer. One behind the last byte is only bad
                # manners, and passing that on could overtake the bytes before it.
                reset(writer)
                return
            break
        if not data:
            break
        capture.add(sender, data)
        # Whoever no longer takes what is sent is noted where its own direction is read.
        with contextlib.suppress(OSError):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a TCP reset: SO_LINGER of zero, socket(7)."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
