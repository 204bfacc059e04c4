"""Reads the catalogue of servers and refuses one that makes no sense."""

from __future__ import annotations

import difflib
import enum
import hashlib
import re
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from interpreters.errors import FloorError
from servers.protocols import LADDER, Protocol

_E = TypeVar("_E", bound=enum.StrEnum)

CATALOGUE = Path(__file__).with_name("catalogue.toml")


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
    engine: str = "s_server"
    arguments: tuple[str, ...] = ()
    script: str = ""
    """Role attack: how it tampers, by name."""
    expect: str = ""
    """Role attack: the alert that a client must send; empty where it must just not come back lower."""
    source: str = ""
    """Role attack: what says so."""
    retries: int = 0
    """How often clients that have a retry logic may try again."""

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


class CatalogueError(FloorError):
    """The catalogue has an entry that cannot be meant; the message names entry, fact and remedy."""


def read_catalogue(path: Path = CATALOGUE) -> Catalogue:
    """Read and check a catalogue file; raises CatalogueError that names the entry at fault."""
    raw = path.read_bytes()
    try:
        tables = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path.name} is not valid TOML: {error}"
        raise CatalogueError(msg) from error
    servers = tuple(_server(path.name, name, table) for name, table in tables.items())
    if not servers:
        msg = f"{path.name} names no server; add a table such as [tls1_2]"
        raise CatalogueError(msg)
    return Catalogue(servers, hashlib.sha256(raw).hexdigest())


def _server(file: str, name: str, table: Any) -> Server:
    where = f"{file} [{name}]"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        msg = f"{where}: a server id is a column name: lower-case letters, digits and _ only"
        raise CatalogueError(msg)
    if not isinstance(table, dict):
        msg = f"{where} is not a table; write [{name}] and its keys below it"
        raise CatalogueError(msg)
    known = [field.name for field in fields(Server) if field.name != "id"]
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(known)}"
            msg = f"{where}: unknown key {key!r}; {hint}"
            raise CatalogueError(msg)
    for key in ("why", "protocols", "key_exchange", "certificate"):
        if not table.get(key):
            msg = f"{where}: {key!r} is missing or empty"
            raise CatalogueError(msg)
    server = Server(
        id=name,
        why=str(table["why"]),
        protocols=frozenset(
            _member(where, "protocols", Protocol, value)
            for value in _list(where, "protocols", table["protocols"])
        ),
        key_exchange=_member(where, "key_exchange", KeyExchange, table["key_exchange"]),
        certificate=_member(where, "certificate", Certificate, table["certificate"]),
        role=_member(where, "role", Role, table.get("role", Role.LADDER)),
        engine=str(table.get("engine", "s_server")),
        arguments=_texts(where, "arguments", table.get("arguments", [])),
        script=str(table.get("script", "")),
        expect=str(table.get("expect", "")),
        source=str(table.get("source", "")),
        retries=_count(where, "retries", table.get("retries", 0)),
    )
    _check_sense(where, server)
    return server


def _list(where: str, key: str, value: object) -> list[object]:
    if not isinstance(value, list):
        msg = f'{where}: {key} must be a list, such as ["..."], not {value!r}'
        raise CatalogueError(msg)
    return value


def _texts(where: str, key: str, value: object) -> tuple[str, ...]:
    items = _list(where, key, value)
    if wrong := [item for item in items if not isinstance(item, str)]:
        msg = f"{where}: {key} has {wrong[0]!r}, which is no text"
        raise CatalogueError(msg)
    return tuple(str(item) for item in items)


def _count(where: str, key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        msg = f"{where}: {key} must be a number from 0 on, not {value!r}"
        raise CatalogueError(msg)
    return value


def _member(where: str, key: str, kind: type[_E], value: object) -> _E:
    try:
        return kind(str(value))
    except ValueError:
        choices = ", ".join(kind)
        msg = f"{where}: {key} has {value!r}; it is one of {choices}"
        raise CatalogueError(msg) from None


def _check_sense(where: str, server: Server) -> None:
    """Refuse combinations that would serve something other than what the entry says."""
    if (server.role is Role.PAGE) != bool(server.arguments):
        msg = f"{where}: 'arguments' belong to role 'page' and only there; drop one or add the other"
        raise CatalogueError(msg)
    attack = server.role is Role.ATTACK
    if attack != bool(server.script) or attack != bool(server.source):
        msg = f"{where}: 'script' and 'source' belong to role 'attack' and only there; drop them or add both"
        raise CatalogueError(msg)
    if (
        server.certificate is Certificate.ECDSA
        and server.key_exchange not in (KeyExchange.ECDHE, KeyExchange.ANY)
        and server.protocols != {Protocol.TLSV1_3}
    ):
        msg = f"{where}: an ecdsa certificate cannot sign {server.key_exchange} key exchange; use ecdhe"
        raise CatalogueError(msg)
    if server.protocols == {Protocol.TLSV1_3} and server.key_exchange is not KeyExchange.ANY:
        msg = (
            f'{where}: TLSv1.3 negotiates its key exchange apart from the cipher; write key_exchange = "any"'
        )
        raise CatalogueError(msg)
    rungs = sorted(LADDER.index(protocol) for protocol in server.protocols)
    if rungs != list(range(rungs[0], rungs[-1] + 1)):
        msg = f"{where}: protocols leave a gap, which clients before TLS 1.3 cannot negotiate over; close it"
        raise CatalogueError(msg)
