"""The trials of a run's remedies: as guests of a second campaign, and as the rows that they came to."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import RELAXED
from reports.verdicts.floor_file import FloorFile
from reports.verdicts.matrix import Measured, Row, build_matrix
from reports.verdicts.remedies import TRIED, Means, Remedy, idle, needing
from runs.campaign import run_campaign
from runs.visit import observations
from servers.catalogue import Role
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runs.campaign import Campaign, Guest, Progress, Settings
    from servers.catalogue import Catalogue


@dataclass(frozen=True)
class Trial:
    """One remedy tried on one row: the same client, in the same interpreter, with the remedy applied."""

    row: Row
    remedy: Remedy
    guest: Guest

    @property
    def key(self) -> tuple[str, str, Remedy]:
        """By which its outcome is found."""
        return self.row.interpreter.id, self.row.client, self.remedy


@dataclass(frozen=True)
class TrialOutcome:
    """What a trial came to, with the observations that this rests on."""

    trial: Trial
    row: Row
    measured: Measured


def try_out(
    rows: Sequence[Row], guests: Sequence[Guest], means: Means, settings: Settings, say: Progress
) -> tuple[TrialOutcome, ...]:
    """Try on each row that needs it whatever may help, and return what each trial came to.

    `guests` are those that were measured, `settings` those by which they were. The servers that repeat the
    AWS page's check are not met again: no verdict rests on them.
    """
    catalogue = settings.catalogue.only(Role.LADDER, Role.ATTACK)
    settings = replace(settings, catalogue=catalogue, conditions=(Condition.AMBIENT,))
    with tempfile.TemporaryDirectory(dir=settings.cache, prefix="remedy-") as scratch:
        # Every process that a trial starts, under whichever user, has to be able to read them.
        for file in means.files.values():
            if isinstance(file, FloorFile):
                file.write(Path(scratch))
        trials = plan_trials(rows, guests, means, Path(scratch))
        if not trials:
            return ()
        campaign = asyncio.run(run_campaign(guests_of(trials), settings, lambda *_: (), RELAXED, say))
    return outcomes(trials, campaign, catalogue, means)


def plan_trials(
    rows: Sequence[Row], guests: Sequence[Guest], means: Means, folder: Path
) -> tuple[Trial, ...]:
    """Return every trial that the rows call for.

    `guests` are those that were measured; `folder` has the OpenSSL configurations to try. A configuration
    holds for a whole process, so the clients of one environment share one. Whatever else is tried has a
    process of its own: a floor set in code must reach no other client.
    """
    needy = needing(rows)
    configured = {
        (guest.id, guest.python): replace(
            guest,
            id=f"{guest.id}+{Remedy.CONFIGURATION}",
            clients=tuple(row.client for row in needy if _home(row, guests) is guest),
            environment={**guest.environment, "OPENSSL_CONF": str(folder / file.name)},
        )
        for guest in guests
        if isinstance(file := means.files.get(guest.id), FloorFile)
    }

    def guest(row: Row, remedy: Remedy) -> Guest:
        home = _home(row, guests)
        if remedy is Remedy.CONFIGURATION:
            return configured[home.id, home.python]
        alone = replace(home, id=f"{home.id}/{marked(row.client, remedy)}", clients=(row.client,))
        if remedy is Remedy.CODE:
            return replace(alone, snippets={row.client: means.snippets[row.client]})
        return replace(alone, python=Path(means.upgrades[row.interpreter.id, row.client]))

    return tuple(
        Trial(row, remedy, guest(row, remedy))
        for row in needy
        for remedy in TRIED
        if not idle(row, remedy, means)
    )


def _home(row: Row, guests: Sequence[Guest]) -> Guest:
    """Return the guest in which a row's client was measured: an interpreter may have several environments."""
    return next(one for one in guests if one.id == row.interpreter.id and row.client in one.clients)


def guests_of(trials: Sequence[Trial]) -> tuple[Guest, ...]:
    """Return each guest of these trials once."""
    return tuple({id(trial.guest): trial.guest for trial in trials}.values())


def marked(client: str, remedy: Remedy) -> str:
    """Return the name of a client under a remedy: its observations are never those of the plain client."""
    return f"{client}+{remedy}"


def outcomes(
    trials: Sequence[Trial], campaign: Campaign, catalogue: Catalogue, means: Means
) -> tuple[TrialOutcome, ...]:
    """Judge each trial as the matrix judges a row."""
    found = []
    for trial in trials:
        client, name = trial.row.client, marked(trial.row.client, trial.remedy)
        visit = next(visit for guest, _, visit in campaign.visits if guest is trial.guest)
        records = observations(trial.row.interpreter.id, Condition.AMBIENT, visit, campaign.controls)
        why = visit.import_errors.get(client, "")
        measured = Measured(
            trial.row.interpreter,
            {name: f"it did not get as far as a connection: {why}"} if why else {},
            tuple(replace(record, client=name) for record in records if record.client == client),
        )
        (row,) = build_matrix([measured], [name], [Condition.AMBIENT], catalogue, means.floor)
        found.append(TrialOutcome(trial, row, measured))
    return tuple(found)


def with_trials(measured: Sequence[Measured], found: Sequence[TrialOutcome]) -> tuple[Measured, ...]:
    """Return what a run measured with the trials' observations among it, for its evidence."""
    return tuple(
        replace(
            one,
            observations=one.observations
            + tuple(
                record
                for outcome in found
                if outcome.row.interpreter.id == one.interpreter.id
                for record in outcome.measured.observations
            ),
        )
        for one in measured
    )
