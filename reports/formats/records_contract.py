"""What observations.jsonl and run.json hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from interpreters.documents import MOMENT, Count, Document, Hex, NonEmpty
from reports.formats.contract import SCHEMA_VERSION, ControlDocument, RunDocument, ScopeDocument, ServerId
from servers.conditions import Condition
from servers.protocols import Protocol, Sender


class AccountDocument(Document):
    """What the client says of one attempt."""

    outcome: Literal["connected", "failed", "untold", "broke off"]
    """`connected` if an answer came back over TLS, else `failed`. A command of the user's does not say which:
    `untold` if it ended by itself, `broke off` if it had to be ended, or a signal ended it."""
    version: str | None
    """The protocol version that the client believes it used, in its own words; `untold` if it got an answer
    and has no way to tell; null if it failed."""
    cipher: str | None
    """The cipher that the client believes it used, in its own words; null if it cannot say."""
    error_class: str | None
    """Class of the exception that ended the attempt; null if none did."""
    error_text: str | None
    """Text of that exception, cut at some length; of a user's command how it ended and its last words."""
    seconds: float
    """How long the attempt took by the client's clock (before Python 3.3 that clock can jump, even back)."""
    note: str
    """What there is to say of the attempt beyond that, such as how the client introduced itself."""


class OwnTlsDocument(Document):
    """A TLS stack that is not the interpreter's."""

    name: NonEmpty
    """Its name, as the client's file or the library itself gives it."""
    reads_openssl_conf: bool
    """Whether it reads OPENSSL_CONF; the machine's own openssl.cnf it may yet look for elsewhere."""


class AlertDocument(Document):
    """One alert record."""

    sender: Sender
    """Who sent it."""
    level: str | None
    """`warning` or `fatal`; null where it was encrypted."""
    description: str | None
    """The alert's name in RFC 8446 section 6, or its number if it has none; null where it was encrypted."""


class ConnectionDocument(Document):
    """One connection as it passed the tap: facts, no judgement."""

    offered: tuple[Protocol, ...] | None
    """The versions in the ClientHello's supported_versions, in its order; null without that extension."""
    legacy_version: Protocol | None
    """The ClientHello's legacy_version: the ceiling of a client that sends no supported_versions; null if it
    is unknown."""
    cipher_count: Count | None
    """Number of cipher suites in the ClientHello; null without a hello."""
    server_version: Protocol | None
    """The version that the last ServerHello chose; null without one, or if it names none that exists."""
    server_cipher: str | None
    """The cipher suite that the last ServerHello chose, under its IETF name; null without one."""
    alerts: tuple[AlertDocument, ...]
    """The alert records that were seen: the client's, then the server's."""
    client_data: Count
    """Bytes in the client's application_data records; in TLS 1.3 part of the handshake is in them."""
    server_data: Count
    """Bytes in the server's application_data records; in TLS 1.3 part of the handshake is in them."""
    client_hello: Hex
    """The first ClientHello message, with its handshake header, in hexadecimal; empty if none was seen."""
    server_hello: Hex
    """The last ServerHello message, with its handshake header, in hexadecimal; empty if none was seen."""
    faults: tuple[str, ...]
    """What makes this record unfit as evidence, such as bytes that are no TLS; empty if nothing does."""
    notes: tuple[str, ...]
    """What the tap has to add, such as who broke off."""
    finished: bool
    """Whether, up to TLS 1.2, both sides sent a Finished, so that the handshake is complete."""
    used: bool = False
    """Whether the client completed a handshake and sent application data behind it, however it all ended."""


class ObservationDocument(Document, tag_field="schema_version", tag=SCHEMA_VERSION):
    """One cell of the matrix: one client in one interpreter under one OpenSSL configuration on one server.

    It is as the client tells it and as the wire shows it, and holds no judgement.
    """

    RULES: ClassVar = {
        "if": {"properties": {"account": {"type": "null"}}},
        "then": {"properties": {"missing": {"minLength": 1}}},
        "else": {"properties": {"missing": {"const": ""}}},
    }

    run_id: NonEmpty
    """The run that this was measured in: its start in UTC and a random part."""
    host: str
    """Name of the machine that was measured; empty where it has none."""
    interpreter: NonEmpty
    """Id of the interpreter, as in matrix.csv."""
    client: NonEmpty
    """The HTTP or TLS stack under test; `relaxed` is the reference client, which code allows everything."""
    client_version: str
    """Version of the client, as it gives it itself; empty if it could not be imported."""
    condition: Condition
    """The OpenSSL configuration that the interpreter ran under: the machine's own, or one of ours."""
    server: ServerId
    """Id of the server in the catalogue."""
    account: AccountDocument | None
    """The client's account of the attempt: testimony, to be held against the wire's; null if it gave none."""
    missing: str
    """Why there is no account; empty if there is one."""
    wire: tuple[ConnectionDocument, ...]
    """Every connection that the client made for this cell, in order, as it passed the tap."""
    control: ControlDocument
    """What the reference client found on this server in this run, before this observation could count."""
    urllib3: str
    """Version of the urllib3 that the client has, or that is in its environment; empty if there is none."""
    own_tls: OwnTlsDocument | None
    """The TLS that the client brings along in place of the interpreter's ssl module; null if it uses that."""
    environment: NonEmpty
    """Where the client is: `made` for the measurement, or the path of the environment that was found and
    measured as it is."""
    remark: str = ""
    """What else is true of the client, such as that its urllib3 is not the distribution of that name."""
    measured: Annotated[str, Meta(pattern=f"{MOMENT}|^$")] = ""
    """When an earlier visit measured this, UTC, ISO 8601, if nothing that it rests on has changed since;
    empty for what was measured for it. No verdict rests on it, only what is said of what holds the floor."""
    measured_in: str = ""
    """The id of the interpreter whose visit that was, if it was a copy that loads the same files; empty for
    its own."""


class PartDocument(Document):
    """One of the runs that a report was merged from."""

    run_id: NonEmpty
    """The run: its start in UTC and a random part."""
    host: str
    """Name of the machine that was measured; empty where it has none."""
    scope: ScopeDocument
    """How far its verdicts reach."""


class RunFile(RunDocument, tag_field="schema_version", tag=SCHEMA_VERSION):
    """Where a report comes from: what measured, where, when, with which instruments; how far it reaches."""

    controls: Mapping[str, ControlDocument]
    """What the reference client found on each server, by the server's id."""
    scope: ScopeDocument
    """How far its verdicts reach."""
    parts: tuple[PartDocument, ...]
    """The runs of several machines that it was merged from; empty for a machine's own."""
    standings: Mapping[str, Count]
    """How many interpreters stand at each verdict, each by its worst client."""
    standings_found: Mapping[str, Count] = field(default_factory=dict)
    """How many environments and processes as found stand at each verdict, each by its worst client."""
