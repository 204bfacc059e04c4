"""Full, read-only and missing file systems; links and files in the place of others; runs of one name."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.faults.fault import Family, Fault, NotInjectableError
from tests.faults.promises import broken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.faults.ground import Ground

TIGHT = "mount -t tmpfs -o size={size} tmpfs {path}"
READ_ONLY = "mount --bind {path} {path} && mount -o remount,ro,bind {path}"

MOUNTS: dict[str, tuple[str, str, str, str]] = {
    "history-full": ("a disk of 300 kB for reports/history", TIGHT, "300k", "reports/history"),
    "history-fuller": (
        "a disk of 17 MB for reports/history, of which a megabyte is left",
        TIGHT,
        "17m",
        "reports/history",
    ),
    "history-elsewhere": ("a file system of its own for reports/history", TIGHT, "200m", "reports/history"),
    "cache-full": ("a disk of 40 kB for the cache", TIGHT, "40k", ".nox/.cache"),
    "tmp-full": ("a full TMPDIR", TIGHT, "4k", "../tmp"),
    "tmp-read-only": ("a read-only TMPDIR", READ_ONLY, "", "../tmp"),
    "checkout-read-only": ("a read-only checkout", READ_ONLY, "", "."),
    "history-read-only": ("a read-only reports/history", READ_ONLY, "", "reports/history"),
    "reports-read-only": ("a read-only reports", READ_ONLY, "", "reports"),
    "cache-read-only": ("a read-only cache", READ_ONLY, "", ".nox/.cache"),
    "home-read-only": ("a read-only home, with no cache of uv's", READ_ONLY, "", "../home"),
}
"""By name: what it is, how it is mounted, its size, and where in the checkout."""


def _mount(name: str, ground: Ground) -> Sequence[str]:
    """Measure with another file system in a folder's place, and put the report back that this hid."""
    if not ground.alone:
        msg = "it takes a mount namespace of its own: root on Linux, with unshare of util-linux"
        raise NotInjectableError(msg)
    _, command, size, where = MOUNTS[name]
    (ground.folder / "home").mkdir(exist_ok=True)
    assert ground.healthy
    path, before = (ground.checkout.folder / where).resolve(), ground.checkout.latest.readlink()
    subprocess.run(["sh", "-c", command.format(size=size, path=path)], check=True)
    try:
        variables = {"HOME": str(path)} if where == "../home" else {}
        after = ground.session("matrix", "--", *ground.words, variables=variables)
    finally:
        subprocess.run(["umount", path], check=True)
        ground.checkout.latest.unlink()
        ground.checkout.latest.symlink_to(before)
    if where == "reports/history" and not after.published:
        after = replace(after, rows=ground.rows())
    return broken(after, ground.expected())


def _variables(changes: dict[str, str], ground: Ground) -> Sequence[str]:
    words = ["env", *(f"--unset={name}" for name, text in changes.items() if not text)]
    kept = {name: text for name, text in changes.items() if text}
    after = ground.session("matrix", "--", *ground.words, before=words, variables=kept)
    return broken(after, ground.expected())


VARIABLES: dict[str, tuple[str, dict[str, str]]] = {
    "no-home": ("no HOME", {"HOME": ""}),
    "home-nowhere": ("a HOME that is not there", {"HOME": "/nonexistent"}),
    "home-file": ("a file for a HOME", {"HOME": "/etc/passwd"}),
    "no-path": ("no PATH", {"PATH": ""}),
    "locale": ("a locale that there is not", {"LC_ALL": "xx_XX.nonsense"}),
    "tmpdir-nowhere": ("a TMPDIR that is not there", {"TMPDIR": "/nonexistent"}),
    "run-up": ("a run's name that leads out of its folder", {"TLS_FLOOR_RUN": "../../x"}),
    "run-blank": ("a run's name of blanks and newlines", {"TLS_FLOOR_RUN": " \n\t"}),
    "openssl-conf-device": ("an OPENSSL_CONF that never ends", {"OPENSSL_CONF": "/dev/zero"}),
    "columns": ("a terminal of no columns", {"COLUMNS": "0", "LINES": "-1"}),
}


