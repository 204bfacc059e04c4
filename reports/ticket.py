"""A ticket's text about interpreters or environments that need work, as Markdown for Jira and GitHub."""

from __future__ import annotations

import textwrap
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from interpreters.errors import FloorError
from interpreters.listing import some_of
from reports.formats.advice import together, words_for
from reports.formats.escape import for_markdown
from reports.formats.markdown import names_of
from reports.verdicts.judge import Verdict
from reports.verdicts.labels import label, versioned
from reports.verdicts.matrix import by_interpreter, under, worst_first
from reports.verdicts.scope import tool_in_full
from servers.conditions import Condition
from servers.protocols import LADDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reports.formats.matrix_json import StoredRun
    from reports.verdicts.matrix import Row, RowGroup
    from servers.protocols import Protocol

MOST_ROWS, MOST_STEPS, MOST_REASONS, MOST_NAMED = 10, 6, 3, 6
"""How much of each a ticket has, so that it stays under 40 lines; the report has all."""

IMPACT = (
    "A server or middlebox that has nothing better can bring these clients below {floor}, or something else"
    " than the version has to stop it. The endpoints of AWS's own APIs have required TLS 1.2 since 2023:"
    " exposed are custom endpoints (an S3-compatible store, a VPC proxy, an inspecting middlebox),"
    " endpoints on AWS whose owner chooses the minimum, and whatever else the same clients talk to."
    " It is not shown that a connection was ever made that way."
)

UNKNOWN = (
    "Nothing is known of whether these clients hold {floor}, which is not safe. It is not shown that they go"
    " below."
)


class TicketError(FloorError):
    """There is nothing to write a ticket about; the message says why, and what there is."""


def build_ticket(stored: StoredRun, ids: Sequence[str]) -> str:
    """Return the ticket about those interpreters, environments and programs of a run whose ids match.

    Of these only what needs work is in the ticket; raises TicketError where an id is none of the run, or
    where nothing needs work.
    """
    groups = under(worst_first(by_interpreter(stored.rows)), Condition.AMBIENT)
    named = [group for group in groups if any(fnmatchcase(group.interpreter.id, wanted) for wanted in ids)]
    for wanted in ids:
        if not any(fnmatchcase(group.interpreter.id, wanted) for group in named):
            there = some_of([group.interpreter.id for group in groups], MOST_NAMED)
            msg = f"the latest run has no {wanted!r}: it has {there or 'nothing'}; matrix.csv has all ids"
            raise TicketError(msg)
    ill = [group for group in named if group.standing is not Verdict.ENFORCED]
    if not ill:
        held = some_of([label(group.interpreter) for group in named], MOST_NAMED)
        msg = f"nothing needs work: {held} hold{'' if len(named) > 1 else 's'} {stored.floor.prose}"
        raise TicketError(msg)
    return "\n".join(_lines(stored, ill)) + "\n"


def _lines(stored: StoredRun, groups: Sequence[RowGroup]) -> Iterator[str]:
    """Give the ticket line by line."""
    run, floor = stored.run, stored.floor
    rows = [row for group in groups for row in group.rows if row.verdict is not Verdict.ENFORCED]
    who = some_of([label(group.interpreter) for group in groups], MOST_NAMED)
    what = _headline(rows, floor)
    # Of several machines each label names its own.
    where = "" if run.parts else f" on {for_markdown(run.host)}"
    yield f"# {for_markdown(who)}{where} {what} (floor: {floor.prose})"
    yield ""
    known = any(row.verdict in (Verdict.DOWNGRADED, Verdict.FRAGILE) for row in rows)
    yield f"**Impact.** {(IMPACT if known else UNKNOWN).format(floor=floor.prose)}"
    yield ""
    yield from _evidence(rows)
    when = f"Run {run.run_id}, {run.started} to {run.ended}, by {for_markdown(tool_in_full(run))}."
    failed = sorted(server for server, control in run.controls.items() if not control.passed)
    outcome = (
        f"failed on {', '.join(failed)}, whose cells count for nothing" if failed else "passed everywhere"
    )
    yield f"{when} The control {outcome}; the bytes that passed are in `evidence/` of that report."
    yield ""
    yield "**Remedy.**"
    yield ""
    yield from _remedy(groups, floor, stored)
    yield ""
    about = list({group.interpreter.id: group.interpreter for group in groups}.values())[:MOST_NAMED]
    found = "".join(dict.fromkeys(map(words_for, about)))
    again = f"{found} {' '.join(f'--only {each.id}' for each in about)}".strip()
    machine = "each of these machines" if run.parts else "that machine"
    yield f"**Done when** `nox -s matrix gate -- {again}` passes on {machine}."


def _headline(rows: Sequence[Row], floor: Protocol) -> str:
    """Say the worst that is known of these rows, and no more."""
    reached = [row.judgement.lowest for row in rows if row.verdict is Verdict.DOWNGRADED]
    if below := [version for version in reached if version]:
        return f"negotiates {min(below, key=LADDER.index).prose}"
    fragile = any(row.verdict is Verdict.FRAGILE for row in rows)
    return f"would go below {floor.prose}" if fragile else f"is not known to hold {floor.prose}"


def _evidence(rows: Sequence[Row]) -> Iterator[str]:
    """Give a table of what was measured, and why it came out so."""
    yield "**Evidence.**"
    yield ""
    yield "| where | client | verdict | lowest | held by |"
    yield "|---|---|---|---|---|"
    for row in rows[:MOST_ROWS]:
        facts = (label(row.interpreter), versioned(row), row.verdict, row.judgement.lowest or "", row.held_by)
        yield f"| {' | '.join(for_markdown(str(fact)) for fact in facts)} |"
    yield ""
    if len(rows) > MOST_ROWS:
        yield f"{len(rows) - MOST_ROWS} more rows are in `matrix.csv`."
    for reason in list(dict.fromkeys(row.judgement.reason for row in rows))[:MOST_REASONS]:
        yield f"- {for_markdown(textwrap.shorten(reason, 400, placeholder=' …'))}"
    yield ""


def _remedy(groups: Sequence[RowGroup], floor: Protocol, stored: StoredRun) -> Iterator[str]:
    """Give what was measured to help, or how remedies are tried."""
    advised = [entry for entry in together(groups, floor, for_markdown, stored.cases or ()) if entry.steps]
    steps = [(entry, step) for entry in advised for step in entry.steps]
    for entry, step in steps[:MOST_STEPS]:
        whose = f"{names_of(entry.groups)}: " if len(advised) > 1 else ""
        yield f"- {whose}{step}"
    if len(steps) > MOST_STEPS:
        yield f"- {len(steps) - MOST_STEPS} more are in `matrix.md`."
