"""The control: passes only where both witnesses saw a server speak what it claims and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import pytest

from servers import control as control_module
from servers.catalogue import Certificate, KeyExchange, Role, Server, read_catalogue
from servers.certificates import KeyPair, issue
from servers.control import Control, ControlAttempt, judge_control, run_control
from servers.engine import EngineError
from servers.protocols import LADDER, Protocol
from servers.s_server import SServer, find_s_server
from servers.wire import WireAccount, WireAlert
from tests.support.limits import HANGS

if TYPE_CHECKING:
    from pathlib import Path

    from servers.entrance import Reachable


CLAIMS = [
    frozenset(LADDER[first:last])
    for first in range(len(LADDER))
    for last in range(first + 1, len(LADDER) + 1)
]
"""Everything that an entry may claim."""


# The judgement --------------------------------------------------------------------------------------------


def _wire(version: Protocol | None, data: int = 1, alerts: tuple[WireAlert, ...] = ()) -> WireAccount:
    return WireAccount(None, version, 1, version, None, alerts, data, data, "", "")


def _nothing(protocol: Protocol) -> ControlAttempt:
    return ControlAttempt(protocol, None, "refused", _wire(None, 0))


def _complete(protocol: Protocol) -> ControlAttempt:
    return ControlAttempt(protocol, protocol, "", _wire(protocol))


def _unseen(protocol: Protocol) -> ControlAttempt:
    return ControlAttempt(protocol, protocol, "", _wire(protocol, 0))


def _untapped(protocol: Protocol) -> ControlAttempt:
    return ControlAttempt(protocol, protocol, "", None)


def _other(protocol: Protocol) -> ControlAttempt:
    other = LADDER[LADDER.index(protocol) - 1]
    return ControlAttempt(protocol, other, "", _wire(other))


OUTCOMES = (_nothing, _complete, _unseen, _other)


def test_truth_table() -> None:
    """Of all that can come of all attempts, the one set passes that completes, seen, just as claimed."""
    made = {(outcome, protocol): outcome(protocol) for outcome in OUTCOMES for protocol in LADDER}
    for claimed in CLAIMS:
        right = tuple(_complete if p in claimed else _nothing for p in LADDER)
        for outcomes in product(OUTCOMES, repeat=len(LADDER)):
            attempts = tuple(made[key] for key in zip(outcomes, LADDER, strict=True))
            assert judge_control(claimed, attempts).passed is (outcomes == right), (claimed, attempts)


def _honest(claimed: frozenset[Protocol], **instead: ControlAttempt) -> tuple[ControlAttempt, ...]:
    """Return the attempts on an honest server, save those given by the name of their version."""
    others = {Protocol[name]: attempt for name, attempt in instead.items()}
    return tuple(others.get(p) or (_complete(p) if p in claimed else _nothing(p)) for p in LADDER)


@pytest.mark.parametrize("claimed", CLAIMS, ids=lambda claimed: "+".join(sorted(claimed)))
def test_reason_of_a_pass_names_what_it_speaks(claimed: frozenset[Protocol]) -> None:
    """A passed control says all the versions at which it completed, and no other."""
    control = judge_control(claimed, _honest(claimed))
    assert control.passed
    words = control.reason.replace(",", " ").split()
    assert {protocol for protocol in LADDER if protocol in words} == claimed


@pytest.mark.parametrize("protocol", LADDER)
def test_deaf_server_fails_with_the_cause(protocol: Protocol) -> None:
    """A claimed version that does not complete is deaf, with the alert seen on the wire as the cause."""
    claimed = frozenset(LADDER)
    alert = WireAlert("server", "fatal", "internal_error")  # type: ignore[arg-type]
    for attempt, cause in (
        (
            ControlAttempt(protocol, None, "TLSRemoteAlert", _wire(None, 0, (alert,))),
            "server: internal_error",
        ),
        (ControlAttempt(protocol, None, "ConnectionRefusedError", _wire(None, 0)), "ConnectionRefusedError"),
        (ControlAttempt(protocol, None, "ConnectionRefusedError", None), "ConnectionRefusedError"),
        (ControlAttempt(protocol, None, "", None), "no reason given"),
    ):
        control = judge_control(claimed, _honest(claimed, **{protocol.name: attempt}))
        assert not control.passed
        assert f"deaf at {protocol}," in control.reason
        assert cause in control.reason


@pytest.mark.parametrize("protocol", LADDER)
def test_server_that_speaks_what_it_denies_fails(protocol: Protocol) -> None:
    """A version that completes and is not claimed fails the control, by its name."""
    claimed = frozenset(LADDER) - {protocol}
    control = judge_control(claimed, _honest(claimed, **{protocol.name: _complete(protocol)}))
    assert not control.passed
    assert control.reason == f"speaks {protocol}, which it denies"


@pytest.mark.parametrize("protocol", LADDER)
@pytest.mark.parametrize("claim", [True, False])
def test_wire_that_disagrees_fails(protocol: Protocol, claim: bool) -> None:  # noqa: FBT001
    """A control that says it completed where the wire saw none of it, or another version, proves nothing."""
    claimed = frozenset({protocol}) if claim else frozenset(LADDER) - {protocol}
    other = LADDER[LADDER.index(protocol) - 1]
    for attempt in (
        _unseen(protocol),
        _untapped(protocol),
        ControlAttempt(protocol, protocol, "", _wire(other)),
        ControlAttempt(protocol, protocol, "", _wire(None)),
    ):
        control = judge_control(claimed, _honest(claimed, **{protocol.name: attempt}))
        assert not control.passed
        assert f"the control completed at {protocol}, the wire shows" in control.reason


@pytest.mark.parametrize("protocol", LADDER)
def test_control_that_denies_what_the_wire_saw_fails(protocol: Protocol) -> None:
    """Where the wire saw a denied version carry data both ways, the client's own "no" does not help."""
    claimed = frozenset(LADDER) - {protocol}
    lie = ControlAttempt(protocol, None, "it says", _wire(protocol))
    assert not judge_control(claimed, _honest(claimed, **{protocol.name: lie})).passed


