"""Writes a file completely or not at all, so that whoever reads it meanwhile never finds half of it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it takes the place of `path` if the block ends well.

    If the block fails, `path` stays as it was and nothing is left beside it. rename(2) does it in one step.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a text as UTF-8; raises OSError, and UnicodeEncodeError for a lone surrogate."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")
