"""What a served catalogue has seen so far: for the terminal, the live page, and the record that is left."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from servers.evidence import write_evidence
from servers.observed import Connection, ObservedClient, group_by_client
from servers.protocols import LADDER, span
from servers.wire import read_capture

if TYPE_CHECKING:
    from pathlib import Path

    from servers.catalogue import Server
    from servers.control import Control
    from servers.protocols import Protocol
    from servers.tap import Capture
    from servers.wire import WireAccount

KEPT_CAPTURES = 64 * 1024 * 1024
"""Bytes of all connections together that are kept for the record; some thousand handshakes take so much."""

RECORD_VERSION = 1
"""Version of record.json: reports/formats/served_contract.py has its keys."""

SoFar = Callable[[Sequence[Connection], Collection[str]], tuple[str, str]]
"""Says, in a word and a reason, what a client's connections show, given the servers whose control passed."""


@dataclass
class LiveState:
    """What is served, and all that connected; the terminal, the live page and the record tell it."""

    engine: str
    floor: Protocol
    controls: Mapping[str, Control]
    judge: SoFar
    addresses: dict[str, str] = field(default_factory=dict)
    servers: list[Server] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    started: float = field(default_factory=time.time)
    """UTC, seconds since the epoch."""
    _kept: int = 0

    def add(self, server: Server, capture: Capture) -> Connection:
        """Add a connection that has ended, with its bytes as long as there is room."""
        size = sum(len(chunk.data) for chunk in capture.chunks)
        fits = self._kept + size <= KEPT_CAPTURES
        self._kept += size if fits else 0
        connection = Connection(time.time(), server, read_capture(capture), capture if fits else None)
        self.connections.append(connection)
        return connection

    def judge_so_far(self, client: ObservedClient) -> tuple[str, str]:
        """Return what a client's connections show so far."""
        return self.judge(
            client.connections, {name for name, control in self.controls.items() if control.passed}
        )

    def describe(self, connection: Connection) -> str:
        """Describe a connection in a line, with what its client's connections show so far."""
        line = describe(connection.server, connection.wire)
        clients = group_by_client(self.connections)
        client = next((client for client in clients if connection in client.connections), None)
        if client is None:
            return line
        word, reason = self.judge_so_far(client)
        return f"{line}\n  {client.name}, so far: {word}: {reason}"

    def state(self) -> dict[str, object]:
        """Return all of it for the live page."""
        return {
            "engine": self.engine,
            "floor": self.floor,
            "servers": [
                {
                    "id": server.id,
                    "address": self.addresses.get(server.id, "not served"),
                    "speaks": speaks(server),
                    "control": self.controls[server.id].reason,
                }
                for server in self.servers
            ],
            "clients": [self._client(client) for client in group_by_client(tuple(self.connections))],
        }

    def _client(self, client: ObservedClient) -> dict[str, object]:
        word, reason = self.judge_so_far(client)
        rows = [
            {"at": _clock(each.at), "server": each.server.id} | _account(each.wire)
            for each in client.connections
        ]
        return {"name": client.name, "word": word, "reason": reason, "connections": rows}

    def write(self, folder: Path) -> None:
        """Write the record and the captures into a folder that is not there yet; raises OSError."""
        folder.mkdir(parents=True)
        known = group_by_client(tuple(self.connections))
        judged = [(client, *self.judge_so_far(client)) for client in known]
        record = {
            "schema_version": RECORD_VERSION,
            "started": _time(self.started),
            "ended": _time(time.time()),
            "captures_left_out": sum(connection.capture is None for connection in self.connections),
            **{name: part for name, part in self.state().items() if name != "clients"},
            "clients": [
                {
                    "name": client.name,
                    "word": word,
                    "reason": reason,
                    "connections": list(map(_record, client.connections)),
                }
                for client, word, reason in judged
            ],
            "without_hello": [
                _record(connection) for connection in self.connections if not connection.wire.client_hello
            ],
        }
        text = json.dumps(record, indent=2) + "\n"
        (folder / "record.json").write_text(text, encoding="utf-8")
        names = {id(connection): client.name for client in known for connection in client.connections}
        captures = [
            (f"{names.get(id(connection), 'nobody')}/{connection.server.id}", connection.capture)
            for connection in self.connections
            if connection.capture
        ]
        write_evidence(folder / "captures.pcapng", captures)


def speaks(server: Server) -> str:
    """Return in words which versions a server speaks, and with which key exchange."""
    return f"{', '.join(p for p in LADDER if p in server.protocols)}; key exchange {server.key_exchange}"


def _clock(at: float) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%H:%M:%S}"


def _time(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds")


def _record(connection: Connection) -> dict[str, object]:
    """Return one connection for the record: the words of the terminal, and the hellos to check them."""
    wire = connection.wire
    facts = {"client_hello": wire.client_hello, "server_hello": wire.server_hello}
    notes = [*wire.faults, *wire.notes]
    return {
        "at": _time(connection.at),
        "server": connection.server.id,
        **_account(wire),
        **facts,
        "notes": notes,
    }


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
    """Describe a connection in a line: what was offered, what was chosen, and how it ended."""
    if not wire.client_hello:
        return f"{server.id}: no ClientHello ({'; '.join(wire.faults + wire.notes) or 'nothing was sent'})"
    account = _account(wire)
    return (
        f"{server.id}: offered {account['offered']}; chosen {account['chosen']}; {account['end']};"
        f" alerts {account['alerts']}"
    )
