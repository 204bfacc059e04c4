"""The matrix as Markdown, for a ticket: the answer, the worst first, what to do, why; every cell last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from interpreters.end_of_life import ended
from interpreters.listing import some_of
from reports.formats.advice import Advice, together
from reports.formats.answer import HOLDERS, answer, meaning, page_sentences, remembered
from reports.formats.escape import for_markdown
from reports.formats.format import Format
from reports.formats.found import MOST_ENTRIES, alike, base_of, bases, outcome, places_of
from reports.formats.sweep import sweeps
from reports.verdicts.cells import CellKind
from reports.verdicts.judge import PAGE_FLOOR, Verdict
from reports.verdicts.labels import label, versioned
from reports.verdicts.matrix import Subject, first_condition, sharing, under, worst_first
from reports.verdicts.policy import Policy
from reports.verdicts.processes import process_facts
from reports.verdicts.scope import headline, in_full, moment, opening, tool_in_full
from reports.verdicts.stand_ins import ALL_CLIENTS
from servers.catalogue import Role
from servers.conditions import Condition
from servers.hello import KeyExchangeOffer

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from interpreters.interpreter import Interpreter
    from reports.verdicts.matrix import Matrix, Row, RowGroup
    from reports.verdicts.observations import Run
    from reports.verdicts.remedies import Case
    from servers.catalogue import Catalogue, Server
    from servers.protocols import Protocol

FORMATS = (
    Format(
        "matrix.md",
        "people: the answer, the verdicts, what to do, why, scope, every cell, provenance; for a ticket",
        lambda report: build_markdown(report.matrix, report.cases or (), report.policy),
    ),
)

EVERY_CELL = "## Appendix: every cell"
"""Heads what is there to look things up; what a person acts upon comes before."""

PAGE_CHECK = f"""\
The AWS CLI user guide's procedure asks urllib3 alone, and has no control that shows whether its two servers
speak to anybody. Held against what was measured below {PAGE_FLOOR.prose}:"""

MOST_PATTERNS = 6
"""Columns of one table of the appendix, so that it can be read where a ticket shows it."""

SCOPE = """\
This report says which version a client accepts when a server offers nothing better. It does not say that
AWS was ever talked to that way: the endpoints of AWS's own APIs have required TLS 1.2 since 2023. What is
exposed are custom endpoints (an S3-compatible store, a VPC proxy, a TLS-inspecting middlebox), endpoints on
AWS whose owner chooses the minimum (CloudFront, a load balancer, API Gateway) and whatever else the same
client talks to. RFC 8996 forbids TLS 1.0 and 1.1, and PCI DSS v4 4.2.1 asks for evidence that no fallback to
insecure versions is supported."""


def build_markdown(matrix: Matrix, cases: Sequence[Case] = (), policy: Policy | None = None) -> str:
    """Return the whole report; `cases` are what remedies came to, if this run tried any.

    `policy` is the one in force, by default the one of who has no file.
    """
    run, catalogue, floor = matrix.run, matrix.catalogue, matrix.floor
    groups, today = worst_first(matrix.groups), moment(run.ended).date()
    rows = [row for group in groups for row in group.rows]
    attacks = [s for s in catalogue.servers if s.role is Role.ATTACK]
    parts = [
        f"# TLS floor matrix: {floor.prose} on {for_markdown(run.host)}",
        " ".join(map(for_markdown, [*answer(groups, floor), *headline(run.reporting)])),
        " ".join(map(for_markdown, opening(run.reporting))),
        *_section("## Verdicts", "\n\n".join(filter(None, [_verdicts(rows), _legend(rows, floor)]))),
        *_section("## Environments as found", _found(groups, Subject.ENVIRONMENT, today)),
        *_section("## Running processes", _found(groups, Subject.PROCESS, today)),
        *_section("## Versions", _list(sweeps(groups))),
        *_section("## What to do", _advice(groups, floor, cases)),
        *_section("## Why", reasons(rows)),
        *_section("## Post-quantum key exchange", post_quantum(groups)),
        *_section("## Attacks on the negotiation", _attacks(rows, attacks) if attacks else ""),
        *_section("## Interpreters", _interpreters(groups, today)),
        *_section("## The AWS page's own check", _page(groups)),
        *_section("## Scope", _list(in_full(run.reporting))),
        *_section("## Policy", _list((policy or Policy()).sentences())),
        *_section(EVERY_CELL, _cells(rows, catalogue)),
        "## Provenance",
        _provenance(run, catalogue),
        SCOPE,
    ]
    return "\n\n".join(parts) + "\n"


def _page(groups: Sequence[RowGroup]) -> str:
    """Say what the AWS page's check would have concluded; empty where it was right."""
    sentences = page_sentences(groups)
    return " ".join([PAGE_CHECK, *map(for_markdown, sentences)]) if sentences else ""