@pytest.mark.parametrize("protocol", LADDER)
def test_another_version_than_asked_for_fails(protocol: Protocol) -> None:
    """A control that was pinned to one version and came out at another fails, even at a claimed one."""
    other = LADDER[LADDER.index(protocol) - 1]
    claimed = frozenset({protocol, other})
    control = judge_control(claimed, _honest(claimed, **{protocol.name: _other(protocol)}))
    assert not control.passed
    assert control.reason == f"asked for {protocol} it completed at {other}"


def test_a_deaf_server_is_tried_no_further(
    monkeypatch: pytest.MonkeyPatch, pairs: dict[Certificate, KeyPair]
) -> None:
    """What is silent costs its control one wait, not one for each version; the reason is that it is deaf."""
    tried: list[Protocol] = []

    async def attempt(_: object, protocol: Protocol, __: bytes) -> ControlAttempt:
        tried.append(protocol)
        return ControlAttempt(protocol, None, "TimeoutError", None)

    claimed = frozenset({Protocol.TLSV1, Protocol.TLSV1_2})
    monkeypatch.setattr(control_module, "_try", attempt)
    certificate = pairs[Certificate.RSA].certificate.read_text()
    control = asyncio.run(run_control(_entry(claimed), ("127.0.0.1", 9), certificate))
    assert tried == [Protocol.TLSV1]
    assert control.reason == "deaf at TLSv1, which it claims (TimeoutError)"


@pytest.mark.parametrize("protocol", LADDER)
def test_untried_version_fails(protocol: Protocol) -> None:
    """A claimed version that nothing tried is no pass; an untried one that it denies changes nothing."""
    attempts = tuple(a for a in _honest(frozenset(LADDER)) if a.protocol is not protocol)
    control = judge_control(frozenset(LADDER), attempts)
    assert not control.passed
    assert control.reason.endswith(f"try it at {protocol}")
    rest = frozenset(LADDER) - {protocol}
    assert judge_control(rest, attempts).passed


# The attempts ---------------------------------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path) -> SServer:
    """Find this machine's openssl."""
    try:
        return find_s_server(None, tmp_path, os.environ)
    except EngineError as error:
        pytest.skip(str(error))


def _entry(protocols: frozenset[Protocol]) -> Server:
    return Server("one", "why", protocols, KeyExchange.ANY, Certificate.RSA)


def _control(server: Server, address: Reachable, pair: KeyPair) -> Control:
    async def limited() -> Control:
        async with asyncio.timeout(HANGS):
            return await run_control(server, address, pair.certificate.read_text())

    return asyncio.run(limited())


def test_server_that_is_not_there_is_deaf(pairs: dict[Certificate, KeyPair]) -> None:
    """Where nobody listens the control fails, with the note that nobody did; nothing is raised."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        claimed = frozenset({Protocol.TLSV1_2})
        control = _control(_entry(claimed), nobody.getsockname(), pairs[Certificate.RSA])
    assert not control.passed
    assert f"deaf at {Protocol.TLSV1_2}" in control.reason


ANSWERS = {
    "http": b"HTTP/1.0 400 Bad Request\r\n\r\n",
    "alert": bytes.fromhex("15030300020228"),
    "nothing": b"",
    "zeros": bytes(100),
    "hello without a body": bytes.fromhex("160303000402000000"),
    "hello cut short": bytes.fromhex("16030300300200002c0303") + bytes(42),
    "empty record": bytes.fromhex("1603030000"),
    "endless length": bytes.fromhex("1603034000") + bytes(0x4000),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
def test_server_that_speaks_no_tls_fails(pairs: dict[Certificate, KeyPair], answer: bytes) -> None:
    """Whatever a server answers in place of TLS, the control fails with a reason; nothing is raised."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(1)
            writer.write(answer)
            await writer.drain()
        writer.close()

    async def test() -> Control:
        async with asyncio.timeout(HANGS):
            server = await asyncio.start_server(babble, "127.0.0.1", 0)
            async with server:
                address = server.sockets[0].getsockname()
                text = pairs[Certificate.RSA].certificate.read_text()
                return await run_control(_entry(frozenset(LADDER)), address, text)

    control = asyncio.run(test())
    assert not control.passed
    assert control.reason
    (attempt,) = control.attempts
    assert attempt.completed is None
    assert attempt.error


