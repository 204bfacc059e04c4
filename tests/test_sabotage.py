"""Breaks each witness of a real measurement in turn, and shows that nothing is called enforced then."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.clients import PROBES, ClientKey
from interpreters.identify import identify
from interpreters.interpreter import Interpreter
from interpreters.process_environment import sanitized_environment
from reports.verdicts.judge import Judgement, Verdict
from runs import probe
from runs.campaign import Settings, run_campaign
from runs.probe import ProbeTask
from servers import control, https_server, tap
from servers.catalogue import Catalogue, read_catalogue
from servers.conditions import Condition
from servers.protocols import Protocol, Sender
from servers.tap import Capture, Chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.catalogue import Server
    from servers.certificates import KeyPair

pytestmark = pytest.mark.e2e

FLOOR = Protocol.TLSV1_2
FEW = ("open", "tls1_2", "tls1_3", "tls1_1_rsa", "tls1_0_rsa", "max_tls1_1_ecdhe")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The real catalogue, cut down to what these tests need."""
    whole = read_catalogue()
    return Catalogue(tuple(whole[name] for name in FEW), whole.sha256)


@pytest.fixture
def measure(tmp_path: Path, catalogue: Catalogue) -> Callable[[], Judgement]:
    """Return a function that measures plain `ssl` in this very interpreter and judges it."""
    environment = sanitized_environment(os.environ, tmp_path)
    here = Path(sys.executable)
    identity = identify(here, environment)
    if not Interpreter("", "", "", identity.version, configure_flags=identity.configure_flags).sets_minimum:
        pytest.skip("this Python sets no minimum, so it is never enforced: run the tests on another one")

    def run() -> Judgement:
        task = ProbeTask("here", here, environment, (ClientKey("ssl"),))
        settings = Settings(catalogue, FLOOR, (Condition.AMBIENT,), tmp_path, os.environ)
        done = asyncio.run(run_campaign([task], settings))
        return done.interpreters["here"].judged.judgement(ClientKey("ssl"), Condition.AMBIENT, FLOOR)

    return run


def test_untouched_it_is_enforced(measure: Callable[[], Judgement]) -> None:
    """The measurement that the other tests break calls this interpreter enforced."""
    assert measure().verdict is Verdict.ENFORCED


def test_a_deaf_server(measure: Callable[[], Judgement], monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers at OpenSSL's default security level refuse the control, so their cells count for nothing."""
    honest = https_server.HttpsServer.entry

    def deaf(self: https_server.HttpsServer, server: Server, pair: KeyPair) -> dict[str, Any]:
        told = honest(self, server, pair)
        return {**told, "ciphers": told["ciphers"].replace("@SECLEVEL=0", "@SECLEVEL=1")}

    monkeypatch.setattr(https_server.HttpsServer, "entry", deaf)
    judgement = measure()
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "control failed: deaf at" in judgement.reason


def test_a_server_that_speaks_what_it_denies(
    measure: Callable[[], Judgement], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with more versions than its entry says fails its control."""
    honest = https_server.HttpsServer.entry

    def loose(self: https_server.HttpsServer, server: Server, pair: KeyPair) -> dict[str, Any]:
        told = honest(self, server, pair)
        lowest, highest = told["versions"]
        return {**told, "versions": [lowest, max(highest, "TLSv1.2")]}

    monkeypatch.setattr(https_server.HttpsServer, "entry", loose)
    judgement = measure()
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "speaks TLSv1.2, which it denies" in judgement.reason


def test_a_control_that_lies(measure: Callable[[], Judgement], monkeypatch: pytest.MonkeyPatch) -> None:
    """A control that claims success without having connected is contradicted by the wire."""
    monkeypatch.setattr(control, "_attempt", lambda _plain, _port, protocol, _expected: (protocol, ""))
    judgement = measure()
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "the wire shows nothing of it" in judgement.reason


def _drop(capture: Capture, sender: Sender, data: bytes) -> None:
    if sender is Sender.CLIENT:
        capture.chunks.append(Chunk(0.0, sender, data))


def _truncate(capture: Capture, sender: Sender, data: bytes) -> None:
    capture.chunks.append(Chunk(0.0, sender, data[: len(data) // 2]))


def _duplicate(capture: Capture, sender: Sender, data: bytes) -> None:
    capture.chunks += [Chunk(0.0, sender, data)] * 2


def _reorder(capture: Capture, sender: Sender, data: bytes) -> None:
    capture.chunks.insert(0, Chunk(0.0, sender, data))


@pytest.mark.parametrize("broken", [_drop, _truncate, _duplicate, _reorder])
def test_a_tap_that_does_not_keep_what_passed(
    measure: Callable[[], Judgement],
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[Capture, Sender, bytes], None],
) -> None:
    """A record that lacks, repeats or mixes up bytes proves nothing, for the control as for the client."""
    monkeypatch.setattr(tap.Capture, "add", broken)
    assert measure().verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("broken", [_drop, _truncate, _duplicate, _reorder])
def test_a_tap_that_breaks_after_the_controls(
    measure: Callable[[], Judgement],
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[Capture, Sender, bytes], None],
) -> None:
    """The same damage in the client's cells alone, with every control passed, is no better."""

    class BrokenTap(tap.Tap):
        """A tap that damages its records once they are complete."""

        async def __aexit__(self, *error: object) -> None:
            await super().__aexit__(*error)
            for capture in self.captures:
                damaged = Capture()
                for chunk in capture.chunks:
                    broken(damaged, chunk.sender, chunk.data)
                capture.chunks[:] = damaged.chunks

    monkeypatch.setattr(probe, "Tap", BrokenTap)
    judgement = measure()
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "control failed" not in judgement.reason


LIAR = """
import json, runpy, sys
sys.path.insert(0, {probes!r})
from clients import ssl as client_ssl
honest = client_ssl.fetch
def lie(*words):
    told = honest(*words)
    told["version"] = "TLSv1.3"
    return told
client_ssl.fetch = lie
runpy.run_path({probes!r} + "/__main__.py", run_name="__main__")
"""

HALF = """
import os, runpy, signal, sys
sys.path.insert(0, {probes!r})
from clients import ssl as client_ssl
honest, seen = client_ssl.fetch, []
def die(*words):
    seen.append(words)
    if len(seen) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return honest(*words)
client_ssl.fetch = die
runpy.run_path({probes!r} + "/__main__.py", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("program", "reason"), [(LIAR, "the client says TLSv1.3, the wire says"), (HALF, "SIGKILL")]
)
def test_a_probe_that_lies_or_dies(
    measure: Callable[[], Judgement],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    program: str,
    reason: str,
) -> None:
    """A client that reports another version than the wire, or a probe that dies half-way, decides nothing."""
    folder = tmp_path / "probe"
    folder.mkdir()
    (folder / "__main__.py").write_text(program.format(probes=str(PROBES)))
    monkeypatch.setattr(probe, "PROBES", folder)
    judgement = measure()
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert reason in judgement.reason


def test_a_clock_that_jumps(measure: Callable[[], Judgement], monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are only noted: with a clock that leaps by years in both directions the verdict is the same."""
    leaps = itertools.cycle([0.0, 2e9, -1e9, 1.0])
    monkeypatch.setattr("time.time", lambda: next(leaps))
    assert measure().verdict is Verdict.ENFORCED
