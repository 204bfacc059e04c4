"""The matrix as one HTML page: the picture and the evidence behind each cell, complete in a single file."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.formats.advice import together
from reports.formats.answer import (
    by_subject,
    counts,
    meaning,
    page_sentences,
    parted,
    remembered,
)
from reports.formats.escape import visible
from reports.formats.format import Format
from reports.formats.html_data import EntryTable, EvidenceData, server_facts, subjects_of
from reports.formats.html_tables import verdict_tables
from reports.formats.markdown import PAGE_CHECK, SCOPE, end_of_life, names_of, post_quantum, sharers_of
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import (
    Past,
    RowGroup,
    Subject,
    first_condition,
    standings_apart,
    under,
    worst_first,
)
from reports.verdicts.policy import Policy
from reports.verdicts.remedies import TITLES
from reports.verdicts.scope import headline, in_full, moment, opening, tool_in_full
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Template

    from interpreters.interpreter import Interpreter
    from reports.verdicts.matrix import Matrix, Row
    from reports.verdicts.observations import Run
    from reports.verdicts.remedies import Case, Remedy
    from servers.protocols import Protocol

FORMATS = (
    Format(
        "matrix.html",
        "people: what matrix.md says in one self-contained page, with the evidence of each cell a click away,"
        " and how earlier runs stood",
        lambda report: build_html(report.matrix, report.past, report.cases or (), report.policy),
    ),
)

TEMPLATE = Path(__file__).with_name("matrix.html.j2")

BRIEF, LONG = 210, 600
"""Characters shown of a list of names, and of a step: two hundred names in a row help nobody."""

MOST_LINES = 300
"""Lines of a table that are shown before somebody asks for the rest: thousands take a browser seconds."""

BAR = 64
"""Units that the highest bar of the trend stands high."""


def build_html(
    matrix: Matrix,
    past: Sequence[Past] = (),
    cases: Sequence[Case] = (),
    policy: Policy | None = None,
) -> str:
    """Return the whole page; `cases` are what remedies came to, if this run tried any.

    `policy` is the one in force, by default the one of who has no file. The page refers to nothing outside
    itself, and its own security policy lets it load nothing.
    """
    run, groups = matrix.run, matrix.groups
    standing = Past(run.run_id, run.ended, *standings_apart(groups, first_condition(groups)))
    return template().render(
        run=run,
        floor=matrix.floor,
        brief=BRIEF,
        long=LONG,
        most=MOST_LINES,
        **_sentences(matrix, policy or Policy()),
        **_picture(matrix),
        remedies=_remedies(groups, matrix.floor, cases),
        table=_table_of(groups, run),
        trends=_trends([*past, standing], groups),
        servers=[server_facts(server, run) for server in matrix.catalogue.servers],
        evidence=EvidenceData(matrix).document(),
    )


def _sentences(matrix: Matrix, policy: Policy) -> dict[str, object]:
    """Return what the page says in words."""
    run, groups = matrix.run, matrix.groups
    page = page_sentences(groups)
    opens, others = parted(groups, matrix.floor)
    return {
        "scope": " ".join(SCOPE.split()),
        "opening": [_split(sentence) for sentence in opens],
        "answer": [_split(sentence) for sentence in others],
        "caveats": [*headline(run.reporting), *opening(run.reporting)],
        "reach": [*in_full(run.reporting), *filter(None, [remembered(matrix.rows)])],
        "policy": policy.sentences(),
        "tool": tool_in_full(run),
        "post_quantum": post_quantum(worst_first(groups), str),
        "page_check": [" ".join(PAGE_CHECK.split()), *page] if page else [],
    }


def _picture(matrix: Matrix) -> dict[str, object]:
    """Return the tiles and the tables of verdicts, with what they can be filtered by."""
    groups, floor = matrix.groups, matrix.floor
    subjects, primary, shapes = subjects_of(groups), first_condition(groups), EntryTable()
    tables = verdict_tables(groups, primary, floor, shapes)
    columns = list(dict.fromkeys(column for table in tables for column in table.columns))
    return {
        "subjects": subjects,
        "every": " and ".join(subject.plural for subject in subjects),
        "counts": _counts(groups, primary, floor, subjects),
        "conditions": list(dict.fromkeys(column.condition for column in columns)),
        "clients": list(dict.fromkeys(column.client for column in columns)),
        "sources": sorted({row.interpreter.source for row in matrix.rows}),
        "columns": columns,
        "widest": max(len(table.columns) for table in tables),
        "primary": primary,
        "tables": tables,
        "shapes": shapes.entries,
    }


@cache
def template() -> Template:
    """Return the template, compiled once: that takes longer than to fill it in for ten interpreters."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["policy_hash"] = _policy_hash
    environment.filters |= {"brief": _brief, "sentence": _sentence}
    environment.filters["code"] = lambda text: list(enumerate(text.split("`")))
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment.get_template(TEMPLATE.name)


def _finalize(value: object) -> object:
    """Make every text that the template prints visible; what is markup already is ours."""
    return visible(str(value)) if isinstance(value, str) and not isinstance(value, Markup) else value