def _list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {for_markdown(sentence)}" for sentence in sentences)


def _section(title: str, text: str) -> list[str]:
    """Return a section, or nothing where there is nothing to say in it."""
    return [title, text] if text else []


def _table(lines: Iterable[dict[str, str]]) -> str:
    """Return a table; a column that is empty throughout is left out."""
    frame = pd.DataFrame(list(lines), dtype="str").fillna("")
    if frame.empty:
        return ""
    shown = frame.loc[:, (frame != "").any()]
    return str(shown.map(for_markdown).to_markdown(index=False, disable_numparse=True))


def _verdicts(rows: Sequence[Row]) -> str:
    """Return one line for the clients of an interpreter that came out alike, the worst interpreter first."""
    several = len({row.condition for row in rows}) > 1
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    clients: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row.subject.as_found:
            continue
        interpreter = row.interpreter
        facts = {
            "host": interpreter.host,
            "interpreter": interpreter.id,
            "Python": "" if interpreter.is_program else interpreter.version,
            "condition": str(row.condition) if several else "",
            "verdict": str(row.verdict),
            "lowest": str(row.judgement.lowest or ""),
            "held by": str(row.held_by),
        }
        clients.setdefault(tuple(facts.values()), []).append(versioned(row))
        lines[tuple(facts.values())] = facts
    return _table(facts | {"clients": ", ".join(clients[key])} for key, facts in lines.items())


def _legend(rows: Sequence[Row], floor: Protocol) -> str:
    """Say what those words of the table mean that are in it, and what earlier runs measured of that."""
    verdicts = sorted({row.verdict for row in rows}, key=list(Verdict).index)
    held = {row.held_by for row in rows}
    words = "; ".join(f"*{verdict}*: {meaning(verdict, floor)}" for verdict in verdicts)
    holders = "; ".join(f"*{holder}*: {what}" for holder, what in HOLDERS.items() if holder in held)
    known = for_markdown(remembered(rows))
    return " ".join(filter(None, [words and f"{words}.", holders and f"Held by {holders}.", known]))


def _found(groups: Sequence[RowGroup], subject: Subject, today: dt.date) -> str:
    """Return a table of what was found as it is, a line for those that came out alike, and where each is."""
    theirs = [group for group in groups if group.subject is subject]
    if not theirs:
        return ""
    rows = [row for group in theirs for row in group.rows]
    conditions = list(dict.fromkeys(row.condition for row in rows))
    lines = [
        _outcomes(same, condition, several=len(conditions) > 1)
        for condition in conditions
        for same in alike(under(theirs, condition))
    ]
    clients = dict.fromkeys(row.column for row in rows if row.client != ALL_CLIENTS)
    facts = [name for name in lines[0] if name not in clients]
    table = _table({name: line.get(name, "") for name in (*facts, *clients)} for line in lines)
    each = _table(_environment(group.interpreter, bases(groups), today) for group in theirs)
    if len(theirs) == 1:
        return f"{table}\n\n{each}"
    return f"{table}\n\n<details><summary>All {len(theirs)}</summary>\n\n{each}\n\n</details>"


def _outcomes(same: Sequence[RowGroup], condition: Condition, *, several: bool) -> dict[str, str]:
    """Return one line for environments or processes that came out alike: a cell for each client there."""
    first = same[0]
    counted = f"{len(same)}: " if len(same) > 1 else ""
    return {
        str(first.subject): counted + places_of(same),
        "verdict": str(first.standing),
        "Python": first.interpreter.version,
        "condition": str(condition) if several else "",
        **{row.column: outcome(row) for row in first.rows if row.client != ALL_CLIENTS},
    }


def _environment(
    interpreter: Interpreter, known: Mapping[tuple[str, str], str], today: dt.date
) -> dict[str, str]:
    """Return where an environment or process is, how it was found, and of which interpreter it is."""
    inside = interpreter.path == f"{interpreter.environment}/bin/python"
    inside = inside and not interpreter.is_as_installed
    return {
        "host": interpreter.host,
        "id": interpreter.id,
        "environment": interpreter.environment,
        "found as": interpreter.source,
        "interpreter": base_of(interpreter, known),
        "end of life": end_of_life(interpreter, today),
        "TLS library": interpreter.openssl,
        "path": "" if inside else interpreter.path,
        **process_facts(interpreter),
    }


