"""Tests what `serve` says of a connection; its session is tested end to end."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servers import live_state
from servers.catalogue import read_catalogue
from servers.certificates import KeyPair
from servers.lab import Lab, LabServer
from servers.live_state import LiveState, describe
from servers.observed import Connection
from servers.protocols import Protocol, Sender
from servers.resources import ResourceError
from servers.serve import opening, pointing, port_block
from servers.tap import Capture
from tests.support.builders import FAILED, PASSED, a_server, a_wire, an_alert
from tests.support.processes import free_ports
from tests.support.schemas import validator

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

SERVER = a_server("only_1_0", Protocol.TLSV1)
OTHER = a_server("only_1_2", Protocol.TLSV1_2)


def test_a_connection_is_told_in_a_line() -> None:
    """What was offered, what was chosen and how it ended are all in one line."""
    silent = a_wire([Protocol.TLSV1_2, Protocol.TLSV1], Protocol.TLSV1)
    wire = replace(silent, client_data=9, server_data=9, alerts=())
    said = describe(SERVER, wire)
    assert said.startswith("only_1_0: offered TLSv1, TLSv1.2; chosen TLSv1 with ")
    assert "data both ways" in said
    assert said.endswith("alerts none")
    assert "\n" not in said


def test_a_refusal_is_told_with_its_alert() -> None:
    """Where no version was chosen the line says so, and who sent which alert."""
    said = describe(SERVER, a_wire([Protocol.TLSV1_3], None, alerts=[an_alert("protocol_version")]))
    assert "chosen no version" in said
    assert "no data exchanged" in said
    assert "protocol_version" in said


def test_a_visitor_without_a_hello_is_told() -> None:
    """A connection that is no TLS is told as what the tap noted of it."""
    wire = replace(a_wire([], None), client_hello="", notes=("the client closed without a byte",))
    assert describe(SERVER, wire) == "only_1_0: no ClientHello (the client closed without a byte)"


def test_what_does_not_serve_is_not_said_to() -> None:
    """Where openssl serves it is named, and where it does not, its reason does not stand in its place."""
    script = replace(SERVER, engine="script")
    entries = (
        LabServer(SERVER, None, None, "there is no openssl"),
        LabServer(script, ("127.0.0.1", 1), None),
    )
    assert opening(Lab(entries, "there is no openssl")) == "Serving only what needs no openssl."
    served = (LabServer(SERVER, ("127.0.0.1", 1), None), entries[1])
    assert opening(Lab(served, "OpenSSL 3.0")) == "Serving with OpenSSL 3.0."


def a_book() -> LiveState:
    """Return a guestbook whose judge counts connections to servers whose control passed."""

    def judge(met: Sequence[Connection], sound: Collection[str]) -> tuple[str, str]:
        return "open", f"{sum(one.server.id in sound for one in met)} counted"

    controls = {"only_1_0": PASSED, "only_1_2": FAILED}
    book = LiveState("OpenSSL", Protocol.TLSV1_2, controls, judge)
    book.servers += [SERVER, OTHER]
    book.addresses["only_1_0"] = "https://localhost:1/"
    return book


def test_terminal_and_page_tell_the_same() -> None:
    """A connection's line and the page's row for it have the same words, and the same verdict so far."""
    book = a_book()
    wire = a_wire([Protocol.TLSV1_2], None, alerts=[an_alert("protocol_version")])
    book.connections += [Connection(0.0, SERVER, wire), Connection(61.0, OTHER, wire)]
    line = book.describe(book.connections[0])
    (client,) = json.loads(json.dumps(book.state()))["clients"]
    assert line.endswith("client A, so far: open: 1 counted")
    assert (client["name"], client["word"], client["reason"]) == ("client A", "open", "1 counted")
    assert [row["server"] for row in client["connections"]] == ["only_1_0", "only_1_2"]
    assert client["connections"][1]["at"] == "00:01:01"
    assert all(client["connections"][0][key] in line for key in ("offered", "chosen", "end", "alerts"))


def test_the_page_lists_every_server_with_its_control() -> None:
    """A server that could not be served, or whose control failed, is listed with the fact."""
    first, second = json.loads(json.dumps(a_book().state()))["servers"]
    assert (first["id"], first["address"]) == ("only_1_0", "https://localhost:1/")
    assert (second["address"], second["control"]) == ("not served", FAILED.reason)


def test_a_connection_of_nobody_is_told_without_a_verdict() -> None:
    """A connection without a ClientHello belongs to no client."""
    book = a_book()
    book.connections.append(Connection(0.0, SERVER, replace(a_wire([], None), client_hello="")))
    assert "so far" not in book.describe(book.connections[0])


def a_capture() -> Capture:
    """Return a capture of a few bytes."""
    capture = Capture()
    capture.add(Sender.CLIENT, b"GET / HTTP/1.0\r\n\r\n")
    return capture


def test_the_record_has_every_connection_and_what_it_amounts_to(tmp_path: Path) -> None:
    """Each client is in the record with its word, reason, time and hellos, and so is what said no hello."""
    book = a_book()
    wire = a_wire([Protocol.TLSV1_2], Protocol.TLSV1_2)
    book.connections += [Connection(0.0, SERVER, wire, a_capture()), Connection(61.0, OTHER, wire)]
    book.add(SERVER, a_capture())
    book.write(tmp_path / "new" / "folder")
    record = json.loads((tmp_path / "new" / "folder" / "record.json").read_text())
    validator("record.json").validate(record)
    (client,) = record["clients"]
    assert (client["name"], client["word"], client["reason"]) == ("client A", "open", "1 counted")
    assert [one["at"] for one in client["connections"]] == [
        "1970-01-01T00:00:00.000+00:00",
        "1970-01-01T00:01:01.000+00:00",
    ]
    assert {one["client_hello"] for one in client["connections"]} == {wire.client_hello}
    (stray,) = record["without_hello"]
    assert stray["server"] == "only_1_0"
    assert "no TLS record" in stray["notes"][0]
    assert record["captures_left_out"] == 1
    captures = (tmp_path / "new" / "folder" / "captures.pcapng").read_bytes()
    assert captures.count(b"client A/only_1_0") >= 1
    assert captures.count(b"nobody/only_1_0") >= 1


def test_captures_are_kept_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no longer fits is entered without its bytes, and what is smaller still fits."""
    monkeypatch.setattr(live_state, "KEPT_CAPTURES", 30)
    book = a_book()
    assert [book.add(SERVER, a_capture()).capture is None for _ in range(3)] == [False, True, True]


