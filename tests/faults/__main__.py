"""Injects the faults of the table: `nox -s faults`, or `python -m tests.faults [--only GLOB] [--write]`.

Each family has a checkout and a process of its own. As root on Linux that has network, process and mount
namespaces of its own too: every process and port that is left is the family's then, no packet leaves, and
families run side by side. Exits with 1 unless every fault that was injected was survived.
"""

from __future__ import annotations

import argparse
import datetime as dt
import fcntl
import functools
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults import promises, table
from tests.faults.fault import Ending, FaultOutcome
from tests.faults.ground import ALONE, Ground
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.fault import Family

SIOCSIFFLAGS, IFF_UP = 0x8914, 1
"""netdevice(7)."""

WAITING = 1
"""Families that run beside one for each processor, because many faults are waited out."""


def main() -> int:
    """Inject what is asked for, and say what came of it."""
    parser = argparse.ArgumentParser(prog="nox -s faults --", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="GLOB", help="faults by their names")
    parser.add_argument("--write", action="store_true", help="write the table into docs/security.md")
    parser.add_argument("--list", action="store_true", help="list the faults, and inject none")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.into:
        inject_here(options.only, options.into)
        return 0
    if options.list:
        for family, fault in table.faults(options.only):
            print(f"{family.name}/{fault.name}: {fault.injected}")
        return 0
    if not list(table.faults(options.only)):
        print(f"There is no fault like {' or '.join(options.only)}; --list names all.")
        return 1
    if unseen := promises.blind():
        print(f"The judge of these faults does not see {', '.join(unseen)}: nothing was injected.")
        return 1
    outcomes = inject(options.only, about() if options.write else "")
    return int(any(outcome.ending is Ending.BROKEN for outcome in outcomes))


def inject(only: Sequence[str], written: str) -> list[FaultOutcome]:
    """Inject faults, each family in a process of its own, and return what came of each.

    Where it is to be `written`, with these words, each family takes its place in the page as it ends.
    """
    began, spent = time.monotonic(), _spent()
    outcomes: list[FaultOutcome] = []
    # Those at the end of the table take longest.
    families = list(dict.fromkeys(family for family, _ in table.faults(only)))[::-1]
    alone = can_be_alone()
    workers = (os.cpu_count() or 1) + WAITING if alone else 1
    with tempfile.TemporaryDirectory(prefix="outcomes-") as folder, ThreadPoolExecutor(workers) as pool:
        apart = functools.partial(inject_apart, only, UNSHARED if alone else (), Path(folder))
        for found in pool.map(apart, families):
            outcomes += found
            if written:
                page = table.PAGE.read_text(encoding="utf-8")
                table.PAGE.write_text(table.with_outcomes(page, found, written), encoding="utf-8")
    took, spent = time.monotonic() - began, _spent() - spent
    print(f"{table.summary(outcomes)}. It took {took:.0f} s, and {spent:.0f} s of processor time.")
    return outcomes


def _spent() -> float:
    """Return the processor time, in seconds, of all processes that we have seen the end of."""
    times = os.times()
    return times.children_user + times.children_system


def inject_apart(
    only: Sequence[str], prefix: Sequence[str], folder: Path, family: Family
) -> list[FaultOutcome]:
    """Inject a family's faults in a process of its own; one that it did not get to was not survived."""
    asked = [fault for theirs, fault in table.faults(only) if theirs is family]
    globs = [word for fault in asked for word in ("--only", f"{family.name}/{fault.name}")]
    into = folder / family.name
    command = [*prefix, sys.executable, "-m", "tests.faults", "--into", str(into), *globs]
    status = subprocess.run(command, check=False).returncode
    text = into.read_text(encoding="utf-8") if into.exists() else ""
    told = {name: rest for name, *rest in map(json.loads, text.splitlines())}
    unsaid = (Ending.BROKEN, [f"the program ended with {status} before it"], 0.0)
    return [
        FaultOutcome(family, fault, Ending(ending), tuple(details), seconds)
        for fault in asked
        for ending, details, seconds in [told.get(fault.name, unsaid)]
    ]


def inject_here(only: Sequence[str], into: Path) -> None:
    """Inject faults, and write a line into a file about what came of each."""
    if ALONE in os.environ:
        loopback_up()
    with (
        tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder,
        into.open("a", encoding="utf-8", buffering=1) as file,
    ):
        Path(folder).chmod(0o755)
        ground = Ground(Path(folder))
        assert ground.healthy
        for outcome in table.run(ground, only):
            told = (outcome.fault.name, outcome.ending, outcome.details, outcome.seconds)
            file.write(json.dumps(told) + "\n")
            lines = (f"{outcome.ending} ({outcome.seconds:.1f} s): {outcome.key}", *outcome.details)
            print("\n  ".join(lines), flush=True)


UNSHARED = (
    *("unshare", "--net", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child"),
    # A shell for the first process: it reaps whatever orphans there are, as init does.
    *("env", f"{ALONE}=1", "sh", "-c", '"$@"; exit $?', "sh"),
)


def can_be_alone() -> bool:
    """Whether namespaces of its own can be had here."""
    if os.geteuid() or shutil.which("unshare") is None:
        return False
    return subprocess.run([*UNSHARED, "true"], capture_output=True, check=False).returncode == 0


def loopback_up() -> None:
    """Switch the loopback interface of a new network namespace on."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))


def about() -> str:
    """Return what is run, when, and where; the page with the table is no part of that."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", ".", f":!{table.PAGE.relative_to(ROOT)}")
    commit = git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")
    who = "root" if os.geteuid() == 0 else "an ordinary user"
    when, where = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}", f"{os.cpu_count()} processors"
    return f"Run on {when} at commit {commit or 'unknown'} by {who}, {where}."


if __name__ == "__main__":
    sys.exit(main())