def _interpreters(groups: Sequence[RowGroup], today: dt.date) -> str:
    """Return where each interpreter is, which library does its TLS, and whether its release is maintained."""
    return _table(
        _interpreter(group.interpreter, today)
        for group in groups
        if group.interpreter.path and not group.subject.as_found
    )


def _interpreter(interpreter: Interpreter, today: dt.date) -> dict[str, str]:
    implementation = "" if interpreter.implementation == "CPython" else interpreter.implementation
    return {
        "host": interpreter.host,
        "interpreter": interpreter.id,
        "Python": ""
        if interpreter.is_program
        else " ".join(filter(None, [implementation, interpreter.version])),
        "end of life": end_of_life(interpreter, today),
        "TLS library": interpreter.openssl,
        "path": interpreter.path,
    }


def end_of_life(interpreter: Interpreter, today: dt.date) -> str:
    """Return since when python.org does not maintain an interpreter's release; empty where it does."""
    end = None if interpreter.is_program else ended(interpreter.version, today)
    return f"since {end}" if end else ""


def reasons(rows: Sequence[Row]) -> str:
    """Say each reason once for all who share it, and then who shares a measurement."""
    several = len({row.condition for row in rows}) > 1
    alike_here: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        where = f" under {row.condition}" if several else ""
        reason = row.judgement.reason.removesuffix(sharing(row.interpreter))
        alike_here.setdefault((str(row.verdict), where, reason), []).append(row)
    lines = [
        f"- **{verdict}**{where}: {sharers_of(same)}. {for_markdown(reason[:1].upper() + reason[1:])}."
        for (verdict, where, reason), same in alike_here.items()
    ]
    return "\n".join([*lines, *_shared(rows)])


def _shared(rows: Sequence[Row]) -> Iterator[str]:
    """Say once for each environment that was measured for others too whose measurement it is."""
    followers: dict[str, dict[str, None]] = {}
    for row in rows:
        if leader := row.interpreter.shared_with:
            followers.setdefault(leader, {})[label(row.interpreter)] = None
    for leader, names in followers.items():
        some = for_markdown(some_of(list(names), MOST_ENTRIES))
        verb = "shares" if len(names) == 1 else "share"
        whose = for_markdown(leader)
        yield f"- {some} {verb} the measurement of {whose}: all that was loaded for it is the same."


def post_quantum(groups: Sequence[RowGroup], quote: Callable[[str], str] = for_markdown) -> str:
    """Say how many clients offer a key exchange that holds against a quantum computer too, and which.

    A client counts in each interpreter; empty where no hello was seen.
    """
    seen = [row for group in under(groups, first_condition(groups)) for row in group.rows if row.hello]
    offers = {
        offer: [row for row in seen if row.hello and row.hello.post_quantum is offer]
        for offer in KeyExchangeOffer
    }
    sent, named = offers[KeyExchangeOffer.SENT], offers[KeyExchangeOffer.NAMED]
    total = f"of {len(seen)} clients (each counted in each interpreter)"
    some = f"{len(sent)} {total} offer a post-quantum key exchange: {sharers_of(sent, quote)}"
    none = f"None {total} offers a post-quantum key exchange with a key for it"
    only = f"; {len(named)} only name one, without a key: {sharers_of(named, quote)}" if named else ""
    return f"{some if sent else none}{only}." if seen else ""


def sharers_of(rows: Iterable[Row], quote: Callable[[str], str] = for_markdown) -> str:
    """Name whom these rows are about, with their clients; of environments as found, a few and a number."""
    apart: dict[bool, dict[str, list[str]]] = {False: {}, True: {}}
    for row in rows:
        apart[row.subject.as_found].setdefault(label(row.interpreter), []).append(str(row.client))
    parts = (sharers(apart[False], quote), sharers(apart[True], quote, MOST_ENTRIES))
    return "; ".join(filter(None, parts))


def sharers(
    clients: Mapping[str, Sequence[str]], quote: Callable[[str], str] = for_markdown, most: int | None = None
) -> str:
    """Name interpreters, those with the same clients together: ``a, b (ssl, botocore); c (ssl)``.

    Of those together at `most` so many are named, and the others counted.
    """
    groups: dict[str, list[str]] = {}
    for interpreter, names in clients.items():
        groups.setdefault(", ".join(names), []).append(quote(interpreter))
    return "; ".join(f"{_first_names(names, most)} ({clients})" for clients, names in groups.items())


