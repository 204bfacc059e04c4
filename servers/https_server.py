"""The engine that most entries run on: Python's ssl module, in one process for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import platform
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servers.engine import EngineError
from servers.entrance import private_socket
from servers.processes import running
from servers.protocols import LADDER
from servers.s_server import START_LIMIT, cipher_string, own_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from servers.catalogue import Server
    from servers.certificates import KeyPair
    from servers.entrance import Address

CHECKOUT = Path(__file__).parents[1]

COMMAND = (sys.executable, "-E", "-s", "-S", "-m", "servers.https.process")
"""This Python, which has the ssl module that we are asked about, without site-packages and start-up code."""

DH_PARAMETERS = CHECKOUT / "servers" / "https" / "ffdhe2048.pem"
"""The group ffdhe2048 of RFC 7919 appendix A.1: Python's ssl module, unlike s_server, brings none."""

DESCRIPTION = f"{ssl.OPENSSL_VERSION} in Python {platform.python_version()}"


class HttpsServer:
    """A process that serves each entry it is told of, many connections at once, at security level 0.

    It answers HTTP as an object store would: see servers/https/answers.py. The process ends with its input,
    so that nothing is left where ours is killed.
    """

    description = DESCRIPTION

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        """Remember the process, and the folder of ours that sockets go to."""
        self._process = process
        self._folder = folder
        self._turn = asyncio.Lock()
        self._lost = ""
        """Why it is asked nothing any more: who was silent once would keep each entry waiting as long."""

    def entry(self, server: Server, pair: KeyPair) -> dict[str, Any]:
        """Return what the process is told of an entry; raises EngineError for what this Python lacks."""
        for protocol in sorted(server.protocols, key=LADDER.index):
            if not getattr(ssl, protocol.has):
                msg = f"{self.description} does not speak {protocol}"
                raise EngineError(msg)
        path = private_socket(self._folder)
        return {
            "id": server.id,
            "path": str(path) if path else None,
            "versions": [choose(server.protocols, key=LADDER.index) for choose in (min, max)],
            "ciphers": cipher_string(server),
            "certificate": str(pair.certificate),
            "key": str(pair.key),
            "dh": str(DH_PARAMETERS),
        }

    @contextlib.asynccontextmanager
    async def serve(self, server: Server, pair: KeyPair) -> AsyncIterator[Address]:
        """Serve the entry from now on, until the process ends; see Engine.serve."""
        entry = self.entry(server, pair)
        async with self._turn:
            answer = await self._ask(entry)
        if "error" in answer:
            msg = f"{self.description} does not serve {server.id}: {answer['error']}"
            raise EngineError(msg)
        address = answer["address"]
        yield Path(address) if isinstance(address, str) else (address[0], address[1])

    async def _ask(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Tell the process of an entry; return its answer. Raises EngineError where that makes no sense."""
        if self._lost:
            raise EngineError(self._lost)
        assert self._process.stdin is not None  # noqa: S101  we asked for pipes
        assert self._process.stdout is not None  # noqa: S101
        try:
            async with asyncio.timeout(START_LIMIT):
                self._process.stdin.write(json.dumps(entry).encode() + b"\n")
                line = await self._process.stdout.readline()
        except TimeoutError:
            self._lost = (
                f"the process of {self.description} did not say within {START_LIMIT:g} s that it serves"
            )
            raise EngineError(self._lost) from None
        with contextlib.suppress(ValueError, KeyError, TypeError):
            answer: dict[str, Any] = json.loads(line)
            # Not the late answer to an earlier entry.
            if answer["id"] == entry["id"]:
                return answer
        words = line.decode(errors="replace").strip() or "nothing"
        msg = f"the process of {self.description} said {words!r}, which is no address"
        raise EngineError(msg)


@contextlib.asynccontextmanager
async def https_server(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[HttpsServer]:
    """Run the process while the block lasts; raises EngineError where it cannot be started."""
    async with contextlib.AsyncExitStack() as stack:
        command = running(
            COMMAND, own_environment(folder, environment), stdin=asyncio.subprocess.PIPE, folder=CHECKOUT
        )
        try:
            process = await stack.enter_async_context(command)
        except OSError as error:
            msg = f"{sys.executable} cannot be started: {error.strerror or error}"
            raise EngineError(msg) from error
        yield HttpsServer(process, folder)
