"""Writes one run's files, all from the same rows: each format that is found, and the evidence."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import reports.formats
from reports.formats.captures import write_captures
from reports.formats.format import Report
from reports.formats.matrix_json import build_facts
from reports.formats.remedies import write_floor_files
from reports.gate import foresee

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reports.formats.format import AwsAccount, Format
    from reports.verdicts.matrix import Matrix, Past
    from reports.verdicts.policy import Policy
    from reports.verdicts.remedies import Case


def formats() -> tuple[Format, ...]:
    """Return every format by the name of its file: those in FORMATS of each module of reports/formats/."""
    package = reports.formats
    names = (f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__))
    found = [form for name in names for form in getattr(importlib.import_module(name), "FORMATS", ())]
    return tuple(sorted(found, key=lambda form: form.file))


def write_report(  # 8 parameters: the run's matrix, and all that a session alone knows of it
    folder: Path,
    matrix: Matrix,
    policy: Policy,
    *,
    past: Sequence[Past] = (),
    all_evidence: bool = False,
    cases: Sequence[Case] | None = None,
    together: bool = False,
    aws: AwsAccount | None = None,
) -> None:
    """Write a run's files into a folder, with the policy that was in force and the runs before it.

    Files about remedies are written only if the run tried any (`cases`). An interpreter's evidence is
    left out where it would be larger than EVIDENCE_LIMIT, unless `all_evidence` asks for it. `together` says
    that the gate was asked for in the same command. `aws` is whom findings for Security Hub are for.
    """
    document = build_facts(matrix, policy)
    decision = foresee(document, policy, together=together)
    report = Report(matrix, policy, document, decision, past, cases, aws)
    for form in formats():
        form.write(folder, report)
    write_floor_files(folder, cases or (), matrix.run)
    write_captures(folder, matrix, everything=all_evidence)
