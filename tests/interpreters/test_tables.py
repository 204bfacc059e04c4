"""A table gives the values of its keys, or one sentence says what is wrong with it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.tables import Table, TableError, keys, parse, tables
from servers.protocols import Protocol
from tests.support.refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Thing:
    """A kind of table: two keys that must be there, and two that need not."""

    id: str
    name: str
    words: tuple[str, ...]
    count: int = 0
    floor: str = ""


def a_table(**values: Any) -> Table:
    """Return a table with these values whose keys are all known."""
    return Table("some.toml [one]", values, dict.fromkeys(values, False))


def test_the_keys_are_the_fields_of_a_dataclass() -> None:
    """A table has each field but the id, and must have those without a default."""
    assert keys(Thing) == {"name": True, "words": True, "count": False, "floor": False}


def test_the_tables_of_a_file_are_found_by_name() -> None:
    """Each table of a file is there under its name, in the order of the file."""
    found = tables("some.toml", b"[b]\nname = 'x'\nwords = ['y']\n[a]\nname = 'z'\nwords = ['y']", Thing)
    assert [(name, table.get("name", str)) for name, table in found.items()] == [("b", "x"), ("a", "z")]


@pytest.mark.parametrize("raw", [b"[a", b"\xff", b"a = " + b"[" * 100_000], ids=["torn", "binary", "deep"])
def test_what_is_no_toml_is_refused_by_the_name_of_the_file(raw: bytes) -> None:
    """A file that no parser understands is named, with the words of the parser."""
    assert refusal(TableError, lambda: parse("some.toml", raw)).startswith("some.toml is not valid TOML: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("one = 1", "some.toml [one] is not a table; write [one] and its keys below it"),
        (
            "[One]\nname = 'x'\nwords = ['y']",
            "some.toml [One]: an id has lower-case letters, digits and _ only, first a letter",
        ),
        ("[one]\nNmae = 'x'", "some.toml [one]: unknown key 'Nmae'; did you mean 'name'?"),
        ("[one]\nid = 'x'", "some.toml [one]: unknown key 'id'; the keys are name, words, count, floor"),
        ("[one]\nname = 'x'", "some.toml [one]: 'words' is missing"),
        ("[one]\nname = 'x'\nwords = []", "some.toml [one]: 'words' is empty"),
        ("[one]\nname = ''\nwords = ['x']", "some.toml [one]: 'name' is empty"),
    ],
)
def test_a_table_with_other_keys_is_refused(text: str, says: str) -> None:
    """A table that is none, is misspelt or lacks something is refused with its name, and what there is."""
    assert refusal(TableError, lambda: tables("some.toml", text.encode(), Thing)) == says


DAY = dt.date(2027, 1, 31)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("x", lambda table: table.get("key", str)),
        (False, lambda table: table.get("key", bool, default=True)),
        (DAY, lambda table: table.get("key", dt.date)),
        (3, lambda table: table.number("key", 1, range(4))),
        (("x", "y", "x"), lambda table: table.texts("key")),
        (Protocol.TLSV1, lambda table: table.choice("key", Protocol)),
        ((Protocol.TLSV1, Protocol.TLSV1_2), lambda table: table.choices("key", Protocol)),
    ],
)
def test_a_value_that_makes_sense_is_given(value: object, read: Callable[[Table], object]) -> None:
    """A value is returned as it stands, texts as what they name."""
    table = a_table(key=list(value) if isinstance(value, tuple) else value)
    assert read(table) == value


def test_a_key_that_is_left_out_has_its_default() -> None:
    """Without a key its default is returned, and a list is empty."""
    table = a_table()
    assert (table.get("key", str, ""), table.get("key", bool, default=True)) == ("", True)
    assert (table.number("key", 7, range(9)), table.choice("key", Protocol, Protocol.TLSV1)) == (7, "TLSv1")
    assert (table.texts("key"), table.choices("key", Protocol)) == ((), ())


def test_members_come_once_and_in_the_order_in_which_they_are_known() -> None:
    """A list of members has no order of its own, and says nothing twice."""
    assert a_table(key=["TLSv1.3", "TLSv1", "TLSv1.3"]).choices("key", Protocol) == ("TLSv1", "TLSv1.3")


def test_a_text_may_stand_alone_where_that_is_allowed() -> None:
    """A list of one text may be that text, if the reader says so."""
    assert a_table(key="x").texts("key", alone=True) == ("x",)


@pytest.mark.parametrize(
    ("value", "read", "says"),
    [
        (1, lambda t: t.get("key", str), 'key must be text, such as "...", not 1'),
        (" ", lambda t: t.get("key", str, ""), "key must be text, such as \"...\", not ' '"),
        ("yes", lambda t: t.get("key", bool), "key must be true or false, without quotes, not 'yes'"),
        (1, lambda t: t.get("key", bool), "key must be true or false, without quotes, not 1"),
        (
            dt.datetime(2027, 1, 31, tzinfo=dt.UTC),
            lambda t: t.get("key", dt.date),
            "key must be a date without quotes, such as 2027-01-31, not 2027-01-31 00:00:00+00:00",
        ),
        (
            True,
            lambda t: t.number("key", 1, range(4)),
            "key must be a number from 0 to 3, such as 1, not True",
        ),
        (4, lambda t: t.number("key", 1, range(4)), "key must be a number from 0 to 3, such as 1, not 4"),
        (
            DAY,
            lambda t: t.number("key", 1, range(4), "a day"),
            "key must be a day from 0 to 3, such as 1, not 2027-01-31",
        ),
        ("x", lambda t: t.texts("key", "y"), "key must be a list of texts, such as [\"y\"], not 'x'"),
        (
            ["x", ""],
            lambda t: t.texts("key", "y"),
            "key must be a list of texts, such as [\"y\"], not ['x', '']",
        ),
        (
            "TLSv1",
            lambda t: t.choices("key", Protocol),
            "key must be a list, such as [\"SSLv3\"], not 'TLSv1'",
        ),
        (
            "tlsv1.2",
            lambda t: t.choice("key", Protocol),
            "key has 'tlsv1.2'; did you mean 'TLSv1.2'? It is one of SSLv3, TLSv1, TLSv1.1, TLSv1.2, TLSv1.3",
        ),
        (
            ["x"],
            lambda t: t.choices("key", Protocol),
            "key has 'x'; it is one of SSLv3, TLSv1, TLSv1.1, TLSv1.2, TLSv1.3",
        ),
        (
            [["TLSv1"]],
            lambda t: t.choices("key", (Protocol.TLSV1,)),
            "key has ['TLSv1']; did you mean 'TLSv1'? It is one of TLSv1",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(
    value: object, read: Callable[[Table], object], says: str
) -> None:
    """A value is refused with its file, table and key, what it must be, and what it is."""
    assert refusal(TableError, lambda: read(a_table(key=value))) == f"some.toml [one]: {says}"
