"""Escaping: text from elsewhere is harmless in every format and still recognisable; innocent text is left."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import sys
import unicodedata
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reports.formats.escape import for_csv, for_markdown, for_terminal, for_xml, visible
from reports.formats.junit import build_junit
from reports.formats.matrix_json import build_json
from reports.gate import foresee
from reports.verdicts.matrix import Matrix
from reports.verdicts.policy import Policy
from tests.support.builders import a_catalogue, a_matrix, a_row, a_run, an_interpreter
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable

ESCAPERS = (visible, for_terminal, for_csv, for_xml, for_markdown)

INNOCENT = (
    "",
    "3.13.0rc2",
    "pyenv_3_9_18",
    "a__b",
    "OpenSSL 3.0.19 27 Jan 2026",
    "/opt/homebrew/opt/python@3.11/bin/python3",
    "/home/Zoë/東京/python 3",
    "connected at TLSv1 to tls1_0_rsa and 3 more; this Python sets no minimum (3.10 was the first to)",
    "x86_64-linux-gnu, 1 + 1 = 2 & so on, it's 100% #1!",
)

HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd()",
    "|",
    "\n",
    "\t",
    "\x1b[2J",
    "\0",
    "=cmd()|<script>alert(1)</script>\n\x1b[2J\0",
    "3.9|\r\n| 3.12 | enforced |\n\x9b31m\u202e\udc80",
)

FORMULA = "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"
PIECES = st.sampled_from(
    [
        *('<script>"</b>', "<!--", "&lt;", "&#60;", "&", "|", "\\", "`", "``", "*", "_", "__", "~~", "$"),
        *("[a](b)", "![a](b)", "[a]: b", "http://a.bc", "//a.bc", "WWW.a.bc", ":", "/", "www.", "]]>"),
        *("=", "+", "-", "@", ";", ",", '"', "'", " ", "\t", "\r", "\n", "\0", "\x1b", "\x9b", "\uff1d"),
        *("\u202e", "\u2028", "\xa0", "\ufffe", "\udc80", "a", "3.9", "é"),
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=20)


def read_markdown(source: str) -> tuple[str, str]:
    """Return what a line of Markdown shows if nothing in it is markup, and of it all that is not escaped."""
    shown, bare = [], []
    pieces = re.compile(r"\\([!-/:-@\[-`{-~])|(&(?:lt|gt|amp);)|(.)", re.DOTALL)
    for escaped, reference, plain in pieces.findall(source):
        shown.append(escaped or html.unescape(reference) or plain)
        bare.append(plain or " ")
    return "".join(shown), "".join(bare)


def markup(bare: str) -> list[str]:
    """Return what Markdown would act upon in a line's bare characters."""
    emphasis = r"(?<!\w)_|_(?!\w)"
    return re.findall(rf"[\\`*\[\]|~$<>\n\r]|&#?\w+;|//|(?i:www\.)|{emphasis}", bare)


@pytest.mark.parametrize("escaper", ESCAPERS)
@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_text_is_unchanged(escaper: Callable[[str], str], text: str) -> None:
    """What versions, paths and reasons usually look like is the same after escaping for any format."""
    assert escaper(text) == text


@pytest.mark.parametrize("escaper", [visible, for_terminal, for_csv, for_xml])
@given(TEXTS)
def test_twice_is_once(escaper: Callable[[str], str], text: str) -> None:
    """Where an escape is not markup itself, escaping what is escaped changes nothing."""
    assert escaper(escaper(text)) == escaper(text)


@pytest.mark.parametrize("escaper", ESCAPERS)
@given(TEXTS)
def test_whatever_is_escaped_can_be_written(escaper: Callable[[str], str], text: str) -> None:
    """Nothing is left that does not print, save the tabs and newlines of XML, so a file takes it as UTF-8."""
    escaped = escaper(text)
    assert escaped.encode("utf-8").decode("utf-8") == escaped
    assert (escaped.replace("\t", "").replace("\n", "") if escaper is for_xml else escaped).isprintable()


