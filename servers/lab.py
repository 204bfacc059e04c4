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
from servers.catalogue import Certificate, Role
from servers.certificates import NAME, KeyPair, issue, issue_page
from servers.control import Control, run_control
from servers.engine import Engine, EngineError
from servers.https_server import https_server
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


CONTROL_TURN = 2.0
"""Seconds until the next server has its control too, where one takes longer; usually it takes a tenth."""

OPENSSL = "openssl"
"""The engine, as the catalogue names it, that is OpenSSL by way of Python's ssl module or of s_server."""


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
    """Which OpenSSL serves, with its version; or why none does."""
    no_program: str = ""
    """Why there is no openssl program, where the servers of the AWS page need one; empty if there is."""

    @property
    def unavailable(self) -> str:
        """Why OpenSSL cannot serve what it is to serve; empty if it can, or need not."""
        if self.no_program:
            return self.no_program
        theirs = [entry for entry in self.servers if entry.server.engine == OPENSSL]
        reasons = [entry.unavailable for entry in theirs if entry.address is None]
        return reasons[0] if len(reasons) == len(theirs) and reasons else ""

    async def controls(self) -> dict[str, Control]:
        """Run the control on every server; a server that is not there has failed it.

        One after another, because they compute; but nobody waits for one that does not answer.
        """
        async with asyncio.TaskGroup() as group:
            tasks = {}
            for entry in self.servers:
                tasks[entry.server.id] = task = group.create_task(_control(entry))
                await asyncio.wait([task], timeout=CONTROL_TURN)
        return {server: task.result() for server, task in tasks.items()}


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
    async with contextlib.AsyncExitStack() as common:
        equipment = await _equip(common, catalogue, Workplace(scratch, cache, environment, openssl))
        # A stack for each server: all are started side by side, and stopped side by side.
        stacks = [contextlib.AsyncExitStack() for _ in catalogue.servers]
        entries = zip(stacks, catalogue.servers, strict=True)
        starting = [asyncio.create_task(equipment.start(stack, server)) for stack, server in entries]
        try:
            await asyncio.wait(starting)
            served = tuple(task.result() for task in starting)
            yield Lab(served, equipment.description, equipment.no_program)
        finally:
            # Nothing cancels a start: asyncio loses sight of a process that is cancelled while it is made.
            await asyncio.wait(starting)
            await asyncio.gather(*(stack.aclose() for stack in stacks), return_exceptions=True)


@dataclass(frozen=True)
class Workplace:
    """Where a lab is made: its folders, the environment of what it starts, and the user's openssl if any."""

    scratch: Path
    cache: Path
    environment: Mapping[str, str]
    openssl: Path | None


@dataclass(frozen=True)
class _Equipment:
    """What servers are made with; in the place of an engine or a key pair that is not there, the reason."""

    page: Engine | EngineError
    """What serves the AWS page's servers: s_server, as the page has it."""
    openssl: tuple[Engine | EngineError, ...]
    """What serves the other entries of OpenSSL; those behind the first serve what that does not speak."""
    others: Mapping[str, Engine]
    """By its name in the catalogue."""
    pairs: Mapping[Certificate, KeyPair]
    no_pair: str
    """Why a certificate is not among the pairs."""

    no_program: str
    """Why there is no openssl program, if one is needed; empty if there is, or need not be."""

    @property
    def description(self) -> str:
        """Which OpenSSL serves, with its version; or why none does."""
        first = self.openssl[0]
        return str(first) if isinstance(first, EngineError) else first.description

    async def start(self, stack: contextlib.AsyncExitStack, server: Server) -> LabServer:
        """Start one server, which runs until the stack is closed; never raises for what an engine does."""
        pair = self.pairs.get(server.certificate)
        reasons = []
        for engine in self._engines(server):
            if isinstance(engine, EngineError):
                reasons.append(str(engine))
            elif pair is None:
                reasons.append(self.no_pair)
            else:
                try:
                    return LabServer(
                        server, await stack.enter_async_context(engine.serve(server, pair)), pair
                    )
                except EngineError as error:
                    reasons.append(str(error))
                except Exception as error:  # noqa: BLE001  whatever one engine does, the other servers must run
                    reasons.append(f"{type(error).__name__}: {error}")
        return LabServer(server, None, pair, "; ".join(dict.fromkeys(reasons)))

    def _engines(self, server: Server) -> tuple[Engine | EngineError, ...]:
        """Return what can serve an entry, the best first."""
        if server.engine == OPENSSL:
            return (self.page,) if server.role is Role.PAGE else self.openssl
        return (self.others.get(server.engine) or EngineError(f"there is no engine {server.engine!r}"),)


async def _equip(stack: contextlib.AsyncExitStack, catalogue: Catalogue, place: Workplace) -> _Equipment:
    """Find the engines and make the keys; those of the AWS page take an openssl.

    Where the user names an openssl, it serves all of OpenSSL's entries.
    """
    engines: list[Engine | EngineError] = []
    tlslite = TlsliteServer(place.scratch)
    if place.openssl is None:
        # Before the keys are made, so that it is ready when they are.
        engines += [await _https_engine(stack, place), tlslite]
    pairs = issue(place.scratch)
    with_page = any(server.role is Role.PAGE for server in catalogue.servers)
    page, no_pair = await _s_server(place, pairs, with_page=with_page)
    return _Equipment(
        page=page,
        openssl=tuple(engines) or (page,),
        others={"tlslite": tlslite, "script": ScriptedServer(place.scratch)},
        pairs=pairs,
        no_pair=no_pair,
        no_program=str(page) if with_page and isinstance(page, EngineError) else "",
    )


async def _https_engine(stack: contextlib.AsyncExitStack, place: Workplace) -> Engine | EngineError:
    try:
        return await stack.enter_async_context(https_server(place.scratch, place.environment))
    except EngineError as error:
        return error


async def _s_server(
    place: Workplace, pairs: dict[Certificate, KeyPair], *, with_page: bool
) -> tuple[SServer | EngineError, str]:
    """Return s_server if it is needed and there, and why there is no key pair of the page's if so."""
    if place.openssl is None and not with_page:
        return EngineError("no server of the AWS page was asked for"), ""
    try:
        engine = find_s_server(place.openssl, place.scratch, place.environment)
    except EngineError as error:
        return error, str(error)
    if with_page:
        try:
            pairs[Certificate.PAGE] = await asyncio.to_thread(_page_pair, engine, place.cache)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            return engine, f"openssl did not make the page's certificate: {_last_output(error)}"
    return engine, ""


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
