"""Makes a request to end (SIGTERM) unwind like Ctrl-C, so that every `with` block still tears down."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt while the block lasts.

    nox ends its parallel sessions with SIGTERM, and a shell that starts jobs in the background lets
    them ignore SIGINT: both have to be set for a run to clean up behind itself.
    """

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, interrupt),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
