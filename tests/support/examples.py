"""How many examples a property is tried on, where another number than that of all others is wanted."""

from __future__ import annotations

from hypothesis import settings

WHOLE = 60
"""Examples of a property without a number of its own, where the whole suite runs."""


def examples(number: int) -> settings:
    """Return the settings for so many examples in the whole suite, and as many fewer in the quick tests."""
    share = (settings.default or settings()).max_examples / WHOLE
    return settings(max_examples=max(5, round(number * share)))
