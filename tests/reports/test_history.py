"""The runs that are kept: found by id, folder or document and never guessed, and looked back at."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reports.files import publish
from reports.formats.records import build_run
from reports.history import MOST_PAST, NoRunError, choose, kept_runs, latest_run, past_runs
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Past, by_interpreter, standings_apart
from reports.verdicts.observations import RequestedInterpreter, Run
from servers.conditions import Condition
from tests.support.builders import TLS1_3, a_catalogue, a_row, a_run, an_environment


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Return a folder of reports with three runs in it."""
    for run in ("20260101", "20260102", "20260103"):
        with publish(run, tmp_path) as folder:
            (folder / "matrix.json").write_text(run)
    return tmp_path


def _runs(reports: Path, *words: str) -> list[str]:
    return [path.read_text() for path in choose(words, reports, reports)]


def test_the_last_two_are_compared(reports: Path) -> None:
    """Without words it is the newest run against the one before it."""
    assert _runs(reports) == ["20260102", "20260103"]


def test_one_word_is_the_baseline(reports: Path) -> None:
    """One run named is the older side of the latest."""
    assert _runs(reports, "20260101") == ["20260101", "20260103"]


def test_two_words_are_both_runs(reports: Path) -> None:
    """Two runs named are compared in the order in which they are given."""
    assert _runs(reports, "20260103", "20260101") == ["20260103", "20260101"]


def test_a_run_is_named_by_id_folder_or_document(reports: Path, tmp_path: Path) -> None:
    """Each way to name a run leads to its document, relative to where the user is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "matrix.json").write_text("baseline")
    for word in ("elsewhere", "elsewhere/matrix.json", str(elsewhere)):
        assert _runs(reports, word, "latest") == ["baseline", "20260103"]


def test_the_latest_is_what_the_link_says(reports: Path) -> None:
    """After a clock was set back the newest run is the one that was published last."""
    with publish("20250101", reports) as folder:
        (folder / "matrix.json").write_text("newest")
    assert _runs(reports) == ["20260103", "newest"]


def test_runs_in_the_making_and_without_a_document_are_none(reports: Path) -> None:
    """What is half-written, or was written by something older, is not compared by default."""
    (reports / "history" / ".20270101.1").mkdir()
    (reports / "history" / "20260102-old").mkdir()
    (reports / "history" / "notes.txt").write_text("")
    assert _runs(reports) == ["20260102", "20260103"]
    assert [path.name for path in kept_runs(reports)] == [
        *("20260102-old", "20260101", "20260102", "20260103")
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nope"], "there is no run 'nope', and there are 20260101, 20260102, 20260103: give an id"),
        (["a", "b", "c"], "there are 3 runs to compare, a b c: give two, the older first"),
        (["20260103"], "20260103 is the latest run itself, and there are 20260101, 20260102, 20260103"),
    ],
)
def test_what_is_no_run_is_named_with_those_there_are(reports: Path, words: list[str], sentence: str) -> None:
    """A word that leads to no run, one too many, or the latest against itself is one clear sentence."""
    with pytest.raises(NoRunError, match=f"^{re.escape(sentence)}"):
        choose(words, reports, reports)


def test_it_takes_two_runs(tmp_path: Path) -> None:
    """With no run, or with one, the sentence says which there are and how to make another."""
    none = "it takes two runs to compare, and there are none: run nox -s matrix"
    with pytest.raises(NoRunError, match=f"^{none}$"):
        choose([], tmp_path, tmp_path)
    with publish("20260101", tmp_path) as folder:
        (folder / "matrix.json").write_text("")
    with pytest.raises(NoRunError, match=r"and there is 20260101: run nox -s matrix$"):
        choose([], Path("/nonexistent"), tmp_path)


def _run(**differences: Any) -> Run:
    """Return a run; what differs is a field of its own, or of what it was asked."""
    run = a_run(a_catalogue())
    own = {name: value for name, value in differences.items() if hasattr(run, name)}
    asked = {name: value for name, value in differences.items() if name not in own}
    return replace(run, **own, asked=replace(run.asked, **asked))


def _keep(reports: Path, *runs: Run, **standings: int) -> None:
    for run in runs:
        with publish(run.run_id, reports, kept=100) as folder:
            (folder / "run.json").write_text("".join(build_run(run, standings)))


def test_earlier_runs_are_looked_back_at(tmp_path: Path) -> None:
    """Each kept run that asked the same says when it ended and how it stood, oldest first."""
    for number, count in ((1, 6), (2, 5), (3, 4)):
        _keep(
            tmp_path, _run(run_id=f"r{number}", ended=f"2026-11-0{number}T02:00:00+00:00"), downgraded=count
        )
    assert past_runs(_run(run_id="r4"), tmp_path) == tuple(
        Past(f"r{number}", f"2026-11-0{number}T02:00:00+00:00", {"downgraded": 7 - number})
        for number in (1, 2, 3)
    )


def test_environments_that_appear_are_no_interpreters_that_got_worse(tmp_path: Path) -> None:
    """A run knows how interpreters stood and, apart from that, how what was found stood, if it was."""
    rows = [
        a_row(Verdict.ENFORCED),
        *(a_row(Verdict.DOWNGRADED, interpreter=an_environment(f"/srv/{number}")) for number in range(3)),
    ]
    apart = standings_apart(by_interpreter(rows), Condition.AMBIENT)
    with publish("1", tmp_path) as folder:
        (folder / "run.json").write_text("".join(build_run(_run(run_id="1"), *apart)))
    _keep(tmp_path, _run(run_id="2"), enforced=1)
    first, second = past_runs(_run(), tmp_path)
    assert (first.standings["enforced"], sum(first.standings.values())) == (1, 1)
    assert (first.found["downgraded"], sum(first.found.values())) == (3, 3)
    assert (dict(second.standings), dict(second.found)) == ({"enforced": 1}, {})


@pytest.mark.parametrize(
    "differs",
    [
        {"host": "another"},
        {"floor": TLS1_3},
        {"clients": ("ssl",)},
        {"conditions": (Condition.HARDENED,)},
        {"attacks": True},
        {"only": ("system_*",)},
        {"interpreters": ()},
    ],
)
def test_what_asked_something_else_is_no_part_of_a_trend(tmp_path: Path, differs: dict[str, Any]) -> None:
    """Counts of another machine, floor, client or selection cannot be held beside this run's."""
    _keep(tmp_path, _run(run_id="1", **differs), _run(run_id="2"))
    assert [past.run_id for past in past_runs(_run(), tmp_path)] == ["2"]