def _twice(ground: Ground) -> Sequence[str]:
    """Run twice under one name: the second is refused before it measures."""
    first = ground.matrix(TLS_FLOOR_RUN="twice")
    second = ground.matrix(TLS_FLOOR_RUN="twice")
    shutil.rmtree(ground.checkout.folder / "reports" / "history" / "twice")
    found = [*broken(first, ground.expected(exactly=True))]
    ground.matrix()
    if second.status == 0 or "measured" in second.said:
        found.append(f"the second is measured before it is refused: {second.said[-200:]!r}")
    return found


def _place(where: str, make: Callable[[Path], object], ground: Ground) -> Sequence[str]:
    """Measure with something else in a path's place; what it leads to outside has to stay as it is."""
    path, outside = ground.checkout.folder / where, ground.folder / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    outside.chmod(0o755)
    try:
        with ground.changed(path):
            make(path)
            after = ground.session("matrix", "--", *ground.words)
            seen = sorted(entry.name for entry in outside.rglob("*")), outside.stat().st_mode & 0o777
        if not after.published:
            # What was put aside is the report before.
            after = replace(after, rows=ground.rows())
        found = broken(after, ground.expected())
        return [*found, *([f"what lies outside has changed: {seen}"] if seen != (["mine"], 0o755) else [])]
    finally:
        shutil.rmtree(outside)


def _out(path: Path) -> None:
    """Let a path be a link to the folder outside, which is beside the checkout."""
    checkout = next(folder for folder in path.parents if folder.name == "checkout")
    path.symlink_to(checkout.parent / "outside")


def _file(path: Path) -> None:
    path.write_text("mine")


PLACES: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    f"{where.split('/')[-1].strip('.').split('.')[0]}-{kind}": (
        f"{what} in the place of {where}",
        where,
        make,
    )
    for where in ("reports/latest", "reports/history", ".nox/.cache", "policy.toml")
    for kind, what, make in (
        ("link", "a link that leads out of the checkout", _out),
        ("file", "a file", _file),
        ("pipe", "a pipe", os.mkfifo),
    )
}


def _history_kept(ground: Ground) -> Sequence[str]:
    """Keep two runs where the user has a folder among them, and a run's record is damaged."""
    mine = ground.checkout.folder / "reports" / "history" / "mine"
    mine.mkdir()
    found: list[str] = []
    try:
        with contextlib.suppress(FileNotFoundError):
            (mine.parent / ".order").write_bytes(b"\xff../../etc\n")
        for _ in range(2):
            found += ground.kept("--keep", "1000", exactly=True)
        return [*found, *([] if mine.is_dir() else ["the user's folder in history is gone"])]
    finally:
        shutil.rmtree(mine, ignore_errors=True)


def _umask(mode: int, ground: Ground) -> Sequence[str]:
    before = os.umask(mode)
    try:
        after = ground.matrix()
    finally:
        os.umask(before)
    loose = [path for path in ground.checkout.latest.resolve().rglob("*") if path.stat().st_mode & 0o022]
    return [*broken(after, ground.expected()), *(f"others may write to {path.name}" for path in loose)]


FAMILY = Family(
    "files",
    "right rows, or a sentence that says what to do; the report before stays, and nothing outside changes",
    (
        *(Fault(name, what, functools.partial(_mount, name)) for name, (what, *_) in MOUNTS.items()),
        *(
            Fault(name, what, functools.partial(_variables, changes))
            for name, (what, changes) in VARIABLES.items()
        ),
        *(
            Fault(name, what, functools.partial(_place, where, make))
            for name, (what, where, make) in PLACES.items()
        ),
        *(
            Fault(f"umask-{mode:03o}", f"umask {mode:03o}", functools.partial(_umask, mode))
            for mode in (0, 0o777)
        ),
        Fault("name-twice", "two runs under one name, by TLS_FLOOR_RUN", _twice),
        Fault(
            "history-kept",
            "a folder of the user's in history, and a damaged record of the order",
            _history_kept,
        ),
    ),
)
