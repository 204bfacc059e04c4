"""Reads the tables of a TOML file, and says in one sentence what is wrong with one.

By hand, because msgspec's errors have neither table, value nor choices (it was tried on two of the files:
"Expected `array`, got `str` - at `$[...].ask`"), and the gate, which reads policy.toml, runs on bare Python.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import re
import tomllib
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from interpreters.errors import FloorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Text = TypeVar("_Text", bound=str)
_Value = TypeVar("_Value", str, bool, int, dt.date)

WANTED: dict[type, str] = {
    str: 'text, such as "..."',
    bool: "true or false, without quotes",
    int: "a number",
    dt.date: "a date without quotes, such as 2027-01-31",
}


class TableError(FloorError):
    """A TOML file has an entry that makes no sense; the message names file, table, key, fact and remedy."""


def parse(file: str, raw: bytes) -> dict[str, Any]:
    """Return what the TOML of a file says; raises TableError, as all in this module does."""
    try:
        return tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{file} is not valid TOML: {error}"
        raise TableError(msg) from error


def keys(kind: type) -> dict[str, bool]:
    """Return the fields of a dataclass but its id, and whether a table must have them."""
    found = (field for field in dataclasses.fields(kind) if field.name != "id")
    return {field.name: field.default is dataclasses.MISSING for field in found}


def tables(file: str, raw: bytes, kind: type) -> dict[str, Table]:
    """Return the tables of a file by their names, which are ids; each has the keys of a dataclass."""
    found = {name: Table(f"{file} [{name}]", table, keys(kind)) for name, table in parse(file, raw).items()}
    for name, table in found.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            table.refuse("an id has lower-case letters, digits and _ only, first a letter")
    return found


class Table:
    """One table: gives the values of its keys if they make sense."""

    def __init__(self, where: str, values: Any, known: Mapping[str, bool]) -> None:
        """Take a table at its place in a file; `known` are the keys, and whether it must have them."""
        self.where, self.values = where, values
        if not isinstance(values, dict):
            msg = f"{where} is not a table; write {where.partition(' ')[2]} and its keys below it"
            raise TableError(msg)
        for key in values:
            if key not in known:
                hint = question(key, known) or f"the keys are {', '.join(known)}"
                self.refuse(f"unknown key {key!r}; {hint}")
        for key, needed in known.items():
            if needed and values.get(key) in (None, "", [], {}):
                self.refuse(f"{key!r} is {'empty' if key in values else 'missing'}")

    def refuse(self, fact: str) -> NoReturn:
        """Raise a TableError about this table."""
        msg = f"{self.where}: {fact}"
        raise TableError(msg)

    def get(self, key: str, kind: type[_Value], default: _Value | None = None, wanted: str = "") -> _Value:
        """Return a value of this very type, no blank text; `wanted` says in words what it must be."""
        if key not in self.values and default is not None:
            return default
        value = self.values.get(key)
        if type(value) is not kind or not str(value).strip():
            self._expect(key, wanted or WANTED[kind])
        return value

    def number(self, key: str, default: int, limits: range, what: str = "a number") -> int:
        """Return a number within limits."""
        wanted = f"{what} from {limits[0]} to {limits[-1]}, such as {default}"
        if (value := self.get(key, int, default, wanted)) not in limits:
            self._expect(key, wanted)
        return value

    def texts(
        self, key: str, example: str = "...", what: str = "a list of texts", *, alone: bool = False
    ) -> tuple[str, ...]:
        """Return the texts of a list, or the text that may stand alone; none where the key is left out."""
        value = self.values.get(key, [])
        if alone and isinstance(value, str):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
            self._expect(key, f'{what}, such as ["{example}"]')
        return tuple(value)

    def choice(self, key: str, known: Iterable[_Text], default: _Text | None = None) -> _Text:
        """Return the member of `known` that a text names."""
        return self._member(key, self.values.get(key, default), known)

    def choices(self, key: str, known: Iterable[_Text]) -> tuple[_Text, ...]:
        """Return the members of `known` that a list names, each once, in the order of `known`."""
        known, value = tuple(known), self.values.get(key, [])
        if not isinstance(value, list):
            self._expect(key, f'a list, such as ["{known[0]}"]')
        named = {self._member(key, member, known) for member in value}
        return tuple(member for member in known if member in named)

    def _expect(self, key: str, wanted: str) -> NoReturn:
        value = self.values.get(key)
        shown = str(value) if isinstance(value, dt.date | dt.time) else repr(value)
        self.refuse(f"{key} must be {wanted}, not {shown}")

    def _member(self, key: str, value: object, known: Iterable[_Text]) -> _Text:
        found = {str(member): member for member in known}
        if not isinstance(value, str) or value not in found:
            meant = question(str(value), found)
            it = f"{meant} It" if meant else "it"
            self.refuse(f"{key} has {value!r}; {it} is one of {', '.join(found)}")
        return found[value]


def question(word: str, known: Iterable[str]) -> str:
    """Ask whether a known word was meant; empty if none is like it."""
    folded = {text.casefold(): text for text in known}
    near = difflib.get_close_matches(word.casefold(), folded, 1)
    return f"did you mean {folded[near[0]]!r}?" if near else ""
