"""What is read of a process, in a made-up /proc and in this machine's own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from interpreters.deployed.proc import MappedFile, read_processes
from interpreters.locations import PROC
from tests.support.proc import ALICE, BOOTED, MadeUpProc

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUpProc:
    """Return a /proc without processes."""
    return MadeUpProc(tmp_path / "proc", monkeypatch)


def test_a_process_is_read_whole(proc: MadeUpProc, tmp_path: Path) -> None:
    """Its words, user, start, file, folder, variables and mapped files are those that the kernel tells."""
    python = tmp_path / "python3"
    python.touch()
    proc.add(
        12, ["python3", "app.py"], python, {"A": "b=c"}, mapped=["/lib/a b.so", "/x"], parent=7, folder="/srv"
    )
    (found,) = read_processes(proc.folder)
    assert (found.pid, found.parent, found.uid, found.words) == (12, 7, ALICE, ("python3", "app.py"))
    assert found.started == BOOTED + 100 / os.sysconf("SC_CLK_TCK")
    assert (found.executable, found.deleted, found.elsewhere) == (str(python), False, False)
    assert (found.folder, found.variables) == ("/srv", {"A": "b=c"})
    assert found.mapped == (MappedFile("/lib/a b.so"), MappedFile("/x"))


def test_what_a_worker_has_in_memory_is_as_old_as_what_it_was_forked_from(proc: MadeUpProc) -> None:
    """A worker has the words of its master, and what that loaded; what was started anew loads anew."""
    words, other = ["python3", "gunicorn"], ["python3", "-c", "spawned"]
    for pid, parent, those in (
        (12, 1, words),
        (13, 12, words),
        (14, 13, words),
        (15, 13, other),
        (16, 15, words),
    ):
        proc.add(pid, those, sys.executable, parent=parent, ticks=pid * 100)
    per_second = os.sysconf("SC_CLK_TCK")
    began = {each.pid: (each.began - BOOTED) * per_second for each in read_processes(proc.folder)}
    assert began == {12: 1200, 13: 1200, 14: 1200, 15: 1500, 16: 1600}


@pytest.mark.skipif(not PROC.is_dir(), reason="only Linux tells of processes: one with /proc enables this")
def test_the_start_of_a_process_is_told_to_a_tick() -> None:
    """It is no later than the process could do anything, and no more than a tick, and a little, earlier."""
    before = time.time()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        after = time.time()
        found = next(each for each in read_processes() if each.pid == process.pid)
        process.communicate(b"\n")
    assert before - 2 / os.sysconf("SC_CLK_TCK") <= found.started <= after
    assert found.began <= found.started


@pytest.mark.parametrize(
    ("group", "unit"),
    [
        ("/system.slice/shop.service", "shop.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/shop@2.service", "shop@2.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn.scope", ""),
        ("/system.slice/docker.service/of-a-container", ""),
        ("/", ""),
    ],
)
def test_the_service_of_a_process_is_known(proc: MadeUpProc, group: str, unit: str) -> None:
    """A service counts where the process is in that itself: to restart what is around it would hit others."""
    proc.add(12, ["python3"], sys.executable, group=group)
    assert [found.unit for found in read_processes(proc.folder)] == [unit]


def test_a_kernel_without_control_groups_has_processes_all_the_same(proc: MadeUpProc) -> None:
    """What cannot be known of a process is no reason to leave that out."""
    proc.add(12, ["python3"], sys.executable)
    (proc.folder / "12" / "cgroup").unlink()
    assert [found.unit for found in read_processes(proc.folder)] == [""]


def test_what_was_replaced_on_disk_is_known(proc: MadeUpProc) -> None:
    """A file that is not there any more is named by the path that it had, whether it runs or is mapped."""
    proc.add(12, ["python3"], "/usr/bin/python3.11 (deleted)", mapped=["/lib/libssl.so.3 (deleted)"])
    (found,) = read_processes(proc.folder)
    assert (found.executable, found.deleted, found.elsewhere) == ("/usr/bin/python3.11", True, False)
    assert found.mapped == (MappedFile("/lib/libssl.so.3", deleted=True),)


def test_another_file_of_that_name_here_is_known(proc: MadeUpProc) -> None:
    """A process whose path leads to nothing here, and which is not deleted, has files of its own."""
    proc.add(12, ["python3"], "/nonexistent/of/a/container/python3")
    assert [found.elsewhere for found in read_processes(proc.folder)] == [True]


def test_another_root_is_known(proc: MadeUpProc, tmp_path: Path) -> None:
    """After chroot the executable has its path from here, and what it names leads elsewhere all the same."""
    python = tmp_path / "usr/bin/python3"
    python.parent.mkdir(parents=True)
    python.touch()
    proc.add(12, ["/usr/bin/python3"], python, root=tmp_path)
    proc.add(13, ["/usr/bin/python3"], python)
    assert [found.elsewhere for found in read_processes(proc.folder)] == [True, False]


@pytest.mark.parametrize("text", [b"\0\0\0\0", b"er [app]\0\0\0", b"=x\0"])
def test_a_title_written_over_the_variables_is_seen(proc: MadeUpProc, text: bytes) -> None:
    """Where the variables are none any more they are not known, which is not the same as none."""
    proc.add(12, ["gunicorn: master"], sys.executable, text)
    proc.add(13, ["python3"], sys.executable, b"")
    assert [found.variables for found in read_processes(proc.folder)] == [None, {}]


def test_of_others_only_what_everybody_knows_is_read(proc: MadeUpProc) -> None:
    """A process that may not be looked into is there, with its user and words."""
    proc.add(12, ["/usr/bin/python3", "app.py"])
    (found,) = read_processes(proc.folder)
    assert (found.readable, found.uid, found.words[0]) == (False, ALICE, "/usr/bin/python3")


def test_what_runs_nothing_is_none(proc: MadeUpProc) -> None:
    """A thread of the kernel has no words, a zombie has ended, and a process may end while it is read."""
    proc.add(2, [], sys.executable)
    proc.add(12, ["python3"], sys.executable, state="Z")
    (proc.folder / "13").mkdir()
    assert read_processes(proc.folder) == ()


def test_variables_are_read_of_those_alone_that_are_wanted(proc: MadeUpProc) -> None:
    """Of any other process the file with its variables is not even opened."""
    for pid, words in ((12, ["python3"]), (13, ["postgres"])):
        proc.add(pid, words, sys.executable, {"PGPASSWORD": "hunter2"}, mapped=["/x"])
    (proc.folder / "13" / "environ").unlink()
    found = read_processes(proc.folder, lambda record: record.words[0] == "python3")
    assert [(one.mapped, one.variables) for one in found] == [
        ((MappedFile("/x"),), {"PGPASSWORD": "hunter2"}),
        ((MappedFile("/x"),), {}),
    ]


def test_a_system_without_proc_has_none(tmp_path: Path) -> None:
    """Where there is no such folder, nothing is found."""
    assert read_processes(tmp_path / "nonexistent") == ()


@pytest.mark.skipif(not PROC.is_dir(), reason="only Linux tells of processes in files")
def test_the_kernel_tells_of_this_process() -> None:
    """Of the process that runs this test, /proc tells what Python knows itself."""
    own = next(record for record in read_processes() if record.pid == os.getpid())
    assert (own.parent, own.uid) == (os.getppid(), os.geteuid())
    assert (own.executable, own.folder) == (os.path.realpath(sys.executable), os.getcwd())  # noqa: PTH109
    assert own.variables is not None
    assert own.variables.get("PATH") is not None
    assert any("/lib" in file.path for file in own.mapped)
