"""The cells of an interpreter are judged as they come in, and together they say the same as all at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import RELAXED, ClientKey
from reports.verdicts.cells import CellKind
from reports.verdicts.judge import Verdict
from reports.verdicts.judged import JudgedCells
from servers.conditions import Condition
from tests.support.builders import CRT, LOOSE, STRICT, TLS1_2, a_catalogue, ladder, meet

if TYPE_CHECKING:
    from reports.verdicts.observations import Observation
    from tests.support.builders import Stack

CATALOGUE = a_catalogue()
NOTHING = JudgedCells(CATALOGUE)
SSL, URLLIB3 = ClientKey("ssl"), ClientKey("urllib3")


def _observed(stack: Stack, client: ClientKey, condition: Condition) -> tuple[Observation, ...]:
    return tuple(
        replace(meet(stack, server), client=client, condition=condition) for server in ladder(CATALOGUE)
    )


BATCHES = [
    _observed(STRICT, SSL, Condition.AMBIENT),
    _observed(LOOSE, URLLIB3, Condition.AMBIENT),
    _observed(LOOSE, SSL, Condition.PERMISSIVE),
]


def test_cells_that_come_one_after_the_other_are_those_that_come_together() -> None:
    """It makes no difference in how many parts observations come, and what was judged before stays."""
    judged = NOTHING
    for batch in BATCHES:
        judged = judged.and_of(batch)
    assert judged == NOTHING.and_of(seen for batch in BATCHES for seen in batch)
    assert judged.of(SSL, Condition.AMBIENT).observations == BATCHES[0]
    assert judged.judgement(SSL, Condition.AMBIENT, TLS1_2).verdict is Verdict.ENFORCED
    assert judged.judgement(URLLIB3, Condition.AMBIENT, TLS1_2).verdict is Verdict.DOWNGRADED


@pytest.mark.parametrize("together", [True, False])
def test_of_two_observations_of_one_cell_neither_counts(together: bool) -> None:  # noqa: FBT001
    """A cell that was measured twice is undecided, whether its observations came together or not."""
    first = BATCHES[0]
    again = first[:1]
    judged = NOTHING.and_of(first + again) if together else NOTHING.and_of(first).and_of(again)
    results = judged.of(SSL, Condition.AMBIENT).results
    kinds = {name for name, result in results.items() if result.kind is CellKind.INCONCLUSIVE}
    assert kinds == {first[0].server}
    assert judged.judgement(SSL, Condition.AMBIENT, TLS1_2).verdict is Verdict.INCONCLUSIVE


def test_a_client_that_was_not_measured_has_no_cells() -> None:
    """Where nothing was observed there is nothing, and the judgement is that nothing is known."""
    assert NOTHING.of(SSL, Condition.AMBIENT).results == {}
    assert NOTHING.judgement(SSL, Condition.AMBIENT, TLS1_2).verdict is Verdict.INCONCLUSIVE
    assert NOTHING.needing(Condition.PERMISSIVE, [SSL], TLS1_2) == ()


def test_a_tls_of_its_own_is_known_from_any_observation() -> None:
    """The TLS that a client brings along is that of its observations; most have none."""
    first, *others = BATCHES[0]
    judged = NOTHING.and_of([first, *(replace(seen, own_tls=CRT) for seen in others)])
    assert judged.of(SSL, Condition.AMBIENT).own_tls == CRT
    assert NOTHING.and_of(BATCHES[0]).of(SSL, Condition.AMBIENT).own_tls is None


def _dated(stack: Stack, client: ClientKey, condition: Condition, when: str) -> tuple[Observation, ...]:
    return tuple(replace(seen, measured=when) for seen in _observed(stack, client, condition))


def test_what_holds_is_as_old_as_the_oldest_that_tells_it() -> None:
    """The client's own visits under other conditions count, and the reference's under the permissive one."""
    ambient = NOTHING.and_of(_observed(STRICT, SSL, Condition.AMBIENT))
    assert ambient.holder_measured(SSL, Condition.AMBIENT) == ("", "")
    own = ambient.and_of(_dated(STRICT, SSL, Condition.PERMISSIVE, "2026-11-28T10:00:00+00:00"))
    assert own.holder_measured(SSL, Condition.AMBIENT) == ("2026-11-28T10:00:00+00:00", "")
    assert own.holder_measured(URLLIB3, Condition.AMBIENT) == ("", "")
    both = own.and_of(_dated(LOOSE, RELAXED, Condition.PERMISSIVE, "2026-11-27T10:00:00+00:00"))
    assert both.holder_measured(SSL, Condition.AMBIENT) == ("2026-11-27T10:00:00+00:00", "")
    lent = ambient.and_of(
        replace(seen, measured_in="a copy") for seen in both.of(RELAXED, Condition.PERMISSIVE).observations
    )
    assert lent.holder_measured(SSL, Condition.AMBIENT) == ("2026-11-27T10:00:00+00:00", "a copy")
    # What Python's library has tells nothing of another one.
    crt = [replace(seen, own_tls=CRT) for seen in _observed(STRICT, URLLIB3, Condition.AMBIENT)]
    assert both.and_of(crt).holder_measured(URLLIB3, Condition.AMBIENT) == ("", "")
