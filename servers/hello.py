"""What a ClientHello offers beside versions: groups, key shares, cipher suites, signatures; its fingerprint.

The fingerprint is JA4, the TLS client fingerprint of FoxIO, by its published description
(github.com/FoxIO-LLC/ja4, technical_details/JA4.md). The method of TLS clients is under BSD 3-Clause and free
of patents; the others of that family (JA4S, JA4H, ...) are not, and none of them is here.
"""

from __future__ import annotations

import enum
import hashlib
import struct
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NAMES = Path(__file__).with_name("iana.toml")

HEADER, RANDOM = 4, 32
"""Bytes of a handshake message's header, and of a hello's random (RFC 8446 4, 4.1.2)."""

HASHED = 12
"""Characters of a SHA-256 in JA4."""

_JA4_VERSIONS = {0x0300: "s3", 0x0301: "10", 0x0302: "11", 0x0303: "12", 0x0304: "13"}

SERVER_NAME, GROUPS, ALGORITHMS, ALPN, PADDING, VERSIONS, KEY_SHARE = 0, 10, 13, 16, 21, 43, 51
"""Extensions by their numbers in IANA's registry, which RFC 8446 4.2 has too; padding is that of RFC 7685."""


class KeyExchangeOffer(enum.StrEnum):
    """Whether a hello offers a key exchange that also holds against a quantum computer."""

    SENT = "key share"
    """A group is named and has a key share: a server can take it at once."""
    NAMED = "named"
    """A group is named without a key share: a server has to ask for one (RFC 8446 4.1.4)."""
    NONE = "none"


@dataclass(frozen=True)
class NamedCode:
    """A number of a TLS registry, with its name there."""

    code: str
    """``0x1301``"""
    name: str
    """As IANA has it; the code again where it has none that we know."""


@dataclass(frozen=True)
class Hello:
    """What one ClientHello offers, without GREASE (RFC 8701); each list in the client's order."""

    ja4: str
    cipher_suites: tuple[NamedCode, ...]
    groups: tuple[NamedCode, ...]
    key_shares: tuple[NamedCode, ...]
    """The groups that a key is sent for."""
    signature_algorithms: tuple[NamedCode, ...]
    extensions: tuple[NamedCode, ...]
    """Sorted by number: some clients shuffle them on purpose."""
    versions: tuple[str, ...] = ()
    """What supported_versions names, as codes; empty without that extension."""

    @property
    def fingerprint(self) -> str:
        """The JA4 with a fourth part, made likewise, of what JA4 leaves out: versions, groups and key shares.

        Two clients that offer the same have the same.
        """
        lists = (self.versions, *(_codes(some) for some in (self.groups, self.key_shares)))
        return f"{self.ja4}_{_hashed('_'.join(map(','.join, lists)))}"

    @property
    def post_quantum(self) -> KeyExchangeOffer:
        """Whether a post-quantum key exchange is among the groups, and has a key share."""
        if any(map(is_post_quantum, self.key_shares)):
            return KeyExchangeOffer.SENT
        return KeyExchangeOffer.NAMED if any(map(is_post_quantum, self.groups)) else KeyExchangeOffer.NONE


def is_post_quantum(group: NamedCode) -> bool:
    """Whether a group is a post-quantum key exchange, alone or in a hybrid: by ML-KEM or its draft."""
    return "MLKEM" in group.name or "Kyber" in group.name


def unpadded(hello: Hello) -> tuple[NamedCode, ...]:
    """Return the extensions without the padding, which comes and goes with the hello's length (RFC 7685)."""
    return tuple(kind for kind in hello.extensions if int(kind.code, 16) != PADDING)


def read_hello(message: bytes) -> Hello | None:
    """Return what a ClientHello message, with its handshake header, offers; None if it makes no sense.

    Our own reader, and not tlslite-ng's, which the wire's account uses: a report of 5,000 rows reads as many
    hellos, for which that takes three seconds and this a third of one. A test holds the two together.
    """
    try:
        return _hello(*_parts(message))
    except (struct.error, IndexError):
        return None


