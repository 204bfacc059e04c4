"""A job: what a session's run knows before it measures."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from interpreters.locate import Candidate, Discovery
from interpreters.prepared import Prepared
from reports.verdicts.scope import LeftOut
from runs.job import Job
from runs.options import parse
from runs.plan import Plan
from servers.conditions import Condition

if TYPE_CHECKING:
    import pytest

ONE, SAME, OTHER = (Candidate(name, "pyenv", Path(f"/made/up/{name}")) for name in ("one", "once", "two"))


def test_a_run_knows_what_it_measures_and_what_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what was found all is measured but what --only leaves out and what starts another interpreter."""
    options = parse("matrix", ("matrix",), ["--only", "on*"], "")
    plan = Plan("20260101T000000Z-0000", ("matrix",), Discovery((ONE, SAME, OTHER), ()))
    session: Any = SimpleNamespace(cache_dir=tmp_path / "cache")
    itself, same = Prepared.of(ONE), replace(Prepared.of(SAME), executable=ONE.path)
    monkeypatch.setattr(Job, "prepared", lambda _: [itself, same])
    with contextlib.ExitStack() as held:
        job = Job(session, plan, options, held)
        start = job.start(job.settings((Condition.AMBIENT,)))
        alone = job.start_of(start.request, (itself,))
    assert (start.run_id, start.prepared, start.programs) == (plan.run_id, (itself,), ())
    assert start.env == job.env
    assert start.scope.left_out == (
        LeftOut("two", "/made/up/two", "--only on*"),
        LeftOut("once", "/made/up/once", "it starts /made/up/one, which is measured"),
    )
    assert (alone.prepared, alone.scope.left_out) == ((itself,), ())
