"""Judging one client: the verdict follows from the causes, and no gap or contradiction passes for safety."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.verdicts.cells import CellKind, CellResult
from reports.verdicts.judge import (
    HeldBy,
    Judgement,
    PageCheck,
    Verdict,
    explain,
    find,
    held_by,
    judge,
    offer_column,
    page_check,
    went_below,
)
from servers.catalogue import KeyExchange, Role
from servers.conditions import Condition
from servers.protocols import LADDER, Protocol, Sender
from tests.support.builders import (
    ATTACK,
    ATTACKED,
    CRT,
    EVERYTHING,
    FAILED,
    FLOORS,
    PYCA,
    SMALL,
    STRICT,
    TLS1_0,
    TLS1_1,
    TLS1_2,
    TLS1_3,
    Obstacle,
    Stack,
    a_catalogue,
    a_finding,
    a_server,
    a_wire,
    an_alert,
    an_interpreter,
    an_observation,
    connected,
    failed,
    holding,
    ladder,
    meet,
)
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from interpreters.interpreter import Interpreter
    from reports.verdicts.observations import Account, Observation, OwnTls
    from servers.catalogue import Server

CATALOGUE = a_catalogue()
RUNGS = ladder(CATALOGUE)
SERVERS = {server.id: server for server in SMALL}
WORST_FIRST = list(Verdict)

few = examples(40)


def _clients() -> Iterator[Stack]:
    """Give a client for each unbroken run of versions, with and without supported_versions."""
    for low, high in itertools.combinations(range(len(LADDER) + 1), 2):
        versions = frozenset(LADDER[low:high])
        yield Stack(versions)
        if TLS1_3 not in versions:
            yield Stack(versions, lists_them=False)


RULES: dict[str, frozenset[KeyExchange]] = {
    "no security level": frozenset(),
    "no old signatures": frozenset(KeyExchange) - {KeyExchange.RSA},
    "nothing old": frozenset(KeyExchange),
}
"""The key exchanges that a client's security level stops below TLS 1.2; OpenSSL 3 has the second one."""


def _stops(rule: str, version: Protocol | None, server: Server) -> bool:
    """Whether the security level stops the client at this version with this server."""
    return bool(version and version.below(TLS1_2) and server.key_exchange in RULES[rule])


def _measure(client: Stack, rule: str) -> list[Observation]:
    """Let a client meet the whole ladder, under a security level or without one."""
    return [
        meet(
            client,
            server,
            Obstacle.SIGNATURE if _stops(rule, client.chosen(server), server) else Obstacle.NOTHING,
        )
        for server in RUNGS
    ]


def _expected(client: Stack, rule: str, floor: Protocol) -> Verdict:
    """Say from the causes alone what the verdict must be."""
    chosen = {server: client.chosen(server) for server in RUNGS}
    willing = {server: version for server, version in chosen.items() if version in client.versions}
    stopped = [version for server, version in willing.items() if _stops(rule, version, server)]
    made = [version for server, version in willing.items() if not _stops(rule, version, server)]
    if any(version and version.below(floor) for version in made):
        return Verdict.DOWNGRADED
    if not made:
        return Verdict.INCONCLUSIVE
    offers_old = client.lists_them and any(version.below(floor) for version in client.versions)
    nearly = any(version and version.below(floor) for version in stopped)
    return Verdict.FRAGILE if offers_old or nearly else Verdict.ENFORCED


@pytest.mark.parametrize(
    "floor",
    FLOORS,
)
def test_the_verdict_follows_from_the_causes(floor: Protocol) -> None:
    """Every client x security level has the verdict that its versions and what stops them add up to."""
    for client, rule in itertools.product(_clients(), RULES):
        judgement = judge(find(_measure(client, rule), CATALOGUE), CATALOGUE, floor)
        assert judgement.verdict is _expected(client, rule, floor), (client, rule)


def test_the_causes_lead_to_every_verdict() -> None:
    """The truth table above is no table of one answer: its causes add up to each verdict there is."""
    seen = {_expected(client, rule, TLS1_2) for client in _clients() for rule in RULES}
    assert seen == set(Verdict) - {Verdict.UNTESTABLE}


