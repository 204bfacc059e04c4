"""The text of a document is that of the standard library, whatever is in it."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from interpreters.documents import Document, as_json, as_text


class Cell(Document):
    """A document with all that ours have."""

    name: str
    seconds: float
    number: int | None
    listed: tuple[str, ...]
    by_name: dict[str, float]


TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.builds(
        Cell,
        name=TEXTS,
        seconds=FLOATS,
        number=st.none() | st.integers(-(2**63), 2**63),
        listed=st.lists(TEXTS).map(tuple),
        by_name=st.dictionaries(TEXTS, FLOATS),
    ),
    st.sampled_from([0, 1, 2]),
)
@example(Cell(name="\udc80", seconds=0.5, number=None, listed=(), by_name={}), 0)
@example(Cell(name="\u20ac\x7f", seconds=0.5, number=1, listed=("a",), by_name={"a": 1.0}), 1)
@example(Cell(name="", seconds=6.1e-05, number=1, listed=(), by_name={"a": 1e16}), 0)
@example(Cell(name="", seconds=-0.00001, number=1, listed=(), by_name={"a": 5e-324}), 2)
def test_the_text_is_that_of_the_standard_library(document: Cell, indent: int) -> None:
    """Halves of surrogate pairs, what is no ASCII, and the smallest and largest numbers among all else."""
    assert as_text(document, indent) == json.dumps(as_json(document), indent=indent or None) + "\n"
    assert as_text(document, indent).isascii()
