"""remedies.md: why rows go below the floor, then each remedy once, for all that it was measured to help."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from interpreters.interpreter import MADE
from reports.formats.escape import for_markdown, visible
from reports.formats.markdown import reasons, sharers
from reports.verdicts.remedies import TITLES, Case, Remedy, RemedyAttempt, Standing, pin_sentences
from reports.verdicts.steps import configuration_steps

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from reports.verdicts.observations import Run
    from servers.protocols import Protocol

    Tried = tuple[Case, RemedyAttempt]

METHOD = (
    "Only what was measured is advised: the same client in the same interpreter with the remedy applied,"
    " against every server of the ladder, judged as any other row. What takes least effort comes first. After"
    " applying one, measure again: `nox -s matrix`. That does not run your application: for what is set in"
    " its code alone, let it connect to the servers of `nox -s serve`."
)

NOTES = {
    Remedy.UPGRADE: "Where the client comes along with another library, that one may not allow it: try the"
    " application.",
    Remedy.CONFIGURATION: "The file includes the configuration that is there, which is not edited and stays"
    " in force, and adds the minimum. A program with set-user-ID, set-group-ID or file capabilities does not"
    " read OPENSSL_CONF, and what sudo starts gets it only where sudo keeps it.",
    Remedy.CODE: "This very text was run before the client was used. It touches only a process that runs it,"
    " and needs no root. Undo: delete it.",
}
"""What to know before a remedy is applied."""

COPIED = (
    "What is to be installed into an environment that was found is, to the version, what was in a copy of it."
)
"""The same of a newer release in an environment that was found."""


def build_remedies_markdown(cases: Sequence[Case], run: Run, floor: Protocol) -> str:
    """Return the whole of remedies.md: by cause, then by remedy what helps, then what does not."""
    parts = [
        f"# Remedies: {floor.prose} on {for_markdown(run.host)}",
        " ".join(
            [*map(for_markdown, summary(cases, floor)), f"Run {run.run_id}, {run.started} to {run.ended}."]
        ),
        METHOD,
        *(["## Why they go, or would go, below", reasons([case.row for case in cases])] if cases else []),
        *_pins(cases),
        *chain.from_iterable(_helps(remedy, cases, floor) for remedy in Remedy),
        *_rest("## Tried, and does not help", cases, Standing.FAILED),
        *_rest("## Not tried", cases, Standing.IDLE),
    ]
    return "\n\n".join(parts) + "\n"


def summary(cases: Sequence[Case], floor: Protocol) -> list[str]:
    """Return in sentences what the trials came to."""
    if not cases:
        return [f"No row goes below {floor.prose}, so there is nothing to remedy."]
    trials = [a for c in cases for a in c.attempts if a.verdict and a.remedy is not Remedy.INTERPRETER]
    worked = sum(attempt.standing is Standing.ADVISED for attempt in trials)
    tried = [case for case in cases if case.attempts]
    helpless = [case for case in tried if not case.advised]
    sentences = []
    if tried:
        helped = f"{len(tried) - len(helpless)} of {len(tried)} rows that go or would go below {floor.prose}"
        held = f"have a remedy that was measured to hold it, as {worked} of {len(trials)} trials did"
        sentences.append(f"{helped} {held}.")
    if earlier := list(dict.fromkeys(case.when for case in tried if case.origin)):
        sentences.append(f"What was measured {', '.join(earlier)} is kept: nothing it rests on has changed.")
    if helpless:
        sentences.append(f"Nothing that was tried helped {sharers(_clients(helpless), str)}.")
    if idle := [case for case in cases if not case.attempts]:
        sentences.append(f"Nothing was tried yet on {sharers(_clients(idle), str)}: run nox -s remedy there.")
    return sentences


def _clients(cases: Iterable[Case]) -> dict[str, list[str]]:
    """Return the clients of these cases by the names of interpreters."""
    found: dict[str, list[str]] = {}
    for case in cases:
        found.setdefault(case.row.interpreter.name, []).append(str(case.row.client))
    return found


def _pins(cases: Sequence[Case]) -> list[str]:
    """Return a section on what keeps found environments from newer releases; nothing if nothing does."""
    listed = [
        f"- {sharers(_clients(theirs), for_markdown)}: {for_markdown(sentence)}"
        for sentence, theirs in pin_sentences(cases).items()
    ]
    return ["## What keeps environments from newer releases", "\n".join(listed)] if listed else []


def _tried(cases: Sequence[Case], standing: Standing) -> list[Tried]:
    return [(case, attempt) for case in cases for attempt in case.attempts if attempt.standing is standing]


def _helps(remedy: Remedy, cases: Sequence[Case], floor: Protocol) -> list[str]:
    """Return a section on one remedy, with each text to copy once; nothing if it helped nobody."""
    found = [(case, attempt) for case, attempt in _tried(cases, Standing.ADVISED) if attempt.remedy is remedy]
    if not found:
        return []
    groups: dict[Hashable, list[Tried]] = {}
    for case, attempt in found:
        # Commands of one interpreter each can stand below each other; lines of code are one text.
        key = {Remedy.CONFIGURATION: attempt.file, Remedy.CODE: attempt.lines}.get(remedy)
        groups.setdefault(key, []).append((case, attempt))
    copied = remedy is Remedy.UPGRADE and any(c.row.interpreter.environment != MADE for c, _ in found)
    notes = " ".join(filter(None, [NOTES.get(remedy), COPIED if copied else ""]))
    head = [f"## {TITLES[remedy]}", *([notes] if notes else [])]
    # What stands in a list goes on, in Markdown, until an empty line or a block.
    end = "\n\n" if remedy is Remedy.CONFIGURATION else "\n"
    texts = (
        _measured(remedy, [case for case, _ in group]) + end + _copied(remedy, group, floor)
        for group in groups.values()
    )
    # A list may follow a block without an empty line.
    return [*head, "\n".join(texts)]


def _measured(remedy: Remedy, cases: Sequence[Case]) -> str:
    """Say for whom a remedy was measured to help, and when."""
    origins: dict[str, list[Case]] = {}
    for case in cases:
        # What another interpreter holds, every run measures again.
        origins.setdefault("in this run" if remedy is Remedy.INTERPRETER else case.when, []).append(case)
    return "\n".join(
        f"- measured {when}: {sharers(_clients(theirs), for_markdown)}." for when, theirs in origins.items()
    )


def _copied(remedy: Remedy, group: Sequence[Tried], floor: Protocol) -> str:
    """Return what to copy for all of a group."""
    if file := group[0][1].file:
        pythons = dict.fromkeys(case.row.interpreter.path for case, _ in group)
        units = dict.fromkeys(attempt.unit for _, attempt in group if attempt.unit)
        steps = configuration_steps(pythons, file, floor, units)
        # Apart, because each takes a decision of its own.
        return "\n".join(f"{for_markdown(step.head)}\n{_block(remedy, step.lines)}" for step in steps)
    texts = dict.fromkeys(attempt.lines for _, attempt in group)
    # One text is a whole, whose lines may repeat; commands of several are each given once.
    lines = list(*texts) if len(texts) == 1 else list(dict.fromkeys(chain.from_iterable(texts)))
    return _block(remedy, lines)


def _block(remedy: Remedy, lines: Sequence[str]) -> str:
    language = "python" if remedy is Remedy.CODE else "sh"
    copied = "\n".join(visible(line) for line in lines)
    # Longer than any that the lines have.
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", copied)), default=0))
    return f"{fence}{language}\n{copied}\n{fence}"


def _rest(title: str, cases: Sequence[Case], standing: Standing) -> list[str]:
    """Return a section on what nobody is advised, with the reason once for all that share it."""
    found: dict[tuple[Remedy, str], list[Case]] = {}
    for case, attempt in _tried(cases, standing):
        result = f"{attempt.verdict}: {attempt.said}" if attempt.verdict else attempt.said
        found.setdefault((attempt.remedy, result), []).append(case)
    listed = [
        f"- {TITLES[remedy]}: {sharers(_clients(theirs), for_markdown)}: {for_markdown(result)}."
        for remedy in Remedy
        for (kind, result), theirs in found.items()
        if kind is remedy
    ]
    return [title, "\n".join(listed)] if listed else []
