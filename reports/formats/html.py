"""The matrix as one HTML page: the picture and the evidence behind each cell, complete in a single file."""

from __future__ import annotations

import base64
import hashlib
import itertools
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.formats.advice import together
from reports.formats.answer import (
    GAPS,
    answer,
    by_subject,
    counts,
    meaning,
    page_sentences,
)
from reports.formats.escape import visible
from reports.formats.markdown import PAGE_CHECK, SCOPE, end_of_life, sharers
from reports.verdicts.cells import CellKind, CellResult, offer
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import (
    ALL_CLIENTS,
    Past,
    RowGroup,
    Subject,
    first_condition,
    standings,
    under,
    worst_first,
)
from reports.verdicts.policy import Policy
from reports.verdicts.remedies import TITLES
from reports.verdicts.scope import headline, in_full, moment, opening, tool_in_full
from servers.catalogue import Role
from servers.conditions import Condition
from servers.protocols import LADDER, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jinja2 import Template

    from interpreters.interpreter import Interpreter
    from reports.verdicts.matrix import Matrix, Row
    from reports.verdicts.observations import Observation, Run
    from reports.verdicts.remedies import Case, Remedy
    from servers.catalogue import Server
    from servers.protocols import Protocol
    from servers.wire import WireAccount

TEMPLATE = Path(__file__).with_name("matrix.html.j2")

NEUTRAL = "N"
"""The tone of a cell that no verdict rests on; the others are the verdicts' own letters."""

BRIEF, LONG = 210, 600
"""Characters shown of a list of names, and of a step: two hundred names in a row help nobody."""

BAR = 64
"""Units that the highest bar of the trend stands high."""

_BARS = {"D": 12, "F": 7, "E": 2}
"""How high a server's bar stands in a cell, by tone; one that says nothing leaves a gap."""


@dataclass(frozen=True)
class _Column:
    """One column of the picture."""

    client: str
    condition: Condition


class _Table:
    """Keeps each different thing once, and gives its place: most cells say what others say too."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self._places: dict[Any, int] = {}

    def place(self, entry: Any) -> int:
        """Return the entry's place; anything that can be a key."""
        if entry not in self._places:
            self._places[entry] = len(self.entries)
            self.entries.append(entry)
        return self._places[entry]


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
    run, rows, catalogue, floor = matrix.run, matrix.rows, matrix.catalogue, matrix.floor
    groups = matrix.groups
    columns = _columns(rows)
    subjects = _subjects(groups)
    primary = first_condition(groups)
    shapes = _Table()
    return _template().render(
        run=run,
        floor=floor,
        brief=BRIEF,
        long=LONG,
        scope=" ".join(SCOPE.split()),
        answer=[_split(sentence) for sentence in answer(groups, floor)],
        caveats=[*headline(run.reporting), *opening(run.reporting)],
        reach=in_full(run.reporting),
        policy=(policy or Policy()).sentences(),
        tool=tool_in_full(run),
        subjects=subjects,
        every=" and ".join(subject.plural for subject in subjects),
        counts=_counts(groups, primary, floor, subjects),
        conditions=list(dict.fromkeys(column.condition for column in columns)),
        clients=list(dict.fromkeys(column.client for column in columns)),
        sources=sorted({row.interpreter.source for row in rows}),
        columns=columns,
        primary=primary,
        interpreters=_interpreters(groups, columns, primary, floor, shapes),
        shapes=shapes.entries,
        remedies=_remedies(groups, floor, cases),
        page_check=[" ".join(PAGE_CHECK.split()), *said] if (said := page_sentences(groups)) else [],
        table=_table_of(groups, run),
        trend=_trend([*past, Past(run.run_id, run.ended, standings(groups, primary))]),
        servers=[_server(server, run) for server in catalogue.servers],
        evidence=_evidence(matrix),
    )


def tone(finding: CellResult, floor: Protocol) -> str:
    """Return the letter of the verdict that a cell by itself speaks for."""
    kind, server = finding.kind, finding.server
    if server.role is Role.PAGE:
        return NEUTRAL
    below = finding.protocol is not None and finding.protocol.below(floor)
    if below and kind in (CellKind.CONNECTED, CellKind.FOOLED):
        return "D"
    if kind is CellKind.FOOLED or (kind is CellKind.BLOCKED and not server.only_from(floor)):
        return "F"
    return {CellKind.INCONCLUSIVE: "I", CellKind.MISSING: "U"}.get(kind, "E")


