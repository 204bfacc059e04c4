"""Tells whether folders are byte for byte what they were."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def tree(*folders: Path) -> str:
    """Return a hash of all names, links and contents below some folders."""
    found = hashlib.sha256()
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        link = str(path.readlink()) if path.is_symlink() else ""
        content = path.read_bytes() if path.is_file() and not link else b""
        found.update(f"{path}\n{link}\n".encode() + content)
    return found.hexdigest()
