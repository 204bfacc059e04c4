"""What all sessions have in common: an error is a sentence, and the gate reads no more than it needs."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.errors import FloorError
from runs import sessions
from runs.perform import ONE_THREAD, keep_answer_last, perform
from runs.plan import Plan
from runs.task import Task
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path


class _SaidError(Exception):
    """What nox would have ended the session with."""


@pytest.fixture
def session(tmp_path: Path) -> Any:
    """A session of nox without words, called in some folder."""

    def error(sentence: str) -> None:
        raise _SaidError(sentence)

    return SimpleNamespace(
        invoked_from=tmp_path,
        posargs=[],
        parallel=False,
        error=error,
        log=lambda _: None,
        cache_dir=tmp_path / ".nox" / ".cache",
    )


def test_an_error_is_a_sentence(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is meant for the user ends the session with its words, escaped, and anything else is raised."""

    def gate(_: Task) -> None:
        raise failure

    monkeypatch.setattr(sessions, "gate", gate)
    failure: Exception = FloorError("no \x1b[31m report")
    with pytest.raises(_SaidError, match=r"^no \\x1b\[31m report$"):
        perform("gate", session, Plan("a"))
    failure = OSError(28, "No space left on device")
    with pytest.raises(_SaidError, match=r"^gate broke off, .*: the disk is full: make room$"):
        perform("gate", session, Plan("a"))
    failure = FileNotFoundError(2, "No such file or directory", str(session.cache_dir / "run-a" / "rsa.pem"))
    with pytest.raises(_SaidError, match=r"^gate broke off, .*rsa\.pem was removed meanwhile: "):
        perform("gate", session, Plan("a"))
    failure = SystemError("error return without exception set")
    with pytest.raises(_SaidError, match=r"^gate broke off, .*: there is not enough memory: "):
        perform("gate", session, Plan("a"))
    failure = RuntimeError("ours")
    with pytest.raises(RuntimeError, match="ours"):
        perform("gate", session, Plan("a"))


BROKEN_PIPE = """\
import os, sys
from types import SimpleNamespace
from runs import sessions
from runs.perform import perform
from runs.plan import Plan
def gate(_):
    print("answer" * 20000, flush=True)
def error(sentence):
    raise SystemExit(sentence)
sessions.gate = gate
session = SimpleNamespace(invoked_from=".", posargs=[], parallel=False, error=error, log=print)
perform("gate", session, Plan("a"))
"""


def test_an_answer_that_nobody_reads_is_a_sentence() -> None:
    """A pipe whose other end is gone, as that of `| head`, ends the session in a sentence alone."""
    reads, writes = os.pipe()
    os.close(reads)
    try:
        command = [sys.executable, "-c", BROKEN_PIPE]
        done = subprocess.run(
            command, cwd=ROOT, stdout=writes, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writes)
    assert done.returncode == 1
    assert done.stderr.startswith("gate broke off, and what it had written before stays: nobody reads")
    assert done.stderr.count("\n") == 1


def test_a_run_without_a_name_says_why(session: Any) -> None:
    """Nothing is done where the id of the run makes no sense."""
    with pytest.raises(_SaidError, match=r"^it names a folder$"):
        perform("gate", session, Plan("", problem="it names a folder"))


def test_the_gate_has_no_more_than_it_needs(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate gets a task; what measures gets that and all that there is to measure with."""
    given: list[type] = []
    monkeypatch.setattr(sessions, "gate", lambda task: given.append(type(task)))
    perform("gate", session, Plan("a"))
    assert given == [Task]


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux says how many threads there are: run it there"
)
def test_tables_take_no_threads(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes tables starts none, which would interrupt the session where there is no memory for them."""
    monkeypatch.setenv(ONE_THREAD[0], "")
    monkeypatch.delenv(ONE_THREAD[0])
    monkeypatch.setattr(sessions, "gate", lambda _: None)
    perform("gate", session, Plan("a"))
    code = "import pandas; print(next(line for line in open('/proc/self/status') if 'Threads' in line))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["Threads:", "1"]


def test_cycles_are_looked_for_seldom_and_not_at_the_end() -> None:
    """A session makes few cycles: the first look is late, and at the end nothing is left to be looked at."""
    code = """
import atexit, gc
atexit.register(lambda: print(len(gc.get_objects())))
from runs.perform import FIRST, YOUNG, look_for_cycles_seldom
look_for_cycles_seldom()
print(gc.get_threshold()[0] == FIRST > YOUNG, len(gc.get_objects()) > 1000)
kept = [[] for _ in range(FIRST)]
print(gc.get_threshold()[0] == YOUNG, gc.get_count()[0] < YOUNG)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *said, left = done.stdout.split()
    assert said == ["True"] * 4
    assert int(left) < 100


def test_nox_says_nothing_after_an_answer() -> None:
    """Of nox's own lines those go that say that all is well."""
    logger = logging.getLogger("nox")
    before = list(logger.filters)
    try:
        keep_answer_last()
        said = [("WARNING", "Session x failed."), ("INFO", "Ran 2 sessions in 1 s:"), ("SUCCESS", "fine")]
        records = [logging.makeLogRecord({"levelname": level, "msg": text}) for level, text in said]
        assert [record.msg for record in records if logger.filter(record)] == ["Session x failed."]
    finally:
        logger.filters[:] = before
