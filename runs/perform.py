"""Runs a session, and is the one place where an error becomes a sentence."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import logging
import os
import re
import sys
from functools import partial
from typing import TYPE_CHECKING

from interpreters.errors import FloorError
from interpreters.log import libraries_quiet, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import nox

    from runs.plan import Plan
    from runs.task import Task


ONE_THREAD = ("OPENBLAS_NUM_THREADS", "1")
"""For what pandas loads: it starts a thread a processor, and interrupts us where there is no memory."""

FIRST, YOUNG = 300_000, 50_000
"""Objects that come to be before cycles among them are looked for: at first, and then. By default that is
700, which makes six hundred looks in a run, at a fifteenth of its processor time, and little that they find.
The first come to be where modules are imported, and stay: a look at those, and at what a few interpreters
make, took a tenth of a second."""


class _AnswerLast(logging.Filter):
    """Drops what nox says after a session that went well, so that its answer is the last on the screen."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether nox's line says more than that all is well."""
        return record.levelname != "SUCCESS" and not re.match(r"Ran \d+ sessions", record.getMessage())


def keep_answer_last() -> None:
    """Let nox say nothing after a session that went well; what failed it still names."""
    logging.getLogger("nox").addFilter(_AnswerLast())


def perform(name: str, session: nox.Session, plan: Plan, *parameters: str) -> None:
    """Run what a session does with its own options; an error that is meant for its user is one sentence."""
    from interpreters.interrupts import interruptible
    from reports.formats.escape import for_terminal
    from runs import sessions as works
    from servers.resources import exhausted, removed

    work = getattr(works, name)
    sessions = plan.sessions if name in plan.sessions else (name,)
    try:
        with contextlib.chdir(session.invoked_from):
            options = _options(name, sessions, session.posargs, work.__doc__ or "")
        _refuse_unnamed(plan)
        os.environ.setdefault(*ONE_THREAD)
        # Whatever a run writes, nobody else can change, in whichever shell it was started.
        os.umask(os.umask(0o022) | 0o022)
        with (
            shown(partial(_log, session)),
            libraries_quiet(),
            interruptible(),
            _offspring_ended(session, name),
            contextlib.ExitStack() as held,
        ):
            work(_kind(name)(session, plan, options, held), *parameters)
    except FloorError as error:
        session.error(for_terminal(str(error)))
    except (OSError, RuntimeError, MemoryError, ImportError, SystemError) as error:
        if not (sentence := exhausted(error) or removed(error, session.cache_dir.absolute())):
            raise
        if isinstance(error, BrokenPipeError):
            _print_no_more()
        session.error(for_terminal(f"{name} broke off, and what it had written before stays: {sentence}"))


def look_for_cycles_seldom() -> None:
    """Look for cycles of objects seldom, and not at the end of this process, where all objects go anyway.

    The look at the end, at all that was ever imported or measured, would take a fifth of a second.
    """
    gc.set_threshold(FIRST)
    gc.callbacks.append(_looked_for_cycles)
    atexit.register(gc.freeze)


def _looked_for_cycles(phase: str, _: dict[str, int]) -> None:
    """After each look, and so after the first, let the next come as soon as a long run needs it."""
    if phase == "stop":
        gc.set_threshold(YOUNG)


def _print_no_more() -> None:
    """Let what is still to be printed go nowhere: Python would try again at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _refuse_unnamed(plan: Plan) -> None:
    if not plan.run_id:
        raise FloorError(plan.problem)


LIGHT = "gate"
"""The session that every build waits for, so that it reads nothing that it does not need."""


@contextlib.contextmanager
def _offspring_ended(session: nox.Session, name: str) -> Iterator[None]:
    """End with the block what a session started: the gate starts nothing."""
    if name == LIGHT:
        yield
        return
    from interpreters.offspring import end_with_parent, offspring_ended

    with offspring_ended():
        # A worker of nox -j, which does not hand on its own SIGTERM, has a parent to go with.
        if session.parallel:
            end_with_parent()
        yield


def _options(name: str, sessions: Sequence[str], words: Sequence[str], summary: str) -> argparse.Namespace:
    """Return a session's own options: see parse, which need not be asked where there can be none."""
    if name == LIGHT and not words:
        return argparse.Namespace()
    from runs.options import parse

    return parse(name, sessions, words, summary)


def _kind(name: str) -> type[Task]:
    """Return what a session has at hand."""
    if name == LIGHT:
        from runs.task import Task

        return Task
    from runs.job import Job

    return Job


def _log(session: nox.Session, sentence: str) -> None:
    """Show a sentence as nox shows its own."""
    from reports.formats.escape import for_terminal

    session.log(for_terminal(sentence))
