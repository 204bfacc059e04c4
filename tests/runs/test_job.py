"""A job: what a session's run knows before it measures."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from interpreters.clients import ClientKey, clients, default_clients
from interpreters.deployed.bundles import FoundBundles, Frozen
from interpreters.locate import Candidate, Discovery, SelectionError
from interpreters.locations import SearchedLocation
from interpreters.prepared import Prepared
from reports.verdicts.scope import LeftOut
from runs import sessions
from runs.job import Job
from runs.options import parse
from runs.plan import Plan
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Mapping

ONE, SAME, OTHER = (Candidate(name, "pyenv", Path(f"/made/up/{name}")) for name in ("one", "once", "two"))

ELSEWHERE = Candidate("env_shop", "venv", Path("/opt/shop/bin/python"), environment=Path("/opt/shop"))
GIVEN = Candidate("env_given", "given", Path("/a/bin/python"), given=True, environment=Path("/a"))
LOOKED = (SearchedLocation("/opt/*", "looked"),)
BUNDLES = FoundBundles(
    (),
    (*LOOKED, SearchedLocation("~/bin", "absent")),
    (Frozen(Path("/opt/tool/tool"), "tool", "PyInstaller"),),
)


@pytest.mark.parametrize("named", ["", "pip,httpx", "all"])
def test_environments_as_found_are_asked_for_more(tmp_path: Path, named: str) -> None:
    """Unless clients are named, found environments get each that is one of an application, once."""
    words = ["--clients", named] if named else []
    options = parse("matrix", ("matrix",), [*words, "--botocore", "1.20.*,newest"], "")
    plan, session = Plan("20260101T000000Z-0000", ("matrix",)), SimpleNamespace(cache_dir=tmp_path / "cache")
    known = [one.id for one in clients().values() if not one.reference]
    with contextlib.ExitStack() as held:
        job = Job(cast("Any", session), plan, options, held)
        asked = job.request(job.settings((Condition.AMBIENT,)))
    others = [name for name in known if clients()[name].requirement != "pip"]
    found = {"": others, "pip,httpx": ["httpx", "pip"], "all": known}[named]
    assert asked.found_clients == asked.clients_for("/srv/app") == tuple(found)
    made = {ClientKey.parse(text).name for text in asked.clients}
    makeable = [name for name in found if not clients()[name].needs_environment]
    assert made == set(makeable if named else default_clients())
    assert asked.clients_for("made") == asked.clients


def test_a_run_knows_what_it_measures_and_what_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what was found all is measured but what --only leaves out and what starts another interpreter."""
    options = parse("matrix", ("matrix",), ["--only", "on*"], "")
    plan = Plan("20260101T000000Z-0000", ("matrix",), Discovery((ONE, SAME, OTHER), ()))
    session: Any = SimpleNamespace(cache_dir=tmp_path / "cache")
    itself, same = Prepared.of(ONE), replace(Prepared.of(SAME), executable=ONE.path)
    monkeypatch.setattr(Job, "prepared", lambda _: [itself, same])
    monkeypatch.setattr(Job, "environments", Discovery((ELSEWHERE,), LOOKED))
    monkeypatch.setattr(Job, "bundles", BUNDLES)
    with contextlib.ExitStack() as held:
        job = Job(session, plan, options, held)
        start = job.start(job.settings((Condition.AMBIENT,)))
        alone = job.start_of(start.request, (itself,))
    assert (start.run_id, start.prepared, start.programs) == (plan.run_id, (itself,), ())
    assert start.env == job.env
    assert (start.request.made, start.request.found) == (True, True)
    assert start.scope.environments_looked == BUNDLES.looked
    assert start.scope.left_out == (
        LeftOut("two", "/made/up/two", "--only on*"),
        LeftOut("env_shop", "/opt/shop/bin/python", "--only on*"),
        LeftOut("once", "/made/up/once", "it starts the same as /made/up/one, which is measured"),
        LeftOut(
            "program_tool",
            "/opt/tool/tool",
            "PyInstaller froze it with a Python that no probe can enter: --command measures it",
        ),
    )
    assert (alone.prepared, alone.scope.left_out) == ((itself,), ())


