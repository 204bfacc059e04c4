"""The file of locations is as it should be, and one that makes no sense is refused with a sentence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from interpreters.locations import InterpreterSource, read_locations
from interpreters.tables import TableError

if TYPE_CHECKING:
    from pathlib import Path


def read(tmp_path: Path, text: str) -> tuple[InterpreterSource, ...]:
    """Read a file of locations with this text."""
    file = tmp_path / "locations.toml"
    file.write_text(text, encoding="utf-8")
    return read_locations(file)


def test_a_source_is_read(tmp_path: Path) -> None:
    """Every key of a table is in its source."""
    text = "[a]\nfolders = ['/opt/*/bin']\nlists = ['~/a.txt']\nclaims = ['$A']\nnames = ['/(x)']\nown = true"
    assert read(tmp_path, text) == (
        InterpreterSource("a", ("/opt/*/bin",), ("~/a.txt",), ("$A",), ("/(x)",), own=True),
    )


def test_no_place_is_there_twice() -> None:
    """Each location belongs to one source, once."""
    patterns = [pattern for one in read_locations() for pattern in (*one.folders, *one.lists)]
    assert len(set(patterns)) == len(patterns)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a", "is not valid TOML"),
        ("a = 1", "[a] is not a table"),
        ("[A]\nfolders = ['/a']", "lower-case letters"),
        ("[a]\nfolder = ['/a']", "unknown key 'folder'"),
        ("[a]\nown = true", "'folders' is missing"),
        ("[a]\nfolders = '/a'", "must be a list of texts"),
        ("[a]\nfolders = [1]", "must be a list of texts"),
        ("[a]\nfolders = ['a/b']", "a location begins with /"),
        ("[a]\nfolders = ['~me/b']", "a location begins with /"),
        ("[a]\nfolders = ['/a/']", "ends without /"),
        ("[a]\nfolders = ['/a']\nown = 1", "own must be true or false"),
        ("[a]\nfolders = ['/a']\nnames = ['(']", "no regular expression"),
        ("[a]\nfolders = ['/a']\nnames = ['a']", "in parentheses"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """An entry that cannot be meant is refused by a sentence that names the file and the fact."""
    with pytest.raises(TableError, match=re.escape(says)) as refused:
        read(tmp_path, text)
    assert str(refused.value).startswith("locations.toml")
