"""What is advised: only what held on that interpreter, in this run; all else says why it is not."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from builders import TLS1_2, TLS1_3, a_row, an_interpreter
from hypothesis import given
from hypothesis import strategies as st

from reports.remedies import (
    MOST_NAMED,
    TITLES,
    TRIED,
    Attempt,
    Case,
    Means,
    Remedy,
    Standing,
    configuration_lines,
    idle,
    in_short,
    needing,
    weigh,
)
from reports.verdicts import Verdict
from servers.conditions import Condition
from servers.observation import OwnTls

if TYPE_CHECKING:
    from reports.matrix import Row

DOWN, FRAGILE, HELD = Verdict.DOWNGRADED, Verdict.FRAGILE, Verdict.ENFORCED
MEANS = Means(
    floor=TLS1_2,
    libraries={"ssl": "", "urllib3": "urllib3", "botocore": "botocore"},
    snippets={"ssl": "one\ntwo", "urllib3": "three", "botocore": "four"},
)
NEWER = replace(MEANS, upgrades={("one", "urllib3"): Path("/made/up/newer/bin/python")})


def attempts(
    row: Row, trials: dict[Remedy, Row] | None = None, means: Means = MEANS, *others: Row
) -> dict[Remedy, Attempt]:
    """Return what one row's remedies came to."""
    found = {(row.interpreter.id, row.client, remedy): trial for remedy, trial in (trials or {}).items()}
    (case,) = [c for c in weigh([row, *others], found, means) if c.row is row]
    return {one.remedy: one for one in case.attempts}


@pytest.mark.parametrize("condition", Condition)
@pytest.mark.parametrize("verdict", Verdict)
def test_who_needs_a_remedy(verdict: Verdict, condition: Condition) -> None:
    """Rows that went, or would go, below the floor in the machine's own state, and no others."""
    row = a_row(verdict, condition=condition)
    needs = verdict in (DOWN, FRAGILE) and condition is Condition.AMBIENT
    assert needing([row]) == ((row,) if needs else ())
    assert len(weigh([row], {}, MEANS)) == needs


def test_every_remedy_is_there_in_order_of_effort() -> None:
    """A case has each remedy once, the least effort first, whatever came of it."""
    (case,) = weigh([a_row(DOWN)], {}, MEANS)
    assert [one.remedy for one in case.attempts] == list(Remedy)
    assert all(one.said for one in case.attempts)


TRIALS = st.dictionaries(st.sampled_from(TRIED), st.sampled_from(Verdict))


@given(trials=TRIALS, client=st.sampled_from(["ssl", "urllib3", "botocore", "other"]))
def test_only_what_was_measured_to_hold_is_advised(trials: dict[Remedy, Verdict], client: str) -> None:
    """Whatever was tried: advised means enforced in its trial, and anything else tried has failed."""
    rows = {
        remedy: replace(a_row(verdict, "one", client), client_version="9")
        for remedy, verdict in trials.items()
    }
    for remedy, one in attempts(a_row(DOWN, "one", client), rows, NEWER).items():
        if one.standing is Standing.ADVISED:
            assert trials[remedy] is HELD
            assert one.lines
        elif one.standing is Standing.FAILED:
            assert one.verdict is trials[remedy]
            assert one.verdict is not HELD
            assert not one.lines
        else:
            assert one.verdict is None
            assert not one.lines


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not HELD])
def test_what_does_not_help_is_listed_with_its_verdict(verdict: Verdict) -> None:
    """A client that ignores the configuration gets no advice to set it, and is said to have been tried."""
    trial = a_row(verdict, "one", "ssl", reason="connected at TLSv1 all the same")
    one = attempts(a_row(DOWN, "one"), {Remedy.CONFIGURATION: trial})[Remedy.CONFIGURATION]
    assert one == Attempt(Remedy.CONFIGURATION, Standing.FAILED, "connected at TLSv1 all the same", verdict)


def test_a_trial_that_did_not_take_place_is_no_success() -> None:
    """Where a trial is missing the remedy counts as not tried."""
    assert {one.standing for one in attempts(a_row(DOWN, "one")).values()} == {Standing.IDLE}


def test_lines_set_in_code_are_the_lines_that_were_run() -> None:
    """What is to be copied is the client's snippet, line by line."""
    one = attempts(a_row(DOWN, "one"), {Remedy.CODE: a_row(HELD, "one")})[Remedy.CODE]
    assert "\n".join(one.lines) == MEANS.snippets["ssl"]


def test_a_client_without_lines_is_not_tried_in_code() -> None:
    """There is nothing to try where nobody wrote the lines."""
    assert "no lines" in idle(a_row(DOWN, client="other"), Remedy.CODE, MEANS)


@pytest.mark.parametrize(
    ("client", "means", "words"),
    [
        ("ssl", MEANS, "comes with Python itself"),
        ("botocore", MEANS, "has the newest releases"),
        ("urllib3", replace(MEANS, upgrades={("one", "urllib3"): "no network"}), "no network"),
        ("urllib3", NEWER, ""),
    ],
)
def test_a_newer_release_is_tried_where_there_may_be_one(client: str, means: Means, words: str) -> None:
    """It is not for what comes with Python, for what is the newest already, and where it cannot be had."""
    said = idle(a_row(DOWN, "one", client), Remedy.UPGRADE, means)
    assert words in said
    assert bool(said) is bool(words)


