"""The status page of a restricted server says which version and cipher a client ended up with."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest
from reports.verdicts import cells
from tests.support.checkout import ROOT
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from types import ModuleType

PAGE = """\
<HTML><BODY BGCOLOR="#ffffff">
<pre>

s_server -accept 4433 -www
Secure Renegotiation IS supported
Ciphers supported in s_server binary
TLSv1.3    :TLS_AES_256_GCM_SHA384    SSLv3      :AES128-SHA
---
New, {new}, Cipher is {cipher}
SSL-Session:
    Protocol  : {version}
    Cipher    : {cipher}
    Verify return code: 0 (ok)
---
</pre></BODY></HTML>
"""
"""The page that `openssl s_server -www` sends, shortened."""


@pytest.fixture(scope="module")
def status_page() -> ModuleType:
    """Return the module under test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "probes"))
        return importlib.import_module("status_page")


TOKEN = st.text(st.characters(categories=["L", "N"], include_characters=".-_"), min_size=1, max_size=20)


@given(version=TOKEN, cipher=TOKEN)
def test_version_and_cipher_are_read(status_page: ModuleType, version: str, cipher: str) -> None:
    """Whatever version and cipher a page names are returned, from bytes and from text."""
    page = PAGE.format(version=version, cipher=cipher, new="TLSv1.0")
    expected = {"version": version, "cipher": cipher}
    assert status_page.connection(page) == expected
    assert status_page.connection(page.encode()) == expected


def test_line_ends_do_not_matter(status_page: ModuleType) -> None:
    """A page with the network's line ends is read like any other."""
    page = PAGE.format(version="TLSv1.1", cipher="AES128-SHA", new="TLSv1.0").replace("\n", "\r\n")
    assert status_page.connection(page) == {"version": "TLSv1.1", "cipher": "AES128-SHA"}


def test_a_page_without_a_cipher_has_none(status_page: ModuleType) -> None:
    """A page that names a protocol and no cipher gives a version without a cipher."""
    assert status_page.connection("Protocol: TLSv1.3\n") == {"version": "TLSv1.3", "cipher": None}


@pytest.mark.parametrize(
    "page",
    [
        "",
        b"",
        "<html>404 Not Found</html>",
        "the Protocol  : TLSv1.1",
        "Protocol TLSv1.1",
        "Protocol:",
        PAGE.format(version="TLSv1.1", cipher="AES128-SHA", new="TLSv1.0").replace("Protocol", "Version"),
    ],
)
def test_another_page_is_refused(status_page: ModuleType, page: str | bytes) -> None:
    """An answer that names no protocol on a line of its own is not taken for a connection's account."""
    with pytest.raises(ValueError, match="the answer names no protocol"):
        status_page.connection(page)


def test_a_refusal_quotes_only_the_beginning(status_page: ModuleType) -> None:
    """However long a wrong answer is, the refusal stays short."""
    with pytest.raises(ValueError, match="names no protocol") as refused:
        status_page.connection("x" * 10_000)
    assert "x" * 80 in str(refused.value)
    assert "x" * 81 not in str(refused.value)


def test_bytes_that_are_no_text_are_survived(status_page: ModuleType) -> None:
    """A page with bytes that are not UTF-8 is read all the same."""
    assert status_page.connection(b"\xff\xfe\n  Protocol : TLSv1.2\n")["version"] == "TLSv1.2"


def test_an_error_about_an_answer_is_one(status_page: ModuleType) -> None:
    """An error that has one of the words is a connection of an untold version; any other is raised."""
    error = ValueError("Content-length header MISSING")
    assert status_page.answered(error, "etag", "header missing") == status_page.untold()
    assert status_page.untold() == {"version": status_page.VERSION_UNKNOWN, "cipher": None}
    with pytest.raises(ValueError, match="MISSING"):
        status_page.answered(error, "refused")


def test_a_distribution_has_its_version(status_page: ModuleType) -> None:
    """The version of a package that says none is that of its distribution."""
    assert status_page.installed("pytest") == pytest.__version__


def test_what_is_left_to_the_wire_claims_nothing(status_page: ModuleType) -> None:
    """The account says neither that it connected nor that it failed, and keeps what the client said."""
    error = ValueError("got response id 1")
    assert status_page.left_to_the_wire(error) == {"outcome": cells.UNTOLD, "error_text": "got response id 1"}
    assert status_page.left_to_the_wire() == {"outcome": cells.UNTOLD, "error_text": None}
