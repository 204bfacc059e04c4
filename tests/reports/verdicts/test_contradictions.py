"""A matrix that is as it was written denies nothing, and each edit that would help somebody is seen."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.formats.matrix_json import build_json
from reports.verdicts.contradictions import contradictions, standings_of
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Measured, build_matrix, standings_apart
from reports.verdicts.policy import Policy
from servers.catalogue import Role, read_catalogue
from servers.conditions import Condition
from servers.protocols import LADDER
from tests.faults.edits import EDITS, set_verdicts
from tests.support.builders import (
    FLOORS,
    Obstacle,
    Stack,
    a_matrix,
    a_run,
    an_environment,
    an_interpreter,
    keys,
    meet,
)
from tests.support.examples import examples

if TYPE_CHECKING:
    from reports.verdicts.matrix import Matrix
    from servers.protocols import Protocol

OURS = read_catalogue().only(Role.LADDER)
CLIENTS = ("ssl", "urllib3")


def _matrix(*stacks: tuple[Stack, Obstacle], floor: Protocol = LADDER[3]) -> Matrix:
    """Return the matrix of an interpreter for each stack, with two clients, and of an environment."""
    measured = [
        Measured(
            an_environment("/srv/app") if number == len(stacks) else an_interpreter(f"one_{number}"),
            {},
            tuple(
                replace(meet(stack, server, obstacle), client=client)
                for client in keys(CLIENTS)
                for server in OURS.servers
            ),
        )
        for number, (stack, obstacle) in enumerate([*stacks, stacks[0]])
    ]
    rows = build_matrix(measured, keys(CLIENTS), (Condition.AMBIENT,), OURS, floor)
    run = a_run(OURS)
    return a_matrix(rows, replace(run, asked=replace(run.asked, clients=CLIENTS)), OURS, floor)


def _document(matrix: Matrix) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(build_json(matrix, Policy())))
    return document


STACKS = st.builds(
    Stack,
    st.sets(st.sampled_from(LADDER), min_size=1).map(frozenset),
    st.booleans(),
)


@examples(60)
@given(
    st.lists(st.tuples(STACKS, st.sampled_from(Obstacle)), min_size=1, max_size=3), st.sampled_from(FLOORS)
)
def test_what_was_measured_denies_nothing(stacks: list[tuple[Stack, Obstacle]], floor: Protocol) -> None:
    """Whatever clients do, the verdicts that a run writes follow from the cells that it writes."""
    matrix = _matrix(*stacks, floor=floor)
    document = _document(matrix)
    assert list(contradictions(document)) == []
    made, found = standings_apart(matrix.groups, Condition.AMBIENT)
    counted = {str(verdict): made[verdict] + found[verdict] for verdict in Verdict}
    assert standings_of(document) == {verdict: number for verdict, number in counted.items() if number}


GOES = Stack(frozenset(LADDER[1:]))
"""A client that goes down to TLS 1.0."""
DOCUMENT = _document(_matrix((GOES, Obstacle.NOTHING)))


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_seen(name: str) -> None:
    """Each edit by which somebody could turn findings into a pass, or hide them, is a contradiction."""
    edit, words = EDITS[name]
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    assert [sentence for sentence in contradictions(document) if words in sentence]


@pytest.mark.parametrize("verdict", ["inconclusive"])
def test_a_row_may_claim_less_than_its_cells(verdict: str) -> None:
    """Start-up code, say, makes a client's cells worth less than they show: less is never a contradiction."""
    document = _document(_matrix((Stack(frozenset(LADDER[3:])), Obstacle.NOTHING)))
    assert list(contradictions(document)) == []
    set_verdicts(document, verdict=verdict, held_by=None)
    assert list(contradictions(document)) == []


def test_what_holds_was_measured_before_the_run_that_remembers_it() -> None:
    """A date behind the end of the run is none of another one, which may have run beside it."""
    document = _document(_matrix((Stack(frozenset(LADDER[3:])), Obstacle.NOTHING)))
    ended, verdict = document["runs"][0]["ended"], document["verdicts"][0]
    verdict["held_by_measured"] = ended
    assert not list(contradictions(document))
    verdict["held_by_measured"] = f"2999{ended[4:]}"
    (denied,) = contradictions(document)
    assert "one_0/ssl is said to be held as an earlier run measured it, at 2999" in denied
