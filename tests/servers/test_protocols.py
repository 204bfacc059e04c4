"""The ladder of protocol versions: names, order and wire bytes against the ssl module's own numbers."""

from __future__ import annotations

import ssl
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.protocols import LADDER, Protocol, span

NUMBERS: dict[Protocol, int] = {p: getattr(ssl.TLSVersion, p.replace(".", "_")).value for p in Protocol}
"""ProtocolVersion of each member as OpenSSL and the RFCs number it."""


@pytest.mark.parametrize("protocol", Protocol)
def test_wire_bytes_are_the_registered_numbers(protocol: Protocol) -> None:
    """Each version has the two bytes that the ssl module knows it by, and is found again by them."""
    assert protocol.wire == divmod(NUMBERS[protocol], 256)
    assert Protocol.from_wire(protocol.wire) is protocol


@given(st.tuples(st.integers(0, 255), st.integers(0, 255)))
def test_unregistered_bytes_are_no_protocol(version: tuple[int, int]) -> None:
    """Only the registered numbers name a protocol; GREASE, drafts, DTLS and SSLv2 name none."""
    named = {divmod(number, 256): protocol for protocol, number in NUMBERS.items()}
    assert Protocol.from_wire(version) is named.get(version)


@pytest.mark.parametrize("version", [(0x0A, 0x0A), (0xFA, 0xFA), (0x7F, 28), (0xFE, 0xFD), (0, 2), (3, 5)])
def test_grease_and_drafts_are_no_protocol(version: tuple[int, int]) -> None:
    """GREASE values, a TLS 1.3 draft, DTLS, SSLv2 and a version of the future name no protocol."""
    assert Protocol.from_wire(version) is None


def test_below_follows_the_numbers_not_the_names() -> None:
    """A version is below a floor exactly where its number is smaller, whatever its name sorts like."""
    for protocol in LADDER:
        for floor in LADDER:
            assert protocol.below(floor) is (NUMBERS[protocol] < NUMBERS[floor])


def test_ladder_rises() -> None:
    """The ladder has every version once, from the lowest to the highest."""
    assert list(LADDER) == sorted(Protocol, key=NUMBERS.__getitem__)


def test_span_can_be_read_back() -> None:
    """Every set of versions gets words that mean this set: a range only where there is no gap."""
    for size in range(len(LADDER) + 1):
        for chosen in combinations(LADDER, size):
            words = span(frozenset(chosen))
            assert _read_back(words) == set(chosen)
            assert (" to " in words) is (size > 1 and _is_gapless(chosen))


@given(st.lists(st.sampled_from(LADDER)))
def test_span_does_not_depend_on_order_or_repetition(protocols: list[Protocol]) -> None:
    """The words for some versions are the same in any order, and when one is named twice."""
    assert span(tuple(protocols)) == span(frozenset(protocols))


def _is_gapless(chosen: tuple[Protocol, ...]) -> bool:
    numbers = [NUMBERS[protocol] for protocol in chosen]
    return max(numbers) - min(numbers) == len(numbers) - 1


def _read_back(words: str) -> set[Protocol]:
    """Read the words as a person would."""
    if words == "nothing":
        return set()
    if " to " in words:
        first, last = (NUMBERS[Protocol(end)] for end in words.split(" to "))
        return {protocol for protocol, number in NUMBERS.items() if first <= number <= last}
    return {Protocol(name) for name in words.split(", ")}


def test_a_sentence_names_a_version_as_its_standard_does() -> None:
    """Prose has the names of the RFCs' titles, where columns have OpenSSL's."""
    assert [one.prose for one in Protocol] == ["SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"]


@pytest.mark.parametrize("protocol", Protocol)
def test_the_ssl_module_has_a_constant_for_each(protocol: Protocol) -> None:
    """The name of the constant is that of Python's own ssl module (Python docs, ssl.HAS_TLSv1)."""
    assert isinstance(getattr(ssl, protocol.has), bool)


def test_openssl_has_a_name_of_its_own_for_each() -> None:
    """The names are those of OpenSSL's configure: INSTALL.md, "no-{protocol}"."""
    assert [protocol.option for protocol in LADDER] == ["ssl3", "tls1", "tls1_1", "tls1_2", "tls1_3"]
