"""A build counts as proven only by rows that are there, enforced and held by the build."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from interpreters.hardening.stamp import MeasuredDocument
from reports.verdicts.judge import HeldBy, Verdict
from runs.harden import CONDITIONS, check_held_by_build, unproven, verdict_records
from servers.conditions import Condition
from tests.support.builders import TLS1_2, TLS1_3, a_row

if TYPE_CHECKING:
    from reports.verdicts.matrix import Row

BOTH = (Condition.AMBIENT, Condition.PERMISSIVE)


def rows(verdict: Verdict = Verdict.ENFORCED, holder: HeldBy = HeldBy.BUILD) -> list[Row]:
    """Return the rows of two clients under both conditions: the last as given, the others proven."""
    proven = [a_row(client=c, condition=co, holder=HeldBy.BUILD) for co in BOTH for c in ("ssl", "botocore")]
    return [*proven[:-1], a_row(verdict, client="botocore", condition=Condition.PERMISSIVE, holder=holder)]


def test_a_build_that_holds_everywhere_misses_nothing() -> None:
    """Rows that are all enforced and held by the build leave nothing to show."""
    assert unproven(rows(), ("ssl", "botocore"), BOTH) == []


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.ENFORCED])
def test_any_other_verdict_is_a_miss(verdict: Verdict) -> None:
    """No verdict but `enforced` proves a build, and the miss names client, condition, verdict and reason."""
    (miss,) = unproven(rows(verdict), ("ssl", "botocore"), BOTH)
    assert miss == f"botocore under permissive is {verdict}, held by build: so it was seen"


@pytest.mark.parametrize("holder", [holder for holder in HeldBy if holder is not HeldBy.BUILD])
def test_any_other_holder_is_a_miss(holder: HeldBy) -> None:
    """A floor that something else holds than the build does not prove the build."""
    assert len(unproven(rows(holder=holder), ("ssl", "botocore"), BOTH)) == 1


def test_what_was_not_measured_is_a_miss() -> None:
    """A client without a row is not shown to hold anything."""
    assert unproven(rows()[:-1], ("ssl", "botocore"), BOTH) == ["botocore under permissive was not measured"]


def test_an_empty_matrix_proves_nothing() -> None:
    """Without any row, every client under every condition is a miss."""
    assert len(unproven([], ("ssl", "botocore"), BOTH)) == len(BOTH) * 2


def test_the_floor_is_held_where_nothing_is_missed() -> None:
    """Rows that show it pass the check, which names the floor; one that does not fails it with the miss."""
    clients = ("ssl", "botocore")
    shown = check_held_by_build(rows(), clients, TLS1_3)
    assert (shown.what, shown.passed, shown.found) == (
        "the matrix shows TLSv1.3 held by the build",
        True,
        "",
    )
    (miss,) = unproven(rows(Verdict.DOWNGRADED), clients, BOTH)
    failed = check_held_by_build(rows(Verdict.DOWNGRADED), clients, TLS1_2)
    assert (failed.passed, failed.found) == (False, miss)


def test_a_configuration_that_lets_everything_through_is_asked_too() -> None:
    """What a build holds itself is seen under a permissive configuration, and no rows there are a miss."""
    assert CONDITIONS == BOTH
    ambient = [row for row in rows() if row.condition is Condition.AMBIENT]
    shown = check_held_by_build(ambient, ("ssl", "botocore"), TLS1_2)
    assert not shown.passed
    assert shown.found == "ssl under permissive was not measured; botocore under permissive was not measured"


def test_the_verdicts_are_kept() -> None:
    """What is kept beside the build says of each row what was measured and what held."""
    kept = verdict_records([a_row(client="ssl", holder=HeldBy.BUILD)])
    assert kept == (
        MeasuredDocument(
            client="ssl",
            client_version="1.26.20",
            condition="ambient",
            verdict="enforced",
            held_by="build",
        ),
    )