@given(TEXTS)
def test_what_prints_shows_as_it_is(text: str) -> None:
    """Making text visible changes only what does not print, and each of that to an escape with its code."""
    expected = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    assert visible(text) == expected
    assert for_terminal(text) == expected


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        ("\x1b", r"\x1b"),
        ("\0", r"\x00"),
        ("\n", r"\n"),
        ("\x9b", r"\x9b"),
        ("\u202e", r"\u202e"),
        ("\u2028", r"\u2028"),
        ("\udc80", r"\udc80"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_an_escape_says_which_character_it_was(character: str, shown: str) -> None:
    """A reader of the report can tell what was there from the escape that stands for it."""
    assert for_terminal(f"a{character}b") == f"a{shown}b"


ALL_KINDS = "".join(map(chr, (*range(0x20000), *range(0xE0000, 0xE0200), 0xFFFFF, sys.maxunicode)))
"""Characters of every kind: all other planes have letters, and what is unassigned or private."""


def test_no_character_moves_a_terminal() -> None:
    """Of characters of every kind, no control and none that changes direction goes to a terminal."""
    everything = set(for_terminal(ALL_KINDS))
    directions = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    assert len(everything) > 70_000
    assert not {unicodedata.category(c) for c in everything} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(c) for c in everything} & directions


