"""Connections are told apart by how their client introduces itself, and by nothing that varies."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import islice

import pytest
from tlslite.constants import ExtensionType
from tlslite.extensions import SupportedVersionsExtension, TLSExtension
from tlslite.messages import ClientHello

from servers.observed import Connection, _names, group_by_client, shape
from tests.support.builders import TLS1_2, a_server, a_wire

SERVER = a_server("only_1_2", TLS1_2)
SUITES = (0x1301, 0xC02F, 0x002F)


def a_hello(
    suites: tuple[int, ...] = SUITES,
    kinds: tuple[int, ...] = (ExtensionType.extended_master_secret, ExtensionType.encrypt_then_mac),
    versions: tuple[tuple[int, int], ...] = ((3, 4), (3, 3)),
) -> str:
    """Return a ClientHello in hex, with a random of its own."""
    extensions = [TLSExtension(extType=kind).create(kind, bytearray()) for kind in kinds]
    extensions.append(SupportedVersionsExtension().create(list(versions)))
    hello = ClientHello().create(
        (3, 3), bytearray(os.urandom(32)), bytearray(), list(suites), extensions=extensions
    )
    return bytes(hello.write()).hex()


def a_meeting(hello: str, at: float = 0.0) -> Connection:
    """Return a connection that began with this hello."""
    return Connection(at, SERVER, replace(a_wire([TLS1_2]), client_hello=hello))


def test_what_varies_does_not_count() -> None:
    """The random, GREASE, the order of extensions and those sent now and then leave the shape alone."""
    first = shape(a_hello())
    assert shape(a_hello()) == first
    assert shape(a_hello(suites=(0x2A2A, *SUITES))) == first
    assert shape(a_hello(kinds=(22, 23))) == shape(a_hello(kinds=(23, 22))) == first
    assert shape(a_hello(kinds=(22, 23, ExtensionType.session_ticket, 0xCACA))) == first
    assert shape(a_hello(versions=((0x5A, 0x5A), (3, 4), (3, 3)))) == first


@pytest.mark.parametrize(
    "other",
    [
        a_hello(suites=SUITES[1:]),
        a_hello(suites=SUITES[::-1]),
        a_hello(kinds=(22,)),
        a_hello(versions=((3, 4), (3, 3), (3, 2))),
        "0100",
    ],
    ids=["a suite less", "another order of suites", "an extension less", "a version more", "no hello at all"],
)
def test_what_a_client_is_set_to_counts(other: str) -> None:
    """Suites and their order, extensions and versions make another shape."""
    assert shape(other) != shape(a_hello())


def test_connections_are_grouped_in_the_order_of_their_coming() -> None:
    """The first client to come is A; its later connections are its own, and those of others are not."""
    one, two = a_hello(), a_hello(suites=SUITES[1:])
    met = [a_meeting(one, 1.0), a_meeting(two, 2.0), a_meeting("", 3.0), a_meeting(one, 4.0)]
    first, second = group_by_client(met)
    assert (first.name, [m.at for m in first.connections]) == ("client A", [1.0, 4.0])
    assert (second.name, [m.at for m in second.connections]) == ("client B", [2.0])


def test_names_do_not_run_out() -> None:
    """After Z come names of two letters."""
    names = list(islice(_names(), 29))
    assert names[25:] == ["Z", "AA", "AB", "AC"]
