"""Judging one cell: only what both witnesses show counts, whatever is done to either of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.verdicts.cells import (
    CERTIFICATE_ALERTS,
    VERSION_UNKNOWN,
    CellKind,
    CellResult,
    judge_cell,
    offer,
)
from reports.verdicts.observations import Account
from servers.catalogue import Role
from servers.protocols import LADDER, Protocol, Sender
from tests.support.builders import (
    FAILED,
    FLOORS,
    PASSED,
    SSL3,
    TLS1_0,
    TLS1_1,
    TLS1_2,
    TLS1_3,
    Obstacle,
    Stack,
    a_server,
    a_wire,
    an_alert,
    an_observation,
    broken_off,
    connected,
    failed,
    meet,
    untold,
)
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from reports.verdicts.observations import Observation
    from servers.catalogue import Server
    from servers.wire import WireAccount

OLD = a_server("only_1_0", TLS1_0)
OPEN = a_server("open", TLS1_0, TLS1_1, TLS1_2, TLS1_3)
EVERYTHING = frozenset(LADDER)
MODERN = frozenset({TLS1_2, TLS1_3})
PROTECTED = (CellKind.NOT_OFFERED, CellKind.REJECTED)


def shown(result: CellResult) -> tuple[CellKind, Protocol | None]:
    """Return what a cell came to, and at which version."""
    return result.kind, result.protocol


def _servers() -> Iterator[Server]:
    """Give a server for each unbroken run of versions."""
    for low, high in itertools.combinations(range(len(LADDER) + 1), 2):
        yield a_server(f"from_{low}_to_{high}", *LADDER[low:high])


def _clients(lists_them: bool) -> Iterator[Stack]:  # noqa: FBT001
    """Give a client for each set of versions; one that knows TLS 1.3 always lists them."""
    for count in range(1, len(LADDER) + 1):
        for versions in itertools.combinations(LADDER, count):
            if lists_them or TLS1_3 not in versions:
                yield Stack(frozenset(versions), lists_them)


def _expected(  # noqa: PLR0911  one return for each cause
    client: Stack, server: Server, obstacle: Obstacle
) -> tuple[CellKind, Protocol | None]:
    """Say from the causes alone how a cell must come out."""
    version = client.chosen(server)
    if obstacle is Obstacle.SILENCE:  # a dead server refuses nobody
        return CellKind.INCONCLUSIVE, None
    if version is None:
        return CellKind.NOT_OFFERED, None
    if obstacle is Obstacle.CIPHER:
        return CellKind.BLOCKED, None
    if version not in client.versions:
        return CellKind.REJECTED, None
    if obstacle is Obstacle.NOTHING:
        return CellKind.CONNECTED, version
    if obstacle is Obstacle.SIGNATURE and version is not TLS1_3:
        return CellKind.BLOCKED, None
    return CellKind.INCONCLUSIVE, None


@pytest.mark.parametrize("lists_them", [True, False])
@pytest.mark.parametrize("obstacle", Obstacle)
def test_the_outcome_follows_from_the_causes(lists_them: bool, obstacle: Obstacle) -> None:  # noqa: FBT001
    """Every set of offered versions x every server x every obstacle comes out as its causes say."""
    for client, server in itertools.product(_clients(lists_them), _servers()):
        outcome = judge_cell(meet(client, server, obstacle), server)
        kind, version = _expected(client, server, obstacle)
        seen = (outcome.kind, outcome.protocol if outcome.kind is CellKind.CONNECTED else None)
        assert seen == (kind, version), (client, server.protocols)


@pytest.mark.parametrize("obstacle", Obstacle)
def test_nothing_counts_after_a_failed_control(obstacle: Obstacle) -> None:
    """Whatever both witnesses say, a server that failed its control proves nothing, and the cell says so."""
    for client, server in itertools.product(_clients(lists_them=True), _servers()):
        cell = replace(meet(client, server, obstacle), control=FAILED)
        outcome = judge_cell(cell, server)
        assert outcome.kind is CellKind.INCONCLUSIVE
        assert FAILED.reason in outcome.reason


def _mark(cell: Observation, **changes: Any) -> Observation:
    """Change facts of a cell's only connection."""
    return replace(cell, wire=(replace(cell.wire[0], **changes),))


