"""The runs that are kept: found by id, folder or document, and never guessed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reports.files import publish
from reports.history import NoRunError, choose, kept_runs


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Return a folder of reports with three runs in it, of which the middle one is the oldest by name."""
    for run in ("20260102", "20260101", "20260103"):
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
        *("20260101", "20260102", "20260102-old", "20260103")
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
