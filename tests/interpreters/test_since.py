"""What a running process has read at its start, and changed on disk since, is named."""

from __future__ import annotations

import datetime as dt
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.describe import describe, describe_again
from interpreters.identify import parse_identity
from interpreters.interpreter import RUNNING, RunningProcess
from interpreters.locate import Candidate
from interpreters.since import GRAIN, with_changes

if TYPE_CHECKING:
    from collections.abc import Callable


def process(seconds_ago: float) -> RunningProcess:
    """Return a process that began so long ago."""
    began = dt.datetime.fromtimestamp(time.time() - seconds_ago, dt.UTC)
    return RunningProcess(12, "web", began.isoformat(timespec="seconds"), "gunicorn")


DAY = 24 * 3600.0

BEFORE, AFTER = process(DAY), process(-DAY)
"""One that began before a test changes anything, and one that begins after that, however late it runs."""


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("urllib3-2.6.3.dist-info", True),
        ("pyOpenSSL-24.2.1.dist-info", True),
        ("curl_cffi-0.7.egg-info", True),
        ("flask-3.0.dist-info", False),
        ("urllib3", False),
    ],
)
def test_a_client_that_was_installed_since_is_named(tmp_path: Path, name: str, *, counts: bool) -> None:
    """An older process has the release before in memory; what decides on no version is not named."""
    (tmp_path / name).mkdir()
    assert with_changes((BEFORE, AFTER), (), [str(tmp_path), "", "/nonexistent"]) == (
        replace(BEFORE, replaced=(str(tmp_path / name),) if counts else ()),
        AFTER,
    )


def test_what_is_moved_into_place_with_its_old_time_counts(tmp_path: Path) -> None:
    """A deployment that keeps the times of files (rsync -a) changes them all the same."""
    file = tmp_path / "openssl.cnf"
    file.touch()
    os.utime(file, (1, 1))
    (found,) = with_changes((BEFORE,), [str(file), "", "/nonexistent", "relative.cnf"], ())
    assert found.replaced == (str(file),)


def test_what_was_there_a_moment_before_is_no_change(tmp_path: Path) -> None:
    """The start of a process is known to the second: what was written just before it is what it read."""
    file = tmp_path / "openssl.cnf"
    file.touch()
    assert with_changes((process(GRAIN / 2),), [str(file)], ()) == (process(GRAIN / 2),)


def test_another_release_behind_the_same_path_is_named(facts: dict[str, Any], tmp_path: Path) -> None:
    """Where a link on the way to an environment leads to another release, nothing in that one is new."""
    for number in ("1", "2"):
        (tmp_path / number / "venv").mkdir(parents=True)
    current, environment = tmp_path / "current", tmp_path / "current/venv"
    current.symlink_to("2")
    candidate = Candidate("running_app", RUNNING, environment / "bin/python", environment=environment)
    found = describe(replace(candidate, processes=(BEFORE, AFTER)), parse_identity(facts))
    assert [each.replaced for each in found.processes] == [(str(current),), ()]


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    """Return a /proc in which the process has mounts of its own, and below its root all that we have."""
    for pid, namespace in (("self", "ours"), ("12", "its")):
        (tmp_path / pid / "ns").mkdir(parents=True)
        (tmp_path / namespace).touch()
        (tmp_path / pid / "ns/mnt").symlink_to(tmp_path / namespace)
    (tmp_path / "12/root").mkdir()
    return tmp_path


def here_and_there(folder: Path, proc: Path, *, same: bool) -> Path:
    """Return a file that a process has too, or another one by that path."""
    file = folder / "openssl.cnf"
    file.touch()
    there = Path(f"{proc}/12/root{file}")
    there.parent.mkdir(parents=True)
    there.hardlink_to(file) if same else there.touch()
    return file


@pytest.mark.parametrize("same", [True, False])
def test_another_file_behind_a_path_by_mounts_is_named(mounts: Path, tmp_path: Path, *, same: bool) -> None:
    """A unit's BindPaths, or unshare and mount, put a file there that no fresh process gets."""
    file = str(here_and_there(tmp_path, mounts, same=same))
    library = replace(AFTER, libraries=(file,))
    for one, files, path in ((AFTER, [file], []), (library, [], []), (AFTER, [], [file])):
        (found,) = with_changes((one,), [*files, "/nonexistent/a"], path, mounts)
        assert found.elsewhere == (() if same else (file,))


def test_links_lead_where_the_process_has_them_lead(mounts: Path, tmp_path: Path) -> None:
    """Debian's file is behind a link to a whole path, which the kernel would follow below our own root."""
    file = here_and_there(tmp_path, mounts, same=False)
    for folder in (tmp_path, Path(f"{mounts}/12/root{tmp_path}")):
        (folder / "ssl").mkdir()
        (folder / "ssl/openssl.cnf").symlink_to(file)
        (folder / "up.cnf").symlink_to("ssl/../openssl.cnf")
        (folder / "loop.cnf").symlink_to("loop.cnf")
    links = [str(tmp_path / name) for name in ("ssl/openssl.cnf", "up.cnf", "loop.cnf")]
    (found,) = with_changes((AFTER,), links, (), mounts)
    assert found.elsewhere == tuple(links[:2])


def test_where_mounts_are_ours_nothing_is_elsewhere(mounts: Path, tmp_path: Path) -> None:
    """Nor is it where nobody tells."""
    file = str(here_and_there(tmp_path, mounts, same=False))
    link = mounts / "12/ns/mnt"
    link.unlink()
    assert with_changes((AFTER,), [file], (), mounts) == (AFTER,)
    link.symlink_to(mounts / "ours")
    assert with_changes((AFTER,), [file], (), mounts) == (AFTER,)


def conf(folder: Path) -> Path:
    """Return where the made-up interpreter's configuration is."""
    return folder / "openssl.cnf"


def hook(folder: Path) -> Path:
    """Return where its start-up code is."""
    return folder / "hook.pth"


@pytest.mark.parametrize("file", [conf, hook])
def test_a_row_of_processes_says_what_changed(
    facts: dict[str, Any], tmp_path: Path, file: Callable[[Path], Path]
) -> None:
    """Configuration and start-up code count, when it is described first and when it is described again."""
    file(tmp_path).touch()
    facts["ssl"]["directory"] = str(tmp_path)
    identity = parse_identity(facts | {"start_up": [str(hook(tmp_path))]})
    candidate = Candidate("running_app", RUNNING, Path("/made/up/python"), processes=(BEFORE, AFTER))
    first = describe(candidate, identity)
    for described in (first, describe_again(first, identity, {})):
        assert [each.replaced for each in described.processes] == [(str(file(tmp_path)),), ()]