REFUSALS = (Obstacle.SIGNATURE, Obstacle.CERTIFICATE, Obstacle.HANG_UP, Obstacle.AFTERWARDS)
"""How a client may stop behind a ServerHello: at a signature, or at a certificate that it does not trust."""


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("refusal", REFUSALS)
def test_refusals_count_only_with_a_connection_beside_them(floor: Protocol, refusal: Obstacle) -> None:
    """A client that comes through nowhere was not shown to trust the servers: nothing of it holds a floor."""
    for client in _clients():
        met = [meet(client, server, refusal) for server in RUNGS]
        assert judge(find(met, CATALOGUE), CATALOGUE, floor).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("refusal", [Obstacle.CERTIFICATE, Obstacle.HANG_UP, Obstacle.AFTERWARDS])
def test_one_trust_failure_holds_no_floor(refusal: Obstacle) -> None:
    """A certificate that is refused on a single server below the floor leaves the whole client undecided."""
    client = Stack(EVERYTHING.versions)
    for failing in filter(lambda server: server.only_below(TLS1_2), RUNGS):
        met = [
            meet(client, server, refusal if server is failing else Obstacle.CIPHER)
            if server.only_below(TLS1_2)
            else meet(STRICT, server)
            for server in RUNGS
        ]
        judgement = judge(find(met, CATALOGUE), CATALOGUE, TLS1_2)
        if TLS1_3 not in failing.protocols:
            assert judgement.verdict is Verdict.INCONCLUSIVE
            assert failing.id in judgement.reason


def _outcomes(server: Server) -> st.SearchStrategy[CellResult]:
    """Draw any outcome that an honest judgement of this server's cell can have."""
    made = [a_finding(server, CellKind.CONNECTED, version) for version in sorted(server.protocols)]
    kinds = (
        CellKind.NOT_OFFERED,
        CellKind.REJECTED,
        CellKind.BLOCKED,
        CellKind.INCONCLUSIVE,
        CellKind.MISSING,
    )
    offers = st.frozensets(st.sampled_from(LADDER))
    return st.builds(
        replace, st.sampled_from([*made, *(a_finding(server, k) for k in kinds)]), offered=offers
    )


FINDINGS = st.fixed_dictionaries({server.id: _outcomes(server) for server in RUNGS})
RUNG = st.sampled_from(RUNGS)
FLOOR = st.sampled_from(FLOORS)
GAPS = st.sampled_from([CellKind.INCONCLUSIVE, CellKind.MISSING, None])


def _without(
    findings: Mapping[str, CellResult], server: Server, kind: CellKind | None
) -> dict[str, CellResult]:
    """Return the findings with one cell undecided, or gone."""
    rest = {name: finding for name, finding in findings.items() if name != server.id}
    return rest if kind is None else rest | {server.id: a_finding(server, kind)}


