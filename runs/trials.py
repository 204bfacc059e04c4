"""The trials of a run's remedies: as tasks of a second campaign, and as the rows that they came to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import PROBES
from interpreters.interpreter import MADE
from interpreters.scratch import scratch_folder
from reports.verdicts.floor_file import FloorFile
from reports.verdicts.judged import JudgedCells
from reports.verdicts.matrix import Measured, Row, build_matrix
from reports.verdicts.observations import Joined
from reports.verdicts.remedies import TRIED, Remedy, RemedyOptions, needing, skip_reason
from runs.campaign import run_campaign
from servers.catalogue import Role
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.verdicts.copies import CopyChange
    from runs.campaign import CampaignResult, Settings
    from runs.probe import ProbeTask
    from servers.catalogue import Catalogue
    from servers.protocols import Protocol


@dataclass(frozen=True)
class Trial:
    """One remedy tried on one row: the same client, in the same interpreter, with the remedy applied.

    In a found environment a newer release is tried in copies, of which each has a trial of its own.
    """

    row: Row
    remedy: Remedy | CopyChange
    task: ProbeTask

    @property
    def key(self) -> tuple[str, str, Remedy | CopyChange]:
        """By which its outcome is found."""
        return self.row.interpreter.id, str(self.row.client), self.remedy


@dataclass(frozen=True)
class TrialOutcome:
    """What a trial came to, with the observations that this rests on."""

    trial: Trial
    row: Row
    measured: Measured


def try_out(
    rows: Sequence[Row],
    tasks: Sequence[ProbeTask],
    options: RemedyOptions,
    settings: Settings,
) -> tuple[TrialOutcome, ...]:
    """Try on each row that needs it whatever may help, and return what each trial came to.

    `tasks` are those that were measured, `settings` those by which they were. The servers that repeat the
    AWS page's check are not met again: no verdict rests on them.
    """
    catalogue = settings.catalogue.only(Role.LADDER, Role.ATTACK)
    settings = replace(settings, catalogue=catalogue, conditions=(Condition.AMBIENT,))
    with scratch_folder(settings.cache, "remedy-") as scratch:
        # Every process that a trial starts, under whichever user, has to be able to read them.
        for file in options.files.values():
            if isinstance(file, FloorFile):
                file.write(scratch)
        trials = plan_trials(rows, tasks, options, scratch)
        if not trials:
            return ()
        campaign = asyncio.run(run_campaign(tasks_of(trials), settings, telling=()))
    return outcomes(trials, campaign, catalogue, options)


def plan_trials(
    rows: Sequence[Row], tasks: Sequence[ProbeTask], options: RemedyOptions, folder: Path
) -> tuple[Trial, ...]:
    """Return every trial that the rows call for.

    `tasks` are those that were measured; `folder` has the OpenSSL configurations to try. A configuration
    holds for a whole process, so the clients of one environment share one. Whatever else is tried has a
    process of its own: a floor set in code must reach no other client.
    """
    needy = needing(rows)
    configured = {
        (task.interpreter, task.python): replace(
            task,
            interpreter=f"{task.interpreter}+{Remedy.CONFIGURATION}",
            clients=tuple(row.client for row in needy if _home(row, tasks) is task),
            env={**task.env, "OPENSSL_CONF": str(folder / file.name)},
        )
        for task in tasks
        if isinstance(file := options.files.get(task.interpreter), FloorFile)
    }

    def task(row: Row, remedy: Remedy) -> ProbeTask:
        home = _home(row, tasks)
        if remedy is Remedy.CONFIGURATION:
            return configured[home.interpreter, home.python]
        client = row.client
        alone = replace(home, interpreter=f"{home.interpreter}/{client.under(remedy)}", clients=(client,))
        if remedy is Remedy.CODE:
            return replace(alone, snippets={str(client): options.snippets[client.name]})
        newer = Path(options.upgrades[row.interpreter.id, str(client)])
        return replace(alone, python=newer, environment=MADE)

    ours = tuple(
        Trial(row, remedy, task(row, remedy))
        for row in needy
        for remedy in TRIED
        if not skip_reason(row, remedy, options)
        and not (remedy is Remedy.UPGRADE and row.interpreter.environment != MADE)
    )
    return (*ours, *_in_copies(needy, tasks, options))


def _in_copies(needy: Sequence[Row], tasks: Sequence[ProbeTask], options: RemedyOptions) -> tuple[Trial, ...]:
    """Return the trials in copies of found environments; the clients of one copy share a process.

    A copy has packages of its own, so nothing stands between its Python and the probe.
    """
    planned = [
        (row, copy)
        for row in needy
        if (copies := options.copies.get(row.interpreter.id))
        for copy in copies.of(str(row.client))
    ]
    shared: dict[tuple[str, Path], ProbeTask] = {}
    for row, copy in planned:
        home, key = _home(row, tasks), (row.interpreter.id, copy.python)
        clients = [other.client for other, its in planned if (other.interpreter.id, its.python) == key]
        shared[key] = replace(
            home,
            interpreter=f"{home.interpreter}+{copy.python.parents[1].name}",
            python=copy.python,
            clients=tuple(dict.fromkeys(clients)),
            environment=MADE,
            arguments=(PROBES,),
        )
    return tuple(Trial(row, copy.change, shared[row.interpreter.id, copy.python]) for row, copy in planned)


def _home(row: Row, tasks: Sequence[ProbeTask]) -> ProbeTask:
    """Return the task in which a row's client was measured: its interpreter may have several."""
    return next(
        task for task in tasks if task.interpreter == row.interpreter.id and row.client in task.clients
    )


def tasks_of(trials: Sequence[Trial]) -> tuple[ProbeTask, ...]:
    """Return each task of these trials once."""
    return tuple({id(trial.task): trial.task for trial in trials}.values())


def outcomes(
    trials: Sequence[Trial], campaign: CampaignResult, catalogue: Catalogue, options: RemedyOptions
) -> tuple[TrialOutcome, ...]:
    """Judge each trial as the matrix judges a row."""
    return tuple(_outcome(trial, campaign, catalogue, options.floor) for trial in trials)


def _outcome(trial: Trial, campaign: CampaignResult, catalogue: Catalogue, floor: Protocol) -> TrialOutcome:
    client, remedied = trial.row.client, trial.row.client.under(trial.remedy)
    probed = campaign.interpreters[trial.task.interpreter]
    why = probed.results[Condition.AMBIENT][trial.task.python].import_errors.get(client, "")
    cells = probed.judged.of(client, Condition.AMBIENT)
    observations = tuple(
        replace(observation, interpreter=trial.row.interpreter.id, client=remedied)
        for observation in cells.observations
    )
    renamed = {(remedied, str(Condition.AMBIENT)): replace(cells, observations=observations)}
    measured = Measured(
        trial.row.interpreter,
        {remedied: f"it did not get as far as a connection: {why}"} if why else {},
        observations,
        judged=JudgedCells(catalogue, renamed),
    )
    (row,) = build_matrix([measured], [remedied], [Condition.AMBIENT], catalogue, floor)
    return TrialOutcome(trial, row, measured)


def with_trials(measured: Sequence[Measured], found: Sequence[TrialOutcome]) -> tuple[Measured, ...]:
    """Return what a run measured with the trials' observations among it, for its evidence."""
    return tuple(
        replace(
            each,
            observations=Joined(
                (
                    each.observations,
                    *(
                        outcome.measured.observations
                        for outcome in found
                        if outcome.row.interpreter.id == each.interpreter.id
                    ),
                )
            ),
        )
        for each in measured
    )
