"""A run over places: each is a host of the report, and one that is silent has a row with its reason."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import runs.places
from interpreters import programs_there
from interpreters.deployed.visit import VisitedPlace
from interpreters.identify import IdentifyError
from interpreters.interpreter import PROGRAM
from interpreters.locate import Candidate, SelectionError
from interpreters.locations import SearchedLocation
from interpreters.places import Place, PlaceError
from interpreters.prepared import Prepared, prepare_there
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Matrix, Subject
from runs.job import Job
from runs.measure import SilentPlace, probe_tasks
from runs.options import parse
from runs.places import NOBODY, measure_places
from runs.plan import Plan
from servers.conditions import Condition
from tests.support.builders import a_catalogue, a_matrix, a_row, a_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from interpreters.programs import Program
    from runs.measure import Fleet, RunStart

WEB = Place("ssh", "web1", ("ssh", "web1"))
ONE = Candidate("system_3_11", "system", Path("/usr/bin/python3.11"), place=WEB, site=True, given=True)
OTHER = replace(ONE, id="pyenv_3_9_1", source="pyenv", path=Path("/x/bin/python3.9"))
LOOKED = (SearchedLocation("/usr/bin", "looked"),)
VISITED = VisitedPlace(WEB, (ONE, OTHER), LOOKED, (), "Debian 11", "aarch64", "root", {"OPENSSL_CONF": "/x"})


@pytest.fixture
def asked() -> list[str]:
    """Return the places that were entered, in order."""
    return []


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> Iterator[Any]:
    """Return a function that makes the job of these words, whose places are made up."""
    visits = {"ssh:web1": VISITED, "ssh:bare": replace(VISITED, candidates=()), "ssh:gone": None}

    def visit(ways: Sequence[Place], variables: Sequence[str], programs: Sequence[Program]) -> VisitedPlace:
        del variables, programs
        asked.append(str(ways[0]))
        if (found := visits[str(ways[0])]) is None:
            msg = "ssh ended with status 255 before a Python answered: no route to host"
            raise PlaceError(msg)
        return found

    monkeypatch.setattr(runs.places, "visit", visit)
    monkeypatch.setattr(runs.places, "prepare_there", lambda candidate, **_: Prepared.of(candidate))
    monkeypatch.setattr("shutil.which", lambda name, **_: name)
    with contextlib.ExitStack() as held:

        def make(*words: str) -> Job:
            options = parse("matrix", ("matrix",), words, "")
            session: Any = SimpleNamespace(cache_dir=tmp_path / "cache", invoked_from=str(tmp_path))
            return Job(session, Plan("20260101T000000Z-0000", ("matrix",)), options, held)

        yield make


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[RunStart]:
    """Put a made-up measurement in the place of ours, and note what it is asked."""
    noted: list[RunStart] = []

    def measure(start: RunStart, clients: object, settings: object) -> Matrix:
        del clients, settings
        noted.append(start)
        known = a_catalogue()
        # A report does not say how a server is run.
        known = replace(known, servers=tuple(replace(each, engine="tlslite") for each in known.servers))
        # A part is read again as the gate would read it: what was asked for has its row.
        asked = replace(a_run(known).asked, clients=("ssl",))
        run = replace(a_run(known, start.host), run_id=start.run_id, asked=asked)
        return a_matrix([a_row(Verdict.UNTESTABLE)], run, known)

    def measure_all(
        fleet: Fleet, clients: object, settings: object, keep: Callable[[str, Matrix], object]
    ) -> None:
        for name, enter in fleet.enter.items():
            if not isinstance(start := enter(), SilentPlace):
                keep(name, measure(start, clients, settings))

    monkeypatch.setattr(runs.places, "measure", measure)
    monkeypatch.setattr(runs.places, "measure_all", measure_all)
    return noted


def run(job: Job) -> Matrix:
    """Measure the places of a job."""
    return measure_places(job, job.settings((Condition.AMBIENT,)))


def test_a_place_is_a_host_with_what_it_says_of_itself(job: Any, measured: list[RunStart]) -> None:
    """A single place is a run of its own, whose host is the place; nothing is made there."""
    found = run(job("--place", "ssh:web1", "--only", "sys*"))
    (start,) = measured
    assert found.run.host == start.host == start.scope.place == "ssh:web1"
    assert [each.interpreter.id for each in start.prepared] == ["system_3_11"]
    assert {each.interpreter.place for each in start.prepared} == {WEB}
    assert (start.env, start.request.made, start.request.found) == ({}, False, True)
    assert (start.scope.distribution, start.scope.architecture) == ("Debian 11", "aarch64")
    assert (start.scope.looked, start.scope.variables) == (LOOKED, {"OPENSSL_CONF": "/x"})
    assert [left.id for left in start.scope.left_out] == ["pyenv_3_9_1"]


def test_places_that_are_silent_have_a_row_each(job: Any, measured: list[RunStart]) -> None:
    """One that cannot be entered and one without a Python are in the report, beside one that was measured."""
    found = run(job(*(word for name in ("gone", "web1", "bare") for word in ("--place", f"ssh:{name}"))))
    assert [start.host for start in measured] == ["ssh:web1"]
    rows = {row.interpreter.host: row for row in found.rows}
    assert list(rows) == ["ssh:web1", "ssh:gone", "ssh:bare"]
    assert (rows["ssh:gone"].judgement.verdict, rows["ssh:gone"].subject) == (
        Verdict.UNTESTABLE,
        Subject.MACHINE,
    )
    assert rows["ssh:gone"].judgement.reason.endswith("no route to host")
    assert rows["ssh:bare"].judgement.reason == NOBODY
    assert [part.host for part in found.run.parts] == ["ssh:web1", "ssh:gone", "ssh:bare"]
    assert len({part.run_id for part in found.run.parts} | {found.run.run_id}) == 4


def test_where_no_place_answers_the_report_says_so(job: Any, measured: list[RunStart]) -> None:
    """A run of silent places alone measures nothing, and has a row for each all the same."""
    found = run(job("--place", "ssh:gone"))
    assert measured == []
    assert [row.judgement.verdict for row in found.rows] == [Verdict.UNTESTABLE]


def test_only_that_matches_nothing_is_the_places_reason(job: Any, measured: list[RunStart]) -> None:
    """Globs are held against the ids of each place: where none matches, the row says what there is."""
    found = run(job("--place", "ssh:web1", "--only", "nothing"))
    assert measured == []
    assert "there are system_3_11, pyenv_3_9_1" in found.rows[0].judgement.reason


@pytest.mark.parametrize("words", [["--running"], ["--made"], ["--interpreter", "/x"]])
def test_what_is_about_this_machine_needs_it_among_the_places(job: Any, words: list[str]) -> None:
    """An option that no place takes is refused, unless this machine is measured beside the places."""
    with pytest.raises(SelectionError, match=r"is about this machine.*add --place local"):
        run(job("--place", "ssh:web1", *words))


def test_this_machine_may_be_among_the_places(
    job: Any, measured: list[RunStart], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`local` is what is measured without --place, and a place of its own in the report."""
    monkeypatch.setattr(Job, "start", lambda self, _: self.start_of(self.request(_), ()))
    found = run(job("--place", "local", "--place", "ssh:web1", "--host", "desk"))
    assert [start.host for start in measured] == ["desk", "ssh:web1"]
    assert [part.host for part in found.run.parts] == ["desk", "ssh:web1"]
    words = ("--place", "local", "--place", "ssh:web1", "--host", "desk", "--resume")
    again = run(job(*words))
    assert len(measured) == 2, "this machine was measured before, under its name in the report"
    assert [part.host for part in again.run.parts] == ["desk", "ssh:web1"]


