"""Breaks each witness of a real measurement in turn, and shows that nothing is called enforced then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.verdicts.judge import Verdict
from tests.faults.fault import NotInjectableError
from tests.faults.instrument import BROKEN, broken_promises, measured

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


def test_untouched_it_is_enforced(tmp_path: Path) -> None:
    """The measurement that the other tests break calls this interpreter enforced."""
    try:
        assert measured(tmp_path).verdict is Verdict.ENFORCED
    except NotInjectableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_instrument_decides_nothing(tmp_path: Path, name: str) -> None:
    """A server, a control, a tap or a probe that lies makes a row inconclusive, and a clock does not."""
    try:
        assert broken_promises(name, tmp_path) == []
    except NotInjectableError as error:
        pytest.skip(str(error))
