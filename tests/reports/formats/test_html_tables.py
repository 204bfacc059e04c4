"""The page's tables of verdicts: each subject in one of them, with columns that somebody there fills."""

from __future__ import annotations

from dataclasses import replace

from reports.formats.html_data import EntryTable
from reports.formats.html_tables import VerdictTable, verdict_tables
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Row, by_interpreter
from servers.conditions import Condition
from tests.support.builders import TLS1_2, a_program, a_row, an_environment, an_interpreter

DOWN, HELD = Verdict.DOWNGRADED, Verdict.ENFORCED


def tables(*rows: Row) -> list[VerdictTable]:
    """Return the tables of these rows."""
    return verdict_tables(by_interpreter(rows), Condition.AMBIENT, TLS1_2, EntryTable())


def names(table: VerdictTable) -> list[object]:
    """Return the names of a table's lines, from the top."""
    return [line["name"] for line in table.lines]


def test_what_was_found_stands_apart_and_below() -> None:
    """Interpreters and programs share the first table, environments and processes have one each."""
    environment = an_environment("/srv/shop")
    process = replace(environment, id="running_shop", source="running")
    found = tables(
        a_row(interpreter=environment, client="httpx"),
        a_row(interpreter=process, client="httpx"),
        a_row(),
        a_row(interpreter=a_program("curl"), client="curl"),
    )
    assert [(table.id, table.as_found) for table in found] == [
        ("picture", False),
        ("environments", True),
        ("running-processes", True),
    ]
    assert [names(table) for table in found] == [
        ["pyenv_3_9_18", "program_curl"],
        ["/srv/shop"],
        ["running_shop in /srv/shop"],
    ]
    assert [[column.client for column in table.columns] for table in found] == [
        ["ssl", "program"],
        ["httpx"],
        ["httpx"],
    ]


def test_those_alike_stand_side_by_side_and_know_of_each_other() -> None:
    """Alike lines have one number in common, the others none, and the worst are first."""
    rows = [
        a_row(HELD, interpreter=an_environment("/a"), client="urllib3"),
        a_row(DOWN, interpreter=an_environment("/b"), client="urllib3"),
        a_row(HELD, interpreter=an_environment("/c"), client="urllib3"),
    ]
    (found,) = tables(*rows)
    assert names(found) == ["/b", "/a", "/c"]
    alone, *alike = (line["alike"] for line in found.lines)
    assert alone == -1
    assert len(set(alike)) == 1
    assert -1 not in alike


def test_the_columns_of_the_worst_are_first() -> None:
    """What a narrow window shows without scrolling is what the first lines have, and not what others have."""
    held = [a_row(HELD, interpreter=an_environment("/a"), client=name) for name in ("urllib3", "requests")]
    (found,) = tables(*held, a_row(DOWN, interpreter=an_environment("/b"), client="httplib2"))
    assert [column.client for column in found.columns] == ["httplib2", "urllib3", "requests"]


def test_interpreters_are_never_folded() -> None:
    """Two interpreters that came out alike are two lines that do not know of each other."""
    (found,) = tables(*(a_row(interpreter=an_interpreter(name)) for name in ("one", "two")))
    assert [line["alike"] for line in found.lines] == [-1, -1]


def test_without_rows_there_is_one_table_without_lines() -> None:
    """A page of nothing still has its heads."""
    (found,) = tables()
    assert (found.id, list(found.lines), list(found.columns)) == ("picture", [], [])
