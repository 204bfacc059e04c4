"""`nox -s serve` as a person runs it, on a terminal and in a browser."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import ssl
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from servers.protocols import Protocol
from tests.support.accessibility import axe_violations
from tests.support.checkout import serving
from tests.support.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route

    from tests.support.checkout import Checkout


pytestmark = pytest.mark.e2e


def test_serve_shows_any_client_what_it_negotiated(checkout: Checkout) -> None:
    """A client pointed at a printed port gets an answer, and its evidence is printed and on the live page."""
    with serving(checkout) as (ports, trust, page, process):
        context = ssl.create_default_context(cafile=trust)
        plain = socket.create_connection(("127.0.0.1", ports["tls1_2"]), 10)
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert secure.recv(15)
            assert secure.version() == "TLSv1.2"
        assert process.stdout is not None
        evidence = next(line for line in process.stdout if line.startswith("tls1_2: "))
        verdict = next(process.stdout)
        looking = http.client.HTTPConnection(urlsplit(page).netloc, timeout=10)
        looking.request("GET", "/state.json")
        state = json.load(looking.getresponse())
        looking.close()
    assert "chosen TLSv1.2" in evidence
    assert "data both ways" in evidence
    assert [server["id"] for server in state["servers"]] == list(ports)
    (client,) = state["clients"]
    assert client["connections"][0]["server"] == "tls1_2"
    assert verdict.strip() == f"{client['name']}, so far: {client['word']}: {client['reason']}"
    assert checkout.processes() == []


def test_a_handshake_without_data_is_told_as_a_connection(checkout: Checkout) -> None:
    """A client that completes TLS 1.0 and sends nothing is downgraded, as the terminal says at once."""
    if not ssl.HAS_TLSv1:
        pytest.skip("this Python has no TLS 1.0: one whose OpenSSL was built with it enables this")
    with serving(checkout) as (ports, trust, _, process):
        _fetch(ports["tls1_0_rsa"], trust, Protocol.TLSV1, request=b"")
        assert process.stdout is not None
        evidence = next(line for line in process.stdout if line.startswith("tls1_0_rsa: "))
        verdict = next(process.stdout)
    assert "handshake completed, no data exchanged" in evidence
    assert "so far: downgraded: connected at TLSv1 to tls1_0_rsa" in verdict


def test_what_serve_leaves_can_be_attached(checkout: Checkout) -> None:
    """On Ctrl-C who connected is in a folder that is named last, and ports are those that were asked for."""
    first = free_ports(50)
    with serving(checkout, "--port", str(first)) as (ports, trust, _, process):
        assert list(ports.values()) == list(range(first, first + len(ports)))
        _fetch(ports["tls1_2"], trust, Protocol.TLSV1_2)
        assert process.stdout is not None
        assert any(line.startswith("tls1_2: ") for line in process.stdout)
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
    (told,) = [line for line in said.splitlines() if "record.json" in line]
    folder = Path(told.rpartition(" in ")[2])
    record = json.loads((folder / "record.json").read_text())
    assert [one["server"] for client in record["clients"] for one in client["connections"]] == ["tls1_2"]
    assert b"client A/tls1_2" in (folder / "captures.pcapng").read_bytes()


def _fetch(port: int, trust: str, protocol: Protocol, request: bytes = b"GET / HTTP/1.0\r\n\r\n") -> None:
    """Fetch a page with a context that is held to one version, in code; without a request, only connect."""
    context = ssl.create_default_context(cafile=trust)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        version = ssl.TLSVersion[protocol.replace(".", "_")]
        context.minimum_version = context.maximum_version = version
    plain = socket.create_connection(("127.0.0.1", port), 10)
    with context.wrap_socket(plain, server_hostname="localhost") as secure:
        secure.sendall(request)
        assert not request or secure.recv(15)


@contextlib.contextmanager
def _looked_at(browser: Browser, address: str) -> Iterator[tuple[Page, list[str]]]:
    """Open an address; give the page, and a list of all that a page must not do while it is looked at."""
    trouble: list[str] = []

    def record(route: Route) -> None:
        if route.request.url.startswith(address):
            route.continue_()
        else:
            trouble.append(f"request: {route.request.url}")
            route.abort()

    with contextlib.closing(browser.new_context(viewport={"width": 1280, "height": 900})) as context:
        context.route("**/*", record)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.set_default_timeout(20_000)
        page.goto(address)
        yield page, trouble


@pytest.mark.browser
def test_the_live_page_shows_clients_as_they_come(checkout: Checkout, chromium: Browser) -> None:
    """A browser shows, without reloading, each client with what it offered and got, and what that shows."""
    if not ssl.HAS_TLSv1:
        pytest.skip("this Python has no TLS 1.0: one whose OpenSSL was built with it enables this")
    with (
        serving(checkout) as (ports, trust, address, _),
        _looked_at(chromium, address) as (page, trouble),
    ):
        page.get_by_text("Nobody yet.").wait_for()
        assert page.locator("#servers tr td:first-child").all_inner_texts() == list(ports)
        _fetch(ports["tls1_2"], trust, Protocol.TLSV1_2)
        first = page.locator("section").filter(has_text="client A")
        first.get_by_role("cell", name="TLSv1.2 with ").wait_for()
        assert first.locator(".tag").inner_text() == "open"
        _fetch(ports["tls1_0_rsa"], trust, Protocol.TLSV1)
        second = page.locator("section").filter(has_text="client B")
        second.get_by_role("cell", name="TLSv1 with ").wait_for()
        assert second.locator(".tag").inner_text() == "downgraded"
        assert "connected at TLSv1 to tls1_0_rsa" in second.inner_text()
        _, server, offered, _, end, _ = second.locator("tbody td").all_inner_texts()
        assert (server, offered, end) == ("tls1_0_rsa", "up to TLSv1", "data both ways")
        assert axe_violations(page) == []
        assert trouble == []
