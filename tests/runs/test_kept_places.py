"""What a place came to is kept whole, for the same question alone, and not for ever."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Matrix, Measured, build_matrix
from reports.verdicts.policy import Policy
from runs.kept_places import UNFINISHED, kept_parts
from runs.unfinished import AGE_LIMIT
from servers.conditions import Condition
from tests.support.builders import (
    STRICT,
    a_catalogue,
    a_matrix,
    a_row,
    a_run,
    an_interpreter,
    keys,
    meet,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.verdicts.observations import Observation

QUESTION = ("tool", "options", "ssh:a", "ssh:b")


def measured(host: str) -> Matrix:
    """Return what a place came to."""
    known = a_catalogue()
    run = a_run(known, host)
    run = replace(run, asked=replace(run.asked, clients=("ssl",)))
    return a_matrix([a_row(Verdict.UNTESTABLE)], run, known)


def hosts(cache: Path, *question: str, resume: bool = True) -> list[str]:
    """Return the places that are there for a question."""
    with kept_parts(cache, question, resume=resume) as kept:
        return sorted(part.host for part in kept.parts)


def test_a_part_is_there_for_the_same_question(tmp_path: Path) -> None:
    """A resumed run has it with its rows; one with another question, or that begins anew, has not."""
    with kept_parts(tmp_path, QUESTION, resume=False) as kept:
        for host in ("ssh:a", "ssh:b", "ssh:a"):
            kept.keep(measured(host), Policy())
    assert hosts(tmp_path, *QUESTION) == ["ssh:a", "ssh:b"]
    assert hosts(tmp_path, *QUESTION, "ssh:c") == []
    assert hosts(tmp_path, *QUESTION, resume=False) == []
    assert hosts(tmp_path, *QUESTION) == []


def test_what_was_observed_is_put_away(tmp_path: Path) -> None:
    """A run that goes on gives away what its places observed, one interpreter after the other."""
    known, run = a_catalogue(), a_run(a_catalogue(), "ssh:a")
    run = replace(run, asked=replace(run.asked, clients=("ssl",)))
    seen = {name: [replace(meet(STRICT, each), interpreter=name) for each in known.servers] for name in "ab"}
    each = tuple(Measured(an_interpreter(name), {}, tuple(theirs)) for name, theirs in seen.items())
    rows = build_matrix(each, keys(["ssl"]), [Condition.AMBIENT], known, run.asked.floor)
    with kept_parts(tmp_path, QUESTION, resume=False) as kept:
        kept.keep(Matrix(run, each, rows, known), Policy())
    given: list[Sequence[Observation]] = []

    def put(observations: Sequence[Observation]) -> Sequence[Observation]:
        given.append(observations)
        return observations

    with kept_parts(tmp_path, QUESTION, put, resume=True) as kept:
        (part,) = kept.parts
    assert [{each.interpreter for each in some} for some in given] == [{"a"}, {"b"}]
    assert list(part.observations) == [one for some in given for one in some]
    assert [len(some) for some in given] == [len(known.servers)] * 2


def test_what_places_have_alike_is_in_memory_once(tmp_path: Path) -> None:
    """A place costs what it has of its own, whether it was just measured or read again: its name, say."""
    with kept_parts(tmp_path, QUESTION, resume=False) as kept:
        before = [kept.keep(measured(host), Policy()) for host in ("ssh:a", "ssh:b")]
    with kept_parts(tmp_path, QUESTION, resume=True) as kept:
        after = sorted(kept.parts, key=lambda part: part.host)
    for one, other in (before, after):
        assert (one.host, other.host) == ("ssh:a", "ssh:b")
        assert one.run is not other.run
        assert one.catalogue is other.catalogue
        assert one.rows is other.rows
        for name in ("scope", "asked", "controls"):
            assert getattr(one.run, name) is getattr(other.run, name)
    assert [part.run for part in before] == [part.run for part in after]


def test_what_was_not_written_whole_is_not_there(tmp_path: Path) -> None:
    """A run that was killed while it wrote has lost that place, and nothing else."""
    with kept_parts(tmp_path, QUESTION, resume=False) as kept:
        kept.keep(measured("ssh:a"), Policy())
        (whole,) = kept.folder.iterdir()
        half = whole.with_name(f"0{UNFINISHED}")
        half.mkdir()
        (half / "matrix.json").write_text("{")
    assert hosts(tmp_path, *QUESTION) == ["ssh:a"]


def test_nothing_is_kept_for_ever(tmp_path: Path) -> None:
    """What nobody asked for within the limit is removed by the next run."""
    with kept_parts(tmp_path, QUESTION, resume=False) as kept:
        kept.keep(measured("ssh:a"), Policy())
    for age, left in ((AGE_LIMIT / 2, True), (AGE_LIMIT * 2, False)):
        os.utime(kept.folder, (time.time() - age,) * 2)
        hosts(tmp_path, "another")
        assert kept.folder.exists() is left
