"""Writes one run's files, all from the same rows: to add a format, add one function and its line here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reports.formats.escape import for_csv
from reports.formats.frame import build_frame
from reports.formats.html import build_html
from reports.formats.junit import build_junit
from reports.formats.markdown import build_markdown
from reports.formats.matrix_json import build_json
from reports.formats.records import write_jsonl, write_run
from reports.formats.remedies import write_remedies
from reports.gate import foresee
from reports.verdicts.matrix import standings
from servers.evidence import fits, write_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.verdicts.matrix import Matrix, Past
    from reports.verdicts.policy import Policy
    from reports.verdicts.remedies import Case


def write_report(  # 7 parameters: the run's matrix, and all that a session alone knows of it
    folder: Path,
    matrix: Matrix,
    policy: Policy,
    *,
    past: Sequence[Past] = (),
    all_evidence: bool = False,
    cases: Sequence[Case] | None = None,
    together: bool = False,
) -> None:
    """Write a run's files into a folder, with the policy that was in force and the runs before it.

    Files about remedies are written only if the run tried any (`cases`). An interpreter's evidence is
    left out where it would be larger than EVIDENCE_LIMIT, unless `all_evidence` asks for it. `together` says
    that the gate was asked for in the same command.
    """
    run, measured = matrix.run, matrix.measured
    write_run(folder / "run.json", run, standings(matrix.groups, run.asked.conditions[0]))
    records = ((run.of(subject.interpreter), seen) for subject in measured for seen in subject.observations)
    write_jsonl(folder / "observations.jsonl", records)
    build_frame(matrix).map(for_csv).to_csv(folder / "matrix.csv", index=False)
    document = build_json(matrix, policy)
    (folder / "matrix.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    junit = build_junit(matrix, foresee(document, policy, together=together))
    (folder / "junit.xml").write_text(junit, encoding="utf-8")
    markdown = build_markdown(matrix, cases or (), policy)
    (folder / "matrix.md").write_text(markdown, encoding="utf-8")
    html = build_html(matrix, past, cases or (), policy)
    (folder / "matrix.html").write_text(html, encoding="utf-8")
    if cases is not None:
        write_remedies(folder, cases, run, matrix.floor)
    evidence = folder / "evidence"
    evidence.mkdir()
    for subject in measured:
        connections = [(seen.id, capture) for seen in subject.observations for capture in seen.captures]
        if connections and (all_evidence or fits(connections)):
            write_evidence(evidence / f"{subject.interpreter.id}.pcapng", connections)
