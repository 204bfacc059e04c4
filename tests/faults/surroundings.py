"""What a session is started in: its user, streams, variables, signals, path, and the system's folders."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from tests.faults.fault import Family, Fault, NotInjectableError
from tests.faults.ground import NOBODY, need, need_root
from tests.faults.limits import users_checkout
from tests.faults.network import mounted
from tests.faults.promises import broken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.faults.ground import Ground

STRANGER = 23456
"""A user and group that nobody has given a name."""

STREAMS = {
    "output-full": ("a standard output that is full", 'exec "$@" >/dev/full'),
    "output-broken": ("a standard output that nobody reads any more", '"$@" | true'),
    "input-closed": ("a closed standard input", 'exec "$@" <&-'),
    "no-children": ("SIGCHLD ignored, as some supervisors start programs", "trap '' CHLD; exec \"$@\""),
    "no-hangup": ("SIGHUP, SIGINT and SIGTERM ignored, as by nohup", "trap '' HUP INT TERM; exec \"$@\""),
}
"""By name: what a session is started with, and a shell's words for that. With no standard output at all, or
in a folder that is gone, nox itself ends in a traceback, before it runs a session."""


def _streams(name: str, ground: Ground) -> Sequence[str]:
    words = ("sh", "-c", STREAMS[name][1], "sh")
    after = ground.session("matrix", "--", *ground.words, before=words)
    return broken(after, ground.expected())


VARIABLES: dict[str, tuple[str, dict[bytes, bytes]]] = {
    "newlines": (
        "variables with newlines and escape sequences",
        {b"EVIL": b"a\nPATH=/nowhere\n\x1b[2J", b"HOME": b"/tmp/a\nb"},
    ),
    "bytes": ("variables that are no text", {b"\xff\xfe": b"\xff\xfe", b"LANG": b"\xff"}),
    "huge": ("a variable of 120,000 letters", {b"HUGE": b"x" * 120_000}),
    "many": ("five thousand variables", {b"V%d" % number: b"x" for number in range(5000)}),
    "nameless": ("variables with names of blanks and signs", {b" ": b"1", b"A-B.C": b"2", b"()": b"3"}),
    "ascii": (
        "a locale of ASCII alone",
        {b"LC_ALL": b"C", b"PYTHONUTF8": b"0", b"PYTHONCOERCECLOCALE": b"0"},
    ),
    "latin": ("streams in Latin-1", {b"PYTHONIOENCODING": b"latin-1", b"PYTHONUTF8": b"0"}),
    "optimized": ("a Python without assertions", {b"PYTHONOPTIMIZE": b"2"}),
    "strict": ("a Python in its development mode", {b"PYTHONDEVMODE": b"1"}),
    "isolated": (
        "a PYTHONPATH with folders that have no module",
        {b"PYTHONSTARTUP": b"/dev/zero", b"PYTHONPATH": b"/proc:relative"},
    ),
    "path-odd": (
        "a PATH with blanks, devices and relative folders",
        {b"PATH": b":.:/dev/zero:/proc/self/fd: :" + os.fsencode(os.environ["PATH"])},
    ),
    "preload": (
        "a library to load before others, which is not there",
        {b"LD_PRELOAD": b"/nonexistent/evil.so"},
    ),
    "summary-full": ("a summary of GitHub's on a full disk", {b"GITHUB_STEP_SUMMARY": b"/dev/full"}),
    "summary-pipe": ("a folder for GitHub's summary", {b"GITHUB_STEP_SUMMARY": b"/proc"}),
    "timezone": ("a time zone that there is not", {b"TZ": b":/dev/zero"}),
}
"""By name: what is in the environment."""


def _variables(name: str, ground: Ground) -> Sequence[str]:
    changes = {os.fsdecode(key): os.fsdecode(text) for key, text in VARIABLES[name][1].items()}
    after = ground.session("matrix", "--", *ground.words, variables=changes)
    return broken(after, ground.expected())


PATHS: dict[str, tuple[str, bytes]] = {
    "newline": ("a newline", b"a\nb"),
    "colon": ("colons", b"a:b:"),
    "quotes": ("quotes, dollars, backslashes and blanks", b"a'b\"c $HOME \\ `d` ;e"),
    "percent": ("percent signs and braces", b"%s{0}%%(x)d"),
    "bytes": ("bytes that are no text", b"a\xff\xfe"),
    "markup": ("markup and an escape sequence", b"<b>|`x`\x1b[2J"),
    "long": ("a thousand letters", b"/".join([b"d" * 199] * 5)),
    "dash": ("a dash at its start", b"-rf"),
}
"""By name: what is in the path of the checkout."""


@contextlib.contextmanager
def _mounted_at(ground: Ground, path: bytes) -> Iterator[Path]:
    """Let the checkout be somewhere else too."""
    if not ground.alone:
        msg = "it takes a mount namespace of its own: root on Linux, with unshare of util-linux"
        raise NotInjectableError(msg)
    assert ground.healthy
    top = ground.folder / "elsewhere"
    place = top / os.fsdecode(path)
    place.mkdir(parents=True)
    subprocess.run(["mount", "--bind", ground.checkout.folder, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        shutil.rmtree(top)


def _at(path: bytes, ground: Ground) -> Sequence[str]:
    with _mounted_at(ground, path) as place:
        after = ground.session("matrix", "--", *ground.words, folder=place)
    return broken(after, ground.expected())


def _linked(ground: Ground) -> Sequence[str]:
    """Measure in a checkout that is reached by a link."""
    assert ground.healthy
    link = ground.folder / "link"
    link.symlink_to(ground.checkout.folder)
    try:
        after = ground.session("matrix", "--", *ground.words, folder=link)
    finally:
        link.unlink()
    return broken(after, ground.expected(exactly=True))


MOUNTS = {
    "no-shm": ("no /dev/shm", "mount -t tmpfs -o ro,size=4k tmpfs /dev/shm"),
    "no-proc": ("no /proc", "mount -t tmpfs tmpfs /proc"),
    "no-passwd": ("no users in /etc/passwd", "mount --bind /dev/null /etc/passwd"),
    "no-etc-ssl": ("no configuration of OpenSSL's", "mount -t tmpfs tmpfs /etc/ssl"),
    "no-sys": ("no /sys", "mount -t tmpfs tmpfs /sys"),
}
"""By name: what a session meets, and the commands for that in its mount namespace."""


def _mounted(name: str, ground: Ground) -> Sequence[str]:
    after = ground.session("matrix", "--", *ground.words, before=mounted(MOUNTS[name][1]))
    return broken(after, ground.expected())


HIDDEN = "-o remount,hidepid=invisible"
"""Options of a /proc that shows a user the processes of nobody else: proc(5)."""

USERS = {
    "nameless": (
        "a user without a name, who sees no process of others",
        (f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"),
    ),
    "no-rights": (
        "root without any capability",
        ("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"),
    ),
    "no-new-privileges": (
        "a user who can gain no rights",
        (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"),
    ),
}
"""By name: who measures, in words of setpriv(1)."""


def _as(name: str, ground: Ground) -> Sequence[str]:
    need_root()
    own, words = users_checkout(ground), USERS[name][1]
    if name == "nameless":
        subprocess.run(["chown", "-R", f"{STRANGER}:{STRANGER}", own], check=True)
    try:
        after = ground.session(
            "matrix",
            "--",
            *ground.words,
            before=(*mounted(f"mount {HIDDEN} /proc"), need("setpriv"), *words),
            folder=own / "checkout",
            variables={"HOME": str(own / "home"), "TMPDIR": str(own / "tmp")},
        )
    finally:
        if name == "nameless":
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", own], check=True)
    return broken(after, ground.expected())


def _removed(where: str, ground: Ground) -> Sequence[str]:
    """Remove a folder while it measures, and put back what was there."""
    path = ground.checkout.folder / where
    aside = ground.folder / "kept"

    def disturb(_: subprocess.Popen[str]) -> bool:
        time.sleep(0.5 * ground.seconds)
        path.rename(aside)
        return False

    assert ground.seconds
    after = ground.session("matrix", "--", *ground.words, disturb=disturb)
    shutil.rmtree(path, ignore_errors=True)
    aside.rename(path)
    return [one for one in broken(after, ground.expected()) if "is lost" not in one]


def _at_once(ground: Ground) -> Sequence[str]:
    """Run two at once in one checkout: both are right."""
    others: list[subprocess.Popen[str]] = []

    def disturb(_: subprocess.Popen[str]) -> bool:
        others.append(ground.checkout.start("-s", "matrix", "--", *ground.words))
        others[0].communicate(timeout=300)
        return False

    after = ground.session("matrix", "--", *ground.words, disturb=disturb)
    return [
        *broken(after, ground.expected(exactly=True)),
        *(f"the other ended with {other.returncode}" for other in others if other.returncode),
    ]


def _future(ground: Ground) -> Sequence[str]:
    """Measure beside a run of a day to come, as there is after a clock was set back."""
    assert ground.healthy
    history = ground.checkout.folder / "reports" / "history"
    shutil.copytree(ground.checkout.latest.resolve(), history / "29991231T235959Z-1")
    found = ground.kept("--keep", "1000", exactly=True)
    shutil.rmtree(history / "29991231T235959Z-1")
    return found


def _faults(
    table: Mapping[str, Sequence[object]],
    prefix: str,
    inject: Callable[[str, Ground], Sequence[str]],
    text: str,
) -> Iterator[Fault]:
    for name, (what, *_) in table.items():
        yield Fault(f"{prefix}{name}", text.format(what), functools.partial(inject, name))


FAMILY = Family(
    "surroundings",
    "rows are right or inconclusive, or the session ends in a sentence and the report before stays",
    (
        *_faults(STREAMS, "", _streams, "{}"),
        *_faults(VARIABLES, "variables-", _variables, "{}"),
        *_faults(
            PATHS,
            "checkout-",
            lambda name, ground: _at(PATHS[name][1], ground),
            "a checkout whose path has {}",
        ),
        Fault("checkout-link", "a checkout that is reached by a link", _linked),
        *_faults(MOUNTS, "", _mounted, "{}"),
        *_faults(USERS, "user-", _as, "{}"),
        Fault(
            "cache-removed",
            "the cache, removed while it measures",
            functools.partial(_removed, ".nox/.cache"),
        ),
        Fault(
            "history-removed",
            "reports/history, removed while it measures",
            functools.partial(_removed, "reports/history"),
        ),
        Fault("at-once", "two runs at once in one checkout", _at_once),
        Fault("future", "a clock that was set back, so that a run before is of a day to come", _future),
    ),
)
