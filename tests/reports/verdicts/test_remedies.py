"""What is advised: only what held on that interpreter, in this run; all else says why it is not."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.deployed.found import sources
from reports.verdicts.floor_file import FloorFile
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Subject
from reports.verdicts.observations import OwnTls
from reports.verdicts.remedies import (
    BUNDLE,
    MOST_NAMED,
    TITLES,
    TRIED,
    Case,
    Origin,
    Remedy,
    RemedyAttempt,
    RemedyOptions,
    Standing,
    assess,
    needing,
    skip_reason,
    trial_summary,
)
from servers.conditions import Condition
from tests.support.builders import TLS1_2, a_program, a_row, an_interpreter

if TYPE_CHECKING:
    from reports.verdicts.copies import CopyChange
    from reports.verdicts.matrix import Row

DOWN, FRAGILE, HELD = Verdict.DOWNGRADED, Verdict.FRAGILE, Verdict.ENFORCED
OPTIONS = RemedyOptions(
    floor=TLS1_2,
    libraries={"ssl": "", "urllib3": "urllib3", "botocore": "botocore"},
    snippets={"ssl": "one\ntwo", "urllib3": "three", "botocore": "four"},
    files={"one": FloorFile("floor-tls1_2.cnf", "a = b\n")},
)
NEWER = replace(OPTIONS, upgrades={("one", "urllib3"): Path("/made/up/newer/bin/python")})


def attempts(
    row: Row, trials: dict[Remedy, Row] | None = None, options: RemedyOptions = OPTIONS, *others: Row
) -> dict[Remedy, RemedyAttempt]:
    """Return what one row's remedies came to."""
    found: dict[tuple[str, str, Remedy | CopyChange], Row] = {
        (row.interpreter.id, str(row.client), remedy): trial for remedy, trial in (trials or {}).items()
    }
    (case,) = [c for c in assess([row, *others], found, options) if c.row is row]
    return {one.remedy: one for one in case.attempts}


@pytest.mark.parametrize("condition", Condition)
@pytest.mark.parametrize("verdict", Verdict)
def test_who_needs_a_remedy(verdict: Verdict, condition: Condition) -> None:
    """Rows that went, or would go, below the floor in the machine's own state, and no others."""
    row = a_row(verdict, condition=condition)
    needs = verdict in (DOWN, FRAGILE) and condition is Condition.AMBIENT
    assert needing([row]) == ((row,) if needs else ())
    assert len(assess([row], {}, OPTIONS)) == needs


def test_every_remedy_is_there_in_order_of_effort() -> None:
    """A case has each remedy once, the least effort first, whatever came of it."""
    (case,) = assess([a_row(DOWN)], {}, OPTIONS)
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
    assert one == RemedyAttempt(
        Remedy.CONFIGURATION, Standing.FAILED, "connected at TLSv1 all the same", verdict
    )


def test_the_file_that_is_advised_is_the_one_that_was_tried() -> None:
    """Where the configuration held, its text is among the lines to copy, and the file goes with them."""
    one = attempts(a_row(DOWN, "one"), {Remedy.CONFIGURATION: a_row(HELD, "one")})[Remedy.CONFIGURATION]
    assert one.file == OPTIONS.files["one"]
    assert "a = b" in one.lines


@pytest.mark.parametrize(
    ("files", "why"),
    [({"one": "its file is broken"}, "its file is broken"), ({}, "no configuration was written for it")],
)
def test_a_configuration_that_cannot_be_written_is_not_tried(
    files: dict[str, FloorFile | str], why: str
) -> None:
    """Where the floor cannot be added to what a machine has, the reason is said."""
    assert skip_reason(a_row(DOWN, "one"), Remedy.CONFIGURATION, replace(OPTIONS, files=files)) == why


def test_a_trial_that_did_not_take_place_is_no_success() -> None:
    """Where a trial is missing the remedy counts as not tried."""
    assert {one.standing for one in attempts(a_row(DOWN, "one")).values()} == {Standing.IDLE}


def test_lines_set_in_code_are_the_lines_that_were_run() -> None:
    """What is to be copied is the client's snippet, line by line."""
    one = attempts(a_row(DOWN, "one"), {Remedy.CODE: a_row(HELD, "one")})[Remedy.CODE]
    assert "\n".join(one.lines) == OPTIONS.snippets["ssl"]


