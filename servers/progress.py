"""Reports how many of several things are done, and which take long."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from interpreters.log import LOG

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10.0
"""Seconds without a word after which it is said what is being waited for."""

PACE_AFTER = 10.0
"""Seconds after which the pace so far tells what is left."""

MINUTES_FROM = 120.0
"""Seconds from which on minutes are exact enough."""

NAMED = 3
"""How many of those that are waited for are named, the slowest first."""


class Tally:
    """Counts what is done; safe to use from several threads."""

    def __init__(self, total: int, what: str) -> None:
        self.total = total
        self.what = what
        self._lock = threading.Lock()
        self._at_work: dict[object, tuple[float, str]] = {}
        self._done = self._before = self._told = 0
        self._silent: Counter[str] = Counter()
        self._began = self._spoke = time.monotonic()

    @contextlib.contextmanager
    def at_work(self, who: str) -> Iterator[None]:
        """Count somebody as being waited for while the block lasts."""
        key = object()
        with self._lock:
            self._at_work[key] = (time.monotonic(), who)
        try:
            yield
        finally:
            with self._lock:
                del self._at_work[key]

    def done(self, sentence: str = "", why: str = "", *, before: bool = False) -> None:
        """Count one more that is done, and say so; without a sentence, in silence: then `why` is for the end.

        What was done `before` says nothing about the pace.
        """
        with self._lock:
            self._done += 1
            self._before += before
            if sentence:
                left = f" ({words})" if (words := self._left()) else ""
                self._told = self._done
                self._tell(f"{self.what} {self._done} of {self.total}{left}: {sentence}")
            elif why:
                self._silent[why] += 1

    def close(self) -> None:
        """Say why nothing was said of some, where the last line has whoever watches miss them."""
        with self._lock:
            if 0 < self._told < self._done and self._silent:
                reasons = ", ".join(f"{number} {why}" for why, number in self._silent.items())
                self._tell(f"{self.what} {self._done} of {self.total}: {reasons}")

    def wait(self, patience: float = PATIENCE) -> None:
        """Say who is waited for, if nothing was said for so long."""
        with self._lock:
            now = time.monotonic()
            if not self._at_work or now - self._spoke < patience:
                return
            slowest = sorted(self._at_work.values())
            named = [f"{who} (for {now - since:.0f} s)" for since, who in slowest[:NAMED]]
            more = f" and {len(slowest) - NAMED} more" if len(slowest) > NAMED else ""
            left = f", {words}" if (words := self._left()) else ""
            self._tell(f"{self._done} of {self.total} done{left}, waiting for {', '.join(named)}{more}")

    def _left(self) -> str:
        """Say how long the rest takes at the pace so far; nothing where that cannot be told."""
        spent = time.monotonic() - self._began
        if self._done == self._before or spent < PACE_AFTER:
            return ""
        rest = spent / (self._done - self._before) * (self.total - self._done)
        if rest < 1:
            return ""
        return f"about {rest:.0f} s left" if rest < MINUTES_FROM else f"about {rest / 60:.0f} min left"

    def _tell(self, sentence: str) -> None:
        LOG.info(sentence)
        self._spoke = time.monotonic()


@contextlib.contextmanager
def counted(total: int, what: str, patience: float = PATIENCE) -> Iterator[Tally]:
    """Return a count of so many things, which says after so many seconds of silence who is waited for."""
    tally = Tally(total, what)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(patience / 4):
            tally.wait(patience)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield tally
        tally.close()
    finally:
        ended.set()
        thread.join()
