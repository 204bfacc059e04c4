"""Trials: who is sent where with which remedy applied, and how what they met is judged and kept apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import (
    PASSED,
    TLS1_0,
    TLS1_2,
    TLS1_3,
    Client,
    a_catalogue,
    a_row,
    an_interpreter,
    ladder,
    meet,
)

from reports.matrix import Measured, build_matrix
from reports.remedies import TRIED, Means, Remedy
from reports.trials import marked, outcomes, plan_trials, with_trials
from reports.verdicts import Verdict
from servers.campaign import Campaign, Guest
from servers.conditions import Condition
from servers.observation import Cell, Visit

AMBIENT = Condition.AMBIENT
CATALOGUE = a_catalogue(*ladder(a_catalogue()))
FILE = Path("/made/up/floor.cnf")
NEWER = Path("/made/up/newer/bin/python")
GUEST = Guest("one", Path("/made/up/bin/python"), {"PATH": "/bin"}, ("ssl", "urllib3"))
OTHER = replace(GUEST, python=Path("/made/up/other/bin/python"), clients=("requests",))
GUESTS = (OTHER, replace(GUEST, id="two"), GUEST)
MEANS = Means(
    floor=TLS1_2,
    libraries={"ssl": "", "urllib3": "urllib3"},
    snippets={"ssl": "one", "urllib3": "two"},
    upgrades={("one", "urllib3"): NEWER},
)
ROWS = (a_row(Verdict.DOWNGRADED, "one", "ssl"), a_row(Verdict.DOWNGRADED, "one", "urllib3"))
STRICT = Client(frozenset({TLS1_2, TLS1_3}))
LOOSE = Client(frozenset({TLS1_0, TLS1_2, TLS1_3}))


def test_each_remedy_that_can_be_tried_is_a_guest_of_its_own() -> None:
    """Every trial is one client alone, under an id of its own, with one remedy applied and no other."""
    trials = plan_trials(ROWS, GUESTS, MEANS, FILE)
    assert [(t.row.client, t.remedy) for t in trials] == [
        ("ssl", Remedy.CONFIGURATION),
        ("ssl", Remedy.CODE),
        *(("urllib3", remedy) for remedy in TRIED),
    ]
    assert len({trial.guest.id for trial in trials}) == len(trials)
    for trial in trials:
        guest, client = trial.guest, trial.row.client
        assert guest.clients == (client,)
        configured, coded = trial.remedy is Remedy.CONFIGURATION, trial.remedy is Remedy.CODE
        assert guest.environment == {"PATH": "/bin"} | ({"OPENSSL_CONF": str(FILE)} if configured else {})
        assert guest.snippets == ({client: MEANS.snippets[client]} if coded else {})
        assert guest.python == (NEWER if trial.remedy is Remedy.UPGRADE else GUEST.python)


def test_the_configuration_takes_the_place_of_the_callers() -> None:
    """A configuration that the caller exports is not the one that is tried."""
    guest = replace(GUEST, environment={"OPENSSL_CONF": "/the/callers.cnf"})
    given = {
        t.remedy: t.guest.environment["OPENSSL_CONF"] for t in plan_trials(ROWS[:1], [guest], MEANS, FILE)
    }
    assert given == {Remedy.CONFIGURATION: str(FILE), Remedy.CODE: "/the/callers.cnf"}


def test_nothing_is_tried_on_rows_that_hold() -> None:
    """An enforced row has no trials."""
    assert plan_trials([a_row(Verdict.ENFORCED, "one")], GUESTS, MEANS, FILE) == ()


def _campaign(*stacks: Client | None) -> tuple[Campaign, tuple[str, ...]]:
    """Let a trial's client with each of these stacks meet the ladder; None cannot be imported."""
    trials = plan_trials(ROWS, GUESTS, MEANS, FILE)
    visits = []
    for trial, stack in zip(trials, stacks, strict=True):
        client = trial.row.client
        met = {s.id: meet(stack, s) for s in CATALOGUE.servers} if stack else {}
        cells = tuple(
            Cell(client, s.id, met[s.id].account, "", met[s.id].wire)
            if met
            else Cell(client, s.id, None, "gone", ())
            for s in CATALOGUE.servers
        )
        errors = {} if stack else {client: "ImportError: gone"}
        visits.append((trial.guest, AMBIENT, Visit(None, {client: "2.0"} if stack else {}, errors, cells)))
    controls = {server.id: PASSED for server in CATALOGUE.servers}
    return Campaign("made up", controls, tuple(visits)), tuple(t.guest.id for t in trials)


def test_a_trial_is_judged_as_a_row_is() -> None:
    """Trials that met the ladder strictly are enforced, loosely downgraded, and not at all untestable."""
    stacks = (STRICT, LOOSE, None, STRICT, LOOSE)
    campaign, _ = _campaign(*stacks)
    found = outcomes(plan_trials(ROWS, GUESTS, MEANS, FILE), campaign, CATALOGUE, MEANS)
    expected = {STRICT: Verdict.ENFORCED, LOOSE: Verdict.DOWNGRADED, None: Verdict.UNTESTABLE}
    assert [one.row.verdict for one in found] == [expected[stack] for stack in stacks]
    assert "ImportError: gone" in found[2].row.judgement.reason
    assert {one.row.client_version for one in found} == {"2.0", ""}


def test_trials_never_mix_with_the_plain_rows() -> None:
    """A run's matrix is the same with the trials' observations among it, and all of them are there."""
    campaign, _ = _campaign(*[STRICT] * 5)
    found = outcomes(plan_trials(ROWS, GUESTS, MEANS, FILE), campaign, CATALOGUE, MEANS)
    plain = tuple(replace(meet(LOOSE, s), interpreter="one") for s in CATALOGUE.servers)
    measured = (Measured(an_interpreter("one"), {}, plain), Measured(an_interpreter("two"), {}, ()))
    joined = with_trials(measured, found)
    arguments = (["ssl", "urllib3"], [AMBIENT], CATALOGUE, TLS1_2)
    assert build_matrix(joined, *arguments) == build_matrix(measured, *arguments)
    assert len(joined[0].observations) == len(plain) + 5 * len(CATALOGUE.servers)
    assert joined[1].observations == ()
    names = {record.client for record in joined[0].observations} - {"ssl"}
    assert names == {marked(c, r) for c, r in [(t.row.client, t.remedy) for t in (o.trial for o in found)]}
    ids = [record.id for record in joined[0].observations]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("remedy", TRIED)
def test_a_marked_name_is_no_clients(remedy: Remedy) -> None:
    """No client file can have a name with the mark in it."""
    assert not marked("ssl", remedy).isidentifier()
