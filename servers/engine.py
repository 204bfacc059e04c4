"""What an engine is: it serves catalogue entries, one for as long as a block lasts, or says why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from interpreters.errors import FloorError

if TYPE_CHECKING:
    import contextlib

    from servers.catalogue import Server
    from servers.certificates import KeyPair
    from servers.entrance import Reachable


class EngineError(FloorError):
    """This engine cannot serve the entry here; the message is the reason a report can print."""


class Engine(Protocol):
    """What the lab asks of an engine: to serve one entry for as long as a block lasts."""

    @property
    def description(self) -> str:
        """The engine, its version and where it is, for the report's provenance."""
        ...

    def serve(self, server: Server, pair: KeyPair) -> contextlib.AbstractAsyncContextManager[Reachable]:
        """Serve the entry while the block lasts; its address is given once it accepts.

        Raises EngineError where the engine cannot serve it.
        """
        ...
