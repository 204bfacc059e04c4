"""Builds what a campaign comes to from how clients' stacks meet the servers of a ladder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from interpreters.clients import ClientKey
from reports.verdicts.judged import JudgedCells
from runs.campaign import CampaignResult, ProbedInterpreter, ProbeTarget
from runs.probe import ProbeResult
from tests.support.builders import PASSED, ladder, meet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from servers.catalogue import Catalogue
    from servers.conditions import Condition
    from servers.control import Control
    from tests.support.builders import Stack

    ProbeOf = tuple[ProbeTarget, Condition, ProbeResult]


def a_result(stack: Stack, clients: Iterable[str], catalogue: Catalogue, **changes: Any) -> ProbeResult:
    """Return what a probe of clients with one stack came to on the whole ladder, with changes."""
    observations = tuple(
        replace(meet(stack, server), client=ClientKey.parse(client), client_version="1.0")
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
    for name in dict.fromkeys(target.id for target, _, _ in probes):
        own = [probe for probe in probes if probe[0].id == name]
        targets = {target.python: target for target, _, _ in own}
        probed = ProbedInterpreter(tuple(targets.values()), JudgedCells(catalogue))
        for condition in dict.fromkeys(condition for _, condition, _ in own):
            results = {
                target.python: replace(result, observations=_stamped(target, condition, result, known))
                for target, under, result in own
                if under is condition
            }
            probed = probed.under(condition, results)
        interpreters[name] = probed
    return CampaignResult("OpenSSL 9 at /made/up/openssl", known, interpreters)


def _stamped(
    target: ProbeTarget, condition: Condition, result: ProbeResult, controls: Mapping[str, Control]
) -> Any:
    """Return a result's observations as those of a target under a condition."""
    return tuple(
        replace(
            seen,
            interpreter=target.id,
            condition=condition,
            control=controls[seen.server],
            environment=target.environment,
        )
        for seen in result.observations
    )
