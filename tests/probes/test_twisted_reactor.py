"""Twisted's reactor runs once, in a thread of its own, whoever calls."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class Stage:
    """Stands for Twisted: notes in which threads its reactor was run."""

    def __init__(self) -> None:
        self.ran: list[threading.Thread] = []
        self.started = threading.Event()
        self.reactor = self
        self.threads = SimpleNamespace(blockingCallFromThread=self.called)

    def run(self, *, installSignalHandlers: bool) -> None:  # noqa: N803  as Twisted names it
        """Note the thread."""
        assert not installSignalHandlers
        self.ran.append(threading.current_thread())
        self.started.set()

    def called(self, reactor: Stage, function: Callable[..., Any], *arguments: Any) -> Any:
        """Do it as the reactor would, which has been started."""
        assert reactor.started.wait(10)
        return function(*arguments)


def test_the_reactor_is_started_once(passenger: Callable[[str], ModuleType]) -> None:
    """Two calls get what their functions return, and share one thread, which keeps no process alive."""
    module, stage = passenger("twisted_reactor"), Stage()
    assert module.call(stage, max, 1, 2) == 2
    assert module.call(stage, min, 1, 2) == 1
    (thread,) = stage.ran
    assert thread is not threading.main_thread()
    assert thread.daemon
