"""What a hello offers: JA4 as published, the lists as tlslite-ng reads them, and nothing of what is cut."""

from __future__ import annotations

import gzip
import json
import struct
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlslite.constants import ExtensionType
from tlslite.messages import ClientHello
from tlslite.utils.codec import Parser

from servers.hello import Hello, KeyExchangeOffer, alike, read_hello, unpadded
from tests.support.checkout import ROOT
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

X25519, P256, HYBRID, GREASE = 0x1D, 0x17, 0x11EC, 0x1A1A


def _numbers(codes: Iterable[int]) -> bytes:
    return b"".join(struct.pack(">H", code) for code in codes)


def _vector(body: bytes, size: str = ">H") -> bytes:
    return struct.pack(size, len(body)) + body


def a_hello(suites: Iterable[int], extensions: Mapping[int, bytes], *, random: bytes = bytes(32)) -> bytes:
    """Return a ClientHello message with these extensions, in their order."""
    listed = b"".join(struct.pack(">H", kind) + _vector(body) for kind, body in extensions.items())
    body = b"\x03\x03" + random + b"\0" + _vector(_numbers(suites)) + b"\x01\0"
    body += _vector(listed) if extensions else b""
    return b"\x01" + struct.pack(">I", len(body))[1:] + body


def offering(groups: Iterable[int], shares: Iterable[int], **more: object) -> Hello:
    """Return the hello of a client that names these groups, and sends keys for some."""
    keys = b"".join(struct.pack(">H", group) + _vector(b"key") for group in shares)
    hello = read_hello(a_hello([0x1301], {10: _vector(_numbers(groups)), 51: _vector(keys)}, **more))  # type: ignore[arg-type]
    assert hello
    return hello


# The example of the method's own description, technical_details/JA4.md at github.com/FoxIO-LLC/ja4.
SUITES = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
EXTENSIONS = "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"
SCHEMES = "0403,0804,0401,0503,0805,0501,0806,0601"
JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"


def _listed(text: str) -> list[int]:
    return [int(code, 16) for code in text.split(",")]


def published(alpn: bytes = b"h2", *, grease: bool = True) -> bytes:
    """Return the hello of the description's example, with GREASE wherever Chrome has it."""
    odd = [GREASE] * grease
    bodies = {
        0x0010: _vector(_vector(alpn, ">B")),
        0x000D: _vector(_numbers(_listed(SCHEMES))),
        0x002B: _vector(_numbers([*odd, 0x0304, 0x0303]), ">B"),
        0x000A: _vector(_numbers([*odd, X25519])),
        0x0033: _vector(_numbers([X25519]) + _vector(b"key")),
    }
    kinds = [*odd, *_listed(EXTENSIONS)]
    return a_hello([*odd, *_listed(SUITES)], {kind: bodies.get(kind, b"") for kind in kinds})


@pytest.mark.parametrize("grease", [False, True])
def test_ja4_is_that_of_its_own_description(*, grease: bool) -> None:
    """The example of the description has the fingerprint that it gives, with GREASE and without."""
    hello = read_hello(published(grease=grease))
    assert hello
    assert hello.ja4 == JA4
    assert [one.code for one in hello.groups] == ["0x001d"]


@pytest.mark.parametrize(
    ("alpn", "letters"),
    [
        (b"http/1.1", "h1"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"0\xab", "3b"),
        (b"01\xab\xcd", "3d"),
        (b"", "00"),
    ],
)
def test_ja4_has_the_ends_of_the_first_protocol(alpn: bytes, letters: str) -> None:
    """What is no letter or digit is shown in hexadecimal, as the description's examples are."""
    hello = read_hello(published(alpn))
    assert hello
    assert hello.ja4[8:10] == letters


def test_a_hello_without_extensions_has_a_fingerprint() -> None:
    """An old client offers suites alone: no group, no share, and zeros where there is nothing to hash."""
    hello = read_hello(a_hello([0x2F], {}))
    assert hello
    assert hello.ja4.startswith("t12i010000_")
    assert hello.ja4.endswith("_000000000000")
    assert (hello.groups, hello.post_quantum) == ((), KeyExchangeOffer.NONE)


@pytest.mark.parametrize(
    ("groups", "shares", "offer"),
    [
        ([HYBRID, X25519], [HYBRID, X25519], "key share"),
        ([HYBRID, X25519], [X25519], "named"),
        ([X25519, P256], [X25519], "none"),
        ([0x0201], [0x0201], "key share"),
    ],
)
def test_named_and_sent_differ(groups: list[int], shares: list[int], offer: str) -> None:
    """A hybrid, or ML-KEM alone, that is named and one that has a key share are not the same offer."""
    assert offering(groups, shares).post_quantum == offer


