"""The record of a run: what was measured where, and one observation for each cell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, overload

from interpreters.interpreter import MADE
from reports.verdicts.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from interpreters.clients import ClientKey
    from interpreters.interpreter import Interpreter
    from servers.conditions import Condition
    from servers.control import Control
    from servers.protocols import Protocol
    from servers.tap import Capture
    from servers.wire import WireAccount

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class RequestedInterpreter:
    """An interpreter that a run was told to measure: the path as it was given, and where that leads."""

    path: str
    real: str


@dataclass(frozen=True)
class RequestedClient:
    """A client file of the user's that a run was told to measure: its path, and the SHA-256 of its bytes."""

    path: str
    sha256: str


@dataclass(frozen=True)
class RunRequest:
    """What a run was asked to measure: what it was not asked for has not vanished."""

    clients: tuple[str, ...]
    conditions: tuple[Condition, ...]
    floor: Protocol
    attacks: bool = False
    """Whether the servers that tamper were to be met too."""
    only: tuple[str, ...] = ()
    """The globs that an interpreter's id had to match one of; empty for all."""
    interpreters: tuple[RequestedInterpreter, ...] = ()
    botocore: str = ""
    """The versions or specifiers of botocore; empty for the newest."""
    urllib3: str = ""
    """Those of the urllib3 beside it."""
    programs: bool = False
    """Whether other programs were to be measured too."""
    found_clients: tuple[str, ...] = ()
    """The clients that were to be measured in environments as found, where they are installed; empty for the
    same as elsewhere."""
    running: bool = False
    """Whether what runs was to be measured too."""
    made: bool = True
    """Whether interpreters were to be measured, in environments that are made for that."""
    found: bool = True
    """Whether environments were to be looked for, and measured as they are."""
    commands: tuple[str, ...] = ()
    """The names of the programs that the user's own commands were to start."""
    client_files: tuple[RequestedClient, ...] = ()
    """The client files of the user's own."""

    def clients_for(self, environment: str) -> tuple[str, ...]:
        """Return the clients that were to be measured in a made or found environment."""
        return self.clients if environment == MADE else self.found_clients or self.clients


@dataclass(frozen=True)
class Run:
    """The provenance of a run: what measured, where, when, and with which instruments."""

    run_id: str
    host: str
    tool: str
    engine: str
    """The OpenSSL that served, with version and path; or why none did."""
    catalogue: str
    """SHA-256 of the catalogue of servers."""
    started: str
    """UTC, ISO 8601."""
    ended: str
    asked: RunRequest
    controls: Mapping[str, Control]
    scope: Scope = field(default_factory=Scope)
    parts: tuple[Run, ...] = ()
    """The runs of several machines that it was merged from; empty for one that measured."""

    @property
    def reporting(self) -> tuple[Run, ...]:
        """The runs that measured: itself, or those of its parts that reported."""
        return tuple(part for part in self.parts if part.controls) if self.parts else (self,)

    def of(self, interpreter: Interpreter) -> Run:
        """Return the run that an interpreter was measured in: one of the parts, or this."""
        return self.numbered(interpreter)[1]

    def numbered(self, interpreter: Interpreter) -> tuple[int, Run]:
        """Return the same with its number among the parts, from 1; with 0 for this itself."""
        return self._by_host.get(interpreter.host, (0, self))

    @cached_property
    def _by_host(self) -> dict[str, tuple[int, Run]]:
        """The parts with their numbers; of two on one host the first, if there could be two."""
        found: dict[str, tuple[int, Run]] = {}
        for number, part in enumerate(self.parts, 1):
            found.setdefault(part.host, (number, part))
        return found


@dataclass(frozen=True)
class Observation:
    """One cell: client x server in an interpreter under a condition, as both witnesses tell it."""

    interpreter: str
    client: ClientKey
    client_version: str
    condition: str
    server: str
    account: Account | None
    missing: str
    wire: tuple[WireAccount, ...]
    control: Control
    urllib3: str = ""
    """Version of the urllib3 that the client has, or that is beside it; empty if there is none."""
    own_tls: OwnTls | None = None
    """The TLS that the client brings along; None if it uses its interpreter's."""
    remark: str = ""
    """What else is true of the client beside what it did here, in clauses; empty if nothing is known."""
    environment: str = MADE
    """As its interpreter's."""
    measured: str = ""
    """When this was measured, UTC, ISO 8601, if an earlier visit did and nothing in it has changed since;
    empty for what this one measured."""
    measured_in: str = ""
    """The id of the interpreter in which it was, if in another one that loads the same files."""
    captures: tuple[Capture, ...] = ()
    """The bytes behind `wire`, for the evidence files."""

    @property
    def id(self) -> str:
        """The cell's id, under which the evidence files have it."""
        return f"{self.interpreter}/{self.client}/{self.server}/{self.condition}"


@dataclass(frozen=True)
class Joined(Sequence[_Item]):
    """Sequences as one, none of them copied: what is in a file stays there."""

    parts: tuple[Sequence[_Item], ...] = ()

    def __iter__(self) -> Iterator[_Item]:
        """Give what is in each, one after the other."""
        return itertools.chain.from_iterable(self.parts)

    def __len__(self) -> int:
        """Return how many there are in all."""
        return sum(map(len, self.parts))

    @overload
    def __getitem__(self, index: int) -> _Item: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[_Item, ...]: ...
    def __getitem__(self, index: int | slice) -> _Item | tuple[_Item, ...]:
        """Return one, or some."""
        return tuple(self)[index]


@dataclass(frozen=True)
class Account:
    """The client's account of one attempt: testimony, to be held against the wire's."""

    outcome: str
    """``connected`` if an answer came back over TLS, else ``failed``; or one of WIRE_ALONE."""
    version: str | None
    cipher: str | None
    error_class: str | None
    error_text: str | None
    seconds: float
    note: str = ""
    """What there is to say of the attempt beyond that, such as how the client introduced itself."""

    @property
    def took(self) -> float:
        """The seconds, as far as they can be any: a probe may say anything, and old clocks jump back."""
        return max(0.0, self.seconds) if math.isfinite(self.seconds) else 0.0


@dataclass(frozen=True)
class OwnTls:
    """The TLS that a client brings along in place of its interpreter's ssl module."""

    name: str
    reads_openssl_conf: bool
    """Whether it reads OPENSSL_CONF."""

    @property
    def brief(self) -> str:
        """Its name and version, without the file that has them."""
        return self.name.partition(" (")[0]
