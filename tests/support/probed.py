"""Builds what a campaign comes to from how clients' stacks meet the servers of a ladder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reports.verdicts.judged import JudgedCells
from runs.campaign import CampaignResult, ProbedInterpreter
from runs.probe import ProbeResult, ProbeTask
from tests.support.builders import PASSED, ladder, meet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from interpreters.clients import ClientKey
    from servers.catalogue import Catalogue
    from servers.conditions import Condition
    from servers.control import Control
    from tests.support.builders import Stack

    ProbeOf = tuple[ProbeTask, Condition, ProbeResult]


def a_result(stack: Stack, clients: Iterable[ClientKey], catalogue: Catalogue, **changes: Any) -> ProbeResult:
    """Return what a probe of clients with one stack came to on the whole ladder, with changes."""
    observations = tuple(
        replace(meet(stack, server), client=client, client_version="1.0")
        for client in clients
        for server in ladder(catalogue)
    )
    return replace(ProbeResult(None, observations), **changes)


def a_campaign(
    catalogue: Catalogue, *probes: ProbeOf, controls: Mapping[str, Control] | None = None
) -> CampaignResult:
    """Return what a campaign of these probes came to; every control passed unless others are given."""
    known = {server.id: PASSED for server in catalogue.servers} | dict(controls or {})
    interpreters: dict[str, ProbedInterpreter] = {}
    for name in dict.fromkeys(task.interpreter for task, _, _ in probes):
        own = [probe for probe in probes if probe[0].interpreter == name]
        tasks = {task.python: task for task, _, _ in own}
        probed = ProbedInterpreter(tuple(tasks.values()), JudgedCells(catalogue))
        for condition in dict.fromkeys(condition for _, condition, _ in own):
            results = {
                task.python: replace(result, observations=_stamped(task, condition, result, known))
                for task, under, result in own
                if under is condition
            }
            probed = probed.under(condition, results)
        interpreters[name] = probed
    return CampaignResult("OpenSSL 9 at /made/up/openssl", known, interpreters)


def _stamped(
    task: ProbeTask, condition: Condition, result: ProbeResult, controls: Mapping[str, Control]
) -> Any:
    """Return a result's observations as those of a task under a condition."""
    return tuple(
        replace(
            seen,
            interpreter=task.interpreter,
            condition=condition,
            control=controls[seen.server],
            environment=task.environment,
        )
        for seen in result.observations
    )