def test_a_client_without_lines_is_not_tried_in_code() -> None:
    """There is nothing to try where nobody wrote the lines."""
    assert "no lines" in skip_reason(a_row(DOWN, client="other"), Remedy.CODE, OPTIONS)


@pytest.mark.parametrize(
    ("client", "options", "words"),
    [
        ("ssl", OPTIONS, "comes with Python itself"),
        ("botocore", OPTIONS, "has the newest release"),
        ("urllib3", replace(OPTIONS, upgrades={("one", "urllib3"): "no network"}), "no network"),
        ("urllib3", NEWER, ""),
    ],
)
def test_a_newer_release_is_tried_where_there_may_be_one(
    client: str, options: RemedyOptions, words: str
) -> None:
    """It is not for what comes with Python, for what is the newest already, and where it cannot be had."""
    said = skip_reason(a_row(DOWN, "one", client), Remedy.UPGRADE, options)
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
    assert one.lines[1:] == ("/made/up/one/bin/python -m pip install 'urllib3>=2.2.3'",)
    assert "Undo: the same with urllib3==1.26.20." in one.lines[0]


def test_another_interpreter_has_to_have_held_with_the_same_client() -> None:
    """Only interpreters that were enforced with this very client, in the machine's state, are named."""
    row = a_row(DOWN, "one", "botocore")
    others = [
        a_row(HELD, "two", "botocore"),
        a_row(HELD, "three", "ssl"),
        a_row(HELD, "four", "botocore", condition=Condition.HARDENED),
        a_row(FRAGILE, "five", "botocore"),
    ]
    one = attempts(row, None, OPTIONS, *others)[Remedy.INTERPRETER]
    assert one.standing is Standing.ADVISED
    assert one.said == "held in this run by two"
    assert one.lines[1:] == (
        "/made/up/two/bin/python -m venv tls-floor-two",
        "tls-floor-two/bin/python -m pip install botocore",
    )
    none = attempts(row, None, OPTIONS, *others[1:])[Remedy.INTERPRETER]
    assert none.standing is Standing.IDLE
    assert not none.lines


def test_not_every_interpreter_is_named() -> None:
    """Many interpreters that held are counted beyond the first few."""
    others = [a_row(HELD, f"other_{number}") for number in range(MOST_NAMED + 3)]
    assert attempts(a_row(DOWN, "one"), None, OPTIONS, *others)[Remedy.INTERPRETER].said.endswith(
        "and 3 more"
    )


def _version(name: str, version: str, path: str = "") -> Row:
    one = an_interpreter(name, version)
    return a_row(HELD, interpreter=replace(one, path=path or one.path))


def test_a_release_is_named_before_its_candidate() -> None:
    """The newest interpreter comes first: 3.10 is newer than 3.9, and a release than what led to it."""
    others = [_version("old", "3.9.18"), _version("candidate", "3.10.0rc2"), _version("release", "3.10.0")]
    one = attempts(a_row(DOWN, "one"), None, OPTIONS, *others)[Remedy.INTERPRETER]
    assert one.said == "held in this run by release, candidate, old"


def test_the_newest_interpreter_that_is_maintained_and_open_comes_first() -> None:
    """What is at its end of life, or where not every user may enter, is left out, with the reason."""
    others = [
        _version("old", "3.9.18"),
        _version("ten", "3.12.10"),
        _version("two", "3.12.2"),
        _version("shut", "3.14.0"),
    ]
    ended, shut = {"old": dt.date(2025, 10, 31)}, {"shut": "/made"}
    options = replace(OPTIONS, ends=ended, closed=shut)
    elsewhere = a_row(DOWN, interpreter=replace(an_interpreter("one"), path="/usr/bin/python3"))
    one = attempts(elsewhere, None, options, *others)[Remedy.INTERPRETER]
    assert one.said == (
        "held in this run by ten, two; not old, at its end of life since 2025-10-31;"
        " not shut, in /made, which not every user may enter"
    )
    assert "/made/up/ten/bin/python -m venv tls-floor-ten" in one.lines
    assert BUNDLE in sources()
    bundled = _version("sdk", "3.15.0")
    bundled = replace(bundled, interpreter=replace(bundled.interpreter, source=BUNDLE))
    assert attempts(elsewhere, None, options, bundled, others[1])[Remedy.INTERPRETER].said == (
        "held in this run by ten; not sdk, another program's own"
    )
    found = _version("found", "3.15.0")
    found = replace(
        found,
        interpreter=replace(found.interpreter, environment="/its/own"),
        subject=Subject.ENVIRONMENT,
    )
    assert attempts(elsewhere, None, options, found)[Remedy.INTERPRETER].standing is Standing.IDLE
    none = attempts(elsewhere, None, options, others[0], others[3])[Remedy.INTERPRETER]
    assert (none.standing, none.lines) == (Standing.IDLE, ())
    # Who uses an interpreter in that folder may enter it.
    beside = attempts(a_row(DOWN, "one"), None, options, *others)[Remedy.INTERPRETER]
    assert beside.said.startswith("held in this run by shut, ten, two; not old,")


