"""The engine that drives OpenSSL's own test server, `openssl s_server`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.owners import not_as_root
from servers.catalogue import Certificate, KeyExchange, Role, Server
from servers.engine import EngineError
from servers.entrance import Entrance, private_socket
from servers.peers import LOOPBACK
from servers.processes import running
from servers.protocols import LADDER, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from servers.certificates import KeyPair
    from servers.entrance import Address

START_LIMIT = 20.0
"""Seconds that a server may take to say that it listens."""


_CIPHERS = {
    KeyExchange.ANY: "ALL",
    KeyExchange.RSA: "kRSA+AES",
    KeyExchange.DHE: "kDHE+aRSA+AES",
    KeyExchange.ECDHE: "kECDHE+AES",
}

_OFF = {
    Protocol.SSLV3: "-no_ssl3",
    Protocol.TLSV1: "-no_tls1",
    Protocol.TLSV1_1: "-no_tls1_1",
    Protocol.TLSV1_2: "-no_tls1_2",
    Protocol.TLSV1_3: "-no_tls1_3",
}


def cipher_string(server: Server) -> str:
    """Return an entry's ciphers for OpenSSL: at level 0 the client alone decides what is too weak.

    At the default level the server itself refuses every version below TLS 1.2 for want of a
    signature algorithm, and everyone looks safe: source openssl-ciphers(1), SSL_CTX_set_security_level(3).
    """
    ciphers = _CIPHERS[server.key_exchange]
    if server.key_exchange is KeyExchange.ECDHE:
        ciphers += "+aECDSA" if server.certificate is Certificate.ECDSA else "+aRSA"
    return f"{ciphers}:!aNULL:!eNULL:@SECLEVEL=0"


@dataclass(frozen=True)
class SServer:
    """`openssl s_server`: the engine of the AWS page's servers, and of all where the user names an openssl.

    It serves one connection at a time, and answers a GET alone.
    """

    openssl: Path
    """An absolute path: it is run in `folder`."""
    description: str
    options: frozenset[str]
    environment: Mapping[str, str]
    """For our own entries: OPENSSL_CONF is a file of ours, so no setting of the machine restricts them."""
    page_environment: Mapping[str, str]
    """For the page's servers: the machine's own configuration, as the page has it, and nobody to trust."""
    folder: Path | None = None
    """Only we can enter it, so nobody else gets to the sockets in it; without one, servers listen on TCP."""

    def command(self, server: Server, pair: KeyPair, socket: Path | None = None) -> list[str]:
        """Return the command line for an entry; raises EngineError for what this binary lacks."""
        # By its name alone: an s_server that is to say where it listens ends if that takes 32 bytes or more.
        where = ["-unix", socket.name] if socket else ["-accept", f"{LOOPBACK}:0"]
        base = [str(self.openssl), "s_server", *where]
        base += ["-key", str(pair.key), "-cert", str(pair.certificate)]
        if server.role is Role.PAGE:
            # The page itself says to leave out -no_tls1_3 where the option is unknown.
            return [*base, *(a for a in server.arguments if a in self.options)]
        unknown = [p for p in server.protocols if _OFF[p] not in self.options]
        if unknown:
            msg = f"{self.description} has no {_OFF[unknown[0]]}, so it does not speak {unknown[0]}"
            raise EngineError(msg)
        off = [_OFF[p] for p in LADDER if p not in server.protocols and _OFF[p] in self.options]
        # The machine's trust store is of no use to a server that asks for no client certificate,
        # and reading it is nine tenths of the start-up time.
        lean = [a for a in ("-no-CAfile", "-no-CApath", "-no-CAstore") if a in self.options]
        return [*base, "-www", *off, "-cipher", cipher_string(server), *lean]

    @contextlib.asynccontextmanager
    async def serve(self, server: Server, pair: KeyPair) -> AsyncIterator[Entrance]:
        """Run the server while the block lasts; see Engine.serve."""
        page = server.role is Role.PAGE
        environment = self.page_environment if page else self.environment
        async with contextlib.AsyncExitStack() as stack:
            try:
                socket = private_socket(self.folder) if "-unix" in self.options else None
                command = self.command(server, pair, socket)
                process = await stack.enter_async_context(running(command, environment, folder=self.folder))
            except OSError as error:
                msg = f"{self.openssl} cannot be started: {error.strerror or error}"
                raise EngineError(msg) from error
            output: deque[str] = deque(maxlen=5)
            address = await _listening(process, output, socket)
            drain = asyncio.create_task(_drain(process, output))
            stack.callback(drain.cancel)
            yield Entrance(address, one_at_a_time=True)


async def _listening(process: asyncio.subprocess.Process, output: deque[str], socket: Path | None) -> Address:
    """Read what the server prints until it accepts (`ACCEPT host:port`); return where."""
    assert process.stdout is not None  # noqa: S101  we asked for a pipe
    try:
        async with asyncio.timeout(START_LIMIT):
            while line := await process.stdout.readline():
                text = line.decode(errors="replace").strip()
                if socket and re.match(r"ACCEPT\b", text):
                    return socket
                if match := re.fullmatch(r"ACCEPT (127\.0\.0\.1):(\d+)(?: PID=\d+)?", text):
                    return match[1], int(match[2])
                output.append(text)
    except TimeoutError:
        msg = f"openssl s_server did not say within {START_LIMIT:g} s that it accepts"
        raise EngineError(msg) from None
    msg = f"openssl s_server ended at once: {' / '.join(filter(None, output)) or 'it printed nothing'}"
    raise EngineError(msg)


async def _drain(process: asyncio.subprocess.Process, output: deque[str]) -> None:
    """Keep reading, so that the server never blocks on a full pipe."""
    assert process.stdout is not None  # noqa: S101  we asked for a pipe
    while line := await process.stdout.readline():
        output.append(line.decode(errors="replace").strip())


NEUTRAL_CONFIGURATION = "# Deliberately empty: we alone decide what this server speaks.\n"

REMEDY = "install OpenSSL's command line tool or give --openssl PATH"


def find_s_server(wanted: Path | None, scratch: Path, environment: Mapping[str, str]) -> SServer:
    """Return the engine for `wanted`, or for the first openssl on PATH.

    Asks the binary what it is and which options it has. Raises EngineError with the remedy.
    """
    found = shutil.which(str(wanted or "openssl"), path=environment.get("PATH"))
    if found is None:
        what = f"--openssl {str(wanted)!r} is not an executable" if wanted else "no openssl on PATH"
        msg = f"{what}, so no server can be started: {REMEDY}"
        raise EngineError(msg)
    found = str(Path(found).absolute())
    if refusal := not_as_root(found):
        msg = f"{found} does not serve: {refusal}, or give another --openssl"
        raise EngineError(msg)
    ours = own_environment(scratch, environment)
    # Asked as it will serve: a machine's configuration that breaks the program does not break our servers.
    output = _ask(found, ours, "version")
    version = output.partition("\n")[0].strip()
    if not version.startswith("OpenSSL "):
        words = last_words(output)
        besides = f" and {words!r}" if words != version else ""
        msg = f"{found} says that it is {version!r}{besides}, whose s_server cannot do this: {REMEDY}"
        raise EngineError(msg)
    usage = _ask(found, ours, "s_server", "-help")
    return SServer(
        openssl=Path(found),
        description=f"{version} at {found}",
        options=frozenset(re.findall(r"^ +(-\w[\w-]*)", usage, re.MULTILINE)),
        environment=ours,
        # They ask for no client certificate either, and have no options to leave the trust store unread.
        page_environment={**environment, "SSL_CERT_FILE": os.devnull},
        folder=scratch,
    )


def own_environment(scratch: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which no setting of the machine restricts an OpenSSL."""
    neutral = scratch / "neutral.cnf"
    neutral.write_text(NEUTRAL_CONFIGURATION)
    ours = {name: text for name, text in environment.items() if not name.startswith("OPENSSL_")}
    return {**ours, "OPENSSL_CONF": str(neutral)}


def last_words(output: str) -> str:
    """Return the last line that says something: OpenSSL's programs give their cause there."""
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")


def _ask(openssl: str, environment: Mapping[str, str], *arguments: str) -> str:
    """Return what it prints; raises EngineError where it prints nothing, or cannot be run."""
    why = "it printed nothing"
    try:
        done = subprocess.run(
            [openssl, *arguments],
            check=False,
            capture_output=True,
            timeout=START_LIMIT,
            stdin=subprocess.DEVNULL,
            env=dict(environment),
        )
        if output := (done.stdout + done.stderr).decode(errors="replace"):
            return output
    except OSError as error:
        why = error.strerror or str(error)
    except subprocess.TimeoutExpired:
        why = f"it did not end within {START_LIMIT:g} s"
    msg = f"{openssl} does not answer {' '.join(arguments)!r} as OpenSSL does ({why}): {REMEDY}"
    raise EngineError(msg)
