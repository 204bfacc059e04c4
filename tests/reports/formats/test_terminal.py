"""The end of a run as it is seen: in colour on a terminal, plain elsewhere, and never in colour alone."""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reports.formats.answer import answer
from reports.formats.terminal import NEXT, STYLES, show
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Matrix, by_interpreter
from reports.verdicts.scope import opening
from reports.verdicts.stand_ins import ALL_CLIENTS
from servers.conditions import Condition
from tests.support.builders import (
    TLS1_2,
    a_catalogue,
    a_program,
    a_row,
    a_run,
    a_scope,
    an_environment,
    an_interpreter,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Run

HOSTILE = "[red]3[/red]\x1b[1m\u202e"
ROWS = (
    a_row(Verdict.ENFORCED, "good", "ssl"),
    a_row(Verdict.ENFORCED, "good", "urllib3"),
    a_row(Verdict.DOWNGRADED, "half", "ssl", interpreter=an_interpreter("half", HOSTILE)),
    a_row(Verdict.ENFORCED, "half", "urllib3", interpreter=an_interpreter("half", HOSTILE)),
    a_row(
        Verdict.UNTESTABLE, "none", ALL_CLIENTS, interpreter=an_interpreter("none", unavailable="it hangs")
    ),
)
RUN = replace(a_run(a_catalogue()), scope=a_scope(looked=()))
SENTENCES = answer(by_interpreter(ROWS), TLS1_2)
ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the terminal be one that knows colours, whatever this test runs on."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLORTERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


def _shown(width: int = 100, rows: Sequence[Row] = ROWS, run: Run = RUN, *, colour: bool = True) -> str:
    out = io.StringIO()
    show(Matrix(run, (), tuple(rows), a_catalogue()), out, width, colour=colour)
    return out.getvalue()


def _words(said: str) -> list[list[str]]:
    """Return the words of each line that has any, without their colours."""
    return [line.split() for line in ESCAPE.sub("", said).splitlines() if line.strip()]


def test_a_terminal_gets_the_table_in_colour() -> None:
    """Each verdict has its own colour, and without colours its word, the worst interpreter first."""
    said = _shown()
    assert ESCAPE.search(said)
    lines = _words(said)
    header = ["interpreter", "Python", "ssl", "urllib3"]
    assert lines[0] == header
    assert set("".join(lines[1])) == {"─"}
    rows = {line[0]: line for line in lines[2:5]}
    assert list(rows) == ["half", "none", "good"]
    assert rows["half"][-3:] == ["downgraded", "TLSv1", "enforced"]
    assert rows["none"] == ["none", "untestable", "untestable"]
    assert rows["good"] == ["good", "3.9.18", "enforced", "enforced"]
    assert len(set(STYLES.values())) == len(Verdict)
    colours = {verdict: re.findall(rf"\x1b\[([0-9;]*)m{verdict}", said) for verdict in Verdict}
    assert colours[Verdict.DOWNGRADED] == ["1;31"]
    assert colours[Verdict.UNTESTABLE] == ["34"] * 2
    assert colours[Verdict.ENFORCED] == ["32"] * 3


def test_a_terminal_gets_the_answer_and_where_to_look_next() -> None:
    """The sentences follow the table, and the last lines are paths and commands that can be copied."""
    said = ESCAPE.sub("", _shown())
    assert " ".join(SENTENCES) in " ".join(said.split())
    assert said.splitlines()[-len(NEXT) :] == list(NEXT)


@pytest.mark.parametrize("width", [30, 44, 72])
def test_a_terminal_keeps_its_width_and_loses_nothing(width: int) -> None:
    """No line is wider than a narrow terminal, which gets letters with a key, and all else."""
    narrow, wide = _shown(width, colour=False), _shown(400, colour=False)
    assert max(len(line.rstrip()) for line in narrow.splitlines()[: -len(NEXT)]) <= width
    there = {row.verdict for row in ROWS}
    cells = [Verdict.DOWNGRADED, *[Verdict.ENFORCED] * 3, *[Verdict.UNTESTABLE] * 2]
    key = ", ".join(f"{verdict[0].upper()} {verdict}" for verdict in Verdict if verdict in there)
    expected = Counter(_characters(wide)) + Counter(_characters(key))
    expected -= Counter("".join(cells))
    expected += Counter("".join(verdict[0].upper() for verdict in cells))
    assert Counter(_characters(narrow)) == expected


def test_a_terminal_that_is_wide_enough_gets_words() -> None:
    """The table has letters only where its words do not fit, and says then what they stand for."""
    fits = next(width for width in range(40, 200) if "D downgraded" not in _shown(width, colour=False))
    assert [line[0] for line in _words(_shown(fits, colour=False)) if "downgraded" in line] == ["half"]
    assert "D downgraded, U untestable, E enforced" in _shown(fits - 1, colour=False)


def _characters(said: str) -> str:
    """Return what there is to read, without the rule below the table's head."""
    return "".join(said.replace("─", "").split())


def test_no_color_gets_the_same_without_colour() -> None:
    """Whoever wants no colour gets the same words in the same places without a single escape sequence."""
    said = _shown(colour=False)
    assert "\x1b" not in said
    assert said == ESCAPE.sub("", _shown())


def test_a_dumb_terminal_gets_no_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that knows no escape sequences gets none."""
    monkeypatch.setenv("TERM", "dumb")
    assert _shown() == _shown(colour=False)


@pytest.mark.parametrize("colour", [True, False])
def test_a_pipe_gets_the_sentences_alone(monkeypatch: pytest.MonkeyPatch, *, colour: bool) -> None:
    """Where there is no terminal each sentence and path is a line of its own, whatever else is asked for."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert _shown(0, colour=colour).splitlines() == [*opening([RUN]), *SENTENCES, *NEXT]


def test_text_from_an_interpreter_is_neither_markup_nor_escape() -> None:
    """A version of markup, an escape sequence and an override is shown as the characters that it has."""
    said = ESCAPE.sub("", _shown(200))
    assert r"[red]3[/red]\x1b[1m\u202e" in said
    assert not set(said) & set("\x1b\u202e")


@pytest.mark.parametrize("width", [0, 100])
def test_what_narrows_a_run_stands_with_the_answer(width: int) -> None:
    """Where an answer comes from stands before it, and a partial run says so behind it, without escapes."""
    run = replace(RUN, scope=a_scope(narrowed=("--only \x1b[2J* left out 1 interpreter",)))
    said = " ".join(_shown(width, run=run, colour=False).split())
    origin, answered, narrowed = (
        said.index(part)
        for part in (
            f"Run {RUN.run_id} on a-host",
            SENTENCES[0][:30],
            "This run is partial: --only \\x1b[2J*",
        )
    )
    assert origin < answered < narrowed


def test_several_conditions_are_told_apart() -> None:
    """Where more than one condition was measured, each has its own line, which names it."""
    rows = [a_row(Verdict.DOWNGRADED), a_row(Verdict.ENFORCED, condition=Condition.HARDENED)]
    lines = _words(_shown(rows=rows))
    assert lines[0] == ["interpreter", "Python", "condition", "ssl"]
    assert lines[2] == ["pyenv_3_9_18", "3.9.18", "ambient", "downgraded", "TLSv1"]
    assert lines[3] == ["pyenv_3_9_18", "3.9.18", "hardened", "enforced"]


def test_a_client_that_was_not_measured_has_an_empty_cell() -> None:
    """Where one interpreter lacks a client that another has, its cell does not read as a verdict."""
    rows = [a_row(name="one"), a_row(name="two"), a_row(name="two", client="urllib3")]
    assert _words(_shown(rows=rows))[2] == ["one", "3.9.18", "enforced"]


def test_programs_share_a_column() -> None:
    """Each program is its own client, has no version of Python, and its verdict is in one column for all."""
    programs = [a_row(client=name, interpreter=a_program(name)) for name in ("one_tool", "other_tool")]
    said = _words(_shown(rows=[a_row(), *programs], colour=False))
    assert ["interpreter", "Python", "ssl", "program"] in said
    for name in ("one_tool", "other_tool"):
        assert [f"program_{name}", "enforced"] in said


def test_nothing_measured_is_said() -> None:
    """Without rows a terminal gets the sentence that nothing is known, and no empty table."""
    said = _shown(rows=[], colour=False)
    assert said.startswith("Run ")
    assert "No interpreter was measured" in said


def test_environments_have_a_table_of_their_own_and_those_alike_a_line() -> None:
    """What was found stands below the interpreters, by place, with its own clients and their versions."""
    rows = [
        a_row(Verdict.ENFORCED, "system_3_11", "ssl"),
        *(
            a_row(Verdict.DOWNGRADED, interpreter=an_environment(f"/srv/app{number}"), client="urllib3")
            for number in range(14)
        ),
        a_row(Verdict.ENFORCED, interpreter=an_environment("/srv/new"), client="httpx"),
    ]
    lines = _words(_shown(rows=rows, colour=False))
    heads = [line for line in lines if line[1:2] == ["Python"]]
    assert heads == [["interpreter", "Python", "ssl"], ["environment", "Python", "urllib3", "httpx"]]
    alike = next(line for line in lines if line[0] == "14:")
    assert " ".join(alike).endswith("3.11.2 downgraded TLSv1 (1.26.20)")
    assert ["/srv/new", "3.11.2", "enforced", "(1.26.20)"] in lines