# On real servers ------------------------------------------------------------------------------------------

REAL = [s for s in read_catalogue().servers if s.role is Role.LADDER and s.engine == "openssl"]


def _on_real_server(engine: SServer, server: Server, pair: KeyPair, shown: KeyPair) -> Control:
    """Serve an entry with one pair and run its control, which expects another's certificate."""

    async def limited() -> Control:
        async with asyncio.timeout(HANGS), engine.serve(server, pair) as address:
            return await run_control(server, address, shown.certificate.read_text())

    return asyncio.run(limited())


@pytest.mark.e2e
@pytest.mark.parametrize("server", REAL, ids=lambda server: server.id)
def test_every_server_of_the_ladder_is_what_it_says(
    engine: SServer, pairs: dict[Certificate, KeyPair], server: Server
) -> None:
    """On each ladder entry the control completes at exactly the claimed versions, seen on the wire."""
    pair = pairs[server.certificate]
    try:
        engine.command(server, pair)
    except EngineError as error:
        pytest.skip(str(error))
    control = _on_real_server(engine, server, pair, pair)
    assert control.passed, control.reason
    completed = {a.protocol for a in control.attempts if a.completed is a.protocol}
    seen = {a.wire.server_version for a in control.attempts if a.wire and a.wire.data_both_ways}
    assert completed == seen == server.protocols


@pytest.mark.e2e
def test_page_s_restricted_server_is_deaf(engine: SServer, pairs: dict[Certificate, KeyPair]) -> None:
    """The page's downgrade server refuses everyone on OpenSSL 3, and the control says so."""
    if not engine.description.startswith("OpenSSL 3"):
        pytest.skip(f"{engine.description}: its default security level lets old versions through")
    server = read_catalogue()["page_restricted"]
    pair = pairs[Certificate.RSA]
    control = _on_real_server(engine, server, pair, pair)
    assert not control.passed
    assert "deaf at" in control.reason
    assert all(attempt.completed is None for attempt in control.attempts)


@dataclass(frozen=True)
class _AtTheDefaultLevel(SServer):
    """An engine that forgets to lower the security level."""

    def command(self, server: Server, pair: KeyPair, socket: Path | None = None) -> list[str]:
        return [argument.replace(":@SECLEVEL=0", "") for argument in super().command(server, pair, socket)]


@pytest.fixture
def forgetful(engine: SServer) -> SServer:
    """Return this machine's engine with the security level left at its default."""
    if not engine.description.startswith("OpenSSL 3"):
        pytest.skip(f"{engine.description}: its default security level lets old versions through")
    return _AtTheDefaultLevel(**vars(engine))


@pytest.mark.e2e
@pytest.mark.parametrize("protocol", [Protocol.TLSV1, Protocol.TLSV1_1])
def test_server_at_the_default_security_level_fails(
    forgetful: SServer, pairs: dict[Certificate, KeyPair], protocol: Protocol
) -> None:
    """A server of an old version that was left at its default level is deaf, and its control fails."""
    server = Server("one", "why", frozenset({protocol}), KeyExchange.ECDHE, Certificate.RSA)
    pair = pairs[Certificate.RSA]
    control = _on_real_server(forgetful, server, pair, pair)
    assert not control.passed
    assert f"deaf at {protocol}" in control.reason


@pytest.mark.e2e
@pytest.mark.parametrize("protocol", [Protocol.TLSV1, Protocol.TLSV1_2, Protocol.TLSV1_3])
def test_another_certificate_fails(
    engine: SServer, pairs: dict[Certificate, KeyPair], tmp_path: Path, protocol: Protocol
) -> None:
    """A server that shows another certificate than ours is not the one that we started."""
    server = Server("one", "why", frozenset({protocol}), KeyExchange.ANY, Certificate.RSA)
    control = _on_real_server(engine, server, pairs[Certificate.RSA], issue(tmp_path)[Certificate.RSA])
    assert not control.passed
    assert "another server's certificate" in control.reason


@pytest.mark.e2e
@pytest.mark.parametrize("extra", [p for p in LADDER if p is not Protocol.SSLV3])
def test_server_that_speaks_more_than_its_entry_fails(
    engine: SServer, pairs: dict[Certificate, KeyPair], extra: Protocol
) -> None:
    """Each version that a server speaks beyond its entry is found out."""
    everything = frozenset(LADDER) - {Protocol.SSLV3}
    pair = pairs[Certificate.RSA]

    async def test() -> Control:
        async with asyncio.timeout(HANGS), engine.serve(_entry(everything), pair) as address:
            return await run_control(_entry(everything - {extra}), address, pair.certificate.read_text())

    control = asyncio.run(test())
    assert not control.passed
    assert control.reason == f"speaks {extra}, which it denies"