SABOTAGE: dict[str, tuple[CellKind, Any]] = {
    "the client reports another version than the wire": (
        CellKind.INCONCLUSIVE,
        lambda cell: replace(cell, account=connected(TLS1_1)),
    ),
    "the client reports no version": (
        CellKind.INCONCLUSIVE,
        lambda cell: replace(cell, account=connected(None)),
    ),
    "the client denies the connection": (CellKind.INCONCLUSIVE, lambda cell: replace(cell, account=failed())),
    "the client gave no account": (
        CellKind.MISSING,
        lambda cell: replace(cell, account=None, missing="the probe died of SIGKILL"),
    ),
    "the tap cut the record": (CellKind.INCONCLUSIVE, lambda cell: _mark(cell, faults=("record cut",))),
    "the tap lost the hello": (
        CellKind.INCONCLUSIVE,
        lambda cell: _mark(cell, client_hello="", offered=None),
    ),
    "the tap lost the server's answer": (
        CellKind.INCONCLUSIVE,
        lambda cell: _mark(cell, server_version=None, server_hello="", server_data=0),
    ),
    "the tap lost the client's data": (CellKind.INCONCLUSIVE, lambda cell: _mark(cell, client_data=0)),
    "the tap lost the server's data": (CellKind.INCONCLUSIVE, lambda cell: _mark(cell, server_data=0)),
    "the tap shows another hello": (
        CellKind.INCONCLUSIVE,
        lambda cell: _mark(cell, offered=(TLS1_3, TLS1_2)),
    ),
    "the tap shows another answer": (CellKind.INCONCLUSIVE, lambda cell: _mark(cell, server_version=TLS1_1)),
    "no connection passed the tap": (CellKind.INCONCLUSIVE, lambda cell: replace(cell, wire=())),
    "the control failed": (CellKind.INCONCLUSIVE, lambda cell: replace(cell, control=FAILED)),
}
"""What is done to a cell that both witnesses agree went to TLS 1.0, and what it is worth then."""


@pytest.mark.parametrize("alerts", [(), (None,), ("internal_error",), ("unknown_ca",)])
@pytest.mark.parametrize("version", [TLS1_0, TLS1_1, TLS1_2])
def test_a_client_that_fails_behind_the_handshake_was_not_stopped(
    version: Protocol, alerts: tuple[str | None, ...]
) -> None:
    """Who completed a handshake and then failed was not blocked by anything in it, however it took leave."""
    server = a_server("only", version)
    wire = replace(a_wire((version,), version, alerts=map(an_alert, alerts)), finished=True)
    outcome = judge_cell(an_observation(server, failed("no answer"), wire), server)
    assert outcome.kind is CellKind.INCONCLUSIVE
    assert f"completed a handshake at {version}" in outcome.reason
    assert outcome.reason.startswith("a trust failure: ")
    asked = replace(wire, client_data=40)
    assert "trust" not in judge_cell(an_observation(server, failed("no answer"), asked), server).reason


@pytest.mark.parametrize("version", LADDER)
@pytest.mark.parametrize("obstacle", [Obstacle.CERTIFICATE, Obstacle.HANG_UP, Obstacle.AFTERWARDS])
def test_a_refused_certificate_is_told(obstacle: Obstacle, version: Protocol) -> None:
    """However a client refuses a certificate, the cell says that this may be it, and no version is held."""
    server = a_server("only", version)
    outcome = judge_cell(meet(Stack(EVERYTHING), server, obstacle), server)
    assert outcome.kind is CellKind.INCONCLUSIVE
    assert "trust failure" in outcome.reason or "refused the certificate" in outcome.reason


def _idle(version: Protocol) -> WireAccount:
    """Return a connection that completed a handshake and was closed without a request."""
    return replace(a_wire(EVERYTHING, version, alerts=[an_alert(None)]), finished=version is not TLS1_3)


UNOPENED = a_wire(None, client_hello="", ceiling=None)


