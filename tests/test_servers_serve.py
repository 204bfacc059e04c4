"""Tests what `serve` says of a connection; its session is tested end to end."""

from __future__ import annotations

from dataclasses import replace

from builders import a_server, a_wire, an_alert

from servers.protocols import Protocol
from servers.serve import describe

SERVER = a_server("only_1_0", Protocol.TLSV1)


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
