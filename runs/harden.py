"""Proves, by measuring it, that a pair that was just built holds the floor by itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from interpreters.clients import ClientKey, clients, default_clients, requirements
from interpreters.hardening.checks import Check, check_pip
from interpreters.hardening.stamp import MeasuredDocument
from interpreters.locate import locate
from interpreters.log import LOG
from interpreters.prepared import prepare_candidate
from interpreters.scratch import scratch_folder
from reports.verdicts.judge import HeldBy, Verdict
from reports.verdicts.observations import RunRequest
from runs.measure import measure, now
from servers.catalogue import Role
from servers.conditions import Condition
from servers.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from interpreters.hardening.installed import InstalledPair
    from reports.verdicts.matrix import Row
    from runs.job import Job


CONDITIONS = (Condition.AMBIENT, Condition.PERMISSIVE)
"""Under which a build is measured: what it holds itself, no configuration lets through."""


def prove(built: InstalledPair, job: Job) -> None:
    """Measure a build where it is; raises ProofError for all that is not shown."""
    checks = []
    if job.options.find_links is None:
        with scratch_folder(job.cache, "pip-") as folder:
            checks.append(check_pip(built.request.interpreter, folder, os.environ))
    else:
        LOG.info("pip is not asked to install over TLS: wheels come from %s", job.options.find_links)
    real = built.request.interpreter.resolve()
    found = next(candidate for candidate in locate(os.environ, [real]) if candidate.path == real)
    known = clients()
    wanted = {ClientKey(name): known[name] for name in default_clients()}
    prepared = prepare_candidate(found, requirements(wanted), job.installer, os.environ)
    settings = job.settings(CONDITIONS, [Role.LADDER], Protocol(built.request.floor))
    start = job.start_of(RunRequest(default_clients(), CONDITIONS, settings.floor), (prepared,))
    rows = measure(start, tuple(wanted), settings).rows
    checks.append(check_held_by_build(rows, default_clients(), settings.floor))
    built.prove(checks, verdict_records(rows), now())
    for row in rows:
        LOG.info("%s under %s: %s, held by %s", row.client, row.condition, row.verdict, row.held_by)
    if found.source == "given":
        given = built.request.interpreter
        LOG.info("nox -s matrix does not look there by itself: add --interpreter %s", given)


def check_held_by_build(rows: Iterable[Row], clients: Sequence[str], floor: Protocol) -> Check:
    """Return whether the rows show, for each client under each of CONDITIONS, that the build holds it."""
    missing = unproven(rows, clients, CONDITIONS)
    return Check(f"the matrix shows {floor} held by the build", not missing, "; ".join(missing))


def unproven(rows: Iterable[Row], clients: Sequence[str], conditions: Sequence[Condition]) -> list[str]:
    """Return, for each client under each condition, why it is not shown that the build holds the floor.

    Only `enforced` and held by the build counts; a row that is not there is a miss like any other.
    """
    known = {(str(row.client), row.condition): row for row in rows}
    found = []
    for condition in conditions:
        for client in clients:
            row = known.get((client, condition))
            where = f"{client} under {condition}"
            if row is None:
                found.append(f"{where} was not measured")
            elif (row.verdict, row.held_by) != (Verdict.ENFORCED, HeldBy.BUILD):
                found.append(f"{where} is {row.verdict}, held by {row.held_by}: {row.judgement.reason}")
    return found


def verdict_records(rows: Iterable[Row]) -> tuple[MeasuredDocument, ...]:
    """Return the verdicts as they are kept beside the build."""
    return tuple(MeasuredDocument.of(row, client=str(row.client)) for row in rows)