@few
@given(FINDINGS, RUNG, GAPS, FLOOR)
def test_no_set_with_a_gap_is_enforced(
    findings: dict[str, CellResult], server: Server, gap: CellKind | None, floor: Protocol
) -> None:
    """One undecided, missing or absent cell, wherever it is, and the client is not called safe."""
    verdict = judge(_without(findings, server, gap), CATALOGUE, floor).verdict
    assert verdict in (Verdict.DOWNGRADED, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("gap", [CellKind.INCONCLUSIVE, CellKind.MISSING, None])
def test_taking_any_cell_away_ends_enforcement(floor: Protocol, gap: CellKind | None) -> None:
    """A set that is enforced is so because of all its cells: without any one of them it is inconclusive."""
    findings = holding(CATALOGUE, floor)
    assert judge(findings, CATALOGUE, floor).verdict is Verdict.ENFORCED
    for server in RUNGS:
        judgement = judge(_without(findings, server, gap), CATALOGUE, floor)
        assert judgement.verdict is Verdict.INCONCLUSIVE
        assert server.id in judgement.reason


@few
@given(FINDINGS, st.data(), FLOOR)
def test_a_connection_below_the_floor_outweighs_everything(
    findings: dict[str, CellResult], data: st.DataObject, floor: Protocol
) -> None:
    """Adding one makes any set downgraded, never better, and its version the lowest at most."""
    before = judge(findings, CATALOGUE, floor)
    low = [s for s in RUNGS if not s.only_from(floor)]
    server = data.draw(st.sampled_from(low))
    version = data.draw(st.sampled_from([p for p in server.protocols if p.below(floor)]))
    worse = findings | {server.id: a_finding(server, CellKind.CONNECTED, version)}
    after = judge(worse, CATALOGUE, floor)
    assert after.verdict is Verdict.DOWNGRADED
    assert WORST_FIRST.index(after.verdict) <= WORST_FIRST.index(before.verdict)
    assert after.lowest is not None
    assert not version.below(after.lowest)


@few
@given(FINDINGS, st.randoms(use_true_random=False), FLOOR)
def test_the_order_of_the_cells_does_not_matter(
    findings: dict[str, CellResult], random: Any, floor: Protocol
) -> None:
    """However the cells are ordered, the judgement is the same to its last word."""
    shuffled = list(findings.items())
    random.shuffle(shuffled)
    assert judge(dict(shuffled), CATALOGUE, floor) == judge(findings, CATALOGUE, floor)


@few
@given(FINDINGS, FLOOR)
def test_an_enforced_set_needs_a_connection_and_no_old_offer(
    findings: dict[str, CellResult], floor: Protocol
) -> None:
    """Enforced means: all decided, something connected, and nothing old offered, connected or blocked."""
    if judge(findings, CATALOGUE, floor).verdict is not Verdict.ENFORCED:
        return
    assert any(f.kind is CellKind.CONNECTED for f in findings.values())
    for finding in findings.values():
        assert not finding.kind.undecided
        assert not any(version.below(floor) for version in finding.offered)
        assert not (finding.protocol and finding.protocol.below(floor))
        assert finding.server.only_from(floor) or finding.kind is not CellKind.BLOCKED


def _damage(name: str) -> Callable[[Observation], Observation]:
    """Return what breaks one witness of a cell."""

    def wire(cell: Observation, **changes: Any) -> Observation:
        return replace(cell, wire=tuple(replace(w, **changes) for w in cell.wire))

    ways: dict[str, Callable[[Observation], Observation]] = {
        "another version": lambda c: replace(c, account=connected("TLSv1.9")),
        "no version": lambda c: replace(c, account=connected(None)),
        "damaged wire": lambda c: wire(c, faults=("a record of 512 bytes ended after 100",)),
        "lost hello": lambda c: wire(c, client_hello=""),
        "no account": lambda c: replace(c, account=None, missing="the probe died"),
        "failed control": lambda c: replace(c, control=FAILED),
        "no connection": lambda c: replace(c, wire=()),
    }
    return ways[name]


SABOTAGES = [
    *("another version", "no version", "damaged wire", "lost hello"),
    *("no account", "failed control", "no connection"),
]


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_sabotage_of_any_one_cell_is_never_enforced(sabotage: str, floor: Protocol) -> None:
    """A client that holds the floor is inconclusive as soon as one witness of any one cell is broken."""
    sound = [meet(Stack(frozenset(p for p in LADDER if not p.below(floor))), s) for s in RUNGS]
    assert judge(find(sound, CATALOGUE), CATALOGUE, floor).verdict is Verdict.ENFORCED
    for index, cell in enumerate(sound):
        cells = [*sound[:index], _damage(sabotage)(cell), *sound[index + 1 :]]
        assert judge(find(cells, CATALOGUE), CATALOGUE, floor).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("done", range(len(RUNGS)))
def test_a_probe_that_dies_half_way_is_never_enforced(done: int) -> None:
    """However far a probe got, what it did not reach makes the client inconclusive."""
    sound = [meet(STRICT, server) for server in RUNGS]
    dead = [an_observation(server, None, missing="the probe died of SIGKILL") for server in RUNGS[done:]]
    judgement = judge(find([*sound[:done], *dead], CATALOGUE), CATALOGUE, TLS1_2)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "SIGKILL" in judgement.reason


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_downgrade_is_not_undone_by_breaking_other_cells(sabotage: str) -> None:
    """One sound below-floor connection stands, whatever happens to every other cell."""
    sound = [meet(EVERYTHING, server) for server in RUNGS]
    for kept in RUNGS:
        cells = [c if c.server == kept.id else _damage(sabotage)(c) for c in sound]
        verdict = judge(find(cells, CATALOGUE), CATALOGUE, TLS1_2).verdict
        low = kept.only_below(TLS1_2)
        assert verdict is (Verdict.DOWNGRADED if low else Verdict.INCONCLUSIVE)


def test_a_client_that_connects_nowhere_is_not_safe() -> None:
    """Refusing everything, the floor's own versions included, is a fault and not a floor."""
    cells = [meet(EVERYTHING, server, Obstacle.CIPHER) for server in RUNGS]
    judgement = judge(find(cells, CATALOGUE), CATALOGUE, TLS1_2)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    refused = {s.id: a_finding(s, CellKind.REJECTED) for s in RUNGS}
    silent = judge(refused, CATALOGUE, TLS1_2)
    assert silent.verdict is Verdict.INCONCLUSIVE
    assert "connected to no server" in silent.reason


def test_being_stricter_than_the_floor_is_enforced() -> None:
    """A client that speaks nothing but TLS 1.3 holds a floor of TLS 1.2, and of TLS 1.1."""
    cells = find([meet(Stack(frozenset({TLS1_3})), server) for server in RUNGS], CATALOGUE)
    for floor in FLOORS:
        assert judge(cells, CATALOGUE, floor).verdict is Verdict.ENFORCED


def test_no_verdict_rests_on_the_pages_servers() -> None:
    """The page's two servers may be deaf or absent without changing the judgement."""
    findings = holding(CATALOGUE, TLS1_2)
    pages = [s for s in CATALOGUE.servers if s.role is Role.PAGE]
    deaf = findings | {s.id: a_finding(s, CellKind.INCONCLUSIVE) for s in pages}
    assert judge(deaf, CATALOGUE, TLS1_2) == judge(findings, CATALOGUE, TLS1_2)


def test_the_reason_names_the_plainest_proof() -> None:
    """A downgrade names versions, lowest first, each with the server that speaks nothing else."""
    findings = find(_measure(Stack(frozenset(LADDER[1:])), "no old signatures"), CATALOGUE)
    judgement = judge(findings, CATALOGUE, TLS1_2)
    assert (judgement.lowest, judgement.highest) == (TLS1_0, TLS1_3)
    assert judgement.offer == "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"
    assert judgement.reason == (
        "offers TLSv1 to TLSv1.3; connected at TLSv1 to only_1_0, at TLSv1.1 to only_1_1"
    )


def test_a_client_without_supported_versions_shows_its_ceiling() -> None:
    """Where only a ceiling is known, reason and column say so instead of listing versions."""
    client = Stack(frozenset({TLS1_2}), lists_them=False)
    judgement = judge(find(_measure(client, "no security level"), CATALOGUE), CATALOGUE, TLS1_2)
    assert judgement.verdict is Verdict.ENFORCED
    assert judgement.offer == "up to TLSv1.2"
    assert judgement.reason.startswith("offers up to TLSv1.2; ")
    assert offer_column(frozenset({TLS1_2, TLS1_0}), "") == "TLSv1 TLSv1.2"


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("rule", RULES)
def test_every_word_follows_the_floor(floor: Protocol, rule: str) -> None:
    """A fragile or enforced verdict names the floor it was judged by, whichever it is."""
    for client in _clients():
        judgement = judge(find(_measure(client, rule), CATALOGUE), CATALOGUE, floor)
        if judgement.verdict in (Verdict.FRAGILE, Verdict.ENFORCED):
            assert f"below {floor}" in judgement.reason


def test_a_ladder_without_old_servers_proves_nothing() -> None:
    """Where no server speaks only versions below the floor, nobody tried, and nobody is called safe."""
    catalogue = a_catalogue(SERVERS["only_1_2"], SERVERS["only_1_3"])
    findings = {s.id: a_finding(s, CellKind.CONNECTED, max(s.protocols)) for s in catalogue.servers}
    assert judge(findings, catalogue, TLS1_2).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("version", [None, TLS1_3])
def test_an_impossible_connection_is_not_enforced(version: Protocol | None) -> None:
    """A connection without a version, or at one that its server does not speak, is a contradiction."""
    server = SERVERS["only_1_0"]
    findings = holding(CATALOGUE, TLS1_2) | {server.id: a_finding(server, CellKind.CONNECTED, version)}
    assert judge(findings, CATALOGUE, TLS1_2).verdict is not Verdict.ENFORCED


def test_a_second_record_of_a_cell_does_not_hide_the_first() -> None:
    """Where one cell was recorded twice, a downgrade in either of them stands."""
    sound = [meet(STRICT, server) for server in RUNGS]
    low = meet(EVERYTHING, SERVERS["only_1_0"])
    assert judge(find([low, *sound], CATALOGUE), CATALOGUE, TLS1_2).verdict is not Verdict.ENFORCED


def test_two_versions_in_one_cell_are_not_enforced() -> None:
    """Data at TLS 1.0 on the wire, beside the TLS 1.3 that the client reports, is no enforcement."""
    modern = STRICT
    cells = [meet(modern, server) for server in RUNGS]
    low = a_wire(None, TLS1_0, data=(40, 9000))
    cells[0] = replace(cells[0], wire=(low, *cells[0].wire))
    assert judge(find(cells, CATALOGUE), CATALOGUE, TLS1_2).verdict is not Verdict.ENFORCED


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        (CellResult(ATTACK, CellKind.HELD), Verdict.ENFORCED),
        (CellResult(ATTACK, CellKind.NOT_OFFERED), Verdict.ENFORCED),
        (CellResult(ATTACK, CellKind.FOOLED, TLS1_1), Verdict.DOWNGRADED),
        (CellResult(ATTACK, CellKind.FOOLED, TLS1_2), Verdict.FRAGILE),
        (CellResult(ATTACK, CellKind.FOOLED), Verdict.FRAGILE),
        (CellResult(ATTACK, CellKind.INCONCLUSIVE), Verdict.INCONCLUSIVE),
        (None, Verdict.INCONCLUSIVE),
    ],
)
def test_a_server_that_tampers_weighs_like_any_other(result: CellResult | None, verdict: Verdict) -> None:
    """Being fooled is never enforced, and an attack in the catalogue must have been met and decided."""
    findings = holding(ATTACKED, TLS1_2)
    if result:
        findings[ATTACK.id] = result
    assert judge(findings, ATTACKED, TLS1_2).verdict is verdict


