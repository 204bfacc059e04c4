"""What a machine lets a run have: how many visits fit its open files, and what is said of useless folders."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from servers import resources
from servers.resources import (
    MEBIBYTE,
    OWN_FILES,
    ROOM,
    ResourceError,
    exhausted,
    link_problem,
    own_problem,
    probes_at_once,
    raise_open_files,
    removed,
    writing_problem,
)
from tests.support.checkout import ROOT


class _Limit:
    """In place of the process's own limit of open files."""

    def __init__(self, soft: int, hard: int, refuses_above: int = 1 << 40) -> None:
        self.pair, self.refuses_above = (soft, hard), refuses_above

    def get(self, which: int) -> tuple[int, int]:
        assert which == resource.RLIMIT_NOFILE
        return self.pair

    def set(self, which: int, pair: tuple[int, int]) -> None:
        assert which == resource.RLIMIT_NOFILE
        if pair[0] > self.refuses_above:
            raise ValueError
        self.pair = pair


def _limited(monkeypatch: pytest.MonkeyPatch, limit: _Limit, opened: int = 10) -> _Limit:
    monkeypatch.setattr(resource, "getrlimit", limit.get)
    monkeypatch.setattr(resource, "setrlimit", limit.set)
    monkeypatch.setattr(resources, "_open_now", lambda: opened)
    return limit


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "refuses_above", "has"),
    [
        (1024, 4096, 500, 1 << 40, 1024),
        (256, 4096, 500, 1 << 40, 500),
        (256, 300, 500, 1 << 40, 300),
        (256, resource.RLIM_INFINITY, 500, 1 << 40, 500),
        # As macOS does: infinite, it says, and refuses what is beyond what its kernel gives a process.
        (256, resource.RLIM_INFINITY, 20_000, 15_000, 10_240),
        (256, resource.RLIM_INFINITY, 20_000, 100, 256),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 500, 1 << 40, 500),
    ],
)
def test_the_limit_is_raised_as_far_as_is_needed_and_allowed(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, wanted: int, refuses_above: int, has: int
) -> None:
    """The soft limit becomes what is wanted, or the hard limit, or stays where neither is allowed."""
    limit = _limited(monkeypatch, _Limit(soft, hard, refuses_above))
    assert raise_open_files(wanted) == has
    assert limit.pair[1] == hard
    assert limit.pair[0] in (soft, has)


@pytest.mark.parametrize("each", [1, 68, 500])
@pytest.mark.parametrize("common", [0, 51])
@pytest.mark.parametrize("limit", [100, 256, 1024, 4096])
def test_as_many_visits_as_the_files_allow(
    monkeypatch: pytest.MonkeyPatch, each: int, common: int, limit: int
) -> None:
    """Visits at once are what fits beside what is open and needed; a sentence says where they are fewer."""
    wanted, opened = 10, 7
    _limited(monkeypatch, _Limit(limit, limit), opened)
    fitting = (limit - opened - common - OWN_FILES) // each
    if fitting < 1:
        with pytest.raises(ResourceError, match=f"may open {limit} files"):
            probes_at_once(wanted, each, common)
        return
    at_once, why = probes_at_once(wanted, each, common)
    assert at_once == min(wanted, fitting)
    assert bool(why) is (fitting < wanted)
    if why:
        assert f"{fitting} at once instead of {wanted}" in why
        assert str(opened + common + OWN_FILES + wanted * each) in why


def test_what_is_open_is_counted(tmp_path: Path) -> None:
    """Another open file is one more."""
    before = resources._open_now()
    with (tmp_path / "file").open("w"):
        assert resources._open_now() == before + 1


def _raised_from(cause: ImportError) -> ImportError:
    """Return what a package raises that cannot import what it needs."""
    error = ImportError("Unable to import required dependency")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left", "/made/up"), "/made/up: the disk is full"),
        (OSError(errno.EMFILE, "Too many open files"), "may open no more files"),
        (PermissionError(errno.EACCES, "Permission denied", "/made/up"), "/made/up: permission is denied"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "processes or threads"),
        (OSError(errno.EFBIG, "File too large", "/made/up"), "/made/up: a file may have no more bytes"),
        (OSError(errno.ENOLCK, "No locks available"), "has no locks: use a checkout on another one"),
        (OSError(errno.EIO, "Input/output error", "/made/up"), "/made/up: the disk, or whoever shares it"),
        (OSError(errno.ESTALE, "Stale file handle"), "mount it again"),
        (RuntimeError("can't start new thread"), "processes or threads"),
        (MemoryError(), "memory"),
        (ImportError("x.so: failed to map segment from shared object"), "memory"),
        (ImportError("x.so: cannot map zero-fill pages"), "memory"),
        (_raised_from(_raised_from(ImportError("x.so: failed to map segment"))), "memory"),
        (SystemError("error return without exception set"), "memory"),
    ],
)
def test_an_end_of_resources_is_a_sentence(error: BaseException, words: str) -> None:
    """What the system says when something has run out is named, with the file if there is one."""
    assert words in exhausted(error)


