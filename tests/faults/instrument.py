"""A broken instrument: servers, controls, taps, probes and clocks that lie about this very Python."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

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
from tests.faults.fault import Family, Fault, NotInjectableError
from tests.support.measuring import FEW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from servers.catalogue import Server
    from servers.certificates import KeyPair
    from tests.faults.ground import Ground

FLOOR = Protocol.TLSV1_2


def measured(folder: Path) -> Judgement:
    """Measure plain `ssl` in this very interpreter on a few servers, and judge it."""
    environment, here = sanitized_environment(os.environ, folder), Path(sys.executable)
    identity = identify(here, environment)
    if not Interpreter("", "", "", identity.version, configure_flags=identity.configure_flags).sets_minimum:
        msg = "this Python sets no minimum, so it is never enforced: run the tests on another one"
        raise NotInjectableError(msg)
    whole = read_catalogue()
    catalogue = Catalogue(tuple(whole[name] for name in FEW), whole.sha256)
    task = ProbeTask("here", here, environment, (ClientKey("ssl"),))
    settings = Settings(catalogue, FLOOR, (Condition.AMBIENT,), folder, os.environ)
    done = asyncio.run(run_campaign([task], settings))
    return done.interpreters["here"].judged.judgement(ClientKey("ssl"), Condition.AMBIENT, FLOOR)


def _servers_say(**changes: Callable[[Any], Any]) -> Any:
    """Let every server be set up otherwise than its entry says."""
    honest = https_server.HttpsServer.entry

    def entry(self: https_server.HttpsServer, server: Server, pair: KeyPair) -> dict[str, Any]:
        told = honest(self, server, pair)
        return {**told, **{name: change(told[name]) for name, change in changes.items()}}

    return mock.patch.object(https_server.HttpsServer, "entry", entry)


def _drop(capture: Capture, sender: Sender, data: bytes) -> None:
    if sender is Sender.CLIENT:
        capture.chunks.append(Chunk(0.0, sender, data))


def _truncate(capture: Capture, sender: Sender, data: bytes) -> None:
    capture.chunks.append(Chunk(0.0, sender, data[: len(data) // 2]))


def _duplicate(capture: Capture, sender: Sender, data: bytes) -> None:
    capture.chunks += [Chunk(0.0, sender, data)] * 2


def _reorder(capture: Capture, sender: Sender, data: bytes) -> None:
    capture.chunks.insert(0, Chunk(0.0, sender, data))


def _after_the_controls(broken: Callable[[Capture, Sender, bytes], None]) -> Any:
    """Let taps damage their records once they are complete, in the client's cells alone."""

    class BrokenTap(tap.Tap):
        """A tap that damages its records."""

        async def __aexit__(self, *error: object) -> None:
            await super().__aexit__(*error)
            for capture in self.captures:
                damaged = Capture()
                for chunk in capture.chunks:
                    broken(damaged, chunk.sender, chunk.data)
                capture.chunks[:] = damaged.chunks

    return mock.patch.object(probe, "Tap", BrokenTap)


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


@contextlib.contextmanager
def _passenger(program: str, folder: Path) -> Iterator[None]:
    """Let another program be sent into the interpreter than probes/."""
    own = folder / "probe"
    own.mkdir(exist_ok=True)
    (own / "__main__.py").write_text(program.format(probes=str(PROBES)))
    with mock.patch.object(probe, "PROBES", own):
        yield


BROKEN: dict[str, tuple[str, Callable[[Path], Any], Verdict, str]] = {
    "deaf": (
        "servers at OpenSSL's own security level, which refuse the control",
        lambda _: _servers_say(ciphers=lambda told: told.replace("@SECLEVEL=0", "@SECLEVEL=1")),
        Verdict.INCONCLUSIVE,
        "control failed: deaf at",
    ),
    "loose": (
        "servers that speak more versions than their entries say",
        lambda _: _servers_say(versions=lambda told: [told[0], max(told[1], "TLSv1.2")]),
        Verdict.INCONCLUSIVE,
        "speaks TLSv1.2, which it denies",
    ),
    "control": (
        "a control that claims to have connected, and did not",
        lambda _: mock.patch.object(
            control, "_attempt", lambda _plain, _port, protocol, _expected: (protocol, "")
        ),
        Verdict.INCONCLUSIVE,
        "the wire shows nothing of it",
    ),
    **{
        f"tap-{name}": (
            f"taps that {what} bytes, of the controls too",
            functools.partial(lambda broken, _: mock.patch.object(tap.Capture, "add", broken), how),
            Verdict.INCONCLUSIVE,
            "",
        )
        for name, what, how in (
            ("drops", "drop the servers'", _drop),
            ("truncates", "cut off", _truncate),
            ("duplicates", "repeat", _duplicate),
            ("reorders", "mix up", _reorder),
        )
    },
    **{
        f"cells-{name}": (
            f"taps that {what} bytes, of the client's cells alone",
            functools.partial(lambda broken, _: _after_the_controls(broken), how),
            Verdict.INCONCLUSIVE,
            "",
        )
        for name, what, how in (
            ("drop", "drop the servers'", _drop),
            ("truncate", "cut off", _truncate),
            ("duplicate", "repeat", _duplicate),
            ("reorder", "mix up", _reorder),
        )
    },
    "probe-lies": (
        "a probe that says TLS 1.3 of every connection",
        functools.partial(_passenger, LIAR),
        Verdict.INCONCLUSIVE,
        "the client says TLSv1.3, the wire says",
    ),
    "probe-dies": (
        "a probe that dies of SIGKILL half-way",
        functools.partial(_passenger, HALF),
        Verdict.INCONCLUSIVE,
        "SIGKILL",
    ),
    "clock": (
        "a clock that leaps by years in both directions, which matters to no verdict",
        lambda _: mock.patch("time.time", functools.partial(next, itertools.cycle([0.0, 2e9, -1e9, 1.0]))),
        Verdict.ENFORCED,
        "",
    ),
}
"""By name: what is broken, how, the verdict that has to come of it, and what its reason says."""


def broken_promises(name: str, folder: Path) -> list[str]:
    """Break the instrument, measure an enforced interpreter, and return what is wrong in its verdict."""
    _, breaking, verdict, words = BROKEN[name]
    with breaking(folder):
        judgement = measured(folder)
    if judgement.verdict is verdict and words in judgement.reason:
        return []
    return [f"it is {judgement.verdict}: {judgement.reason}"]


def _inject(name: str, ground: Ground) -> Sequence[str]:
    folder = ground.folder / "instrument"
    folder.mkdir(exist_ok=True)
    return broken_promises(name, folder)


FAMILY = Family(
    "instrument",
    "an interpreter that is enforced becomes inconclusive, because a witness is missing or contradicts",
    tuple(Fault(name, what, functools.partial(_inject, name)) for name, (what, *_) in BROKEN.items()),
)