def test_coming_back_lower_is_no_connection() -> None:
    """Where a client only asked again for less, no version was negotiated, and no reason says so."""
    hangs_up = a_server("hangs_up", *LADDER[1:], role=Role.ATTACK, script="close")
    catalogue = a_catalogue(*SMALL, hangs_up)
    fell_back = CellResult(hangs_up, CellKind.FOOLED, reason="came back with no more than TLSv1.1")
    judgement = judge(holding(catalogue, TLS1_2) | {hangs_up.id: fell_back}, catalogue, TLS1_2)
    assert judgement.verdict is not Verdict.ENFORCED
    assert judgement.lowest is TLS1_2
    assert "connected at TLSv1.1" not in judgement.reason


def _cells(kind: CellKind, protocol: Protocol | None = None) -> dict[str, CellResult]:
    """Return findings on the below-floor servers, all alike."""
    low = [s for s in RUNGS if s.only_below(TLS1_2)]
    return {s.id: a_finding(s, kind, protocol if protocol in s.protocols else None) for s in low}


OPENED = _cells(CellKind.NOT_OFFERED) | {
    "only_1_0": a_finding(SERVERS["only_1_0"], CellKind.CONNECTED, TLS1_0),
}
SHUT = _cells(CellKind.NOT_OFFERED)
UNCLEAR = SHUT | {"only_1_0": a_finding(SERVERS["only_1_0"], CellKind.INCONCLUSIVE)}
NEVER: dict[str, CellResult] = {}


