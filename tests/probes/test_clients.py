"""Each client connects as its library does, verifies whom it meets, and tells what it ended up with."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest
import trustme
from tests.support.checkout import ROOT
from tests.support.probing import board, both_lines

from interpreters.clients import CLIENTS, ClientKey, clients, requirements
from interpreters.environments import Installer
from interpreters.identify import identify
from interpreters.prepared import Prepared, prepare_candidate
from interpreters.process_environment import NO_BYTECODE, sanitized_environment
from reports.verdicts.cells import judge_cell
from runs.campaign import Settings, run_campaign
from runs.probe import ProbeTask
from runs.remedy_options import snippets
from servers.catalogue import Role, read_catalogue
from servers.conditions import Condition
from servers.engine import EngineError
from servers.protocols import LADDER, Protocol
from servers.s_server import find_s_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType

    from interpreters.locate import Candidate
    from reports.verdicts.cells import CellResult

PAGE = "HTTP/1.0 200 ok\r\nContent-type: text/html\r\n\r\nNew, {0}, Cipher is {1}\n    Protocol  : {0}\n"
FAILURE = "HTTP/1.0 503 no\r\nContent-Length: 0\r\n\r\n"


class HttpsSite:
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
        if self._manner == "hangs up":
            return
        with self._context.wrap_socket(plain, server_side=True) as secure:
            self.negotiated.append((secure.version(), (secure.cipher() or ("none",))[0]))
            request = b""
            while b"\r\n\r\n" not in request:
                if not (received := secure.recv(65536)):
                    return  # libcurl takes leave after the handshake, when it does not trust the certificate
                request += received
            self.requests.append(request.decode())
            if self._manner == "silent":
                self._ending.wait(10)
            elif self._manner != "closes":
                answer = PAGE if self._manner == "page" else FAILURE
                secure.sendall(answer.format(*self.negotiated[-1]).encode())
                secure.unwrap()  # an answer without a length ends with the connection, properly closed


class Town:
    """A certificate authority, its file, and the servers that it vouches for."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.cafile = str(folder / "ca.pem")
        self.authority.cert_pem.write_to_path(self.cafile)
        self.sites: list[HttpsSite] = []

    def site(
        self,
        manner: str = "page",
        *,
        highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        authority: trustme.CA | None = None,
    ) -> HttpsSite:
        """Open a server that speaks up to a version, and anything below it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (authority or self.authority).issue_cert("localhost").configure_cert(context)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = highest
        context.set_ciphers("ALL:@SECLEVEL=0")
        self.sites.append(HttpsSite(context, manner))
        return self.sites[-1]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Return a town without any servers yet."""
    one = Town(tmp_path)
    yield one
    for site in one.sites:
        site.close()


def told(site: HttpsSite) -> dict[str, str | None]:
    """Return what a client should tell of its connection, by the server's own account of it."""
    version, cipher = site.negotiated[-1]
    return {"version": version, "cipher": cipher}


STANDARD = pytest.mark.parametrize("name", ["clients.ssl", "clients.relaxed"])


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
    assert passenger("clients.relaxed").fetch("localhost", site.port, town.cafile, 5) == told(site)
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
    account = passenger("clients.ssl").fetch("localhost", town.site().port, town.cafile, 5)
    assert account["version"] == "TLSv1.2"


def test_the_relaxed_context_still_verifies(passenger: Callable[[str], ModuleType], town: Town) -> None:
    """Relaxing lifts every bound on the version and keeps the verification."""
    context = passenger("clients.relaxed").relaxed_context(town.cafile)
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
    passenger("clients.relaxed").relaxed_context(town.cafile)
    assert asked[-1] == "ALL"


ALL = tuple(one.id for one in clients().values() if not one.needs and not one.heavy)
"""The clients for which a server that answers a GET will do; all others meet the tool's own servers, in
tests/end_to_end/test_clients.py."""

VERSION_UNKNOWN = "untold"
"""What a client says that has no way to tell its version."""

MANNERS = {
    "up to TLS 1.2": "page",
    "up to TLS 1.3": "page",
    "a stranger": "page",
    "closes": "closes",
    "fails": "fails",
    "silent": "silent",
    "hangs up": "hangs up",
}
"""How each server that every client meets behaves."""

PATIENCE = 3.0
"""Seconds that a client waits for a socket; the servers are here, the machine may be busy."""


@dataclass(frozen=True)
class Meeting:
    """What came of one client on one server of its own, as each of them tells it."""

    site: HttpsSite
    account: dict[str, Any]


