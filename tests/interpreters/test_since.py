"""What a running process has read at its start, and changed on disk since, is named."""

from __future__ import annotations

import datetime as dt
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters import since
from interpreters.describe import describe, describe_again
from interpreters.identify import parse_identity
from interpreters.interpreter import MADE, RUNNING, RunningProcess
from interpreters.locate import Candidate
from interpreters.since import LAG, with_changes

if TYPE_CHECKING:
    from collections.abc import Callable


def process(seconds_ago: float) -> RunningProcess:
    """Return a process that began so long ago."""
    began = dt.datetime.fromtimestamp(time.time() - seconds_ago, dt.UTC)
    return RunningProcess(12, "web", began.isoformat(timespec="seconds"), "gunicorn")


CHANGED = since.changed_at

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
    assert with_changes((BEFORE, AFTER), MADE, (), [str(tmp_path), "", "/nonexistent"]) == (
        replace(BEFORE, replaced=(str(tmp_path / name),) if counts else ()),
        AFTER,
    )


def test_what_is_moved_into_place_with_its_old_time_counts(tmp_path: Path) -> None:
    """A deployment that keeps the times of files (rsync -a) changes them all the same."""
    file = tmp_path / "openssl.cnf"
    file.touch()
    os.utime(file, (1, 1))
    (found,) = with_changes((BEFORE,), MADE, [str(file), "", "/nonexistent", "relative.cnf"], ())
    assert found.replaced == (str(file),)


@pytest.mark.parametrize(("later", "counts"), [(2 * LAG, False), (LAG / 2, True), (-1.0, True)])
def test_what_changed_about_when_a_process_began_counts(
    tmp_path: Path, later: float, *, counts: bool
) -> None:
    """What was there before is what it read; where the two clocks cannot tell, it counts."""
    file = tmp_path / "openssl.cnf"
    file.touch()
    began = replace(BEFORE, began=file.stat().st_ctime + later)
    (found,) = with_changes((began,), MADE, [str(file)], ())
    assert bool(found.replaced) is counts


def an_environment(folder: Path) -> Path:
    """Make the folders of a virtual environment; return where its packages are."""
    (packages := folder / "lib/python3.11/site-packages").mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    return packages


def since_now(environment: Path, **known: Any) -> Callable[[], tuple[str, ...]]:
    """Return a function that says what changed since this moment for a process of an environment."""
    time.sleep(2 * LAG)
    process = replace(BEFORE, began=time.time(), **known)
    time.sleep(2 * LAG)

    def changed() -> tuple[str, ...]:
        path = [str(environment / "lib/python3.11/site-packages")]
        (found,) = with_changes((process,), str(environment), (), path)
        return found.replaced

    assert known or changed() == ()
    return changed


@pytest.mark.parametrize("above", [False, True])
def test_an_environment_in_the_place_of_another_is_named(tmp_path: Path, *, above: bool) -> None:
    """One that was there before, and is renamed into the place, has nothing in it that is new."""
    place, other = tmp_path / "shop", tmp_path / "other"
    for folder in (place, other):
        an_environment(folder / "venv")
    changed = since_now(place / "venv")
    moved = (place, other) if above else (place / "venv", other / "venv")
    moved[0].rename(tmp_path / "old")
    assert changed() == ()
    moved[1].rename(moved[0])
    assert str(moved[0]) in changed()


def test_what_else_comes_and_goes_above_an_environment_is_not_named(tmp_path: Path) -> None:
    """A log beside an environment, or a new release of what is no client in it, changes nothing there."""
    packages = an_environment(tmp_path / "shop/venv")
    changed = since_now(tmp_path / "shop/venv")
    (tmp_path / "shop/log").touch()
    (packages / "flask-3.0.dist-info").mkdir()
    assert changed() == ()


def test_modules_of_an_environment_that_is_elsewhere_by_now_tell_that_it_was_moved(tmp_path: Path) -> None:
    """The kernel names what is mapped by its present path; what a fresh process finds too is no sign."""
    place, old = tmp_path / "venv", tmp_path / "venv.old"
    packages, before = an_environment(place), an_environment(old)
    assert since_now(place, packages=(str(packages), "/usr/lib/python3/site-packages"))() == ()
    assert since_now(place, packages=(str(packages), str(before)))() == (str(place),)


def test_a_process_of_which_nothing_was_started_is_not_said_to_be_old(tmp_path: Path) -> None:
    """Where its variables cannot be read, say, nobody knows what a fresh one would have on its path."""
    packages = an_environment(tmp_path)
    process = replace(BEFORE, began=time.time() + DAY, packages=(str(packages),))
    assert with_changes((process,), str(tmp_path), (), ()) == (process,)


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
        (found,) = with_changes((one,), MADE, [*files, "/nonexistent/a"], path, mounts)
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
    (found,) = with_changes((AFTER,), MADE, links, (), mounts)
    assert found.elsewhere == tuple(links[:2])


def test_where_mounts_are_ours_nothing_is_elsewhere(mounts: Path, tmp_path: Path) -> None:
    """Nor is it where nobody tells."""
    file = str(here_and_there(tmp_path, mounts, same=False))
    link = mounts / "12/ns/mnt"
    link.unlink()
    assert with_changes((AFTER,), MADE, [file], (), mounts) == (AFTER,)
    link.symlink_to(mounts / "ours")
    assert with_changes((AFTER,), MADE, [file], (), mounts) == (AFTER,)


def conf(folder: Path) -> Path:
    """Return where the made-up interpreter's configuration is."""
    return folder / "openssl.cnf"


def hook(folder: Path) -> Path:
    """Return where its start-up code is."""
    return folder / "hook.pth"


def included(folder: Path) -> Path:
    """Return where a file is that the configuration includes."""
    return folder / "floor.cnf"


@pytest.mark.parametrize("file", [conf, hook, included])
def test_a_row_of_processes_says_what_changed(
    facts: dict[str, Any],
    tmp_path: Path,
    file: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Configuration and start-up code count, when it is described first and when it is described again."""
    for each in (conf, hook, included):
        each(tmp_path).touch()
    conf(tmp_path).write_text(f".include {included(tmp_path)}\n")
    old = [each(tmp_path) for each in (conf, hook, included) if each is not file]
    monkeypatch.setattr(since, "changed_at", lambda path: 0 if Path(path) in old else CHANGED(path))
    facts["ssl"]["directory"] = str(tmp_path)
    identity = parse_identity(facts | {"start_up": [str(hook(tmp_path))]})
    candidate = Candidate("running_app", RUNNING, Path("/made/up/python"), processes=(BEFORE, AFTER))
    first = describe(candidate, identity)
    for described in (first, describe_again(first, identity, {})):
        assert [each.replaced for each in described.processes] == [(str(file(tmp_path)),), ()]
