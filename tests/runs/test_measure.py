"""Measuring: who is probed where, and how what they met becomes the matrix and the record of the run."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import sys
import threading
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import runs.measure
from interpreters.clients import PROBES, Client, ClientKey, clients
from interpreters.environments import ClientVenv
from interpreters.identify import parse_identity
from interpreters.interpreter import NOT_SHOWN
from interpreters.locate import Candidate
from interpreters.own_clients import OwnClient
from interpreters.places import Place
from interpreters.prepared import Prepared
from interpreters.process_environment import NO_BYTECODE
from interpreters.processes import run
from interpreters.programs import InstalledProgram, Program
from reports.verdicts import judge as judge_module
from reports.verdicts.cells import judge_cell
from reports.verdicts.judge import Verdict
from runs.campaign import CampaignResult, CampaignSize, Settings
from runs.measure import Fleet, RunStart, SilentPlace, measure, measure_all, now, nowhere, probe_tasks
from runs.probe import ProbeTask
from servers.conditions import Condition
from tests.support.builders import (
    FAILED,
    LOOSE,
    STRICT,
    TLS1_2,
    a_catalogue,
    a_program,
    a_row,
    a_run,
    controls,
    keys,
)
from tests.support.limits import HANGS
from tests.support.probed import a_campaign, a_result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from reports.verdicts.cells import CellResult
    from reports.verdicts.matrix import Matrix
    from reports.verdicts.observations import Observation
    from runs.probe import ProbeResult
    from servers.catalogue import Server
    from servers.control import Control
    from servers.progress import Tally
    from tests.support.processes import Witness

    Script = Callable[[str, str], Path]

CATALOGUE = a_catalogue()
CONTROLS = controls(CATALOGUE)
ENVIRONMENT = {"PATH": "/made/up/bin"}
RUN = a_run(CATALOGUE)


def _start(*prepared: Prepared, env: Mapping[str, str] = ENVIRONMENT) -> RunStart:
    """Return a run that is to measure these interpreters."""
    return RunStart(RUN.run_id, RUN.host, RUN.tool, RUN.asked, RUN.scope, prepared, env)


def _prepared(name: str, *venvs: ClientVenv, unavailable: str = "") -> Prepared:
    candidate = Candidate(name, "pyenv", Path(f"/made/up/{name}/bin/python"))
    return replace(Prepared.of(candidate, unavailable=unavailable), venvs=venvs)


def _venv(name: str, *clients: str, unavailable: str = "") -> ClientVenv:
    return ClientVenv(Path(f"/made/up/{name}/bin/python"), keys(clients), unavailable)


def _found(name: str, unavailable: str = "", relaxed: tuple[str, ...] = ()) -> InstalledProgram:
    program = Program(name, name, ("{program}", "{url}"), ask=("--version",), version="(.*)", relaxed=relaxed)
    return InstalledProgram(a_program(name, unavailable), program)


def test_each_interpreter_and_environment_is_a_task_with_its_clients() -> None:
    """What requires nothing is probed in the interpreter itself, where nothing is written."""
    first, second = _venv("first", "urllib3", "botocore"), _venv("second", "requests")
    start = _start(_prepared("a", first, second), _prepared("b", first))
    found = probe_tasks(start, keys(["ssl", "urllib3", "requests"]))
    unwritten = {**ENVIRONMENT, "PYTHONDONTWRITEBYTECODE": "1"}
    needed = {one.id: one.modules for one in clients().values()}
    apart = frozenset(one.id for one in clients().values() if one.apart)
    assert {(str(task.modules), task.apart) for task in found} == {(str(needed), apart)}
    assert tuple(replace(task, modules={}, apart=frozenset()) for task in found) == (
        ProbeTask("a", Path("/made/up/a/bin/python"), unwritten, keys(["ssl"])),
        ProbeTask("a", Path("/made/up/first/bin/python"), ENVIRONMENT, keys(["urllib3"])),
        ProbeTask("a", Path("/made/up/second/bin/python"), ENVIRONMENT, keys(["requests"])),
        ProbeTask("b", Path("/made/up/b/bin/python"), unwritten, keys(["ssl", "requests"])),
        ProbeTask("b", Path("/made/up/first/bin/python"), ENVIRONMENT, keys(["urllib3"])),
    )


def test_what_is_sent_goes_along_with_the_probe() -> None:
    """What travels to a place is found first by the Python there, and what goes nowhere else is not."""
    there = replace(_prepared("a", _venv("a", "botocore")), sent=Path("/made/up/sent"))
    place = Place("exec", "env", ("env",))
    there = replace(there, interpreter=replace(there.interpreter, place=place))
    task, other = probe_tasks(_start(there, _prepared("b")), keys(["botocore"]))
    (*_, spec), _ = task.command(1.0)
    spec = json.loads(str(spec))
    assert spec["folders"] == {"sent": "/made/up/sent"}
    assert spec["set"]["PYTHONPATH"] == "{folder}/sent"
    assert (task.python, other.sent) == (there.executable, None)
    (*_, spec), _ = replace(task, sent=None).command(1.0)
    assert (json.loads(str(spec))["folders"], "PYTHONPATH" in json.loads(str(spec))["set"]) == ({}, False)


def test_an_environment_as_it_was_found_is_named(facts: dict[str, Any]) -> None:
    """What is measured in an environment that was found carries its folder; what we make is called made."""
    folder = Path("/srv/app/venv")
    found = Candidate("env_app_venv", "given", folder / "bin/python", environment=folder)
    start = _start(Prepared.of(found, parse_identity(facts)), _prepared("a"))
    environments = {task.interpreter: task.environment for task in probe_tasks(start, keys(["ssl"]))}
    assert environments == {"env_app_venv": str(folder), "a": "made"}


def test_who_may_be_the_same_as_another_tells_what_is_loaded(facts: dict[str, Any], tmp_path: Path) -> None:
    """Whichever of a family is measured first tells by what the others are held against it."""
    prepared = []
    for name, flags in (("a", ()), ("b", ()), ("c", ("--another-build",))):
        folder = tmp_path / name
        way = Candidate(f"env_{name}", "venv", folder / "bin/python", environment=folder)
        own = {"executable": str(way.path), "prefix": str(folder), "configure_flags": list(flags)}
        each = Prepared.of(way, parse_identity({**facts, **own}))
        # Those that are the same have one file behind their Python.
        built = replace(each.interpreter, build="b" * 16)
        prepared.append(replace(each, interpreter=built, executable=Path(sys.executable)))
    found = probe_tasks(_start(*prepared, _prepared("made")), keys(["ssl"]))
    assert {task.interpreter: task.tells_loaded for task in found} == {
        "env_a": True,
        "env_b": True,
        "env_c": False,
        "made": False,
    }
    assert found[0].alike == found[1].alike != ""


def test_a_client_of_the_users_goes_where_it_may_be(facts: dict[str, Any]) -> None:
    """One that needs what nobody can install is asked for in environments that were found, and only there."""

    def own(name: str, requirement: str, *modules: str) -> OwnClient:
        client = Client(name, requirement, reference=False, modules=modules)
        return OwnClient(client, Path(f"/made/up/{name}.py"), f"the text of {name}", "0" * 64)

    folder = Path("/srv/app/venv")
    found = Candidate("env_app_venv", "given", folder / "bin/python", environment=folder)
    start = _start(Prepared.of(found, parse_identity(facts)), _prepared("a", _venv("first", "asks")))
    everywhere = ("ssl", "needs", "plain", "asks")
    start = replace(
        start,
        own=(own("needs", "", "shop"), own("plain", ""), own("asks", "shop", "shop")),
        request=replace(start.request, found_clients=everywhere),
    )
    tasks = probe_tasks(start, keys(["ssl", "plain", "asks"]))
    assert {(task.interpreter, task.clients) for task in tasks} == {
        ("env_app_venv", keys(everywhere)),
        ("a", keys(["ssl", "plain"])),
        ("a", keys(["asks"])),
    }
    assert {task.sources["plain"] for task in tasks} == {"the text of plain"}
    assert {task.needed(ClientKey("needs")) for task in tasks} == {("shop",)}


def test_a_client_of_the_users_that_is_nowhere_is_named() -> None:
    """One without a row says which modules no environment has; one with a row says nothing."""
    shop, other = (
        OwnClient(Client(name, "", reference=False, modules=("shop", "till")), Path(f"/{name}.py"), "", "")
        for name in ("shop", "other")
    )
    assert nowhere((shop, other), [a_row(client="other"), a_row(client="ssl")]) == (
        "The client shop was measured nowhere: no environment that could be looked into has shop and till.",
    )


def test_what_a_wrapper_sets_is_set_for_its_probes(facts: dict[str, Any]) -> None:
    """Who is started by a wrapper is probed with the variables that the wrapper sets, and without others."""
    sets: dict[str, str | None] = {"OPENSSL_CONF": "/w/legacy.cnf", "LD_PRELOAD": None}
    identity = parse_identity(facts | {"changed": sets})
    wrapped = replace(_prepared("a", _venv("first", "ssl")), changed=identity.changed)
    start = _start(wrapped, _prepared("b", _venv("first")), env={**ENVIRONMENT, "LD_PRELOAD": "x.so"})
    for task in probe_tasks(start, keys(["ssl"])):
        seen = {name: text for name, text in task.env.items() if name not in NO_BYTECODE}
        expected = {**ENVIRONMENT, "OPENSSL_CONF": "/w/legacy.cnf"} if task.interpreter == "a" else start.env
        assert seen == expected


def test_words_and_variables_of_a_subject_go_with_its_probe(facts: dict[str, Any]) -> None:
    """What stands between a Python and its script, and what the Python is started with, its probe has too."""
    python, variables = Path("/made/up/bin/python"), {"OPENSSL_CONF": "/made/up/floor.cnf"}
    folder = Path("/made/up/app.pyz")
    candidate = Candidate(
        "app_shop", "zipapp", python, environment=folder, words=(str(folder),), variables=variables
    )
    (task,) = probe_tasks(_start(Prepared.of(candidate, parse_identity(facts))), keys(["ssl"]))
    assert task.env == {**ENVIRONMENT, **variables, "PYTHONDONTWRITEBYTECODE": "1"}
    assert (task.python, task.arguments) == (python, (str(folder), PROBES))


def test_a_process_is_started_without_what_it_had_not(facts: dict[str, Any]) -> None:
    """A variable of ours that a running process has not is gone; one of its own is told without its value."""
    variables = {"PATH": None, "PYTHONPATH": "/made/up/secret"}
    candidate = Candidate(
        "running_shop", "running", Path("/made/up/python"), environment=Path("/made/up"), variables=variables
    )
    prepared = Prepared.of(candidate, parse_identity(facts))
    (task,) = probe_tasks(_start(prepared), keys(["ssl"]))
    assert "PATH" in ENVIRONMENT
    assert "PATH" not in task.env
    assert task.env["PYTHONPATH"] == "/made/up/secret"
    assert prepared.interpreter.variables == {"PYTHONPATH": NOT_SHOWN}


def test_who_has_no_environment_is_no_task() -> None:
    """An interpreter without an environment is not probed, nor is a client that could not be installed."""
    lacking = _venv("lacking", "urllib3", unavailable="no network")
    start = _start(_prepared("a", unavailable="it hung"), _prepared("b", lacking))
    (task,) = probe_tasks(start, keys(["ssl", "urllib3"]))
    assert (task.interpreter, task.clients) == ("b", keys(["ssl"]))


def test_a_program_is_a_task_run_by_this_python() -> None:
    """A program is its own client, with how to run it, relaxed where it can be; a broken one is left out."""
    programs = (
        _found("one"),
        _found("two", unavailable="it hangs"),
        _found("three", relaxed=("{program}", "-k")),
    )
    one, three = probe_tasks(replace(_start(), programs=programs), keys(["ssl"]))
    for task, name in ((one, "one"), (three, "three")):
        assert (task.interpreter, task.clients) == (f"program_{name}", keys([name]))
        assert (task.python, task.env) == (Path(sys.executable), ENVIRONMENT | NO_BYTECODE)
        assert task.programs[name]["path"] == f"/made/up/{name}"
    assert (set(one.programs), set(three.programs)) == ({"one"}, {"three", "relaxed"})


@dataclass
class _Asked:
    """What the campaign was asked for, and how its controls come out."""

    controls: Mapping[str, Control]

    tasks: Sequence[ProbeTask] = ()
    settings: Settings | None = None
    size: CampaignSize | None = None
    tally: Tally | None = None


def _result(task: ProbeTask) -> ProbeResult:
    """Return what a task's clients told of the ladder; who is called loose goes along with TLS 1.0."""
    return a_result(LOOSE if "loose" in task.interpreter else STRICT, task.clients, CATALOGUE)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> _Asked:
    """Put a made-up campaign in the place of ours, and note what it is asked."""
    noted = _Asked(CONTROLS)

    def campaign(tasks: Sequence[ProbeTask], settings: Settings) -> CampaignResult:
        noted.tasks, noted.settings = tasks, settings
        probes = [(task, condition, _result(task)) for task in tasks for condition in settings.conditions]
        return a_campaign(CATALOGUE, *probes, controls=noted.controls)

    async def campaigns(machines: Sequence[Sequence[ProbeTask]], settings: Settings) -> list[CampaignResult]:
        return [campaign(tasks, settings) for tasks in machines]

    @contextlib.asynccontextmanager
    async def opened(settings: Settings, size: CampaignSize, tally: Tally) -> AsyncIterator[object]:
        noted.size, noted.tally = size, tally

        async def run(tasks: Sequence[ProbeTask]) -> CampaignResult:
            return campaign(tasks, settings)

        yield SimpleNamespace(run=run)

    monkeypatch.setattr(runs.measure, "run_campaigns", campaigns)
    monkeypatch.setattr(runs.measure, "open_campaign", opened)
    return noted


