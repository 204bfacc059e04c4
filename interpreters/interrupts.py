"""Makes a request to end (SIGTERM, SIGHUP) unwind like Ctrl-C, so that each `with` block still tears down."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
