"""Runs the catalogue's servers, and their controls, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interpreters.scratch import scratch_folder
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
class LabServer:
    """A server of the catalogue in this run's lab: its address, or why it has none."""

    server: Server
    address: Reachable | None
    pair: KeyPair | None
    unavailable: str = ""
    """Why it has no address; empty if it has one."""


@dataclass(frozen=True)
class Lab:
    """The servers of one run, in the catalogue's order."""

    servers: tuple[LabServer, ...]
    engine: str
    """Which program serves, with version and path; or why none does."""

    @property
    def unavailable(self) -> str:
        """Why openssl serves nothing at all, although it is to serve some; empty if it does, or need not."""
        theirs = [entry for entry in self.servers if entry.server.engine == S_SERVER]
        reasons = [entry.unavailable for entry in theirs if entry.address is None]
        return reasons[0] if len(reasons) == len(theirs) and reasons else ""

    async def controls(self) -> dict[str, Control]:
        """Run the control on every server; a server that is not there has failed it."""
        return {entry.server.id: await _control(entry) for entry in self.servers}


async def _control(entry: LabServer) -> Control:
    if entry.address is None or entry.pair is None:
        return Control(False, entry.unavailable)
    try:
        return await run_control(entry.server, entry.address, entry.pair.certificate.read_text())
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

    A server that cannot be had has no address but the reason; nothing is raised for it. Keys are written
    to `scratch`, save the AWS page's, which is kept in `cache`.
    """
    with_page = any(server.certificate is Certificate.PAGE for server in catalogue.servers)
    equipment = await _equip(scratch, cache, environment, openssl, with_page=with_page)
    # A stack for each server: all are started side by side, and stopped side by side.
    stacks = [contextlib.AsyncExitStack() for _ in catalogue.servers]
    entries = zip(stacks, catalogue.servers, strict=True)
    starting = [asyncio.create_task(equipment.start(stack, server)) for stack, server in entries]
    try:
        await asyncio.wait(starting)
        yield Lab(tuple(task.result() for task in starting), equipment.openssl)
    finally:
        # Nothing cancels a start: asyncio loses sight of a process that is cancelled while it is made.
        await asyncio.wait(starting)
        await asyncio.gather(*(stack.aclose() for stack in stacks), return_exceptions=True)


@dataclass(frozen=True)
class _Equipment:
    """What servers are made with; in the place of an engine or a key pair that is not there, the reason."""

    engines: Mapping[str, Engine | EngineError]
    pairs: Mapping[Certificate, KeyPair]
    no_pair: str
    """Why a certificate is not among the pairs."""
    openssl: str
    """Which openssl serves, with version and path; or why none does."""

    async def start(self, stack: contextlib.AsyncExitStack, server: Server) -> LabServer:
        """Start one server, which runs until the stack is closed; never raises for what an engine does."""
        engine = self.engines.get(server.engine) or EngineError(f"there is no engine {server.engine!r}")
        pair = self.pairs.get(server.certificate)
        if isinstance(engine, EngineError):
            return LabServer(server, None, pair, str(engine))
        if pair is None:
            return LabServer(server, None, None, self.no_pair)
        try:
            return LabServer(server, await stack.enter_async_context(engine.serve(server, pair)), pair)
        except EngineError as error:
            return LabServer(server, None, pair, str(error))
        except Exception as error:  # noqa: BLE001  whatever one engine does, the other servers must run
            return LabServer(server, None, pair, f"{type(error).__name__}: {error}")


async def _equip(
    scratch: Path, cache: Path, environment: Mapping[str, str], openssl: Path | None, *, with_page: bool
) -> _Equipment:
    """Find the engines and make the keys; those of the AWS page take an openssl."""
    pairs = issue(scratch)
    no_pair = "openssl did not make the page's certificate"
    engines: dict[str, Engine | EngineError] = {
        "tlslite": TlsliteServer(scratch),
        "script": ScriptedServer(scratch),
    }
    try:
        s_server = find_s_server(openssl, scratch, environment)
    except EngineError as error:
        return _Equipment(engines | {S_SERVER: error}, pairs, no_pair, str(error))
    if with_page:
        try:
            pairs[Certificate.PAGE] = await asyncio.to_thread(_page_pair, s_server, cache)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            no_pair += f": {_last_output(error)}"
    return _Equipment(engines | {S_SERVER: s_server}, pairs, no_pair, s_server.description)


def _last_output(error: Exception) -> str:
    """Return why a command failed: the last line of its output where it printed any."""
    output = error.stderr if isinstance(error, subprocess.CalledProcessError) else b""
    return last_words((output or b"").decode(errors="replace")) or str(error)


def _page_pair(engine: SServer, cache: Path) -> KeyPair:
    """Return the page's certificate, made by its own command, from the cache while it is fresh."""
    kept = cache / "page"
    certificate, key = kept / "cert.pem", kept / "key.pem"
    if certificate.exists() and key.exists() and _is_fresh(key):
        return KeyPair(certificate, key, certificate, NAME)
    # Made aside: another run may be reading, or making, the same.
    with scratch_folder(cache, "page-") as folder:
        made = folder / "made"
        made.mkdir(mode=0o700)
        issue_page(engine.openssl, made, engine.page_environment)
        shutil.rmtree(kept, ignore_errors=True)
        made.rename(kept)
    return KeyPair(certificate, key, certificate, NAME)


def _is_fresh(key: Path) -> bool:
    """Whether the page's key was made within its age; a clock that was set back makes it of the future."""
    return 0 <= time.time() - key.stat().st_mtime < PAGE_PAIR_AGE
