"""A build goes on where it was stopped, never on what cannot be trusted, and moves in whole or not at all."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from interpreters.hardening.build import BuildDir, BuildError, Phase, build_environment, install_atomically
from interpreters.hardening.unpack import DiskFullError
from interpreters.log import shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.processes import Witness

    Script = Callable[[str, str], Path]

NAMES = ("fetch", "unpack", "configure", "make", "install")
AGAIN = {"configure": "unpack", "make": "unpack"}

NO_PROOF = BuildError("it is not what it should be")


class RecordedPhases:
    """Phases that note that they were done, and end as they are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[str] = []
        self.said: list[str] = []
        self.endings: dict[str, BaseException] = {}

    def run(self) -> None:
        """Do what is left, as a new process would."""
        self.done.clear()
        phases = [Phase(name, f"{name} it", self._act(name), AGAIN.get(name, name)) for name in NAMES]
        with shown(self.said.append):
            BuildDir(self.folder).run(phases)

    def _act(self, name: str) -> Callable[[], None]:
        def act() -> None:
            self.done.append(name)
            if name in self.endings:
                raise self.endings.pop(name)

        return act


@pytest.fixture
def site(tmp_path: Path) -> RecordedPhases:
    """Return a build of five phases."""
    return RecordedPhases(tmp_path / "work")


def test_phases_are_done_in_order(site: RecordedPhases) -> None:
    """Every phase is done once, and said with its number."""
    site.run()
    assert tuple(site.done) == NAMES
    assert site.said[0].startswith("[1/5] fetch it")


def test_what_is_done_is_not_done_again(site: RecordedPhases) -> None:
    """A second run does nothing, and says of each phase that it was done."""
    site.run()
    site.run()
    assert site.done == []
    assert site.said[-1] == "[5/5] install it: done before"


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_build_goes_on_with_that_phase(site: RecordedPhases, name: str) -> None:
    """After Ctrl-C in any phase, the next run begins with that phase and does the rest."""
    site.endings[name] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        site.run()
    site.run()
    assert tuple(site.done) == NAMES[NAMES.index(name) :]


@pytest.mark.parametrize("ending", [BuildError("it failed"), SystemExit()])
@pytest.mark.parametrize("name", NAMES)
def test_a_phase_that_ended_badly_is_begun_where_it_is_clean(
    site: RecordedPhases, name: str, ending: BaseException
) -> None:
    """After a failure, or the death of the process, what a phase may have left is thrown away first."""
    site.endings[name] = ending
    with pytest.raises(type(ending)):
        site.run()
    site.run()
    assert tuple(site.done) == NAMES[NAMES.index(AGAIN.get(name, name)) :]


@pytest.fixture
def work(tmp_path: Path) -> BuildDir:
    """Return a folder for a build, which has begun."""
    one = BuildDir(tmp_path / "work")
    one.run(())
    return one


def test_a_log_is_of_the_last_attempt(tmp_path: Path, script: Script) -> None:
    """A phase that is done again begins a new log, so that an old error is not taken for a new one."""
    work = BuildDir(tmp_path / "work")
    says = script("says", 'echo "$1"')
    for text in ("first", "second"):

        def act(text: str = text) -> None:
            work.command("make", tmp_path, [says, text], os.environ)
            work.command("make", tmp_path, [says, "more"], os.environ)

        (work.path / "make.done").unlink(missing_ok=True)
        work.run([Phase("make", "make it", act, "make")])
    assert [line for line in (work.logs / "make.log").read_text().splitlines() if "$" not in line] == [
        "second",
        "more",
    ]


def test_a_command_is_logged(tmp_path: Path, work: BuildDir, script: Script) -> None:
    """What a command prints is in its log, below the command itself."""
    work.command("make", tmp_path, [script("talks", "echo out; echo err >&2; pwd"), "a b"], os.environ)
    assert (work.logs / "make.log").read_text() == f"$ {tmp_path / 'talks'} 'a b'\nout\nerr\n{tmp_path}\n"


@pytest.mark.parametrize(
    ("body", "how"), [("exit 3", "failed with status 3"), ("kill -SEGV $$", "died of SIGSEGV")]
)
def test_a_failing_command_is_a_sentence_below_its_last_lines(
    tmp_path: Path, script: Script, progress: list[str], body: str, how: str
) -> None:
    """A command that fails shows the end of its log, and the sentence says how it ended and where that is."""
    work = BuildDir(tmp_path / "work")
    work.run(())
    noise = script(
        "noise", f"echo x.c: error: no; i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); done; {body}"
    )
    with pytest.raises(BuildError, match=rf"{how} after 0:\d\d: its log is .*make\.log"):
        work.command("make", tmp_path, [noise], os.environ)
    assert "  | line 49" in progress
    assert "  | x.c: error: no" in progress
    assert "  | line 30" not in progress


def test_a_full_disk_is_known_by_its_words(tmp_path: Path, work: BuildDir, script: Script) -> None:
    """A command that found no space left is reported as that."""
    full = script("full", f"echo 'cc1: error: x.s: {os.strerror(28)}' >&2; exit 1")
    with pytest.raises(DiskFullError, match="no space is left; make room"):
        work.command("make", tmp_path, [full], os.environ)


def test_a_command_that_is_not_there_is_a_sentence(tmp_path: Path, work: BuildDir) -> None:
    """A program that is missing is named."""
    with pytest.raises(BuildError, match=r"\./config cannot be run: No such file"):
        work.command("make", tmp_path, ["./config"], os.environ)