@pytest.mark.parametrize(
    "differs",
    [
        {"botocore": "1.34.0"},
        {"found_clients": ("ssl", "httpx")},
        {"tool": "tls-floor-matrix 9"},
        {"conditions": (Condition.AMBIENT, Condition.HARDENED)},
        {"interpreters": (RequestedInterpreter("/made/up/link", "/made/up/upgraded"),)},
    ],
)
def test_what_may_change_the_counts_is_part_of_a_trend(tmp_path: Path, differs: dict[str, Any]) -> None:
    """An upgrade, or another interpreter behind the same path, is what a trend is there to show."""
    _keep(tmp_path, _run(run_id="1", **differs))
    assert [past.run_id for past in past_runs(_run(), tmp_path)] == ["1"]


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"schema_version": 1}', '{"schema_version": 2}'])
def test_a_broken_or_older_run_is_passed_over(tmp_path: Path, text: str | None) -> None:
    """A summary that cannot be read costs its own bar, and neither the others nor the report."""
    with publish("0", tmp_path) as folder:
        if text is not None:
            (folder / "run.json").write_text(text)
    _keep(tmp_path, _run(run_id="1"))
    assert [past.run_id for past in past_runs(_run(), tmp_path)] == ["1"]


def test_only_so_many_are_looked_back_at(tmp_path: Path) -> None:
    """However many runs are kept, the trend has the newest, and no more than fit."""
    _keep(tmp_path, *(_run(run_id=f"r{number:02}") for number in range(MOST_PAST + 3)))
    found = [past.run_id for past in past_runs(_run(), tmp_path)]
    assert found == [f"r{number:02}" for number in range(3, MOST_PAST + 3)]


def test_without_a_history_there_is_no_past(tmp_path: Path) -> None:
    """The first run of all has nothing to look back at."""
    assert past_runs(_run(), tmp_path) == ()


def test_without_any_report_the_first_step_is_named(tmp_path: Path) -> None:
    """Whoever asks for a ticket, a pack or a check before the first run is told to measure."""
    with pytest.raises(NoRunError, match=r"there is no report in .*latest: run nox -s matrix first$"):
        latest_run(tmp_path)
    (tmp_path / "history" / "run").mkdir(parents=True)
    (tmp_path / "history" / "run" / "matrix.json").write_text("{}", encoding="utf-8")
    (tmp_path / "latest").symlink_to("history/run")
    assert latest_run(tmp_path) == tmp_path.resolve() / "history" / "run"
