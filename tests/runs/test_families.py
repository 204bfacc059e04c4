"""Which environments one measurement holds for: by what was loaded for it, and only where it went well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interpreters.interpreter import MADE
from reports.verdicts.judged import JudgedCells
from runs.campaign import ProbedInterpreter
from runs.families import families, told_by_the_first
from runs.probe import ProbeResult, ProbeTask, Stranger
from servers.catalogue import read_catalogue
from servers.conditions import Condition
from tests.support.builders import keys

PACKAGES = "lib/python3.12/site-packages"


def _task(name: str, environment: str = MADE, alike: str = "") -> ProbeTask:
    modules = {"requests": ("requests",)}
    python = Path(environment, "bin/python")
    return ProbeTask(name, python, {}, keys(["requests"]), environment, modules=modules, alike=alike)


def _family(folder: Path, changed: str) -> dict[str, list[ProbeTask]]:
    """Return the tasks of two environments with the same package, of which the other has one module more."""
    family = {}
    for name in ("one", "other"):
        (package := folder / name / PACKAGES / "urllib3").mkdir(parents=True)
        (package / "__init__.py").write_text("")
        family[name] = [_task(name, str(folder / name), "them")]
    (folder / "other" / PACKAGES / changed).write_text("")
    return family


def _probed(task: ProbeTask, **changes: Any) -> ProbedInterpreter:
    """Return a task as it was probed: it loaded its package, and looked for brotli."""
    loaded = (f"{task.environment}/{PACKAGES}/urllib3/__init__.py",)
    usual = ProbeResult({"start_up": []}, (), loaded=loaded, sought=("ssl", "urllib3", "brotli"))
    results = {Condition.AMBIENT: {task.python: replace(usual, **changes)}}
    return ProbedInterpreter((task,), JudgedCells(read_catalogue()), results)


def test_those_that_are_alike_are_together() -> None:
    """What has nothing in common with another one is by itself."""
    interpreters = {"a": [_task("a", alike="x")], "b": [_task("b")], "c": [_task("c", alike="x")]}
    interpreters["d"] = [_task("d")]
    assert [list(family) for family in families(interpreters)] == [["a", "c"], ["b"], ["d"]]


@pytest.mark.parametrize(
    ("changed", "same"), [("application.py", True), ("brotli.py", False), ("requests.py", False)]
)
def test_only_what_was_looked_for_tells_them_apart(tmp_path: Path, changed: str, *, same: bool) -> None:
    """A module that was asked for and was not there counts, and so does each client's own."""
    family = _family(tmp_path, changed)
    found = told_by_the_first(family, _probed(family["one"][0]), [Condition.AMBIENT])
    assert found == ([["one", "other"]] if same else [["one"], ["other"]])


@pytest.mark.parametrize(
    "change",
    [
        {"problem": "the probe died"},
        {"strangers": (Stranger("tls1_2", "a process of user 1000", 1),)},
        {"left": ("sleep",)},
        {"loaded": None},
        {"identity": None},
        {"identity": {"start_up": ["/nowhere/start.pth"]}},
    ],
    ids=str,
)
def test_what_is_not_known_holds_for_nobody_who_differs(tmp_path: Path, change: dict[str, Any]) -> None:
    """Where nobody knows what was loaded all counts, and what was disturbed is no measurement."""
    family = _family(tmp_path, "application.py")
    found = told_by_the_first(family, _probed(family["one"][0], **change), [Condition.AMBIENT])
    assert found == [["one"], ["other"]]


def test_what_a_run_did_not_reach_holds_for_nobody_who_differs(tmp_path: Path) -> None:
    """Each condition that was asked for has to have told what was loaded."""
    family = _family(tmp_path, "application.py")
    probed = _probed(family["one"][0])
    found = told_by_the_first(family, probed, [Condition.AMBIENT, Condition.HARDENED])
    assert found == [["one"], ["other"]]


def test_all_counts_for_a_client_of_the_users(tmp_path: Path) -> None:
    """Its file may read whatever it likes."""
    family = _family(tmp_path, "application.py")
    own = {name: [replace(task, sources={"mine": ""})] for name, (task,) in family.items()}
    found = told_by_the_first(own, _probed(own["one"][0]), [Condition.AMBIENT])
    assert found == [["one"], ["other"]]
