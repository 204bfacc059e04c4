"""Keeps one of equal values: of a thousand places that are alike, memory has what they are alike in once.

Nobody may change such a value, be it a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar

_Value = TypeVar("_Value")


class Shared:
    """The values that were seen so far, down to their texts; none of them is ever changed."""

    def __init__(self) -> None:
        """Begin without any."""
        self._known: dict[object, Any] = {}

    def of(self, value: _Value) -> _Value:
        """Return an equal value of the same type that was seen before; this one if there is none."""
        kept: _Value = self._of(value)
        return kept

    def _of(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | Enum):
            return value
        if isinstance(value, Mapping):
            found = {self._of(name): self._of(inner) for name, inner in value.items()}
            return self._one(dict, [part for item in found.items() for part in item], found)
        if type(value) in (tuple, list):
            items = [self._of(each) for each in value]
            return self._one(type(value), items, type(value)(items))
        if is_dataclass(value) and not isinstance(value, type):
            names = [each.name for each in fields(value) if each.init]
            own = [getattr(value, name) for name in names]
            parts = tuple(map(self._of, own))
            new = {
                name: now for name, before, now in zip(names, own, parts, strict=True) if now is not before
            }
            return self._one(type(value), parts, replace(value, **new) if new else value)
        try:
            return self._known.setdefault((type(value), value), value)
        except TypeError:
            # It has no hash, and stays what it is: as long as we know it, its id is nobody else's.
            return self._known.setdefault((type(value), id(value)), value)

    def _one(self, kind: type, parts: Any, value: Any) -> Any:
        # By the identity of its parts: 1, 1.0 and True are equal, and not alike.
        return self._known.setdefault((kind, *map(id, parts)), value)
