"""Publishing: nobody sees half a report, and `latest` always leads to the newest whole one."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from interpreters.scratch import in_use
from reports.files import (
    BEGUN,
    HISTORY,
    KEPT_RUNS,
    ORDER,
    SUMS,
    PublishError,
    begun,
    link_problem,
    marks,
    publish,
    published,
    sums_of,
    write_sums,
)
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def _publish(reports: Path, run: str, text: str = "whole", kept: int = KEPT_RUNS) -> None:
    with publish(run, reports, kept) as folder:
        (folder / "matrix.md").write_text(text)


FILES = {
    f"{run}/{name}" for run in ("1", "2", *(f"run{n}" for n in range(5))) for name in ("matrix.md", SUMS)
}
"""What is in the folders of runs."""


def _fail(reports: Path, error: type[BaseException]) -> None:
    with publish("2", reports) as folder:
        (folder / "matrix.md").write_text("half")
        raise error


def _tree(reports: Path) -> set[str]:
    """Return what is there, without the record of the order and its lock."""
    return {str(path.relative_to(reports)) for path in reports.rglob("*") if f".{ORDER}" not in path.name}


def test_a_complete_run_is_published(tmp_path: Path) -> None:
    """What the block wrote is in the run's own folder, and behind `latest`."""
    _publish(tmp_path, "20260101T000000Z")
    assert (tmp_path / "latest" / "matrix.md").read_text() == "whole"
    assert _tree(tmp_path) == {
        "latest",
        *("history", "history/20260101T000000Z", "history/20260101T000000Z/matrix.md"),
        f"history/20260101T000000Z/{SUMS}",
    }


def test_a_run_can_be_checked_against_its_sums(tmp_path: Path) -> None:
    """The list has the hash of every file, those in folders too, as sha256sum checks them; an edit shows."""
    with publish("1", tmp_path) as folder:
        (folder / "matrix.md").write_text("whole")
        (folder / "evidence").mkdir()
        (folder / "evidence" / "one.pcapng").write_bytes(b"\0\1")
    latest = tmp_path / "latest"
    expected = {
        name: hashlib.sha256((latest / name).read_bytes()).hexdigest()
        for name in ("evidence/one.pcapng", "matrix.md")
    }
    listed = [line.split("  ", 1) for line in (latest / SUMS).read_text().splitlines()]
    assert {name: digest for digest, name in listed} == expected
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--check", "--strict", "--quiet", SUMS]
        assert subprocess.run(command, cwd=latest, check=False).returncode == 0
        (latest / "matrix.md").write_text("edited")
        done = subprocess.run(command, cwd=latest, check=False, capture_output=True)
        assert done.returncode != 0


def test_nothing_is_seen_before_it_is_complete(tmp_path: Path) -> None:
    """While a run writes its files, `latest` and the history still show the one before."""
    _publish(tmp_path, "1", "old")
    with publish("2", tmp_path) as folder:
        (folder / "matrix.md").write_text("new")
        assert (tmp_path / "latest" / "matrix.md").read_text() == "old"
        assert not (tmp_path / "history" / "2").exists()
    assert (tmp_path / "latest" / "matrix.md").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("before", [True, False])
def test_a_run_that_fails_leaves_everything_as_it_was(
    tmp_path: Path,
    error: type[BaseException],
    before: bool,  # noqa: FBT001
) -> None:
    """An error or an interruption passes on, removes the half report, and touches nothing else."""
    if before:
        _publish(tmp_path, "1", "old")
    tree = _tree(tmp_path) | {"history"}
    with pytest.raises(error):
        _fail(tmp_path, error)
    assert _tree(tmp_path) == tree
    if before:
        assert (tmp_path / "latest" / "matrix.md").read_text() == "old"


def test_two_runs_in_a_row_leave_both(tmp_path: Path) -> None:
    """The second run becomes the latest, and the first stays in the history."""
    _publish(tmp_path, "1", "first")
    _publish(tmp_path, "2", "second")
    assert (tmp_path / "latest" / "matrix.md").read_text() == "second"
    assert (tmp_path / "history" / "1" / "matrix.md").read_text() == "first"


@pytest.mark.parametrize("kept", [1, 3])
def test_only_the_newest_runs_are_kept(tmp_path: Path, kept: int) -> None:
    """Past the limit the oldest runs go, by their ids, and the latest is among those that stay."""
    for run in range(5):
        _publish(tmp_path, f"run{run}", kept=kept)
    runs = _tree(tmp_path / "history") - FILES
    assert runs == {f"run{run}" for run in range(5 - kept, 5)}
    assert (tmp_path / "latest" / "matrix.md").read_text() == "whole"


