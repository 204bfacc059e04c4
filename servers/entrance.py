"""Where a server accepts connections, and whose turn it is at one that serves one connection at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Port = tuple[str, int]
"""A TCP port, with the address of ours on which it is."""

Address = Port | Path
"""A TCP port, or a Unix domain socket in a folder that only we can enter: nobody else gets to the server."""

PATH_LIMIT = 100
"""Bytes that the path of such a socket may have: macOS takes 103, Linux 107 (unix(7))."""

SILENCE_LIMIT = 2.0
"""Seconds without a byte after which a connection loses its turn if another one waits. What takes that long
here hangs, and those who wait have given up after five."""

POLL_INTERVAL = 0.25
"""Seconds between two looks of a connection that waits at the one whose turn it is."""

QUEUE_INTERVAL = 0.02
"""Seconds between two tries of a server where as many wait to be accepted as it lets wait."""


def private_socket(folder: Path | None) -> Path | None:
    """Return where in a folder of ours a server can have a socket of its own; None where only TCP is left."""
    if folder is None:
        return None
    path = folder / f"{secrets.token_hex(4)}.sock"
    return path if len(os.fsencode(path)) <= PATH_LIMIT else None


class Entrance:
    """The address of a server, and the queue in front of it if it has to be visited by one at a time."""

    def __init__(self, address: Address, *, one_at_a_time: bool = False) -> None:
        """Remember the address; a server that can do several things at once needs no queue."""
        self.address = address
        self._turns = asyncio.Lock() if one_at_a_time else None
        self._present: Turn | None = None

    @contextlib.asynccontextmanager
    async def turn(self, touched: Callable[[], float]) -> AsyncIterator[Turn]:
        """Wait for a turn and keep it until it is left, or until the end of the block.

        `touched` says when the connection last had a byte, in seconds of time.monotonic().
        """
        turn = Turn(self, touched)
        if self._turns:
            await self._wait(self._turns)
            self._present = turn
        try:
            yield turn
        finally:
            turn.leave()
            turn.hang_up()

    async def _wait(self, turns: asyncio.Lock) -> None:
        waiting = asyncio.ensure_future(turns.acquire())
        try:
            while not (await asyncio.wait({waiting}, timeout=POLL_INTERVAL))[0]:
                if self._present:
                    self._present.lose_if_idle()
        except asyncio.CancelledError:
            # The lock may have been got in the very moment in which nobody wants it any more.
            if not waiting.cancel():
                turns.release()
            raise

    def passed(self, turn: Turn) -> None:
        """Let the next one in, if it is this one's turn."""
        if self._turns and self._present is turn:
            self._present = None
            self._turns.release()


class Turn:
    """One connection's turn at a server."""

    def __init__(self, entrance: Entrance, touched: Callable[[], float]) -> None:
        """Begin it."""
        self._entrance = entrance
        self._touched = touched
        self._began = time.monotonic()
        self._transport: asyncio.Transport | None = None
        self.lost = ""
        """Why it was ended before its time; empty if it was not."""

    async def dial(self, end: Callable[[], asyncio.Protocol] = asyncio.Protocol) -> None:
        """Connect to the server, whose end that makes; raises OSError."""
        loop, address = asyncio.get_running_loop(), self._entrance.address
        if isinstance(address, Path):
            self._transport, _ = await loop.create_unix_connection(end, sock=await _connected(address))
        else:
            self._transport, _ = await loop.create_connection(end, *address)

    def lose_if_idle(self) -> None:
        """End the connection to the server if nothing passes on it."""
        if (
            self._transport
            and not self._transport.is_closing()
            and time.monotonic() - max(self._began, self._touched()) > SILENCE_LIMIT
        ):
            self.lost = f"silent for {SILENCE_LIMIT:g} s while others waited for the server, ended by the tap"
            self._transport.abort()

    def leave(self) -> None:
        """Let the next one in."""
        self._entrance.passed(self)

    def hang_up(self) -> None:
        """Close the connection to the server, if there is one."""
        if self._transport:
            self._transport.close()


Reachable = Address | Entrance
"""How a tap gets to a server: an address that several may dial at once, or an entrance."""


async def _connected(path: Path) -> socket.socket:
    """Return a connection to a Unix domain socket; where there are too many that wait, wait with them.

    asyncio would take the EAGAIN of a full queue (connect(2)) for a connection that is on its way, and then
    for one that is made: what is sent on it breaks. Raises OSError.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        while True:
            try:
                connection.connect(str(path))
            except BlockingIOError:
                await asyncio.sleep(QUEUE_INTERVAL)
            else:
                return connection
    except BaseException:
        connection.close()
        raise
