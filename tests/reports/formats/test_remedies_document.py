"""remedies.md: by cause and by remedy, each text to copy once, for all that it was measured to help."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from interpreters.clients import clients, default_clients
from reports.formats.escape import for_markdown
from reports.formats.remedies_document import COPIED, build_remedies_markdown, summary
from reports.verdicts.floor_file import FloorFile, floor_file
from reports.verdicts.judge import Verdict
from reports.verdicts.remedies import TITLES, Case, Origin, Remedy, RemedyAttempt, Standing
from reports.verdicts.steps import configuration_steps, flat, interpreter_steps, upgrade_steps
from runs.remedy_options import snippets
from tests.support.builders import TLS1_2, a_catalogue, a_row, a_run, an_interpreter

if TYPE_CHECKING:
    from interpreters.interpreter import Interpreter

RUN = a_run(a_catalogue(), host="a|host")
DOWN, HELD = Verdict.DOWNGRADED, Verdict.ENFORCED
FILE = FloorFile("floor-tls1_2.cnf", "[default]\nopenssl_conf = a\n")
HELPED = RemedyAttempt(Remedy.CODE, Standing.ADVISED, "never went below", HELD, ("import ssl", "floor()"))
CONFIGURED = RemedyAttempt(Remedy.CONFIGURATION, Standing.ADVISED, "never went below", HELD, ("x",), FILE)
FAILED = RemedyAttempt(Remedy.CONFIGURATION, Standing.FAILED, "it <ignores> it", DOWN)
UNTRIED = RemedyAttempt(Remedy.BUILD, Standing.IDLE, "there is no recipe")
EARLIER = Origin("20261101T000000Z-aaaa", "2026-11-01T00:00:09+00:00")
CASES = (
    Case(a_row(DOWN, "one", "ssl"), (FAILED, HELPED, UNTRIED)),
    Case(a_row(DOWN, "one", "botocore"), (FAILED, HELPED, UNTRIED)),
    Case(a_row(DOWN, "two", "ssl"), (FAILED, UNTRIED)),
)


def _section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_each_remedy_is_said_once_for_all_that_it_helps() -> None:
    """What helped has its lines once, with whom it was measured on; what did not is listed with reasons."""
    text = build_remedies_markdown(
        [*CASES, Case(a_row(DOWN, "three", "ssl"), (HELPED,), EARLIER)], RUN, TLS1_2
    )
    code = _section(text, TITLES[Remedy.CODE])
    assert text.count("```python\nimport ssl\nfloor()\n```") == code.count("```python") == 1
    assert "- measured in this run: one (ssl, botocore)." in code
    assert "- measured on 2026-11-01 in run 20261101T000000Z-aaaa: three (ssl)." in code
    failed = _section(text, "Tried, and does not help")
    title = TITLES[Remedy.CONFIGURATION]
    assert failed.strip() == (
        f"- {title}: one (ssl, botocore); two (ssl): downgraded: it &lt;ignores&gt; it."
    )
    assert "one (ssl, botocore); two (ssl): there is no recipe." in _section(text, "Not tried")


def test_what_holds_a_found_environment_back_is_said() -> None:
    """Once for all that share it, before what helps; what is to be installed there comes from a copy."""
    found = replace(an_interpreter("env_shop"), environment="/srv/shop/venv")
    upgraded = RemedyAttempt(Remedy.UPGRADE, Standing.ADVISED, "never went below", HELD, ("install it",))
    cases = [
        Case(a_row(DOWN, client=name, interpreter=found), (upgraded,), held_back=("one asks for two<3",))
        for name in ("urllib3", "botocore")
    ]
    text = build_remedies_markdown(cases, RUN, TLS1_2)
    pins = _section(text, "What keeps environments from newer releases").strip()
    assert pins.endswith("(urllib3, botocore): one asks for two&lt;3.")
    assert text.index("one asks") < text.index(TITLES[Remedy.UPGRADE])
    assert COPIED in _section(text, TITLES[Remedy.UPGRADE])
    made = Case(a_row(DOWN, client="urllib3"), (upgraded,))
    assert COPIED not in build_remedies_markdown([made], RUN, TLS1_2)


def test_causes_come_first_and_once() -> None:
    """Why rows go below stands once for the interpreters and clients that share it."""
    why = _section(build_remedies_markdown(CASES, RUN, TLS1_2), "Why they go, or would go, below")
    assert why.strip() == "- **downgraded**: one (ssl, botocore); two (ssl). So it was seen."


def test_one_configuration_is_written_once_with_a_command_for_each_python() -> None:
    """All that one file helps share its steps; another file has steps of its own."""
    other = replace(CONFIGURED, file=replace(FILE, name="floor-tls1_2-alone.cnf"))
    cases = [
        Case(a_row(DOWN, "one", "ssl"), (CONFIGURED,)),
        Case(a_row(DOWN, "one", "botocore"), (CONFIGURED,)),
        Case(a_row(DOWN, "two", "ssl"), (CONFIGURED,)),
        Case(a_row(DOWN, "three", "ssl"), (other,)),
    ]
    section = _section(build_remedies_markdown(cases, RUN, TLS1_2), TITLES[Remedy.CONFIGURATION])
    paths = [a_row(DOWN, name).interpreter.path for name in ("one", "two")]
    for step in configuration_steps(paths, FILE, TLS1_2):
        assert "\n".join([for_markdown(step.head), "```sh", *step.lines, "```"]) in section
    assert section.count("sudo install -D -m 644 /dev/stdin /etc/ssl/floor") == 2
    assert section.count("/made/up/one/bin/python application.py") == 1


def test_commands_of_several_interpreters_stand_together() -> None:
    """Commands that differ are listed below each other, and what they share is there once."""
    cases = [
        Case(
            a_row(DOWN, name, "urllib3"),
            (RemedyAttempt(Remedy.UPGRADE, Standing.ADVISED, "2.0", HELD, ("# for all", f"install {name}")),),
        )
        for name in ("one", "two")
    ]
    section = _section(build_remedies_markdown(cases, RUN, TLS1_2), TITLES[Remedy.UPGRADE])
    assert "```sh\n# for all\ninstall one\ninstall two\n```" in section


def test_many_interpreters_make_no_long_document() -> None:
    """Eight interpreters with three clients, all helped alike, take few lines more than one."""

    def lines(interpreters: int) -> int:
        cases = [
            Case(
                a_row(DOWN, client=client, interpreter=an_interpreter(f"py{number}")),
                (CONFIGURED, replace(HELPED, lines=(f"import {client}",)), UNTRIED),
            )
            for number in range(interpreters)
            for client in ("ssl", "urllib3", "botocore")
        ]
        return len(build_remedies_markdown(cases, RUN, TLS1_2).splitlines())

    assert lines(8) <= lines(1) + 8
    assert lines(8) < 150


def test_eight_interpreters_with_every_remedy_make_a_short_document() -> None:
    """With the texts that people copy, eight interpreters that go below have a document below 150 lines."""
    code = snippets([clients()[name] for name in default_clients()], TLS1_2)
    file = FloorFile("floor-tls1_2.cnf", floor_file("", "/etc/ssl/openssl.cnf", TLS1_2))
    held = an_interpreter("held", "3.13.0")

    def attempts(one: Interpreter, client: str) -> tuple[RemedyAttempt, ...]:
        library = "" if client == "ssl" else client
        helped = {
            Remedy.UPGRADE: flat(upgrade_steps(one, library, "2.0", "1.26")) if client == "urllib3" else (),
            Remedy.CODE: tuple(code[client].splitlines()),
            Remedy.INTERPRETER: flat(interpreter_steps(held, library)),
        }
        return (
            replace(CONFIGURED, file=file),
            *(
                RemedyAttempt(way, Standing.ADVISED, "held", HELD, lines)
                for way, lines in helped.items()
                if lines
            ),
            RemedyAttempt(Remedy.BUILD, Standing.IDLE, "there is no recipe"),
        )

    lot = [an_interpreter(f"py{number}", f"3.{number}.1") for number in range(8)]
    cases = [
        Case(a_row(DOWN, client=name, interpreter=one), attempts(one, name))
        for one in lot
        for name in default_clients()
    ]
    text = build_remedies_markdown(cases, RUN, TLS1_2)
    assert text.count("application.py") == len(lot)
    assert len(text.splitlines()) < 150


def test_text_from_elsewhere_is_harmless() -> None:
    """A line to copy stays one line within its block, and reasons are no markup."""
    evil = RemedyAttempt(Remedy.UPGRADE, Standing.ADVISED, "held by `x`", HELD, ("/a\n```\n# b",))
    failed = replace(evil, standing=Standing.FAILED, verdict=DOWN)
    text = build_remedies_markdown([Case(a_row(DOWN), (evil, failed))], RUN, TLS1_2)
    assert text.count("\n```") == 2
    assert r"held by \`x\`" in text
    fenced = replace(evil, lines=("````", "# b"))
    assert "`````sh\n````\n# b\n`````" in build_remedies_markdown([Case(a_row(DOWN), (fenced,))], RUN, TLS1_2)
    assert text.startswith(r"# Remedies: TLS 1.2 on a\|host")
    named = replace(CONFIGURED, file=replace(FILE, folder="/a`<b>`", owner="a|b"))
    text = build_remedies_markdown([Case(a_row(DOWN), (named,))], RUN, TLS1_2)
    prose = "".join(line for line in text.splitlines() if "Undo" in line)
    assert r"commands of a\|b" in prose
    assert "<b>" not in prose


def test_the_summary_counts_what_helped_and_names_whom_nothing_did() -> None:
    """Rows with and without a remedy are counted, and trials apart from what the matrix measured itself."""
    other = RemedyAttempt(Remedy.INTERPRETER, Standing.ADVISED, "held in this run by x", HELD)
    first, second = summary([*CASES, Case(a_row(DOWN, "three"), (other,))], TLS1_2)
    assert first.startswith("3 of 4 rows that go or would go below TLS 1.2 have a remedy")
    assert "2 of 5 trials" in first
    assert second == "Nothing that was tried helped two (ssl)."


def test_the_summary_says_what_is_from_an_earlier_run_and_what_nobody_tried() -> None:
    """Kept trials are dated, and rows without any are named."""
    said = summary([replace(CASES[0], origin=EARLIER), Case(a_row(DOWN, "three"), ())], TLS1_2)
    assert said[1] == (
        "What was measured on 2026-11-01 in run 20261101T000000Z-aaaa is kept:"
        " nothing it rests on has changed."
    )
    assert said[2] == "Nothing was tried yet on three (ssl): run nox -s remedy there."


def test_without_cases_there_is_nothing_to_remedy() -> None:
    """A machine that holds the floor everywhere has nothing to remedy, and the report says so."""
    (sentence,) = summary([], TLS1_2)
    assert "nothing to remedy" in sentence
    assert sentence in build_remedies_markdown([], RUN, TLS1_2)
