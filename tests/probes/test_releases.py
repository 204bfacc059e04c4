"""Releases are compared as numbers, whatever stands behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


@pytest.mark.parametrize(
    ("version", "is_older"),
    [
        *(("0.23.8", True), ("0.9.99", True), ("0.19.17", True), ("0.23", True), ("0", True), ("", True)),
        *(("0.23.9", False), ("0.23.10", False), ("0.24", False), ("1.0.0.dev0", False), ("0.31.2", False)),
    ],
)
def test_a_release_is_older_by_its_numbers(
    passenger: Callable[[str], ModuleType], version: str, *, is_older: bool
) -> None:
    """Numbers are compared as such, and a version with fewer of them as if the rest were nought."""
    assert passenger("releases").older(version, (0, 23, 9)) is is_older