def test_programs_there_are_measured_by_the_python_that_answered(
    job: Any, measured: list[RunStart], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a place has of the programs is asked there; a command that it lacks has a row with the reason."""
    curl = Candidate("program_curl", PROGRAM, Path("/usr/bin/curl"), place=WEB)
    there = replace(VISITED, candidates=(ONE, curl), python=Path("/usr/bin/python3.11"))
    monkeypatch.setattr(runs.places, "visit", lambda *_: there)
    answer = {"said": [{"status": 0, "output": "curl 7.88.1 (x) libcurl/7.88.1 OpenSSL/3.0", "problem": ""}]}
    monkeypatch.setattr(programs_there, "answer_there", lambda *_: answer)
    run(job("--place", "ssh:web1", "--programs", "--command", "/opt/app {url}"))
    (start,) = measured
    found = {each.interpreter.id: each.interpreter for each in start.programs}
    assert found["program_curl"].version == "7.88.1"
    assert "'/opt/app' in this place" in found["program_app"].unavailable
    assert {each.place for each in found.values()} == {WEB}
    (task,) = (each for each in probe_tasks(start, ()) if each.programs)
    assert (task.python, task.place) == (Path("/usr/bin/python3.11"), WEB)
    assert start.request.commands == ("app",)


def test_what_is_sent_has_rows_of_its_own_and_a_sentence(
    job: Any, measured: list[RunStart], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --newest who lacks botocore is measured twice, and the scope says that nothing there has it."""
    asked: list[tuple[str, ...]] = []

    def prepare(candidate: Candidate, modules: tuple[str, ...]) -> Prepared:
        asked.append(modules)
        return Prepared.of(candidate)

    def with_sent(prepared: Prepared, parcels: object, needed: object) -> Prepared | None:
        assert parcels
        assert needed
        if prepared.interpreter.id != ONE.id:
            return None
        return replace(prepared, interpreter=replace(prepared.interpreter, id=f"newest_{ONE.id}"))

    monkeypatch.setattr(runs.places, "prepare_there", prepare)
    monkeypatch.setattr(runs.places, "with_sent", with_sent)
    words = ("--place", "ssh:web1")
    run(job(*words, "--newest"))
    run(job(*words))
    sending, plain = measured
    assert [each.interpreter.id for each in sending.prepared] == [ONE.id, OTHER.id, f"newest_{ONE.id}"]
    assert [each.interpreter.id for each in plain.prepared] == [ONE.id, OTHER.id]
    (note,) = sending.scope.notes
    assert note.startswith(f"The rows of newest_{ONE.id} are about the newest botocore")
    assert (plain.scope.notes, sending.request.made, plain.request.made) == ((), True, False)
    assert asked == [("botocore",)] * 2 + [()] * 2


def test_a_path_of_this_machine_is_no_command_of_a_place(job: Any, measured: list[RunStart]) -> None:
    """A relative path is refused before any place is entered."""
    with pytest.raises(SelectionError, match=r"--command '\./app \{url\}': a place knows no folder"):
        run(job("--place", "ssh:web1", "--command", "./app {url}"))
    assert measured == []


def test_a_name_without_sense_stops_the_run_before_it_begins(job: Any, measured: list[RunStart]) -> None:
    """A place that nobody can mean is refused, and no other place is entered."""
    with pytest.raises(PlaceError, match="a place is local or one of"):
        run(job("--place", "ssh:web1", "--place", "nowhere"))
    assert measured == []


def test_a_run_that_broke_off_goes_on(
    job: Any, measured: list[RunStart], asked: list[str], tmp_path: Path
) -> None:
    """What was measured is neither asked nor lost, and who was silent is asked again; anew, all are."""
    fleet = tmp_path / "fleet.txt"
    fleet.write_text("ssh:web1  # the shop\n\n# gone since May\nssh:gone\nssh:bare\n")
    words = ("--places", str(fleet), "--at-once", "1")
    whole = run(job(*words))
    assert sorted(asked) == ["ssh:bare", "ssh:gone", "ssh:web1"]
    asked.clear()
    resumed = run(job(*words, "--resume"))
    assert sorted(asked) == ["ssh:bare", "ssh:gone"]
    assert [start.host for start in measured] == ["ssh:web1"]
    assert [row.interpreter.host for row in resumed.rows] == [row.interpreter.host for row in whole.rows]
    assert [row.judgement for row in resumed.rows] == [row.judgement for row in whole.rows]
    asked.clear()
    run(job(*words))
    assert "ssh:web1" in asked


def test_a_run_that_was_killed_between_two_places_loses_none(
    job: Any, measured: list[RunStart], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was measured before the run ended is kept, although no report was written."""
    words = ("--place", "ssh:web1", "--place", "ssh:gone", "--at-once", "1")

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("runs.places.joined", end)
        with pytest.raises(KeyboardInterrupt):
            run(job(*words))
    asked.clear()
    found = run(job(*words, "--resume"))
    assert asked == ["ssh:gone"]
    assert [part.host for part in found.run.parts] == ["ssh:web1", "ssh:gone"]
    assert len(measured) == 1


def test_a_run_that_was_killed_between_the_ends_of_two_places_loses_none(
    job: Any, measured: list[RunStart], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of places that are measured side by side those are kept that ended; the others are measured again."""
    words = ("--place", "ssh:web1", "--place", "exec:env")
    visits = {
        str(each): replace(VISITED, place=each) for each in (WEB, replace(WEB, kind="exec", name="env"))
    }

    def visit(ways: Sequence[Place], *_: object) -> VisitedPlace:
        asked.append(str(ways[0]))
        return visits[str(ways[0])]

    monkeypatch.setattr(runs.places, "visit", visit)
    whole: Any = vars(runs.places)["measure_all"]

    def killed(fleet: Fleet, clients: Any, settings: Any, keep: Callable[[str, Matrix], object]) -> None:
        (first, *others) = fleet.enter.items()
        whole(replace(fleet, enter=dict([first])), clients, settings, keep)
        for _, enter in others:
            enter()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(runs.places, "measure_all", killed)
        with pytest.raises(KeyboardInterrupt):
            run(job(*words))
    assert sorted(asked) == ["exec:env", "ssh:web1"]
    asked.clear()
    measured.clear()
    found = run(job(*words, "--resume"))
    assert asked == ["exec:env"]
    assert [start.host for start in measured] == ["exec:env"]
    assert [part.host for part in found.run.parts] == ["ssh:web1", "exec:env"]


def test_another_question_is_not_answered_by_what_was_kept(
    job: Any, measured: list[RunStart], asked: list[str]
) -> None:
    """With other options, or over other places, everything is measured."""
    words = ("--place", "ssh:web1", "--place", "ssh:gone")
    run(job(*words))
    asked.clear()
    run(job(*words, "--resume", "--clients", "ssl"))
    assert "ssh:web1" in asked
    assert len(measured) == 2


def test_shards_are_all_places_each_once(job: Any, measured: list[RunStart], asked: list[str]) -> None:
    """Two jobs measure what one would; a part without a place is refused before anything is entered."""
    words = [word for name in ("gone", "web1", "bare") for word in ("--place", f"ssh:{name}")]
    for shard, hosts in (("1/2", ["ssh:bare", "ssh:gone"]), ("2/2", ["ssh:web1"])):
        asked.clear()
        run(job(*words, "--shard", shard))
        assert sorted(asked) == hosts
    assert [start.host for start in measured] == ["ssh:web1"]
    asked.clear()
    with pytest.raises(SelectionError, match="--shard 4/4: there are 3 places"):
        run(job(*words, "--shard", "4/4"))
    assert asked == []


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", "1/9999999"])
def test_what_is_no_shard_is_refused(job: Any, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence has the word, and what would be one."""
    with pytest.raises(SystemExit):
        job("--place", "ssh:web1", f"--shard={text}")
    assert f"{text!r} is no part of several, such as 2/4" in capsys.readouterr().err


def test_a_list_of_places_that_cannot_be_read_is_named(job: Any, tmp_path: Path) -> None:
    """A file that is not there, or is no text, stops the run with its name."""
    with pytest.raises(PlaceError, match=r"list of places .*fleet.txt cannot be read: No such file"):
        run(job("--places", str(tmp_path / "fleet.txt")))
    (tmp_path / "fleet.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(PlaceError, match=r"list of places .*fleet.txt cannot be read"):
        run(job("--places", str(tmp_path / "fleet.txt")))


def test_places_come_from_the_standard_input(
    job: Any, measured: list[RunStart], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another program prints can be piped in."""
    monkeypatch.setattr("sys.stdin", io.StringIO("ssh:web1\n"))
    assert run(job("--places", "-")).run.host == "ssh:web1"
    assert [start.host for start in measured] == ["ssh:web1"]


def test_a_python_there_that_does_not_say_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python of a place that cannot be asked has its reason, and nothing is read here for it."""

    def refuse(place: Place, path: Path, *_: object) -> None:
        del place
        msg = f"{path} hangs"
        raise IdentifyError(msg)

    monkeypatch.setattr("interpreters.prepared.identify_there", refuse)
    here = replace(ONE, path=Path("/bin/sh"))
    prepared = prepare_there(here)
    assert (prepared.interpreter.unavailable, prepared.interpreter.build) == ("/bin/sh hangs", "")
    assert SilentPlace("a", "b").reason == "b"
