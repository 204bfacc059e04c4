"""Reads the catalogue of servers and refuses one that makes no sense."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from interpreters.tables import Table, TableError, tables
from servers.protocols import LADDER, Protocol

CATALOGUE = Path(__file__).with_name("catalogue.toml")

RETRIES = range(100)
"""How often clients may be allowed to try again."""


class KeyExchange(enum.StrEnum):
    """The family of key exchanges that a server's TLS 1.2 and lower cipher list allows."""

    ANY = "any"
    RSA = "rsa"
    DHE = "dhe"
    ECDHE = "ecdhe"


class Certificate(enum.StrEnum):
    """Which certificate a server shows."""

    RSA = "rsa"
    ECDSA = "ecdsa"
    PAGE = "page"


class Role(enum.StrEnum):
    """What a server is for."""

    LADDER = "ladder"
    """Speaks some versions honestly; every verdict rests on all of these."""
    ATTACK = "attack"
    """Tampers with the negotiation; measured on demand, and then verdicts rest on it too."""
    PAGE = "page"
    """Reproduces the AWS page's answer; no verdict rests on it."""


@dataclass(frozen=True)
class Server:
    """One restricted server configuration, as the catalogue states it."""

    id: str
    why: str
    protocols: frozenset[Protocol]
    key_exchange: KeyExchange
    certificate: Certificate
    role: Role = Role.LADDER
    engine: str = "openssl"
    arguments: tuple[str, ...] = ()
    script: str = ""
    """Role attack: how it tampers, by name."""
    expect: str = ""
    """Role attack: the alert that a client must send; empty where it must just not come back lower."""
    source: str = ""
    """Role attack: what says so."""
    retries: int = 0
    """How often clients that have a retry logic may try again."""

    @property
    def reported(self) -> Server:
        """The server as a report has it: without how it is run."""
        return Server(self.id, self.why, self.protocols, self.key_exchange, self.certificate, self.role)

    def only_below(self, floor: Protocol) -> bool:
        """Whether a connection to this server, at any version it speaks, breaks the floor."""
        return all(protocol.below(floor) for protocol in self.protocols)

    def only_from(self, floor: Protocol) -> bool:
        """Whether no connection to this server can break the floor."""
        return not any(protocol.below(floor) for protocol in self.protocols)


@dataclass(frozen=True)
class Catalogue:
    """The servers in the file's order, and the hash of the file they were read from."""

    servers: tuple[Server, ...]
    sha256: str

    def only(self, *roles: Role) -> Catalogue:
        """Return the servers of some roles, with the hash of the whole."""
        return replace(self, servers=tuple(server for server in self.servers if server.role in roles))

    def __getitem__(self, server_id: str) -> Server:
        """Return the server with this id; KeyError where there is none."""
        return {server.id: server for server in self.servers}[server_id]


def read_catalogue(path: Path = CATALOGUE) -> Catalogue:
    """Read and check a catalogue file; raises TableError that names the entry at fault."""
    raw = path.read_bytes()
    servers = tuple(_server(name, table) for name, table in tables(path.name, raw, Server).items())
    if not servers:
        msg = f"{path.name} names no server; add a table such as [tls1_2]"
        raise TableError(msg)
    return Catalogue(servers, hashlib.sha256(raw).hexdigest())


def _server(name: str, table: Table) -> Server:
    server = Server(
        id=name,
        why=table.get("why", str),
        protocols=frozenset(table.choices("protocols", Protocol)),
        key_exchange=table.choice("key_exchange", KeyExchange),
        certificate=table.choice("certificate", Certificate),
        role=table.choice("role", Role, Role.LADDER),
        engine=table.get("engine", str, "openssl"),
        arguments=table.texts("arguments"),
        script=table.get("script", str, ""),
        expect=table.get("expect", str, ""),
        source=table.get("source", str, ""),
        retries=table.number("retries", 0, RETRIES),
    )
    _check_sense(table, server)
    return server


def _check_sense(table: Table, server: Server) -> None:
    """Refuse combinations that would serve something other than what the entry says."""
    if (server.role is Role.PAGE) != bool(server.arguments):
        table.refuse("'arguments' belong to role 'page' and only there; drop one or add the other")
    attack = server.role is Role.ATTACK
    if attack != bool(server.script) or attack != bool(server.source):
        table.refuse("'script' and 'source' belong to role 'attack' and only there; drop them or add both")
    if (
        server.certificate is Certificate.ECDSA
        and server.key_exchange not in (KeyExchange.ECDHE, KeyExchange.ANY)
        and server.protocols != {Protocol.TLSV1_3}
    ):
        table.refuse(f"an ecdsa certificate cannot sign {server.key_exchange} key exchange; use ecdhe")
    if server.protocols == {Protocol.TLSV1_3} and server.key_exchange is not KeyExchange.ANY:
        table.refuse('TLSv1.3 negotiates its key exchange apart from the cipher; write key_exchange = "any"')
    rungs = sorted(LADDER.index(protocol) for protocol in server.protocols)
    if rungs != list(range(rungs[0], rungs[-1] + 1)):
        table.refuse("protocols leave a gap, which clients before TLS 1.3 cannot negotiate over; close it")
