"""Listings: a few names in a sentence, and the number of the rest."""

from __future__ import annotations

import pytest

from interpreters.listing import some_of


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c"], "a, b and 1 more")],
)
def test_the_first_are_named_and_the_rest_counted(names: list[str], text: str) -> None:
    """As many as there are, up to the limit; beyond that only their number."""
    assert some_of(names, 2) == text