@pytest.mark.parametrize(
    "error",
    [
        *(RuntimeError("other"), SystemError("other"), ImportError("no x"), KeyError()),
        *(FileNotFoundError(errno.ENOENT, "no"), _raised_from(ImportError("no y"))),
    ],
)
def test_other_errors_are_not_taken_for_one(error: BaseException) -> None:
    """A mistake of ours is not called an end of resources."""
    assert exhausted(error) == ""


def test_what_was_removed_of_ours_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is missing in our folder was removed; one elsewhere, or a mistake, is called nothing."""
    monkeypatch.chdir(tmp_path)
    ours = tmp_path / ".nox" / ".cache"
    for path in (ours / "run-a" / "rsa.pem", Path(".nox/.cache/run-a/rsa.pem")):
        sentence = removed(FileNotFoundError(errno.ENOENT, "no", str(path)), ours)
        assert sentence.startswith(f"{ours / 'run-a' / 'rsa.pem'} was removed meanwhile: run this again")
    for other in (
        FileNotFoundError(errno.ENOENT, "no", str(tmp_path / "policy.toml")),
        FileNotFoundError(errno.ENOENT, "no"),
        PermissionError(errno.EACCES, "no", str(ours / "key")),
    ):
        assert removed(other, ours) == ""


def test_a_folder_that_can_be_made_is_no_problem(tmp_path: Path) -> None:
    """Nothing is said of a folder that is there, or will be, with room in it; and nothing is written."""
    folder = tmp_path / "a" / "b"
    assert writing_problem(tmp_path) == writing_problem(folder) == ""
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_said_in_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with less room than a run needs is named with both."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=ROOM - 1))
    problem = writing_problem(tmp_path / "later")
    assert str(tmp_path) in problem
    assert f"needs {ROOM // MEBIBYTE}" in problem
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=ROOM))
    assert writing_problem(tmp_path) == ""


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    """A file where a folder has to be is no traceback of mkdir."""
    (tmp_path / "history").touch()
    assert "is no folder" in writing_problem(tmp_path / "history" / "more")


def test_a_folder_of_root_s_is_a_sentence() -> None:
    """For a user who is not its owner, a folder of another's is named with its owner and the remedy."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user: run the tests as root to see this")
    program = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from servers.resources import own_problem, writing_problem\n"
        "os.setuid(65534)\n"
        "print(writing_problem(Path(sys.argv[2])), own_problem(Path(sys.argv[2])), sep='\\n')"
    )
    # Not below tmp_path, which nobody else may enter.
    with tempfile.TemporaryDirectory() as name:
        theirs = Path(name)
        theirs.chmod(0o755)
        command = [sys.executable, "-c", program, str(ROOT), name]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    written, kept = said.splitlines()
    assert written == (
        f"nothing can be written to {theirs}, which belongs to root: give it to the user who measures (chown)"
    )
    assert kept.startswith(f"{theirs} belongs to root, and keys are kept in it")


@pytest.mark.parametrize("name", [".nox", ".nox/.cache"])
def test_a_link_out_of_the_checkout_is_named(tmp_path: Path, name: str) -> None:
    """Keys are kept in no folder that a link leads to, unless the link stays within the checkout."""
    checkout, outside = tmp_path / "checkout", tmp_path / "outside"
    (checkout / ".nox").mkdir(parents=True)
    (outside / ".cache").mkdir(parents=True)
    cache, link = checkout / ".nox" / ".cache", checkout / name
    assert link_problem(cache, checkout) == ""
    if link.is_dir():
        link.rmdir()
    link.symlink_to(outside)
    assert link_problem(cache, checkout).startswith(f"{link} is a link to {outside}: remove the link")
    assert link_problem(outside / ".cache", checkout) == ""
    link.unlink()
    (checkout / "inside" / ".cache").mkdir(parents=True)
    link.symlink_to("inside" if name == ".nox" else "../inside/.cache")
    assert link_problem(cache, checkout) == ""


def test_our_own_folder_is_kept(tmp_path: Path) -> None:
    """A folder of ours, or one that is not there yet, is no problem."""
    assert own_problem(tmp_path) == own_problem(tmp_path / "later") == ""
