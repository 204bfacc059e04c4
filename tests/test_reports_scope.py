"""The scope of a run: what it holds is read back as it was, and nothing else passes for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from builders import a_narrow_scope, a_scope

from reports.scope import Scope, read_scope

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("scope", [Scope(), a_scope(), a_narrow_scope()])
def test_a_scope_comes_back_as_it_was(scope: Scope) -> None:
    """What a record says of a scope, reading it gives back."""
    assert read_scope(scope.record()) == scope


def test_a_run_is_partial_where_it_left_something_out() -> None:
    """Whether a run is partial follows what it left out, and is written beside that."""
    assert not a_scope().partial
    assert a_narrow_scope().partial
    assert a_narrow_scope().record()["partial"] is True


def _set(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda record: record.update({key: value})


@pytest.mark.parametrize(
    "damage",
    [
        _set("commit", 5),
        _set("variables", {"OPENSSL_CONF": None}),
        _set("variables", None),
        _set("left_out", [{"id": "a", "path": "/a"}]),
        _set("left_out", [5]),
        _set("clients_left_out", [None]),
        _set("narrowed", None),
        _set("narrowed", [1]),
        _set("looked", [{"place": "/a", "status": "skipped", "reason": ""}]),
        _set("looked", [{"place": 5, "status": "looked", "reason": ""}]),
        _set("local_changes", "no"),
        lambda record: record.pop("user"),
    ],
)
def test_what_is_no_scope_is_refused(damage: Callable[[dict[str, Any]], None]) -> None:
    """A record with a wrong value or without a field is no scope."""
    record = a_narrow_scope().record()
    damage(record)
    with pytest.raises((KeyError, TypeError, ValueError)):
        read_scope(record)
