"""Makes text from elsewhere (paths, version strings, exception texts) harmless for one format each.

Whatever the format, what does not print becomes its escape, so that a reader sees the same everywhere.
What that text was exactly is in observations.jsonl and matrix.json, which have escapes of their own.
"""

from __future__ import annotations

import re

_FORMULA = "=+\\-@\uff1d\uff0b\uff0d\uff20"
"""What begins a formula; the last four are full-width forms, which some spreadsheets take for the same."""

_FORMULA_START = re.compile(rf'(^|;)(?=[ "]*[{_FORMULA}])|^(?=[\t\r\n\0])')
"""Where a spreadsheet may see one begin: in front, and behind what some locales take for a separator."""

_MARKUP = re.compile(
    r"""[\\`*\[\]|~$]  # escapes, code, emphasis, links, table cells, deletions, mathematics
    | [<>]             # HTML, and links in angle brackets
    | &(?=\#?\w+;)     # character references
    | (?<=/)/          # addresses, which some make links without any markup
    | (?<=www)\.
    | (?<!\w)_+        # emphasis; underscores within a word are none
    | _+(?!\w)""",
    re.VERBOSE | re.IGNORECASE,
)
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def visible(text: str) -> str:
    r"""Return text with each character that does not print as its escape, such as ``\x1b``.

    That is all of ``str.isprintable``: control characters, line separators, invisible and bidirectional
    format characters, spaces other than the space, and halves of surrogate pairs (from paths that cannot
    be decoded), so that what is left can also be written as UTF-8. It leaves backslashes alone, which
    makes it the same to escape once or twice, and to escape what somebody else has escaped.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def for_terminal(text: str) -> str:
    """Return text that moves no cursor, sets no colour or title, and reads in the order it was written in.

    Threats: escape sequences, by ESC or by a C1 control alone (ECMA-48; CWE-150); lines that a newline or
    carriage return forges; bidirectional overrides, which show another text than is there ("Trojan
    Source", CVE-2021-42574).
    """
    return visible(text)


def for_json(text: str) -> str:
    """Return text that every JSON parser can read.

    Threat: half a surrogate pair, which is what Python makes of a path that cannot be decoded, is not
    Unicode; parsers may refuse the whole document for it (RFC 8259, section 8.2). JSON escapes all else.
    """
    # The same object, and no copy: a document repeats its keys and most of its texts in every cell.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def for_csv(text: str) -> str:
    """Return text that no spreadsheet takes for a formula, and that stays on one line.

    Threat: a cell that begins with ``= + - @``, tab, carriage return, line feed or NUL is run as a formula
    (OWASP, "CSV Injection"; OWASP ASVS 5.0, 1.2.10; CWE-1236). It gets an apostrophe in front. So does
    such a character behind a semicolon, at which spreadsheets split in locales whose decimal sign is the
    comma, whatever the quotes say. Any other text stays as it is, because programs read these cells too.
    Quoting (RFC 4180) is left to whoever writes the file.
    """
    return visible(_FORMULA_START.sub(r"\1'", text))


def for_xml(text: str) -> str:
    """Return text that an XML document can hold, and that reading it gives back as it was written.

    Threats: one character outside of ``Char`` makes the whole document unreadable, even as a reference
    (XML 1.0, section 2.2: most C0 controls, surrogates, U+FFFE and U+FFFF); readers turn a carriage return
    into a newline (section 2.11); what is allowed but discouraged, such as C1 controls, reaches whoever
    prints a build's log. Tabs and newlines stay. Escaping of ``< > &`` is left to the XML library.
    """
    if text.isprintable():
        return text
    return "".join(part if part in ("\t", "\n") else visible(part) for part in re.split(r"([\t\n])", text))


def for_markdown(text: str) -> str:
    """Return text that means nothing to Markdown, for use within a line or within a table's cell.

    Threats: a pipe or newline ends a cell or a table; HTML is passed through to the page (CommonMark 0.31,
    sections 4.6 and 6.6; what runs there is OWASP's "Cross-Site Scripting"); links and images show or load
    what they like, and addresses become links without any markup (GitHub Flavored Markdown, 6.9). Escapes
    are CommonMark's backslashes (section 2.4), and references for ``< > &``, so that a reader which knows
    neither still sees no tag. Escaping twice shows the escapes: do it once, last. What is left is that
    GitHub makes a link of an address with an @, for mail or chat, which no escape can keep it from.
    """
    return _MARKUP.sub(_neutral, visible(text))


def _neutral(match: re.Match[str]) -> str:
    markup = match[0]
    return _ENTITIES.get(markup) or "".join("\\" + character for character in markup)
