"""Ways to connect count as alike only where all that their hellos offer is the same."""

from __future__ import annotations

import contextlib
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING

import pytest


if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

LIMIT = 5.0
"""Seconds for what is on this machine."""


@pytest.fixture
def hellos(passenger: Callable[[str], ModuleType]) -> ModuleType:
    """Return what tells hellos apart."""
    return passenger("hellos")


def _context(ciphers: str = "DEFAULT", least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_ciphers(ciphers)
    context.minimum_version = least
    return context


def _http2() -> ssl.SSLContext:
    context = _context()
    context.set_alpn_protocols(["h2"])
    return context


WAYS = {
    "plain": _context(),
    "plain again": _context(),
    "fewer suites": _context("ECDHE+AESGCM"),
    "other order": _context("AES256:AES128"),
    "a higher minimum": _context(least=ssl.TLSVersion.TLSv1_3),
    "another protocol behind it": _http2(),
}


def _connect(name: str, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), LIMIT) as plain:
        WAYS[name].wrap_socket(plain, server_hostname="localhost")


def test_what_offers_the_same_is_alike_and_nothing_else_is(hellos: ModuleType) -> None:
    """Two contexts of the same settings are alike, though their hellos have another random each; a setting parts them."""
    assert hellos.alike(WAYS, _connect, LIMIT) == [
        ["plain", "plain again"],
        *([name] for name in WAYS if not name.startswith("plain")),
    ]


def test_what_sends_no_hello_is_like_nobody(hellos: ModuleType) -> None:
    """Whoever sends something else, a part of a hello, nothing, or cannot connect is tried by itself."""
    whole = hellos.sent(partial(_connect, "plain"), LIMIT)
    words = {"another": b"GET / HTTP/1.0\r\n\r\n", "a part": whole[:60], "cut": whole[:-9], "nothing": b""}

    def send(name: str, port: int) -> None:
        if name == "no connection":
            raise OSError(name)
        with contextlib.closing(socket.create_connection(("127.0.0.1", port), LIMIT)) as plain:
            plain.sendall(words[name])

    names = [*words, "no connection"]
    assert hellos.alike(names, send, 0.3) == [[name] for name in names]


@pytest.mark.parametrize("code", [0x0A0A, 0xFAFA])
def test_codes_that_mean_nothing_do_not_count(hellos: ModuleType, code: int) -> None:
    """GREASE among the cipher suites changes nothing, and any other suite does (RFC 8701)."""
    plain = _hello(b"\x13\x01\x13\x02")
    assert hellos.offered(_hello(code.to_bytes(2) + b"\x13\x01\x13\x02")) == hellos.offered(plain)
    assert hellos.offered(_hello(b"\x0a\x1a\x13\x01\x13\x02")) != hellos.offered(plain)
    assert hellos.offered(plain) is not None


def _hello(suites: bytes) -> bytes:
    """Return the record of a ClientHello with these suites and the extension for versions (RFC 8446 4.1.2)."""
    versions = b"\x00\x2b\x00\x03\x02\x03\x04"
    body = b"\x03\x03" + bytes(32) + b"\x00" + len(suites).to_bytes(2) + suites + b"\x01\x00"
    body += len(versions).to_bytes(2) + versions
    message = b"\x01" + len(body).to_bytes(3) + body
    return b"\x16\x03\x01" + len(message).to_bytes(2) + message


@pytest.mark.parametrize("kinds", [[], [["a"]], [["a", "b", "c"], ["d"], ["e", "f"]]])
def test_each_name_has_its_turn(hellos: ModuleType, kinds: list[list[str]]) -> None:
    """On each server one of each list has a turn, and on as many as the longest list has each of its names."""
    turns = [hellos.turn(kinds, number) for number in range(max(map(len, kinds), default=0))]
    assert all(len(turn) == len(kinds) for turn in turns)
    for place, names in enumerate(kinds):
        assert {turn[place] for turn in turns} == set(names)