START = replace(
    _start(
        _prepared("strict", _venv("strict", "urllib3")),
        _prepared("hung", unavailable="it hung"),
        _prepared("loose", _venv("loose", "urllib3")),
    ),
    programs=(_found("loose_tool"), _found("broken", unavailable="it hangs")),
)


@pytest.fixture
def settle(tmp_path: Path) -> Callable[..., Settings]:
    """Return a function that settles on conditions."""

    def settings(*conditions: Condition) -> Settings:
        return Settings(CATALOGUE, TLS1_2, conditions or (Condition.AMBIENT,), tmp_path, {})

    return settings


def _measure(settings: Settings) -> Matrix:
    return measure(START, keys(["ssl", "urllib3"]), settings)


def test_all_of_a_run_is_in_the_matrix(asked: _Asked, settle: Callable[..., Settings]) -> None:
    """Interpreters come first, then programs, each with what it met judged, or with why it met nothing."""
    found = _measure(settle())
    assert asked.tasks == probe_tasks(START, keys(["ssl", "urllib3"]))
    names = [one.interpreter.id for one in found.measured]
    assert names == ["strict", "hung", "loose", "program_loose_tool", "program_broken"]
    assert [(row.interpreter.id, str(row.client), row.verdict) for row in found.rows] == [
        ("strict", "ssl", Verdict.ENFORCED),
        ("strict", "urllib3", Verdict.ENFORCED),
        ("hung", "all", Verdict.UNTESTABLE),
        ("loose", "ssl", Verdict.DOWNGRADED),
        ("loose", "urllib3", Verdict.DOWNGRADED),
        ("program_loose_tool", "loose_tool", Verdict.DOWNGRADED),
        ("program_broken", "broken", Verdict.UNTESTABLE),
    ]
    reasons = [row.judgement.reason for row in found.rows if row.verdict is Verdict.UNTESTABLE]
    assert reasons == ["it hung", "it hangs"]


