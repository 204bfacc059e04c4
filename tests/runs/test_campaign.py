"""A campaign: which task is probed under which condition, in which environment, and with which servers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import ssl
import stat
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from interpreters.clients import PROBES, RELAXED, ClientKey
from interpreters.log import shown
from interpreters.places import Place
from interpreters.process_environment import NO_BYTECODE
from reports.verdicts.judged import JudgedCells
from runs import campaign as campaign_module
from runs.campaign import (
    NOBODY_TELLS,
    TELLING,
    CampaignResult,
    ProbedInterpreter,
    Settings,
    _doubts,
    run_campaign,
)
from runs.probe import ProbeResult, ProbeTask
from runs.spool import Spooled, spool
from runs.unfinished import unfinished
from servers import lab as lab_module
from servers.catalogue import Catalogue, Role, read_catalogue
from servers.conditions import Condition, configuration
from servers.engine import EngineError
from servers.progress import counted
from servers.protocols import Protocol
from servers.s_server import find_s_server
from tests.support.builders import LOOSE, STRICT, Stack, a_catalogue, keys, meet
from tests.support.limits import HANGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runs.visits import RememberedVisits
    from servers.control import Control


class _Probes:
    """In place of probes: notes each task, and what is in the configuration that it was given."""

    def __init__(self) -> None:
        self.tasks: list[ProbeTask] = []
        self.configurations: list[str | None] = []
        self.controls: list[Mapping[str, Control]] = []
        self.absent: frozenset[ClientKey] = frozenset()
        self.stacks: dict[tuple[str, Condition], Stack] = {}
        """How clients meet the servers, by their text and condition; those that are not here do not."""
        self.now = 0
        self.most = 0

    def probe(self, task: ProbeTask) -> _Probe:
        return _Probe(task, self)

    @property
    def clients(self) -> list[tuple[ClientKey, ...]]:
        return [task.clients for task in self.tasks]

    @property
    def servers(self) -> list[list[str]]:
        return [[server.server.id for server in task.servers] for task in self.tasks]


@dataclass
class _Probe:
    """In place of one probe."""

    task: ProbeTask
    noted: _Probes
    cpu: float = 0.5

    async def run(self) -> None:
        noted = self.noted
        noted.now += 1
        noted.most = max(noted.most, noted.now)
        await asyncio.sleep(0)
        noted.tasks.append(self.task)
        noted.configurations.append(_text(self.task.env.get("OPENSSL_CONF")))
        noted.now -= 1

    def result(self, controls: Mapping[str, Control]) -> ProbeResult:
        self.noted.controls.append(controls)
        observations = tuple(
            replace(meet(stack, server.server), client=client, condition=self.task.condition)
            for client, server in self.task.pairs
            if (stack := self.noted.stacks.get((str(client), self.task.condition)))
        )
        return ProbeResult(None, observations, absent=self.noted.absent)


def _text(path: str | None) -> str | None:
    """Return what is in a file as long as it is there."""
    return Path(path).read_text() if path and Path(path).exists() else None


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no certificates: where no server can be started nobody needs them, and they take their time."""
    monkeypatch.setattr(lab_module, "issue", lambda _: {})
    monkeypatch.setattr(lab_module, "issue_page", lambda *_: None)


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch, no_keys: None) -> _Probes:  # noqa: ARG001
    """Put notes in the place of probes."""
    noted = _Probes()
    monkeypatch.setattr(campaign_module, "Probe", noted.probe)
    return noted


def _task(name: str = "here", **env: str) -> ProbeTask:
    return ProbeTask(name, Path(sys.executable), {"PATH": "/bin", **env}, keys(["ssl"]))


def _settings(folder: Path, *conditions: Condition, openssl: Path | None = None) -> Settings:
    """Settle on the s_server entries, which nobody serves if no openssl is given."""
    (folder / "cache").mkdir(mode=0o700)
    whole = read_catalogue()
    ours = tuple(
        server if openssl else replace(server, engine="nobody")
        for server in whole.servers
        if server.engine == "openssl"
    )
    return Settings(
        catalogue=Catalogue(ours, whole.sha256),
        floor=Protocol.TLSV1_2,
        conditions=conditions,
        cache=folder / "cache",
        env=os.environ,
        openssl=openssl,
    )


def _run(
    tasks: Sequence[ProbeTask], settings: Settings, say: Callable[[str], object] = lambda _: None
) -> CampaignResult:
    async def limited() -> CampaignResult:
        async with asyncio.timeout(HANGS):
            return await run_campaign(tasks, settings)

    with shown(say):
        return asyncio.run(limited())


