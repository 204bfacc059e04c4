"""What is refused, in the words of its refusal; and what the system refuses."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def refusal(kind: type[Exception], act: Callable[..., object], *arguments: object) -> str:
    """Return the sentence with which a call is refused that has to raise an error of this kind."""
    with pytest.raises(kind) as caught:
        act(*arguments)
    return str(caught.value)


def lock(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    """Let nobody, not even root, tell what is in a folder."""
    real = Path.stat

    def refused(path: Path, **options: Any) -> object:
        if path.is_relative_to(folder):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", refused)
