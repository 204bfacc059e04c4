"""Trials: who is sent where with which remedy applied, and how what they met is judged and kept apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runs.trials
from interpreters.clients import PROBES, ClientKey
from interpreters.deployed.managers import Management, Manager
from interpreters.interpreter import MADE
from reports.verdicts.copies import ChangedCopy, CopyChange, EnvironmentCopies
from reports.verdicts.floor_file import FloorFile
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Measured, build_matrix
from reports.verdicts.remedies import TRIED, Remedy, RemedyOptions
from runs.campaign import CampaignResult, Settings
from runs.probe import ProbeResult, ProbeTask
from runs.trials import outcomes, plan_trials, tasks_of, try_out, with_trials
from servers.catalogue import Role
from servers.conditions import Condition
from tests.support.builders import (
    LOOSE,
    SMALL,
    STRICT,
    TLS1_2,
    Stack,
    a_catalogue,
    a_row,
    an_interpreter,
    an_observation,
    keys,
    ladder,
    meet,
)
from tests.support.probed import a_campaign, a_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.verdicts.observations import Observation

AMBIENT = Condition.AMBIENT
CATALOGUE = a_catalogue(*ladder(a_catalogue()))
FOLDER = Path("/made/up/scratch")
FILE = FloorFile("floor-tls1_2.cnf", "a = b\n")
NEWER = Path("/made/up/newer/bin/python")
TASK = ProbeTask("one", Path("/made/up/bin/python"), {"PATH": "/bin"}, keys(["ssl", "urllib3"]))
OTHER = replace(TASK, python=Path("/made/up/other/bin/python"), clients=keys(["requests"]))
TASKS = (OTHER, replace(TASK, interpreter="two"), TASK)
OPTIONS = RemedyOptions(
    floor=TLS1_2,
    libraries={"ssl": "", "urllib3": "urllib3"},
    snippets={"ssl": "one", "urllib3": "two"},
    upgrades={("one", "urllib3"): NEWER},
    files={"one": FILE},
)
ROWS = (a_row(Verdict.DOWNGRADED, "one", "ssl"), a_row(Verdict.DOWNGRADED, "one", "urllib3"))


def test_each_remedy_that_can_be_tried_has_one_trial() -> None:
    """Every trial is the row's client where it was measured, with one remedy applied and no other."""
    trials = plan_trials(ROWS, TASKS, OPTIONS, FOLDER)
    assert [(str(t.row.client), t.remedy) for t in trials] == [
        ("ssl", Remedy.CONFIGURATION),
        ("ssl", Remedy.CODE),
        *(("urllib3", remedy) for remedy in TRIED),
    ]
    for trial in trials:
        task, client = trial.task, str(trial.row.client)
        configured, coded = trial.remedy is Remedy.CONFIGURATION, trial.remedy is Remedy.CODE
        assert trial.row.client in task.clients
        assert task.env == {"PATH": "/bin"} | (
            {"OPENSSL_CONF": str(FOLDER / FILE.name)} if configured else {}
        )
        assert task.snippets == ({client: OPTIONS.snippets[client]} if coded else {})
        assert task.python == (NEWER if trial.remedy is Remedy.UPGRADE else TASK.python)


FOUND = replace(an_interpreter("one"), environment="/srv/shop/venv")
COPIES = EnvironmentCopies(
    (),
    (),
    Management(Manager.PIP),
    copies=(
        ChangedCopy(CopyChange.COPY, ("urllib3", "botocore"), Path("/made/up/copy/bin/python")),
        ChangedCopy(CopyChange.ALLOWED, ("urllib3",), Path("/made/up/copy-1/bin/python")),
        ChangedCopy(CopyChange.ALLOWED, ("botocore",), Path("/made/up/copy-1/bin/python")),
    ),
)


def test_a_found_environment_is_tried_in_copies() -> None:
    """Clients share a process for each copy, started as the environment is; nothing else is newer there."""
    home = replace(
        TASK,
        env={"OPENSSL_CONF": "/its/own.cnf"},
        clients=keys(["ssl", "urllib3", "botocore"]),
        environment="/srv/shop/venv",
        arguments=("/srv/app.pyz", PROBES),
    )
    options = replace(
        OPTIONS, copies={"one": COPIES}, libraries={**OPTIONS.libraries, "botocore": "botocore"}
    )
    rows = [a_row(Verdict.DOWNGRADED, client=name, interpreter=FOUND) for name in home.clients]
    trials = [one for one in plan_trials(rows, [home], options, FOLDER) if one.remedy in CopyChange]
    assert [(str(one.row.client), one.remedy) for one in trials] == [
        ("urllib3", CopyChange.COPY),
        ("urllib3", CopyChange.ALLOWED),
        ("botocore", CopyChange.COPY),
        ("botocore", CopyChange.ALLOWED),
    ]
    tasks = tasks_of(trials)
    assert [(task.interpreter, task.python, task.clients) for task in tasks] == [
        (f"one+{name}", Path("/made/up", name, "bin/python"), keys(["urllib3", "botocore"]))
        for name in ("copy", "copy-1")
    ]
    for task in tasks:
        assert (task.env, task.environment, task.arguments) == (home.env, MADE, (PROBES,))
    others = [one for one in plan_trials(rows, [home], options, FOLDER) if one.remedy not in CopyChange]
    assert {one.remedy for one in others} == {Remedy.CONFIGURATION, Remedy.CODE}
    assert {one.task.python for one in others} == {home.python}
    assert all(one.task.arguments == home.arguments for one in others)