@cache
def _template() -> Template:
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
    said, _, names = sentence.removesuffix(".").partition(": ")
    return said, names


def _columns(rows: Sequence[Row]) -> list[_Column]:
    """Return the columns, the machine's own condition first; a row for all clients makes none."""
    order = list(Condition).index
    conditions = sorted({row.condition for row in rows}, key=order)
    clients = list(dict.fromkeys(row.column for row in rows if row.client != ALL_CLIENTS))
    return [_Column(cl, co) for co in conditions for cl in clients or ([str(ALL_CLIENTS)] if rows else [])]


def _subjects(groups: Sequence[RowGroup]) -> list[Subject]:
    """Return what the rows are about; where there are none, what was looked for."""
    return list(by_subject(groups)) or [Subject.INTERPRETER]


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


def _trend(runs: Sequence[Past]) -> list[dict[str, object]]:
    """Return one bar for each run, to one scale, worst at the bottom; one run alone is no trend."""
    tallest = max(sum(one.standings.values()) for one in runs)
    if len(runs) == 1 or not tallest:
        return []
    bars: list[dict[str, object]] = []
    for one in runs:
        top, parts = float(BAR), []
        for verdict in Verdict:
            if (count := one.standings.get(verdict, 0)) > 0:
                high = BAR * count / tallest
                top -= high
                parts.append(
                    {"verdict": verdict, "count": count, "top": round(top, 2), "high": round(high, 2)}
                )
        date, _, time = one.ended.partition("T")
        bars.append({"run_id": one.run_id, "date": date, "time": time[:5], "parts": parts})
    return bars


def _interpreters(
    groups: Sequence[RowGroup],
    columns: Sequence[_Column],
    primary: Condition,
    floor: Protocol,
    shapes: _Table,
) -> list[dict[str, object]]:
    """Return one entry for each interpreter with a cell for each column, worst first."""
    entries: list[tuple[tuple[int, int], dict[str, object]]] = []
    # Groups and rows are numbered by their place in the evidence.
    first = 0
    for number, group in enumerate(groups):
        numbered = list(enumerate(group.rows, first))
        first += len(numbered)
        (counting,) = under([group], primary) or [group]
        entry = {
            "number": number,
            "interpreter": group.interpreter,
            "cells": [_cell(column, numbered, floor, shapes) for column in columns],
        }
        worst = counting.standing
        entries.append(((list(Verdict).index(worst), -len(counting.only(worst))), entry))
    return [entry for _, entry in sorted(entries, key=lambda e: e[0])]


def _cell(
    column: _Column, numbered: Iterable[tuple[int, Row]], floor: Protocol, shapes: _Table
) -> dict[str, object] | None:
    for number, row in numbered:
        if row.client == ALL_CLIENTS or (row.column, row.condition) == (column.client, column.condition):
            return {
                "row": number,
                "verdict": row.verdict,
                "lowest": row.judgement.lowest,
                "shape": shapes.place(_shape(row.findings.values(), floor)),
            }
    return None


def _shape(findings: Iterable[CellResult], floor: Protocol) -> str:
    """Draw a cell's servers as bars, side by side: the higher, the worse."""
    tones = [tone(finding, floor) for finding in findings if finding.server.role is not Role.PAGE]
    heights = [(place * 5, _BARS.get(letter, 0)) for place, letter in enumerate(tones)]
    return "".join(f"M{left} {12 - high}h4v{high}h-4z" for left, high in heights if high)


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
    found: dict[tuple[Remedy, tuple[str, ...]], dict[str, list[str]]] = {}
    for case in cases:
        for one in case.advised:
            sharing = found.setdefault((one.remedy, one.lines), {})
            sharing.setdefault(case.row.interpreter.name, []).append(str(case.row.client))
    order = sorted(found, key=lambda key: list(TITLES).index(key[0]))
    several = len({case.row.interpreter.name for case in cases}) > 1
    return [
        (TITLES[remedy], _sharers(found[remedy, lines], several=several), lines) for remedy, lines in order
    ]


def _reasons(rows: Sequence[Row]) -> list[tuple[str, Verdict, str]]:
    """Say each reason once for the interpreters and clients that share it, worst first."""
    alike: dict[tuple[Verdict, str], dict[str, list[str]]] = {}
    for row in rows:
        sharing = alike.setdefault((row.verdict, row.judgement.reason), {})
        sharing.setdefault(row.interpreter.name, []).append(str(row.client))
    several = len({row.interpreter.name for row in rows}) > 1
    found = [
        (_sharers(sharing, several=several), verdict, reason) for (verdict, reason), sharing in alike.items()
    ]
    return sorted(found, key=lambda entry: list(Verdict).index(entry[1]))