def test_the_fingerprint_knows_what_ja4_leaves_out() -> None:
    """Another group or key share is another fingerprint under one JA4; another random is none."""
    first, second, third = (
        offering([X25519], [X25519]),
        offering([X25519, HYBRID], [X25519]),
        offering([X25519, HYBRID], [HYBRID]),
    )
    assert first.ja4 == second.ja4 == third.ja4
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3
    assert offering([X25519], [X25519], random=b"x" * 32) is first


def test_padding_is_told_apart() -> None:
    """The padding is an extension of the fingerprint, and not of what two hellos are compared by."""
    hello = read_hello(published())
    assert hello
    assert "client_hello_padding" in {one.name for one in hello.extensions}
    assert "client_hello_padding" not in {one.name for one in unpadded(hello)}


@cache
def _stored() -> list[bytes]:
    """Return the hellos of the example's run: those of three clients in six interpreters."""
    text = gzip.decompress((ROOT / "docs/example/stored/observations.jsonl.gz").read_bytes()).decode()
    return [
        bytes.fromhex(wire["client_hello"]) for line in text.splitlines() for wire in json.loads(line)["wire"]
    ]


def test_the_lists_are_those_that_tlslite_reads() -> None:
    """On real hellos our reader and tlslite-ng's see the same suites, groups, shares, schemes, extensions."""
    messages = _stored()[::7]
    assert len(messages) > 20
    for message in messages:
        theirs, ours = ClientHello().parse(Parser(bytearray(message[1:]))), read_hello(message)
        assert ours
        known = {extension.extType: extension for extension in theirs.extensions}
        wanted = {
            "cipher_suites": theirs.cipher_suites,
            "groups": known[ExtensionType.supported_groups].groups,
            "key_shares": [share.group for share in known[ExtensionType.key_share].client_shares],
            "signature_algorithms": [
                h << 8 | low for h, low in known[ExtensionType.signature_algorithms].sigalgs
            ],
            "extensions": sorted(known),
        }
        assert {name: [int(one.code, 16) for one in getattr(ours, name)] for name in wanted} == wanted
        assert all(not one.name.startswith("0x") for name in wanted for one in getattr(ours, name))


@examples(100)
@given(cut=st.integers(0, 500), flip=st.integers(0, 500), value=st.integers(0, 255))
def test_what_is_cut_or_changed_raises_nothing(cut: int, flip: int, value: int) -> None:
    """Any bytes are a hello or none: the reader never fails."""
    message = bytearray(published())
    message[flip % len(message)] = value
    read_hello(bytes(message[: min(cut, len(message))]))
    read_hello(bytes(message))
    assert read_hello(bytes(message[:30])) is None


@examples(100)
@given(cut=st.integers(0, 100) | st.just(0), flip=st.integers(0, 600), value=st.integers(0, 255))
def test_what_is_alike_parses_alike(cut: int, flip: int, value: int) -> None:
    """Of real hellos, cut and changed, what is blank is nothing that tlslite reads or complains of."""
    for message in _stored()[::60]:
        changed = bytearray(message[: len(message) - cut])
        changed[flip % len(changed)] = value
        assert _read(bytes(changed)) == _read(alike(bytes(changed)))


def _read(message: bytes) -> object:
    """Return what tlslite reads in a message, without what differs each time; or its complaint."""
    hello = ClientHello()
    try:
        hello.parse(Parser(bytearray(message[1:])))
        versions = hello.getExtension(ExtensionType.supported_versions)
    except Exception as error:  # noqa: BLE001  whatever it is, it has to be the same
        return type(error), str(error)
    kinds = [extension.extType for extension in hello.extensions or ()]
    return hello.client_version, hello.cipher_suites, kinds, versions and versions.versions


def test_two_hellos_of_one_client_are_alike() -> None:
    """Random, session's id and keys differ, and nothing else does; a group more is another hello."""

    def hello(filler: bytes, *groups: int) -> bytes:
        shares = b"".join(struct.pack(">H", group) + _vector(filler * 32) for group in groups)
        return a_hello([0x1301], {51: _vector(shares), 10: b"\0\2\0\x1d"}, random=filler * 32)

    assert hello(b"a", 29) != hello(b"b", 29)
    assert alike(hello(b"a", 29)) == alike(hello(b"b", 29)) == alike(hello(b"\0", 29)) == hello(b"\0", 29)
    assert alike(hello(b"a", 29)) != alike(hello(b"a", 29, 23))
    assert alike(b"\x01\0\0\x09no hello") == b"\x01\0\0\x09no hello"