def test_only_a_configuration_is_shared() -> None:
    """Clients of one environment meet a configuration in one process, and any other remedy alone."""
    trials = plan_trials([*ROWS, a_row(Verdict.DOWNGRADED, "one", "requests")], TASKS, OPTIONS, FOLDER)
    visited = {(task.interpreter, task.python): [*map(str, task.clients)] for task in tasks_of(trials)}
    assert visited == {
        ("one+openssl.cnf", TASK.python): ["ssl", "urllib3"],
        ("one+openssl.cnf", OTHER.python): ["requests"],
        ("one/ssl+code", TASK.python): ["ssl"],
        ("one/urllib3+code", TASK.python): ["urllib3"],
        ("one/urllib3+newer release", NEWER): ["urllib3"],
    }


def test_the_configuration_takes_the_place_of_the_callers() -> None:
    """A configuration that the caller exports is not the one that is tried."""
    task = replace(TASK, env={"OPENSSL_CONF": "/the/callers.cnf"})
    given = {t.remedy: t.task.env["OPENSSL_CONF"] for t in plan_trials(ROWS[:1], [task], OPTIONS, FOLDER)}
    assert given == {Remedy.CONFIGURATION: str(FOLDER / FILE.name), Remedy.CODE: "/the/callers.cnf"}


def test_nothing_is_tried_on_rows_that_hold() -> None:
    """An enforced row has no trials."""
    assert plan_trials([a_row(Verdict.ENFORCED, "one")], TASKS, OPTIONS, FOLDER) == ()


TRIALS = plan_trials(ROWS, TASKS, OPTIONS, FOLDER)


def _campaign(stacks: Mapping[ClientKey, Stack | None]) -> CampaignResult:
    """Let each trial's client, under its remedy, meet the ladder; None cannot be imported."""
    probes = []
    for task in tasks_of(TRIALS):
        remedy = next(trial.remedy for trial in TRIALS if trial.task is task)
        observations: list[Observation] = []
        errors: dict[ClientKey, str] = {}
        for client in task.clients:
            if stack := stacks[client.under(remedy)]:
                observations += a_result(stack, [client], CATALOGUE).observations
            else:
                errors[client] = "ImportError: gone"
                observations += (
                    an_observation(server, client=client, missing="gone") for server in CATALOGUE.servers
                )
        probes.append((task, AMBIENT, ProbeResult(None, tuple(observations), errors)))
    return a_campaign(CATALOGUE, *probes)


@pytest.mark.parametrize("turn", range(3))
def test_a_trial_is_judged_as_a_row_is(turn: int) -> None:
    """Trials that met the ladder strictly are enforced, loosely downgraded, and not at all untestable."""
    cycle = [(STRICT, Verdict.ENFORCED), (LOOSE, Verdict.DOWNGRADED), (None, Verdict.UNTESTABLE)]
    names = [trial.row.client.under(trial.remedy) for trial in TRIALS]
    dealt = {name: cycle[(place + turn) % 3] for place, name in enumerate(names)}
    campaign = _campaign({name: stack for name, (stack, _) in dealt.items()})
    for one in outcomes(TRIALS, campaign, CATALOGUE, OPTIONS):
        stack, verdict = dealt[one.row.client]
        assert one.row.client == one.trial.row.client.under(one.trial.remedy)
        assert one.row.verdict is verdict
        assert one.row.client_version == ("1.0" if stack else "")
        assert stack or "ImportError: gone" in one.row.judgement.reason


