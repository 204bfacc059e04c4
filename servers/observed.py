"""Who has connected so far: connections grouped by how their client introduces itself."""

from __future__ import annotations

import hashlib
import itertools
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tlslite.constants import ExtensionType
from tlslite.errors import BaseTLSException
from tlslite.messages import ClientHello
from tlslite.utils.codec import DecodeError, Parser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from servers.catalogue import Server
    from servers.tap import Capture
    from servers.wire import WireAccount

_VARYING = frozenset(
    {
        ExtensionType.server_name,
        ExtensionType.session_ticket,
        ExtensionType.pre_shared_key,
        ExtensionType.psk_key_exchange_modes,
        ExtensionType.early_data,
        ExtensionType.cookie,
        21,  # padding, RFC 7685
    }
)
"""Extensions that one client sends in some of its hellos and not in others."""


@dataclass(frozen=True)
class Connection:
    """One connection: when it ended (UTC, seconds since the epoch), to which server, as the wire tells it."""

    at: float
    server: Server
    wire: WireAccount
    capture: Capture | None = field(default=None, compare=False, repr=False)
    """The bytes behind it, where there was room to keep them."""


@dataclass(frozen=True)
class ObservedClient:
    """A client, as far as the wire can tell clients apart, and all its connections in order."""

    name: str
    connections: tuple[Connection, ...]


def group_by_client(connections: Iterable[Connection]) -> tuple[ObservedClient, ...]:
    """Group connections whose ClientHellos have the same shape; the first to come is client A.

    Two programs with the same library and settings cannot be told apart, and one program that changes
    its settings counts as two. Connections without a ClientHello belong to nobody.
    """
    groups: dict[str, list[Connection]] = {}
    for connection in connections:
        if connection.wire.client_hello:
            groups.setdefault(shape(connection.wire.client_hello), []).append(connection)
    return tuple(
        ObservedClient(f"client {name}", tuple(group))
        for name, group in zip(_names(), groups.values(), strict=False)
    )


def shape(client_hello: str) -> str:
    """Return a hash of what stays the same in a client's hellos, given one in hex.

    That is legacy_version, the cipher suites in their order, which extensions there are, and the lists
    in supported_versions and signature_algorithms: what JA4 and its like look at. GREASE (RFC 8701) is
    left out, and so is the order of extensions, which some clients shuffle.
    """
    raw = bytes.fromhex(client_hello)
    try:
        hello = ClientHello().parse(Parser(bytearray(raw[1:])))
        kinds = sorted(e.extType for e in hello.extensions or () if e.extType not in _VARYING)
        versions = hello.getExtension(ExtensionType.supported_versions)
        algorithms = hello.getExtension(ExtensionType.signature_algorithms)
    except (DecodeError, ValueError, TypeError, BaseTLSException):
        return hashlib.sha256(raw).hexdigest()
    parts = (
        hello.client_version,
        [suite for suite in hello.cipher_suites if not _grease(suite)],
        [kind for kind in kinds if not _grease(kind)],
        [tuple(v) for v in (versions.versions if versions else None) or () if not _grease(v[0] << 8 | v[1])],
        [tuple(a) for a in (algorithms.sigalgs if algorithms else None) or ()],
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _grease(value: int) -> bool:
    """Whether a 16 bit value is one of those reserved to keep servers tolerant: RFC 8701 section 2."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF  # noqa: PLR2004


def _names() -> Iterator[str]:
    """Yield A to Z, then AA, AB and so on."""
    for length in itertools.count(1):
        yield from ("".join(letters) for letters in itertools.product(string.ascii_uppercase, repeat=length))
