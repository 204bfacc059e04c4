"""Writes remedies.md and remedies.json, and the OpenSSL configuration that they advise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reports.escape import for_markdown, visible
from reports.observations import SCHEMA_VERSION
from reports.remedies import TITLES, Remedy, Standing, shared
from servers.conditions import Condition, advised_name, configuration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.observations import Run
    from reports.remedies import Case
    from servers.protocols import Protocol

METHOD = """\
Only what was measured is advised: the same client in the same interpreter with the remedy applied, against
every server of the ladder, judged as any other row. What takes least effort comes first. After applying one,
measure again: `nox -s matrix`."""

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
    (folder / "remedies.json").write_text(document + "\n", encoding="utf-8")
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
                "interpreter": case.row.interpreter.id,
                "client": case.row.client,
                "client_version": case.row.client_version,
                "verdict": str(case.row.verdict),
                "remedies": [vars(attempt) for attempt in case.attempts],
            }
            for case in cases
        ],
    }


def summary(cases: Sequence[Case], floor: Protocol) -> list[str]:
    """Return in sentences what the trials came to."""
    if not cases:
        return [f"No row goes below {floor}, so there is nothing to remedy."]
    trials = [a for c in cases for a in c.attempts if a.verdict and a.remedy is not Remedy.INTERPRETER]
    worked = sum(one.standing is Standing.ADVISED for one in trials)
    helpless = [f"{c.row.interpreter.id}/{c.row.client}" for c in cases if not c.advised]
    helped = f"{len(cases) - len(helpless)} of {len(cases)} rows that go or would go below {floor}"
    sentences = [f"{helped} have a remedy that held it in this run, as {worked} of {len(trials)} trials did."]
    if helpless:
        sentences.append(f"Nothing that was tried helped {', '.join(helpless)}.")
    return sentences


def build_remedies_markdown(cases: Sequence[Case], run: Run, floor: Protocol) -> str:
    """Return the whole of remedies.md: by interpreter, what helps, what does not, what was not tried."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.row.interpreter.id, []).append(case)
    parts = [
        f"# Remedies: {floor} on {for_markdown(run.host)}",
        " ".join(summary(cases, floor)),
        METHOD,
    ]
    for name, group in groups.items():
        parts += [f"## {name} ({for_markdown(group[0].row.interpreter.path)})", *_interpreter(group)]
    parts.append(f"Run {run.run_id}, {run.started} to {run.ended}.")
    return "\n\n".join(parts) + "\n"


def _interpreter(group: Sequence[Case]) -> list[str]:
    parts = []
    for (remedy, said, lines), clients in shared(group, Standing.ADVISED).items():
        head = f"**{TITLES[remedy]}** for {', '.join(clients)}: {for_markdown(said)}. {NOTES.get(remedy, '')}"
        language = "python" if remedy is Remedy.CODE else "sh"
        copied = "\n".join(visible(line) for line in lines)
        parts += [head.strip(), f"```{language}\n{copied}\n```"]
    for standing in (Standing.FAILED, Standing.IDLE):
        if found := shared(group, standing):
            listed = [
                f"- {TITLES[remedy]}, {', '.join(clients)}: {for_markdown(said)}."
                for (remedy, said, _), clients in found.items()
            ]
            parts.append(f"{standing.capitalize()}:\n\n" + "\n".join(listed))
    return parts