def _policy_hash(text: str) -> str:
    """Return a block of style or script as the Content-Security-Policy names it: nothing else may run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _brief(text: str, most: int, where: str) -> str:
    """Return as many of a list's entries as are of use, and where the rest is."""
    if len(text) <= most:
        return text
    return f"{text[:most].rpartition(', ')[0] or text[:most]}, … ({where})"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _split(sentence: str) -> tuple[str, str]:
    """Part what a sentence of the answer says from the interpreters that it names."""
    statement, _, names = sentence.removesuffix(".").partition(": ")
    return statement, names


def _counts(
    groups: Sequence[RowGroup], condition: Condition, floor: Protocol, subjects: Sequence[Subject]
) -> list[dict[str, object]]:
    """Return one entry for each verdict: how many stand there, and how many of which subject."""
    apart = by_subject(groups)
    stand = {subject: counts(apart.get(subject, ()), condition) for subject in subjects}
    return [
        {
            "verdict": verdict,
            "count": sum(found[verdict] for found in stand.values()),
            "apart": ", ".join(
                subject.counted(found[verdict]) for subject, found in stand.items() if found[verdict]
            ),
            "meaning": meaning(verdict, floor),
        }
        for verdict in Verdict
    ]


def _trends(runs: Sequence[Past], groups: Sequence[RowGroup]) -> list[tuple[str, list[dict[str, object]]]]:
    """Return the bars of interpreters and programs, and those of what was found as it is, each if any."""
    subjects = subjects_of(groups)
    apart = [[subject for subject in subjects if subject.as_found is found] for found in (False, True)]
    bars = [_trend(runs, [past.standings for past in runs]), _trend(runs, [past.found for past in runs])]
    words = (" and ".join(subject.plural for subject in some) for some in apart)
    return [(word or "interpreters", some) for word, some in zip(words, bars, strict=True) if some]


def _trend(runs: Sequence[Past], stood: Sequence[Mapping[str, int]]) -> list[dict[str, object]]:
    """Return one bar for each run, to one scale, worst at the bottom; one run alone is no trend."""
    tallest = max(sum(standing.values()) for standing in stood)
    if len(runs) == 1 or not tallest:
        return []
    bars: list[dict[str, object]] = []
    for past, standing in zip(runs, stood, strict=True):
        top, parts = float(BAR), []
        for verdict in Verdict:
            if (count := standing.get(verdict, 0)) > 0:
                high = BAR * count / tallest
                top -= high
                parts.append(
                    {"verdict": verdict, "count": count, "top": round(top, 2), "high": round(high, 2)}
                )
        date, _, time = past.ended.partition("T")
        bars.append({"run_id": past.run_id, "date": date, "time": time[:5], "parts": parts})
    return bars


def _table_of(groups: Sequence[RowGroup], run: Run) -> list[tuple[Interpreter, str]]:
    """Return each interpreter, the worst first, with since when its release is not maintained."""
    today = moment(run.ended).date()
    return [(group.interpreter, end_of_life(group.interpreter, today)) for group in worst_first(groups)]


def _remedies(groups: Sequence[RowGroup], floor: Protocol, cases: Sequence[Case]) -> list[dict[str, object]]:
    """Return, worst first, what to do, once for all interpreters with the same steps and lines to copy."""
    counting = under(worst_first(groups), Condition.AMBIENT)
    numbers = {group.name: number for number, group in enumerate(groups)}
    return [
        {
            "numbers": [numbers[name] for name in names],
            "names": names_of(piece.groups, str),
            "interpreters": [group.interpreter for group in piece.groups],
            "verdict": piece.groups[0].standing,
            "reasons": _reasons([row for group in piece.groups for row in group.rows]),
            "steps": piece.steps,
            "copies": _copies([case for case in cases if case.row.interpreter.name in names]),
        }
        for piece in together(counting, floor, cases=cases)
        for names in [[group.name for group in piece.groups]]
        if piece.steps
    ]


def _copies(cases: Sequence[Case]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return what to copy for each remedy that was measured to help, with its title and whom it is for."""
    found: dict[tuple[Remedy, tuple[str, ...]], list[Row]] = {}
    for case in cases:
        for attempt in case.advised:
            found.setdefault((attempt.remedy, attempt.lines), []).append(case.row)
    order = sorted(found, key=lambda key: list(TITLES).index(key[0]))
    several = len({case.row.interpreter.name for case in cases}) > 1
    return [
        (TITLES[remedy], _sharers(found[remedy, lines], several=several), lines) for remedy, lines in order
    ]


def _reasons(rows: Sequence[Row]) -> list[tuple[str, Verdict, str]]:
    """Say each reason once for the interpreters and clients that share it, worst first."""
    alike_here: dict[tuple[Verdict, str], list[Row]] = {}
    for row in rows:
        alike_here.setdefault((row.verdict, row.judgement.reason), []).append(row)
    several = len({row.interpreter.name for row in rows}) > 1
    found = [
        (_sharers(same, several=several), verdict, reason) for (verdict, reason), same in alike_here.items()
    ]
    return sorted(found, key=lambda entry: list(Verdict).index(entry[1]))


def _sharers(rows: Sequence[Row], *, several: bool) -> str:
    """Name clients by interpreter; where an entry is not about several, the clients alone."""
    return sharers_of(rows, str) if several else ", ".join(str(row.client) for row in rows)
