"""What every session has at hand, whatever it does: what nox gave it, the plan, and its own options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servers.resources import ResourceError

if TYPE_CHECKING:
    import argparse
    import contextlib

    import nox

    from runs.plan import Plan

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Task:
    """One session: what nox gave it, what was planned, and its own options."""

    session: nox.Session
    plan: Plan
    options: argparse.Namespace
    held: contextlib.ExitStack
    """What is closed when the session ends: it keeps other runs from removing environments in use."""

    @property
    def run_id(self) -> str:
        """The id of this run."""
        return self.plan.run_id

    def option(self, name: str, default: Any = None) -> Any:
        """Return the value of an option, or a default where the session has no such option."""
        return getattr(self.options, name, default)


def refuse(problem: str) -> None:
    """Raise ResourceError if there is a problem."""
    if problem:
        raise ResourceError(problem)