@pytest.fixture(scope="module")
def chosen(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Return the clients that the chosen tests are about: all, unless each is about one."""
    named: set[str] = set()
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "furnished" in item.fixturenames and item.module is request.module:
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            client = parameters.get("met", parameters.get("client"))
            if client is None:
                return ALL
            named.add(str(client))
    return tuple(one for one in ALL if one in named)


@pytest.fixture(scope="module")
def furnished(
    chosen: tuple[str, ...],
    pythons: tuple[Candidate, ...],
    callers_environment: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    make_cache: Callable[[Path], Path],
) -> Prepared:
    """Return the newest interpreter with an environment for each of them."""
    folder = tmp_path_factory.mktemp("furnished")
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    known = {one: identify(one.path, sanitized_environment(os.environ, folder)) for one in pythons}
    newest = max(known, key=lambda one: [int(part) for part in known[one].version.split(".")[:2]])
    return prepare_candidate(
        newest,
        requirements({ClientKey(name): clients()[name] for name in chosen}),
        Installer(uv, make_cache(folder / "cache"), Path(sys.executable)),
        callers_environment,
    )


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, make_cache: Callable[[Path], Path]) -> str:
    """Return the folder in which what these tests import is kept compiled, as in a run: uv compiles nothing."""
    return str(make_cache(tmp_path_factory.mktemp("cache") / "cache") / "compiled")


@dataclass(frozen=True)
class AllMet:
    """What came of every client on every server, and what else is true of each."""

    meetings: dict[str, dict[str, Meeting]]
    remarks: dict[str, str]


@pytest.fixture(scope="module")
def all_met(
    chosen: tuple[str, ...], furnished: Prepared, compiled: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AllMet]:
    """Let every client meet a server of each kind, all in real environments, one process for each."""
    town = Town(tmp_path_factory.mktemp("town"))
    sites = {client: {kind: _site(town, kind) for kind in MANNERS} for client in chosen}
    plans = {
        python: [cell(key.name, site, town, kind) for key in keys for kind, site in sites[key.name].items()]
        for python, keys in furnished.places(map(ClientKey, chosen)).items()
    }
    with ThreadPoolExecutor(4) as pool:
        said = [
            record
            for records in pool.map(lambda p: board(p, plans[p], PATIENCE, compiled=compiled), plans)
            for record in records
        ]
    told = {(one["client"], one["server"]): one["account"] for one in said if one["kind"] == "account"}
    meetings = {
        client: {
            kind: Meeting(site, told[client, kind]) for kind, site in ours.items() if (client, kind) in told
        }
        for client, ours in sites.items()
    }
    yield AllMet(meetings, {one["client"]: one.get("remark", "") for one in said if one["kind"] == "client"})
    for site in town.sites:
        site.close()


def _site(town: Town, kind: str) -> HttpsSite:
    highest = ssl.TLSVersion.TLSv1_2 if kind == "up to TLS 1.2" else ssl.TLSVersion.TLSv1_3
    return town.site(MANNERS[kind], highest=highest, authority=trustme.CA() if kind == "a stranger" else None)


def cell(client: str, site: HttpsSite, town: Town, kind: str) -> dict[str, Any]:
    """Return the cell of a client on a server; where the server hangs up it may try once more."""
    return {
        "client": client,
        "server": kind,
        "host": "localhost",
        "port": site.port,
        "cafile": town.cafile,
        "retries": int(kind == "hangs up"),
    }


@pytest.fixture
def met(
    request: pytest.FixtureRequest, furnished: Prepared, all_met: AllMet
) -> dict[str, Meeting]:
    """Return the meetings of one client; one that the newest interpreter cannot install is skipped."""
    client = request.param
    if why := furnished.uninstalled.get(client):
        pytest.skip(f"{why}: an index that can be reached enables this, unless this Python is too new for it")
    assert set(all_met.meetings[client]) == set(MANNERS), "it cannot be imported, or it ended the probe"
    return all_met.meetings[client]


EVERY = pytest.mark.parametrize("met", ALL, indirect=True)
EVERY_NAMED = pytest.mark.parametrize(("client", "met"), [(name, name) for name in ALL], indirect=["met"])


@pytest.mark.e2e
@EVERY
@pytest.mark.parametrize("kind", ["up to TLS 1.2", "up to TLS 1.3"])
def test_every_client_tells_its_connection(met: dict[str, Meeting], kind: str) -> None:
    """In a real environment a client tells, after one connection, the version that the server saw."""
    meeting = met[kind]
    assert meeting.account["outcome"] == "connected", meeting.account
    said = {name: meeting.account[name] for name in ("version", "cipher")}
    assert said == told(meeting.site) or said == {"version": VERSION_UNKNOWN, "cipher": None}
    assert meeting.site.connections == 1


@pytest.mark.e2e
@EVERY_NAMED
def test_only_what_brings_its_own_tls_leaves_its_version_untold(client: str, met: dict[str, Meeting]) -> None:
    """In a real environment every client that uses Python's own TLS tells its version."""
    untold = met["up to TLS 1.3"].account["version"] == VERSION_UNKNOWN
    assert not untold or {"TLS", "READS_OPENSSL_CONF"} <= assigned(client)


@pytest.mark.e2e
def test_what_nobody_expects_of_a_stack_is_said(furnished: Prepared, all_met: AllMet) -> None:
    """In a real environment it is said of those two of which something else is true, and of no other."""
    remarks = {client: said for client, said in all_met.remarks.items() if said}
    assert set(remarks) == {"boto3_crt", "urllib3_future"} - {key.name for key in furnished.uninstalled}
    for client, words in {
        "boto3_crt": r"sends to https://s3[.\w-]*\.amazonaws\.com, whatever endpoint_url .* by the classic client",
        "urllib3_future": r"^`import urllib3` gives urllib3-future [\d.]+, where the metadata has urllib3 [\d.]+$",
    }.items():
        assert client not in remarks or re.search(words, remarks[client])


def test_no_client_of_ours_takes_the_lock_of_the_crt() -> None:
    """No file asks for the lock by which one boto3 process takes the CRT from all others of the machine."""
    for path in CLIENTS.glob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        assert not [call for call in calls if ast.unparse(call).endswith("acquire_crt_s3_process_lock")]


def test_urllib3_ignores_a_minimum_beside_a_context(town: Town) -> None:
    """What floors/urllib3.py says: beside a context urllib3 takes no notice of ssl_minimum_version."""
    urllib3 = pytest.importorskip("urllib3", "2", reason="urllib3 2 enables this: pip install urllib3")
    site = town.site(highest=ssl.TLSVersion.TLSv1_2)
    http = urllib3.PoolManager(
        ssl_context=ssl.create_default_context(cafile=town.cafile),
        ssl_minimum_version=ssl.TLSVersion.TLSv1_3,
    )
    with http:
        http.request("GET", f"https://localhost:{site.port}/", retries=False)
    assert [version for version, _ in site.negotiated] == ["TLSv1.2"]


@pytest.mark.e2e
@EVERY_NAMED
def test_a_note_tells_how_the_request_introduced_itself(client: str, met: dict[str, Meeting]) -> None:
    """In a real environment the User-Agent that a client notes is the one that the server got."""
    for kind in ("up to TLS 1.2", "up to TLS 1.3"):
        note = met[kind].account["note"]
        (request,) = met[kind].site.requests
        sent = [
            line.partition(": ")[2] for line in request.splitlines() if line.lower().startswith("user-agent")
        ]
        assert bool(note) is ("note" in assigned(client))
        assert not note or sent[0].startswith(note.partition("User-Agent: ")[2])


@pytest.mark.e2e
@EVERY_NAMED
def test_no_client_trusts_a_stranger(client: str, met: dict[str, Meeting]) -> None:
    """In a real environment a client that meets an untrusted certificate sends nothing, and tries once."""
    stranger = met["a stranger"]
    assert stranger.account["outcome"] == "failed"
    assert stranger.site.requests == []
    assert stranger.site.connections == 1 or tries_again(client)


@pytest.mark.e2e
@EVERY_NAMED
@pytest.mark.parametrize("kind", ["closes", "fails", "silent"])
def test_an_observation_is_one_connection(client: str, met: dict[str, Meeting], kind: str) -> None:
    """In a real environment no client tries again by itself, or waits for ever, when a server fails."""
    meeting = met[kind]
    # Whether an answer that says 503 is one, is a question for clients that know HTTP.
    assert meeting.account["outcome"] == "failed" or kind == "fails"
    assert meeting.site.connections == 1 or tries_again(client), (
        "it connects again by itself: pass `retries` on to it, or, where it has no option for that, say"
        " TRIES_AGAIN in its file"
    )


def retries(client: str) -> bool:
    """Whether a client does anything with the number of retries that it is given."""
    functions = (node for node in tree(client).body if isinstance(node, ast.FunctionDef))
    (fetch,) = (node for node in functions if node.name == "fetch")
    return any(isinstance(node, ast.Name) and node.id == "retries" for node in ast.walk(fetch))


def tries_again(client: str) -> bool:
    """Whether a client's file says that it tries again by itself."""
    return "TRIES_AGAIN" in assigned(client)


def tree(client: str) -> ast.Module:
    """Return the syntax tree of a client's file."""
    return ast.parse((CLIENTS / f"{client}.py").read_text(encoding="utf-8"))


def assigned(client: str) -> set[str]:
    """Return the names that a client's file gives to constants and functions."""
    functions = {node.name for node in tree(client).body if isinstance(node, ast.FunctionDef)}
    constants = [node.targets[0] for node in tree(client).body if isinstance(node, ast.Assign)]
    return functions | {ast.unparse(target) for target in constants}


@pytest.mark.e2e
@EVERY_NAMED
def test_a_retry_is_a_further_connection(client: str, met: dict[str, Meeting]) -> None:
    """In a real environment a client that has retries, given one, goes twice to a server that hangs up."""
    assert met["hangs up"].account["outcome"] == "failed"
    if tries_again(client):
        assert met["hangs up"].site.connections >= 1
    else:
        assert met["hangs up"].site.connections == (2 if retries(client) else 1), (
            "a client that is given `retries` has to try again; one that cannot leaves the argument alone"
        )


@pytest.mark.e2e
@pytest.mark.parametrize("met", ["botocore", "boto3", "boto3_crt", "aiobotocore", "awscli"], indirect=True)
def test_what_is_built_on_botocore_sends_what_s3_would_get(met: dict[str, Meeting]) -> None:
    """The clients built on botocore send an unsigned GetObject by path."""
    (request,) = met["up to TLS 1.3"].site.requests
    assert re.match(r"GET /floor/probe(\?partNumber=1)? HTTP/1.1\r\n", request, re.IGNORECASE)
    assert "authorization:" not in request.lower()


@pytest.mark.e2e
@pytest.mark.parametrize("met", ["awscli"], indirect=True)
def test_the_cli_is_the_cli(met: dict[str, Meeting]) -> None:
    """The request of `awscli` comes from the AWS CLI v1, by its User-Agent."""
    assert re.search(r"User-Agent: aws-cli/1\.", met["up to TLS 1.3"].account["note"])


FLOORED = snippets((one for one in clients().values() if one.id in ALL), Protocol.TLSV1_2)


@pytest.mark.e2e
@pytest.mark.parametrize("client", FLOORED)
def test_lines_that_set_a_floor_hold_it_and_change_nothing_else(
    furnished: Prepared, compiled: str, town: Town, client: str
) -> None:
    """With its lines a client refuses TLS 1.1 and still refuses strangers, and connects at TLS 1.2."""
    sites = {
        "old": town.site(highest=ssl.TLSVersion.TLSv1_1),
        "a stranger": town.site(authority=trustme.CA()),
        "new": town.site(highest=ssl.TLSVersion.TLSv1_2),
    }
    key = ClientKey(client)
    python = next((python for python, keys in furnished.places([key]).items() if key in keys), None)
    if python is None:
        pytest.skip(f"{furnished.uninstalled[key]}: an index that can be reached enables this")
    cells = [cell(client, site, town, kind) for kind, site in sites.items()]
    said = board(python, cells, PATIENCE, snippets={client: FLOORED[client]}, compiled=compiled)
    outcomes = {one["server"]: one["account"]["outcome"] for one in said if one["kind"] == "account"}
    assert outcomes == {"old": "failed", "a stranger": "failed", "new": "connected"}, said
    # Newer releases of libcurl look at the certificate behind the handshake.
    asked = {kind: bool(site.requests) for kind, site in sites.items()}
    assert asked == {"old": False, "a stranger": False, "new": True}
    assert not sites["old"].negotiated
    assert [version for version, _ in sites["new"].negotiated] == ["TLSv1.2"]


TRUSTED = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "PIP_CERT"),
    *("GDAL_CURL_CA_BUNDLE", "TENSORSTORE_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "HTTPLIB2_CA_CERTS"),
    *("NODE_EXTRA_CA_CERTS", "UV_SYSTEM_CERTS", "PIP_TRUSTED_HOST", "UV_INSECURE_HOST"),
)
"""Variables by which one stack or another is told whom to trust."""