def test_another_runs_folder_in_the_making_is_not_counted(tmp_path: Path) -> None:
    """A folder that is still being written elsewhere is neither kept as a run nor removed."""
    making = tmp_path / "history" / ".other.1"
    making.mkdir(parents=True)
    with in_use(making):
        _publish(tmp_path, "1", kept=1)
        _publish(tmp_path, "2", kept=1)
    assert _tree(tmp_path / "history") - FILES == {".other.1", "2"}


def test_a_run_that_is_there_already_is_not_overwritten(tmp_path: Path) -> None:
    """A second run under the same id fails, and the first one's report stays."""
    _publish(tmp_path, "1", "first")
    with pytest.raises(PublishError, match="is there already"):
        _publish(tmp_path, "1", "second")
    assert (tmp_path / "latest" / "matrix.md").read_text() == "first"
    assert _tree(tmp_path / "history") - FILES == {"1"}


def test_a_clock_that_was_set_back_does_not_lose_the_report(tmp_path: Path) -> None:
    """A run whose id sorts before all others is still the latest, and is there."""
    for run in ("20270101", "20270102", "20260101"):
        _publish(tmp_path, run, run, kept=2)
    assert (tmp_path / "latest" / "matrix.md").read_text() == "20260101"


def test_runs_are_in_the_order_of_their_publishing(tmp_path: Path) -> None:
    """After the clock was set back, the runs published first go first, whatever their ids say."""
    history = tmp_path / "history"
    history.mkdir()
    # From before the order was recorded.
    for name in ("20270301", "20270201"):
        (history / name).mkdir()
        (history / name / SUMS).touch()
    for run in ("20270401", "20260101", "20260102"):
        _publish(tmp_path, run, kept=5)
    names = ["20270201", "20270301", "20270401", "20260101", "20260102"]
    assert [path.name for path in published(history)] == names
    _publish(tmp_path, "20260103", kept=3)
    assert [path.name for path in published(history)] == ["20260101", "20260102", "20260103"]
    _publish(tmp_path, "20250101", kept=3)
    assert [path.name for path in published(history)] == ["20260102", "20260103", "20250101"]


@pytest.mark.parametrize("text", [b"", b"gone\n../../etc\n", b"\xff\xfe"])
def test_a_broken_record_of_the_order_leaves_that_of_the_names(tmp_path: Path, text: bytes) -> None:
    """Where the record cannot be read, or names what is not there, runs are in the order of their ids."""
    for run in ("2", "1"):
        _publish(tmp_path, run)
    (tmp_path / "history" / f".{ORDER}").write_bytes(text)
    assert [path.name for path in published(tmp_path / "history")] == ["1", "2"]
    _publish(tmp_path, "0")
    assert [path.name for path in published(tmp_path / "history")] == ["1", "2", "0"]


def test_a_real_folder_named_latest_does_not_stop_publishing(tmp_path: Path) -> None:
    """Where something made `latest` a folder, the next run is published all the same."""
    (tmp_path / "latest").mkdir()
    _publish(tmp_path, "1")
    assert (tmp_path / "latest" / "matrix.md").read_text() == "whole"


def test_a_run_that_ends_well_leaves_no_mark(tmp_path: Path) -> None:
    """While a run is on its way its mark says so, and once it ended well the mark is gone."""
    with begun("one", tmp_path):
        (mark,) = marks(tmp_path)
        assert (mark.run_id, mark.running) == ("one", True)
    assert _tree(tmp_path) == set()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_run_that_breaks_off_leaves_its_mark(tmp_path: Path, error: type[BaseException]) -> None:
    """The mark of a run that failed stays, and says that it is not on its way."""
    with pytest.raises(error), begun("one", tmp_path):
        raise error
    (mark,) = marks(tmp_path)
    assert (mark.run_id, mark.running) == ("one", False)
    with begun("two", tmp_path):
        assert [one.run_id for one in marks(tmp_path)] == ["one", "two"]
    assert marks(tmp_path) == ()


def test_a_run_that_was_refused_leaves_no_mark(tmp_path: Path) -> None:
    """What was asked made no sense, so no later run than the report's ever began."""
    with pytest.raises(KeyError), begun("one", tmp_path, refusals=(KeyError, ValueError)):
        raise KeyError
    assert _tree(tmp_path) == set()


