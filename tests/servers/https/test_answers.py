"""What is answered: the same page to everybody, whole or in the parts that RFC 9110 defines."""

from __future__ import annotations

from http import HTTPStatus
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.https.answers import LISTING, PAGE_LENGTH, Answer, answer, status_page

PAGE = status_page("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")


def _header(told: Answer, name: str) -> str:
    return dict(told.headers)[name]


def _get(target: str = "/floor/probe", wanted: str = "", method: str = "GET") -> Answer:
    return answer(method, target, wanted, PAGE)


@pytest.mark.parametrize("cipher", ["AES128-SHA", "TLS_CHACHA20_POLY1305_SHA256"])
@pytest.mark.parametrize("version", ["SSLv3", "TLSv1", "TLSv1.3"])
def test_every_page_is_as_long_as_the_others(version: str, cipher: str) -> None:
    """A page names version and cipher in the words of s_server's, and its length tells nothing of either."""
    page = status_page(version, cipher)
    assert len(page) == PAGE_LENGTH
    assert f"Cipher is {cipher}\n".encode() in page
    assert f"Protocol  : {version}\n".encode() in page


@pytest.mark.parametrize("target", ["/", "/floor/probe", "/a/b?versionId=1", "*", ""])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_any_target_has_the_page(target: str, method: str) -> None:
    """Whatever is asked for is there, and a HEAD is answered as the GET is."""
    told = _get(target, method=method)
    assert (told.status, told.body) == (HTTPStatus.OK, PAGE)
    assert _header(told, "Content-Type") == "text/plain"


@given(first=st.integers(0, PAGE_LENGTH - 1), more=st.integers(0, 2 * PAGE_LENGTH))
def test_a_range_is_the_part_that_it_names(first: int, more: int) -> None:
    """A range has its first and last byte and all between, cut off where the page ends."""
    last = first + more
    told = _get(wanted=f"bytes={first}-{last}")
    assert told.status is HTTPStatus.PARTIAL_CONTENT
    assert told.body == PAGE[first : last + 1]
    end = min(last, PAGE_LENGTH - 1)
    assert _header(told, "Content-Range") == f"bytes {first}-{end}/{PAGE_LENGTH}"


@given(st.integers(1, 2 * PAGE_LENGTH))
def test_a_range_may_be_open(number: int) -> None:
    """A range without a last byte goes to the end; one without a first has the last so many bytes."""
    assert _get(wanted=f"bytes=-{number}").body == PAGE[-number:]
    if number < PAGE_LENGTH:
        assert _get(wanted=f"bytes={number}-").body == PAGE[number:]


@pytest.mark.parametrize("wanted", [f"bytes={PAGE_LENGTH}-", f"bytes={PAGE_LENGTH}-999", "bytes=-0"])
def test_a_range_past_the_end_is_refused(wanted: str) -> None:
    """A range without a byte of the page has none to send, and the answer says how long the page is."""
    told = _get(wanted=wanted)
    assert (told.status, told.body) == (HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"")
    assert _header(told, "Content-Range") == f"bytes */{PAGE_LENGTH}"


@pytest.mark.parametrize("wanted", ["bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b"])
def test_what_is_no_range_is_as_none(wanted: str) -> None:
    """A range that is not valid, or several, leave the page whole: RFC 9110 sections 14.1.1 and 14.2."""
    assert _get(wanted=wanted) == _get()


def test_a_range_of_a_head_says_nothing() -> None:
    """A range is defined for a GET alone: RFC 9110 section 14.2."""
    assert _get(wanted="bytes=0-9", method="HEAD") == _get(method="HEAD")


@pytest.mark.parametrize("target", ["/floor?list-type=2", "/floor/?delimiter=%2F", "/?x=1&prefix=a"])
def test_a_listing_has_the_object(target: str) -> None:
    """Who lists a bucket gets XML with one object, as long as the page that a GET of it has."""
    told = _get(target)
    assert _header(told, "Content-Type") == "application/xml"
    assert told.body == LISTING.encode()
    space = {"s3": "http://s3.amazonaws.com/doc/2006-03-01/"}
    sizes = [one.text for one in ET.fromstring(LISTING).findall("s3:Contents/s3:Size", space)]  # noqa: S314
    assert sizes == [str(len(_get().body))]


@pytest.mark.parametrize(("target", "kind"), [("/simple/six/", "text/html"), ("/simpler", "text/plain")])
def test_an_index_is_html(target: str, kind: str) -> None:
    """A package index answers in HTML, without a file to choose from."""
    told = _get(target)
    assert _header(told, "Content-Type") == kind
    assert (b"<a " in told.body, told.body == PAGE) == (False, kind == "text/plain")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_what_is_sent_is_taken(method: str) -> None:
    """Whoever sends an object is told that it is there, with its tag and without a body."""
    told = _get(method=method)
    assert (told.status, told.body) == (HTTPStatus.OK, b"")
    assert _header(told, "ETag")
