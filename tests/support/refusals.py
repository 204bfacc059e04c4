"""What is refused, in the words of its refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def refusal(kind: type[Exception], act: Callable[..., object], *arguments: object) -> str:
    """Return the sentence with which a call is refused that has to raise an error of this kind."""
    with pytest.raises(kind) as caught:
        act(*arguments)
    return str(caught.value)