@pytest.mark.parametrize("version", LADDER)
@pytest.mark.parametrize("told", [True, False])
def test_connections_that_a_pool_did_not_need_are_no_contradiction(version: Protocol, *, told: bool) -> None:
    """A client that got its answer on one connection may have opened others: in any order, that counts."""
    server = a_server("only", version)
    account = connected(version if told else VERSION_UNKNOWN)
    made = a_wire(EVERYTHING, version, data=(40, 9000), used=True)
    for wires in itertools.permutations((made, _idle(version), UNOPENED)):
        assert shown(judge_cell(an_observation(server, account, *wires), server)) == (
            CellKind.CONNECTED,
            version,
        )
    for wires in ((_idle(version), UNOPENED), (UNOPENED,)):
        if version is not TLS1_3:
            assert judge_cell(an_observation(server, account, *wires), server).undecided


@pytest.mark.parametrize(
    "changes", [{"faults": ("record cut",)}, {"finished": False}, {"server_version": TLS1_0}]
)
def test_an_idle_connection_that_may_hide_something_counts(changes: dict[str, Any]) -> None:
    """One that is cut, broke off within its handshake, or came to less leaves the cell undecided."""
    server = a_server("two", TLS1_0, TLS1_1)
    made = a_wire(EVERYTHING, TLS1_1, data=(40, 9000), used=True)
    sound = an_observation(server, connected(TLS1_1), made, _idle(TLS1_1))
    assert shown(judge_cell(sound, server)) == (CellKind.CONNECTED, TLS1_1)
    unsound = an_observation(server, connected(TLS1_1), made, replace(_idle(TLS1_1), **changes))
    assert judge_cell(unsound, server).undecided


@pytest.mark.parametrize("version", FLOORS)
def test_a_client_that_cannot_tell_its_version_leaves_it_to_the_wire(version: Protocol) -> None:
    """An answer whose client cannot tell the version counts at the wire's, where the wire shows the data."""
    server = a_server("only", version)
    sound = replace(meet(Stack(EVERYTHING), server), account=connected(VERSION_UNKNOWN))
    assert shown(judge_cell(sound, server)) == (CellKind.CONNECTED, version)
    assert judge_cell(_mark(sound, server_data=0), server).kind is CellKind.INCONCLUSIVE


def test_the_word_for_it_is_the_passengers(passenger: Callable[[str], ModuleType]) -> None:
    """What such a client says is what the judgement waits for."""
    assert passenger("status_page").VERSION_UNKNOWN == VERSION_UNKNOWN


@pytest.mark.parametrize("what", SABOTAGE)
def test_a_broken_witness_leaves_a_cell_undecided(what: str) -> None:
    """A cell that connected says nothing more once one of its witnesses is broken, and says why."""
    kind, damage = SABOTAGE[what]
    sound = meet(Stack(EVERYTHING), OLD)
    assert shown(judge_cell(sound, OLD)) == (CellKind.CONNECTED, TLS1_0)
    outcome = judge_cell(damage(sound), OLD)
    assert outcome.kind is kind
    assert outcome.kind.undecided
    assert outcome.reason


def test_a_version_that_the_server_does_not_speak_is_a_contradiction() -> None:
    """Where both witnesses agree on a version that the control showed the server not to speak, one lies."""
    wire = a_wire(EVERYTHING, TLS1_0, data=(40, 9000))
    outcome = judge_cell(an_observation("only_1_2", connected(TLS1_0), wire), a_server("only_1_2", TLS1_2))
    assert outcome.kind is CellKind.INCONCLUSIVE
    assert "does not speak" in outcome.reason


def test_a_probe_that_died_leaves_its_reason_in_the_cell() -> None:
    """A cell without an account is missing, with the reason that the measuring gave."""
    cell = an_observation(OLD, None, missing="the probe died of SIGKILL after it began ssl on only_1_0")
    assert shown(judge_cell(cell, OLD)) == (CellKind.MISSING, None)
    assert judge_cell(cell, OLD).reason == cell.missing


@pytest.mark.parametrize("alert", sorted(CERTIFICATE_ALERTS))
def test_a_refused_certificate_says_nothing_about_versions(alert: str) -> None:
    """A client that stops at the certificate was never asked about its version."""
    wire = a_wire(EVERYTHING, TLS1_0, alerts=[an_alert(alert)])
    assert judge_cell(an_observation(OLD, failed("tls error"), wire), OLD).kind is CellKind.INCONCLUSIVE


def test_the_clients_words_tell_of_a_certificate_that_its_alert_does_not() -> None:
    """A certificate error in the client's account is enough, even behind another alert."""
    wire = a_wire(EVERYTHING, TLS1_0, alerts=[an_alert("internal_error")])
    cell = an_observation(OLD, failed("CERTIFICATE_VERIFY_FAILED"), wire)
    assert judge_cell(cell, OLD).kind is CellKind.INCONCLUSIVE


