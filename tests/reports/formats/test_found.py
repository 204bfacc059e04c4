"""What was found as it is: alike together, never across a difference that a reader has to know."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.interpreter import sent_id
from reports.formats.found import alike, base_of, bases, found_names, outcome, places_of
from reports.verdicts.judge import HeldBy, Verdict
from reports.verdicts.matrix import RowGroup, by_interpreter
from tests.support.builders import TLS1_0, TLS1_1, a_row, an_environment, an_interpreter

if TYPE_CHECKING:
    from interpreters.interpreter import Interpreter

DOWN, HELD = Verdict.DOWNGRADED, Verdict.ENFORCED


def a_group(environment: Interpreter | None = None, **changes: Any) -> RowGroup:
    """Return an environment with one client that goes below, with changes to its row."""
    row = a_row(DOWN, interpreter=environment or an_environment("/srv/shop"), client="urllib3")
    return RowGroup((replace(row, **changes),))


def test_those_that_differ_in_nothing_but_their_place_are_together() -> None:
    """Environments with the same Python, clients, versions and verdicts are one line."""
    groups = [a_group(an_environment(f"/srv/app{number}")) for number in range(3)]
    assert [len(same) for same in alike(groups)] == [3]


@pytest.mark.parametrize(
    "other",
    [
        a_group(client_version="1.26.19"),
        a_group(judgement=a_row(DOWN, lowest=TLS1_1).judgement),
        a_group(judgement=a_row(HELD).judgement),
        a_group(held_by=HeldBy.BUILD),
        a_group(an_environment("/srv/shop", "3.12.1")),
        a_group(replace(an_environment("/srv/shop"), openssl="OpenSSL 3.5.0")),
        RowGroup((*a_group().rows, a_row(HELD, interpreter=an_environment("/srv/shop")))),
    ],
)
def test_those_that_differ_in_more_are_apart(other: RowGroup) -> None:
    """Another version, verdict, holder, Python, library or client is another line."""
    assert len(alike([a_group(), other])) == 2


def test_the_base_of_an_environment_is_known_by_its_build() -> None:
    """The same executable and ssl module are the same interpreter, on the same host."""
    base, environment = an_interpreter("system_3_11"), an_environment("/srv/shop")
    known = bases(by_interpreter([a_row(interpreter=base), a_row(interpreter=environment)]))
    assert base_of(environment, known) == "system_3_11"
    sent = replace(base, id=sent_id(base.id))
    assert bases(by_interpreter([a_row(interpreter=sent), a_row(interpreter=environment)])) == {}
    assert base_of(replace(environment, build="another"), known) == "Python 3.11.2"
    assert base_of(replace(environment, host="web1"), known) == "Python 3.11.2"
    assert base_of(replace(environment, build="", implementation="PyPy"), known) == "PyPy 3.11.2"


def test_two_that_are_alike_are_both_named() -> None:
    """It takes more than two to be counted: a sentence about two names them."""
    groups = [a_group(an_environment(f"/srv/{name}")) for name in "ab"]
    assert found_names(groups, groups, DOWN) == "/srv/a and /srv/b (urllib3 1.26.20)"


def test_the_worst_come_first() -> None:
    """Who gets lowest stands first, then what most have."""
    rows = [
        a_row(DOWN, interpreter=an_environment("/srv/mild"), client="urllib3", lowest=TLS1_1),
        a_row(DOWN, interpreter=an_environment("/srv/bad"), client="botocore", lowest=TLS1_0),
    ]
    groups = by_interpreter(rows)
    assert found_names(groups, groups, DOWN) == "/srv/bad (botocore 1.26.20), /srv/mild (urllib3 1.26.20)"


def test_a_cell_has_the_verdict_how_low_and_which_version() -> None:
    """A cell says all that decides what to do; the standard library's version is in its own column."""
    row = a_row(DOWN, interpreter=an_environment("/srv/shop"), client="urllib3")
    assert outcome(row) == "downgraded TLSv1 (1.26.20)"
    assert outcome(replace(row, client_version="3.11.2")) == "downgraded TLSv1"
    assert outcome(replace(row, judgement=a_row(HELD).judgement)) == "enforced (1.26.20)"


def test_places_beyond_a_few_are_counted() -> None:
    """Three places are named; of more two are, with the number of the others."""
    groups = [a_group(an_environment(f"/srv/{number}")) for number in range(4)]
    assert places_of(groups[:3]) == "/srv/0, /srv/1, /srv/2"
    assert places_of(groups) == "/srv/0, /srv/1 and 2 more"