def test_every_character_can_be_in_xml() -> None:
    """Of characters of every kind, only those of XML's production Char are left, and no return."""
    everything = for_xml(ALL_KINDS)
    char = re.compile("[\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
    assert len(everything) > 70_000
    assert char.fullmatch(everything)


@given(TEXTS)
def test_xml_gives_back_what_was_written(text: str) -> None:
    """Escaped text comes back the same from an XML document, as text and as attribute."""
    element = ET.Element("a", {"b": for_xml(text)})
    element.text = for_xml(text)
    again = ET.fromstring(ET.tostring(element, encoding="unicode"))  # noqa: S314  our own document
    assert (again.text or "") == again.get("b") == for_xml(text)


def test_xml_needs_this() -> None:
    """The XML library alone writes a document that cannot be read."""
    element = ET.Element("a", {"b": "\x1b"})
    with pytest.raises(ET.ParseError):
        ET.fromstring(ET.tostring(element, encoding="unicode"))  # noqa: S314  our own document


@pytest.mark.parametrize("separator", [",", ";"])
@example(';"=cmd()')
@example("a; =cmd()")
@given(text=TEXTS)
def test_no_spreadsheet_sees_a_formula(separator: str, text: str) -> None:
    """No cell begins a formula, after any spaces, however a locale splits the line that pandas wrote."""
    written = pd.DataFrame([["first", for_csv(text), "last"]]).to_csv(index=False, header=False)
    (line,) = csv.reader(io.StringIO(written), delimiter=separator)
    assert [cell for cell in line if cell.lstrip(' "').startswith(tuple(FORMULA))] == []


@pytest.mark.parametrize("first", FORMULA)
def test_each_start_of_a_formula_gets_an_apostrophe(first: str) -> None:
    """Whatever can begin a formula is text behind an apostrophe, in front and behind a semicolon."""
    assert for_csv(f"{first}1+1") == f"'{visible(first)}1+1"
    if first.isprintable():
        assert for_csv(f"a; {first}1") == f"a;' {first}1"


@given(TEXTS)
def test_programs_read_csv_as_it_is(text: str) -> None:
    """A cell differs from its visible text by apostrophes alone, and not at all if no formula can begin."""
    assert for_csv(text).replace("'", "") == visible(text).replace("'", "")
    if not set(text) & set(FORMULA):
        assert for_csv(text) == visible(text)


@example("a__b _c_ __d e__")
@example("&lt; &amp &#x3c; &")
@given(TEXTS)
def test_markdown_shows_the_text_and_nothing_else(text: str) -> None:
    """No character is left bare that Markdown acts upon, and what it shows is the visible text."""
    shown, bare = read_markdown(for_markdown(text))
    assert shown == visible(text)
    assert markup(bare) == []


@pytest.mark.parametrize(
    "text", ["a|b", "`c`", "<b>", "*d*", "[e](f)", "_g_", "https://h.i", "www.j.kl", "&copy;", "~~m~~", "\\"]
)
def test_bare_markup_is_known(text: str) -> None:
    """The reading of Markdown that these tests rest on objects to text that was not escaped."""
    assert markup(read_markdown(text)[1])


def _in_markdown(version: str) -> str:
    """Return what a Markdown table shows of a version; it must have one line, and four pipes that count."""
    frame = pd.DataFrame([["left", version, "right"]], columns=["a", "b", "c"])
    table = frame.map(for_markdown).to_markdown(index=False, disable_numparse=True)
    header, rule, line = table.splitlines()
    assert header.count("|") == rule.count("|") == 4
    assert markup(read_markdown(line)[1].strip("|").replace(" | ", "")) == []
    shown = re.split(r"(?<!\\)\|", line)
    assert len(shown) == 5
    return read_markdown(shown[2].strip())[0]


def _in_csv(version: str) -> str:
    """Return the version from a CSV file, without the apostrophe that keeps it from being a formula."""
    frame = pd.DataFrame([["left", version, "right"]], columns=["a", "b", "c"])
    written = frame.map(for_csv).to_csv(index=False)
    assert len(written.splitlines()) == 2
    _, (left, cell, right) = csv.reader(io.StringIO(written))
    assert (left, right) == ("left", "right")
    assert not cell.startswith(tuple(FORMULA))
    return cell.removeprefix("'")


def _in_json(version: str) -> str:
    """Return the version from matrix.json, made visible; the file itself must be printable ASCII."""
    catalogue = a_catalogue()
    row = a_row(interpreter=an_interpreter(version=version))
    written = json.dumps(build_json(a_matrix([row], a_run(catalogue), catalogue), Policy()))
    assert written.isascii()
    assert written.isprintable()
    (interpreter,) = json.loads(written)["interpreters"]
    return visible(interpreter["version"])


def _in_xml(version: str) -> str:
    """Return the version from junit.xml, with its newlines and tabs made visible."""
    catalogue = a_catalogue()
    row = a_row(interpreter=an_interpreter(version=version))
    run = a_run(catalogue)
    decision = foresee(build_json(a_matrix([row], run, catalogue), Policy()), Policy())
    written = "".join(build_junit(Matrix(run, (), (row,), catalogue), decision))
    assert written.replace("\n", "").replace("\t", "").isprintable()
    assert "<script" not in written
    (found,) = ET.fromstring(written.encode()).iterfind(".//property[@name='version']")  # noqa: S314  our own
    return visible(str(found.get("value")))


@pytest.mark.parametrize("show", [_in_markdown, _in_csv, _in_json, _in_xml, for_terminal])
@pytest.mark.parametrize("version", HOSTILE)
def test_a_hostile_version_is_harmless_and_recognisable(show: Callable[[str], str], version: str) -> None:
    """A version of markup, formula, pipe, newline, ESC or NUL breaks no format and reads the same in each."""
    assert show(version) == visible(version)


@examples(30)
@pytest.mark.parametrize("show", [_in_markdown, _in_csv, _in_json, _in_xml])
@given(version=TEXTS)
def test_any_version_is_harmless(show: Callable[[str], str], version: str) -> None:
    """The same holds for any text, save for spaces around it and the apostrophes of CSV."""
    shown, expected = show(version).strip(), visible(version).strip()
    assert shown == expected or (show is _in_csv and shown.replace("'", "") == expected.replace("'", ""))