def _first_names(names: Sequence[str], most: int | None) -> str:
    if most is None or len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _cells(rows: Sequence[Row], catalogue: Catalogue) -> str:
    """Return all cells: a line for each server, a column for the rows that came out alike on all of them."""
    several = len({row.condition for row in rows}) > 1
    servers = [server for server in catalogue.servers if server.role is not Role.ATTACK]
    patterns: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for row in rows:
        cells = tuple(
            str(row.findings[s.id]) if s.id in row.findings else str(CellKind.MISSING) for s in servers
        )
        client = f"{row.client} under {row.condition}" if several else str(row.client)
        patterns.setdefault(cells, {}).setdefault(label(row.interpreter), []).append(client)
    parts = [
        "Each line is a server, each column a pattern: the version that was negotiated, or what prevented it."
    ]
    numbered = list(enumerate(patterns.items(), 1))
    parts += ["\n".join(f"- {number}: {sharers(sharing)}" for number, (_, sharing) in numbered)]
    for first in range(0, len(numbered), MOST_PATTERNS):
        some = numbered[first : first + MOST_PATTERNS]
        lines = [
            {"server": server.id} | {str(number): cells[place] for number, (cells, _) in some}
            for place, server in enumerate(servers)
        ]
        parts.append(_table(lines))
    return "\n\n".join(filter(None, parts)) if patterns else ""


def _advice(groups: Sequence[RowGroup], floor: Protocol, cases: Sequence[Case]) -> str:
    pieces = together(under(groups, Condition.AMBIENT), floor, for_markdown, cases)
    entries = [_entry(piece) for piece in pieces if piece.steps]
    if idle := [group for piece in pieces if not piece.steps for group in piece.groups]:
        hold = "it holds" if len(idle) == 1 else "they hold"
        entries.append(f"- Nothing for {names_of(idle)}: {hold} {floor.prose}.")
    return "\n".join(entries) or "Nothing was measured under the machine's own configuration."


def _entry(advice: Advice) -> str:
    """Return what to do as an entry of a list, headed by those that it is about."""
    verdict, about = advice.groups[0].standing, [group.interpreter for group in advice.groups]
    path = f" ({for_markdown(about[0].path)})" if len(about) == 1 and about[0].path else ""
    return "\n".join(
        [f"- **{names_of(advice.groups)}**{path}: {verdict}.", *(f"  - {step}" for step in advice.steps)]
    )


def names_of(groups: Sequence[RowGroup], quote: Callable[[str], str] = for_markdown) -> str:
    """Name all interpreters, and of environments as found a few with the number of the others."""
    found = [quote(label(group.interpreter)) for group in groups if group.subject.as_found]
    others = [quote(label(group.interpreter)) for group in groups if not group.subject.as_found]
    return ", ".join(filter(None, [", ".join(others), _first_names(found, MOST_ENTRIES)]))


def _attacks(rows: Sequence[Row], attacks: Sequence[Server]) -> str:
    """Say, for each server that tampers, how the clients answered, once for all that answered alike."""
    lines = []
    for server in attacks:
        lines.append(f"- **{server.id}**{f' ({server.source})' if server.source else ''}: {server.why}")
        answers: dict[str, list[str]] = {}
        for row in rows:
            if server.id in row.findings:
                outcome = row.findings[server.id]
                name = f"{for_markdown(label(row.interpreter))}/{row.client}"
                answers.setdefault(f"**{outcome}**: {for_markdown(outcome.reason)}", []).append(name)
        for sentence, names in answers.items():
            lines.append(f"  - {sentence}: {', '.join(names) if len(answers) > 1 else 'all of them'}.")
    return "\n".join(lines)


def _provenance(run: Run, catalogue: Catalogue) -> str:
    lines = [
        f"- run: {run.run_id}, {run.started} to {run.ended} on {for_markdown(run.host)}",
        f"- tool: {for_markdown(tool_in_full(run))}",
        f"- servers: {for_markdown(run.engine)}",
        f"- catalogue: SHA-256 {run.catalogue}",
        *(
            f"- merged from: {part.run_id}, {part.started} to {part.ended} on {for_markdown(part.host)}"
            for part in run.parts
        ),
        "- control on each server (tlslite-ng's client, independent of every interpreter listed):",
    ]
    for server in catalogue.servers:
        control = run.controls[server.id]
        state = "passed" if control.passed else "FAILED"
        if server.role is Role.PAGE:
            state += " (no verdict rests on this server)"
        lines.append(f"  - {server.id}: {state}: {for_markdown(control.reason)}")
    return "\n".join(lines)
