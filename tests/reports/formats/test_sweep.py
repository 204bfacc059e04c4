"""A sweep in words: where the versions decide, which pair stands where, and where they change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import ClientKey
from reports.formats.sweep import client_shares, dependence_sentences, sweeps
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import by_interpreter
from servers.conditions import Condition
from tests.support.builders import TLS1_0, TLS1_1, TLS1_2, a_row, keys

if TYPE_CHECKING:
    from reports.verdicts.matrix import Row

DOWN, FRAGILE, UNCLEAR, UNTESTABLE, HELD = Verdict

PAIRS = {
    "botocore-1.20.*+urllib3-1.26.*": ("1.20.112", "1.26.20"),
    "botocore-newest+urllib3-1.26.*": ("1.44.8", "1.26.20"),
    "botocore-newest+urllib3-2.*": ("1.44.8", "2.8.0"),
}


def _swept(client: str, verdicts: tuple[Verdict, ...], interpreter: str = "one") -> list[Row]:
    """Return a client's rows, one for each pair of versions, with these verdicts."""
    rows = []
    for (label, (botocore, urllib3)), verdict in zip(PAIRS.items(), verdicts, strict=True):
        row = a_row(verdict, interpreter, f"{client}@{label}", reason="no solution")
        version = botocore if client == "botocore" else urllib3
        rows.append(replace(row, client_version=version, urllib3=urllib3))
        if client != "botocore":
            beside = replace(
                row,
                client=ClientKey.parse(f"botocore@{label}"),
                client_version=botocore,
                condition=Condition.PERMISSIVE,
            )
            rows.append(beside)
    return rows


def test_without_a_sweep_nothing_is_said() -> None:
    """Rows of plain clients have no versions to tell apart."""
    rows = [a_row(DOWN, "one", "ssl"), a_row(HELD, "one", "botocore")]
    assert (sweeps(by_interpreter(rows)), dependence_sentences(by_interpreter(rows), TLS1_2)) == ([], [])


def test_pairs_that_came_out_alike_stand_together_in_their_order() -> None:
    """The line says what the first versions came to, and with which pair that changed."""
    rows = [*_swept("urllib3", (DOWN, DOWN, HELD)), *_swept("botocore", (DOWN, DOWN, DOWN))]
    old, mixed, new = (f"botocore {botocore} and urllib3 {urllib3}" for botocore, urllib3 in PAIRS.values())
    low = "downgraded to TLSv1 with"
    assert sweeps(by_interpreter(rows)) == [
        f"urllib3 on one: the versions decide: {low} {old}, {mixed}; enforced with {new}.",
        f"botocore on one: the versions change nothing: {low} {old}, {mixed}, {new}.",
    ]
    assert dependence_sentences(by_interpreter(rows), TLS1_2) == [
        "Whether urllib3 holds TLSv1.2 depends on the versions that were tried on one."
    ]


def test_an_impossible_pair_is_named_as_it_was_asked_for() -> None:
    """What could not be installed is no change of the floor, and is named by what was asked for."""
    rows = _swept("urllib3", (HELD, UNTESTABLE, HELD))
    (line,) = sweeps(by_interpreter([rows[0], replace(rows[1], client_version="", urllib3=""), rows[2]]))
    assert "untestable with botocore-newest and urllib3-1.26.*" in line
    assert "the versions change nothing" in line
    assert dependence_sentences(by_interpreter(_swept("urllib3", (HELD, UNTESTABLE, HELD))), TLS1_2) == [
        "None of the versions of urllib3 that were tried makes a difference."
    ]


def test_interpreters_on_which_it_came_out_alike_share_a_line() -> None:
    """One line names all interpreters with the same outcome for the same versions, and no others."""
    alike = [row for name in ("one", "two") for row in _swept("botocore", (DOWN, HELD, HELD), name)]
    rows = [*alike, *_swept("botocore", (HELD, HELD, HELD), "three")]
    first, second = sweeps(by_interpreter(rows))
    assert first.startswith("botocore on one, two: the versions decide")
    assert second.startswith("botocore on three: the versions change nothing")


@pytest.mark.parametrize("verdict", Verdict)
def test_only_what_is_known_is_a_difference(verdict: Verdict) -> None:
    """Another verdict is a difference unless it says that nothing is known, and so is another depth."""
    rows = _swept("botocore", (DOWN, verdict, DOWN))
    assert bool("the versions decide" in sweeps(by_interpreter(rows))[0]) is (verdict in (FRAGILE, HELD))
    deeper = replace(rows[1], judgement=replace(rows[1].judgement, lowest=TLS1_1))
    assert bool("the versions decide" in sweeps(by_interpreter([rows[0], deeper, rows[2]]))[0]) is (
        verdict in (DOWN, FRAGILE, HELD)
    )
    assert rows[0].judgement.lowest is TLS1_0


def test_versions_are_counted_where_only_some_go_down() -> None:
    """In a list of names a client that was swept stands once, with how many of its versions are meant."""
    everyone = keys(["ssl", "a@1", "a@2", "b@1", "b@2"])
    assert client_shares(keys(["ssl", "a@2", "b@1", "b@2"]), everyone) == ["ssl", "a in 1 of 2 versions", "b"]


def test_other_conditions_have_no_say() -> None:
    """What came out under a configuration of ours is not how the versions differ on the machine."""
    rows = [replace(row, condition=Condition.HARDENED) for row in _swept("botocore", (DOWN, HELD, HELD))]
    assert sweeps(by_interpreter(rows)) == []