def test_the_newest_release_is_not_tried_again() -> None:
    """A trial that ran the same release as the row says that it is the newest, whatever its verdict."""
    row = a_row(DOWN, "one", "urllib3")
    one = attempts(row, {Remedy.UPGRADE: replace(row, client_version=row.client_version)}, NEWER)[
        Remedy.UPGRADE
    ]
    assert one.standing is Standing.IDLE
    assert row.client_version in one.said


def test_a_newer_release_is_named() -> None:
    """The release that was measured is the one to install, at least."""
    trial = replace(a_row(HELD, "one", "urllib3"), client_version="2.2.3")
    one = attempts(a_row(DOWN, "one", "urllib3"), {Remedy.UPGRADE: trial}, NEWER)[Remedy.UPGRADE]
    assert one.standing is Standing.ADVISED
    assert "2.2.3 in place of 1.26.20" in one.said
    assert one.lines == ("python -m pip install 'urllib3>=2.2.3'",)


def test_another_interpreter_has_to_have_held_with_the_same_client() -> None:
    """Only interpreters that were enforced with this very client, in the machine's state, are named."""
    row = a_row(DOWN, "one", "botocore")
    others = [
        a_row(HELD, "two", "botocore"),
        a_row(HELD, "three", "ssl"),
        a_row(HELD, "four", "botocore", condition=Condition.HARDENED),
        a_row(FRAGILE, "five", "botocore"),
    ]
    one = attempts(row, None, MEANS, *others)[Remedy.INTERPRETER]
    assert one.standing is Standing.ADVISED
    assert one.said == "held in this run by two"
    assert one.lines == (
        "/made/up/two/bin/python -m venv another",
        "another/bin/python -m pip install botocore",
    )
    none = attempts(row, None, MEANS, *others[1:])[Remedy.INTERPRETER]
    assert none.standing is Standing.IDLE
    assert not none.lines


def test_not_every_interpreter_is_named() -> None:
    """Many interpreters that held are counted beyond the first few."""
    others = [a_row(HELD, f"other_{number}") for number in range(MOST_NAMED + 3)]
    assert attempts(a_row(DOWN, "one"), None, MEANS, *others)[Remedy.INTERPRETER].said.endswith("and 3 more")


def test_a_build_is_named_where_there_is_a_recipe_and_never_advised() -> None:
    """A build takes minutes, so nobody made one: it is not tried, with the words that would."""
    row = a_row(DOWN, interpreter=an_interpreter("one", "3.9.18"))
    assert "no recipe that is still maintained builds Python 3.9" in attempts(row)[Remedy.BUILD].said
    able = replace(MEANS, recipes={"3.9": "--python 3.9"})
    one = attempts(row, None, able)[Remedy.BUILD]
    assert one.standing is Standing.IDLE
    assert "nox -s harden -- --python 3.9" in one.said


def test_no_build_is_named_for_a_client_that_brings_its_own_tls() -> None:
    """Building Python anew changes nothing for what does not use its OpenSSL, recipe or not."""
    row = replace(a_row(DOWN, interpreter=an_interpreter("one", "3.9.18")), own_tls=OwnTls("the CRT", False))
    said = attempts(row, None, replace(MEANS, recipes={"3.9": "--python 3.9"}))[Remedy.BUILD].said
    assert "the CRT" in said
    assert "nox -s harden" not in said


def test_paths_are_quoted_for_the_shell() -> None:
    """An interpreter in a folder with a space is one word in the lines to copy."""
    path = "/made up/bin/python"
    lines = configuration_lines(path, TLS1_2)
    command = next(line for line in lines if line.endswith("application.py"))
    assert path in shlex.split(command)
    assert sum(line.endswith("OPENSSL_CONF=/etc/ssl/floor-tls1_2.cnf") for line in lines) == 3
    assert all("/etc/ssl/floor-tls1_2.cnf" in line for line in lines if "OPENSSL_CONF" in line)
    assert lines[-1] == "OPENSSL_CONF=/etc/ssl/floor-tls1_2.cnf nox -s matrix"
    assert configuration_lines(path, TLS1_3)[-1].endswith("-tls1_3.cnf nox -s matrix -- --floor TLSv1.3")


def test_in_short_each_remedy_is_said_once_for_its_clients() -> None:
    """The matrix says what holds and what does not, each with its clients, and where to read on."""
    helped = Attempt(Remedy.CODE, Standing.ADVISED, "so it was seen", HELD)
    failed = Attempt(Remedy.CONFIGURATION, Standing.FAILED, "so it was seen", DOWN)
    untried = Attempt(Remedy.BUILD, Standing.IDLE, "nobody did")
    cases = [Case(a_row(DOWN, "one", client), (failed, helped, untried)) for client in ("ssl", "botocore")]
    configured, coded, more = in_short(cases)
    assert configured == f"{TITLES[Remedy.CONFIGURATION]}: tried in this run, it does not help ssl, botocore."
    assert coded == f"{TITLES[Remedy.CODE]}: measured in this run, it holds with ssl, botocore."
    assert "remedies.md" in more
