"""Tells by a hash over the tool's own files whether what measures, and how it is judged, has changed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SUFFIXES = frozenset({".py", ".toml", ".cnf", ".txt", ".pem"})
"""How the names of the files end that decide what is measured, and how it is judged."""


def checkout_of(root: Path, rooms: Iterable[str]) -> str:
    """Return a hash of the tool's own files, with changes that nobody has committed."""
    found = hashlib.sha256()
    for room in rooms:
        for path in sorted(path for path in (root / room).rglob("*") if path.suffix in SUFFIXES):
            found.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()
