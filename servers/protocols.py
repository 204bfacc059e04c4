"""The ladder of protocol versions: their names, order and bytes on the wire; and the two sides."""

from __future__ import annotations

import enum
import functools


class Sender(enum.StrEnum):
    """Who sent something."""

    CLIENT = "client"
    SERVER = "server"


class Protocol(enum.StrEnum):
    """A protocol version under OpenSSL's name for it; later members are higher versions.

    The wire values are those of ProtocolVersion in RFC 6101 (SSLv3), RFC 2246, RFC 4346,
    RFC 5246 and RFC 8446.
    """

    SSLV3 = "SSLv3"
    TLSV1 = "TLSv1"
    TLSV1_1 = "TLSv1.1"
    TLSV1_2 = "TLSv1.2"
    TLSV1_3 = "TLSv1.3"

    @functools.cached_property
    def wire(self) -> tuple[int, int]:
        """Major and minor byte as sent in a hello."""
        return (3, list(Protocol).index(self))

    @property
    def option(self) -> str:
        """The version as OpenSSL's own configure and commands call it: ``ssl3``, ``tls1_1``."""
        return self.lower().replace("v", "").replace(".", "_")

    @property
    def has(self) -> str:
        """The name of the constant by which Python's ssl module says whether it has the version."""
        return f"HAS_{self.replace('.', '_')}"

    @property
    def prose(self) -> str:
        """The version as a sentence names it: ``TLS 1.0``; columns and cells keep OpenSSL's name."""
        return "SSL 3.0" if self is Protocol.SSLV3 else f"TLS 1.{list(Protocol).index(self) - 1}"

    @classmethod
    def from_wire(cls, version: tuple[int, int]) -> Protocol | None:
        """Return the protocol with these two bytes; None for GREASE, drafts and the unknown."""
        major, minor = version
        ladder = list(cls)
        return ladder[minor] if major == 3 and minor < len(ladder) else None  # noqa: PLR2004

    def below(self, floor: Protocol) -> bool:
        """Whether this version is lower than the floor (never compare the names: they are text)."""
        return self.wire < floor.wire


LADDER = tuple(Protocol)
"""Every version from the lowest to the highest."""


def span(protocols: frozenset[Protocol] | tuple[Protocol, ...]) -> str:
    """Name a set of versions as a person would: ``TLSv1 to TLSv1.3``, or a list where it has gaps."""
    ordered = sorted(set(protocols), key=LADDER.index)
    if not ordered:
        return "nothing"
    first, last = LADDER.index(ordered[0]), LADDER.index(ordered[-1])
    if len(ordered) > 1 and last - first + 1 == len(ordered):
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(ordered)


FLOORS = (Protocol.TLSV1_1, Protocol.TLSV1_2, Protocol.TLSV1_3)
"""What may be a floor: there is something below it, and something at or above it."""