def test_the_servers_alert_is_no_rejection_by_the_client() -> None:
    """A protocol_version alert counts as the client's refusal only if the client sent it."""
    wire = a_wire(EVERYTHING, TLS1_0, alerts=[an_alert("protocol_version", Sender.SERVER)])
    assert judge_cell(an_observation(OLD, failed(), wire), OLD).kind not in PROTECTED


def test_a_server_that_refuses_an_offered_version_contradicts_its_control() -> None:
    """A server that says protocol_version to a version it speaks makes the cell undecided, not safe."""
    wire = a_wire(EVERYTHING, None, alerts=[an_alert("protocol_version", Sender.SERVER)])
    assert judge_cell(an_observation(OLD, failed(), wire), OLD).kind is CellKind.INCONCLUSIVE


def test_an_unknown_hello_is_not_taken_for_a_refusal() -> None:
    """A hello whose versions cannot be told apart is not read as one that leaves the version out."""
    wire = a_wire(None, None, ceiling=None, alerts=[an_alert("handshake_failure", Sender.SERVER)])
    assert judge_cell(an_observation(OLD, failed(), wire), OLD).kind not in PROTECTED


@pytest.mark.parametrize("offered", [EVERYTHING, MODERN, None])
@pytest.mark.parametrize("alert", ["protocol_version", "internal_error", None])
def test_data_at_an_old_version_is_never_a_refusal(
    offered: frozenset[Protocol] | None, alert: str | None
) -> None:
    """A client that denies a connection on which data passed both ways contradicts the wire, alert or not."""
    wire = a_wire(offered, TLS1_0, alerts=[an_alert(alert)], data=(40, 9000))
    outcome = judge_cell(an_observation(OLD, failed("Read timed out"), wire), OLD)
    assert outcome.kind is CellKind.INCONCLUSIVE
    assert "the wire shows data both ways at TLSv1" in outcome.reason


@pytest.mark.parametrize("order", [1, -1])
def test_being_stopped_once_outweighs_refusing_once(order: int) -> None:
    """Of two connections of which one was blocked and one refused, the cell is blocked, in either order."""
    blocked = a_wire(EVERYTHING, TLS1_0, alerts=[an_alert("internal_error")])
    for refused in (
        a_wire(MODERN, None, alerts=[an_alert("protocol_version", Sender.SERVER)]),
        a_wire(EVERYTHING, TLS1_0, alerts=[an_alert("protocol_version")]),
    ):
        cell = an_observation(OLD, failed(), *(blocked, refused)[::order])
        assert judge_cell(cell, OLD).kind is CellKind.BLOCKED


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_connections_the_one_that_went_lower_counts(order: int) -> None:
    """A refused connection beside one that was made does not hide it, in either order."""
    made = meet(Stack(EVERYTHING), OLD).wire[0]
    refused = a_wire(MODERN, None, alerts=[an_alert("protocol_version", Sender.SERVER)])
    cell = an_observation(OLD, connected(TLS1_0), *(made, refused)[::order])
    assert shown(judge_cell(cell, OLD)) == (CellKind.CONNECTED, TLS1_0)


@pytest.mark.parametrize("order", [1, -1])
def test_a_refusal_does_not_cover_for_a_damaged_connection(order: int) -> None:
    """Of two connections of which one is damaged and one refused, nothing is known."""
    refused = a_wire(MODERN, None, alerts=[an_alert("protocol_version", Sender.SERVER)])
    damaged = replace(refused, faults=("a record of 512 bytes ended after 100",))
    cell = an_observation(OLD, failed(), *(refused, damaged)[::order])
    assert judge_cell(cell, OLD).kind is CellKind.INCONCLUSIVE


@pytest.mark.parametrize("order", [1, -1])
def test_a_high_connection_does_not_hide_a_low_one(order: int) -> None:
    """Where the wire shows data at TLS 1.0 beside the version that the client reports, it is no TLS 1.3."""
    low = a_wire(EVERYTHING, TLS1_0, data=(40, 9000))
    high = a_wire(EVERYTHING, TLS1_3, data=(100, 9000))
    cell = an_observation(OPEN, connected(TLS1_3), *(low, high)[::order])
    assert shown(judge_cell(cell, OPEN)) != (CellKind.CONNECTED, TLS1_3)


