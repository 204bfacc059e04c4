"""JSON files that others' programs read, as types, by which they are read, checked and described."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import re
from typing import Annotated, Any, ClassVar, Self, TypeVar, cast, dataclass_transform

import msgspec
from msgspec import Meta

NonEmpty = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0)]
Hex = Annotated[str, Meta(pattern="^([0-9a-f]{2})*$")]
Sha256 = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
"""Empty where there is nothing to hash."""
MOMENT = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\+00:00|Z)$"
Moment = Annotated[str, Meta(pattern=MOMENT)]
"""UTC, ISO 8601."""

_NUMBERS_APART = re.compile(rb'":-?(?:0\.0000|[\d.]+e)')
"""Begins a value that msgspec writes in another way than json does: the smallest and the largest floats."""

_Kind = TypeVar("_Kind")


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object in a JSON file, with each of its keys in their order, and no other.

    The text behind a field describes the key in the file's JSON Schema.
    """

    RULES: ClassVar[dict[str, Any]] = {}
    """What the schema says beyond the types of the fields."""

    @classmethod
    def of(cls, source: object, **others: Any) -> Self:
        """Return a document with what `source` has under the same names, and with `others`.

        For an object within, anything with the same fields will do: only reading checks types.
        """
        names = [name for name in cls.__struct_fields__ if name not in others]
        return cls(**{name: getattr(source, name) for name in names}, **others)

    def to(self, kind: type[_Kind], **others: Any) -> _Kind:
        """Return one of our dataclasses, with the fields that this has too, and with `others`."""
        shared = {
            name: getattr(self, name) for name in _shared(type(self), cast("Any", kind)) if name not in others
        }
        return kind(**shared, **others)


@functools.cache
def _shared(document: type[Document], kind: Any) -> tuple[str, ...]:
    """Return the fields of a dataclass that a document has too."""
    fields = {field.name for field in dataclasses.fields(kind)}
    return tuple(name for name in document.__struct_fields__ if name in fields)


def as_json(document: object) -> Any:
    """Return a document in the types that `json` writes."""
    return msgspec.to_builtins(document)


def as_text(document: object, indent: int = 0) -> str:
    """Return a document as the text of a JSON file, or without an indent as a line of one: in ASCII alone.

    It is what json.dumps makes of it, several times as fast.
    """
    with contextlib.suppress(UnicodeEncodeError):  # half a surrogate pair, as in a path of any bytes
        written = msgspec.json.encode(document)
        if written.isascii() and b"\x7f" not in written and not _NUMBERS_APART.search(written):
            return f"{msgspec.json.format(written, indent=indent).decode()}\n"
    return f"{json.dumps(as_json(document), indent=indent or None)}\n"


def from_json(value: object, kind: type[_Kind]) -> _Kind:
    """Return what `json` read as a document; raises ValueError, with the place in it, for any other shape."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def packed(document: object) -> bytes:
    """Return a document that has bytes in it, for a file of ours that nobody else reads."""
    return msgspec.msgpack.encode(document)


def unpacked(data: bytes, kind: type[_Kind]) -> _Kind:
    """Return what was packed; raises ValueError for anything else."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
