"""The process that serves: it answers as HTTP has it, many at once, whatever a client does, and then ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING, Any, cast

import pytest

from servers.catalogue import Certificate
from servers.https.answers import PAGE_LENGTH
from servers.https.http2 import HEADERS, PREFACE, SETTINGS, UNIMPLEMENTED, frame
from servers.https.process import CONNECTIONS, Connections
from servers.https_server import CHECKOUT, COMMAND, DH_PARAMETERS
from tests.support.limits import HANGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers.certificates import KeyPair

ROUND = 40
"""Connections that are open side by side in these tests."""


class Served:
    """The process, spoken to as the engine speaks to it."""

    def __init__(self, pair: KeyPair, folder: Path) -> None:
        self.process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CHECKOUT, text=True
        )
        self.context = ssl.create_default_context(cafile=pair.trust)
        self.entry = {
            "id": "one",
            "path": str(folder / "one.sock"),
            "versions": ["TLSv1.2", "TLSv1.3"],
            "ciphers": "ALL:@SECLEVEL=0",
            "certificate": str(pair.certificate),
            "key": str(pair.key),
            "dh": str(DH_PARAMETERS),
        }
        self.told = self.ask()

    def ask(self, **other: object) -> dict[str, Any]:
        """Tell of the entry, with these of its keys changed; return the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({**self.entry, **other}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def plain(self) -> socket.socket:
        """Connect without a byte."""
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(HANGS)
        plain.connect(self.told["address"])
        return plain

    def dial(self, *alpn: str) -> ssl.SSLSocket:
        """Connect, and offer these protocols if any."""
        context = self.context
        if alpn:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(self.context.get_ca_certs(True)[0]))
            context.set_alpn_protocols(alpn)
        return context.wrap_socket(self.plain(), server_hostname="localhost")

    def http(self) -> contextlib.closing[http.client.HTTPConnection]:
        """Return a connection of the standard library's client, to be closed."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.dial()  # not the client's own, which reads the machine's trust store first
        return contextlib.closing(connection)

    def answers(self) -> bool:
        """Whether a new connection gets the page."""
        with self.http() as connection:
            return _fetch(connection)[0] == http.HTTPStatus.OK


@pytest.fixture(scope="module")
def served(pairs: dict[Certificate, KeyPair], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return the process with one entry; it ends with its input, which these tests hold it to."""
    one = Served(pairs[Certificate.RSA], tmp_path_factory.mktemp("sockets"))
    yield one
    assert one.process.stdin is not None
    with one.plain(), one.dial():
        one.process.stdin.close()
        assert one.process.wait(HANGS) == 0
    assert one.process.stdout is not None
    one.process.stdout.close()


def _fetch(connection: http.client.HTTPConnection, method: str = "GET", **options: Any) -> tuple[int, bytes]:
    connection.request(method, options.pop("target", "/"), **options)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_a_connection_serves_several_requests(served: Served) -> None:
    """HEAD and GET on one connection: the length is that of the page, which names what the client sees."""
    with served.http() as connection:
        tls = cast("ssl.SSLSocket", connection.sock)
        cipher = tls.cipher()
        assert cipher
        connection.request("HEAD", "/floor/probe")
        head = connection.getresponse()
        assert (head.status, head.read(), head.getheader("Content-Length")) == (200, b"", str(PAGE_LENGTH))
        status, page = _fetch(connection)
        assert (status, len(page)) == (200, PAGE_LENGTH)
        assert f"Cipher is {cipher[0]}\nProtocol  : {tls.version()}\n".encode() in page
        assert _fetch(connection, headers={"Range": "bytes=0-8"}) == (206, page[:9])
        assert connection.sock is tls


@pytest.mark.parametrize("body", [b"x" * 200_000, [b"some", b"more"]], ids=["counted", "chunked"])
def test_what_is_sent_is_read(served: Served, body: object) -> None:
    """A body, counted or in chunks, is read to its end: the next request on the connection is understood."""
    with served.http() as connection:
        assert _fetch(connection, "PUT", body=body) == (200, b"")
        assert _fetch(connection, target="/floor?list-type=2")[1].startswith(b"<?xml")