@pytest.mark.parametrize("order", [1, -1])
def test_a_high_connection_does_not_cover_for_a_damaged_one(order: int) -> None:
    """On a server that speaks old versions too, a damaged connection may have been at one of them."""
    high = a_wire(EVERYTHING, TLS1_3, data=(100, 9000))
    damaged = a_wire(EVERYTHING, None, faults=("bytes that are no TLS record",))
    cell = an_observation(OPEN, connected(TLS1_3), *(high, damaged)[::order])
    assert shown(judge_cell(cell, OPEN)) != (CellKind.CONNECTED, TLS1_3)


def test_a_version_above_the_hellos_ceiling_is_a_contradiction() -> None:
    """A client whose hello ends at TLS 1.0 cannot have connected at TLS 1.2."""
    server = a_server("only_1_2", TLS1_2)
    wire = a_wire(None, TLS1_2, ceiling=TLS1_0, data=(40, 9000))
    assert judge_cell(an_observation(server, connected(TLS1_2), wire), server).kind is CellKind.INCONCLUSIVE


@pytest.mark.parametrize("alerts", [[], [an_alert("internal_error")], [an_alert(None)]])
def test_going_along_with_what_was_not_offered_is_not_safe(alerts: list[Any]) -> None:
    """A client that the server led to TLS 1.0 and that did not refuse is not safe by its hello alone."""
    wire = a_wire(MODERN, TLS1_0, alerts=alerts)
    assert judge_cell(an_observation(OLD, failed("timed out"), wire), OLD).kind not in PROTECTED


def test_a_request_sent_at_an_old_version_was_not_blocked() -> None:
    """A client that sent application data at TLS 1.0 had completed the handshake: nothing stopped it."""
    wire = a_wire(EVERYTHING, TLS1_0, alerts=[an_alert(None)], data=(40, 0))
    cell = an_observation(OLD, failed("Read timeout", "ReadTimeoutError"), wire)
    assert judge_cell(cell, OLD).kind is not CellKind.BLOCKED


# Commands, of which the wire alone tells ------------------------------------------------------------------


def _by_wire(server: Server, account: Account, *wires: WireAccount) -> CellResult:
    return judge_cell(an_observation(server, account, *wires), server)


REFUSED = a_wire(MODERN, None, alerts=[an_alert("protocol_version", Sender.SERVER)])
OLD_DATA = a_wire(EVERYTHING, TLS1_0, data=(40, 0), used=True)


@pytest.mark.parametrize("obstacle", Obstacle)
def test_a_command_is_judged_as_a_client_that_tells_the_truth(obstacle: Obstacle) -> None:
    """Whether a client tells what the wire shows, or nothing, its cell comes out the same."""
    for client, server in itertools.product(_clients(lists_them=True), _servers()):
        cell = meet(client, server, obstacle)
        honest = cell.account
        assert honest is not None
        wires = tuple(replace(wire, used=honest.outcome == "connected") for wire in cell.wire)
        text = f"{honest.error_class}: {honest.error_text}"
        silent = replace(cell, wire=wires, account=untold(text))
        assert shown(judge_cell(silent, server)) == shown(judge_cell(cell, server))


@pytest.mark.parametrize("account", [untold("ended with status 7: not what was asked for"), broken_off()])
@pytest.mark.parametrize("faults", [(), ("silent for 2 s while others waited, ended by the tap",)])
def test_data_of_a_command_below_the_floor_is_a_connection(account: Account, faults: tuple[str]) -> None:
    """However the command or the connection ended, and whether or not it was answered: it went there."""
    wire = replace(OLD_DATA, faults=faults)
    assert shown(_by_wire(OLD, account, wire)) == (CellKind.CONNECTED, TLS1_0)
    assert shown(_by_wire(OLD, account, REFUSED, wire, REFUSED)) == (CellKind.CONNECTED, TLS1_0)