def test_a_command_that_goes_on_shows_that_it_lives(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch, progress: list[str]
) -> None:
    """While a command runs, there is a sign of life with the time from time to time."""
    monkeypatch.setattr("interpreters.hardening.build.HEARTBEAT_INTERVAL", 0.02)
    work = BuildDir(tmp_path / "work")
    naps = script("naps", "sleep 0.5")
    work.run([Phase("make", "make it", lambda: work.command("make", tmp_path, [naps], os.environ), "make")])
    assert "[1/1] make it goes on (0:00)" in progress


def test_a_command_that_never_ends_is_ended(
    tmp_path: Path, work: BuildDir, script: Script, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the limit, the command and all that it started are gone."""
    monkeypatch.setattr("interpreters.hardening.build.PHASE_LIMIT", 0.3)
    monkeypatch.setattr("interpreters.hardening.build.HEARTBEAT_INTERVAL", 0.05)
    with pytest.raises(BuildError, match=r"did not end within 0\.3 s"):
        work.command("make", tmp_path, [script("hangs", f"{witness.watch}; sleep 60 & sleep 60")], os.environ)
    assert witness.all_gone()


def test_an_interrupted_command_may_tidy_up(
    tmp_path: Path, work: BuildDir, script: Script, witness: Witness
) -> None:
    """Ctrl-C ends a command by a request, which make answers by removing what is half made."""
    half = tmp_path / "half.o"
    body = f"trap 'rm {half}; exit 2' TERM; touch {half}; {witness.watch}; while :; do sleep 0.05; done"
    makes = script("makes", body)
    witness.when_watching(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        work.command("make", tmp_path, [makes], os.environ)
    assert not half.exists()
    assert witness.all_gone()


def test_a_build_sees_no_flags_of_its_caller() -> None:
    """Variables that would make it another build are not passed on; where tools are, is."""
    caller = {
        "PATH": "/bin",
        "CC": "cc",
        "CFLAGS": "-x",
        "PYTHONPATH": "x",
        "OPENSSL_CONF": "x",
        "DESTDIR": "/",
    }
    assert {k: v for k, v in build_environment(caller, quick=False).items() if k in caller} == {
        "PATH": "/bin",
        "CC": "cc",
    }


def test_a_quick_build_differs_in_flags_alone() -> None:
    """A quick build has the same environment, but for what the compiler is told."""
    slow, quick = build_environment({}, quick=False), build_environment({}, quick=True)
    assert {k: v for k, v in quick.items() if slow.get(k) != v} == {"CFLAGS": "-O0 -g0"}


@pytest.fixture
def moves(tmp_path: Path) -> dict[Path, Path]:
    """Return two built folders, and where they belong: one of these has an earlier build."""
    for name in ("one", "two"):
        (tmp_path / "aside" / name).mkdir(parents=True)
        (tmp_path / "aside" / name / "file").write_text(f"new {name}")
    (tmp_path / "place" / "one").mkdir(parents=True)
    (tmp_path / "place" / "one" / "file").write_text("old one")
    return {tmp_path / "place" / name: tmp_path / "aside" / name for name in ("one", "two")}


def tree(folder: Path) -> dict[str, str]:
    """Return every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_builds_move_in(tmp_path: Path, moves: dict[Path, Path]) -> None:
    """During the block and after it the new folders are in place, and nothing else is left there."""
    with install_atomically(moves):
        assert (tmp_path / "place" / "one" / "file").read_text() == "new one"
    assert tree(tmp_path / "place") == {"one/file": "new one", "two/file": "new two"}


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), NO_PROOF])
def test_what_fails_its_proof_moves_out_again(
    tmp_path: Path, moves: dict[Path, Path], ending: BaseException
) -> None:
    """If the block ends badly, the places are as they were, and the built folders are still aside."""
    with pytest.raises(type(ending)), install_atomically(moves):
        raise ending
    assert tree(tmp_path / "place") == {"one/file": "old one"}
    assert tree(tmp_path / "aside") == {"one/file": "new one", "two/file": "new two"}


def test_what_cannot_be_copied_whole_does_not_move_in(tmp_path: Path, moves: dict[Path, Path]) -> None:
    """A second folder that fails to come keeps the first one out as well."""
    moves[tmp_path / "place" / "two"] = tmp_path / "missing"
    with pytest.raises(FileNotFoundError), install_atomically(moves):
        pytest.fail("it moved in")
    assert tree(tmp_path / "place") == {"one/file": "old one"}


def test_a_run_that_was_killed_while_it_moved_is_undone(tmp_path: Path, moves: dict[Path, Path]) -> None:
    """What a killed run had moved out of the way is there again if this one fails too."""
    place = tmp_path / "place"
    (place / "one").rename(place / ".one.before")
    (place / "one").mkdir()
    with pytest.raises(BuildError), install_atomically(moves):
        raise NO_PROOF
    assert tree(place) == {"one/file": "old one"}


def test_folders_that_were_made_on_the_way_go_again(tmp_path: Path, moves: dict[Path, Path]) -> None:
    """Folders above a prefix that did not exist are made for it, and do not outlast a failure."""
    deep = {tmp_path / "a" / "b" / "c": next(iter(moves.values()))}
    with pytest.raises(BuildError), install_atomically(deep):
        raise NO_PROOF
    assert not (tmp_path / "a").exists()
    with install_atomically(deep):
        pass
    assert tree(tmp_path / "a") == {"b/c/file": "new one"}
