"""Tests what `serve` says of a connection; its session is tested end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from builders import FAILED, PASSED, a_server, a_wire, an_alert

from servers.lab import Lab, Stand
from servers.protocols import Protocol
from servers.serve import Guestbook, describe, opening
from servers.visitors import Met

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
    stands = (Stand(SERVER, None, None, "there is no openssl"), Stand(script, ("127.0.0.1", 1), None))
    assert opening(Lab(stands, "there is no openssl")) == "Serving only what needs no openssl."
    served = (Stand(SERVER, ("127.0.0.1", 1), None), stands[1])
    assert opening(Lab(served, "OpenSSL 3.0")) == "Serving with OpenSSL 3.0."


def a_book() -> Guestbook:
    """Return a guestbook whose judge counts connections to servers whose control passed."""

    def judge(met: Sequence[Met], sound: Collection[str]) -> tuple[str, str]:
        return "open", f"{sum(one.server.id in sound for one in met)} counted"

    controls = {"only_1_0": PASSED, "only_1_2": FAILED}
    book = Guestbook("OpenSSL", Protocol.TLSV1_2, controls, judge)
    book.servers += [SERVER, OTHER]
    book.addresses["only_1_0"] = "https://localhost:1/"
    return book


def test_terminal_and_page_tell_the_same() -> None:
    """A connection's line and the page's row for it have the same words, and the same verdict so far."""
    book = a_book()
    wire = a_wire([Protocol.TLSV1_2], None, alerts=[an_alert("protocol_version")])
    book.met += [Met(0.0, SERVER, wire), Met(61.0, OTHER, wire)]
    line = book.tell(book.met[0])
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
    book.met.append(Met(0.0, SERVER, replace(a_wire([], None), client_hello="")))
    assert "so far" not in book.tell(book.met[0])