def test_a_failed_control_lets_nothing_count(asked: _Asked, settle: Callable[..., Settings]) -> None:
    """Where no control passed on any server, no row says more than that it is not known."""
    asked.controls = dict.fromkeys(CONTROLS, FAILED)
    found = _measure(settle())
    assert {row.verdict for row in found.rows} == {Verdict.INCONCLUSIVE, Verdict.UNTESTABLE}


@pytest.mark.usefixtures("asked")
def test_the_run_is_our_own_with_what_became_of_it(settle: Callable[..., Settings]) -> None:
    """The record keeps who measured and what was asked, and gains instruments, controls and times."""
    before = now()
    found = _measure(settle())
    assert before <= found.run.started <= found.run.ended <= now()
    assert found.run == replace(
        RUN,
        engine="OpenSSL 9 at /made/up/openssl",
        catalogue=CATALOGUE.sha256,
        controls=CONTROLS,
        started=found.run.started,
        ended=found.run.ended,
    )
    assert (found.catalogue, found.floor) == (CATALOGUE, RUN.asked.floor)


def test_each_condition_has_its_rows(asked: _Asked, settle: Callable[..., Settings]) -> None:
    """What was measured under several conditions is judged under each."""
    conditions = (Condition.AMBIENT, Condition.HARDENED)
    settings = settle(*conditions)
    rows = [row for row in _measure(settings).rows if row.interpreter.id == "strict"]
    assert asked.settings is settings
    assert [(row.condition, str(row.client)) for row in rows] == [
        (condition, client) for condition in conditions for client in ("ssl", "urllib3")
    ]