def test_ports_follow_the_catalogue() -> None:
    """The first server has the port that was asked for, and each next one the next; without one, any."""
    servers = read_catalogue()
    first = free_ports(len(servers.servers))
    assert list(port_block(servers, first).items()) == [
        (server.id, first + number) for number, server in enumerate(servers.servers)
    ]
    assert set(port_block(servers, None).values()) == {0}


def test_a_port_that_is_taken_is_named() -> None:
    """A taken port is one sentence with the port, its server and what to do."""
    servers = read_catalogue()
    first = free_ports(len(servers.servers))
    taken = servers.servers[2].id
    with socket.create_server(("127.0.0.1", first + 2)), pytest.raises(ResourceError) as caught:
        port_block(servers, first)
    assert str(caught.value).startswith(
        f"port {first + 2} of 127.0.0.1, which is for {taken}, cannot be had ("
    )
    assert str(caught.value).endswith("give another --port")


def test_ports_end() -> None:
    """A block that would go past the last port is refused with the highest that can be given."""
    servers = read_catalogue()
    highest = 65536 - len(servers.servers)
    with pytest.raises(ResourceError, match=f": {highest} at most"):
        port_block(servers, highest + 1)


def test_lines_for_a_shell_lead_to_the_widest_server_below_the_floor() -> None:
    """The lines name the RSA server that speaks most below the floor, among those whose control passed."""
    everything = read_catalogue()
    pair = KeyPair(Path("c"), Path("k"), Path("/a folder/authority.pem"))
    lab = Lab(tuple(LabServer(server, ("127.0.0.1", 1), pair) for server in everything.servers), "OpenSSL")
    controls = {server.id: PASSED for server in everything.servers}
    book = LiveState("OpenSSL", Protocol.TLSV1_2, controls, lambda _met, _sound: ("", ""))
    book.addresses |= {server.id: f"https://127.0.0.1/{server.id}" for server in everything.servers}
    head, endpoint, trust = pointing(lab, book)
    assert "max_tls1_1_rsa" in head
    assert endpoint.strip() == "export AWS_ENDPOINT_URL=https://127.0.0.1/max_tls1_1_rsa"
    for name in (
        "AWS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
    ):
        assert f"{name}='/a folder/authority.pem'" in trust
    book.controls = controls | {"max_tls1_1_rsa": FAILED}
    assert "max_tls1_1_ecdhe" in pointing(lab, book)[0]
    book.controls = dict.fromkeys(controls, FAILED)
    assert pointing(lab, book) == []