def test_a_program_is_no_other_interpreter() -> None:
    """A program that holds the floor as a client of its own runs no application."""
    other = a_row(HELD, client="ssl", interpreter=a_program("ssl"))
    assert attempts(a_row(DOWN, "one"), None, OPTIONS, other)[Remedy.INTERPRETER].standing is Standing.IDLE


def test_a_build_is_named_where_there_is_a_recipe_and_never_advised() -> None:
    """A build takes minutes, so nobody made one: it is not tried, with the words that would."""
    row = a_row(DOWN, interpreter=an_interpreter("one", "3.9.18"))
    assert "no recipe that is still maintained builds this version" in attempts(row)[Remedy.BUILD].said
    able = replace(OPTIONS, recipes={"3.9": "--python 3.9"})
    one = attempts(row, None, able)[Remedy.BUILD]
    assert one.standing is Standing.IDLE
    assert "nox -s harden -- --python 3.9" in one.said


def test_no_build_is_named_for_a_client_that_brings_its_own_tls() -> None:
    """Building Python again changes nothing for what does not use its OpenSSL, recipe or not."""
    row = replace(a_row(DOWN, interpreter=an_interpreter("one", "3.9.18")), own_tls=OwnTls("the CRT", False))
    said = attempts(row, None, replace(OPTIONS, recipes={"3.9": "--python 3.9"}))[Remedy.BUILD].said
    # Its library may be Python's own: Debian's pyOpenSSL has loaded the same file.
    assert said == "it does not use Python's ssl module but the CRT, which no build of Python changes"


def test_in_short_each_remedy_is_said_once_for_its_clients() -> None:
    """The matrix says what holds and what does not, each with its clients, and where to read on."""
    helped = RemedyAttempt(Remedy.CODE, Standing.ADVISED, "so it was seen", HELD)
    failed = RemedyAttempt(Remedy.CONFIGURATION, Standing.FAILED, "so it was seen", DOWN)
    untried = RemedyAttempt(Remedy.BUILD, Standing.IDLE, "nobody did")
    cases = [Case(a_row(DOWN, "one", client), (failed, helped, untried)) for client in ("ssl", "botocore")]
    configured, coded, more = trial_summary(cases)
    assert configured == f"{TITLES[Remedy.CONFIGURATION]}: tried in this run, it does not help ssl, botocore."
    assert coded == f"{TITLES[Remedy.CODE]}: measured in this run, it holds with ssl, botocore."
    assert "remedies.md" in more


def test_in_short_an_earlier_run_is_named() -> None:
    """What an earlier run measured is said with its date and id; another interpreter is of this run."""
    helped = RemedyAttempt(Remedy.CODE, Standing.ADVISED, "so it was seen", HELD)
    other = RemedyAttempt(Remedy.INTERPRETER, Standing.ADVISED, "held in this run by two", HELD)
    origin = Origin("20261101T000000Z-aaaa", "2026-11-01T00:00:09+00:00")
    coded, held, _ = trial_summary([Case(a_row(DOWN, "one"), (helped, other), origin)])
    when = "measured on 2026-11-01 in run 20261101T000000Z-aaaa"
    assert coded == f"{TITLES[Remedy.CODE]}: {when}, it holds with ssl."
    assert held == f"{TITLES[Remedy.INTERPRETER]}: measured in this run, it holds with ssl."
