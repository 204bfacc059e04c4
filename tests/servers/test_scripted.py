"""Tests the servers that answer a hello dishonestly: each plays its script, visibly, and then hangs up."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tlslite.messages import ClientHello

from servers.catalogue import Role, Server, read_catalogue
from servers.certificates import KeyPair
from servers.control import ControlAttempt, judge_script, run_control
from servers.protocols import Protocol, Sender
from servers.scripted import SCRIPTS, ScriptedServer
from servers.tap import Capture, Chunk, Tap
from servers.wire import read_capture

if TYPE_CHECKING:
    from servers.wire import WireAccount

CATALOGUE = read_catalogue()
SCRIPTED = [server for server in CATALOGUE.servers if server.engine == "script"]
NO_PAIR = KeyPair(Path("unused"), Path("unused"), Path("unused"))


def _hello() -> bytes:
    """Return a ClientHello's record; what it offers is all the same to a script."""
    suites = [0x002F]
    message = ClientHello().create((3, 3), bytearray(32), bytearray(), suites).write()
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + bytes(message)


def _play(server: Server, said: bytes) -> tuple[WireAccount, list[str]]:
    """Say something to a scripted server through a tap; return the wire's account and the tap's notes."""

    async def run() -> tuple[WireAccount, list[str]]:
        async with ScriptedServer().serve(server, NO_PAIR) as address, Tap(address) as tap:
            reader, writer = await asyncio.open_connection("127.0.0.1", tap.port)
            writer.write(said)
            writer.write_eof()
            with contextlib.suppress(ConnectionResetError):
                await reader.read()
            writer.close()
            await tap.settle()
            return read_capture(tap.captures[0]), tap.captures[0].notes

    return asyncio.run(run())


def test_every_script_of_the_catalogue_exists_and_every_script_is_used() -> None:
    """Catalogue and scripts name the same things."""
    assert {server.script for server in SCRIPTED} == SCRIPTS.keys()
    assert {server.role for server in SCRIPTED} == {Role.ATTACK}


@pytest.mark.parametrize("server", SCRIPTED, ids=lambda server: server.id)
def test_a_script_is_played_visibly(server: Server) -> None:
    """The wire shows the script that the entry names, and what it is about."""
    wire, notes = _play(server, _hello())
    assert SCRIPTS[server.script].evident(wire)
    chosen = {"hello_sslv3": Protocol.SSLV3, "hello_old_in_extension": Protocol.TLSV1_1}
    assert wire.server_version is chosen.get(server.script)
    assert bool(wire.server_hello) is server.script.startswith("hello")
    assert ("reset" in " ".join(notes).lower()) is (server.script == "reset")
    assert wire.alerted == ("server: handshake_failure" if server.script == "alert" else "")


@pytest.mark.parametrize("server", SCRIPTED, ids=lambda server: server.id)
def test_the_control_sees_the_script(server: Server) -> None:
    """The reference client meets the script and cannot complete, which is how the control passes."""
    pem = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"

    async def run() -> tuple[bool, str]:
        async with ScriptedServer().serve(server, NO_PAIR) as address:
            control = await run_control(server, address, pem)
            return control.passed, control.reason

    passed, reason = asyncio.run(run())
    assert passed, reason
    assert server.script in reason


def test_a_script_that_is_not_played_fails_its_control() -> None:
    """A record without the script's answer is no evidence that the script was played."""
    silent = read_capture(Capture([Chunk(0.0, Sender.CLIENT, _hello())]))
    for script, entry in SCRIPTS.items():
        control = judge_script(script, ControlAttempt(Protocol.TLSV1_2, None, "it hung up", silent))
        assert control.passed is entry.evident(silent)
        assert (
            judge_script(script, ControlAttempt(Protocol.TLSV1_2, Protocol.TLSV1_2, "", silent)).passed
            is False
        )
        assert judge_script(script, ControlAttempt(Protocol.TLSV1_2, None, "refused", None)).passed is False


def test_what_is_no_hello_gets_no_answer() -> None:
    """Bytes that are no ClientHello end the connection without an answer and without an error."""
    for server in SCRIPTED:
        wire, _ = _play(server, b"GET / HTTP/1.0\r\n\r\n")
        assert not wire.server_hello
        assert not wire.alerts
