"""Puts together, for each interpreter, what its environment session and the campaign found out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from interpreters.clients import ClientKey
from interpreters.identify import parse_identity
from interpreters.interpreter import MADE
from interpreters.prepared import explain_context
from interpreters.wrapper import applied
from reports.verdicts.matrix import Measured
from reports.verdicts.start_up import apart
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from interpreters.identify import Identity
    from interpreters.prepared import Prepared
    from interpreters.programs import InstalledProgram
    from reports.verdicts.start_up import StartUp
    from runs.campaign import CampaignResult, ProbedInterpreter
    from runs.probe import ProbeResult

REFUSAL = "releases.NotMeasurableError"
"""The exception by which a client's file in probes/ says of a release that it cannot be measured."""


def collect(
    prepared: Sequence[Prepared],
    campaign: CampaignResult,
    env: Mapping[str, str],
) -> tuple[Measured, ...]:
    """Return one entry for each prepared interpreter, in order, measured or not.

    An environment that nobody named, and in which none of the clients is installed, has no entry. `env` is
    what all were run in under the ambient condition.
    """
    probed = campaign.interpreters
    found = {each.interpreter.id: _measured(each, probed.get(each.interpreter.id), env) for each in prepared}
    for each in prepared:
        if leader := campaign.followers.get(each.interpreter.id):
            found[each.interpreter.id] = _shared(each, found[leader])
    return tuple(measured for measured in found.values() if measured is not None)


def _shared(prepared: Prepared, leader: Measured | None) -> Measured | None:
    """Return what is known of an environment from another that is the same; it has no observations itself."""
    if leader is None:
        return None
    interpreter = replace(
        prepared.interpreter,
        shared_with=leader.interpreter.id,
        unavailable=leader.interpreter.unavailable,
    )
    return replace(leader, interpreter=interpreter, observations=())


def collect_programs(programs: Sequence[InstalledProgram], campaign: CampaignResult) -> tuple[Measured, ...]:
    """Return one entry for each program, in order, measured or not.

    What a probe reported of its interpreter is of no concern here: that is the one that ran the program.
    """
    probed = campaign.interpreters
    return tuple(_measured_program(program, probed.get(program.interpreter.id)) for program in programs)


def _measured_program(program: InstalledProgram, probed: ProbedInterpreter | None) -> Measured:
    return Measured(
        interpreter=program.interpreter,
        unavailable={},
        observations=probed.observations if probed else (),
        clients=(ClientKey(program.program.id),),
        judged=probed.judged if probed else None,
    )


def _measured(
    prepared: Prepared, probed: ProbedInterpreter | None, env: Mapping[str, str]
) -> Measured | None:
    interpreter, unavailable = prepared.interpreter, dict(prepared.uninstalled)
    if probed is None:
        return Measured(interpreter, unavailable, ())
    results = probed.all_results
    for result in results:
        unavailable |= {client: _unavailable(why) for client, why in result.import_errors.items()}
    clients: Sequence[ClientKey] = ()
    nothing_there = ""
    if interpreter.environment != MADE and not (clients := probed.clients):
        nothing_there = next((result.problem for result in results if result.problem), "")
        if not prepared.given and not nothing_there:
            return None
        clients = sorted({client for result in results for client in result.absent}, key=str)
        unavailable |= dict.fromkeys(clients, f"it is not installed in {interpreter.environment}")
    # What the interpreter reported of itself while it was measured is newer than what it said before.
    if identity := next(filter(None, map(_identity, results)), None):
        interpreter = prepared.described_by(identity, env)
    why = interpreter.unavailable or nothing_there or _context_unavailable(prepared, probed, env)
    return Measured(
        interpreter=replace(interpreter, unavailable=why),
        unavailable=unavailable,
        observations=probed.observations,
        clients=() if nothing_there else tuple(clients),
        apart=_apart(prepared.executable, probed),
        judged=probed.judged,
    )


def _context_unavailable(prepared: Prepared, probed: ProbedInterpreter, env: Mapping[str, str]) -> str:
    """Say why an interpreter makes no TLS context, which made TLS contexts when it was identified.

    Its identity is remembered, and its OpenSSL configuration may have been broken since then. Empty where a
    client connected all the same, with a TLS library of its own: a problem leaves no other row.
    """
    if any(seen.account and seen.account.outcome == "connected" for seen in probed.observations):
        return ""
    home = probed.results.get(Condition.AMBIENT, {}).get(prepared.executable)
    identity = _identity(home) if home else None
    return explain_context(identity, applied(env, prepared.started_with)) if identity else ""


def _apart(home: Path, probed: ProbedInterpreter) -> dict[ClientKey, StartUp]:
    """Return, by client, what sets the interpreter itself apart from where the client was measured."""
    found: dict[ClientKey, StartUp] = {}
    for results in probed.results.values():
        # Not under each condition is everybody probed.
        if home not in results:
            continue
        own = _identity(results[home])
        for task in probed.tasks:
            there = _identity(results[task.python]) if task.python in results else None
            if there and task.python != home and (different := apart(own, there)):
                for client in task.clients:
                    found.setdefault(client, different)
    return found


def _identity(result: ProbeResult) -> Identity | None:
    """Return what a probe reported of its interpreter, if it is well-formed: probes are not to be trusted."""
    try:
        return parse_identity(result.identity) if result.identity else None
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError):
        return None


def _unavailable(why: str) -> str:
    """Say why a client that is installed cannot be had; some say so themselves of their own release."""
    kind, _, text = why.partition(": ")
    return text if kind == REFUSAL else f"it cannot be imported: {why}"