CANARY = "CANARY7Q"
"""Stands in everything that is planted, and in nothing that a client has to say."""


@dataclass(frozen=True)
class Planted:
    """A user's surroundings, full of credentials."""

    environment: Mapping[str, str]
    files: tuple[Path, ...]


class Trap:
    """An address on loopback that nobody has to come to."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> bool:
        """Whether somebody came."""
        with self._listener:
            try:
                self._listener.accept()[0].close()
            except BlockingIOError:
                return False
            return True


def plant(home: Path, trap: str) -> Planted:
    """Plant credentials wherever botocore, the CLI, the CRT, boto, netrc and pip look, and proxies."""
    keys = (
        f"aws_access_key_id = AKIA{CANARY}\naws_secret_access_key = {CANARY}\naws_session_token = {CANARY}\n"
    )
    token = json.dumps({"accessToken": CANARY, "expiresAt": "2100-01-01T00:00:00Z", "startUrl": trap})
    role = {"AccessKeyId": f"AKIA{CANARY}", "SecretAccessKey": CANARY, "SessionToken": CANARY}
    texts = {
        ".aws/credentials": f"[default]\n{keys}[{CANARY}]\n{keys}",
        ".aws/config": f"[default]\nendpoint_url = {trap}\n{keys}[profile {CANARY}]\n{keys}",
        ".aws/sso/cache/token.json": token,
        ".aws/cli/cache/role.json": json.dumps({"Credentials": role}),
        ".aws/login/cache/token.json": token,
        ".aws/cli/alias": f"[toplevel]\n{CANARY} = s3 ls\n",
        ".aws/models/endpoints.json": "{}",
        ".boto": f"[Credentials]\n{keys}",
        ".netrc": f"machine localhost login {CANARY} password {CANARY}\n",
        ".config/pip/pip.conf": f"[global]\nproxy = {trap}\n",
        "web-identity": CANARY,
    }
    for name, text in texts.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"), trap)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        **proxies,
        "AWS_ACCESS_KEY_ID": f"AKIA{CANARY}",
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "AWS_SESSION_TOKEN": CANARY,
        "AWS_SECURITY_TOKEN": CANARY,
        "AWS_BEARER_TOKEN_BEDROCK": CANARY,
        "AWS_PROFILE": CANARY,
        "AWS_DEFAULT_PROFILE": CANARY,
        "AWS_REGION": CANARY,
        "AWS_CONFIG_FILE": str(home / ".aws/config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / ".aws/credentials"),
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "web-identity"),
        "AWS_ROLE_ARN": f"arn:aws:iam::123456789012:role/{CANARY}",
        "AWS_ROLE_SESSION_NAME": CANARY,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": trap,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": CANARY,
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": trap,
        "AWS_ENDPOINT_URL": trap,
        "AWS_ENDPOINT_URL_S3": trap,
        "AWS_DATA_PATH": str(home / ".aws/models"),
        "BOTO_CONFIG": str(home / ".boto"),
        "NETRC": str(home / ".netrc"),
        "PIP_PROXY": trap,
        # Nor does it matter whom the user trusts: a client that read one of these would get no answer.
        **dict.fromkeys(TRUSTED, str(home / "nonsense.pem")),
    }
    return Planted(environment, tuple(home / name for name in texts))


def traced(command: list[str | Path], log: Path) -> list[str | Path]:
    """Return a command under strace, which logs what is opened, where there is an strace that may."""
    # By a filter in the kernel, or each of all calls would stop the process twice.
    strace = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", log, "--trace=open,openat")
    able = shutil.which("strace") and subprocess.run([*strace, "true"], check=False).returncode == 0
    return [*strace, *command] if able else command


def opened(log: Path, planted: Planted) -> list[str]:
    """Return the lines of a log in which a planted file, or its like in the real home, was opened."""
    own = Path(pwd.getpwuid(os.getuid()).pw_dir)
    names = [str(path) for path in planted.files]
    names += [str(own / name) for name in (".aws/", ".boto", ".netrc", ".config/pip")]
    return [
        line for line in log.read_text(errors="replace").splitlines() if any(name in line for name in names)
    ]


@pytest.mark.e2e
def test_what_is_planted_would_be_found(furnished: Prepared, tmp_path: Path) -> None:
    """A botocore in the user's own surroundings takes what was planted, from environment and files."""
    planted = plant(tmp_path / "home", "http://127.0.0.1:9")
    key = ClientKey("botocore")
    python = next((python for python, keys in furnished.places([key]).items() if key in keys), None)
    if python is None:
        pytest.skip(furnished.uninstalled[key])
    program = "import botocore.session as s; print(s.Session().get_credentials().access_key)"
    bare = {name: text for name, text in planted.environment.items() if name in ("PATH", "HOME")}
    for environment in (planted.environment, bare):
        log = tmp_path / "log"
        command = traced([python, "-c", program], log)
        done = subprocess.run(command, env=dict(environment), check=True, capture_output=True, text=True)
        assert done.stdout.strip() == f"AKIA{CANARY}"
        if environment is bare and command[0] != python:
            assert opened(log, planted)


