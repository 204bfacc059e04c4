"""Too few files, processes, threads, bytes of memory or seconds: limits that a shell or a kernel sets."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.fault import Family, Fault, NotInjectableError
from tests.faults.ground import NOBODY, need, need_root
from tests.faults.promises import broken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.ground import Ground

LIMITS = {
    "files": ("nofile", "open files", (24, 64, 128, 256)),
    "memory": ("as", "bytes of address space", (200 << 20, 300 << 20, 500 << 20, 700 << 20)),
    "data": ("data", "bytes of data", (100 << 20,)),
    "file-size": ("fsize", "bytes in each file", (0, 200_000)),
    "seconds": ("cpu", "seconds of a processor", (1,)),
    "locks": ("memlock", "bytes that may be locked", (0,)),
    "signals": ("sigpending", "signals that may wait", (0,)),
    "stack": ("stack", "bytes of stack", (200_000,)),
}
"""By name: prlimit's, what it counts, and the limits."""

KILLED = 128 + signal.SIGKILL
"""What a shell says of a program that died so."""

PROCESSES = (4, 12, 25, 40)
"""How many processes and threads another user than root may have: root's are not limited. With a single one
nox itself ends in a traceback, before it runs a session."""


def _limited(words: Sequence[str], ground: Ground) -> Sequence[str]:
    # What it says goes through a pipe, because a limit of bytes in files is one of its output too.
    piped = (need("bash"), "-o", "pipefail", "-c", '"$@" 2>&1 | cat', "bash")
    after = ground.session("matrix", "--", *ground.words, before=(*piped, need("prlimit"), *words))
    # Whom the kernel kills for the time that it took can say nothing any more.
    killed = after.status == KILLED and words[0].startswith("--cpu")
    return broken(replace(after, stopped=killed), ground.expected())


def _few_processes(count: int, ground: Ground) -> Sequence[str]:
    """Measure as a user without rights, who may have so many processes."""
    need_root()
    own = users_checkout(ground)
    as_nobody = (need("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    before = (need("prlimit"), f"--nproc={count}", *as_nobody)
    home = str(own / "home")
    after = ground.session(
        "matrix", "--", *ground.words, before=before, folder=own / "checkout", variables={"HOME": home}
    )
    return broken(after, ground.expected())


def users_checkout(ground: Ground) -> Path:
    """Return a folder of another user's, with a home and a checkout that has the healthy report."""
    for path in (Path(ground.loose).resolve(), Path(ground.strict).resolve()):
        closed = next((each for each in path.parents if not each.stat().st_mode & stat.S_IXOTH), None)
        if closed:
            msg = f"{path} is in {closed}, which other users may not enter: chmod o+x on it enables this"
            raise NotInjectableError(msg)
    own = ground.folder / "users"
    if not own.exists():
        assert ground.healthy
        (own / "home").mkdir(parents=True)
        (own / "tmp").mkdir()
        shutil.copytree(ground.checkout.folder, own / "checkout", symlinks=True)
        for path in (own, *own.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return own


FAMILY = Family(
    "limits",
    "rows are right or inconclusive, or the session ends in a sentence and the report before stays",
    (
        *(
            Fault(
                f"{name}-{limit}",
                f"a limit of {limit:,} {what}",
                functools.partial(_limited, (f"--{option}={limit}",)),
            )
            for name, (option, what, limits) in LIMITS.items()
            for limit in limits
        ),
        *(
            Fault(
                f"processes-{count}",
                f"a limit of {count} processes and threads, for a user without rights",
                functools.partial(_few_processes, count),
            )
            for count in PROCESSES
        ),
    ),
)
