"""Each client connects as its library does, verifies whom it meets, and tells what it ended up with."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from conftest import board

from interpreters.clients import clients
from interpreters.environments import Installer, prepare
from interpreters.identify import identify
from interpreters.surroundings import surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType

    from interpreters.locate import Candidate

PAGE = "HTTP/1.0 200 ok\r\nContent-type: text/html\r\n\r\nNew, {0}, Cipher is {1}\n    Protocol  : {0}\n"
FAILURE = "HTTP/1.0 503 no\r\nContent-Length: 0\r\n\r\n"


class Site:
    """An HTTPS server that treats every connection alike, and remembers each."""

    def __init__(self, context: ssl.SSLContext, manner: str) -> None:
        self.connections = 0
        self.requests: list[str] = []
        self.negotiated: list[tuple[str | None, str]] = []
        self._context = context
        self._manner = manner
        self._ending = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """End the server and wait until it has ended."""
        self._ending.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            plain, _ = self._listener.accept()
            with plain:
                if self._ending.is_set():
                    return
                self.connections += 1
                plain.settimeout(10)
                try:
                    self._attend(plain)
                except OSError:
                    continue

    def _attend(self, plain: socket.socket) -> None:
        if self._manner == "mute":
            self._ending.wait(10)
            return
        with self._context.wrap_socket(plain, server_side=True) as secure:
            self.negotiated.append((secure.version(), (secure.cipher() or ("none",))[0]))
            request = b""
            while b"\r\n\r\n" not in request:
                request += secure.recv(65536)
            self.requests.append(request.decode())
            if self._manner == "silent":
                self._ending.wait(10)
            elif self._manner != "closes":
                answer = PAGE if self._manner == "page" else FAILURE
                secure.sendall(answer.format(*self.negotiated[-1]).encode())


class Town:
    """A certificate authority, its file, and the servers that it vouches for."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.cafile = str(folder / "ca.pem")
        self.authority.cert_pem.write_to_path(self.cafile)
        self.sites: list[Site] = []

    def site(
        self,
        manner: str = "page",
        *,
        highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        authority: trustme.CA | None = None,
    ) -> Site:
        """Open a server that speaks up to a version, and anything below it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (authority or self.authority).issue_cert("localhost").configure_cert(context)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = highest
        context.set_ciphers("ALL:@SECLEVEL=0")
        self.sites.append(Site(context, manner))
        return self.sites[-1]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Return a town without any servers yet."""
    one = Town(tmp_path)
    yield one
    for site in one.sites:
        site.close()


def told(site: Site) -> dict[str, str | None]:
    """Return what a client should tell of its connection, by the server's own account of it."""
    version, cipher = site.negotiated[-1]
    return {"version": version, "cipher": cipher}


STANDARD = pytest.mark.parametrize("name", ["client_ssl", "client_relaxed"])


@STANDARD
@pytest.mark.parametrize("highest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_connection_is_told(
    passenger: Callable[[str], ModuleType], town: Town, name: str, highest: ssl.TLSVersion
) -> None:
    """A client of the standard library tells the version and cipher that the server saw too."""
    site = town.site(highest=highest)
    account = passenger(name).fetch("localhost", site.port, town.cafile, 5)
    assert account == told(site)
    assert account["version"].replace(".", "_") in highest.name
    assert site.connections == 1


@STANDARD
def test_a_stranger_is_refused(passenger: Callable[[str], ModuleType], town: Town, name: str) -> None:
    """A client of the standard library, even the relaxed one, refuses an untrusted certificate."""
    site = town.site(authority=trustme.CA())
    with pytest.raises(ssl.SSLCertVerificationError):
        passenger(name).fetch("localhost", site.port, town.cafile, 5)


@STANDARD
def test_another_name_is_refused(passenger: Callable[[str], ModuleType], town: Town, name: str) -> None:
    """A client of the standard library, even the relaxed one, refuses a certificate for another name."""
    site = town.site()
    with pytest.raises(ssl.SSLCertVerificationError):
        passenger(name).fetch("127.0.0.1", site.port, town.cafile, 5)