KILLED = """
import os, pathlib, signal, sys
sys.path.insert(0, {root!r})
from reports.files import begun
with begun("killed", pathlib.Path({folder!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_is_killed_is_not_taken_for_one_on_its_way(tmp_path: Path) -> None:
    """Nothing that a process could do at its end is needed for its mark to stay and to tell that it ended."""
    program = KILLED.format(root=str(ROOT), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    (mark,) = marks(tmp_path)
    assert (mark.run_id, mark.running) == ("killed", False)


KILLED_AS_IT_PUBLISHES = """
import os, pathlib, signal, sys
sys.path.insert(0, {root!r})
from interpreters.offspring import offspring_ended
from reports.files import publish
with offspring_ended(), publish("killed", pathlib.Path({folder!r})) as folder:
    (folder / "matrix.csv").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_that_is_killed_as_it_publishes_leaves_no_half_report(tmp_path: Path) -> None:
    """The folder that a run writes into is gone soon after its violent death, not at the next run alone."""
    program = KILLED_AS_IT_PUBLISHES.format(root=str(ROOT), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while (left := list((tmp_path / HISTORY).iterdir())) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def test_a_run_on_its_way_keeps_its_mark_when_another_ends(tmp_path: Path) -> None:
    """A run that ends well removes the marks of those that broke off before it, and of no other."""
    with begun("long", tmp_path):
        with begun("short", tmp_path):
            pass
        assert [one.run_id for one in marks(tmp_path)] == ["long"]
    later = tmp_path / f"{BEGUN}later"
    with begun("now", tmp_path):
        later.write_text("2999-01-01T00:00:00+00:00")
    assert [one.run_id for one in marks(tmp_path)] == ["later"]


def test_a_mark_that_says_no_time_counts_from_when_it_was_made(tmp_path: Path) -> None:
    """A run that was stopped between making its mark and writing the time into it has begun all the same."""
    mark = tmp_path / f"{BEGUN}empty"
    mark.touch()
    os.utime(mark, (0, 0))
    (found,) = marks(tmp_path)
    assert found.started.isoformat() == "1970-01-01T00:00:00+00:00"


def test_a_folder_of_the_users_own_is_neither_removed_nor_counted(tmp_path: Path) -> None:
    """Among earlier runs only what publishing wrote is removed: a folder of notes, or a link, stays."""
    notes, elsewhere = tmp_path / "history" / "0-notes", tmp_path / "elsewhere"
    notes.mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / SUMS).touch()
    (tmp_path / "history" / "0-link").symlink_to(elsewhere)
    for number in range(3):
        with publish(f"run{number}", tmp_path, kept=1):
            pass
    assert sorted(path.name for path in (tmp_path / "history").glob("[!.]*")) == ["0-link", "0-notes", "run2"]
    assert (elsewhere / SUMS).exists()


def test_what_another_container_writes_is_not_taken_for_abandoned(tmp_path: Path) -> None:
    """A folder in the making whose process has no number here is kept as long as its lock is held."""
    aside = tmp_path / "history" / ".other.999999999"
    aside.mkdir(parents=True)
    with in_use(aside), publish("one", tmp_path, kept=1):
        pass
    assert aside.exists()
    with publish("two", tmp_path, kept=1):
        pass
    assert not aside.exists()


@pytest.mark.parametrize("name", ["history", "latest"])
def test_a_link_that_leads_out_is_a_problem(tmp_path: Path, name: str) -> None:
    """Nothing is written through a link out of the folder of reports, and the one that we make is none."""
    reports = tmp_path / "reports"
    reports.mkdir()
    assert link_problem(reports) == ""
    with publish("one", reports):
        pass
    assert link_problem(reports) == ""
    (reports / "latest").unlink()
    (reports / "history").rename(tmp_path / "elsewhere")
    (reports / name).symlink_to(tmp_path / "elsewhere")
    assert link_problem(reports).startswith(f"{reports / name} is a link to {tmp_path / 'elsewhere'}")


@pytest.mark.parametrize("line", ["no hash", f"{'0' * 64}  matrix.md"])
def test_a_list_of_hashes_that_says_two_things_is_refused(tmp_path: Path, line: str) -> None:
    """A file that is listed twice, and a line without a hash, are no list of this tool."""
    (tmp_path / "matrix.md").write_text("safe")
    write_sums(tmp_path)
    assert sums_of(tmp_path).keys() == {"matrix.md"}
    with (tmp_path / SUMS).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ValueError, match="has a line that it should not have"):
        sums_of(tmp_path)
