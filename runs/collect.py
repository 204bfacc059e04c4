"""Puts together, for each interpreter, what its environment session and the campaign found out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from interpreters.describe import describe_again
from interpreters.identify import parse_identity
from interpreters.inside import applied
from interpreters.interpreter import MADE, Interpreter
from interpreters.prepared import explain_context
from reports.verdicts.matrix import Measured, needing
from reports.verdicts.start_up import apart
from runs.visit import observations
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from interpreters.identify import Identity
    from interpreters.prepared import Prepared
    from interpreters.programs import InstalledProgram
    from reports.verdicts.observations import Observation
    from reports.verdicts.start_up import StartUp
    from runs.campaign import Campaign, FollowUp, Guest
    from runs.visit import Visit
    from servers.catalogue import Catalogue
    from servers.control import Control
    from servers.protocols import Protocol

REFUSAL = "releases.NotMeasurableError"
"""The exception by which a client's file in probes/ says of a release that it cannot be measured."""


def collect(
    prepared: Sequence[Prepared], campaign: Campaign, environment: Mapping[str, str]
) -> tuple[Measured, ...]:
    """Return one entry for each prepared interpreter, in order, measured or not.

    `environment` is what its probe was run in under the ambient condition.
    """
    return tuple(
        _measured(
            one,
            [visit for visit in campaign.visits if visit[0].id == one.interpreter.id],
            campaign.controls,
            environment,
        )
        for one in prepared
    )


def collect_programs(found: Sequence[InstalledProgram], campaign: Campaign) -> tuple[Measured, ...]:
    """Return one entry for each program, in order, measured or not.

    What a probe said of its interpreter is of no concern here: it is the one that ran the program.
    """
    return tuple(
        Measured(
            interpreter=one.interpreter,
            unavailable={},
            observations=tuple(
                record
                for guest, condition, visit in campaign.visits
                if guest.id == one.interpreter.id
                for record in observations(guest.id, condition, visit, campaign.controls)
            ),
            clients=(one.program.id,),
        )
        for one in found
    )


def follow_up(catalogue: Catalogue, floor: Protocol) -> FollowUp:
    """Return the rule by which a campaign decides who is visited under one more condition."""

    def clients(
        condition: Condition, guest: Guest, visits: Mapping[Condition, Visit], controls: Mapping[str, Control]
    ) -> tuple[str, ...]:
        seen = [one for c, visit in visits.items() for one in observations(guest.id, c, visit, controls)]
        measured = Measured(Interpreter(guest.id, "", ""), {}, tuple(seen))
        return needing(condition, measured, guest.clients, catalogue, floor)

    return clients


def _measured(
    one: Prepared,
    visits: Sequence[tuple[Guest, Condition, Visit]],
    controls: Mapping[str, Control],
    environment: Mapping[str, str],
) -> Measured:
    unavailable = dict(one.uninstalled)
    for _, _, visit in visits:
        unavailable |= {c: _unavailable(why) for c, why in visit.import_errors.items()}
    # What is not installed in an environment as it was found has no row, save where nothing has one.
    environment_is_found = one.interpreter.environment != MADE
    absent = {c for _, _, visit in visits for c in visit.absent} if environment_is_found else set()
    unavailable |= dict.fromkeys(absent, f"it is not installed in {one.interpreter.environment}")
    asked = dict.fromkeys(client for guest, _, _ in visits for client in guest.clients)
    # What the interpreter said of itself while it was measured is newer than what it said before.
    fresh = next((said for _, _, visit in visits if (said := _said(visit))), None)
    inside = applied(environment, one.changed)
    interpreter = describe_again(one.interpreter, fresh, inside) if fresh else one.interpreter
    records = tuple(
        replace(record, environment=interpreter.environment)
        for _, condition, visit in visits
        for record in observations(one.interpreter.id, condition, visit, controls)
        if record.client not in absent
    )
    why = interpreter.unavailable or _context_unavailable(one, visits, records, environment)
    return Measured(
        interpreter=replace(interpreter, unavailable=why),
        unavailable=unavailable,
        observations=records,
        clients=tuple(c for c in asked if c not in absent) or tuple(asked) if environment_is_found else (),
        apart=_apart(one, visits),
    )


def _context_unavailable(
    one: Prepared,
    visits: Sequence[tuple[Guest, Condition, Visit]],
    records: Sequence[Observation],
    environment: Mapping[str, str],
) -> str:
    """Say why an interpreter makes no TLS context, which made TLS contexts when it was identified.

    Its identity is remembered, and its OpenSSL configuration may have been broken since then. Empty where a
    client connected all the same, with a TLS library of its own: a problem leaves no other row.
    """
    if any(record.account and record.account.outcome == "connected" for record in records):
        return ""
    home = (
        _said(visit)
        for guest, condition, visit in visits
        if guest.python == one.executable and condition is Condition.AMBIENT
    )
    fresh = next(filter(None, home), None)
    return explain_context(fresh, environment) if fresh else ""


def _apart(one: Prepared, visits: Sequence[tuple[Guest, Condition, Visit]]) -> dict[str, StartUp]:
    """Return, by client, what sets the interpreter itself apart from where the client was measured."""
    home = one.executable
    own = {condition: _said(visit) for guest, condition, visit in visits if guest.python == home}
    found: dict[str, list[StartUp | None]] = {}
    for guest, condition, visit in visits:
        there = _said(visit)
        # Not under each condition is everybody visited.
        if there and guest.python != home and condition in own:
            for client in guest.clients:
                found.setdefault(client, []).append(apart(own[condition], there))
    return {client: next(filter(None, all_of)) for client, all_of in found.items() if any(all_of)}


def _said(visit: Visit) -> Identity | None:
    """Return what a probe said of its interpreter, if it makes sense: probes are not to be trusted."""
    try:
        return parse_identity(visit.identity) if visit.identity else None
    except (KeyError, TypeError, ValueError):
        return None


def _unavailable(why: str) -> str:
    """Say why a client that is installed cannot be had; some say so themselves of their own release."""
    kind, _, text = why.partition(": ")
    return text if kind == REFUSAL else f"it cannot be imported: {why}"
