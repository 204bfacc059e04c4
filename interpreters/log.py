"""The logger to which all that runs reports its progress, in plain sentences, and what shows them."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG = logging.getLogger("tls_floor")
"""Its sentences go nowhere but to whoever shows them."""


class _Shower(logging.Handler):
    """Passes each sentence on."""

    def __init__(self, show: Callable[[str], object]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record's sentence on; raises what showing the sentence raises."""
        self._show(record.getMessage())


@contextlib.contextmanager
def shown(show: Callable[[str], object]) -> Iterator[None]:
    """Pass every sentence to `show` while the block lasts, and to nobody else."""
    handler = _Shower(show)
    level, propagate = LOG.level, LOG.propagate
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)
        LOG.propagate = propagate


@contextlib.contextmanager
def libraries_quiet() -> Iterator[None]:
    """Let libraries say warnings alone while the block lasts, as they do by default.

    nox shows whatever any logger says: of a library that tells each object it writes, some thousand lines.
    """
    root, nox = logging.getLogger(), logging.getLogger("nox")
    levels = root.level, nox.level
    nox.setLevel(nox.getEffectiveLevel())
    root.setLevel(max(root.level, logging.WARNING))
    try:
        yield
    finally:
        root.setLevel(levels[0])
        nox.setLevel(levels[1])
