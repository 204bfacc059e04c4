"""A command that may hang, crash or leave children behind gives its answer and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from interpreters.processes import run, run_until, side_by_side, signal_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.processes import Witness

    Script = Callable[[str, str], Path]

LONG = 60.0
"""Seconds that no test waits for."""


@pytest.mark.parametrize("status", [0, 1, 127])
def test_the_exit_status_is_returned(script: Script, status: int) -> None:
    """What a command exits with is what is returned."""
    assert run([script("ends", f"exit {status}")], {}, LONG) == (status, "")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_signal_is_a_negative_status(script: Script, number: signal.Signals) -> None:
    """A command that a signal ends gives that signal's number, negated."""
    assert run([script("dies", f"kill -{number} $$")], {}, LONG) == (-number, "")


def test_every_signal_can_be_named() -> None:
    """Signals have their names, and those without one their number."""
    assert signal_name(signal.SIGSEGV) == "SIGSEGV"
    assert all(signal_name(number) for number in range(1, signal.NSIG))


def test_both_streams_are_returned_in_order(script: Script) -> None:
    """What a command prints to its two streams comes back as one text, in the order it was printed."""
    talks = script("talks", "echo one; echo two >&2; printf three")
    assert run([talks], os.environ, LONG) == (0, "one\ntwo\nthree")


def test_bytes_that_are_no_text_are_survived(script: Script) -> None:
    """Output that is not UTF-8 comes back with replacement characters where it is none."""
    assert run([script("noise", r"printf 'a\377b'")], {}, LONG) == (0, "a\N{REPLACEMENT CHARACTER}b")


def test_the_environment_is_exactly_the_given_one(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command sees the variables it is given and none of ours."""
    monkeypatch.setenv("OURS", "seen")
    shows = script("shows", 'echo "<$OURS><$GIVEN>"')
    assert run([shows], {"GIVEN": "seen"}, LONG) == (0, "<><seen>\n")


def test_standard_input_is_empty(script: Script) -> None:
    """A command that reads its standard input comes to its end at once."""
    assert run([script("asks", "read answer || echo nobody")], {}, LONG) == (0, "nobody\n")


def test_more_output_than_a_pipe_holds_is_returned(script: Script) -> None:
    """A command that prints more than a pipe's buffer neither blocks nor loses any of it."""
    lots = script("lots", "i=0; while [ $i -lt 2000 ]; do printf '%0100d' 0; i=$((i+1)); done")
    assert run([lots], os.environ, LONG) == (0, "0" * 200_000)


def test_what_cannot_be_started_raises(tmp_path: Path) -> None:
    """A command that is not there raises OSError."""
    with pytest.raises(FileNotFoundError):
        run([tmp_path / "missing"], {}, LONG)


def test_a_command_that_hangs_is_ended_with_all_it_started(script: Script, witness: Witness) -> None:
    """After the limit neither the command nor a grandchild of it is left."""
    hangs = script("hangs", f"{witness.watch}; sleep {LONG:g} & sleep {LONG:g}")
    with pytest.raises(subprocess.TimeoutExpired):
        run([hangs], os.environ, 0.3)
    assert witness.all_gone()


def test_a_command_that_resists_is_ended(script: Script, witness: Witness) -> None:
    """A command that ignores every polite request to end is ended all the same."""
    resists = script("resists", f"trap '' TERM INT HUP; {witness.watch}; while :; do sleep {LONG:g}; done")
    with pytest.raises(subprocess.TimeoutExpired):
        run([resists], os.environ, 0.3)
    assert witness.all_gone()


def test_what_outlives_a_command_is_ended(script: Script, witness: Witness) -> None:
    """A command's answer does not wait for the children it leaves behind, and they are ended."""
    leaves = script("leaves", f"{witness.watch}; sleep {LONG:g} & echo done")
    assert run([leaves], os.environ, LONG / 2) == (0, "done\n")
    assert witness.all_gone()


def test_an_interrupted_wait_leaves_nothing(script: Script, witness: Witness) -> None:
    """Ctrl-C while a command runs ends it, and its children, before it is passed on."""
    hangs = script("hangs", f"{witness.watch}; sleep {LONG:g} & sleep {LONG:g}")
    witness.when_watching(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run([hangs], os.environ, LONG)
    assert witness.all_gone()


def test_what_has_said_enough_is_ended(script: Script, witness: Witness) -> None:
    """A command is ended once what it printed is enough, and has no status then."""
    talks = script("talks", f"{witness.watch}; echo one; sleep 0.2; echo two; sleep {LONG:g}")
    status, said = run_until([talks], os.environ, LONG, lambda printed: b"two" in printed)
    assert (status, said) == (None, "one\ntwo\n")
    assert witness.all_gone()


def test_what_never_says_enough_has_its_end(script: Script) -> None:
    """A command that ends before it said enough has a status and its output, and one that hangs is ended."""
    assert run_until([script("ends", "echo one; exit 3")], os.environ, LONG, lambda _: False) == (3, "one\n")
    with pytest.raises(subprocess.TimeoutExpired):
        run_until([script("hangs", f"echo one; sleep {LONG:g}")], os.environ, 0.3, lambda _: False)


def test_work_side_by_side_keeps_its_order() -> None:
    """Results come in the order of the items, and the items are worked on at once."""
    together = threading.Barrier(3, timeout=LONG)

    def work(item: int) -> int:
        together.wait()
        return item * 2

    assert side_by_side(work, [3, 1, 2], workers=3) == [6, 2, 4]


def test_a_failure_side_by_side_ends_the_others(script: Script, witness: Witness) -> None:
    """If the work on one item fails, the commands of the others are ended, and the exception goes on."""
    hangs = script("hangs", f"{witness.watch}; sleep {LONG:g} & sleep {LONG:g}")

    def work(item: str) -> None:
        if item == "fails":
            time.sleep(0.3)
            raise ZeroDivisionError
        run([hangs], os.environ, LONG)

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, ["fails", "hangs"], workers=2)
    assert witness.all_gone()


def test_an_interrupt_ends_what_runs_side_by_side(script: Script, witness: Witness) -> None:
    """Ctrl-C ends the commands of every item, and those that had not begun never do."""
    hangs = script("hangs", f"{witness.watch}; sleep {LONG:g} & sleep {LONG:g}")
    begun = []

    def work(item: int) -> None:
        begun.append(item)
        run([hangs], os.environ, LONG)

    witness.when_watching(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        side_by_side(work, range(9), workers=2)
    assert witness.all_gone()
    assert len(begun) < 9


def test_a_failure_ends_what_runs_side_by_side_within(script: Script, witness: Witness) -> None:
    """Work that itself runs commands side by side has these ended as soon as other work fails."""
    hangs = script("hangs", f"{witness.watch}; sleep {LONG:g} & sleep {LONG:g}")
    watching = threading.Event()
    witness.when_watching(watching.set)

    def work(item: str) -> None:
        if item == "fails":
            assert watching.wait(LONG)
            raise ZeroDivisionError
        side_by_side(lambda command: run([command], os.environ, LONG), [hangs])

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, ["fails", "hangs"], workers=2)
    assert witness.all_gone()
