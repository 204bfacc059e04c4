"""A matrix that is as it was written denies nothing, and each edit that would help somebody is seen."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from functools import partial
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
    from collections.abc import Callable

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


def _verdicts(document: dict[str, Any], **changes: Any) -> None:
    for verdict in document["verdicts"]:
        verdict.update(changes)


def _enforce(document: dict[str, Any]) -> None:
    _verdicts(document, verdict="enforced", lowest_negotiated="TLSv1.2", held_by="code")


def _cells(document: dict[str, Any], **changes: Any) -> None:
    for cell in document["cells"]:
        if cell["below_floor"]:
            cell.update(changes)


def _drop(document: dict[str, Any], part: str, **facts: str) -> None:
    document[part] = [
        entry for entry in document[part] if any(entry[name] != fact for name, fact in facts.items())
    ]


def _drop_both(document: dict[str, Any], **facts: str) -> None:
    for part in ("verdicts", "cells"):
        _drop(document, part, **facts)


def _forget_server(document: dict[str, Any]) -> None:
    _drop(document, "cells", server="tls1_0_rsa")
    _drop(document["runs"][0], "servers", server="tls1_0_rsa")


def _server(document: dict[str, Any], **changes: Any) -> None:
    for server in document["runs"][0]["servers"]:
        if server["server"].startswith("tls1_0"):
            server.update(changes)


def _all_controls_fail(document: dict[str, Any]) -> None:
    _enforce(document)
    for server in document["runs"][0]["servers"]:
        server["control"]["passed"] = False


def _controls_fail_everywhere(document: dict[str, Any]) -> None:
    _all_controls_fail(document)
    for cell in document["cells"]:
        cell["control_passed"] = False


def _second_row(document: dict[str, Any]) -> None:
    document["verdicts"].append({**document["verdicts"][0], "verdict": "enforced"})


EDITS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "verdicts set to enforced": (_enforce, "said to be enforced, and its cells make it downgraded"),
    "one word of the verdict": (
        lambda document: _verdicts(document, verdict="enforced"),
        "said to be enforced, and its cells make it downgraded",
    ),
    "called fragile": (
        lambda document: _verdicts(document, verdict="fragile"),
        "said to be fragile, and its cells make it downgraded",
    ),
    "called untestable, which a policy may let pass": (
        lambda document: _verdicts(document, verdict="untestable", held_by=None),
        "said to be untestable, and its cells make it downgraded",
    ),
    "another lowest version": (
        lambda document: _verdicts(document, lowest_negotiated="TLSv1.2"),
        "have TLSv1.2 as its lowest version, and its cells have TLSv1",
    ),
    "another holder": (lambda document: _verdicts(document, held_by="build"), "said to be held by build"),
    "all cells deleted": (lambda document: document.update(cells=[]), "has no cell for"),
    "the bad cells deleted": (
        lambda document: document.update(cells=[c for c in document["cells"] if not c["below_floor"]]),
        "has no cell for",
    ),
    "a failing row deleted, its cells kept": (
        lambda document: _drop(document, "verdicts", interpreter="one_0", client="ssl"),
        "it has cells of one_0/ssl, and no verdict",
    ),
    "a failing row deleted with its cells": (
        partial(_drop_both, interpreter="one_0", client="ssl"),
        "one_0/ssl under ambient was asked for, and has no verdict",
    ),
    "all rows of an interpreter deleted": (
        partial(_drop_both, interpreter="one_0"),
        "it has one_0 among its interpreters, and no verdict of it",
    ),
    "cells no longer below the floor": (
        lambda document: _cells(document, below_floor=False),
        "and says below_floor False",
    ),
    "cells said to be not offered": (
        lambda document: _cells(document, outcome="not offered"),
        "as negotiated",
    ),
    "cells without a version": (
        lambda document: _cells(document, negotiated=None),
        "connected, with no version",
    ),
    "controls of all servers failed": (_all_controls_fail, "has another word on the control than its run"),
    "controls of the bad cells failed": (
        lambda document: _cells(document, control_passed=False),
        "has another word on the control than its run",
    ),
    "cells that count although the control failed": (
        _controls_fail_everywhere,
        "and its server's control failed",
    ),
    "another floor": (lambda document: document.update(floor="TLSv1"), "was measured against TLSv1.2"),
    "a server forgotten": (_forget_server, "the server tls1_0_rsa of its catalogue is not among those"),
    "a server of another role": (
        lambda document: _server(document, role="page"),
        "is not the one of that name in its catalogue",
    ),
    "a server that speaks more": (
        lambda document: _server(document, protocols=["TLSv1", "TLSv1.1", "TLSv1.2"]),
        "is not the one of that name in its catalogue",
    ),
    "a second verdict of one row": (_second_row, "twice in verdicts"),
    "a second run of one id": (
        lambda document: document["runs"].append(document["runs"][0]),
        "twice in runs",
    ),
}


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
    _verdicts(document, verdict=verdict, held_by=None)
    assert list(contradictions(document)) == []
