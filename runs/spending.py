"""What a run spends, by phase: seconds that pass, and processor time of its process and what that starts."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import time
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITES_TO = "TLS_FLOOR_SPENT"
"""The variable that names the file into which `matrix` writes what it spent, as the bench asks."""


@dataclass(frozen=True)
class Spent:
    """Seconds that passed, and of processor time: in this process, and in what it started and that ended."""

    wall: float
    own: float
    started: float

    @classmethod
    def so_far(cls) -> Spent:
        """Return what this process has spent up to now; the wall time is that of a clock of any zero."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(time.monotonic(), time.process_time(), ended.ru_utime + ended.ru_stime)

    def plus(self, other: Spent, sign: int = 1) -> Spent:
        """Return the sum, or with a sign of -1 the difference."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Spent(*(round(ours + sign * theirs, 3) for ours, theirs in pairs))


@dataclass(frozen=True)
class Visits:
    """The probes that ran under one condition: how many, and their processor time in seconds."""

    number: int = 0
    cpu: float = 0.0


@dataclass(frozen=True)
class Spending:
    """What a run has spent; no phase is within another, and no two are at a time."""

    phases: dict[str, Spent] = field(default_factory=dict)
    visits: dict[str, Visits] = field(default_factory=dict)
    """By condition. A part of what was started in the phase of that name."""

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Take down what is spent in the block; whatever goes before the first phase is one too."""
        before = Spent.so_far()
        if not self.phases:
            self.phases["start"] = Spent(0.0, round(before.own, 3), round(before.started, 3))
        try:
            yield
        finally:
            spent = Spent.so_far().plus(before, -1)
            self.phases[name] = self.phases.get(name, Spent(0, 0, 0)).plus(spent)

    def visited(self, condition: str, cpu: float) -> None:
        """Take down what one probe spent."""
        known = self.visits.get(condition, Visits())
        self.visits[condition] = Visits(known.number + 1, round(known.cpu + cpu, 3))

    def __str__(self) -> str:
        """Return the figures as a table."""
        lines = [f"{'':24}{'wall':>8}{'own':>8}{'started':>8}"]
        lines += [
            f"{name:24}{spent.wall:8.2f}{spent.own:8.2f}{spent.started:8.2f}"
            for name, spent in self.phases.items()
        ]
        lines += [
            f"{f'  {visits.number} {condition}':24}{'':16}{visits.cpu:8.2f}"
            for condition, visits in self.visits.items()
        ]
        return "\n".join(lines)

    def written(self) -> None:
        """Write all into the file that the variable names, if any."""
        if path := os.environ.get(WRITES_TO):
            Path(path).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read_spending(path: Path) -> Spending:
    """Return what a run of ours has written there."""
    spending = json.loads(path.read_text(encoding="utf-8"))
    return Spending(
        {name: Spent(**spent) for name, spent in spending["phases"].items()},
        {condition: Visits(**visits) for condition, visits in spending["visits"].items()},
    )