def test_a_task_is_probed_once_under_each_condition(tmp_path: Path, probes: _Probes) -> None:
    """Each condition that was asked for is one run of our probe, in order, on the whole catalogue."""
    conditions = (Condition.HARDENED, Condition.AMBIENT, Condition.PERMISSIVE)
    settings = _settings(tmp_path, *conditions)
    task = _task()
    done = _run([task], settings)
    probed = done.interpreters[task.interpreter]
    assert {condition: list(results) for condition, results in probed.results.items()} == {
        condition: [task.python] for condition in conditions
    }
    assert list(probed.results) == [task.condition for task in probes.tasks] == list(conditions)
    assert [(sent.python, sent.arguments) for sent in probes.tasks] == [(task.python, (PROBES,))] * 3
    assert probes.servers == [[server.id for server in settings.catalogue.servers]] * 3
    assert probes.controls == [done.controls] * 3


def test_what_a_task_has_goes_along_with_each_probe(tmp_path: Path, probes: _Probes) -> None:
    """Its snippets, its environment and whether it tells what is loaded are passed on, if it has them."""
    given = replace(
        _task("it"), snippets={"ssl": "floor = 1"}, environment="/srv/app", alike="them", tells_loaded=True
    )
    _run([given, _task("other")], _settings(tmp_path, Condition.AMBIENT))
    passed = {task.interpreter: (task.snippets, task.environment, task.tells_loaded) for task in probes.tasks}
    assert passed == {"it": ({"ssl": "floor = 1"}, "/srv/app", True), "other": ({}, "made", False)}


def test_one_of_a_family_is_measured_for_those_that_are_the_same(tmp_path: Path, probes: _Probes) -> None:
    """Who differs is measured too, and so is whoever has nothing in common with them."""
    texts = {"a": "1", "b": "1", "c": "2", "d": "2"}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyvenv.cfg").write_text(text)
    family = [replace(_task(name), environment=str(tmp_path / name), alike="them") for name in texts]
    done = _run([*family, _task("other")], _settings(tmp_path, Condition.AMBIENT))
    assert {task.interpreter for task in probes.tasks} == {"a", "c", "other"}
    assert list(done.interpreters) == ["a", "c", "other"]
    assert done.followers == {"b": "a", "d": "c"}


def test_each_probe_has_a_folder_for_what_is_compiled(tmp_path: Path, probes: _Probes) -> None:
    """That is in our cache, and forgotten after a month; no other place reaches that folder."""
    found, settings = _task("it", **NO_BYTECODE), _settings(tmp_path, Condition.AMBIENT)
    folder = settings.cache / "compiled"
    for name, days in (("old", 31), ("new", 29)):
        (folder / "cpython-312").mkdir(parents=True, exist_ok=True)
        (path := folder / "cpython-312" / name).touch()
        os.utime(path, (when := time.time() - days * 24 * 3600, when))
    _run([found, _task("made"), replace(found, interpreter="there", place=Place("exec", "env"))], settings)
    given = {task.interpreter: task.compiled for task in probes.tasks}
    assert given == {"it": folder, "made": folder, "there": None}
    assert [path.name for path in folder.glob("*/*")] == ["new"]


def test_what_takes_longer_begins_first(tmp_path: Path, probes: _Probes) -> None:
    """An environment is probed before the interpreter itself, whose results come first all the same."""
    itself, environment = _task(), replace(_task(), python=tmp_path / "python")
    done = _run([itself, environment], _settings(tmp_path, Condition.AMBIENT))
    begun = [task.python for task in probes.tasks if task.condition is Condition.AMBIENT]
    assert begun == [environment.python, itself.python]
    assert list(done.interpreters["here"].results[Condition.AMBIENT]) == [itself.python, environment.python]