@pytest.mark.usefixtures("asked")
def test_each_cell_is_judged_once(settle: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrix reuses what the campaign judged: no cell is judged a second time for its row."""
    judged: list[str] = []

    def noted(observation: Observation, server: Server) -> CellResult:
        judged.append(observation.id)
        return judge_cell(observation, server)

    monkeypatch.setattr(judge_module, "judge_cell", noted)
    found = _measure(settle(Condition.AMBIENT, Condition.PERMISSIVE))
    cells = [observation.id for measured in found.measured for observation in measured.observations]
    assert cells
    assert sorted(judged) == sorted(cells)


def _fleet(*enter: Callable[[], RunStart | SilentPlace], at_once: int = 40, away: int = 0) -> Fleet:
    return Fleet({f"place-{number}": each for number, each in enumerate(enter)}, at_once, 10, away, 2)


def _there(host: str) -> RunStart:
    return replace(START, host=host, run_id=host)


@pytest.mark.usefixtures("asked")
def test_each_matrix_is_kept_before_all_are_there(settle: Callable[..., Settings]) -> None:
    """The matrix of each place is given away when it is ready, and is what a run of its own comes to."""
    kept: dict[str, Matrix] = {}
    hosts = ("ssh:a", "ssh:b")
    fleet = _fleet(*(partial(_there, host) for host in hosts))
    measure_all(fleet, keys(["ssl", "urllib3"]), settle(), kept.__setitem__)
    assert {name: matrix.run.host for name, matrix in kept.items()} == {
        "place-0": "ssh:a",
        "place-1": "ssh:b",
    }
    alone = _measure(settle())
    assert [row.judgement for row in kept["place-0"].rows] == [row.judgement for row in alone.rows]

    def fail(name: str, matrix: Matrix) -> None:
        kept[f"{name} again"] = matrix
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure_all(fleet, keys(["ssl"]), settle(), fail)
    assert {name.partition(" ")[2] for name in kept} == {"", "again"}


def test_a_slow_place_holds_up_no_other(asked: _Asked, settle: Callable[..., Settings]) -> None:
    """Where one place ends the next begins, however long another takes; silent ones end at once."""
    kept: list[str] = []
    at_work, others = threading.Semaphore(2), threading.Event()

    def entered(host: str) -> RunStart | SilentPlace:
        assert at_work.acquire(blocking=False), "more places are at work than were asked for"
        if host == "slow":
            assert others.wait(HANGS)
        if host == "silent":
            at_work.release()
            return SilentPlace(host, "no route to host")
        return _there(host)

    def keep(_: str, matrix: Matrix) -> None:
        kept.append(matrix.run.host)
        at_work.release()
        if len(kept) == 3:
            others.set()

    fleet = _fleet(*(partial(entered, host) for host in ("slow", "a", "silent", "b", "c")), at_once=2, away=5)
    measure_all(fleet, keys(["ssl", "urllib3"]), settle(), keep)
    assert kept == ["a", "b", "c", "slow"]
    assert asked.size == CampaignSize(2, 2, counts=False)
    assert asked.tally
    assert (asked.tally.total, asked.tally.what) == (5, "measured")


@pytest.mark.usefixtures("asked")
def test_what_fails_in_one_place_ends_the_commands_of_all(
    settle: Callable[..., Settings], script: Script, witness: Witness
) -> None:
    """Where entering a place ends in an error, nothing goes on in the others."""
    hangs = script("hangs", f"{witness.watch}; sleep {HANGS:g} & sleep {HANGS:g}")
    begun = threading.Event()

    def fails() -> RunStart:
        begun.wait(HANGS)
        raise ZeroDivisionError

    def enter() -> RunStart:
        begun.set()
        run([hangs], os.environ, HANGS)
        return START

    with pytest.raises(ZeroDivisionError):
        measure_all(_fleet(enter, fails), keys(["ssl"]), settle(), lambda *_: None)
    assert witness.all_gone()


def test_the_time_is_utc_to_the_second() -> None:
    """A run's times are ISO 8601, in UTC, and can be told apart and read again."""
    read = dt.datetime.fromisoformat(now())
    assert read.utcoffset() == dt.timedelta(0)
    assert read.isoformat(timespec="seconds") == read.isoformat()
    assert abs(read - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
