"""Whatever ends a run, at whichever moment: signals to nox, its group, its servers, probes and reaper."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.offspring import children_of
from tests.faults.fault import Family, Fault
from tests.faults.promises import Expected, broken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.faults.ground import Ground

MOMENTS = (0.2, 0.5, 0.8)
"""When a signal is sent, in parts of the time that an undisturbed run takes."""

EARLIER = (1.0, 0.6, 0.3, 0.1)
"""Parts of those, tried in turn: a session that takes less time than the first did has ended before."""

INT, TERM, HUP, KILL, STOP = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGKILL,
    signal.SIGSTOP,
)
WAYS: dict[str, tuple[str, Sequence[tuple[signal.Signals, bool]]]] = {
    "int": ("SIGINT to nox", [(INT, False)]),
    "ctrl-c": ("SIGINT to the group, as by Ctrl-C", [(INT, True)]),
    "term": ("SIGTERM to nox", [(TERM, False)]),
    "hup": ("SIGHUP to the group, as of a closed terminal", [(HUP, True)]),
    "kill": ("SIGKILL of nox, as by the kernel out of memory", [(KILL, False)]),
    "kill-group": ("SIGKILL of the whole group", [(KILL, True)]),
    "ctrl-c-thrice": ("Ctrl-C three times in a row", [(INT, True)] * 3),
    "term-then-kill": ("SIGTERM, and SIGKILL a moment later", [(TERM, True), (KILL, False)]),
}
"""By name, what it is, and the signals: each with whether it goes to the whole group."""

BETWEEN = 0.2
"""Seconds between two signals."""

PATIENCE = 60.0
"""Seconds until a process of a run is there that is waited for, on a busy machine."""


def send(
    signals: Sequence[tuple[signal.Signals, bool]], after: float
) -> Callable[[subprocess.Popen[str]], bool]:
    """Return what sends signals to a session some seconds after its start; true if it still ran."""

    def disturb(process: subprocess.Popen[str]) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after)
            return False
        for number, to_group in signals:
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if to_group else os.kill)(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(BETWEEN)
        return True

    return disturb


def _in_matrix(way: str, part: float, ground: Ground) -> Sequence[str]:
    found: list[str] = []
    for earlier in EARLIER:
        disturb = send(WAYS[way][1], part * earlier * ground.seconds)
        after = ground.session("matrix", "--", *ground.words, disturb=disturb)
        found += broken(after, ground.expected())
        if after.stopped:
            return found
    msg = "each session had ended before it was sent a signal"
    raise RuntimeError(msg)


def _in_session(words: Sequence[str], way: str, ground: Ground) -> Sequence[str]:
    """Send signals to a session as soon as its servers are up."""
    options = {"truth": ground.words[3:], "remedy": ground.words}.get(words[0], ())

    def disturb(process: subprocess.Popen[str]) -> bool:
        find(process, KINDS["https"][1])
        return send(WAYS[way][1], BETWEEN)(process)

    after = ground.session(*words, *options, disturb=disturb)
    return broken(after, ground.expected())


def _cold(way: str, part: float, ground: Ground) -> Sequence[str]:
    """Send signals while environments are made, in processes of nox's own."""
    words = ("--made", "--fresh", "--clients", "urllib3", *ground.words[3:])
    after = ground.session(
        "matrix",
        "--",
        *words,
        disturb=send(WAYS[way][1], part * ground.seconds),
        variables={"UV_OFFLINE": "1"},
    )
    # Where it has ended before, its rows are those of another client.
    return broken(after, Expected({}))


def _afterwards(ground: Ground) -> Sequence[str]:
    """Kill a run together with its reaper, so that what it left is there, and let the next run sweep it."""

    def disturb(process: subprocess.Popen[str]) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.6 * ground.seconds)
            return False
        for pid in (*sorted(below(process.pid), reverse=True), process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, KILL)
        return True

    ground.session("matrix", "--", *ground.words, disturb=disturb)
    there = set(ground.things())
    problems = ground.kept(exactly=True)
    return [*problems, *(f"{thing} is not swept" for thing in there & set(ground.things()))]


def below(pid: int) -> Iterator[int]:
    """Give the children of a process, and theirs."""
    for child in children_of(pid):
        yield child
        yield from below(child)


def find(process: subprocess.Popen[str], word: str) -> int:
    """Return a process below another that has this among its words, as soon as there is one."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        for pid in below(process.pid):
            with contextlib.suppress(OSError):
                if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        time.sleep(0.005)
    msg = f"no process of this run has {word!r} among its words"
    raise RuntimeError(msg)


def _one_of(word: str, number: signal.Signals, ground: Ground) -> Sequence[str]:
    """Send a signal to one of the processes that a run started, as soon as it is there."""

    def disturb(process: subprocess.Popen[str]) -> bool:
        os.kill(find(process, word), number)
        return False

    return broken(ground.session("matrix", "--", *ground.words, disturb=disturb), ground.expected())


KINDS = {
    "probe": ("one of the probes", "/probes\0"),
    "s-server": ("an openssl s_server", "s_server"),
    "https": ("the process of the servers", "servers.https.process"),
    "reaper": ("the reaper", "reaper.py"),
}
"""Processes of a run: for the table, and what is among their words."""

FAMILY = Family(
    "signals",
    "nothing is left; the report before stays, or a right one takes its place",
    (
        *(
            Fault(
                f"{name}-at-{part * 100:.0f}",
                f"{what}, {part:.0%} into a matrix",
                functools.partial(_in_matrix, name, part),
            )
            for name, (what, _) in WAYS.items()
            for part in (MOMENTS if name in ("hup", "kill", "term") else MOMENTS[1:2])
        ),
        *(
            Fault(
                f"cold-{name}-at-{part * 100:.0f}",
                f"{WAYS[name][0]} while environments are made",
                functools.partial(_cold, name, part),
            )
            for name in ("ctrl-c", "term", "hup", "kill")
            for part in (0.5,)
        ),
        *(
            Fault(
                f"{words[0]}-{name}",
                f"{WAYS[name][0]}, in {words[0]}",
                functools.partial(_in_session, words, name),
            )
            for words in (("serve",), ("remedy", "--"), ("truth", "--"))
            for name in ("hup", "kill")
        ),
        *(
            Fault(
                f"{kind}-{number.name[3:].lower()}",
                f"{number.name} to {what}",
                functools.partial(_one_of, words, number),
            )
            for kind, (what, words) in KINDS.items()
            for number in ((KILL, TERM, STOP) if kind in ("probe", "s-server") else (KILL, STOP))
        ),
        Fault(
            "with-its-reaper", "SIGKILL of a run and of all that it started; then another run", _afterwards
        ),
    ),
)
