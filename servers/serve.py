"""Keeps the catalogue's servers up for any client that a person points at them, and tells what connects."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import shlex
import socket
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from servers.catalogue import Role
from servers.evidence import write_evidence
from servers.lab import open_lab
from servers.live import live_page
from servers.peers import LOOPBACK
from servers.protocols import LADDER, span
from servers.resources import ResourceError
from servers.tap import Capture, Tap
from servers.visitors import Met, Visitor, visitors
from servers.wire import read_capture

if TYPE_CHECKING:
    from servers.catalogue import Catalogue, Server
    from servers.control import Control
    from servers.lab import Lab, Stand
    from servers.protocols import Protocol
    from servers.wire import WireAccount

KEPT_CAPTURES = 64 * 1024 * 1024
"""Bytes of all connections together that are kept for the record; some thousand handshakes take so much."""

HIGHEST_PORT = 65535

SoFar = Callable[[Sequence[Met], Collection[str]], tuple[str, str]]
"""Says, in a word and a reason, what a client's connections show, given the servers whose control passed."""


@dataclass(frozen=True)
class Service:
    """What is to be served, where, and where a record of it goes."""

    catalogue: Catalogue
    floor: Protocol
    cache: Path
    """Folder of ours, readable by us alone; keys are in a folder below it while it lasts."""
    records: Path
    """Folder that gets a folder for each time that somebody connected."""
    environment: Mapping[str, str]
    openssl: Path | None = None
    port: int | None = None
    """The first server's, the others follow in the catalogue's order; None for whichever are free."""


@dataclass
class Guestbook:
    """What is served, and all that connected; the terminal, the live page and the record tell it."""

    engine: str
    floor: Protocol
    controls: Mapping[str, Control]
    judge: SoFar
    addresses: dict[str, str] = field(default_factory=dict)
    servers: list[Server] = field(default_factory=list)
    met: list[Met] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    """UTC, seconds since the epoch."""
    _kept: int = 0

    def enter(self, server: Server, capture: Capture) -> Met:
        """Enter a connection that has ended, with its bytes as long as there is room."""
        size = sum(len(chunk.data) for chunk in capture.chunks)
        fits = self._kept + size <= KEPT_CAPTURES
        self._kept += size if fits else 0
        one = Met(time.time(), server, read_capture(capture), capture if fits else None)
        self.met.append(one)
        return one

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

    def write(self, folder: Path) -> None:
        """Write the record and the captures into a folder that is not there yet; raises OSError."""
        folder.mkdir(parents=True)
        known = visitors(tuple(self.met))
        judged = [(visitor, *self.judged(visitor)) for visitor in known]
        record = {
            "schema_version": 1,
            "started": _time(self.started),
            "ended": _time(time.time()),
            "captures_left_out": sum(one.capture is None for one in self.met),
            **{name: part for name, part in self.state().items() if name != "clients"},
            "clients": [
                {"name": v.name, "word": word, "reason": reason, "connections": list(map(_record, v.met))}
                for v, word, reason in judged
            ],
            "without_hello": [_record(one) for one in self.met if not one.wire.client_hello],
        }
        text = json.dumps(record, indent=2) + "\n"
        (folder / "record.json").write_text(text, encoding="utf-8")
        names = {id(one): visitor.name for visitor in known for one in visitor.met}
        captures = [
            (f"{names.get(id(one), 'nobody')}/{one.server.id}", one.capture)
            for one in self.met
            if one.capture
        ]
        write_evidence(folder / "captures.pcapng", captures)


async def serve_forever(service: Service, judge: SoFar, say: Callable[[str], None]) -> None:
    """Serve the whole catalogue until cancelled; say where, each connection as it ends, and what is left.

    Raises ResourceError, before anything is served, where a port that was asked for cannot be had.
    """
    catalogue, cache = service.catalogue, service.cache
    ports = port_block(catalogue, service.port)
    with tempfile.TemporaryDirectory(dir=cache, prefix="serve-") as folder:
        async with (
            open_lab(catalogue, Path(folder), cache, service.environment, service.openssl) as lab,
            contextlib.AsyncExitStack() as stack,
        ):
            book = Guestbook(lab.engine, service.floor, await lab.controls(), judge)
            # First of all, so that it is told last, when every connection has ended.
            stack.callback(_leave_record, book, service.records, say)
            for stand in lab.stands:
                await _announce(stand, ports[stand.server.id], book, stack, say)
            _say_trust(lab, say)
            for line in pointing(lab, book):
                say(line)
            page = stack.enter_context(live_page(book.state))
            say(f"{opening(lab)} Who connects is shown here and at {page} Ctrl-C ends it.")
            await asyncio.Event().wait()


