"""Injects the faults of the table: `nox -s faults`, or `python -m tests.faults [--only GLOB] [--write]`.

As root on Linux all runs in network, process and mount namespaces of its own: every process and port that is
left is ours then, and no packet leaves. Exits with 1 unless every fault that was injected was survived.
"""

from __future__ import annotations

import argparse
import datetime as dt
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults import promises, table
from tests.faults.fault import Ending
from tests.faults.ground import ALONE, Ground
from tests.support.checkout import ROOT

SIOCSIFFLAGS, IFF_UP = 0x8914, 1
"""netdevice(7)."""


def main() -> int:
    """Inject what is asked for, and say what came of it."""
    parser = argparse.ArgumentParser(prog="nox -s faults --", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="GLOB", help="faults by their names")
    parser.add_argument("--write", action="store_true", help="write the table into docs/security.md")
    parser.add_argument("--list", action="store_true", help="list the faults, and inject none")
    options = parser.parse_args()
    if options.list:
        for family, fault in table.faults(options.only):
            print(f"{family.name}/{fault.name}: {fault.injected}")
        return 0
    if unseen := promises.blind():
        print(f"The judge of these faults does not see {', '.join(unseen)}: nothing was injected.")
        return 1
    if ALONE not in os.environ and can_be_alone():
        return subprocess.run(
            [*UNSHARED, sys.executable, "-m", "tests.faults", *sys.argv[1:]], check=False
        ).returncode
    if ALONE in os.environ:
        loopback_up()
    outcomes, run = [], about()
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        ground = Ground(Path(folder))
        assert ground.healthy
        for outcome in table.run(ground, options.only):
            outcomes.append(outcome)
            print(
                f"{outcome.ending} ({outcome.seconds:.1f} s): {outcome.key}",
                *outcome.details,
                sep="\n  ",
                flush=True,
            )
    print(f"{table.summary(outcomes)}.")
    if options.write:
        text = table.with_outcomes(table.PAGE.read_text(encoding="utf-8"), outcomes, run)
        table.PAGE.write_text(text, encoding="utf-8")
    return int(any(outcome.ending is Ending.BROKEN for outcome in outcomes))


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
    """Return what was run, when, and where."""
    words = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    commit = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    who = "root" if os.geteuid() == 0 else "an ordinary user"
    when, where = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}", f"{os.cpu_count()} processors"
    return f"Run on {when} at commit {commit or 'unknown'} by {who}, {where}."


if __name__ == "__main__":
    sys.exit(main())
