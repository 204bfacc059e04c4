"""Equal values are kept once, and none that only seem to be equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.shared import Shared
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Fact:
    """What a place says."""

    text: str
    more: tuple[Any, ...] = ()
    by_name: Mapping[str, Any] = field(default_factory=dict)
    where: Path = field(default=Path(), compare=False)


def a_fact(text: str = "a", number: float = 1, where: str = "/x") -> Fact:
    """Return a fact of which no part is an object that another one has."""
    new = "".join
    return Fact(
        new(["te", "xt ", text]), (number, (new(["in", "side"]),)), {new(["na", "me"]): [text]}, Path(where)
    )


def test_equal_values_become_one() -> None:
    """Of equal values the first stays, with all of its parts, and it is as it was."""
    shared, first = Shared(), a_fact()
    assert shared.of(first) == a_fact()
    assert shared.of(a_fact("b")).more[1] is shared.of(a_fact("c")).more[1]
    pair = shared.of(("text", 2.5, None, True, Condition.AMBIENT))
    assert pair is shared.of(("text", 2.5, None, True, Condition.AMBIENT))
    assert shared.of(a_fact()) is shared.of(a_fact())


@pytest.mark.parametrize(
    "other",
    [
        lambda: Fact("t", (1.0,)),
        lambda: Fact("t", (True,)),
        lambda: Fact("t", (1,), where=Path("/elsewhere")),
        lambda: Fact("t", (1,), {"one": 1}),
        lambda: Fact("t", ((1,),)),
        lambda: Fact("t", ([1],)),
    ],
)
def test_what_differs_in_anything_stays_apart(other: Callable[[], Fact]) -> None:
    """Numbers of another type, and what no comparison looks at, make another value."""
    shared = Shared()
    one, another = shared.of(Fact("t", (1,))), shared.of(other())
    assert one is not another
    assert repr(another) == repr(other())
    assert repr(one) == repr(Fact("t", (1,)))