def _sharers(clients: Mapping[str, Sequence[str]], *, several: bool) -> str:
    """Name clients by interpreter; where an entry is not about several, the clients alone."""
    return sharers(clients, str) if several else ", ".join(*clients.values())


def _server(server: Server, run: Run) -> dict[str, object]:
    control = run.controls[server.id]
    return {
        "id": server.id,
        "why": server.why,
        "speaks": span(server.protocols),
        "exchange": str(server.key_exchange),
        "certificate": str(server.certificate),
        "role": str(server.role),
        "passed": control.passed,
        "control": control.reason,
    }


def _evidence(matrix: Matrix) -> dict[str, object]:
    """Return all that the page can tell on demand, each text, account and connection once.

    Raw hellos are left to observations.jsonl: they are the larger part of a run, and for machines.
    """
    run, catalogue, floor = matrix.run, matrix.catalogue, matrix.floor
    texts, accounts, wires = _Table(), _Table(), _Table()
    texts.place("")
    places = {server.id: place for place, server in enumerate(catalogue.servers)}
    numbers = {group.name: number for number, group in enumerate(matrix.groups)}
    seen = {
        (one.interpreter.name, o.client, o.condition, o.server): o
        for one in matrix.measured
        for o in one.observations
    }

    def cell(finding: CellResult, observation: Observation | None) -> list[object]:
        account = observation.account if observation else None
        told = account and (
            account.outcome,
            *(
                str(t or "")
                for t in (account.version, account.cipher, account.error_class, account.error_text)
            ),
            account.note,
        )
        return [
            places[finding.server.id],
            tone(finding, floor),
            texts.place(visible(str(finding))),
            texts.place(visible(finding.reason)),
            round(account.seconds, 4) if account else 0,
            accounts.place(tuple(map(visible, told))) if told else -1,
            texts.place(visible(observation.missing)) if observation else 0,
            [wires.place(_wire(wire)) for wire in observation.wire] if observation else [],
        ]

    def line(row: Row) -> dict[str, object]:
        key = (row.interpreter.name, row.client, row.condition)
        return {
            "interpreter": numbers[row.interpreter.name],
            "client": visible(str(row.client)),
            "client_version": visible(row.client_version),
            "urllib3": visible(row.urllib3),
            "condition": str(row.condition),
            "verdict": str(row.verdict),
            "lowest": str(row.judgement.lowest or ""),
            "highest": str(row.judgement.highest or ""),
            "held_by": str(row.held_by),
            "page_check": str(row.page_check),
            "reason": texts.place(visible(row.judgement.reason)),
            "cells": [cell(finding, seen.get((*key, server))) for server, finding in row.findings.items()],
        }

    return {
        "floor": str(floor),
        "ladder": [str(protocol) for protocol in LADDER],
        "verdicts": [str(verdict) for verdict in Verdict],
        "gaps": [str(verdict) for verdict in GAPS],
        "servers": [
            {name: visible(v) if isinstance(v, str) else v for name, v in _server(server, run).items()}
            for server in catalogue.servers
        ],
        "subjects": [(str(subject), subject.plural) for subject in _subjects(matrix.groups)],
        "interpreters": [_interpreter(group.interpreter, group.subject) for group in matrix.groups],
        "rows": [line(row) for group in matrix.groups for row in group.rows],
        "texts": texts.entries,
        "accounts": accounts.entries,
        "wires": wires.entries,
    }


def _interpreter(one: Interpreter, subject: Subject) -> dict[str, str]:
    names = ("id", "name", "version", "implementation", "source", "path", "openssl")
    return {"subject": str(subject), **{name: visible(getattr(one, name)) for name in names}}


def _wire(wire: WireAccount) -> tuple[object, ...]:
    """Return one connection in the order in which the page's script reads it."""
    return (
        None if wire.offered is None else tuple(str(protocol) for protocol in wire.offered),
        offer(wire) if wire.client_hello else "",
        wire.cipher_count,
        str(wire.server_version or ""),
        visible(wire.server_cipher or ""),
        tuple((str(a.sender), a.level or "", visible(a.description or "")) for a in wire.alerts),
        wire.client_data,
        wire.server_data,
        tuple(visible(text) for text in itertools.chain(wire.faults, wire.notes)),
    )
