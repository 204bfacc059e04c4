"""What a client's connections show so far never claims more than the wire does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from reports.verdicts.judge import Verdict
from reports.verdicts.so_far import OPEN, REFUSES, so_far
from servers.observed import Connection
from servers.protocols import LADDER
from tests.support.builders import (
    EVERYTHING,
    FLOORS,
    SMALL,
    STRICT,
    TLS1_2,
    Obstacle,
    Stack,
    a_catalogue,
    ladder,
    meet,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servers.catalogue import Server
    from servers.protocols import Protocol

CATALOGUE = a_catalogue()
SOUND = {server.id for server in SMALL}
UNLISTED = Stack(frozenset({TLS1_2}), lists_them=False)


def after(
    client: Stack, servers: Iterable[Server], obstacle: Obstacle = Obstacle.NOTHING
) -> tuple[Connection, ...]:
    """Return a client's connections to some servers."""
    return tuple(Connection(0.0, server, meet(client, server, obstacle).wire[0]) for server in servers)


def test_a_connection_below_the_floor_is_proof() -> None:
    """The lowest version at which data went both ways is named, with its server."""
    word, reason = so_far(after(EVERYTHING, SMALL), SOUND, CATALOGUE, TLS1_2)
    assert word == Verdict.DOWNGRADED
    assert reason.startswith("connected at SSLv3 to only_ssl3, at TLSv1 to only_1_0, ")


def test_a_handshake_below_the_floor_is_proof_without_data() -> None:
    """Who completes an old handshake and sends nothing has connected below the floor all the same."""
    (one,) = after(EVERYTHING, [server for server in SMALL if server.id == "only_1_0"])
    silent = replace(one, wire=replace(one.wire, client_data=0, server_data=0, finished=True))
    said = so_far([silent], SOUND, CATALOGUE, TLS1_2)
    assert said == (Verdict.DOWNGRADED, "connected at TLSv1 to only_1_0")
    broken = replace(silent, wire=replace(silent.wire, faults=("record cut",)))
    assert so_far([broken], SOUND, CATALOGUE, TLS1_2)[0] != Verdict.DOWNGRADED


def test_a_server_without_a_control_does_not_count() -> None:
    """What a server says whose control failed neither proves a downgrade nor counts as a refusal."""
    assert so_far(after(EVERYTHING, SMALL), (), CATALOGUE, TLS1_2)[0] == OPEN
    assert so_far(after(STRICT, SMALL), (), CATALOGUE, TLS1_2)[0] == OPEN


def test_an_old_version_on_offer_is_fragile() -> None:
    """A client that was stopped by something else still offers what is below the floor."""
    word, reason = so_far(after(EVERYTHING, SMALL, Obstacle.SIGNATURE), SOUND, CATALOGUE, TLS1_2)
    assert word == Verdict.FRAGILE
    assert "only because something else stopped it" in reason


def test_going_along_with_an_old_version_is_fragile() -> None:
    """A client whose hello lists nothing is fragile if it does not refuse what a server chose."""
    old = Stack(frozenset(LADDER[1:4]), lists_them=False)
    word, reason = so_far(after(old, SMALL, Obstacle.SIGNATURE), SOUND, CATALOGUE, TLS1_2)
    assert word == Verdict.FRAGILE
    assert "only because something else stopped it" in reason


def test_what_is_left_to_meet_is_named() -> None:
    """Until every server below the floor was refused, the rest are listed and nothing is claimed."""
    some = [server for server in ladder(CATALOGUE) if server.id != "only_1_0"]
    word, reason = so_far(after(STRICT, some), SOUND, CATALOGUE, TLS1_2)
    assert word == OPEN
    assert reason.endswith("left: only_1_0")


def test_refusing_everything_is_said_as_the_wires_word() -> None:
    """A client that refused all of them refuses, as far as the wire shows; that is not `enforced`."""
    for client in (STRICT, UNLISTED):
        word, reason = so_far(after(client, SMALL), SOUND, CATALOGUE, TLS1_2)
        assert word == REFUSES
        assert "as far as the wire shows" in reason


@given(
    versions=st.frozensets(st.sampled_from(LADDER), min_size=1),
    lists=st.booleans(),
    floor=st.sampled_from(FLOORS),
    obstacle=st.sampled_from(Obstacle),
    met=st.frozensets(st.sampled_from(SMALL)),
)
def test_nothing_short_of_every_refusal_reads_as_one(
    *, versions: frozenset[Protocol], lists: bool, floor: Protocol, obstacle: Obstacle, met: frozenset[Server]
) -> None:
    """Only a client that listed nothing below the floor, or refused it each time, refuses."""
    client = Stack(versions, lists)
    word, _ = so_far(after(client, met, obstacle), SOUND, CATALOGUE, floor)
    low = {server for server in ladder(CATALOGUE) if server.only_below(floor)}
    if word == REFUSES:
        assert low <= met
        assert not any(client.chosen(server) in client.versions for server in low)
        assert obstacle is not Obstacle.SILENCE
