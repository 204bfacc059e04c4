"""What the server answers: a status page to most requests, and what a table says to the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

PAGE_LENGTH = 256
"""Bytes of every status page, whatever is on it: a HEAD and a GET on two connections must agree."""

UNCHANGING = (
    ("ETag", '"floor"'),
    ("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT"),
    ("Accept-Ranges", "bytes"),
)
"""What clients of object stores ask of each object: that it stays the same, and can be had in parts."""

LISTING = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>floor</Name><Prefix></Prefix>\
<KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>probe</Key>\
<LastModified>2020-01-01T00:00:00.000Z</LastModified><ETag>&quot;floor&quot;</ETag>\
<Size>{PAGE_LENGTH}</Size><StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>
"""
"""A bucket with one object: the answer of S3's ListObjectsV2, in the Amazon S3 API reference."""

EMPTY_INDEX = "<!DOCTYPE html><html><body></body></html>\n"
"""A package index's page of a project without files: the simple repository API of packaging.python.org."""

TABLE = (
    (re.compile(r"[?&](list-type|delimiter|prefix)="), "application/xml", LISTING),
    (re.compile(r"^/simple(/|$)"), "text/html", EMPTY_INDEX),
)
"""By a pattern of the request's target, the type and the text of an answer that is no status page."""

RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
"""A range of bytes: RFC 9110 section 14.1.2. Of several ranges a server may make nothing (14.2)."""


@dataclass(frozen=True)
class Answer:
    """What is sent back: its status, the headers beside Content-Length, and the body."""

    status: HTTPStatus
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def status_page(version: str, cipher: str) -> bytes:
    """Return the page that says what was negotiated, in the words of `openssl s_server -www`."""
    return f"Cipher is {cipher}\nProtocol  : {version}\n".encode().ljust(PAGE_LENGTH - 1) + b"\n"


def answer(method: str, target: str, wanted: str, page: bytes) -> Answer:
    """Return what a request is answered; `wanted` is its Range, empty without one.

    The answer to a HEAD has the body of a GET, of which only the length is sent.
    """
    if method not in ("GET", "HEAD"):
        return Answer(HTTPStatus.OK, UNCHANGING)
    kind, body = next(
        ((kind, text.encode()) for pattern, kind, text in TABLE if pattern.search(target)),
        ("text/plain", page),
    )
    headers = (("Content-Type", kind), *UNCHANGING)
    match = RANGE.fullmatch(wanted)
    if method == "HEAD" or not match or not any(match.groups()):
        return Answer(HTTPStatus.OK, headers, body)
    return _part(headers, body, *match.groups())


def _part(headers: tuple[tuple[str, str], ...], body: bytes, first: str, last: str) -> Answer:
    """Return the part from `first` to `last`, both counted; without a first one, the last so many bytes."""
    if first:
        start, end = int(first), min(int(last or len(body)), len(body) - 1)
    else:
        start, end = max(len(body) - int(last), 0), len(body) - 1
    if last and first and int(last) < start:
        return Answer(HTTPStatus.OK, headers, body)  # no valid range: RFC 9110 section 14.1.1
    if start > end:
        return Answer(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, (("Content-Range", f"bytes */{len(body)}"),)
        )
    where = ("Content-Range", f"bytes {start}-{end}/{len(body)}")
    return Answer(HTTPStatus.PARTIAL_CONTENT, (*headers, where), body[start : end + 1])
