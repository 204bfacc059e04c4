"""What `serve` leaves in record.json; servers/live_state.py writes it, from dictionaries, with no library."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from interpreters.documents import Count, Document, Hex, NonEmpty
from servers.live_state import RECORD_VERSION
from servers.protocols import Protocol

Instant = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}\+00:00$")]


class ServedServerDocument(Document):
    """A server that was kept up."""

    id: NonEmpty
    """Its id in the catalogue."""
    address: NonEmpty
    """Its URL; `not served` where it could not be started."""
    speaks: NonEmpty
    """The versions that it speaks and its key exchange, in words."""
    control: str
    """How its control came out, in words."""


class ServedConnectionDocument(Document):
    """A connection as the wire tells it."""

    at: Instant
    """When it ended: UTC, ISO 8601."""
    server: NonEmpty
    """The server that it went to."""
    offered: NonEmpty
    """The versions that the ClientHello lists, in words."""
    chosen: NonEmpty
    """The version and the cipher suite that the server chose, in words."""
    end: NonEmpty
    """How it ended, in words."""
    alerts: NonEmpty
    """The alerts that were sent, in words; `none` if there were none."""
    client_hello: Hex
    """The ClientHello as it was sent, in hex; empty if there was none."""
    server_hello: Hex
    """The ServerHello as it was sent, in hex; empty if there was none."""
    notes: tuple[str, ...]
    """What else there is to say of it."""


class ServedClientDocument(Document):
    """A client, told from others by its hello, and what its connections show."""

    name: NonEmpty
    """How it was called on the terminal."""
    word: NonEmpty
    """What its connections show, in a word: `downgraded`, `fragile`, `refuses`, or `open` if not enough."""
    reason: NonEmpty
    """Why."""
    connections: tuple[ServedConnectionDocument, ...]
    """Its connections in the order in which they ended."""


class ServedFile(Document, tag_field="schema_version", tag=RECORD_VERSION):
    """What was served, and all that connected."""

    started: Instant
    """When it was started: UTC, ISO 8601."""
    ended: Instant
    """When it was ended: UTC, ISO 8601."""
    captures_left_out: Count
    """How many connections are not in captures.pcapng, because their bytes took too much room."""
    engine: str
    """The OpenSSL that served."""
    floor: Protocol
    """What was judged against."""
    servers: tuple[ServedServerDocument, ...]
    """The servers in the order of the catalogue."""
    clients: tuple[ServedClientDocument, ...]
    """Those that sent a ClientHello."""
    without_hello: tuple[ServedConnectionDocument, ...]
    """Connections on which no ClientHello came."""
