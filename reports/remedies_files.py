"""Writes remedies.md, remedies.json, which it also reads, and the OpenSSL configuration that they advise."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from reports.escape import for_markdown, visible
from reports.observations import SCHEMA_VERSION, RecordError, read_record, reading
from reports.remedies import TITLES, Attempt, Case, Remedy, Standing, needing, shared
from reports.verdicts import Verdict
from servers.conditions import Condition, advised_name, configuration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from reports.matrix import Row
    from reports.observations import Run
    from servers.protocols import Protocol

DOCUMENT = "remedies.json"

METHOD = """\
Only what was measured is advised: the same client in the same interpreter with the remedy applied, against
every server of the ladder, judged as any other row. What takes least effort comes first. After applying one,
measure again: `nox -s matrix`. That does not run your application: for what is set in its code alone, let it
connect to the servers of `nox -s serve`."""

NOTES = {
    Remedy.UPGRADE: "Where the client comes along with another library, that one may not allow it:"
    " try the application.",
    Remedy.CONFIGURATION: "Processes pointed at it do not read the machine's openssl.cnf: repeat in it what"
    " that one configures, such as providers.",
    Remedy.CODE: "This very text was run before the client was used.",
}
"""What to know before a remedy is applied."""


def write_remedies(folder: Path, cases: Sequence[Case], run: Run, floor: Protocol) -> None:
    """Write the three files into a folder."""
    (folder / advised_name(floor)).write_text(configuration(Condition.HARDENED, floor), encoding="utf-8")
    document = json.dumps(build_remedies_json(cases, run, floor), indent=1)
    (folder / DOCUMENT).write_text(document + "\n", encoding="utf-8")
    (folder / "remedies.md").write_text(build_remedies_markdown(cases, run, floor), encoding="utf-8")


def build_remedies_json(cases: Sequence[Case], run: Run, floor: Protocol) -> dict[str, object]:
    """Return one entry for each row that needs a remedy, with every remedy in order of effort."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run.run_id,
        "host": run.host,
        "floor": str(floor),
        "configuration": advised_name(floor),
        "rows": [
            {
                "host": run.of(case.row.interpreter).host,
                "interpreter": case.row.interpreter.id,
                "client": case.row.client,
                "client_version": case.row.client_version,
                "verdict": str(case.row.verdict),
                "remedies": [vars(attempt) for attempt in case.attempts],
            }
            for case in cases
        ],
    }


def read_remedies(path: Path, run: Run, rows: Sequence[Row]) -> tuple[Case, ...]:
    """Return the cases that write_remedies wrote for these rows; raises RecordError for anything else."""
    document = read_record(path, SCHEMA_VERSION)
    ill = {(row.interpreter.id, row.client): row for row in needing(rows)}
    with reading(path):
        if document["run_id"] != run.run_id:
            msg = f"is of the run {document['run_id']}, and what is beside it of {run.run_id}: measure again"
            raise RecordError(msg)
        return tuple(
            Case(ill[one["interpreter"], one["client"]], tuple(map(_attempt, one["remedies"])))
            for one in document["rows"]
        )


def _attempt(facts: Mapping[str, Any]) -> Attempt:
    return Attempt(
        Remedy(facts["remedy"]),
        Standing(facts["standing"]),
        facts["said"],
        None if facts["verdict"] is None else Verdict(facts["verdict"]),
        tuple(facts["lines"]),
    )


def summary(cases: Sequence[Case], floor: Protocol) -> list[str]:
    """Return in sentences what the trials came to."""
    if not cases:
        return [f"No row goes below {floor}, so there is nothing to remedy."]
    trials = [a for c in cases for a in c.attempts if a.verdict and a.remedy is not Remedy.INTERPRETER]
    worked = sum(one.standing is Standing.ADVISED for one in trials)
    tried = [case for case in cases if case.attempts]
    helpless = [_name(case) for case in tried if not case.advised]
    sentences = []
    if tried:
        helped = f"{len(tried) - len(helpless)} of {len(tried)} rows that go or would go below {floor}"
        sentences.append(
            f"{helped} have a remedy that held it in this run, as {worked} of {len(trials)} trials did."
        )
    if helpless:
        sentences.append(f"Nothing that was tried helped {', '.join(helpless)}.")
    if idle := [_name(case) for case in cases if not case.attempts]:
        sentences.append(f"Nothing was tried yet on {', '.join(idle)}: run nox -s remedy there.")
    return sentences


def _name(case: Case) -> str:
    one = case.row.interpreter
    return f"{one.id}/{case.row.client}" + (f" on {one.host}" if one.host else "")


def build_remedies_markdown(cases: Sequence[Case], run: Run, floor: Protocol) -> str:
    """Return the whole of remedies.md: by interpreter, what helps, what does not, what was not tried."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.row.interpreter.name, []).append(case)
    parts = [
        f"# Remedies: {floor} on {for_markdown(run.host)}",
        " ".join(map(for_markdown, summary(cases, floor))),
        METHOD,
    ]
    for name, group in groups.items():
        path = for_markdown(group[0].row.interpreter.path)
        parts += [f"## {for_markdown(name)} ({path})", *_interpreter(group)]
    parts.append(f"Run {run.run_id}, {run.started} to {run.ended}.")
    return "\n\n".join(parts) + "\n"


def _interpreter(group: Sequence[Case]) -> list[str]:
    if not any(case.attempts for case in group):
        return ["Nothing was tried yet: run `nox -s remedy` on that machine."]
    parts = []
    for (remedy, said, lines), clients in shared(group, Standing.ADVISED).items():
        head = f"**{TITLES[remedy]}** for {', '.join(clients)}: {for_markdown(said)}. {NOTES.get(remedy, '')}"
        language = "python" if remedy is Remedy.CODE else "sh"
        copied = "\n".join(visible(line) for line in lines)
        # Longer than any that the lines have.
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", copied)), default=0))
        parts += [head.strip(), f"{fence}{language}\n{copied}\n{fence}"]
    for standing in (Standing.FAILED, Standing.IDLE):
        if found := shared(group, standing):
            listed = [
                f"- {TITLES[remedy]}, {', '.join(clients)}: {for_markdown(said)}."
                for (remedy, said, _), clients in found.items()
            ]
            parts.append(f"{standing.capitalize()}:\n\n" + "\n".join(listed))
    return parts
