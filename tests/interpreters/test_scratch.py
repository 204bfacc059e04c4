"""Folders of a run go with it, and those that a dead run left go with the next."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from interpreters.scratch import in_use, scratch_folder, sweep
from tests.support.checkout import ROOT
from tests.support.processes import killed_at_the_end


def _there(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if not path.name.startswith("."))


def test_a_folder_goes_with_its_block(tmp_path: Path) -> None:
    """A folder for us alone is there in the block, and gone after, with all that is in it."""
    with scratch_folder(tmp_path, "run-") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "rsa.key").touch()
    assert _there(tmp_path) == []


def test_a_prefix_that_nobody_sweeps_is_refused(tmp_path: Path) -> None:
    """A folder is not made under a name that the next run would not know."""
    with pytest.raises(ValueError, match="nobody would sweep it"), scratch_folder(tmp_path, "other-"):
        pytest.fail("the block was entered")


HOLD = """\
import sys
from pathlib import Path
from interpreters.scratch import in_use
with in_use(Path(sys.argv[1])):
    print("up", flush=True)
    sys.stdin.read()
"""


def test_a_dead_runs_folders_are_swept_and_a_living_ones_kept(tmp_path: Path) -> None:
    """What a lock holds stays, whoever holds it, and what none holds goes; folders of other names stay."""
    for name in ("run-dead", "serve-dead", "page.123", "run-alive", "environments", "page"):
        (tmp_path / name / "deep").mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "run-alive"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with scratch_folder(tmp_path, "run-") as own:
            sweep(tmp_path)
            assert _there(tmp_path) == sorted(["environments", "page", "run-alive", own.name])
    sweep(tmp_path)
    assert _there(tmp_path) == ["environments", "page"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A link that looks like such a folder leads the sweep nowhere."""
    elsewhere, cache = tmp_path / "elsewhere", tmp_path / "cache"
    (elsewhere / "mine").mkdir(parents=True)
    cache.mkdir()
    (cache / "run-x").symlink_to(elsewhere)
    sweep(cache)
    assert (elsewhere / "mine").is_dir()


def test_a_lock_does_not_reach_what_we_start(tmp_path: Path) -> None:
    """A process that a run leaves behind holds no folder: it has not inherited the lock."""
    child = ["sleep", "600"]
    with in_use(tmp_path), killed_at_the_end(subprocess.Popen(child, close_fds=False)) as process:
        links = []
        for path in Path(f"/proc/{process.pid}/fd").glob("*"):
            # A descriptor of ours may be closed just now, as the process becomes another.
            with contextlib.suppress(FileNotFoundError):
                links.append(str(path.readlink()))
    assert str(tmp_path) not in links
