"""A kernel or a file system that refuses a system call, to all processes of a run, or to each after a while.

strace makes the call fail (strace(1), "Tampering"), so nothing of the machine is changed.
"""

from __future__ import annotations

import functools
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.faults.fault import Family, Fault, NotInjectableError
from tests.faults.ground import need
from tests.faults.promises import broken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.ground import Ground

REFUSED: dict[str, tuple[str, str]] = {
    "no-locks": ("a file system without locks", "flock:error=ENOLCK"),
    "no-links": ("a file system without symbolic links", "symlink,symlinkat:error=EPERM"),
    "no-modes": ("a file system without modes", "chmod,fchmod,fchmodat:error=EPERM"),
    "no-moves": ("a file system that moves no file", "rename,renameat,renameat2:error=EIO"),
    "no-folders": ("no new folder from the fifth on", "mkdir,mkdirat:error=ENOSPC:when=5+"),
    **{
        f"full-{count}": (
            f"a disk that takes {count} writes of a process",
            f"write:error=ENOSPC:when={count}+",
        )
        for count in (100, 150, 200)
    },
    "no-files": ("files that cannot be opened, now and then", "openat:error=EMFILE:when=900+40"),
    "no-prctl": ("no prctl, as seccomp filters forbid it", "prctl:error=EPERM"),
    "no-pidfd": ("no pidfd_open, as before Linux 5.3", "pidfd_open:error=ENOSYS"),
    "no-groups": ("no process groups of its own", "setpgid:error=EPERM"),
    "no-threads": (
        "no thread or process from the fourth on",
        "clone,clone3,vfork,fork:error=EAGAIN:when=4+",
    ),
    "no-memory": ("no memory, now and then", "mmap,brk:error=ENOMEM:when=400+50"),
    "no-sockets": ("no socket, now and then", "socket:error=ENFILE:when=6+5"),
    "no-ports": ("ports that are taken, now and then", "bind:error=EADDRINUSE:when=4+3"),
    "no-answers": ("connections that time out, now and then", "connect:error=ETIMEDOUT:when=9+6"),
    "aborted": ("connections that are gone when accepted", "accept,accept4:error=ECONNABORTED:when=2+2"),
    "no-options": ("no options of sockets", "setsockopt:error=EPERM"),
    "interrupted": ("calls that are interrupted", "poll,accept4,wait4,epoll_wait:error=EINTR:when=3+5"),
}
"""By name: what it is, and which calls fail how."""


def _refused(rule: str, ground: Ground) -> Sequence[str]:
    strace, log = need("strace"), ground.folder / "refused"
    calls = rule.partition(":")[0]
    watch = ("-f", "-qqq", "--seccomp-bpf", "-s", "0", "-e", f"trace={calls}", "-e", "signal=none")
    words = (strace, *watch, "-e", f"inject={rule}", "-o", str(log))
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if "strace:" in tried.stderr:
        msg = f"strace here does not do this: {tried.stderr.strip()[:100]}"
        raise NotInjectableError(msg)
    after = ground.session("matrix", "--", *ground.words, before=words)
    if "(INJECTED)" not in log.read_text(errors="replace"):
        msg = "no call was made that could have failed"
        raise RuntimeError(msg)
    # Where nothing can be written, no sentence can be.
    stopped = after.status != 0 and calls == "write"
    return broken(replace(after, stopped=stopped), ground.expected())


FAMILY = Family(
    "kernel",
    "rows are right or inconclusive, or the session ends in a sentence and the report before stays",
    tuple(Fault(name, what, functools.partial(_refused, rule)) for name, (what, rule) in REFUSED.items()),
)
