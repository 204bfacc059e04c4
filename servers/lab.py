"""Runs the catalogue's servers, and their controls, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.catalogue import Certificate
from servers.certificates import NAME, KeyPair, issue, issue_page
from servers.control import Control, run_control
from servers.engine import Engine, EngineError
from servers.resources import exhausted
from servers.s_server import SServer, find_s_server, last_words
from servers.scripted import ScriptedServer
from servers.tlslite import TlsliteServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from servers.catalogue import Catalogue, Server
    from servers.entrance import Reachable

PAGE_PAIR_AGE = 7 * 24 * 3600.0
"""Seconds for which the page's key is used again. It takes seconds to make (4096 bits) and nobody but
the two page servers and the probes that visit them uses or trusts it."""


S_SERVER = "s_server"
"""The engine, as the catalogue names it, that is OpenSSL's own test server."""


@dataclass(frozen=True)
class Stand:
    """A server of the catalogue as it stands in this run: its address, or why it has none."""

    server: Server
    address: Reachable | None
    pair: KeyPair | None
    problem: str = ""


@dataclass(frozen=True)
class Lab:
    """The servers of one run, in the catalogue's order."""

    stands: tuple[Stand, ...]
    engine: str
    """Which program serves, with version and path; or why none does."""

    @property
    def problem(self) -> str:
        """Why openssl serves nothing at all, although it is to serve some; empty if it does, or need not."""
        theirs = [stand for stand in self.stands if stand.server.engine == S_SERVER]
        reasons = [stand.problem for stand in theirs if stand.address is None]
        return reasons[0] if len(reasons) == len(theirs) and reasons else ""

    async def controls(self) -> dict[str, Control]:
        """Run the control on every server; a server that is not there has failed it."""
        return {stand.server.id: await _control(stand) for stand in self.stands}


async def _control(stand: Stand) -> Control:
    if stand.address is None or stand.pair is None:
        return Control(False, stand.problem)
    try:
        return await run_control(stand.server, stand.address, stand.pair.certificate.read_text())
    except (OSError, RuntimeError) as error:
        # Where no thread or file can be had the other servers may have their controls all the same.
        return Control(False, f"it could not be run: {exhausted(error) or error}")


@contextlib.asynccontextmanager
async def open_lab(
    catalogue: Catalogue,
    scratch: Path,
    cache: Path,
    environment: Mapping[str, str],
    openssl: Path | None = None,
) -> AsyncIterator[Lab]:
    """Serve the whole catalogue while the block lasts.

    A server that cannot be had is a stand without an address and with the reason; nothing is
    raised for it. Keys are written to `scratch`, save the page's, which is kept in `cache`.
    """
    pairs = issue(scratch)
    unmade = "openssl did not make the page's certificate"
    engines: dict[str, Engine | EngineError] = {
        "tlslite": TlsliteServer(scratch),
        "script": ScriptedServer(scratch),
    }
    try:
        s_server = find_s_server(openssl, scratch, environment)
        engines[S_SERVER], described = s_server, s_server.description
        if any(server.certificate is Certificate.PAGE for server in catalogue.servers):
            try:
                pairs[Certificate.PAGE] = await asyncio.to_thread(_page_pair, s_server, cache)
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                unmade += f": {_words_of(error)}"
    except EngineError as error:
        engines[S_SERVER], described = error, str(error)
    stop = asyncio.Event()
    holders, stands = [], []
    for server in catalogue.servers:
        engine = engines.get(server.engine) or EngineError(f"there is no engine {server.engine!r}")
        stand: asyncio.Future[Stand] = asyncio.get_running_loop().create_future()
        stands.append(stand)
        pair = pairs.get(server.certificate) or EngineError(unmade)
        holders.append(asyncio.create_task(_hold(engine, server, pair, stand, stop)))
    try:
        # Not gather, which would cancel the futures under the feet of those who are about to fill them.
        await asyncio.wait(stands)
        yield Lab(tuple(stand.result() for stand in stands), described)
    finally:
        stop.set()
        await asyncio.wait(holders)


async def _hold(
    engine: Engine | EngineError,
    server: Server,
    pair: KeyPair | EngineError,
    stand: asyncio.Future[Stand],
    stop: asyncio.Event,
) -> None:
    """Keep one server up until told to stop; all are started and stopped side by side this way."""
    problem = ""
    try:
        if isinstance(engine, EngineError):
            problem = str(engine)
        elif isinstance(pair, EngineError):
            problem = str(pair)
        else:
            async with engine.serve(server, pair) as address:
                stand.set_result(Stand(server, address, pair))
                await stop.wait()
    except Exception as error:  # noqa: BLE001  whatever one engine does, the other servers must stand
        problem = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
    finally:
        if not stand.done():
            stand.set_result(Stand(server, None, None if isinstance(pair, EngineError) else pair, problem))


def _words_of(error: Exception) -> str:
    """Return why a command failed: the last words of what it printed where it printed any."""
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else b""
    return last_words((said or b"").decode(errors="replace")) or str(error)


def _page_pair(engine: SServer, cache: Path) -> KeyPair:
    """Return the page's certificate, made by its own command, from the cache while it is fresh."""
    kept = cache / "page"
    certificate, key = kept / "cert.pem", kept / "key.pem"
    if certificate.exists() and key.exists() and _is_fresh(key):
        return KeyPair(certificate, key, certificate, NAME)
    # Made aside: another run may be reading, or making, the same.
    made = cache / f"page.{os.getpid()}"
    made.mkdir(mode=0o700)
    try:
        issue_page(engine.openssl, made, engine.page_environment)
        shutil.rmtree(kept, ignore_errors=True)
        made.rename(kept)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return KeyPair(certificate, key, certificate, NAME)


def _is_fresh(key: Path) -> bool:
    """Whether the page's key was made within its age; a clock that was set back makes it of the future."""
    return 0 <= time.time() - key.stat().st_mtime < PAGE_PAIR_AGE