@pytest.mark.parametrize(
    ("session", "words", "found", "narrowed"),
    [
        ("matrix", [], ["one", "env_given", "env_shop", "site_one"], ()),
        ("matrix", ["--made"], ["one", "env_given"], ("--made looked for no environment",)),
        (
            "matrix",
            ["--found"],
            ["env_given", "env_shop", "site_one"],
            ("--found left out the made environments",),
        ),
        ("remedy", [], ["one", "env_given", "env_shop", "site_one"], ()),
        ("truth", [], ["one", "env_given"], ()),
    ],
)
def test_each_half_may_be_measured_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    session: str,
    words: list[str],
    found: list[str],
    narrowed: tuple[str, ...],
) -> None:
    """Interpreters, or what is there already; what the user named is measured in any case."""
    looking: list[Path] = []

    def look(*words: Any) -> Discovery:
        looking.append(words[2])
        return Discovery((ELSEWHERE,), LOOKED)

    monkeypatch.setattr("runs.job.find_environments", look)
    nothing = FoundBundles((), (), ())
    monkeypatch.setattr("runs.job.find_bundles", lambda *_, only_given: nothing if only_given else BUNDLES)
    plan = Plan("20260101T000000Z-0000", (session,), Discovery((ONE, GIVEN), ()))
    nox: Any = SimpleNamespace(cache_dir=tmp_path / "cache", invoked_from=str(tmp_path))
    with contextlib.ExitStack() as held:
        job = Job(nox, plan, parse(session, (session,), words, ""), held)
        assert [candidate.id for candidate in job.found] == found
        scope = job.start_of(job.request(job.settings((Condition.AMBIENT,))), ()).scope
    assert scope.narrowed == narrowed
    assert looking == ([tmp_path] if "env_shop" in found else [])
    assert scope.environments_looked == (BUNDLES.looked if "env_shop" in found else ())


def test_there_is_a_lock_for_each_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many interpreters with many clients hold more files open than a process may have by default."""
    wanted: list[int] = []
    monkeypatch.setattr("runs.job.make_room_for", wanted.append)
    monkeypatch.setattr(Job, "prepare", lambda _job, candidate, _required: Prepared.of(candidate))
    plan = Plan("20260101T000000Z-0000", ("matrix",), Discovery((ONE, OTHER), ()))
    nox: Any = SimpleNamespace(cache_dir=tmp_path / "cache", invoked_from=str(tmp_path))
    names = ["urllib3", "requests", "httpx"]
    with contextlib.ExitStack() as held:
        Job(nox, plan, parse("matrix", ("matrix",), [], ""), held).prepared(names)
    assert wanted[0] >= len(("one", "two")) * len(names)


def test_bench_prepares_interpreters_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session without options for clients or halves looks for nothing that is there already."""
    asked = {}

    def prepare(_: Job, candidate: Candidate, required: Mapping[ClientKey, str]) -> Prepared:
        asked[candidate.id] = tuple(required)
        return Prepared.of(candidate)

    monkeypatch.setattr(Job, "prepare", prepare)
    plan = Plan("20260101T000000Z-0000", ("bench",), Discovery((ONE, OTHER), ()))
    nox: Any = SimpleNamespace(cache_dir=tmp_path / "cache", invoked_from=str(tmp_path))
    with contextlib.ExitStack() as held:
        job = Job(nox, plan, parse("bench", ("bench",), [], ""), held)
        job.prepared(["urllib3", "ssl"])
    assert asked == dict.fromkeys(("one", "two"), (ClientKey("urllib3"),))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--made", "--found"],
            "--made and --found exclude each other; without either, both halves are measured",
        ),
        (["--newest"], "--newest is about places: name some with --place or --places"),
        (
            ["--newest", "--place", "exec:env", "--botocore", "1.34.0"],
            "--newest sends the newest botocore with what that requires: leave out --botocore and --urllib3",
        ),
    ],
)
def test_options_that_make_no_sense_together_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    """What nobody can mean is one sentence, and the status of a wrong command."""
    with pytest.raises(SystemExit) as ended:
        parse("matrix", ("matrix",), words, "")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_a_command_that_is_not_there_leaves_no_run_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused has not begun: the gate would take it for a run that broke off, and fail."""
    began: list[str] = []
    monkeypatch.setattr(sessions, "begun", began.append)
    monkeypatch.setattr(sessions, "_refuse_unpublishable", str)
    monkeypatch.setattr(Job, "environments", Discovery((), ()))
    monkeypatch.setattr(Job, "bundles", BUNDLES)
    nox: Any = SimpleNamespace(cache_dir=tmp_path / "cache", invoked_from=str(tmp_path))
    plan = Plan("run", ("matrix",), Discovery((ONE,), ()))
    words = ["--command", "/nonexistent/program {url}"]
    with contextlib.ExitStack() as held:
        job = Job(nox, plan, parse("matrix", ("matrix",), words, ""), held)
        with pytest.raises(SelectionError, match="there is no program '/nonexistent/program'"):
            sessions.matrix(job)
    assert began == []