def _holder(verdict: Verdict, empty: bool | None, permissive: bool | None, relaxed: bool | None) -> HeldBy:  # noqa: FBT001
    """Say from whether each went below (None: unknown) what holds the floor under the ambient condition."""
    if verdict is Verdict.DOWNGRADED:
        return HeldBy.NOTHING
    if verdict in (Verdict.INCONCLUSIVE, Verdict.UNTESTABLE):
        return HeldBy.UNKNOWN
    if empty:
        return HeldBy.CONFIGURATION
    if permissive:
        return {False: HeldBy.LIBRARY, None: HeldBy.UNKNOWN}[empty]
    if permissive is None:
        return HeldBy.UNKNOWN
    return {True: HeldBy.CODE, False: HeldBy.BUILD, None: HeldBy.UNKNOWN}[relaxed]


@pytest.mark.parametrize("verdict", Verdict)
def test_what_holds_the_floor_follows_from_who_went_below(verdict: Verdict) -> None:
    """Verdict x same client under an empty and a permissive condition x relaxed client name one holder."""
    answers = {True: [OPENED], False: [SHUT, _cells(CellKind.REJECTED)], None: [UNCLEAR, NEVER]}
    judgement = Judgement(verdict, "so it was seen")
    every = [(went, cells) for went, kinds in answers.items() for cells in kinds]
    for (one, first), (two, second), (three, third) in itertools.product(every, repeat=3):
        seen = {Condition.EMPTY: first, Condition.PERMISSIVE: second}
        holder = held_by(judgement, Condition.AMBIENT, seen, third, TLS1_2)
        assert holder is _holder(verdict, one, two, three)


