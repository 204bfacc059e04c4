"""The table of faults can fail: its judge sees what breaks, and the page has all that the program injects."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults import owners, promises, table
from tests.faults.fault import Ending, Family, Fault, NotInjectableError, injected
from tests.faults.ground import Ground

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = object.__new__(Ground)
"""No ground: the faults of these tests need none."""


def _fails(_: Ground) -> list[str]:
    msg = "no such file"
    raise OSError(msg)


def _lacks(_: Ground) -> list[str]:
    msg = "strace is not installed"
    raise NotInjectableError(msg)


FAMILY = Family(
    "made-up",
    "nothing happens",
    (
        Fault("fine", "nothing", lambda _: []),
        Fault("wrong", "something", lambda _: ["a | row is wrong"]),
        Fault("fails", "what fails by itself", _fails),
        Fault("lacks", "what cannot be had here", _lacks),
    ),
)
OUTCOMES = [injected(FAMILY, fault, NOWHERE) for fault in FAMILY.faults]


def test_the_judge_sees_each_promise_that_breaks() -> None:
    """Each kind of broken promise is seen, and a run that kept all of them is not blamed."""
    assert promises.blind() == []


@pytest.mark.parametrize("name", promises.BROKEN)
def test_a_broken_judge_is_caught(name: str) -> None:
    """A judge that passes over a single kind of broken promise, or over all, is not trusted."""

    def passes_over(after: promises.Aftermath, expected: promises.Expected) -> list[str]:
        return [] if after is promises.BROKEN[name] else promises.broken(after, expected)

    assert promises.blind(passes_over) == [name]
    assert promises.blind(lambda _, __: []) == list(promises.BROKEN)
    assert promises.blind(lambda _, __: ["bad"]) == ["that nothing is broken"]


def test_what_fails_by_itself_was_not_survived() -> None:
    """A fault whose injection fails counts as broken, and one that this machine does not allow is apart."""
    endings = [outcome.ending for outcome in OUTCOMES]
    assert endings == [Ending.SURVIVED, Ending.BROKEN, Ending.BROKEN, Ending.NOT_HERE]
    assert "OSError" in OUTCOMES[2].details[0]
    counted = "1 of 3 faults injected were survived, and 1 could not be injected here"
    assert table.summary(OUTCOMES) == counted


@pytest.mark.parametrize("name", ["library-folder", "library-module", "library-start-up"])
def test_a_fault_changes_no_file_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A library of the system's, as Debian's, has links to files of the machine: these stay as they are."""
    prefix, theirs = tmp_path / "prefix", tmp_path / "etc/sitecustomize.py"
    for folder in (prefix / "bin", prefix / "lib/python3.11", theirs.parent, tmp_path / "planted"):
        folder.mkdir(parents=True)
    theirs.write_text("theirs")
    python, library = prefix / "bin/python3.11", prefix / "lib/python3.11"
    python.touch()
    (library / "os.py").symlink_to(theirs)
    (library / "sitecustomize.py").symlink_to(theirs)
    monkeypatch.setattr("os.chown", lambda *_, **__: None)
    plant = owners.Plant(tmp_path / "planted", "/usr/bin/python3.11", str(python))
    owners.PLANTED[name][1](plant)
    assert theirs.read_text() == "theirs"
    system = owners.Plant(tmp_path / "planted", "/usr/bin/python3.11", "/usr/local/bin/python3.11")
    with pytest.raises(NotInjectableError, match="folder of its own"):
        owners.PLANTED[name][1](system)


def test_the_page_is_made_of_the_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A family that was run as a whole takes its own place in the table, and the counts are those of all."""
    other = Family("other", "it holds", (FAMILY.faults[0],))
    monkeypatch.setattr(table, "FAMILIES", (other, FAMILY))
    page = table.with_outcomes("a\n<!-- faults -->\nold\n<!-- end -->\nb\n", OUTCOMES, "Now.")
    assert table.names_in(page) == [outcome.key for outcome in OUTCOMES]
    assert "| wrong | something | broken: a   row is wrong |" in page
    assert "old" not in page
    assert table.unwritten(page) == ["other"]
    assert table.with_outcomes(page, OUTCOMES[:2], "Later.") == page
    page = table.with_outcomes(page, [injected(other, other.faults[0], NOWHERE)], "Later.")
    assert table.names_in(page) == ["other/fine", *(outcome.key for outcome in OUTCOMES)]
    assert "\n2 of 4 faults injected were survived, and 1 could not be injected here.\n" in page


def test_the_table_is_the_programs() -> None:
    """The threat model has the faults that the program injects, or names the family that was not run."""
    page = table.PAGE.read_text(encoding="utf-8")
    names = [f"{family.name}/{fault.name}" for family, fault in table.faults()]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert len(names) >= 200
    named = [name for name in names if name.partition("/")[0] not in table.unwritten(page)]
    assert table.names_in(page) == named, "make the table: nox -s faults -- --write"


def test_some_are_chosen_by_name() -> None:
    """A glob chooses faults by family and name."""
    assert {family.name for family, _ in table.faults(["edits/*"])} == {"edits"}
    assert len(list(table.faults(["signals/kill-at-20", "nothing/*"]))) == 1
