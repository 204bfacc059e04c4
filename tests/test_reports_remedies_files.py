"""The files about remedies: what to copy, what failed and what was not tried, for people and scripts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from builders import TLS1_2, a_catalogue, a_row, a_run

from reports.remedies import Attempt, Case, Remedy, Standing
from reports.remedies_files import build_remedies_markdown, summary, write_remedies
from reports.verdicts import Verdict
from servers.conditions import Condition, configuration

if TYPE_CHECKING:
    from pathlib import Path

RUN = a_run(a_catalogue(), host="a|host")
DOWN = Verdict.DOWNGRADED
HELPED = Attempt(
    Remedy.CODE, Standing.ADVISED, "never went below", Verdict.ENFORCED, ("import ssl", "floor()")
)
FAILED = Attempt(Remedy.CONFIGURATION, Standing.FAILED, "it <ignores> it", DOWN)
UNTRIED = Attempt(Remedy.BUILD, Standing.IDLE, "there is no recipe")
CASES = (
    Case(a_row(DOWN, "one", "ssl"), (FAILED, HELPED, UNTRIED)),
    Case(a_row(DOWN, "one", "botocore"), (FAILED, HELPED, UNTRIED)),
    Case(a_row(DOWN, "two", "ssl"), (FAILED, UNTRIED)),
)


def test_the_three_files_are_written(tmp_path: Path) -> None:
    """The configuration is the very one that was tried, and JSON and Markdown stand beside it."""
    write_remedies(tmp_path, CASES, RUN, TLS1_2)
    document = json.loads((tmp_path / "remedies.json").read_text())
    assert (tmp_path / document["configuration"]).read_text() == configuration(Condition.HARDENED, TLS1_2)
    assert [(row["interpreter"], row["client"]) for row in document["rows"]] == [
        (case.row.interpreter.id, case.row.client) for case in CASES
    ]
    first, second, third = document["rows"][0]["remedies"]
    assert first == {
        "remedy": "openssl.cnf",
        "standing": "tried and failed",
        "said": "it <ignores> it",
        "verdict": "downgraded",
        "lines": [],
    }
    assert (second["standing"], second["lines"]) == ("advised", ["import ssl", "floor()"])
    assert (third["standing"], third["verdict"]) == ("not tried", None)
    assert document["run_id"] == RUN.run_id
    assert (tmp_path / "remedies.md").read_text() == build_remedies_markdown(CASES, RUN, TLS1_2)


def test_markdown_shows_lines_only_for_what_is_advised() -> None:
    """What helped is shown with its lines, once for the clients that share it, what failed is listed."""
    text = build_remedies_markdown(CASES, RUN, TLS1_2)
    first, second = text.split("\n## ")[1:]
    assert first.count("```python\nimport ssl\nfloor()\n```") == 1
    assert "for ssl, botocore: enforced: never went below." in first
    assert "Tried and failed:" in first
    assert "ssl, botocore: downgraded: it &lt;ignores&gt; it." in first
    assert "Not tried:" in first
    assert "```" not in second


def test_text_from_elsewhere_is_harmless() -> None:
    """A line to copy stays one line within its block, and reasons are no markup."""
    evil = Attempt(Remedy.INTERPRETER, Standing.ADVISED, "held by `x`", Verdict.ENFORCED, ("/a\n```\n# b",))
    text = build_remedies_markdown([Case(a_row(DOWN), (evil,))], RUN, TLS1_2)
    assert text.count("\n```") == 2
    assert r"held by \`x\`" in text
    fenced = replace(evil, lines=("````", "# b"))
    assert "`````sh\n````\n# b\n`````" in build_remedies_markdown([Case(a_row(DOWN), (fenced,))], RUN, TLS1_2)
    assert text.startswith(r"# Remedies: TLSv1.2 on a\|host")


def test_the_summary_counts_what_helped_and_names_whom_nothing_did() -> None:
    """Rows with and without a remedy are counted, and trials apart from what the matrix measured itself."""
    other = Attempt(Remedy.INTERPRETER, Standing.ADVISED, "held in this run by x", Verdict.ENFORCED)
    first, second = summary([*CASES, Case(a_row(DOWN, "three"), (other,))], TLS1_2)
    assert first.startswith("3 of 4 rows")
    assert "2 of 5 trials" in first
    assert second == "Nothing that was tried helped two/ssl."


def test_without_cases_there_is_nothing_to_remedy() -> None:
    """A machine that holds the floor everywhere is told so."""
    (sentence,) = summary([], TLS1_2)
    assert "nothing to remedy" in sentence
    assert sentence in build_remedies_markdown([], RUN, TLS1_2)
