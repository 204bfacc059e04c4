"""Trials: who is sent where with which remedy applied, and how what they met is judged and kept apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

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
from reports.trials import guests_of, marked, outcomes, plan_trials, with_trials
from reports.verdicts import Verdict
from servers.campaign import Campaign, Guest
from servers.conditions import Condition
from servers.observation import Cell, Visit

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def test_each_remedy_that_can_be_tried_has_one_trial() -> None:
    """Every trial is the row's client where it was measured, with one remedy applied and no other."""
    trials = plan_trials(ROWS, GUESTS, MEANS, FILE)
    assert [(t.row.client, t.remedy) for t in trials] == [
        ("ssl", Remedy.CONFIGURATION),
        ("ssl", Remedy.CODE),
        *(("urllib3", remedy) for remedy in TRIED),
    ]
    for trial in trials:
        guest, client = trial.guest, trial.row.client
        configured, coded = trial.remedy is Remedy.CONFIGURATION, trial.remedy is Remedy.CODE
        assert client in guest.clients
        assert guest.environment == {"PATH": "/bin"} | ({"OPENSSL_CONF": str(FILE)} if configured else {})
        assert guest.snippets == ({client: MEANS.snippets[client]} if coded else {})
        assert guest.python == (NEWER if trial.remedy is Remedy.UPGRADE else GUEST.python)


def test_only_a_configuration_is_shared() -> None:
    """Clients of one environment meet a configuration in one process, and any other remedy alone."""
    trials = plan_trials([*ROWS, a_row(Verdict.DOWNGRADED, "one", "requests")], GUESTS, MEANS, FILE)
    visited = {(guest.id, guest.python): guest.clients for guest in guests_of(trials)}
    assert visited == {
        ("one+openssl.cnf", GUEST.python): ("ssl", "urllib3"),
        ("one+openssl.cnf", OTHER.python): ("requests",),
        ("one/ssl+code", GUEST.python): ("ssl",),
        ("one/urllib3+code", GUEST.python): ("urllib3",),
        ("one/urllib3+newer release", NEWER): ("urllib3",),
    }


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


TRIALS = plan_trials(ROWS, GUESTS, MEANS, FILE)


def _campaign(stacks: Mapping[str, Client | None]) -> Campaign:
    """Let each trial's client, by its marked name, meet the ladder; None cannot be imported."""
    visits = []
    for guest in guests_of(TRIALS):
        remedy = next(trial.remedy for trial in TRIALS if trial.guest is guest)
        cells: list[Cell] = []
        versions: dict[str, str] = {}
        errors: dict[str, str] = {}
        for client in guest.clients:
            stack = stacks[marked(client, remedy)]
            for server in CATALOGUE.servers:
                met = meet(stack, server) if stack else None
                told = (met.account, "", met.wire) if met else (None, "gone", ())
                cells.append(Cell(client, server.id, *told))
            (versions if stack else errors)[client] = "2.0" if stack else "ImportError: gone"
        visits.append((guest, AMBIENT, Visit(None, versions, errors, tuple(cells))))
    return Campaign("made up", {server.id: PASSED for server in CATALOGUE.servers}, tuple(visits))


@pytest.mark.parametrize("turn", range(3))
def test_a_trial_is_judged_as_a_row_is(turn: int) -> None:
    """Trials that met the ladder strictly are enforced, loosely downgraded, and not at all untestable."""
    cycle = [(STRICT, Verdict.ENFORCED), (LOOSE, Verdict.DOWNGRADED), (None, Verdict.UNTESTABLE)]
    names = [marked(trial.row.client, trial.remedy) for trial in TRIALS]
    dealt = {name: cycle[(place + turn) % 3] for place, name in enumerate(names)}
    campaign = _campaign({name: stack for name, (stack, _) in dealt.items()})
    for one in outcomes(TRIALS, campaign, CATALOGUE, MEANS):
        stack, verdict = dealt[one.row.client]
        assert one.row.client == marked(one.trial.row.client, one.trial.remedy)
        assert one.row.verdict is verdict
        assert one.row.client_version == ("2.0" if stack else "")
        assert stack or "ImportError: gone" in one.row.judgement.reason


def test_trials_never_mix_with_the_plain_rows() -> None:
    """A run's matrix is the same with the trials' observations among it, and all of them are there."""
    names = [marked(trial.row.client, trial.remedy) for trial in TRIALS]
    found = outcomes(TRIALS, _campaign(dict.fromkeys(names, STRICT)), CATALOGUE, MEANS)
    plain = tuple(replace(meet(LOOSE, s), interpreter="one") for s in CATALOGUE.servers)
    measured = (Measured(an_interpreter("one"), {}, plain), Measured(an_interpreter("two"), {}, ()))
    joined = with_trials(measured, found)
    arguments = (["ssl", "urllib3"], [AMBIENT], CATALOGUE, TLS1_2)
    assert build_matrix(joined, *arguments) == build_matrix(measured, *arguments)
    assert len(joined[0].observations) == len(plain) + len(TRIALS) * len(CATALOGUE.servers)
    assert joined[1].observations == ()
    assert {record.client for record in joined[0].observations} == {"ssl", *names}
    ids = [record.id for record in joined[0].observations]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("remedy", TRIED)
def test_a_marked_name_is_no_clients(remedy: Remedy) -> None:
    """No client file can have a name with the mark in it."""
    assert not marked("ssl", remedy).isidentifier()