def test_something_else_is_done_while_probes_run(tmp_path: Path, probes: _Probes) -> None:
    """It is done once, in another thread, in the phase of the probes; what it raises is not lost."""
    done: list[object] = []

    def work() -> None:
        done.append((threading.current_thread() is threading.main_thread(), set(settings.spending.phases)))

    settings = replace(_settings(tmp_path, Condition.AMBIENT), meanwhile=work)
    _run([_task()], settings)
    assert done == [(False, {"start", "servers up"})]
    assert probes.tasks
    with pytest.raises(ZeroDivisionError):
        _run([_task()], replace(settings, meanwhile=lambda: 1 // 0))


def test_each_probe_has_a_folder_for_temporary_files(
    tmp_path: Path, probes: _Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ours, and gone with what the probe left there, which was killed; no other place reaches it."""
    make, seen = probes.probe, []

    def leaves_a_file(task: ProbeTask) -> _Probe:
        if task.place.is_local:
            seen.append(folder := Path(task.env["TMPDIR"]))
            assert not list(folder.iterdir())
            (folder / "left" / "behind").mkdir(parents=True)
        return make(task)

    monkeypatch.setattr(campaign_module, "Probe", leaves_a_file)
    task = _task(TMPDIR="/elsewhere")
    settings = _settings(tmp_path, Condition.AMBIENT, Condition.HARDENED)
    _run([task, replace(task, interpreter="there", place=Place("exec", "env"))], settings)
    assert len(set(seen)) == len(settings.conditions)
    assert all(folder.is_relative_to(settings.cache) and not folder.exists() for folder in seen)
    there = [sent.env["TMPDIR"] for sent in probes.tasks if sent.interpreter == "there"]
    assert there == [task.env["TMPDIR"]] * len(settings.conditions)


@pytest.mark.parametrize("environment", ["made", "/srv/app"])
def test_what_is_not_there_is_asked_for_once(tmp_path: Path, probes: _Probes, environment: str) -> None:
    """An environment as found is probed under further conditions for what it has; ours has all."""
    wanted, probes.absent = keys(["ssl", "httpx", "botocore"]), frozenset(keys(["httpx"]))
    modules = {"httpx": ("httpx",), "botocore": ("botocore",)}
    task = replace(_task("it"), clients=wanted, environment=environment, modules=modules)
    probes.stacks["botocore", Condition.HARDENED] = STRICT
    probed = _run([task], _settings(tmp_path, Condition.AMBIENT, Condition.HARDENED)).interpreters["it"]
    there = wanted if environment == "made" else keys(["ssl", "botocore"])
    assert probes.clients == [wanted, there, (ClientKey("botocore"), RELAXED)]
    assert [sent.modules for sent in probes.tasks[:2]] == [modules, modules if environment == "made" else {}]
    assert probed.clients == there


def test_configuration_is_passed_but_to_the_ambient_condition(tmp_path: Path, probes: _Probes) -> None:
    """Our conditions pass the path of their own file; the ambient one leaves the environment alone."""
    settings = _settings(tmp_path, *Condition)
    task = _task(SOME="thing")
    _run([task], settings)
    envs = [{name: sent.env[name] for name in sent.env if name != "TMPDIR"} for sent in probes.tasks]
    seen = dict(zip(Condition, zip(envs, probes.configurations, strict=True), strict=True))
    assert seen[Condition.AMBIENT] == (task.env, None)
    for condition in set(Condition) - {Condition.AMBIENT}:
        env, text = seen[condition]
        assert text == configuration(condition, settings.floor)
        assert {**env, "OPENSSL_CONF": ""} == {**task.env, "OPENSSL_CONF": ""}


def test_a_task_s_own_configuration_is_ambient_only(tmp_path: Path, probes: _Probes) -> None:
    """A user's OPENSSL_CONF is part of the ambient condition and of no other."""
    _run([_task(OPENSSL_CONF="/users.cnf")], _settings(tmp_path, *Condition))
    paths = {task.condition: task.env["OPENSSL_CONF"] for task in probes.tasks}
    assert [condition for condition, path in paths.items() if path == "/users.cnf"] == [Condition.AMBIENT]


def test_reference_client_comes_along_under_permissive(tmp_path: Path, probes: _Probes) -> None:
    """The reference client is sent under the permissive condition and under no other."""
    _run([_task()], _settings(tmp_path, *Condition))
    for condition, clients in zip(Condition, probes.clients, strict=True):
        assert (RELAXED in clients) is (condition is Condition.PERMISSIVE)
        assert ClientKey("ssl") in clients


@pytest.mark.parametrize("needed", [TELLING, TELLING[:1]])
def test_who_is_held_is_probed_once_under_each_telling_condition(
    tmp_path: Path, probes: _Probes, needed: tuple[Condition, ...]
) -> None:
    """A held client goes again, with the reference if permissive, to one old server of each kind."""
    settings = _settings(tmp_path, Condition.AMBIENT)
    probes.stacks["ssl", Condition.AMBIENT] = STRICT
    # Only of whom the permissive condition lets through, the empty one tells more.
    probes.stacks["ssl", Condition.PERMISSIVE] = LOOSE if Condition.EMPTY in needed else STRICT
    done = _run([_task()], settings)
    assert list(done.interpreters["here"].results) == [Condition.AMBIENT, *needed]
    assert set(probes.clients[1]) == {ClientKey("ssl"), RELAXED}
    assert probes.clients[2:] == [keys(["ssl"])] * (len(needed) - 1)
    assert probes.configurations[1:] == [configuration(condition, settings.floor) for condition in needed]
    assert probes.servers[2:] == probes.servers[1:2] * (len(needed) - 1)
    below = [s for s in settings.catalogue.servers if s.role is Role.LADDER and s.only_below(settings.floor)]
    chosen = [settings.catalogue[name] for name in probes.servers[1]]
    assert set(chosen) <= set(below)
    kinds = [(server.key_exchange, server.certificate) for server in chosen]
    assert sorted(kinds) == sorted({(server.key_exchange, server.certificate) for server in below})
    for server in chosen:
        rivals = [
            s for s in below if (s.key_exchange, s.certificate) == (server.key_exchange, server.certificate)
        ]
        assert len(server.protocols) == max(len(rival.protocols) for rival in rivals)


@pytest.mark.parametrize("stack", [None, LOOSE, STRICT])
def test_what_was_observed_is_judged_once_and_kept(
    tmp_path: Path, probes: _Probes, stack: Stack | None
) -> None:
    """Each observation's cell is judged, as it is when the observations are judged on their own."""
    settings = _settings(tmp_path, Condition.AMBIENT, Condition.PERMISSIVE)
    if stack:
        probes.stacks.update({("ssl", condition): stack for condition in settings.conditions})
    probed = _run([_task()], settings).interpreters["here"]
    assert len(probed.observations) == (2 * len(settings.catalogue.servers) if stack else 0)
    assert probed.judged == JudgedCells(settings.catalogue).and_of(probed.observations)


@pytest.mark.parametrize("stack", [None, LOOSE, STRICT])
def test_nobody_is_probed_again_where_that_tells_nothing(
    tmp_path: Path, probes: _Probes, stack: Stack | None
) -> None:
    """Who was probed under a telling condition, or is not held, is not probed under one again."""
    conditions = TELLING if stack is STRICT else (Condition.AMBIENT,)
    if stack:
        probes.stacks.update({("ssl", condition): stack for condition in conditions})
    _run([_task()], _settings(tmp_path, *conditions))
    assert len(probes.tasks) == len(conditions)


def test_what_was_observed_waits_in_the_spool(tmp_path: Path, probes: _Probes) -> None:
    """With a spool the same comes of a campaign, and what was observed is out of memory."""
    probes.stacks = {("ssl", condition): STRICT for condition in Condition}
    settings = _settings(tmp_path, Condition.AMBIENT)
    plain = _run([_task()], settings).interpreters["here"]
    with spool(tmp_path, in_memory=0) as ours:
        kept = _run([_task()], replace(settings, spool=ours)).interpreters["here"]
        assert len(kept.observations) > len(settings.catalogue.servers)
        assert list(kept.observations) == list(plain.observations)
        assert kept.judged.kept(tuple) == plain.judged
        cells = kept.judged.by_client.values()
        assert all(isinstance(each.observations, Spooled) for each in cells)
        assert not any(result.observations for result in kept.all_results)


def test_what_was_measured_before_is_not_measured_again(tmp_path: Path, probes: _Probes) -> None:
    """A run that goes on with another probes the rest alone, and gives what both came to."""
    probes.stacks = {("ssl", condition): LOOSE for condition in Condition}
    settings = _settings(tmp_path, Condition.AMBIENT)
    question = {"checkout": "a", "options": "b", "interpreters": {}}
    tasks = [_task("first"), _task("second")]
    with contextlib.suppress(ZeroDivisionError), unfinished(tmp_path, "one", question, resume=False) as kept:
        _run(tasks[:1], replace(settings, unfinished=kept))
        raise ZeroDivisionError
    before = len(probes.tasks)
    assert {task.interpreter for task in probes.tasks} == {"first"}
    with unfinished(tmp_path, "two", question, resume=True) as kept:
        result = _run(tasks, replace(settings, unfinished=kept))
        assert kept.run_id == "one"
    assert {task.interpreter for task in probes.tasks[before:]} == {"second"}
    first, second = (result.interpreters[name].observations for name in ("first", "second"))
    assert [(o.server, o.account, o.wire) for o in first] == [(o.server, o.account, o.wire) for o in second]
    assert len(first) > 0


def test_what_a_probe_did_not_end_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that could not be made, or died with its run, is asked again by the run that goes on."""
    monkeypatch.setattr(lab_module, "issue", lambda _: {})
    monkeypatch.setattr(lab_module, "issue_page", lambda *_: None)

    class Dying(_Probe):
        async def run(self) -> None:
            raise OSError(errno.EMFILE, "too many open files")

    noted = _Probes()
    monkeypatch.setattr(campaign_module, "Probe", lambda task: Dying(task, noted))
    with unfinished(tmp_path, "one", {}, resume=False) as kept:
        _run([_task("first")], replace(_settings(tmp_path, Condition.AMBIENT), unfinished=kept))
        assert list(kept.folder.glob("*.measured")) == []


def test_nothing_more_is_told_where_nobody_asks(tmp_path: Path, probes: _Probes) -> None:
    """A campaign without telling conditions, as that of trials is, probes nobody again."""
    probes.stacks["ssl", Condition.AMBIENT] = STRICT
    settings = _settings(tmp_path, Condition.AMBIENT)
    asyncio.run(run_campaign([_task()], settings, telling=()))
    assert len(probes.tasks) == 1


CLIENTS = (keys(["ssl", "botocore"]), keys(["requests"]), keys(["awscrt"]))


def _environments() -> list[ProbeTask]:
    """Return one interpreter in three environments."""
    return [ProbeTask("here", Path(f"/venv{n}/python"), {}, clients) for n, clients in enumerate(CLIENTS)]


def _sent(probes: _Probes) -> list[tuple[str, tuple[ClientKey, ...]]]:
    """Return which clients were sent where, in order."""
    return [(str(task.python), task.clients) for task in probes.tasks]


def test_each_environment_is_probed_and_the_reference_goes_once(tmp_path: Path, probes: _Probes) -> None:
    """Under each condition each environment is one probe, and the reference is on one of them."""
    tasks = _environments()
    done = _run(tasks, _settings(tmp_path, Condition.AMBIENT, Condition.PERMISSIVE))
    plain = [(str(task.python), task.clients) for task in tasks]
    first, *others = plain
    assert _sent(probes) == [*plain[::-1], *others[::-1], (first[0], (*first[1], RELAXED))]
    probed = done.interpreters["here"]
    assert probed.tasks == tuple(tasks)
    assert [list(results) for results in probed.results.values()] == [[t.python for t in tasks]] * 2


@pytest.mark.parametrize("again", [(), (0,), (1,), (1, 2), (0, 1, 2)])
def test_only_environments_with_a_held_client_are_probed_again(
    tmp_path: Path, probes: _Probes, again: tuple[int, ...]
) -> None:
    """Of each environment the clients that are held go again; the reference goes to the first."""
    tasks = _environments()
    probes.stacks.update({(str(tasks[n].clients[0]), Condition.AMBIENT): STRICT for n in again})
    _run(tasks, _settings(tmp_path, Condition.AMBIENT))
    home = [(str(tasks[0].python), (*tasks[0].clients[: int(0 in again)], RELAXED))] if again else []
    others = [(str(tasks[n].python), tasks[n].clients[:1]) for n in again if n]
    assert _sent(probes)[len(tasks) :] == [*others[::-1], *home]


@pytest.mark.parametrize("relaxed", [True, False])
def test_a_program_brings_its_own_reference_or_none(
    tmp_path: Path,
    probes: _Probes,
    relaxed: bool,  # noqa: FBT001
) -> None:
    """A program's probe is told how to run it; its own reference goes along if there is one."""
    how = {"tool": {"path": "/tool"}} | ({RELAXED.name: {"path": "/tool"}} if relaxed else {})
    tool, extra = keys(["tool"]), (RELAXED,) if relaxed else ()
    task = ProbeTask("program_tool", Path(sys.executable), {}, tool, programs=how)
    probes.stacks.update({("tool", Condition.AMBIENT): STRICT, ("tool", Condition.PERMISSIVE): LOOSE})
    _run([task], _settings(tmp_path, Condition.AMBIENT))
    assert probes.clients == [tool, (*tool, *extra), tool]
    assert [task.programs for task in probes.tasks] == [how, how, how]


def test_no_more_probes_at_a_time_than_planned(
    tmp_path: Path, probes: _Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks are run side by side: one for each processor, and those that wait beside them."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    tasks = [_task(f"task{number}") for number in range(2 + campaign_module.WAITING + 3)]
    done = _run(tasks, _settings(tmp_path, Condition.AMBIENT))
    assert probes.most == 2 + campaign_module.WAITING
    assert list(done.interpreters) == [task.interpreter for task in tasks]


@pytest.mark.parametrize(
    ("host", "most"),
    [(Place("x", "", ("x",), away=True), 9), (Place("x", "", ("x",)), 2 + campaign_module.WAITING)],
)
def test_places_on_other_machines_are_waited_for_together(
    tmp_path: Path, probes: _Probes, monkeypatch: pytest.MonkeyPatch, host: Place, most: int
) -> None:
    """Each place that is away has a probe at work; those of this machine share its processors as ever."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    tasks = [replace(_task(f"task{n}"), place=replace(host, name=f"{n}")) for n in range(9)]
    _run(tasks, _settings(tmp_path, Condition.AMBIENT))
    assert probes.most == most


def test_a_place_gets_few_probes_at_a_time(
    tmp_path: Path, probes: _Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many places there are, the probes of one of these are no more than this machine's would be."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    host = Place("ssh", "host", ("ssh",), away=True)
    monkeypatch.setattr(campaign_module, "_side_by_side", lambda *_: 40)
    tasks = [replace(_task(f"task{number}"), place=host) for number in range(9)]
    _run(tasks, _settings(tmp_path, Condition.AMBIENT))
    assert probes.most == 2 + campaign_module.WAITING


def test_where_servers_do_not_stand_probes_run_all_the_same(tmp_path: Path, probes: _Probes) -> None:
    """Where some servers cannot be had a campaign ends well: their controls failed, and probes ran."""
    settings = _settings(tmp_path, Condition.AMBIENT)
    done = _run([_task()], settings)
    assert set(done.controls) == {server.id for server in settings.catalogue.servers}
    assert not any(control.passed for control in done.controls.values())
    # openssl itself serves the page, and its key was not made.
    reasons = ("there is no engine 'nobody'", "openssl s_server ended at once")
    assert all(control.reason.startswith(reasons) for control in done.controls.values())
    assert len(probes.tasks) == 1


@pytest.mark.parametrize("program", [None, "#!/bin/sh\necho LibreSSL 3.3.6\n"])
def test_an_openssl_that_serves_nothing_ends_a_campaign(
    tmp_path: Path, probes: _Probes, program: str | None
) -> None:
    """Without an openssl that serves, nobody is visited, and the error names what was given."""
    given = tmp_path / "openssl"
    if program:
        given.write_text(program)
        given.chmod(0o700)
    with pytest.raises(EngineError, match=re.escape(str(given))):
        _run([_task()], _settings(tmp_path, Condition.AMBIENT, openssl=given))
    assert probes.tasks == []
    assert not list((tmp_path / "cache").glob("run-*"))


class _Untold:
    """What a campaign measured, which nobody is to put into words."""

    def __repr__(self) -> str:
        raise AssertionError


def test_nobody_tells_a_whole_campaign_in_words() -> None:
    """asyncio.run of Python 3.11 asks for the repr of what it returns, twice, and each took megabytes."""
    whole = CampaignResult("none", {}, {"here": _Untold()})  # type: ignore[dict-item]

    async def campaign() -> CampaignResult:
        return whole

    assert asyncio.run(campaign()) is whole
    assert "here" not in repr(whole)


@pytest.mark.usefixtures("no_keys")
def test_a_probe_that_cannot_be_made_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a probe ends in an error of the system, its cells have the reason and the others are probed."""
    real = _Probes()

    class Failing(_Probe):
        async def run(self) -> None:
            if self.task.interpreter == "second":
                raise OSError(errno.EMFILE, "Too many open files")
            await super().run()

    monkeypatch.setattr(lab_module, "issue", lambda _: {})
    monkeypatch.setattr(campaign_module, "Probe", lambda task: Failing(task, real))
    settings = _settings(tmp_path, Condition.AMBIENT)
    done = _run([_task("first"), _task("second"), _task("third")], settings)
    assert list(done.interpreters) == ["first", "second", "third"]
    assert [task.interpreter for task in real.tasks] == ["first", "third"]
    observations = done.interpreters["second"].observations
    assert len(observations) == len(settings.catalogue.servers)
    assert all(seen.account is None and "open no more files" in seen.missing for seen in observations)
    assert {seen.control for seen in observations} == set(done.controls.values())


def test_fewer_probes_at_once_where_files_would_run_out(
    tmp_path: Path, probes: _Probes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few open files fewer tasks are probed at a time, all are, and one line says so."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    lines: list[str] = []
    monkeypatch.setattr(campaign_module, "probes_at_once", lambda wanted, *_: (2, f"2 instead of {wanted}"))
    settings = _settings(tmp_path, Condition.AMBIENT)
    tasks = [_task(f"task{number}") for number in range(6)]
    _run(tasks, settings, lines.append)
    assert (probes.most, len(probes.tasks)) == (2, 6)
    assert "2 instead of 10" in lines[0]


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize("fails", [False, True])
def test_keys_of_the_run_are_gone_with_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails: bool,  # noqa: FBT001
) -> None:
    """The run's folder is ours alone while it lasts, and is not there afterwards, whatever happened."""
    settings = _settings(tmp_path, Condition.AMBIENT)
    seen: list[Path] = []

    class Looking(_Probe):
        async def run(self) -> None:
            seen.extend(settings.cache.glob("run-*"))
            assert stat.S_IMODE(seen[0].stat().st_mode) == stat.S_IRWXU
            if fails:
                raise ZeroDivisionError

    monkeypatch.setattr(campaign_module, "Probe", lambda task: Looking(task, _Probes()))
    if fails:
        with pytest.raises((ZeroDivisionError, ExceptionGroup)):
            _run([_task()], settings)
    else:
        _run([_task()], settings)
    assert len(seen) == 1
    assert not list(settings.cache.glob("run-*"))


def test_progress_counts_the_interpreters(tmp_path: Path, probes: _Probes) -> None:
    """After each interpreter one line says how many of how many are measured, and with which clients."""
    lines: list[str] = []
    settings = _settings(tmp_path, *Condition)
    tasks = [
        _task("one"),
        _task("other"),
        replace(_task("other"), python=Path("/venv/python"), clients=keys(["botocore"])),
    ]
    _run(tasks, settings, lines.append)
    assert len(probes.tasks) == len(tasks) * len(Condition)
    assert sorted(line.partition(": ")[0] for line in lines) == ["measured 1 of 2", "measured 2 of 2"]
    assert sorted(line.partition(": ")[2] for line in lines) == [
        "one (ssl): 0 cells",
        "other (ssl, botocore): 0 cells",
    ]


@pytest.mark.usefixtures("no_keys")
def test_a_slow_probe_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing is done for long, the line that says so names the interpreter, clients and condition."""
    lines: list[str] = []
    settings = _settings(tmp_path, Condition.AMBIENT)
    spoken = threading.Event()

    def say(line: str) -> None:
        lines.append(line)
        spoken.set()

    class Slow(_Probe):
        async def run(self) -> None:
            await asyncio.to_thread(spoken.wait, HANGS)

    monkeypatch.setattr(campaign_module, "Probe", lambda task: Slow(task, _Probes()))
    monkeypatch.setattr(campaign_module, "counted", partial(counted, patience=0.05))
    _run([_task("it")], settings, say)
    assert lines[0] == "0 of 1 done, waiting for it (ssl) under ambient (for 0 s)"


def test_no_progress_is_made_without_a_client(tmp_path: Path, probes: _Probes) -> None:
    """An interpreter that only says what it is has a probe, and no line about it."""
    lines: list[str] = []
    settings = _settings(tmp_path, Condition.AMBIENT)
    task = replace(_task("it"), clients=())
    _run([task], settings, lines.append)
    assert (probes.clients, lines) == ([()], [])


@pytest.mark.e2e
def test_a_real_task_under_each_condition(tmp_path: Path) -> None:
    """This interpreter's ssl connects from the floor up when hardened, the relaxed client to all it has."""
    try:
        openssl = find_s_server(None, tmp_path, os.environ).openssl
    except EngineError as error:
        pytest.skip(str(error))
    settings = _settings(tmp_path, *Condition, openssl=openssl)
    names = ("tls1_2", "tls1_3", "tls1_0_rsa", "tls1_1_rsa")
    chosen = tuple(settings.catalogue[name] for name in names)
    settings = replace(settings, catalogue=Catalogue(chosen, ""))
    task = replace(_task(), env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    done = _run([task], settings)
    assert all(control.passed for control in done.controls.values()), done.controls
    probed = done.interpreters["here"]
    assert list(probed.results) == list(Condition)
    for condition, results in probed.results.items():
        for cell in results[task.python].observations:
            assert cell.account is not None, cell.missing
            (protocol,) = settings.catalogue[cell.server].protocols
            connected = cell.account.outcome == "connected"
            if connected:
                assert cell.account.version == protocol
                assert cell.wire[0].server_version is protocol
            if cell.client == RELAXED:
                assert connected is getattr(ssl, f"HAS_{protocol.name}".replace("TLSV", "TLSv"))
            elif condition is Condition.HARDENED or not protocol.below(settings.floor):
                assert connected is not protocol.below(settings.floor)


def test_what_cannot_be_told_in_a_place_is_said_once() -> None:
    """Whatever a place's probes could not tell is a sentence of the run, however many of them say so."""
    untold = ProbeResult(None, (), doubts=("untold",))
    results = {Condition.AMBIENT: {Path("/a"): untold, Path("/b"): untold}}
    probed = ProbedInterpreter((), JudgedCells(a_catalogue()), results)
    assert list(_doubts([probed, probed])) == [f"In this place: {NOBODY_TELLS}"]
    assert list(_doubts([])) == []


class _Remembering:
    """In the place of visits: remembers each by its condition, and notes who asked."""

    def __init__(self, *, keeps: bool = True) -> None:
        self.keeps = keeps
        self.asked: list[tuple[Condition, str | None, object]] = []
        self.known: dict[Condition, ProbeResult] = {}

    def forget(self) -> None:
        """Forget nothing."""

    def of(self, sent: ProbeTask, plain: ProbeTask, said: Mapping[str, str] | None, engine: str) -> _Known:
        assert engine
        self.asked.append((sent.condition, plain.env.get("OPENSSL_CONF"), said))
        return _Known(sent.condition, self)


@dataclass
class _Known:
    """In the place of one visit."""

    condition: Condition
    noted: _Remembering

    @property
    def path(self) -> Path:
        return Path(self.condition)

    def recalled(self, controls: Mapping[str, Control]) -> ProbeResult | None:
        assert controls
        return self.noted.known.get(self.condition)

    def keep(self, result: ProbeResult, _: Catalogue) -> None:
        if self.noted.keeps:
            self.noted.known[self.condition] = result


def test_only_what_tells_what_holds_is_remembered(tmp_path: Path, probes: _Probes) -> None:
    """A second run starts no probe under the telling conditions, and comes out as the first did."""
    remembering = _Remembering()
    settings = replace(_settings(tmp_path, Condition.AMBIENT), visits=cast("RememberedVisits", remembering))
    probes.stacks |= {("ssl", Condition.AMBIENT): STRICT, ("ssl", Condition.PERMISSIVE): LOOSE}
    first, second = (_run([_task(OPENSSL_CONF="/users.cnf")], settings) for _ in range(2))
    assert [task.condition for task in probes.tasks] == [Condition.AMBIENT, *TELLING, Condition.AMBIENT]
    assert [task.tells_loaded for task in probes.tasks] == [False, True, True, False]
    # By the configuration that is the user's, and with what each Python said of itself in this very run.
    assert remembering.asked == [(condition, "/users.cnf", None) for condition in (*TELLING, *TELLING)]
    assert second.interpreters["here"].judged == first.interpreters["here"].judged


@pytest.mark.parametrize("kept", [True, False])
def test_copies_wait_for_what_the_first_measures(tmp_path: Path, probes: _Probes, *, kept: bool) -> None:
    """Each has a live visit of its own; where the first leaves something open, each has all of them."""
    remembering = _Remembering(keeps=kept)
    settings = replace(_settings(tmp_path, Condition.AMBIENT), visits=cast("RememberedVisits", remembering))
    probes.stacks |= {("ssl", Condition.AMBIENT): STRICT, ("ssl", Condition.PERMISSIVE): LOOSE}
    result = _run([_task(name) for name in ("one", "two", "three")], settings)
    met = Counter(task.condition for task in probes.tasks)
    assert met == {Condition.AMBIENT: 3} | dict.fromkeys(TELLING, 1 if kept else 3)
    for interpreter in result.interpreters.values():
        assert interpreter.judged.of(ClientKey("ssl"), Condition.PERMISSIVE).observations


def test_what_a_run_was_asked_for_is_never_remembered(tmp_path: Path, probes: _Probes) -> None:
    """A condition of the run is measured in each run, and nobody asks what was known of it."""
    remembering = _Remembering()
    settings = replace(_settings(tmp_path, *Condition), visits=cast("RememberedVisits", remembering))
    probes.stacks |= {("ssl", condition): STRICT for condition in Condition}
    _run([_task()], settings)
    assert len(probes.tasks) == len(Condition)
    assert not remembering.asked
