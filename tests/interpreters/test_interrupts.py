"""A request to end unwinds like Ctrl-C while the block lasts, and not a moment longer."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from interpreters.interrupts import interruptible
from interpreters.processes import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.processes import Witness

ALL = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Put this process's own handlers back, whatever a test does."""
    before = {number: signal.getsignal(number) for number in ALL}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ALL)
def test_a_signal_unwinds(number: signal.Signals) -> None:
    """Within the block each of them raises KeyboardInterrupt, so that what is open gets closed."""
    with contextlib.ExitStack() as opened:
        closed: list[str] = []
        opened.callback(closed.append, "closed")
        with pytest.raises(KeyboardInterrupt), interruptible(), opened.pop_all():
            signal.raise_signal(number)
        assert closed == ["closed"]


@pytest.mark.parametrize("number", ALL)
def test_a_signal_that_comes_in_a_destructor_unwinds_too(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where Python cannot raise what a signal asks for, it is raised a moment later; nothing is printed."""

    class Ends:
        def __del__(self) -> None:
            signal.raise_signal(number)

    def work() -> None:
        Ends()
        time.sleep(20)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interruptible():
        work()
    assert time.monotonic() - began < 10
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_ignored_signal_unwinds_too(number: signal.Signals) -> None:
    """Within the block either signal counts although it was ignored, as a shell's background job has it."""
    signal.signal(number, signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(number)


def test_a_hangup_that_is_ignored_stays_so() -> None:
    """What nohup has started goes on when the terminal closes."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible():
        signal.raise_signal(signal.SIGHUP)


@pytest.mark.parametrize("number", ALL)
@pytest.mark.parametrize("leaving", [None, ValueError, KeyboardInterrupt])
def test_the_handlers_are_put_back(number: signal.Signals, leaving: type[BaseException] | None) -> None:
    """After the block, however it was left, the handlers are the ones from before."""
    heard: list[int] = []
    signal.signal(number, lambda number, _: heard.append(number))
    try:
        with interruptible():
            if leaving:
                raise leaving
    except (ValueError, KeyboardInterrupt):
        pass
    signal.raise_signal(number)
    assert heard == [number]


def test_a_request_to_end_takes_down_what_runs(script: Callable[[str, str], Path], witness: Witness) -> None:
    """SIGTERM while a command runs within the block leaves no process of that command."""
    hangs = script("hangs", f"{witness.watch}; sleep 60 & sleep 60")
    witness.when_watching(lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt), interruptible():
        run([hangs], os.environ, 60)
    assert witness.all_gone()
