"""The matrix as Markdown: the answer first, then the table, what to do, and where it all comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interpreters.programs import PROGRAM
from reports.answer import advice, answer, by_interpreter, standing
from reports.escape import for_markdown
from reports.sweep import sweeps
from servers.catalogue import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from reports.matrix import Row
    from reports.observations import Run
    from reports.remedies import Case
    from servers.catalogue import Catalogue, Server
    from servers.protocols import Protocol

VERDICT_COLUMNS = {
    "interpreter": "interpreter",
    "version": "Python",
    "client": "client",
    "client_version": "version",
    "condition": "condition",
    "verdict": "verdict",
    "lowest_negotiated": "lowest",
    "held_by": "held by",
    "page_check": "AWS page says",
}

EVERY_CELL = "## Every cell"
"""Heads what is there to look things up; what a person acts upon comes before."""

SCOPE = """\
This report says which version a client accepts when a server offers nothing better. It does not say that
AWS was ever talked to that way: AWS's own endpoints have refused versions below TLS 1.2 since 2023. What is
exposed are custom endpoints (an S3-compatible store, a VPC proxy, a TLS-inspecting middlebox) and whatever
else the same client talks to. RFC 8996 forbids TLS 1.0 and 1.1, and PCI DSS v4 4.2.1 asks for evidence that
no fallback to insecure versions is supported."""


def build_markdown(
    frame: pd.DataFrame,
    rows: Sequence[Row],
    run: Run,
    catalogue: Catalogue,
    floor: Protocol,
    cases: Sequence[Case] = (),
) -> str:
    """Return the whole report; `cases` are what remedies came to, if this run tried any."""
    ladder = [s.id for s in catalogue.servers if s.role is Role.LADDER]
    page = [s.id for s in catalogue.servers if s.role is Role.PAGE]
    attacks = [s for s in catalogue.servers if s.role is Role.ATTACK]
    # A program's version is its client's, and no Python's.
    pythons = frame.assign(version=frame["version"].where(frame["source"] != PROGRAM, ""))
    host = ["host"] if run.parts else []
    swept = sweeps(rows)
    parts = [
        f"# TLS floor matrix: {floor} on {for_markdown(run.host)}",
        " ".join(map(for_markdown, answer(rows, floor))),
        "## Verdicts",
        _table(pythons.rename(columns=VERDICT_COLUMNS)[[*host, *VERDICT_COLUMNS.values()]]),
        *(["## Versions", "\n".join(f"- {for_markdown(line)}" for line in swept)] if swept else []),
        "## Why",
        _reasons(rows),
        "## What to do",
        _advice(rows, floor, cases),
        EVERY_CELL,
        "Each column is a server; each cell the version that was negotiated with it, or what prevented it.",
        _table(frame[[*host, "interpreter", "client", "condition", *ladder, *page]]),
        *(["## Attacks on the negotiation", _attacks(rows, attacks)] if attacks else []),
        "## Provenance",
        _provenance(run, catalogue),
        SCOPE,
    ]
    return "\n\n".join(parts) + "\n"


def _table(frame: pd.DataFrame) -> str:
    escaped = frame.map(for_markdown)
    return str(escaped.to_markdown(index=False, disable_numparse=True))


def _reasons(rows: Sequence[Row]) -> str:
    """Say each reason once for the clients that share it."""
    shared: dict[tuple[str, str, str, str], list[str]] = {}
    for row in rows:
        key = (for_markdown(row.interpreter.name), str(row.condition), str(row.verdict), row.judgement.reason)
        shared.setdefault(key, []).append(row.client)
    return "\n".join(
        f"- **{interpreter}** under {condition}, {', '.join(clients)}: **{verdict}**. {for_markdown(reason)}."
        for (interpreter, condition, verdict, reason), clients in shared.items()
    )


def _advice(rows: Sequence[Row], floor: Protocol, cases: Sequence[Case]) -> str:
    groups = by_interpreter(rows)
    entries, idle = [], []
    for interpreter, group in groups.items():
        steps = advice(group, groups, floor, for_markdown, cases)
        if steps:
            one = group[0].interpreter
            path = f" ({for_markdown(one.path)})" if one.path else ""
            head = f"- **{for_markdown(interpreter)}**{path}: {standing(group)}."
            entries.append("\n".join([head, *(f"  - {step}" for step in steps)]))
        else:
            idle.append(for_markdown(interpreter))
    if idle:
        hold = "it holds" if len(idle) == 1 else "they hold"
        entries.append(f"- Nothing for {', '.join(idle)}: {hold} {floor}.")
    return "\n".join(entries) or "Nothing was measured under the machine's own configuration."


def _attacks(rows: Sequence[Row], attacks: Sequence[Server]) -> str:
    """Say, for each server that tampers, how the clients answered, once for all that answered alike."""
    lines = []
    for server in attacks:
        lines.append(f"- **{server.id}**{f' ({server.source})' if server.source else ''}: {server.why}")
        answers: dict[str, list[str]] = {}
        for row in rows:
            if server.id in row.findings:
                outcome = row.findings[server.id].outcome
                name = f"{for_markdown(row.interpreter.name)}/{row.client}"
                answers.setdefault(f"**{outcome}**: {for_markdown(outcome.reason)}", []).append(name)
        for said, names in answers.items():
            lines.append(f"  - {said}: {', '.join(names) if len(answers) > 1 else 'all of them'}.")
    return "\n".join(lines)


def _provenance(run: Run, catalogue: Catalogue) -> str:
    lines = [
        f"- run: {run.run_id}, {run.started} to {run.ended} on {for_markdown(run.host)}",
        f"- tool: {for_markdown(run.tool)}",
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