def test_who_expects_to_be_told_is(served: Served) -> None:
    """A client that waits for 100 Continue before it sends its object gets it: RFC 9110 section 10.1.1."""
    with served.dial() as tls:
        tls.sendall(b"PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert tls.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        tls.sendall(b"abc")
        assert tls.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_old_client_reads_to_the_end(served: Served) -> None:
    """For HTTP/1.0 the connection ends with the answer, properly closed."""
    with served.dial() as tls:
        tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
        said = b"".join(iter(lambda: tls.recv(65536), b""))
    head, _, page = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(page) == PAGE_LENGTH


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((), None),
        (("h2", "http/1.1"), "http/1.1"),
        (("h2",), "h2"),
        (("grpc-exp", "h2"), "h2"),
        (("spdy",), None),
    ],
)
def test_who_can_do_without_http2_does(served: Served, offered: tuple[str, ...], chosen: str | None) -> None:
    """HTTP/2 is chosen for those alone that offer no HTTP/1.1."""
    with served.dial(*offered) as tls:
        assert tls.selected_alpn_protocol() == chosen


def test_http2_is_answered(served: Served) -> None:
    """A request over HTTP/2 has an answer, so that there is data both ways."""
    with served.dial("h2") as tls:
        tls.sendall(PREFACE + frame(SETTINGS) + frame(HEADERS, 4, 1, b"anything"))
        said = b""
        while UNIMPLEMENTED not in said and (more := tls.recv(65536)):
            said += more
    assert UNIMPLEMENTED in said
    assert said.startswith(frame(SETTINGS))


RUDE = {
    "nothing": b"",
    "no TLS": b"GET / HTTP/1.1\r\n\r\n",
    "half a hello": bytes.fromhex("160301020001"),
    "an alert": bytes.fromhex("15030300020228"),
}


@pytest.mark.parametrize("sent", RUDE.values(), ids=list(RUDE))
@pytest.mark.parametrize("ends", [True, False], ids=["closes", "stays"])
def test_who_holds_connections_starves_nobody(served: Served, sent: bytes, *, ends: bool) -> None:
    """However many connections somebody holds that says nothing, or no sense, others are answered."""
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS + ROUND):
            plain = stack.enter_context(served.plain())
            with contextlib.suppress(BrokenPipeError):
                plain.sendall(sent)
            if ends:
                plain.close()
        assert served.answers()


BABBLE = {
    "no request": b"\r\n\r\nwhat\r\n\r\n",
    "a length that is none": b"PUT / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    "a chunk that is none": b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a line too long": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    "an unknown method": b"BREW / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("sent", BABBLE.values(), ids=list(BABBLE))
def test_what_makes_no_sense_ends_its_own_connection(served: Served, sent: bytes) -> None:
    """A request that cannot be read ends its connection, or is refused, and nobody else's."""
    with served.dial() as tls:
        tls.sendall(sent)
        with contextlib.suppress(OSError):
            assert b" 200 " not in b"".join(iter(lambda: tls.recv(65536), b""))
    assert served.answers()


def test_many_are_served_side_by_side(served: Served) -> None:
    """All of many connections shake hands before the first one says what it wants, and all are answered."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(served.http()) for _ in range(ROUND)]
        pages = [_fetch(connection) for connection in reversed(connections)]
    assert {(status, len(page)) for status, page in pages} == {(200, PAGE_LENGTH)}


@pytest.mark.parametrize(
    "fault",
    [
        {"ciphers": "NONE"},
        {"certificate": "/dev/null/none.pem"},
        {"path": "/dev/null/one.sock"},
        {"path": "/" + "a" * 200},
    ],
    ids=str,
)
def test_an_entry_that_cannot_be_served_is_an_error(served: Served, fault: dict[str, str]) -> None:
    """What is wrong with an entry is said of that entry, and the others go on."""
    told = served.ask(id="two", **fault)
    assert told["id"] == "two"
    assert told["error"]
    assert served.answers()


def test_without_a_path_it_listens_on_loopback(served: Served) -> None:
    """Where no path is given there is a port of 127.0.0.1."""
    host, port = served.ask(path=None)["address"]
    assert host == "127.0.0.1"
    plain = socket.create_connection((host, port), HANGS)
    with served.context.wrap_socket(plain, server_hostname="localhost") as tls:
        assert tls.version() == "TLSv1.3"


def test_the_oldest_connection_makes_room() -> None:
    """With as many connections as are allowed, one more ends the oldest: those that came since stay."""
    connections = Connections(2)
    with contextlib.ExitStack() as stack:
        ends = [socket.socketpair() for _ in range(3)]
        for ours, theirs in ends:
            stack.enter_context(ours)
            stack.enter_context(theirs)
            theirs.setblocking(False)
            stack.enter_context(connections.held(ours))  # type: ignore[arg-type]
        assert ends[0][1].recv(1) == b""
        for _, theirs in ends[1:]:
            with pytest.raises(BlockingIOError):
                theirs.recv(1)