@pytest.mark.e2e
def test_no_client_reads_or_sends_what_is_the_users(furnished: Prepared, compiled: str, tmp_path: Path) -> None:
    """With credentials planted wherever there could be some, no request has one, and no file was opened."""
    trap, town = Trap(), Town(tmp_path)
    home = tmp_path / "ours"
    home.mkdir()
    planted = plant(tmp_path / "home", trap.url)
    sites = {client: town.site() for client in ALL if ClientKey(client) not in furnished.uninstalled}
    logs: dict[str, Path] = {}

    def run(place: tuple[Path, tuple[ClientKey, ...]]) -> None:
        python, names = place[0], [key.name for key in place[1]]
        log = logs[names[0]] = tmp_path / f"{names[0]}.log"
        cells = [cell(name, sites[name], town, "here") for name in names]
        subprocess.run(
            traced([python, ROOT / "probes"], log),
            input=both_lines(cells, PATIENCE, compiled=compiled),
            env={**sanitized_environment(planted.environment, home), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )

    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, furnished.places(map(ClientKey, sites)).items()))
    finally:
        for site in town.sites:
            site.close()
        caught = trap.close()
    assert {client: len(site.requests) for client, site in sites.items()} == dict.fromkeys(sites, 1)
    for client, site in sites.items():
        assert CANARY not in "".join(site.requests), client
        assert "authorization:" not in site.requests[0].lower(), client
    assert not caught
    if not all(log.exists() for log in logs.values()):
        pytest.skip(
            "no request has one; whether a file was opened, strace would tell: apt-get install strace"
        )
    assert {client: opened(log, planted) for client, log in logs.items()} == {client: [] for client in logs}


