"""Why a run cannot answer for the machines as they are: pure functions, a sentence with the remedy each."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from reports.verdicts.policy import POLICY
from reports.verdicts.scope import ago, minute, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reports.verdicts.policy import Policy
    from reports.verdicts.scope import Begun, ScopedRun

CLOCKS = dt.timedelta(hours=1)
"""How far the clocks of two machines may be apart before a run counts as one from the future."""


def doubts(
    runs: Sequence[ScopedRun], policy: Policy, now: dt.datetime, *, together: bool = False
) -> tuple[str, ...]:
    """Return why these runs do not answer for their machines now, under this policy; empty if they do.

    `together` says that the run and the decision were asked for in one command: whoever did so knows what
    was left out.
    """
    file = policy.file or POLICY.name
    found: list[str] = []
    for run in runs:
        name = f"the run {run.run_id}" + (f" on {run.host}" if len(runs) > 1 else "")
        if run.scope.partial and not policy.partial and not together:
            found.append(
                f"{name} is partial ({', '.join(run.scope.narrowed)}):"
                f" measure without that, or allow it with partial = true in {file}"
            )
        found += [
            f"{name} {doubt}" for doubt in (*_age(run, policy, now, file), *_variables(run, policy, file))
        ]
    return tuple(found)


def unfinished(begun: Iterable[Begun], runs: Iterable[ScopedRun]) -> tuple[str, ...]:
    """Return a sentence for each run that began after these and broke off, whose result nobody knows."""
    return tuple(
        f"a later run, {run.run_id}, began at {minute(run.started)} and did not finish:"
        " run nox -s matrix again, and see what stopped it"
        for run in _later(begun, runs)
        if not run.running
    )


def on_the_way(begun: Iterable[Begun], runs: Iterable[ScopedRun]) -> tuple[str, ...]:
    """Return a sentence for each run that began after these and still measures."""
    return tuple(
        f"another run, {run.run_id}, began at {minute(run.started)} and still measures:"
        " this decision is about the run before"
        for run in _later(begun, runs)
        if run.running
    )


def _later(begun: Iterable[Begun], runs: Iterable[ScopedRun]) -> list[Begun]:
    newest = max((moment(run.started) for run in runs), default=None)
    return [run for run in begun if newest is None or run.started > newest]


def _age(run: ScopedRun, policy: Policy, now: dt.datetime, file: str) -> list[str]:
    ended = moment(run.ended)
    if ended - now > CLOCKS:
        return [f"ended at {minute(ended)}, which is yet to come: set the clock right, and measure again"]
    if now - ended <= dt.timedelta(days=policy.max_age):
        return []
    days = f"{policy.max_age} day{'' if policy.max_age == 1 else 's'}"
    fact = f"ended {ago(ended, now)}, on {ended:%Y-%m-%d}, and may be {days} old"
    return [f"{fact}: measure again with nox -s matrix, or raise max_age in {file}"]


def _variables(run: ScopedRun, policy: Policy, file: str) -> list[str]:
    """Say under which of OpenSSL's variables a run measured that the policy does not name."""
    found = []
    for name, value in run.scope.variables.items():
        if not name.startswith("OPENSSL_") or (name == "OPENSSL_CONF" and value in policy.openssl_conf):
            continue
        # A policy can name no empty path.
        nameable = name == "OPENSSL_CONF" and value
        allow = f', or allow it with openssl_conf = ["{value}"] in {file}' if nameable else ""
        fact = f"measured under {name}={value}, so what runs without that is not covered"
        found.append(f"{fact}: measure without it{allow}")
    return found
