"""The lines that set a floor in code, from probes/floors/: what people copy is what trials run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interpreters.clients import PROBES
from servers.protocols import LADDER, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from interpreters.clients import Client

FLOORS = PROBES / "floors"

WRITTEN_FOR = Protocol.TLSV1_2
"""The floor that the files set as they stand."""


def snippets(clients: Iterable[Client], floor: Protocol, folder: Path = FLOORS) -> dict[str, str]:
    """Return, for each of these clients that has such a file, its text with this floor in it."""
    files = {client.id: folder / f"{client.floor or client.id}.py" for client in clients}
    return {
        client: snippet(path.read_text(encoding="utf-8"), floor)
        for client, path in files.items()
        if path.exists()
    }


def snippet(text: str, floor: Protocol) -> str:
    """Put a floor into a text written for TLS 1.2: the version's name, and the list of those below it."""
    return (
        text.replace(_listed(_below(WRITTEN_FOR)), "BELOW")
        .replace(_name(WRITTEN_FOR), _name(floor))
        .replace("BELOW", _listed(_below(floor)))
    )


def _below(floor: Protocol) -> tuple[Protocol, ...]:
    return tuple(protocol for protocol in LADDER if protocol.below(floor))


def _name(protocol: Protocol) -> str:
    """Return a version as Python's ssl module and awscrt spell it: ``TLSv1_2``."""
    return protocol.replace(".", "_")


def _listed(protocols: Sequence[Protocol]) -> str:
    return "({})".format(", ".join(f'"{_name(protocol)}"' for protocol in protocols))
