"""Findings in copies: nothing is concluded from one that is not like its environment, and the least lifts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.deployed.copies import Lack
from interpreters.deployed.managers import Management, Manager
from interpreters.deployed.pins import markers_of, read_pins
from interpreters.interpreter import RUNNING
from reports.verdicts.cells import CellKind
from reports.verdicts.copies import ChangedCopy, CopyChange, EnvironmentCopies, Finding, Outcome
from reports.verdicts.judge import Verdict
from reports.verdicts.remedies import Remedy, RemedyOptions, Standing, assess
from tests.interpreters.deployed.test_pins import ALL, NEWEST
from tests.support.builders import TLS1_2, a_catalogue, a_finding, a_row, an_interpreter

DOWN, HELD = Verdict.DOWNGRADED, Verdict.ENFORCED
FOUND = replace(an_interpreter("env_shop"), environment="/srv/shop/venv", path="/srv/shop/venv/bin/python")
ROW = a_row(DOWN, client="urllib3", interpreter=FOUND)

ASKS = "botocore 1.31.85 in this environment asks for urllib3<1.27,>=1.25.4"

VERSIONS = {
    CopyChange.COPY: {},
    CopyChange.ALLOWED: {"urllib3": "1.26.21"},
    CopyChange.NEWEST: {"botocore": "1.42.97", "boto3": "1.42.97"},
    CopyChange.AGAINST: {"urllib3": NEWEST["urllib3"]},
}
COPIES = EnvironmentCopies(
    ALL,
    read_pins(ALL, markers_of("3.9.18", "CPython")),
    Management(Manager.PIP),
    deciding={"urllib3": "urllib3"},
    newest=NEWEST,
    copies=tuple(
        ChangedCopy(change, ("urllib3",), Path("/copy", change), versions)
        for change, versions in VERSIONS.items()
    ),
)


def _finding(verdicts: dict[CopyChange, Verdict], copies: EnvironmentCopies = COPIES) -> Finding:
    return Finding(
        ROW,
        "urllib3",
        copies,
        tuple(
            Outcome(copy, replace(ROW, judgement=a_row(verdicts[copy.change], reason="so it was").judgement))
            for copy in copies.copies
            if copy.change in verdicts
        ),
    )


def _attempt(verdicts: dict[CopyChange, Verdict], copies: EnvironmentCopies = COPIES):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """Return the case of the row, and what came of a newer release in it."""
    trials = {
        ("env_shop", "urllib3", one.copy.change): one.row for one in _finding(verdicts, copies).outcomes
    }
    options = RemedyOptions(TLS1_2, {"urllib3": "urllib3"}, {}, copies={"env_shop": copies})
    (case,) = assess([ROW], trials, options)  # type: ignore[arg-type]
    (attempt,) = (one for one in case.attempts if one.remedy is Remedy.UPGRADE)
    return case, attempt


@given(verdicts=st.dictionaries(st.sampled_from(CopyChange), st.sampled_from(Verdict)))
def test_only_what_was_measured_to_hold_in_a_true_copy_is_advised(
    verdicts: dict[CopyChange, Verdict],
) -> None:
    """The copy came out as the environment did, and a change that keeps the pins was enforced in it."""
    _, attempt = _attempt(verdicts)
    is_true = verdicts.get(CopyChange.COPY) is DOWN
    held = HELD in (verdicts.get(CopyChange.ALLOWED), verdicts.get(CopyChange.NEWEST))
    assert (attempt.standing is Standing.ADVISED) is (is_true and held)
    assert bool(attempt.lines) is (is_true and held)
    if not is_true:
        assert attempt.standing is Standing.IDLE


@pytest.mark.parametrize("change", [CopyChange.ALLOWED, CopyChange.NEWEST])
def test_the_least_change_that_holds_is_advised(change: CopyChange) -> None:
    """With the very versions that were in the copy."""
    verdicts = {CopyChange.COPY: DOWN, CopyChange.ALLOWED: DOWN, CopyChange.NEWEST: HELD} | {change: HELD}
    _, attempt = _attempt(verdicts)
    pins = " ".join(f"{name}=={version}" for name, version in sorted(VERSIONS[change].items()))
    assert attempt.lines[-1] == f"/srv/shop/venv/bin/python -m pip install {pins}"
    assert attempt.said.startswith("in a copy of the environment with")
    assert "so it was" in attempt.said


@pytest.mark.parametrize("unit", ["", "shop.service"])
def test_what_runs_there_has_to_be_started_again(unit: str) -> None:
    """By the name of its service, where that is known."""
    process = replace(FOUND, id="running_shop", source=RUNNING)
    row = replace(ROW, interpreter=process)
    copies = replace(COPIES, copies=COPIES.copies[:2])
    verdicts = {CopyChange.COPY: DOWN, CopyChange.ALLOWED: HELD}
    trials = {
        (process.id, "urllib3", change): replace(row, judgement=a_row(verdict).judgement)
        for change, verdict in verdicts.items()
    }
    units = {process.id: unit} if unit else {}
    options = RemedyOptions(TLS1_2, {"urllib3": "urllib3"}, {}, copies={process.id: copies}, units=units)
    (case,) = assess([row], trials, options)  # type: ignore[arg-type]
    (attempt,) = (one for one in case.attempts if one.remedy is Remedy.UPGRADE)
    last = attempt.lines[-1]
    assert last == f"sudo systemctl restart {unit}" if unit else last.startswith("# Then start again")


def test_what_holds_against_the_pins_is_said_and_not_advised() -> None:
    """The pin is named with what would be without it."""
    case, attempt = _attempt({CopyChange.COPY: DOWN, CopyChange.NEWEST: DOWN, CopyChange.AGAINST: HELD})
    assert attempt.standing is Standing.FAILED
    assert case.held_back == (
        f"{ASKS}; with urllib3 2.8.0 it holds: tried",
        "awscli 1.29.85 asks for botocore==1.31.85",
        "boto3 1.28.85 asks for botocore<1.32.0,>=1.31.85",
    )


def test_a_pin_whose_end_would_not_help_is_no_cause() -> None:
    """Where the newest release goes below too, who holds its holder back is beside the point."""
    case, _ = _attempt({CopyChange.COPY: DOWN, CopyChange.AGAINST: DOWN})
    assert case.held_back == (f"{ASKS}; with urllib3 2.8.0 it does not hold either: tried",)


@pytest.mark.parametrize("verdicts", [{}, {CopyChange.COPY: HELD, CopyChange.AGAINST: HELD}])
def test_what_was_not_measured_is_not_called_tried(verdicts: dict[CopyChange, Verdict]) -> None:
    """Without a copy that is like the environment, nothing is known of the newest release."""
    case, _ = _attempt(verdicts)
    assert case.held_back[0].endswith("; urllib3 2.8.0 was not tried")


def test_a_copy_that_differs_says_in_what() -> None:
    """By its verdict, or by the server on which it came out otherwise."""
    assert "enforced in place of downgraded (so it was)" in _finding({CopyChange.COPY: HELD}).problem
    first, second = a_catalogue().servers[:2]
    row = replace(ROW, findings={first.id: a_finding(first, CellKind.CONNECTED)})
    other = replace(
        row,
        findings={
            first.id: replace(a_finding(first, CellKind.CONNECTED), reason="another"),
            second.id: a_finding(second, CellKind.CONNECTED),
        },
    )
    plain = COPIES.copies[0]
    assert Finding(row, "urllib3", COPIES, (Outcome(plain, other),)).problem == ""
    differs = replace(row, findings={first.id: a_finding(first, CellKind.REJECTED)})
    assert f"on {first.id}" in Finding(row, "urllib3", COPIES, (Outcome(plain, differs),)).problem


@pytest.mark.parametrize(("name", "depends"), [("requests", False), ("urllib3", True)])
def test_what_a_copy_lacks_is_said(name: str, *, depends: bool) -> None:
    """With whether the client needs any of it."""
    (lacking,) = (one for one in ALL if one.name == name)
    copies = replace(COPIES, lacks=(Lack(lacking, "no index has it"),))
    _, attempt = _attempt({CopyChange.COPY: DOWN, CopyChange.ALLOWED: HELD}, copies)
    words = "so the verdict could depend on that" if depends else "urllib3 needs none of it"
    said = f"the copy lacks {lacking} (no index has it): "
    assert said in attempt.said
    assert attempt.said.endswith(words)
    assert attempt.lines[0] == f"# Mind that {attempt.said[attempt.said.index('the copy') :]}."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"problem": "no index"}, "no index"),
        ({"copies": COPIES.copies[:1]}, "urllib3 1.26.20 is the newest that the environment allows"),
        ({"copies": COPIES.copies[:1], "newest": {}}, "urllib3 1.26.20 is the newest for this Python"),
        (
            {"copies": COPIES.copies[:1], "unsolved": {("urllib3", CopyChange.NEWEST): "all clash"}},
            "no newer urllib3 goes together with the environment: all clash",
        ),
        ({"copies": COPIES.copies[:1], "distributions": ()}, "urllib3 is not among its distributions"),
    ],
)
def test_why_nothing_newer_was_tried(changes: dict[str, object], words: str) -> None:
    """Each reason is a sentence, and nothing is advised."""
    _, attempt = _attempt({CopyChange.COPY: DOWN}, replace(COPIES, **changes))  # type: ignore[arg-type]
    assert (attempt.standing, attempt.said) == (Standing.IDLE, words)
