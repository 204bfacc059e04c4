"""Speaks as much HTTP/2 as a gRPC client needs for an answer: source RFC 9113, and gRPC over HTTP2."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedRWPair

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client begins with: RFC 9113 section 3.4."""

HEADERS, SETTINGS, PING = 1, 4, 6
"""Types of frames: RFC 9113 section 6."""

ACK, END_STREAM, END_HEADERS = 1, 1, 4
"""Flags of frames: RFC 9113 section 6."""

HEADER = struct.Struct("!BHBBL")
"""Length (24 bits), type, flags and stream: RFC 9113 section 4.1."""

LONGEST = 2**14
"""Bytes that a frame may have where nobody asked for more: RFC 9113 section 4.2."""


def _literal(name: bytes, text: bytes) -> bytes:
    """Return a field in HPACK, neither indexed nor compressed: RFC 7541 section 6.2.2."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(text),)) + text


UNIMPLEMENTED = (
    b"\x88"  # :status 200, by its number in the static table: RFC 7541 appendix A
    + _literal(b"content-type", b"application/grpc")
    + _literal(b"grpc-status", b"12")
)
"""The answer to every request: there is no such method, which is one as good as any."""


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame as it is sent."""
    length = len(payload)
    return HEADER.pack(length >> 16, length & 0xFFFF, kind, flags, stream) + payload


def speak(stream: BufferedRWPair) -> None:
    """Answer every request of a connection until the client ends it, or does not speak HTTP/2."""
    _send(stream, frame(SETTINGS))
    if stream.read(len(PREFACE)) != PREFACE:
        return
    for kind, flags, number, payload in _frames(stream):
        if kind == HEADERS:
            _send(stream, frame(HEADERS, END_HEADERS | END_STREAM, number, UNIMPLEMENTED))
        elif kind in (SETTINGS, PING) and not flags & ACK:
            _send(stream, frame(kind, ACK, 0, payload if kind == PING else b""))


def _send(stream: BufferedRWPair, whole: bytes) -> None:
    stream.write(whole)
    stream.flush()


def _frames(stream: BufferedRWPair) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield type, flags, stream and payload of each frame that comes whole."""
    while len(header := stream.read(HEADER.size)) == HEADER.size:
        high, low, kind, flags, number = HEADER.unpack(header)
        length = high << 16 | low
        if length > LONGEST or len(payload := stream.read(length)) < length:
            return
        yield kind, flags, number & 0x7FFFFFFF, payload
