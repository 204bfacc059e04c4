"""Makes a request to end (SIGTERM, SIGHUP) unwind like Ctrl-C, so that each `with` block still tears down."""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AGAIN = 0.05
"""Seconds until a request to end is made again that came where nothing could be raised."""


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt while the block lasts.

    nox ends its parallel sessions with SIGTERM, a terminal or a connection that closes sends SIGHUP, and a
    shell that starts jobs in the background lets them ignore SIGINT: all have to be set for a run to clean
    up behind itself. Only a SIGHUP that is ignored stays so, because that is what nohup(1) is for.
    """

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, interrupt),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, interrupt)
    hook = sys.unraisablehook
    sys.unraisablehook = functools.partial(_ask_again, hook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _ask_again(hook: Callable[[sys.UnraisableHookArgs], object], unraisable: sys.UnraisableHookArgs) -> None:
    """Interrupt again in a moment, where Python could not raise the exception and would go on without it.

    A request may come while Python is in a destructor or, at each import, in a callback.
    """
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # By another thread: here it would be raised before this function has returned.
        main = threading.main_thread().ident
        threading.Timer(AGAIN, signal.pthread_kill, (main, signal.SIGINT)).start()
    else:
        hook(unraisable)
