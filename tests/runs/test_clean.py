"""Cleaning removes what no run needs any more, and nothing else: no user's file, nothing in use, no link."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from interpreters.environments import FAILURE, STAMP
from interpreters.locks import locked
from interpreters.scratch import in_use
from runs.campaign import COMPILED_AGE as OLD
from runs.clean import clean, leftovers, shown, size_of


def an_environment(place: Path, python: Path, *, mark: str = STAMP) -> Path:
    """Return a folder such as a run makes for an interpreter."""
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(python)
    (place / "pyvenv.cfg").write_text(f"home = {python.parent}\nversion = 3.12\n")
    if mark:
        (place / mark).write_text("{}")
    return place


@pytest.fixture
def gone(tmp_path: Path) -> Path:
    """Return an interpreter that is not there."""
    return tmp_path / "opt" / "bin" / "python3"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return the folder of a cache."""
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def cleaned(cache: Path, *, dry_run: bool = False) -> tuple[list[str], int]:
    """Return what was said, and the bytes that it came to."""
    said: list[str] = []
    return said, clean(cache, said.append, dry_run=dry_run)


def test_environments_of_interpreters_that_are_gone_are_removed(cache: Path, gone: Path) -> None:
    """Those of one that is there stay, and so does one whose base moved away under a copied executable."""
    made = cache / "environments"
    kept = an_environment(made / "here" / "botocore", Path(sys.executable).resolve())
    lost = an_environment(made / "gone" / "botocore", gone)
    failed = an_environment(made / "gone" / "requests", gone, mark=FAILURE)
    copied = an_environment(made / "copied" / "botocore", gone)
    (copied / "bin" / "python").unlink()
    shutil.copy2("/bin/sh", copied / "bin" / "python")
    size = sum(map(size_of, (lost, failed, copied)))
    said, freed = cleaned(cache, dry_run=True)
    assert (len(said), freed) == (3, size)
    assert all(path.exists() for path in (kept, lost, failed, copied))
    assert cleaned(cache) == (said, size)
    assert [path.exists() for path in (kept, lost, failed, copied)] == [True, False, False, False]
    assert all("its interpreter is gone" in sentence for sentence in said)
    assert cleaned(cache) == ([], 0)


def test_what_no_run_made_stays(cache: Path, gone: Path, tmp_path: Path) -> None:
    """A folder without our stamp, other names in the cache, and all that is behind a link."""
    made = cache / "environments"
    theirs = an_environment(made / "gone" / "mine", gone, mark="")
    (cache / "notes").mkdir()
    outside = an_environment(tmp_path / "elsewhere" / "botocore", gone)
    (made / "linked").symlink_to(tmp_path / "elsewhere")
    (made / "gone" / "linked").symlink_to(outside)
    (cache / "run-linked").symlink_to(tmp_path / "elsewhere")
    assert leftovers(cache, time.time() + 10 * OLD) == ()
    assert cleaned(cache) == ([], 0)
    assert theirs.exists()
    assert outside.exists()


def test_a_link_in_an_environment_is_not_followed(cache: Path, gone: Path, tmp_path: Path) -> None:
    """What it leads to stays, and counts for no size."""
    place = an_environment(cache / "environments" / "gone" / "botocore", gone)
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "file").write_bytes(bytes(1 << 20))
    (place / "lib").symlink_to(treasure)
    (one,) = leftovers(cache, time.time())
    assert one.size < 1 << 20
    cleaned(cache)
    assert not place.exists()
    assert (treasure / "file").exists()


def test_what_a_run_uses_stays(cache: Path, gone: Path) -> None:
    """An environment that is locked, and a folder that a run holds; both go once it has ended."""
    place = an_environment(cache / "environments" / "gone" / "botocore", gone)
    scratch = cache / "run-abc"
    scratch.mkdir()
    unfinished = cache / "unfinished" / "one"
    unfinished.mkdir(parents=True)
    os.utime(unfinished, (0, 0))
    with locked(place, shared=True), in_use(scratch), in_use(unfinished):
        (sentence,), freed = cleaned(cache)
        assert freed == 0
        assert "a run uses it" in sentence
        assert place.exists()
        assert scratch.exists()
        assert unfinished.exists()
    assert len(cleaned(cache)[0]) == 3
    assert not place.exists()
    assert not scratch.exists()


@pytest.mark.parametrize("name", ["compiled/cpython-312/a", "identities/b.json", "places/c", "unfinished/d"])
def test_what_nobody_used_lately_goes(cache: Path, name: str) -> None:
    """What is remembered goes once it is old, and stays before that."""
    for number, age in enumerate((0.0, 1.1 * OLD)):
        path = cache / f"{name}{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.startswith(("places", "unfinished")) else path.write_text("x")
        os.utime(path, (time.time() - age,) * 2)
    (sentence,), _ = cleaned(cache)
    assert f"{name}1" in sentence
    assert (cache / f"{name}0").exists()
    assert not (cache / f"{name}1").exists()


def test_packages_go_that_no_environment_leads_to(cache: Path) -> None:
    """Those of today stay all the same: an environment that is being made may come to lead to them."""
    for name, age in (("used", 3), ("unused", 3), ("new", 0)):
        (cache / "packages" / name).mkdir(parents=True)
        os.utime(cache / "packages" / name, (time.time() - age * 24 * 3600,) * 2)
    made = an_environment(cache / "environments" / "one" / "botocore", Path(sys.executable).resolve())
    (made / "lib" / "python3.12").mkdir(parents=True)
    (made / "lib" / "python3.12" / "site-packages").symlink_to(cache / "packages" / "used")
    (sentence,), _ = cleaned(cache)
    assert "packages/unused" in sentence
    assert sorted(path.name for path in (cache / "packages").iterdir()) == ["new", "used"]


def test_locks_stay(cache: Path, gone: Path) -> None:
    """The file of a lock excludes nobody once it was removed, so it is left, however old it is."""
    place = an_environment(cache / "environments" / "gone" / "botocore", gone)
    with locked(place, shared=True), locked(cache / "places" / "one", shared=True):
        pass
    locks = sorted(cache.rglob("*.lock"))
    for lock in locks:
        os.utime(lock, (0, 0))
    cleaned(cache)
    assert sorted(cache.rglob("*.lock")) == locks


def test_what_cannot_be_looked_for_may_be_there(cache: Path, gone: Path) -> None:
    """Where the way to an interpreter is closed, its environment stays."""
    if os.geteuid() == 0:
        pytest.skip("root may look everywhere: run as another user for this")
    an_environment(cache / "environments" / "closed" / "botocore", gone)
    gone.parent.mkdir(parents=True)
    gone.parent.chmod(0)
    try:
        assert leftovers(cache, time.time()) == ()
    finally:
        gone.parent.chmod(0o700)


def test_sizes_are_read_by_people() -> None:
    """In units of 1,024."""
    assert [shown(size) for size in (0, 1536, 3 << 20)] == ["0.0 KiB", "1.5 KiB", "3.0 MiB"]
