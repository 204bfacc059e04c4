"""As much HTTP/2 as is spoken: each request is answered on its stream, and nothing else is."""

from __future__ import annotations

import io
from io import BufferedRWPair
from typing import cast

import pytest

from servers.https.http2 import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LONGEST,
    PING,
    PREFACE,
    SETTINGS,
    UNIMPLEMENTED,
    frame,
    speak,
)

OURS = frame(SETTINGS)
ANSWER = frame(HEADERS, END_HEADERS | END_STREAM, 1, UNIMPLEMENTED)


def _said(*sent: bytes) -> bytes:
    """Return what is said to a client that sends all of this and closes."""
    written = io.BytesIO()
    written.close = lambda: None  # type: ignore[method-assign]
    speak(cast("BufferedRWPair", BufferedRWPair(io.BytesIO(b"".join(sent)), written)))
    return written.getvalue()


def test_a_frame_is_laid_out_as_the_rfc_has_it() -> None:
    """RFC 9113 section 4.1: length in 24 bits, type, flags, and the stream in 31 bits."""
    assert frame(HEADERS, END_HEADERS, 3, b"ab") == bytes.fromhex("000002 01 04 00000003") + b"ab"


def test_the_answer_is_hpack() -> None:
    """RFC 7541: :status 200 by its index, then each field as a literal with lengths of its own."""
    fields = {b"content-type": b"application/grpc", b"grpc-status": b"12"}
    rest = UNIMPLEMENTED.removeprefix(b"\x88")
    for name, text in fields.items():
        assert rest.startswith(b"\0" + bytes([len(name)]) + name + bytes([len(text)]) + text)
        rest = rest[3 + len(name) + len(text) :]
    assert rest == b""


def test_a_request_is_answered_on_its_stream() -> None:
    """Settings are acknowledged, a ping comes back, and each request has its answer."""
    ping = b"12345678"
    said = _said(
        PREFACE,
        frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff"),
        frame(SETTINGS, ACK),
        frame(HEADERS, END_HEADERS, 1, b"anything"),
        frame(PING, 0, 0, ping),
        frame(PING, ACK, 0, ping),
        frame(HEADERS, END_HEADERS, 3, b"more"),
    )
    second = frame(HEADERS, END_HEADERS | END_STREAM, 3, UNIMPLEMENTED)
    assert said == OURS + frame(SETTINGS, ACK) + ANSWER + frame(PING, ACK, 0, ping) + second


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", PREFACE[:-1]])
def test_who_does_not_speak_it_gets_no_answer(sent: bytes) -> None:
    """Behind anything but the preface nothing is read as frames."""
    assert _said(sent, frame(HEADERS, END_HEADERS, 1)) == OURS


@pytest.mark.parametrize(
    "rest", [b"\0\0", frame(HEADERS, 0, 1, b"abc")[:-1], frame(9, 0, 1, bytes(LONGEST + 1))]
)
def test_a_frame_that_is_not_whole_ends_it(rest: bytes) -> None:
    """A frame that is cut short, or longer than anybody allowed, is not answered, nor is what follows."""
    assert _said(PREFACE, rest) == OURS
    assert _said(PREFACE, frame(9, 0, 1, bytes(LONGEST + 1)), frame(HEADERS, 0, 1)) == OURS