def port_block(catalogue: Catalogue, first: int | None) -> dict[str, int]:
    """Return each server's port, in the catalogue's order; 0, which is whichever is free, without a first.

    Raises ResourceError where one of them is taken, not allowed, or past the last there is.
    """
    servers = catalogue.servers
    if first is None:
        return dict.fromkeys((server.id for server in servers), 0)
    last = first + len(servers) - 1
    if last > HIGHEST_PORT:
        highest = HIGHEST_PORT - len(servers) + 1
        msg = (
            f"--port {first} would need ports up to {last}, and the last is {HIGHEST_PORT}: {highest} at most"
        )
        raise ResourceError(msg)
    ports = {server.id: first + number for number, server in enumerate(servers)}
    for name, port in ports.items():
        try:
            socket.create_server((LOOPBACK, port)).close()
        except OSError as error:
            raise _refused(port, name, error) from error
    return ports


def _refused(port: int, name: str, error: OSError) -> ResourceError:
    why = error.strerror or str(error)
    return ResourceError(
        f"port {port} of {LOOPBACK}, which is for {name}, cannot be had ({why}): give another --port"
    )


def _leave_record(book: Guestbook, records: Path, say: Callable[[str], None]) -> None:
    """Write the record of who connected, if anybody did, and say where it is."""
    if not book.met:
        say("Nobody connected, so there is no record.")
        return
    folder = records / f"{dt.datetime.fromtimestamp(book.started, dt.UTC):%Y%m%dT%H%M%SZ}"
    try:
        book.write(folder)
    except OSError as error:
        say(f"The record cannot be written to {folder}: {error.strerror or error}")
        return
    left_out = sum(one.capture is None for one in book.met)
    besides = f", save {left_out} of which the bytes took too much room" if left_out else ""
    say(f"Who connected, and every byte of it{besides}: record.json and captures.pcapng in {folder}")


def pointing(lab: Lab, book: Guestbook) -> list[str]:
    """Return the lines for a shell that point an application at one server, the widest below the floor."""
    low = [
        stand
        for stand in lab.stands
        if stand.server.role is Role.LADDER
        and stand.server.only_below(book.floor)
        and stand.server.id in book.addresses
        and book.controls[stand.server.id].passed
    ]
    # Of those that speak equally much, RSA: a signature or a curve may stop a client before its version does.
    widest = max(
        low, key=lambda one: (len(one.server.protocols), one.server.key_exchange == "rsa"), default=None
    )
    if widest is None or widest.pair is None:
        return []
    trust = shlex.quote(str(widest.pair.trust)) if widest.pair else ""
    names = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    return [
        f"To point an application at {widest.server.id}, or at another server by its port, in its shell:",
        f"  export AWS_ENDPOINT_URL={book.addresses[widest.server.id]}",
        f"  export {' '.join(f'{name}={trust}' for name in names)}",
    ]


def opening(lab: Lab) -> str:
    """Say with what is served, or what is left without an openssl: why, each server that needs one says."""
    with_openssl = any(stand.address and stand.server.engine == "s_server" for stand in lab.stands)
    return f"Serving with {lab.engine}." if with_openssl else "Serving only what needs no openssl."


async def _announce(
    stand: Stand, port: int, book: Guestbook, stack: contextlib.AsyncExitStack, say: Callable[[str], None]
) -> None:
    """Put a tap in front of a server and say how to reach it, and what is wrong with it."""
    server, control = stand.server, book.controls[stand.server.id]
    book.servers.append(server)
    if stand.address is None or stand.pair is None:
        say(f"{server.id:22} not served: {stand.problem}")
        return

    def ended(capture: Capture) -> None:
        say(book.tell(book.enter(server, capture)))

    host = stand.pair.host
    try:
        tap = await stack.enter_async_context(Tap(stand.address, ended, port=port, by_name=host != LOOPBACK))
    except OSError as error:
        raise _refused(port, server.id, error) from error
    book.addresses[server.id] = f"https://{host}:{tap.port}/"
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


def _time(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds")


def _record(one: Met) -> dict[str, object]:
    """Return one connection for the record: the words of the terminal, and the hellos to check them."""
    wire = one.wire
    facts = {"client_hello": wire.client_hello, "server_hello": wire.server_hello}
    notes = [*wire.faults, *wire.notes]
    return {"at": _time(one.at), "server": one.server.id, **_account(wire), **facts, "notes": notes}


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