@STANDARD
def test_an_answer_has_to_come(passenger: Callable[[str], ModuleType], town: Town, name: str) -> None:
    """A server that completes a handshake and closes without a byte is no connection."""
    with pytest.raises(ValueError, match="closed without an answer"):
        passenger(name).fetch("localhost", town.site("closes").port, town.cafile, 5)


@STANDARD
@pytest.mark.parametrize("manner", ["mute", "silent"])
def test_nobody_is_waited_for(
    passenger: Callable[[str], ModuleType], town: Town, name: str, manner: str
) -> None:
    """A server that is silent, before the handshake or after it, is given up after the timeout."""
    site = town.site(manner)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        passenger(name).fetch("localhost", site.port, town.cafile, 0.1)
    assert time.monotonic() - began < 5


def test_the_relaxed_client_goes_as_low_as_the_library(
    passenger: Callable[[str], ModuleType], town: Town
) -> None:
    """The relaxed client connects at TLS 1.1, which a default context of this Python would refuse."""
    if not ssl.HAS_TLSv1_1:
        pytest.skip("this Python's library has no TLS 1.1: an OpenSSL that was built with it enables this")
    site = town.site(highest=ssl.TLSVersion.TLSv1_1)
    assert passenger("client_relaxed").fetch("localhost", site.port, town.cafile, 5) == told(site)
    assert told(site)["version"] == "TLSv1.1"


