"""The end of a run for whoever watches it: a table in colour on a terminal, the sentences alone elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from reports.formats.answer import answer
from reports.formats.escape import for_terminal
from reports.formats.found import alike, places_of
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Subject, under, worst_first
from reports.verdicts.scope import headline, opening
from reports.verdicts.stand_ins import ALL_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from reports.verdicts.matrix import Matrix, Row, RowGroup

STYLES = {
    Verdict.DOWNGRADED: "bold red",
    Verdict.FRAGILE: "yellow",
    Verdict.INCONCLUSIVE: "magenta",
    Verdict.UNTESTABLE: "blue",
    Verdict.ENFORCED: "green",
}
"""The colours only repeat what each cell says in words."""

NEXT = (
    "Report: reports/latest/matrix.md",
    "In a browser: reports/latest/matrix.html",
    "To fail a build on it: nox -s gate",
)
"""Where to look next."""

UNBOUNDED = 10_000
"""Columns of a terminal on which every table has room."""

WIDEST = 32
"""Characters of a column: an interpreter may say anything of its version."""


def show(matrix: Matrix, out: TextIO, width: int, *, colour: bool) -> None:
    """Print what a run came to: the table, where it comes from, the answer, and where to look next.

    `width` is the number of columns of the terminal that it ends up on. 0 stands for none: programs and
    logs get the sentences alone, each on a line. Without `colour` a terminal gets the same characters.
    """
    rows, groups, runs = matrix.rows, matrix.groups, matrix.run.reporting
    # What narrows a run stands beside the answer, where nobody overlooks it.
    sentences = [for_terminal(sentence) for sentence in (*answer(groups, matrix.floor), *headline(runs))]
    origin = [for_terminal(sentence) for sentence in opening(runs)]
    if not width:
        print(*origin, *sentences, *NEXT, sep="\n", file=out)
        return
    from rich.text import Text

    console = _console(out, width, colour=colour)
    key = False
    for some in _apart(groups):
        table = _table(some)
        # Within its own options the table would be measured as wide as the terminal at most.
        short = console.measure(table, options=console.options.update(max_width=UNBOUNDED)).maximum > width
        console.print(_table(some, short=True) if short else table)
        key |= short
    if key:
        console.print(Text(_key(rows)))
    for sentence in origin:
        console.print(Text(sentence, style="dim"))
    first, *others = sentences
    console.print(Text(first, style="bold"))
    for sentence in others:
        console.print(Text(sentence))
    for line in NEXT:
        # Not wrapped, so that a path can be taken with a double click.
        console.print(Text(line), soft_wrap=True)


def _apart(groups: Sequence[RowGroup]) -> list[list[RowGroup]]:
    """Return the groups of each table: what was found has one of its own, for it has clients of its own."""
    tables: dict[str, list[RowGroup]] = {}
    for group in groups:
        tables.setdefault(str(group.subject) if group.subject.as_found else "", []).append(group)
    return list(tables.values())


def _console(out: TextIO, width: int, *, colour: bool) -> Console:
    from rich.console import Console

    return Console(
        file=out,
        width=width,
        # A parallel session's output is a pipe, which nox shows on the terminal.
        force_terminal=True,
        color_system="auto" if colour else None,
        markup=False,
        highlight=False,
        emoji=False,
    )


def _key(rows: Sequence[Row]) -> str:
    """Say what each letter of a short table stands for."""
    there = {row.verdict for row in rows}
    return ", ".join(f"{_letter(verdict)} {verdict}" for verdict in Verdict if verdict in there)


def _letter(verdict: Verdict) -> str:
    return verdict[0].upper()


def _table(groups: Sequence[RowGroup], *, short: bool = False) -> Table:
    """Return one line for each interpreter and condition, the worst first, and a column for each client.

    A short table has a letter in place of each verdict's word, for terminals that are too narrow for it.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = [row for group in groups for row in group.rows]
    conditions = list(dict.fromkeys(row.condition for row in rows))
    clients = list(dict.fromkeys(row.column for row in rows if row.client != ALL_CLIENTS)) or [
        str(ALL_CLIENTS)
    ]
    found = groups[0].subject.as_found
    several = len(conditions) > 1
    hosts = any(row.interpreter.host for row in rows) and not found
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    heads = str(groups[0].subject if found else Subject.INTERPRETER)
    known = (*(["host"] if hosts else []), heads, "Python", *(["condition"] if several else []))
    for name in (*known, *clients):
        # What does not fit goes on below, so that a narrow terminal hides nothing; nor does a long name.
        table.add_column(name, overflow="fold", max_width=WIDEST)
    lines = [line for group in groups for condition in conditions for line in under([group], condition)]
    for same in alike(worst_first(lines)) if found else [(line,) for line in worst_first(lines)]:
        line = same[0]
        interpreter, condition = line.interpreter, line.rows[0].condition
        version = "" if interpreter.is_program else interpreter.version
        host = [interpreter.host] if hosts else []
        facts = [*host, _named(same), version, *([condition] if several else [])]
        cells = [_cell(line, client, short=short) for client in clients]
        table.add_row(
            *(Text(for_terminal(text)) for text in facts),
            *(Text(text, style=style) for text, style in cells),
        )
    return table


def _named(same: Sequence[RowGroup]) -> str:
    """Name what a line is about: an interpreter, or environments that came out alike, with their number."""
    if not same[0].subject.as_found:
        return same[0].interpreter.id
    return f"{len(same)}: {places_of(same)}" if len(same) > 1 else places_of(same)


def _cell(group: RowGroup, client: str, *, short: bool) -> tuple[str, str]:
    """Return a client's verdict, with the lowest version that it negotiated, and its style."""
    row = next((row for row in group.rows if row.column in (client, str(ALL_CLIENTS))), None)
    if row is None:
        return "", ""
    lowest = str(row.judgement.lowest or "") if row.verdict is Verdict.DOWNGRADED else ""
    word = _letter(row.verdict) if short else str(row.verdict)
    # What was found has whatever version is there.
    version = row.client_version if row.subject.as_found else ""
    other = f"({version})" if version and version != row.interpreter.version else ""
    return for_terminal(" ".join(filter(None, [word, lowest, other]))), STYLES[row.verdict]