def test_only_cells_that_can_go_below_say_whether_any_did() -> None:
    """Servers that speak nothing old prove nothing about going below, whatever came of them."""
    high = {"only_1_2": a_finding(SERVERS["only_1_2"], CellKind.INCONCLUSIVE)}
    assert went_below(high, TLS1_2) is None
    assert went_below(high | SHUT, TLS1_2) is False
    assert went_below(high | OPENED, TLS1_2) is True
    assert went_below(UNCLEAR | OPENED, TLS1_2) is True


def test_the_pages_servers_do_not_say_what_holds_the_floor() -> None:
    """Whatever came of the page's servers, it neither opens a client nor leaves it undecided."""
    page = SERVERS["page_second"]
    assert went_below({page.id: a_finding(page, CellKind.CONNECTED, TLS1_0)}, TLS1_2) is None
    assert went_below(SHUT | {page.id: a_finding(page, CellKind.CONNECTED, TLS1_0)}, TLS1_2) is False
    assert went_below(SHUT | {page.id: a_finding(page, CellKind.INCONCLUSIVE)}, TLS1_2) is False


def test_a_blocked_reference_does_not_prove_that_the_build_lacks_a_version() -> None:
    """A relaxed client that offered an old version and was stopped late shows that the library has it."""
    enforced = Judgement(Verdict.ENFORCED, "so it was seen")
    seen = {Condition.PERMISSIVE: SHUT}
    holder = held_by(enforced, Condition.AMBIENT, seen, _cells(CellKind.BLOCKED), TLS1_2)
    assert holder is not HeldBy.BUILD


DEBIAN = an_interpreter("system_3_11", "3.11.2", ("--with-ssl-default-suites=openssl",))
NEW = an_interpreter("pyenv_3_12", "3.12.1")
OLD = an_interpreter("pyenv_3_9_18", "3.9.18")


@pytest.mark.parametrize("holder", [HeldBy.NOTHING, HeldBy.CODE, HeldBy.LIBRARY, HeldBy.CONFIGURATION])
def test_the_cause_names_the_configure_flag(holder: HeldBy) -> None:
    """For a build that leaves its suites to OpenSSL the flag is named, and for no other."""
    judgement = Judgement(Verdict.ENFORCED, "so it was seen")
    flag = "--with-ssl-default-suites"
    assert flag in explain(judgement, holder, DEBIAN, TLS1_2)
    assert flag not in explain(judgement, holder, NEW, TLS1_2)
    assert flag not in explain(judgement, holder, OLD, TLS1_2)


@pytest.mark.parametrize("interpreter", [OLD, NEW, DEBIAN])
def test_start_up_code_is_named_where_python_itself_would_hold(interpreter: Interpreter) -> None:
    """Where Python sets a minimum and a client is below it, the code that may have done so is named."""
    hooked = replace(interpreter, start_up=("/a.pth", "/sitecustomize.py"))
    judgement = Judgement(Verdict.DOWNGRADED, "so it was seen")
    said = explain(judgement, HeldBy.NOTHING, hooked, TLS1_2)
    assert said.endswith("; at its start it runs /a.pth, /sitecustomize.py") is (interpreter is NEW)
    assert "at its start" not in explain(judgement, HeldBy.NOTHING, interpreter, TLS1_2)


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("interpreter", [OLD, NEW, DEBIAN])
def test_the_cause_follows_from_what_python_sets(interpreter: Interpreter, floor: Protocol) -> None:
    """Who holds the floor, or fails to, follows from Python's minimum, TLS 1.2 since 3.10, and the floor."""
    sets_one = interpreter is NEW
    enough = sets_one and floor is not TLS1_3
    judgement = Judgement(Verdict.ENFORCED, "so it was seen")
    said = {holder: explain(judgement, holder, interpreter, floor) for holder in HeldBy}
    assert all(text.startswith("so it was seen") for text in said.values())
    assert ("the client goes below it" in said[HeldBy.NOTHING]) is enough
    assert ("which is below the floor" in said[HeldBy.NOTHING]) is (sets_one and not enough)
    assert ("client sets one of its own" in said[HeldBy.CODE]) is not enough
    assert ("sets no minimum" in said[HeldBy.CODE]) is not sets_one
    assert "only the OpenSSL configuration holds it" in said[HeldBy.CONFIGURATION]
    assert interpreter.openssl in said[HeldBy.BUILD]
    assert "only the defaults built into" in said[HeldBy.LIBRARY]
    assert said[HeldBy.UNKNOWN] == "so it was seen"


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("version", ["3.0.20", "3.1.0", "3.5.9", "4.0.3"])
def test_the_librarys_level_is_named_where_it_rules_versions_out(version: str, floor: Protocol) -> None:
    """OpenSSL's levels rule out what is below TLS 1.2 from 3.1 on, which is no reason where more is held."""
    here = replace(DEBIAN, openssl=f"OpenSSL {version} 1 Jan 2026")
    said = explain(Judgement(Verdict.ENFORCED, "so it was seen"), HeldBy.LIBRARY, here, floor)
    major_minor = ".".join(version.split(".")[:2])
    by_level = version != "3.0.20" and floor is not TLS1_3
    named = f"OpenSSL {major_minor} refuses versions below TLSv1.2 at its default security level" in said
    assert named is by_level
    assert (f"only the defaults built into {here.openssl} hold it" in said) is not by_level
    assert "configuration holds it" not in said


