"""HTTP/1 on a connection that is made up: what the process's own tests cannot see of it."""

from __future__ import annotations

import io
from typing import Any, cast

from servers.https.http1 import RequestHandler


class _Secure:
    """A connection that has a request to read, and remembers what was written."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        self.said = b""

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._sent)

    def sendall(self, data: bytes) -> None:
        self.said += data

    def settimeout(self, limit: float) -> None:
        self.limit = limit

    def version(self) -> str | None:
        return None

    def cipher(self) -> tuple[str, str, int] | None:
        return None


def _said(sent: bytes) -> bytes:
    connection = _Secure(sent)
    RequestHandler(cast("Any", connection))
    return connection.said


def test_nothing_is_said_of_a_body_that_is_cut_short() -> None:
    """A body that ends before its length is over is read as far as it goes, and the connection ends."""
    said = _said(b"PUT / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
    assert said.count(b"HTTP/1.1 ") == 1


def test_trailers_belong_to_the_body() -> None:
    """What follows the last chunk up to an empty line is no request: RFC 9112 section 7.1.2."""
    chunked = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"
    said = _said(chunked + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert said.count(b"HTTP/1.1 200 OK") == 2
    assert b"Cipher is" in said


def test_the_log_stays_empty(capfd: Any) -> None:
    """Nothing is printed of a request, good or bad: what passed is on the wire's record."""
    _said(b"GET / HTTP/1.1\r\n\r\n")
    _said(b"what\r\n\r\n")
    assert capfd.readouterr() == ("", "")
