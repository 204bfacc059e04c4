"""Keeps the catalogue's servers up for any client that a person points at them, and tells what connects."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from servers.lab import open_lab
from servers.live import live_page
from servers.protocols import LADDER, span
from servers.tap import Capture, Tap
from servers.visitors import Met, Visitor, visitors
from servers.wire import read_capture

if TYPE_CHECKING:
    from servers.catalogue import Catalogue, Server
    from servers.control import Control
    from servers.lab import Lab, Stand
    from servers.protocols import Protocol
    from servers.wire import WireAccount

SoFar = Callable[[Sequence[Met], Collection[str]], tuple[str, str]]
"""Says, in a word and a reason, what a client's connections show, given the servers whose control passed."""


@dataclass
class Guestbook:
    """What is served, and all that connected; the terminal and the live page both tell it."""

    engine: str
    floor: Protocol
    controls: Mapping[str, Control]
    judge: SoFar
    addresses: dict[str, str] = field(default_factory=dict)
    servers: list[Server] = field(default_factory=list)
    met: list[Met] = field(default_factory=list)

    def judged(self, visitor: Visitor) -> tuple[str, str]:
        """Return what a visitor's connections show so far."""
        return self.judge(visitor.met, {name for name, control in self.controls.items() if control.passed})

    def tell(self, one: Met) -> str:
        """Tell one connection in a line, with what its client's connections show so far."""
        mine = next((v for v in visitors(self.met) if one in v.met), None)
        if mine is None:
            return describe(one.server, one.wire)
        word, reason = self.judged(mine)
        return f"{describe(one.server, one.wire)}\n  {mine.name}, so far: {word}: {reason}"

    def state(self) -> dict[str, object]:
        """Return all of it for the live page."""
        return {
            "engine": self.engine,
            "floor": self.floor,
            "servers": [
                {
                    "id": server.id,
                    "address": self.addresses.get(server.id, "not served"),
                    "speaks": _speaks(server),
                    "control": self.controls[server.id].reason,
                }
                for server in self.servers
            ],
            "clients": [self._client(visitor) for visitor in visitors(tuple(self.met))],
        }

    def _client(self, visitor: Visitor) -> dict[str, object]:
        word, reason = self.judged(visitor)
        rows = [{"at": _clock(one.at), "server": one.server.id} | _account(one.wire) for one in visitor.met]
        return {"name": visitor.name, "word": word, "reason": reason, "connections": rows}


async def serve_forever(
    catalogue: Catalogue,
    floor: Protocol,
    judge: SoFar,
    cache: Path,
    environment: Mapping[str, str],
    openssl: Path | None,
    say: Callable[[str], None],
) -> None:
    """Serve the whole catalogue until cancelled; say where, and then each connection as it ends."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="serve-") as folder:
        async with (
            open_lab(catalogue, Path(folder), cache, environment, openssl) as lab,
            contextlib.AsyncExitStack() as stack,
        ):
            book = Guestbook(lab.engine, floor, await lab.controls(), judge)
            for stand in lab.stands:
                await _announce(stand, book, stack, say)
            _say_trust(lab, say)
            page = stack.enter_context(live_page(book.state))
            say(f"{opening(lab)} Who connects is shown here and at {page} Ctrl-C ends it.")
            await asyncio.Event().wait()


def opening(lab: Lab) -> str:
    """Say with what is served, or what is left without an openssl: why, each server that needs one says."""
    with_openssl = any(stand.address and stand.server.engine == "s_server" for stand in lab.stands)
    return f"Serving with {lab.engine}." if with_openssl else "Serving only what needs no openssl."


async def _announce(
    stand: Stand, book: Guestbook, stack: contextlib.AsyncExitStack, say: Callable[[str], None]
) -> None:
    """Put a tap in front of a server and say how to reach it, and what is wrong with it."""
    server, control = stand.server, book.controls[stand.server.id]
    book.servers.append(server)
    if stand.address is None:
        say(f"{server.id:22} not served: {stand.problem}")
        return

    def ended(capture: Capture) -> None:
        one = Met(time.time(), server, read_capture(capture))
        book.met.append(one)
        say(book.tell(one))

    tap = await stack.enter_async_context(Tap(stand.address, ended))
    book.addresses[server.id] = f"https://localhost:{tap.port}/"
    flaw = "" if control.passed else f"; nothing counts here, its control failed: {control.reason}"
    say(f"{server.id:22} {book.addresses[server.id]}  {_speaks(server)}{flaw}")


def _say_trust(lab: Lab, say: Callable[[str], None]) -> None:
    trusts: dict[Path, str] = {}
    for stand in lab.stands:
        if stand.address and stand.pair:
            trusts.setdefault(stand.pair.trust, stand.server.id)
    for trust, first in trusts.items():
        say(f"To accept the certificates of {first} and its like, trust {trust}")


def _speaks(server: Server) -> str:
    return f"{', '.join(p for p in LADDER if p in server.protocols)}; key exchange {server.key_exchange}"


def _clock(at: float) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%H:%M:%S}"


def _account(wire: WireAccount) -> dict[str, str]:
    """Return one connection in words: what was offered, what was chosen, and how it ended."""
    chosen = f"{wire.server_version} with {wire.server_cipher}" if wire.server_version else "no version"
    return {
        "offered": span(wire.offered) if wire.offered is not None else f"up to {wire.legacy_version}",
        "chosen": chosen,
        "end": _end(wire),
        "alerts": wire.alerted or "none",
    }


def _end(wire: WireAccount) -> str:
    if wire.data_both_ways:
        return "data both ways"
    return "handshake completed, no data exchanged" if wire.finished else "no data exchanged"


def describe(server: Server, wire: WireAccount) -> str:
    """Tell one connection in a line: what was offered, what was chosen, and how it ended."""
    if not wire.client_hello:
        return f"{server.id}: no ClientHello ({'; '.join(wire.faults + wire.notes) or 'nothing was sent'})"
    said = _account(wire)
    return (
        f"{server.id}: offered {said['offered']}; chosen {said['chosen']}; {said['end']};"
        f" alerts {said['alerts']}"
    )
