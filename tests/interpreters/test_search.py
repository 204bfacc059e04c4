"""A tree of the user's own is searched whole, or it is said how far; loops and locked folders end nothing."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.locate import discover
from interpreters.locations import SearchedLocation
from interpreters.search import VARIABLE, Limits, SearchResult, search, search_once
from runs.plan import Plan
from tests.support.installations import installation

if TYPE_CHECKING:
    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout


def add(path: Path, mode: int = 0o755) -> Path:
    """Put an executable there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_every_python_of_a_tree_is_found(tmp_path: Path) -> None:
    """What can be run and is called like a Python is found, however deep; all else is not."""
    deep = add(tmp_path / "a/b/.c/d/bin/python3.9")
    near = add(tmp_path / "python3")
    linked = tmp_path / "a/python"
    linked.symlink_to(deep)
    add(tmp_path / "a/python3.8", mode=0o644)
    add(tmp_path / "a/ipython3")
    add(tmp_path / "a/shims/python3")
    (tmp_path / "a/python2").mkdir()
    (tmp_path / "a/python2.7").symlink_to(tmp_path / "nowhere")
    done = search(tmp_path)
    assert done == SearchResult(
        tmp_path, (near, linked, deep), (SearchedLocation(str(tmp_path), "looked", "with --search"),)
    )


def test_loops_are_without_end_and_the_search_is_not(tmp_path: Path) -> None:
    """Links that lead back up are not followed."""
    found = add(tmp_path / "a/python3")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/self").symlink_to("self")
    assert search(tmp_path).executables == (found,)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(seconds=3), "searched for 3 s"),
        (Limits(folders=2), "looked at 2 folders"),
        (Limits(found=1), "found 1 Pythons"),
    ],
)
def test_a_search_that_is_not_whole_says_so(tmp_path: Path, limits: Limits, why: str) -> None:
    """Where a limit ends a search, the tree counts as one that could not be read, with the limit."""
    for name in "abcdef":
        add(tmp_path / name / "python3")
    seconds = itertools.count()
    done = search(tmp_path, limits, lambda: next(seconds))
    assert done.looked[0].status == "unreadable"
    assert done.looked[0].reason.startswith(f"only in part: {why}, ")
    assert len(done.executables) < 6


def test_a_tree_that_is_too_deep_says_so(tmp_path: Path) -> None:
    """A folder at the limit of depth that has others is one whose rest could not be looked at."""
    near = add(tmp_path / "a/python3")
    add(tmp_path / "a/b/python3")
    done = search(tmp_path, Limits(depth=1))
    assert done.executables == (near,)
    assert SearchedLocation(str(tmp_path / "a"), "unreadable", "more than 1 folders deep") in done.looked


def test_what_is_gone_or_locked_is_said(tmp_path: Path) -> None:
    """A folder that cannot be read is named with the reason, and ends no search."""
    done = search(tmp_path / "gone")
    assert done.executables == ()
    assert SearchedLocation(str(tmp_path / "gone"), "unreadable", "no such file or directory") in done.looked


def test_a_search_shows_how_far_it_is(tmp_path: Path, progress: list[str]) -> None:
    """Progress is said every so often, and at the end how much was looked at."""
    for name in "abc":
        add(tmp_path / name / "python3")
    seconds = itertools.count()
    search(tmp_path, Limits(every=3), lambda: next(seconds))
    assert progress[0].startswith(f"searching {tmp_path}: ")
    assert progress[-1] == f"searched {tmp_path}: folders looked at: 4, Pythons found: 3"


def test_a_command_searches_once(tmp_path: Path, progress: list[str]) -> None:
    """What one process of a command found is there for the next, and another tree is searched."""
    add(tmp_path / "a/python3")
    add(tmp_path / "b/python3")
    environment: dict[str, str] = {}
    first = search_once([tmp_path / "a"], environment)
    assert search_once([tmp_path / "a", tmp_path / "a"], environment) == first
    assert len(progress) == 1
    both = search_once([tmp_path / "a", tmp_path / "b"], environment)
    assert (both[0], both[1].executables) == (first[0], (tmp_path / "b/python3",))
    assert len(progress) == 2


@pytest.mark.parametrize("text", ["{", "3", '[{"folder": 3}]', '[{"folder": "/a"}]'])
def test_what_was_left_and_makes_no_sense_is_not_used(tmp_path: Path, text: str) -> None:
    """Whatever is in the variable, the tree is searched where that does not say what is in it."""
    found = add(tmp_path / "python3")
    (done,) = search_once([tmp_path], {VARIABLE: text})
    assert done.executables == (found,)


def test_too_much_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is more than a variable can hold is not left: the next process then searches itself."""
    monkeypatch.setattr("interpreters.search.VARIABLE_LIMIT", 10)
    environment: dict[str, str] = {}
    search_once([tmp_path], environment)
    assert environment == {}


def test_what_was_searched_is_discovered(tmp_path: Path) -> None:
    """What lies in no known place is named after its folder, and a venv in the tree leads to its base."""
    own = add(tmp_path / "tree/builds/mine/bin/python3.9")
    base = add(tmp_path / "elsewhere/bin/python3.8")
    venv = tmp_path / "tree/venv/bin/python"
    venv.parent.mkdir(parents=True)
    venv.symlink_to(base)
    searched = search(tmp_path / "tree")
    found = discover({"HOME": str(tmp_path)}, searched=[searched])
    ours = {one.path: (one.id, one.source) for one in found.candidates if one.path.is_relative_to(tmp_path)}
    assert ours == {own: ("search_mine", "search"), base: ("path_3_8", "path")}
    assert searched.looked[0] in found.looked
    given = discover({"HOME": str(tmp_path)}, [own], [searched]).candidates
    assert "search_mine" in {one.id for one in given}


def test_a_link_to_the_tree_is_the_tree(tmp_path: Path) -> None:
    """A tree that is given by a link to it is searched, and what is in it is found there."""
    own = add(tmp_path / "tree/mine/bin/python3.9")
    (tmp_path / "link").symlink_to(tmp_path / "tree")
    found = discover({"HOME": str(tmp_path)}, searched=[search(tmp_path / "link")])
    assert {one.path: one.id for one in found.candidates}[own] == "search_mine"


def test_the_option_searches_before_any_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What --search finds is among the interpreters of every session of the command, and is searched once."""
    own = add(tmp_path / "tree/mine/bin/python3.9")
    environment = {"HOME": str(tmp_path)}
    for _ in ("nox", "a session that nox starts in parallel"):
        plan = Plan.at_load(["-s", "matrix", "--", "--search", "tree"], environment, tmp_path)
        assert own in {one.path for one in plan.chosen if one.id == "search_mine"}
    assert capsys.readouterr().err == f"searched {tmp_path}/tree: folders looked at: 3, Pythons found: 1\n"


@pytest.mark.e2e
def test_a_searched_interpreter_is_measured(checkout: Checkout, loose: Interpreter, tmp_path: Path) -> None:
    """An installation in a folder that nobody knows is measured with --search, and in the report's scope."""
    made = installation(Path(loose.path), tmp_path / "depot/mine")
    words = ("--search", str(tmp_path / "depot"), "--only", "search_mine", "--clients", "ssl")
    row = checkout.measure(*words)["search_mine", "ssl"]
    assert (row["path"], row["source"], row["verdict"]) == (str(made), "search", "downgraded")
    run = json.loads((checkout.latest / "run.json").read_text())
    assert str(tmp_path / "depot") in {one["place"] for one in run["scope"]["looked"]}
