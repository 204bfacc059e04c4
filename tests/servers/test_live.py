"""The live page answers this machine's browsers and nobody else, and shows whatever text as text."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest

from servers.live import PAGE, live_page


def get(address: str, path: str, host: str | None = None) -> http.client.HTTPResponse:
    """Return the answer to one request, under another name if given."""
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


def test_the_page_and_what_it_shows_are_served() -> None:
    """The page comes with a policy that lets only its own style and script run; the state is JSON."""
    with live_page(lambda: {"engine": "<script>"}) as address:
        page, state = get(address, "/"), get(address, "/state.json")
        other = get(address, "/")
    policy = page.getheader("Content-Security-Policy") or ""
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert page.status == 200
    assert f'nonce="{nonce}"'.encode() in page.body  # type: ignore[attr-defined]
    assert nonce not in (other.getheader("Content-Security-Policy") or "")
    assert policy.startswith("default-src 'none'")
    assert json.loads(state.body) == {"engine": "<script>"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [("/", "tls-floor.example", 403), ("/state.json", "evil.example:80", 403), ("/other", None, 404)],
)
def test_other_names_and_paths_are_refused(path: str, host: str | None, status: int) -> None:
    """Neither a name that is not this machine's own nor another path gets an answer."""
    with live_page(dict) as address:
        assert get(address, path, host).status == status


def test_nothing_listens_afterwards() -> None:
    """Once the block has ended nobody answers any more."""
    with live_page(dict) as address:
        pass
    with pytest.raises(ConnectionError):
        get(address, "/")


def test_the_page_never_sets_markup() -> None:
    """What clients sent reaches the page as text only."""
    text = PAGE.read_text(encoding="utf-8")
    assert "textContent" in text
    assert "innerHTML" not in text
    assert "insertAdjacentHTML" not in text