def test_the_library_of_pypy_is_not_named_by_its_version() -> None:
    """PyPy says which OpenSSL it was made for, not which it loads, so no version is claimed."""
    pypy = replace(NEW, implementation="PyPy", openssl="OpenSSL 3.5.0 8 Apr 2025")
    for holder in (HeldBy.LIBRARY, HeldBy.BUILD):
        said = explain(Judgement(Verdict.ENFORCED, "so it was seen"), holder, pypy, TLS1_2)
        assert "the OpenSSL that PyPy loads" in said
        assert "3.5" not in said


@pytest.mark.parametrize("holder", [HeldBy.CODE, HeldBy.NOTHING, HeldBy.LIBRARY, HeldBy.CONFIGURATION])
@pytest.mark.parametrize("minimum", ["", "MINIMUM_SUPPORTED", "TLSv1", "TLSv1_2", "TLSv1_3"])
def test_less_is_said_where_a_new_context_contradicts(minimum: str, holder: HeldBy) -> None:
    """What Python sets in every context is claimed only where no context was seen that has another."""
    judgement = Judgement(Verdict.ENFORCED, "so it was seen")
    new = explain(judgement, holder, replace(NEW, context_minimum=minimum), TLS1_2)
    debian = explain(judgement, holder, replace(DEBIAN, context_minimum=minimum), TLS1_2)
    if holder is not HeldBy.LIBRARY:
        assert ("sets TLSv1.2 as minimum in every context" in new) is (minimum in ("", "TLSv1_2"))
        assert (f"but a new context here has {minimum}" in new) is (minimum not in ("", "TLSv1_2"))
    held = minimum in ("TLSv1_2", "TLSv1_3")
    assert (f"but a new context has {minimum.replace('_', '.')}" in debian) is (
        holder is HeldBy.CODE and held
    )
    assert ("the client sets one of its own" in debian) is (holder is HeldBy.CODE and not held)


@pytest.mark.parametrize(
    ("minimum", "words"),
    [
        ("TLSv1_3", "a new context has TLSv1.3, but the client sets a lower minimum of its own, TLSv1.2"),
        ("TLSv1_2", "and the client none that would hold"),
        ("", "and the client none that would hold"),
    ],
)
def test_a_client_that_lowers_what_the_machine_asks_for_is_said_to(minimum: str, words: str) -> None:
    """Below a floor of TLS 1.3 that new contexts have, a client has a lower minimum of its own."""
    downgraded = Judgement(Verdict.DOWNGRADED, "so it was seen", lowest=TLS1_2)
    said = explain(downgraded, HeldBy.NOTHING, replace(DEBIAN, context_minimum=minimum), TLS1_3)
    assert said.endswith(words)


