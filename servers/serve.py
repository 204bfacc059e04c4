"""Keeps the catalogue's servers up for any client that a person points at them, and tells what connects."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import shlex
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interpreters.endpoint import ENDPOINT, TRUSTING
from interpreters.scratch import scratch_folder
from servers.catalogue import Role
from servers.lab import OPENSSL, open_lab
from servers.live import live_page
from servers.live_state import LiveState, SoFar, speaks
from servers.peers import LOOPBACK
from servers.resources import ResourceError
from servers.tap import Capture, Tap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from servers.catalogue import Catalogue
    from servers.lab import Lab, LabServer
    from servers.protocols import Protocol

HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Service:
    """What is to be served, where, and where a record of it goes."""

    catalogue: Catalogue
    floor: Protocol
    cache: Path
    """Folder of ours, readable by us alone; keys are in a folder below it while it lasts."""
    records: Path
    """Folder that gets a folder for each time that somebody connected."""
    environment: Mapping[str, str]
    openssl: Path | None = None
    port: int | None = None
    """The first server's, the others follow in the catalogue's order; None for whichever are free."""


async def serve_forever(service: Service, judge: SoFar, say: Callable[[str], None]) -> None:
    """Serve the whole catalogue until cancelled; say where, each connection as it ends, and what is left.

    Raises ResourceError, before anything is served, where a port that was asked for cannot be had.
    """
    catalogue, cache = service.catalogue, service.cache
    ports = port_block(catalogue, service.port)
    with scratch_folder(cache, "serve-") as folder:
        async with (
            open_lab(catalogue, folder, cache, service.environment, service.openssl) as lab,
            contextlib.AsyncExitStack() as stack,
        ):
            state = LiveState(lab.engine, service.floor, await lab.controls(), judge)
            # First of all, so that it is told last, when every connection has ended.
            stack.callback(_leave_record, state, service.records, say)
            for entry in lab.servers:
                await _announce(entry, ports[entry.server.id], state, stack, say)
            _say_trust(lab, say)
            for line in pointing(lab, state):
                say(line)
            page = stack.enter_context(live_page(state.state))
            say(f"{opening(lab)} Who connects is shown here and at {page} Ctrl-C ends it.")
            await asyncio.Event().wait()


def port_block(catalogue: Catalogue, first: int | None) -> dict[str, int]:
    """Return each server's port, in the catalogue's order; 0, which is whichever is free, without a first.

    Raises ResourceError where one of them is taken, not allowed, or past the last there is.
    """
    servers = catalogue.servers
    if first is None:
        return dict.fromkeys((server.id for server in servers), 0)
    last = first + len(servers) - 1
    if last > HIGHEST_PORT:
        highest = HIGHEST_PORT - len(servers) + 1
        msg = (
            f"--port {first} would need ports up to {last}, and the last is {HIGHEST_PORT}: {highest} at most"
        )
        raise ResourceError(msg)
    ports = {server.id: first + number for number, server in enumerate(servers)}
    for name, port in ports.items():
        try:
            socket.create_server((LOOPBACK, port)).close()
        except OSError as error:
            raise _refused(port, name, error) from error
    return ports


def _refused(port: int, name: str, error: OSError) -> ResourceError:
    why = error.strerror or str(error)
    return ResourceError(
        f"port {port} of {LOOPBACK}, which is for {name}, cannot be had ({why}): give another --port"
    )


def _leave_record(state: LiveState, records: Path, say: Callable[[str], None]) -> None:
    """Write the record of who connected, if anybody did, and say where it is."""
    if not state.connections:
        say("Nobody connected, so there is no record.")
        return
    folder = records / f"{dt.datetime.fromtimestamp(state.started, dt.UTC):%Y%m%dT%H%M%SZ}"
    try:
        state.write(folder)
    except OSError as error:
        say(f"The record cannot be written to {folder}: {error.strerror or error}")
        return
    left_out = sum(connection.capture is None for connection in state.connections)
    besides = f", save {left_out} of which the bytes took too much room" if left_out else ""
    say(f"Who connected, and every byte of it{besides}: record.json and captures.pcapng in {folder}")


def pointing(lab: Lab, state: LiveState) -> list[str]:
    """Return the lines for a shell that point an application at one server, the widest below the floor."""
    low = [
        entry
        for entry in lab.servers
        if entry.server.role is Role.LADDER
        and entry.server.only_below(state.floor)
        and entry.server.id in state.addresses
        and state.controls[entry.server.id].passed
    ]
    # Of those that speak equally much, RSA: a signature or a curve may stop a client before its version does.
    widest = max(
        low,
        key=lambda entry: (len(entry.server.protocols), entry.server.key_exchange == "rsa"),
        default=None,
    )
    if widest is None or widest.pair is None:
        return []
    trust = shlex.quote(str(widest.pair.trust)) if widest.pair else ""
    return [
        f"To point an application at {widest.server.id}, or at another server by its port, in its shell:",
        f"  export {ENDPOINT}={state.addresses[widest.server.id]}",
        f"  export {' '.join(f'{name}={trust}' for name in TRUSTING)}",
    ]


def opening(lab: Lab) -> str:
    """Say with what is served, or what is left without an openssl: why, each server that needs one says."""
    with_openssl = any(entry.address and entry.server.engine == OPENSSL for entry in lab.servers)
    return f"Serving with {lab.engine}." if with_openssl else "Serving only what needs no openssl."


async def _announce(
    entry: LabServer,
    port: int,
    state: LiveState,
    stack: contextlib.AsyncExitStack,
    say: Callable[[str], None],
) -> None:
    """Put a tap in front of a server and say how to reach it, and what is wrong with it."""
    server, control = entry.server, state.controls[entry.server.id]
    state.servers.append(server)
    if entry.address is None or entry.pair is None:
        say(f"{server.id:22} not served: {entry.unavailable}")
        return

    def ended(capture: Capture) -> None:
        say(state.describe(state.add(server, capture)))

    host = entry.pair.host
    try:
        tap = await stack.enter_async_context(Tap(entry.address, ended, port=port, by_name=host != LOOPBACK))
    except OSError as error:
        raise _refused(port, server.id, error) from error
    state.addresses[server.id] = f"https://{host}:{tap.port}/"
    flaw = "" if control.passed else f"; nothing counts here, its control failed: {control.reason}"
    say(f"{server.id:22} {state.addresses[server.id]}  {speaks(server)}{flaw}")


def _say_trust(lab: Lab, say: Callable[[str], None]) -> None:
    trusts: dict[Path, str] = {}
    for entry in lab.servers:
        if entry.address and entry.pair:
            trusts.setdefault(entry.pair.trust, entry.server.id)
    for trust, first in trusts.items():
        say(f"To accept the certificates of {first} and its like, trust {trust}")
