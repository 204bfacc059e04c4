"""Keeps the catalogue's servers up for any client that a person points at them, and tells what connects."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from servers.lab import open_lab
from servers.protocols import LADDER, span
from servers.tap import Capture, Tap
from servers.wire import read_capture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from servers.catalogue import Catalogue, Server
    from servers.lab import Lab
    from servers.wire import WireAccount


async def serve_forever(
    catalogue: Catalogue,
    cache: Path,
    environment: Mapping[str, str],
    openssl: Path | None,
    say: Callable[[str], None],
) -> None:
    """Serve the whole catalogue until cancelled; say where, and then each connection as it ends."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="serve-") as folder:
        async with (
            open_lab(catalogue, Path(folder), cache, environment, openssl) as lab,
            contextlib.AsyncExitStack() as stack,
        ):
            say(f"Serving with {lab.engine}. Ctrl-C ends it.")
            await _announce(lab, stack, say)
            await asyncio.Event().wait()


async def _announce(lab: Lab, stack: contextlib.AsyncExitStack, say: Callable[[str], None]) -> None:
    """Put a tap in front of every server and say how to reach it."""
    trusts: dict[Path, str] = {}
    for stand in lab.stands:
        if stand.address is None or stand.pair is None:
            say(f"{stand.server.id:18} not served: {stand.problem}")
            continue
        tap = await stack.enter_async_context(Tap(stand.address, _teller(stand.server, say)))
        versions = ", ".join(p for p in LADDER if p in stand.server.protocols)
        how = f"{versions}; key exchange {stand.server.key_exchange}"
        say(f"{stand.server.id:18} https://localhost:{tap.port}/  {how}")
        trusts.setdefault(stand.pair.trust, stand.server.id)
    for trust, first in trusts.items():
        say(f"To accept the certificates of {first} and its like, trust {trust}")


def _teller(server: Server, say: Callable[[str], None]) -> Callable[[Capture], None]:
    return lambda capture: say(describe(server, read_capture(capture)))


def describe(server: Server, wire: WireAccount) -> str:
    """Tell one connection in a line: what was offered, what was chosen, and how it ended."""
    if not wire.client_hello:
        return f"{server.id}: no ClientHello ({'; '.join(wire.faults + wire.notes) or 'nothing was sent'})"
    offered = span(wire.offered) if wire.offered is not None else f"up to {wire.legacy_version}"
    chosen = f"{wire.server_version} with {wire.server_cipher}" if wire.server_version else "no version"
    end = "data both ways" if wire.data_both_ways else "no data exchanged"
    return f"{server.id}: offered {offered}; chosen {chosen}; {end}; alerts {wire.alerted or 'none'}"