def test_version_2_of_the_aws_cli_is_measured_as_a_program(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the package awscli is version 2, as in Debian, the client says so, and how to measure that."""
    (tmp_path / "awscli").mkdir()
    (tmp_path / "awscli" / "__init__.py").write_text("__version__ = '2.9.19'")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "awscli", raising=False)
    refusal = passenger("releases").NotMeasurableError
    with pytest.raises(refusal, match=r"it is the AWS CLI 2\.9\.19: measure .* with --programs"):
        passenger("clients.awscli")
    sys.modules.pop("awscli", None)


def without_crt(monkeypatch: pytest.MonkeyPatch, version: str) -> MagicMock:
    """Put packages of a CRT of this version where a client would import them; return its native module."""
    for name in ("awscrt", "awscrt.exceptions", "_awscrt"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    sys.modules["awscrt"].__version__ = version  # type: ignore[attr-defined]
    native: MagicMock = sys.modules["_awscrt"]  # type: ignore[assignment]
    native.__file__ = "/nonexistent/_awscrt.so"
    return native


@pytest.mark.parametrize(
    ("version", "text", "refused"),
    [
        ("0.19.17", b"", True),
        ("0.23.8", b"", True),
        ("0.23.9", b"", False),
        # As Debian builds each: only the text that came with a later release tells them apart.
        ("1.0.0.dev0", b"", True),
        ("1.0.0.dev0", b"a Event loop type Dispatch Queue is not supported on the platform. b", False),
    ],
)
def test_a_crt_that_ignores_ports_is_sent_nowhere(
    passenger: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    version: str,
    text: bytes,
    *,
    refused: bool,
) -> None:
    """With a release that goes to port 443 of any endpoint, a client of the CRT's S3 is refused before it connects."""
    (tmp_path / "_awscrt.so").write_bytes(text)
    without_crt(monkeypatch, version).__file__ = str(tmp_path / "_awscrt.so")
    client = passenger("clients.awscrt")
    refusal = sys.modules["releases"].NotMeasurableError
    if refused:
        with pytest.raises(refusal, match=rf"^awscrt {re.escape(version)} ignores the port of an endpoint"):
            client.refuse_portless()
    else:
        client.refuse_portless()
    for name in ("boto3_crt", "awscli_crt"):
        assert "client_awscrt.refuse_portless()" in map(ast.unparse, tree(name).body)


class Transfers:
    """Stands for a transfer manager of the CRT, whose uploads are never done."""

    def upload(self) -> MagicMock:
        """Return what can be cancelled."""
        return MagicMock()


def copying(passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the client that copies by the AWS CLI, with nothing behind it."""
    factory = MagicMock(CRTTransferManager=Transfers)
    factory.create_s3_crt_client.__module__ = "s3transfer.crt"
    for name in ("awscli", "awscli.clidriver", "awscli.customizations", "s3transfer", "s3transfer.crt", "awscrt"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    monkeypatch.setitem(sys.modules, "awscli.customizations.s3", MagicMock(factory=factory))
    monkeypatch.setitem(sys.modules, "clients.awscrt", MagicMock())
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    sys.modules["awscli"].__version__ = "2.23.6"  # type: ignore[attr-defined]
    return passenger("clients.awscli_crt")


@pytest.mark.parametrize(("chosen", "status"), [("crt", 0), ("crt", 1), ("classic", 0), ("classic", 1)])
def test_a_copy_that_the_crt_did_not_make_is_none(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, chosen: str, status: int
) -> None:
    """Where `aws s3 cp` took its classic client, or failed, that is an error, and no lock is asked for."""
    client = copying(passenger, monkeypatch)
    factory = client.factory
    assert factory.TransferManagerFactory._acquire_crt_s3_process_lock(None) is None
    asked: list[list[str]] = []

    def main(words: list[str]) -> int:
        asked.append(words)
        assert "preferred_transfer_client = crt" in Path(os.environ["AWS_CONFIG_FILE"]).read_text()
        if chosen == "crt":
            factory.CRTTransferManager().upload()
        return status

    client.DRIVER.main = main
    if (chosen, status) == ("crt", 0):
        assert client.fetch("127.0.0.1", 4433, "/ca.pem", 5)["version"] == VERSION_UNKNOWN
    else:
        with pytest.raises(client.quietly.CommandFailed, match="classic" if chosen == "classic" else "^exit status 1"):
            client.fetch("127.0.0.1", 4433, "/ca.pem", 5)
    assert asked[0][:2] == ["s3", "cp"]
    assert {"https://127.0.0.1:4433", "/ca.pem", "--no-sign-request"} < set(asked[0])


@pytest.mark.parametrize("chosen", ["classic", "crt"])
def test_with_its_lines_the_cli_keeps_off_the_crt(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    """The lines have the CLI choose its classic client, and a copy that went through the CRT all the same is an error."""
    client = copying(passenger, monkeypatch)
    factory = client.factory
    for name, module in (("awscli.customizations.s3.factory", factory), ("botocore.httpsession", MagicMock())):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "botocore", MagicMock())
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # so that what the client sets is taken back
    given: dict[str, object] = {"__name__": "floor_awscli_crt"}
    lines = snippets([clients()["awscli_crt"]], Protocol.TLSV1_2)["awscli_crt"]
    exec(lines, given)  # noqa: S102  our own
    assert factory.TransferManagerFactory._compute_transfer_client_type({}, {}) == "classic"

    def main(_words: list[str]) -> int:
        if chosen == "crt":
            factory.CRTTransferManager().upload()
        return 0

    client.DRIVER.main = main
    if chosen == "classic":
        assert client.fetch_given(given, "127.0.0.1", 4433, "/ca.pem", 5)["version"] == VERSION_UNKNOWN
    else:
        with pytest.raises(client.quietly.CommandFailed, match="still transfer through the CRT"):
            client.fetch_given(given, "127.0.0.1", 4433, "/ca.pem", 5)


@pytest.mark.parametrize(("release", "made"), [("1.10.84", 2), ("1.12.12", 2), ("1.12.13", 1), ("1.44.8", 1)])
def test_each_server_is_met_by_an_old_botocore_too(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, release: str, made: int
) -> None:
    """A release that cannot be sent to another port gets a client for each server, and others one for all."""
    for name in ("botocore", "botocore.session", "botocore.config"):
        monkeypatch.setitem(sys.modules, name, MagicMock(__version__=release))
    create = MagicMock()
    create.return_value.get_object.return_value["Body"].read.return_value = PAGE.format("TLSv1", "A").encode()
    known: dict[Any, Any] = {}
    for port in (4001, 4002, 4001):
        passenger("clients.botocore").fetch_with(create, known, "127.0.0.1", port, "/ca.pem", 5, 0)
    addresses = [called.kwargs["endpoint_url"] for called in create.call_args_list]
    assert addresses == ["https://127.0.0.1:4001", "https://127.0.0.1:4002"][:made]


def test_a_copy_that_the_crt_does_not_give_up_is_cancelled(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload that has taken its time is cancelled, without which the CRT would try six times."""
    client = copying(passenger, monkeypatch)
    monkeypatch.setattr(client, "LIMIT", 0.01)
    transfer = client.factory.CRTTransferManager().upload()
    deadline = time.monotonic() + 10
    while not transfer.cancel.called and time.monotonic() < deadline:
        time.sleep(0.01)
    transfer.cancel.assert_called_once_with()


def test_a_version_1_of_the_aws_cli_copies_nothing_through_the_crt(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside an awscrt that something else needs, a version 1 is named as what cannot be measured so."""
    for name in ("awscli", "awscrt"):
        monkeypatch.setitem(sys.modules, name, MagicMock(__version__="1.46.2"))
    refusal = passenger("releases").NotMeasurableError
    with pytest.raises(refusal, match=r"^the AWS CLI 1\.46\.2 transfers nothing through the CRT$"):
        passenger("clients.awscli_crt")


@pytest.mark.parametrize(
    "why", ["[SSL] legacy sigalg disallowed or unsupported", "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify"]
)
def test_what_pip_says_of_any_refusal_is_no_word_about_the_certificate(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """pip blames the certificate whatever TLS refused: what is told is the reason behind those words."""
    said = f"Could not fetch URL: There was a problem confirming the ssl certificate: {why} - skipping"
    for name in ("pip", "pip._internal", "pip._internal.cli", "pip._internal.cli.main"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    client = passenger("clients.pip_download")
    monkeypatch.setattr(client.quietly, "run", lambda main, words: (1, said))
    with pytest.raises(Exception, match=re.escape(why)) as caught:
        client.fetch("localhost", 1, "/ca.pem", 5)
    assert ("certificate" in str(caught.value).lower()) is ("CERTIFICATE" in why)


def test_an_index_that_pip_did_not_reach_is_no_empty_one(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip says "no matching distribution" of an index that did not answer too: only what it says before tells."""
    for name in ("pip", "pip._internal", "pip._internal.cli", "pip._internal.cli.main"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    client = passenger("clients.pip_download")
    nothing = "ERROR: No matching distribution found for floor-probe"
    late = "Could not fetch URL https://h/simple/floor-probe/: h didn't respond within 1.0 seconds - skipping"
    texts = [f"Getting page {late} {nothing}", nothing]
    asked = []

    def run(main: object, words: list[str]) -> tuple[int, str]:
        asked.append(words)
        return 1, texts.pop(0)

    monkeypatch.setattr(client.quietly, "run", run)
    with pytest.raises(Exception, match="^exit status 1: Could not fetch URL .* didn't respond"):
        client.fetch("localhost", 1, "/ca.pem", 5)
    assert client.fetch("localhost", 1, "/ca.pem", 5)["version"] == VERSION_UNKNOWN
    assert "-vv" in asked[0]


@pytest.mark.parametrize(("version", "refused"), [("23.0.1", True), ("24.1.2", True), ("24.2", False)])
def test_a_pip_without_the_option_is_not_measured_with_it(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, version: str, *, refused: bool
) -> None:
    """Before pip took contexts of truststore's by itself there was no option not to, and it would end at that."""
    monkeypatch.setitem(sys.modules, "clients.pip_download", MagicMock())
    sys.modules["clients.pip_download"].version = lambda: version  # type: ignore[attr-defined]
    refusal = passenger("releases").NotMeasurableError
    if refused:
        with pytest.raises(refusal, match=rf"^pip {version} has no option"):
            passenger("clients.pip_legacy_certs")
    else:
        assert passenger("clients.pip_legacy_certs").REQUIREMENT == "pip"


def test_a_pip_that_ends_its_process_costs_one_cell(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pip does not know an option it exits: that is an error of the cell, and ends nothing."""
    for name in ("pip", "pip._internal", "pip._internal.cli", "pip._internal.cli.main"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    client = passenger("clients.pip_download")
    client.pip_main.main.side_effect = SystemExit(2)
    with pytest.raises(Exception, match="^exit status 2: "):
        client.fetch("localhost", 1, "/ca.pem", 5)


# With either engine ---------------------------------------------------------------------------------------


FAMILIES = (
    *("ssl", "urllib3", "botocore", "aiohttp", "httpx", "niquests"),
    *("awscrt", "curl_cffi", "pycurl", "pyopenssl"),
)
"""A client of each family of TLS and HTTP to which s_server says enough: the others speak as one of these."""


@pytest.fixture(scope="module")
def with_either(
    furnished: Prepared, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[tuple[str, str], CellResult], ...]:
    """Return the cells of each family on the whole ladder, with the engine of ours, then with s_server.

    Under the permissive configuration, so that as many as can come to each version.
    """
    catalogue = read_catalogue().only(Role.LADDER)
    folder = tmp_path_factory.mktemp("engines")
    environment = {**sanitized_environment(os.environ, folder), **NO_BYTECODE}
    tasks = [
        ProbeTask(furnished.interpreter.id, python, environment, keys)
        for python, keys in furnished.places(map(ClientKey, FAMILIES)).items()
    ]
    try:
        openssl = find_s_server(None, folder, os.environ).openssl
    except EngineError as error:
        pytest.skip(str(error))
    settings = Settings(catalogue, Protocol.TLSV1_2, (Condition.PERMISSIVE,), folder, os.environ)
    done = [
        asyncio.run(run_campaign(tasks, replace(settings, openssl=engine), ())) for engine in (None, openssl)
    ]
    return tuple(
        {
            (str(seen.client), seen.server): judge_cell(seen, catalogue[seen.server])
            for seen in one.interpreters[furnished.interpreter.id].observations
        }
        for one in done
    )


@pytest.mark.e2e
def test_both_engines_lead_to_the_same_cells(
    with_either: tuple[dict[tuple[str, str], CellResult], ...],
) -> None:
    """Each family has the same cell on each server of the ladder, wherever s_server could decide one."""
    ours, theirs = with_either
    assert set(ours) == set(theirs)
    compared = {key for key in ours if not theirs[key].undecided}
    different = {
        key: (str(ours[key]), ours[key].reason, str(theirs[key]))
        for key in compared
        if (ours[key].kind, ours[key].protocol) != (theirs[key].kind, theirs[key].protocol)
    }
    assert different == {}
    assert {ours[key].negotiated for key in compared} >= {*LADDER[1:], None}