@pytest.mark.parametrize("interpreter", [OLD, NEW, DEBIAN])
@pytest.mark.parametrize("stack", [CRT, PYCA])
def test_the_cause_of_a_client_with_its_own_tls_is_not_pythons(
    interpreter: Interpreter, stack: OwnTls
) -> None:
    """What brings its own TLS is said to, with what does not reach it; what Python sets is not its cause."""
    for verdict, holder in itertools.product((Verdict.ENFORCED, Verdict.FRAGILE, Verdict.DOWNGRADED), HeldBy):
        said = explain(Judgement(verdict, "so it was seen"), holder, interpreter, TLS1_2, stack)
        assert said.startswith(f"so it was seen; it brings its own TLS, {stack.name}, which")
        assert ("neither OPENSSL_CONF" in said) is not stack.reads_openssl_conf
        assert interpreter.openssl not in said
        assert interpreter.version not in said
        assert ("only the OpenSSL configuration holds it" in said) is (holder is HeldBy.CONFIGURATION)
        assert ("its built-in defaults hold it" in said) is (holder is HeldBy.LIBRARY)
        moved = "a permissive OpenSSL configuration lets it below" in said
        assert moved is (holder is HeldBy.LIBRARY and stack.reads_openssl_conf)
        assert ("a minimum of its own holds it" in said) is (holder is HeldBy.CODE)
        assert said.endswith("what holds it is not known") is (holder is HeldBy.UNKNOWN)
    unclear = Judgement(Verdict.INCONCLUSIVE, "why")
    assert explain(unclear, HeldBy.UNKNOWN, interpreter, TLS1_2, stack) == "why"


def test_the_library_of_python_is_not_called_a_clients_own() -> None:
    """Debian's pyOpenSSL has loaded the very libssl that Python's ssl module has: it brought nothing."""
    stack = replace(PYCA, name=DEBIAN.openssl)
    said = explain(Judgement(Verdict.DOWNGRADED, "so it was seen"), HeldBy.NOTHING, DEBIAN, TLS1_2, stack)
    past = f"it uses {DEBIAN.openssl}, as Python does, but past Python's ssl module"
    assert said == f"so it was seen; {past}, and Python's minimum does not reach it"


def test_an_interpreter_without_a_version_is_no_crash() -> None:
    """An interpreter that did not say its version costs the cause, not the report."""
    nameless = replace(OLD, version="")
    assert explain(Judgement(Verdict.INCONCLUSIVE, "why"), HeldBy.UNKNOWN, nameless, TLS1_2) == "why"


ANSWERS: dict[str, Account | None] = {
    "not run": None,
    **{f"answers {p}": connected(p) for p in LADDER},
    "SSL error": failed("(Caused by SSLError(1, '[SSL: UNSUPPORTED_PROTOCOL]'))", "MaxRetryError"),
    "refused": failed("[Errno 111] Connection refused", "NewConnectionError"),
    "timed out": failed("Read timed out. (read timeout=5)", "ReadTimeoutError"),
}


def _page_says(first: str, second: str) -> PageCheck:
    """Follow the page: look for "Protocol:" in the first output, expect an SSL error of the second."""
    if not first.startswith("answers"):
        return PageCheck.BROKEN
    if first.removeprefix("answers ") not in ("TLSv1.2", "TLSv1.3"):
        return PageCheck.FAIL
    if second.startswith("answers"):
        return PageCheck.FAIL
    return PageCheck.PASS if second == "SSL error" else PageCheck.BROKEN


@pytest.mark.parametrize("first", ANSWERS)
def test_the_pages_conclusion_is_what_the_page_says(first: str) -> None:
    """For every pair of answers by its two servers the page's own words lead to one conclusion."""
    for second, answer in ANSWERS.items():
        records = {
            "page_first": an_observation("page_first", ANSWERS[first]),
            "page_second": an_observation("page_second", answer, control=FAILED),
        }
        assert page_check(records, "page_first", "page_second") is _page_says(first, second), second
    alone = {"page_first": an_observation("page_first", ANSWERS[first])}
    expected = _page_says(first, "not run")
    assert page_check(alone, "page_first", "page_second") is expected
    assert page_check({}, "page_first", "page_second") is PageCheck.UNKNOWN


def test_a_finding_keeps_what_every_connection_offered() -> None:
    """The versions of all hellos of a cell are remembered, and an unreadable hello adds none."""
    server = SERVERS["only_1_0"]
    refused = an_alert("protocol_version", Sender.SERVER)
    wires = [
        a_wire([TLS1_3], alerts=[refused]),
        a_wire([TLS1_2, TLS1_1], alerts=[refused]),
        a_wire([TLS1_0], client_hello="", faults=("record cut",)),
    ]
    finding = find([an_observation(server, failed(), *wires)], CATALOGUE)[server.id]
    assert finding.offered == {TLS1_3, TLS1_2, TLS1_1}
    assert finding.offer == "TLSv1.3"
    assert finding.kind is CellKind.INCONCLUSIVE
