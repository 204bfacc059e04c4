"""Nothing that a run starts outlives it: neither its end, nor its death, nor in a session of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters import offspring, reaper
from interpreters.log import shown
from interpreters.offspring import children_of, offspring_ended
from interpreters.processes import run, side_by_side, started
from tests.support.checkout import ROOT
from tests.support.processes import alive, killed_at_the_end, read_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.processes import Witness

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose a process is: run it there")

ESCAPES = "x=$(setsid sh -c 'exec >/dev/null 2>&1; sleep 600 & sleep 600' & ); "
"""Shell commands that leave a process in a session of its own, and one in turn of that, and wait for both."""


@LINUX
def test_what_left_its_group_is_ended_and_named(script: Callable[[str, str], Path], witness: Witness) -> None:
    """A process that a command leaves in a session of its own ends with the command, and is named."""
    leaves = script("leaves", f"{witness.watch}; {ESCAPES} echo done")
    told: list[str] = []
    with shown(told.append), offspring_ended():
        assert run([leaves], os.environ, 60) == (0, "done\n")
        assert witness.all_gone()
    # A shell that is about to become sleep has its own name yet.
    assert told
    assert set(told) <= {f"{name} was left running, and was ended" for name in ("sleep", "sh")}


@LINUX
def test_what_hides_where_it_comes_from_is_ended_with_the_run(
    script: Callable[[str, str], Path], witness: Witness
) -> None:
    """A process that has also dropped the environment it was given is gone at the end of the block."""
    hides = script("hides", f"{witness.watch}; x=$(setsid env -i /bin/sh -c 'exec >/dev/null; sleep 600' & )")
    with offspring_ended():
        run([hides], os.environ, 60)
    assert witness.all_gone()


@LINUX
def test_orphans_that_have_ended_are_reaped_while_the_run_goes_on() -> None:
    """What a command leaves in sessions of their own, and then ends, holds no process of the system's."""
    leaves = "for i in 1 2 3 4 5; do setsid sh -c 'exit 3' & done; wait $!; (setsid sleep 0.2 &); sleep 600"
    with offspring_ended(), contextlib.ExitStack() as stack, Path(os.devnull).open("wb") as output:
        before = children_of(os.getpid())
        stack.enter_context(started(["sh", "-c", f"({leaves})"], os.environ, output))
        deadline, seen = time.monotonic() + 20, [0]
        while time.monotonic() < deadline and (max(seen) < 3 or seen[-1] > 2):
            seen.append(len(children_of(os.getpid()) - before))
            time.sleep(0.01)
    assert max(seen) >= 3, "it has left nothing"
    # The command and the reaper.
    assert seen[-1] == 2


@LINUX
def test_nobody_is_reaped_behind_the_back_of_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """With orphans looked for all the time, each command that is run side by side has its own exit status."""
    monkeypatch.setattr(offspring, "REAP_INTERVAL", 0.0)
    with offspring_ended():
        statuses = side_by_side(
            lambda number: run(["sh", "-c", f"exit {number}"], os.environ, 60)[0], range(1, 100), 4
        )
        direct = [subprocess.run(["sh", "-c", "exit 7"], check=False).returncode for _ in range(20)]
    assert statuses == list(range(1, 100))
    assert set(direct) == {7}


@LINUX
def test_who_starts_nothing_adopts_nobody() -> None:
    """An orphan of others goes where it would have gone, and lives on: so do those that tests start."""
    leaves = ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"]
    with offspring_ended():
        pid = int(subprocess.run(leaves, stdout=subprocess.PIPE, check=True).stdout)
        adopted = pid in children_of(os.getpid())
    os.kill(pid, signal.SIGKILL)  # which fails where it was ended with the block
    assert not adopted


@LINUX
def test_what_was_there_before_the_block_is_spared() -> None:
    """A child that is none of the run's lives on."""
    with killed_at_the_end(subprocess.Popen(["sleep", "600"])) as child:
        with offspring_ended():
            assert child.pid in children_of(os.getpid())
        assert child.poll() is None


RUN = """\
import os, signal, sys
from pathlib import Path
from interpreters.offspring import offspring_ended
from interpreters.processes import started
from interpreters.scratch import scratch_folder
command, cache = sys.argv[1:]
with offspring_ended(), scratch_folder(Path(cache), "run-") as folder, open(os.devnull, "wb") as output:
    (folder / "rsa.key").touch()
    with started(["sh", "-c", command], os.environ, output):
        print("up", flush=True)
        signal.pause()
"""
"""A run that has started something, in its group and out of it, and has a key on disk."""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGABRT, signal.SIGHUP, signal.SIGTERM])
def test_nothing_outlives_a_run_that_is_killed(how: signal.Signals, tmp_path: Path) -> None:
    """However a run dies, its processes and its keys are gone, and whoever reads its output sees the end."""
    cache = tmp_path / "cache"
    cache.mkdir()
    escapes = ESCAPES if sys.platform == "linux" else ""
    with alive(tmp_path) as (pipe, reader):
        command = f"exec 9>{pipe}; {escapes} sleep 600 & sleep 600"
        with subprocess.Popen(
            [sys.executable, "-c", RUN, command, cache], cwd=ROOT, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            process.send_signal(how)
            assert process.stdout.read() == b""
        read_end(reader)
    deadline = time.monotonic() + 10
    while (left := [path.name for path in cache.glob("[!.]*")]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def test_the_reaper_is_not_started_for_nothing() -> None:
    """A block that starts nothing has no further process, and one that does has it reaped at the end."""
    with offspring_ended():
        before = children_of(os.getpid())
        with contextlib.ExitStack() as stack, Path(os.devnull).open("wb") as output:
            stack.enter_context(started(["sleep", "600"], os.environ, output))
            during = children_of(os.getpid())
    if sys.platform == "linux":
        assert len(during - before) == 2
    assert children_of(os.getpid()) == before


def test_without_a_run_nothing_is_registered() -> None:
    """Outside of the block a command runs with the environment that it is given, to the letter."""
    assert run(["env"], {"ONLY": "this"}, 60)[1].count("\n") <= 3
    with offspring_ended():
        assert f"{reaper.VARIABLE}=" in run(["/usr/bin/env"], {"ONLY": "this"}, 60)[1]


def test_a_worker_goes_with_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that is gone before the worker could ask for its signal counts as one that goes later."""
    parents = iter([4711, 1])
    heard: list[int] = []
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    monkeypatch.setattr(offspring, "_prctl", lambda _, value: heard.append(value))
    monkeypatch.setattr(signal, "raise_signal", heard.append)
    offspring.end_with_parent()
    assert heard == [signal.SIGTERM, signal.SIGTERM]