@pytest.mark.parametrize("account", [untold(), untold("ended with status 1: no route"), broken_off()])
def test_a_command_that_never_connected_is_not_safe(account: Account) -> None:
    """Without a connection, or with one on which it said nothing, nothing is known but its words."""
    silent = a_wire(None, client_hello="", ceiling=None)
    for wires in ((), (silent,), (silent, silent)):
        result = _by_wire(OLD, account, *wires)
        assert result.kind is CellKind.INCONCLUSIVE
        assert str(account.error_text) in result.reason


def test_a_refusal_counts_only_of_a_command_that_ended_by_itself() -> None:
    """One that hangs, or dies, after it was refused might have come back with less."""
    assert _by_wire(OLD, untold("ended with status 35"), REFUSED).kind is CellKind.NOT_OFFERED
    result = _by_wire(OLD, broken_off("ended with signal 11"), REFUSED)
    assert result.kind is CellKind.INCONCLUSIVE
    assert result.reason.startswith("ended with signal 11; until then: not offered (")
    assert _by_wire(OLD, broken_off(), OLD_DATA, REFUSED).kind is CellKind.CONNECTED


def test_a_look_at_the_port_is_no_attempt() -> None:
    """A connection without a byte, as of a health check, changes nothing beside a real one."""
    look = a_wire(None, client_hello="", ceiling=None)
    assert _by_wire(OLD, untold(), look, REFUSED).kind is CellKind.NOT_OFFERED
    assert shown(_by_wire(OLD, untold(), look, OLD_DATA)) == (CellKind.CONNECTED, TLS1_0)
    rubbish = replace(look, faults=("bytes that are no TLS record: 47455420",))
    assert _by_wire(OLD, untold(), rubbish, REFUSED).kind is CellKind.INCONCLUSIVE


def test_a_connection_without_a_byte_takes_back_no_refusal() -> None:
    """A client that failed may have opened one more by then: the refusal stands, and alone it is none."""
    refused = an_observation(OLD, failed(), REFUSED, UNOPENED)
    assert judge_cell(refused, OLD).kind is CellKind.NOT_OFFERED
    assert judge_cell(an_observation(OLD, failed(), UNOPENED), OLD).undecided
    cut = replace(UNOPENED, faults=("record cut",))
    assert judge_cell(an_observation(OLD, failed(), REFUSED, cut), OLD).undecided


def test_a_handshake_without_data_is_no_connection_of_a_command() -> None:
    """It may have looked at the version and gone: that is neither a connection nor a refusal."""
    for version in (TLS1_0, TLS1_2, TLS1_3):
        server = a_server("one", version)
        wire = replace(a_wire(EVERYTHING, version, alerts=[an_alert(None)]), finished=version is not TLS1_3)
        assert _by_wire(server, untold(), wire).kind is CellKind.INCONCLUSIVE


def test_a_command_cannot_use_what_was_not_offered() -> None:
    """Data at a version that the hello does not list, or the server does not speak, is a contradiction."""
    for server, wire in (
        (OLD, a_wire(MODERN, TLS1_0, data=(40, 9000), used=True)),
        (OLD, a_wire(EVERYTHING, TLS1_2, data=(40, 9000), used=True)),
    ):
        assert _by_wire(server, untold(), wire).kind is CellKind.INCONCLUSIVE


def test_a_command_is_fooled_or_holds_by_the_wire_too() -> None:
    """On a server that tampers it went along if it sent data, and its alert counts only if it then ended."""
    server = a_server("tampers", TLS1_1, role=Role.ATTACK, script="hello", expect="illegal_parameter")
    fooled = a_wire(EVERYTHING, TLS1_1, data=(40, 900), used=True)
    held = a_wire(EVERYTHING, TLS1_1, alerts=[an_alert("illegal_parameter")])
    for account in (untold(), broken_off()):
        assert _by_wire(server, account, fooled).kind is CellKind.FOOLED
    assert _by_wire(server, untold(), held).kind is CellKind.HELD
    assert _by_wire(server, broken_off(), held).kind is CellKind.INCONCLUSIVE


def test_an_account_of_the_wrong_type_is_no_crash() -> None:
    """A probe that puts a number where a text belongs costs its cell, not the report."""
    account = Account("failed", None, None, "E", 5, 0.1)  # type: ignore[arg-type]
    wire = a_wire(EVERYTHING, TLS1_0, alerts=[an_alert("internal_error")])
    assert judge_cell(an_observation(OLD, account, wire), OLD).kind not in PROTECTED


