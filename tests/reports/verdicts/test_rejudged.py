"""Stored cells that their observations deny are named, and so are observations that their hellos deny."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tlslite.extensions import SupportedVersionsExtension
from tlslite.messages import ClientHello

from reports.verdicts.cells import CellKind
from reports.verdicts.matrix import Measured, build_matrix
from reports.verdicts.rejudged import denials
from servers.conditions import Condition
from tests.support.builders import (
    LOOSE,
    SMALL,
    TLS1_0,
    TLS1_2,
    TLS1_3,
    a_catalogue,
    a_finding,
    an_interpreter,
    connected,
    keys,
    meet,
)

if TYPE_CHECKING:
    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Observation

CATALOGUE = a_catalogue()
SEEN = tuple(meet(LOOSE, server) for server in SMALL)
(ROW,) = build_matrix(
    [Measured(an_interpreter(), {}, SEEN)], keys(["ssl"]), [Condition.AMBIENT], CATALOGUE, TLS1_2
)


def _denied(row: Row = ROW, seen: tuple[Observation, ...] = SEEN) -> list[str]:
    return list(denials([row], seen, CATALOGUE))


def test_what_was_measured_is_denied_by_nothing() -> None:
    """Cells judged again are the cells that were written, and a row without observations is left out."""
    assert _denied() == []
    assert _denied(seen=()) == []


@pytest.mark.parametrize("kind", [CellKind.REJECTED, CellKind.NOT_OFFERED, None])
def test_a_cell_that_the_observation_denies_is_named(kind: CellKind | None) -> None:
    """A connection below the floor that was written over in the matrix is still in the observations."""
    findings = {name: cell for name, cell in ROW.findings.items() if name != "only_1_0"}
    if kind:
        findings["only_1_0"] = a_finding(ROW.findings["only_1_0"].server, kind)
    (denied,) = _denied(replace(ROW, findings=findings))
    assert "pyenv_3_9_18/ssl on only_1_0 is" in denied
    assert denied.endswith("and its observations make it TLSv1")


def test_an_observation_that_was_cut_out_is_missed() -> None:
    """A cell that nothing was observed of is none."""
    assert len(_denied(seen=SEEN[:-3])) >= 1


def test_an_observation_that_its_hello_denies_is_named() -> None:
    """What a client offered is in its hello, whatever the record says of it."""
    offers = SupportedVersionsExtension().create([(3, 4), (3, 3), (3, 1)])
    hello = ClientHello().create((3, 3), bytearray(32), bytearray(), [0x2F], extensions=[offers])
    first, *others = SEEN
    true = replace(
        first.wire[0],
        client_hello=bytes(hello.write()).hex(),
        offered=(TLS1_3, TLS1_2, TLS1_0),
        legacy_version=TLS1_2,
        cipher_count=1,
    )
    assert _denied(seen=(replace(first, wire=(true,)), *others)) == []
    false = replace(true, offered=(TLS1_3, TLS1_2))
    (denied,) = _denied(seen=(replace(first, wire=(false,), account=connected(TLS1_3)), *others))
    assert denied == "pyenv_3_9_18/ssl/open/ambient says of its hellos what is not in them"


def test_a_verdict_that_rests_on_an_earlier_run_is_named() -> None:
    """Only what tells what holds a client is remembered: a row's own cells are of its run."""
    first, *rest = SEEN
    (denied,) = _denied(seen=(replace(first, measured="2026-11-28T10:00:00+00:00"), *rest))
    assert denied == (
        f"pyenv_3_9_18/ssl on {first.server} was measured at 2026-11-28T10:00:00+00:00, and not in its run"
    )
