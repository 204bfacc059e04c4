"""The cells of one interpreter, each judged once: what the measuring asks while it runs, and rows rest on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from interpreters.clients import RELAXED, ClientKey
from reports.verdicts.judge import HELD, HeldBy, find, held_by, judge, own_holder, went_below
from servers.catalogue import Role
from servers.conditions import Condition
from servers.hello import read_hello

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from reports.verdicts.cells import CellResult
    from reports.verdicts.judge import Judgement
    from reports.verdicts.observations import Observation, OwnTls
    from servers.catalogue import Catalogue
    from servers.hello import Hello
    from servers.protocols import Protocol


@dataclass(frozen=True)
class ClientCells:
    """One client's cells under one condition: what was observed, and by server id how each came out."""

    observations: Sequence[Observation] = ()
    """They may be in a file: then each look at them reads them."""
    results: Mapping[str, CellResult] = field(default_factory=dict)

    @property
    def own_tls(self) -> OwnTls | None:
        """The TLS that the client brings along; None if it uses its interpreter's."""
        return next((seen.own_tls for seen in self.observations if seen.own_tls), None)

    def hello(self, catalogue: Catalogue) -> Hello | None:
        """Return what the client offers: its first hello on the ladder; None where no hello was seen.

        The ladder's servers are under an address, and the page's under a name, which changes the hello.
        """
        first = {seen.server: seen.wire[0].client_hello for seen in reversed(self.observations) if seen.wire}
        ladder = (server.id for server in catalogue.servers if server.role is Role.LADDER)
        messages = (first[server] for server in ladder if first.get(server))
        return next((hello for message in messages if (hello := read_hello(bytes.fromhex(message)))), None)


NONE = ClientCells()
"""The cells of a client that was not measured."""


@dataclass(frozen=True)
class JudgedCells:
    """The cells of one interpreter, each judged once."""

    catalogue: Catalogue
    by_client: Mapping[tuple[ClientKey, str], ClientCells] = field(default_factory=dict)
    """By client and condition."""

    def and_of(self, observations: Iterable[Observation]) -> JudgedCells:
        """Return these cells and those of more observations, judged now."""
        groups: dict[tuple[ClientKey, str], list[Observation]] = {}
        for observation in observations:
            key = observation.client, observation.condition
            # Of two observations of one cell neither counts, whenever they came.
            groups.setdefault(key, [*self.by_client.get(key, NONE).observations]).append(observation)
        judged = {
            key: ClientCells(tuple(group), find(group, self.catalogue)) for key, group in groups.items()
        }
        return JudgedCells(self.catalogue, {**self.by_client, **judged})

    def kept(self, keep: Callable[[Sequence[Observation]], Sequence[Observation]]) -> JudgedCells:
        """Return these cells with what was observed of each client where `keep` puts it."""
        return JudgedCells(
            self.catalogue,
            {
                key: replace(cells, observations=keep(cells.observations))
                for key, cells in self.by_client.items()
            },
        )

    def of(self, client: ClientKey, condition: Condition) -> ClientCells:
        """Return the cells of one client under one condition."""
        return self.by_client.get((client, condition), NONE)

    def judgement(self, client: ClientKey, condition: Condition, floor: Protocol) -> Judgement:
        """Judge one client under one condition."""
        return judge(self.of(client, condition).results, self.catalogue, floor)

    def holder(
        self, judgement: Judgement, client: ClientKey, condition: Condition, floor: Protocol
    ) -> HeldBy:
        """Say what holds a client that was judged under one condition, from all that was measured of it."""
        seen = {other: self.of(client, other).results for other in Condition}
        # What Python's library has tells nothing of another one.
        own_tls = self.of(client, condition).own_tls
        relaxed = {} if own_tls else self.of(RELAXED, Condition.PERMISSIVE).results
        holder = held_by(judgement, condition, seen, relaxed, floor)
        if holder is HeldBy.UNKNOWN and own_tls:
            return own_holder(judgement, own_tls, seen[Condition.PERMISSIVE], floor)
        return holder

    def holder_measured(self, client: ClientKey, condition: Condition) -> tuple[str, str]:
        """Return when the oldest was observed of what tells what holds a client, and in which interpreter.

        Either is empty for what its own visits of this run observed.

        Under its own condition everything is of this run.
        """
        others = {(client, other) for other in Condition if other is not condition}
        if not self.of(client, condition).own_tls:
            others.add((RELAXED, Condition.PERMISSIVE))
        seen = (seen for key in others for seen in self.by_client.get(key, NONE).observations)
        return min(((each.measured, each.measured_in) for each in seen if each.measured), default=("", ""))

    def needing(
        self, more: Condition, clients: Iterable[ClientKey], floor: Protocol
    ) -> tuple[ClientKey, ...]:
        """Return the clients of which only a probe under one more condition can tell what holds the floor.

        The permissive condition tells of each that is held, and not yet known to be by its configuration;
        the empty one of those that the permissive lets through.
        """
        return tuple(
            client
            for client in clients
            if (more is Condition.PERMISSIVE or self._passes_permissive(client, floor))
            and any(self._holder_is_unknown(client, condition, floor) for condition in Condition)
        )

    def _passes_permissive(self, client: ClientKey, floor: Protocol) -> bool:
        return went_below(self.of(client, Condition.PERMISSIVE).results, floor) is True

    def _holder_is_unknown(self, client: ClientKey, condition: Condition, floor: Protocol) -> bool:
        judgement = self.judgement(client, condition, floor)
        holder = self.holder(judgement, client, condition, floor)
        return judgement.verdict in HELD and holder is HeldBy.UNKNOWN