def test_a_cell_shows_its_version_only_if_it_connected() -> None:
    """The report's cell is the version of a connection, else the kind of outcome."""
    assert str(CellResult(OLD, CellKind.CONNECTED, TLS1_1)) == "TLSv1.1"
    shown = {str(CellResult(OLD, kind, TLS1_1)) for kind in CellKind if kind is not CellKind.CONNECTED}
    assert shown == {str(kind) for kind in CellKind if kind is not CellKind.CONNECTED}


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (a_wire([TLS1_0, TLS1_1, TLS1_2]), "TLSv1 to TLSv1.2"),
        (a_wire([TLS1_0, TLS1_2]), "TLSv1, TLSv1.2"),
        (a_wire([]), "nothing"),
        (a_wire(None, ceiling=TLS1_1), "up to TLSv1.1"),
        (a_wire(None, ceiling=None), "an unknown version"),
    ],
)
def test_an_offer_reads_like_a_sentence(wire: WireAccount, words: str) -> None:
    """A hello's versions are named as a range, a list, or a ceiling where only that is known."""
    assert offer(wire) == words


VERSIONS = st.none() | st.sampled_from(LADDER)
ALERTS = st.builds(
    an_alert,
    st.sampled_from(["protocol_version", "internal_error", "handshake_failure", "unknown_ca", None]),
    st.sampled_from(list(Sender)),
)
WIRES = st.builds(
    a_wire,
    st.none() | st.frozensets(st.sampled_from(LADDER)),
    VERSIONS,
    alerts=st.lists(ALERTS, max_size=2),
    data=st.tuples(st.sampled_from([0, 40]), st.sampled_from([0, 9000])),
    ceiling=VERSIONS,
    client_hello=st.sampled_from(["010001fc", "010001fc", ""]),
    faults=st.sampled_from([(), (), ("record cut",)]),
)
ACCOUNTS = st.builds(connected, VERSIONS) | st.sampled_from([failed(), failed("certificate"), None])
CONTROLS = st.sampled_from([PASSED, PASSED, PASSED, FAILED])
SERVERS = st.sampled_from(tuple(_servers()))


def _could_reach(wire: WireAccount, server: Server) -> bool:
    """Whether the hello leaves the server a version to choose."""
    if wire.offered is not None:
        return any(version in server.protocols for version in wire.offered)
    return wire.legacy_version is None or any(
        LADDER.index(version) <= LADDER.index(wire.legacy_version) for version in server.protocols
    )


@examples(120)
@given(ACCOUNTS, WIRES, CONTROLS, SERVERS)
def test_each_outcome_rests_on_what_both_witnesses_show(
    account: Account | None, wire: WireAccount, control: Any, server: Server
) -> None:
    """Connected, not offered and rejected each need a passed control, a sound record and its own proof."""
    outcome = judge_cell(an_observation(server, account, wire, control=control), server)
    if outcome.kind.undecided or outcome.kind is CellKind.BLOCKED:
        assert outcome.reason
        return
    assert control.passed
    assert account is not None
    assert wire.client_hello
    assert not wire.faults
    if outcome.kind is CellKind.CONNECTED:
        assert outcome.protocol == account.version == wire.server_version
        assert account.outcome == "connected"
        assert wire.client_data
        assert wire.server_data
        assert outcome.protocol in server.protocols
        assert wire.offered is None or outcome.protocol in wire.offered
    elif outcome.kind is CellKind.NOT_OFFERED:
        assert account.outcome == "failed"
        assert not _could_reach(wire, server)
    else:
        assert outcome.kind is CellKind.REJECTED
        assert account.outcome == "failed"
        assert an_alert("protocol_version") in wire.alerts
        assert wire.server_version is not None


FACTS: dict[str, st.SearchStrategy[Any]] = {
    "offered": st.none() | st.permutations(LADDER).map(tuple) | st.just((TLS1_3, TLS1_2)) | st.just(()),
    "legacy_version": VERSIONS,
    "server_version": VERSIONS,
    "alerts": st.lists(ALERTS, max_size=2).map(tuple),
    "client_data": st.just(0),
    "server_data": st.just(0),
    "client_hello": st.just(""),
    "faults": st.just(("record cut",)),
}
CHANGES = st.sampled_from(sorted(FACTS)).flatmap(
    lambda fact: st.tuples(st.just(fact), FACTS[fact])
) | st.tuples(st.just("account"), ACCOUNTS)