def _parts(message: bytes) -> tuple[int, bytes, tuple[tuple[int, bytes], ...]]:
    """Return version, cipher suites and extensions (RFC 8446 4.1.2): what differs each time is not in them.

    Of a key share only its group stays.
    """
    (version,) = struct.unpack_from(">H", message, HEADER)
    place = HEADER + 2 + RANDOM
    place += 1 + message[place]  # the session's id
    suites = _vector(message, place)
    place += 2 + len(suites)
    place += 1 + message[place]  # compression methods
    listed = _vector(message, place) if place < len(message) else b""
    extensions = []
    place = 0
    while place < len(listed):
        (kind,) = struct.unpack_from(">H", listed, place)
        body = _vector(listed, place + 2)
        place += 4 + len(body)
        shortened = _SHORTENED.get(kind)
        extensions.append((kind, shortened(body) if shortened else b""))
    return version, suites, tuple(extensions)


def alike(message: bytes) -> bytes:
    """Return a ClientHello message with zeros for what differs each time: random, session's id and keys.

    It parses as the message does; one that makes no sense is returned as it is.
    """
    blank = bytearray(message)
    try:
        for start, length in _varying(message):
            blank[start : start + length] = bytes(len(blank[start : start + length]))
    except (struct.error, IndexError):
        return message
    return bytes(blank)


def _varying(message: bytes) -> Iterator[tuple[int, int]]:
    """Give start and length of each part of a ClientHello that differs each time (RFC 8446 4.1.2, 4.2.8)."""
    place = HEADER + 2
    yield place, RANDOM
    place += RANDOM
    yield place + 1, message[place]
    place += 1 + message[place]
    place += 2 + len(_vector(message, place))  # cipher suites
    place += 1 + message[place] + 2  # compression methods, and the length of the extensions
    while place < len(message):
        kind, length = struct.unpack_from(">HH", message, place)
        share, place = place + 6, place + 4 + length
        while kind == KEY_SHARE and share < place:
            key = len(_vector(message, share + 2))
            yield share + 4, key
            share += 4 + key


def _vector(data: bytes, place: int) -> bytes:
    """Return what a length of two bytes at a place announces; raises IndexError where it is not all there."""
    (length,) = struct.unpack_from(">H", data, place)
    found = data[place + 2 : place + 2 + length]
    if len(found) < length:
        raise IndexError(place)
    return found


def _share_groups(body: bytes) -> bytes:
    """Return the groups of the key shares, each in two bytes, without the keys (RFC 8446 4.2.8)."""
    shares, groups, place = _vector(body, 0), b"", 0
    while place < len(shares):
        groups += shares[place : place + 2]
        place += 4 + len(_vector(shares, place + 2))
    return groups


def _first_protocol(body: bytes) -> bytes:
    """Return the first protocol of ALPN (RFC 7301 3.1)."""
    names = _vector(body, 0)
    return names[1 : 1 + names[0]] if names else b""


_SHORTENED: dict[int, Callable[[bytes], bytes]] = {
    GROUPS: lambda body: _vector(body, 0),
    ALGORITHMS: lambda body: _vector(body, 0),
    VERSIONS: lambda body: body[1 : 1 + body[0]],
    KEY_SHARE: _share_groups,
    ALPN: _first_protocol,
}
"""What of an extension's body tells what the client offers; of others that it is there."""