def test_trials_never_mix_with_the_plain_rows() -> None:
    """A run's matrix is the same with the trials' observations among it, and all of them are there."""
    names = [trial.row.client.under(trial.remedy) for trial in TRIALS]
    found = outcomes(TRIALS, _campaign(dict.fromkeys(names, STRICT)), CATALOGUE, OPTIONS)
    plain = tuple(replace(meet(LOOSE, s), interpreter="one") for s in CATALOGUE.servers)
    measured = (Measured(an_interpreter("one"), {}, plain), Measured(an_interpreter("two"), {}, ()))
    joined = with_trials(measured, found)
    arguments = (keys(["ssl", "urllib3"]), [AMBIENT], CATALOGUE, TLS1_2)
    assert build_matrix(joined, *arguments) == build_matrix(measured, *arguments)
    assert len(joined[0].observations) == len(plain) + len(TRIALS) * len(CATALOGUE.servers)
    assert not joined[1].observations
    assert {record.client for record in joined[0].observations} == {ClientKey("ssl"), *names}
    ids = [record.id for record in joined[0].observations]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("remedy", TRIED)
def test_a_marked_name_is_no_clients(remedy: Remedy) -> None:
    """No client file can have a name with the mark in it."""
    assert not str(ClientKey("ssl").under(remedy)).isidentifier()


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


class _Tried:
    """In place of a campaign: every client is as loose as before, but for those under a configuration."""

    def __init__(self) -> None:
        self.settings: list[Settings] = []
        self.tasks: list[ProbeTask] = []
        self.configurations: dict[str, str] = {}

    async def campaign(
        self,
        tasks: Sequence[ProbeTask],
        settings: Settings,
        telling: Sequence[Condition],
    ) -> CampaignResult:
        assert telling == ()
        self.settings.append(settings)
        self.tasks += tasks
        probes = []
        for task in tasks:
            if conf := task.env.get("OPENSSL_CONF"):
                self.configurations[conf] = _text(conf)
            observations = tuple(
                replace(
                    meet(STRICT if conf else LOOSE, server),
                    client=client,
                    client_version="2.0",
                )
                for client in task.clients
                for server in settings.catalogue.servers
            )
            probes.append((task, AMBIENT, ProbeResult(None, observations)))
        return a_campaign(settings.catalogue, *probes)


def _settings(cache: Path) -> Settings:
    whole = a_catalogue(*SMALL, replace(SMALL[0], id="tampers", role=Role.ATTACK))
    return Settings(whole, TLS1_2, tuple(Condition), cache, {})


def test_no_server_is_started_where_there_is_nothing_to_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every row holds, nobody is sent anywhere."""
    tried = _Tried()
    monkeypatch.setattr(runs.trials, "run_campaign", tried.campaign)
    holds = [a_row(Verdict.ENFORCED, "one")]
    assert try_out(holds, TASKS, OPTIONS, _settings(tmp_path)) == ()
    assert tried.settings == []


def test_what_is_tried_is_what_was_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each trial meets every server that verdicts rest on, as the machine is, under our own configuration."""
    tried = _Tried()
    monkeypatch.setattr(runs.trials, "run_campaign", tried.campaign)
    settings = _settings(tmp_path)
    found = try_out(ROWS, TASKS, OPTIONS, settings)
    ((conf, text),) = tried.configurations.items()
    assert text == FILE.text
    planned = plan_trials(ROWS, TASKS, OPTIONS, Path(conf).parent)
    assert tried.tasks == list(tasks_of(planned))
    assert [one.trial for one in found] == list(planned)
    for one in found:
        configured = one.trial.remedy is Remedy.CONFIGURATION
        # Under the configuration only the server that tampers is left to go along with.
        assert one.row.verdict is (Verdict.FRAGILE if configured else Verdict.DOWNGRADED)
    met = [server for server in settings.catalogue.servers if server.role is not Role.PAGE]
    assert tried.settings == [replace(settings, catalogue=a_catalogue(*met), conditions=(AMBIENT,))]


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, OSError])
def test_nothing_is_left_of_a_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] | None
) -> None:
    """The configuration is in our own folder while it is tried, and gone afterwards, whatever happens."""
    tried = _Tried()

    async def campaign(
        tasks: Sequence[ProbeTask], settings: Settings, telling: Sequence[Condition]
    ) -> CampaignResult:
        (conf,) = {conf for task in tasks if (conf := task.env.get("OPENSSL_CONF"))}
        assert Path(conf).is_relative_to(tmp_path)
        if error:
            raise error
        return await tried.campaign(tasks, settings, telling)

    monkeypatch.setattr(runs.trials, "run_campaign", campaign)
    if error:
        with pytest.raises(error):
            try_out(ROWS, TASKS, OPTIONS, _settings(tmp_path))
    else:
        try_out(ROWS, TASKS, OPTIONS, _settings(tmp_path))
    # By its lock runs take turns at making their folders; it holds nothing of a trial.
    assert [path.name for path in tmp_path.iterdir()] == [".scratch.lock"]