def test_the_ssl_client_is_the_default_context(
    passenger: Callable[[str], ModuleType], town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The `ssl` client connects with what create_default_context gives, and lifts nothing of it."""
    real = ssl.create_default_context

    def only_tls12(**options: Any) -> ssl.SSLContext:
        context = real(**options)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    monkeypatch.setattr(ssl, "create_default_context", only_tls12)
    account = passenger("client_ssl").fetch("localhost", town.site().port, town.cafile, 5)
    assert account["version"] == "TLSv1.2"


def test_the_relaxed_context_still_verifies(passenger: Callable[[str], ModuleType], town: Town) -> None:
    """Relaxing lifts every bound on the version and keeps the verification."""
    context = passenger("client_relaxed").relaxed_context(town.cafile)
    assert context.minimum_version is ssl.TLSVersion.MINIMUM_SUPPORTED
    assert context.maximum_version is ssl.TLSVersion.MAXIMUM_SUPPORTED
    forbidden = ssl.OP_NO_SSLv3 | ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1 | ssl.OP_NO_TLSv1_2
    assert context.options & forbidden == 0
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_library_without_security_levels_is_relaxed_too(
    passenger: Callable[[str], ModuleType], town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the library knows no security levels, as before OpenSSL 1.1.0, all its ciphers are allowed."""
    asked: list[str] = []

    def set_ciphers(_: ssl.SSLContext, ciphers: str) -> None:
        asked.append(ciphers)
        if "@SECLEVEL" in ciphers:
            raise ssl.SSLError

    monkeypatch.setattr(ssl.SSLContext, "set_ciphers", set_ciphers)
    passenger("client_relaxed").relaxed_context(town.cafile)
    assert asked[-1] == "ALL"


@pytest.fixture(scope="module")
def equipped(
    pythons: tuple[Candidate, ...],
    callers_environment: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return the newest interpreter's environment with botocore in it."""
    folder = tmp_path_factory.mktemp("equipped")
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    known = {one: identify(one.path, surroundings(os.environ, folder)) for one in pythons}
    newest = max(known, key=lambda one: [int(part) for part in known[one].version.split(".")[:2]])
    made = prepare(
        newest.path,
        known[newest],
        ["botocore"],
        folder / "environment",
        Installer(uv, folder / "cache", Path(sys.executable)),
        callers_environment,
    )
    if made.install_problem:
        pytest.skip(f"{made.install_problem}: an index that can be reached enables this")
    return made.python


def cell(client: str, site: Site, town: Town, retries: int = 0) -> dict[str, Any]:
    """Return the cell of a client on a server."""
    return {
        "client": client,
        "server": str(site.port),
        "host": "localhost",
        "port": site.port,
        "cafile": town.cafile,
        "retries": retries,
    }


def accounts(said: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the accounts by client and server; every client must have been imported."""
    assert [one for one in said if one["kind"] == "client" and not one["version"]] == []
    assert said[-1] == {"kind": "end"}
    return {(one["client"], one["server"]): one["account"] for one in said if one["kind"] == "account"}


ALL = sorted(clients())


@pytest.mark.e2e
def test_every_client_tells_its_connections(equipped: Path, town: Town) -> None:
    """In a real environment each client tells, of each of two servers, the version that the server saw."""
    sites = [town.site(highest=ssl.TLSVersion.TLSv1_2), town.site(highest=ssl.TLSVersion.TLSv1_3)]
    said = accounts(board(equipped, [cell(client, site, town) for client in ALL for site in sites]))
    for site in sites:
        assert site.connections == len(ALL)
        for client in ALL:
            account = said[client, str(site.port)]
            assert account["outcome"] == "connected", account
            assert {name: account[name] for name in ("version", "cipher")} == told(site)


@pytest.mark.e2e
def test_no_client_trusts_a_stranger(equipped: Path, town: Town) -> None:
    """In a real environment every client refuses an untrusted certificate, after one connection."""
    sites = {client: town.site(authority=trustme.CA()) for client in ALL}
    said = accounts(board(equipped, [cell(client, site, town) for client, site in sites.items()]))
    for client, site in sites.items():
        account = said[client, str(site.port)]
        assert account["outcome"] == "failed"
        assert "CERTIFICATE_VERIFY_FAILED" in account["error_text"]
        assert site.connections == 1


@pytest.mark.e2e
@pytest.mark.parametrize("manner", ["closes", "fails"])
def test_an_observation_is_one_connection(equipped: Path, town: Town, manner: str) -> None:
    """In a real environment no client tries again by itself when a server fails."""
    sites = {client: town.site(manner) for client in ("urllib3", "botocore")}
    said = accounts(board(equipped, [cell(client, site, town) for client, site in sites.items()]))
    for client, site in sites.items():
        assert said[client, str(site.port)]["outcome"] == "failed"
        assert site.connections == 1


@pytest.mark.e2e
def test_retries_are_further_connections(equipped: Path, town: Town) -> None:
    """In a real environment a client with one retry connects twice to a server that closes."""
    sites = {client: town.site("closes") for client in ("urllib3", "botocore")}
    board(equipped, [cell(client, site, town, retries=1) for client, site in sites.items()])
    assert {client: site.connections for client, site in sites.items()} == {"urllib3": 2, "botocore": 2}


@pytest.mark.e2e
def test_a_silent_server_is_given_up(equipped: Path, town: Town) -> None:
    """In a real environment every client gives a silent server up after the timeout."""
    sites = {client: town.site("silent") for client in ALL}
    cells = [cell(client, site, town) for client, site in sites.items()]
    said = accounts(board(equipped, cells, timeout=0.5))
    for client, site in sites.items():
        account = said[client, str(site.port)]
        assert account["outcome"] == "failed"
        assert 0.4 < account["seconds"] < 5


@pytest.mark.e2e
def test_botocore_sends_what_s3_would_get(
    equipped: Path, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The botocore client sends an unsigned GetObject by path, whatever credentials the user has."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "nonsense")
    site = town.site()
    accounts(board(equipped, [cell("botocore", site, town)]))
    (request,) = site.requests
    assert request.startswith("GET /floor/probe HTTP/1.1\r\n")
    assert "authorization:" not in request.lower()
    assert "nonsense" not in request