@examples(60)
@given(CHANGES, st.sampled_from([SSL3, TLS1_0, TLS1_1]))
def test_no_single_fact_makes_a_downgrade_safe(change: tuple[str, Any], version: Protocol) -> None:
    """A cell that went low stays what it is, or becomes undecided, whichever one fact of it is changed."""
    server = a_server("low", version)
    sound = meet(Stack(EVERYTHING), server)
    fact, value = change
    cell = replace(sound, account=value) if fact == "account" else _mark(sound, **{fact: value})
    outcome = judge_cell(cell, server)
    assert shown(outcome) == (CellKind.CONNECTED, version) or outcome.kind.undecided


SENTINEL = a_server("low", TLS1_1, role=Role.ATTACK, script="sentinel", expect="illegal_parameter")
FALLBACK = a_server("hangs_up", *LADDER[1:], role=Role.ATTACK, script="close")


def test_noticing_the_sentinel_is_holding() -> None:
    """A client that aborts as the RFC asks has held, and the cell says after which version."""
    wire = a_wire(EVERYTHING, TLS1_1, alerts=[an_alert("illegal_parameter")])
    outcome = judge_cell(an_observation(SENTINEL, failed(), wire), SENTINEL)
    assert outcome.kind is CellKind.HELD
    assert "asks for" not in outcome.reason


def test_going_along_with_the_sentinel_is_being_fooled() -> None:
    """A client that offered TLS 1.3 and connects all the same was fooled, at the version it used."""
    wire = a_wire(EVERYTHING, TLS1_1, data=(40, 9000))
    outcome = judge_cell(an_observation(SENTINEL, connected(TLS1_1), wire), SENTINEL)
    assert (outcome.kind, outcome.protocol) == (CellKind.FOOLED, TLS1_1)


def test_without_the_protected_version_there_is_nothing_to_notice() -> None:
    """A client that does not offer what the server speaks is not tried by its sentinel."""
    wire = a_wire(MODERN, None, alerts=[an_alert("protocol_version", Sender.SERVER)])
    assert judge_cell(an_observation(SENTINEL, failed(), wire), SENTINEL).kind is CellKind.NOT_OFFERED


def test_a_client_without_tls13_is_not_fooled_by_the_sentinel() -> None:
    """A client that knows no TLS 1.3 was not talked down from it: RFC 8446 asks nothing of it at 1.2."""
    server = replace(SENTINEL, protocols=frozenset({TLS1_2}))
    wire = a_wire(None, TLS1_2, ceiling=TLS1_2, data=(40, 9000))
    assert judge_cell(an_observation(server, connected(TLS1_2), wire), server).kind is not CellKind.FOOLED


@pytest.mark.parametrize("alert", ["unknown_ca", "bad_certificate", None])
def test_an_alert_about_something_else_is_not_holding(alert: str | None) -> None:
    """A client that stopped at the certificate, or behind its encryption, did not notice the sentinel."""
    wire = a_wire(EVERYTHING, TLS1_1, alerts=[an_alert(alert)])
    assert judge_cell(an_observation(SENTINEL, failed(), wire), SENTINEL).kind is not CellKind.HELD


@pytest.mark.parametrize("later", [None, *LADDER])
def test_coming_back_with_less_is_being_fooled(later: Protocol | None) -> None:
    """After a hang-up any later hello that ends lower than the first is a fallback, and only that."""
    again = [] if later is None else [a_wire(LADDER[: LADDER.index(later) + 1])]
    outcome = judge_cell(an_observation(FALLBACK, failed(), a_wire(EVERYTHING), *again), FALLBACK)
    lower = later is not None and later is not TLS1_3
    assert outcome.kind is (CellKind.FOOLED if lower else CellKind.HELD)
    assert f"{1 + len(again)} connection" in outcome.reason


def test_a_damaged_record_of_an_attack_is_no_evidence() -> None:
    """One damaged connection among those of an attack makes the cell undecided."""
    wires = a_wire(EVERYTHING), a_wire(EVERYTHING, faults=("record cut",))
    assert judge_cell(an_observation(FALLBACK, failed(), *wires), FALLBACK).kind is CellKind.INCONCLUSIVE
