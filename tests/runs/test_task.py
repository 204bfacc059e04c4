"""What every session has at hand."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any, cast

import pytest

from runs.plan import Plan
from runs.task import ROOT, Task, refuse
from servers.resources import ResourceError


def test_a_task_has_the_run_and_the_options() -> None:
    """The id is the plan's; of an option that the session has not there is the default."""
    task = Task(cast("Any", None), Plan("a"), argparse.Namespace(keep=3), contextlib.ExitStack())
    assert task.run_id == "a"
    assert (task.option("keep", 9), task.option("only", 9)) == (3, 9)


def test_a_problem_is_refused() -> None:
    """An empty sentence is none."""
    refuse("")
    with pytest.raises(ResourceError, match="the disk is full"):
        refuse("the disk is full")


def test_the_checkout_is_known() -> None:
    """The folder is the one that has the noxfile."""
    assert (ROOT / "noxfile.py").exists()