@lru_cache(maxsize=4096)
def _hello(version: int, suites: bytes, extensions: tuple[tuple[int, bytes], ...]) -> Hello:
    """Return the hello of these parts: one object for all clients that offer the same."""
    bodies = dict(extensions)
    offered, kinds = _numbers(suites), sorted(_without_grease(bodies))
    groups, shares, schemes, spoken = (
        _numbers(bodies.get(kind, b""))
        for kind in (
            GROUPS,
            KEY_SHARE,
            ALGORITHMS,
            VERSIONS,
        )
    )
    opening = _ja4_opening(max(spoken, default=version), offered, kinds)
    return Hello(
        ja4="_".join(
            (
                opening + _ja4_alpn(bodies.get(ALPN, b"")),
                _hashed(",".join(map(_code, sorted(offered)))),
                _hashed(_ja4_extensions(kinds, schemes)),
            )
        ),
        cipher_suites=_named(offered, "cipher_suites"),
        groups=_named(groups, "groups"),
        key_shares=_named(shares, "groups"),
        signature_algorithms=_named(schemes, "signature_algorithms"),
        extensions=_named(kinds, "extensions"),
        versions=tuple(f"0x{version:04x}" for version in spoken),
    )


def _numbers(listed: bytes) -> list[int]:
    """Return numbers of two bytes each, without GREASE; raises struct.error where one is cut short."""
    return _without_grease(number for (number,) in struct.iter_unpack(">H", listed))


def _without_grease(codes: Iterable[int]) -> list[int]:
    """Return the codes without those that a client makes up so that servers stay tolerant (RFC 8701)."""
    return [code for code in codes if code & 0x0F0F != 0x0A0A or code >> 8 != code & 0xFF]  # noqa: PLR2004


def _ja4_opening(version: int, suites: list[int], extensions: list[int]) -> str:
    spoken = _JA4_VERSIONS.get(version, "00")
    named = "d" if SERVER_NAME in extensions else "i"
    return f"t{spoken}{named}{min(len(suites), 99):02}{min(len(extensions), 99):02}"


def _ja4_alpn(first: bytes) -> str:
    if not first:
        return "00"
    ends = bytes((first[0], first[-1]))
    return ends.decode() if ends.isalnum() else first.hex()[0] + first.hex()[-1]


def _ja4_extensions(kinds: list[int], schemes: list[int]) -> str:
    counted = [kind for kind in kinds if kind not in (SERVER_NAME, ALPN)]
    lists = [",".join(map(_code, some)) for some in (counted, schemes) if some]
    return "_".join(lists) if counted else ""


def _code(code: int) -> str:
    return f"{code:04x}"


def _codes(some: Iterable[NamedCode]) -> list[str]:
    return [entry.code for entry in some]


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:HASHED] if text else "0" * HASHED


def _named(codes: Iterable[int], registry: str) -> tuple[NamedCode, ...]:
    names = _registries()[registry]
    return tuple(_named_code(code, names.get(code, "")) for code in codes)


@cache
def _named_code(code: int, name: str) -> NamedCode:
    """Return a code with its name: one object for all hellos that have it."""
    return NamedCode(f"0x{code:04x}", name or f"0x{code:04x}")


@cache
def _registries() -> dict[str, dict[int, str]]:
    """Return the names of each registry by number: tlslite-ng's, and before those the ones of iana.toml."""
    # Imported where a hello is read: the gate imports what imports this file, and runs without it.
    from tlslite.constants import CipherSuite, ExtensionType, GroupName, SignatureScheme  # noqa: PLC0415

    library = {
        "cipher_suites": CipherSuite.ietfNames,
        "groups": _constants(GroupName),
        "signature_algorithms": _constants(SignatureScheme),
        "extensions": _constants(ExtensionType),
    }
    tables = tomllib.loads(NAMES.read_text(encoding="utf-8"))
    ours = {title: {int(code, 16): name for code, name in names.items()} for title, names in tables.items()}
    return {title: {**names, **ours.get(title, {})} for title, names in library.items()}


def _constants(registry: type) -> dict[int, str]:
    """Return the names of a class of numbers; of two for one number the first, which is the registry's."""
    names: dict[int, str] = {}
    for name, code in vars(registry).items():
        if isinstance(code, int | tuple) and not name.startswith("_"):
            names.setdefault(code[0] << 8 | code[1] if isinstance(code, tuple) else code, name)
    return names
