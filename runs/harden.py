"""Proves, by measuring it, that a pair that was just built holds the floor by itself."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import DEFAULT, clients, requirements
from interpreters.hardening.checks import check_pip
from interpreters.locate import locate
from interpreters.prepared import prepare_candidate
from reports.verdicts.observations import RunRequest
from runs.measure import Subjects, measure, now
from runs.proof import CONDITIONS, held, told
from servers.catalogue import Role
from servers.protocols import Protocol

if TYPE_CHECKING:
    from interpreters.hardening.installed import InstalledPair
    from runs.job import Job


def prove(built: InstalledPair, job: Job) -> None:
    """Measure a build where it is; raises ProofError for all that is not shown."""
    checks = []
    if job.options.find_links is None:
        with tempfile.TemporaryDirectory(dir=job.cache, prefix="pip-") as folder:
            checks.append(check_pip(built.request.interpreter, Path(folder), os.environ))
    else:
        job.say(f"pip is not asked to install over TLS: wheels come from {job.options.find_links}")
    real = built.request.interpreter.resolve()
    found = next(one for one in locate(os.environ, [real]) if one.path == real)
    known = clients()
    prepared = prepare_candidate(
        found, requirements([known[name] for name in DEFAULT]), job.installer, os.environ
    )
    subjects = Subjects((prepared,), job.environment)
    settings = job.settings(CONDITIONS, [Role.LADDER], Protocol(built.request.floor))
    run = job.run(RunRequest(DEFAULT, CONDITIONS, settings.floor))
    rows = measure(run, subjects, DEFAULT, settings, job.say).rows
    built.prove([*checks, held(rows, DEFAULT, settings.floor)], {"verdicts": told(rows)}, now())
    for row in rows:
        job.say(f"{row.client} under {row.condition}: {row.verdict}, held by {row.held_by}")
    if found.source == "given":
        job.say(f"nox -s matrix does not look there by itself: add --interpreter {built.request.interpreter}")
