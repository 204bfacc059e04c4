"""Copies of environments: which are made, in which versions, and why not where none is."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.deployed.copies import Lack
from interpreters.deployed.managers import Manager
from interpreters.deployed.pins import markers_of, read_pins
from interpreters.environments import Installer, NoEnvironmentError
from interpreters.locate import Candidate
from interpreters.prepared import EnvironmentMaker
from reports.verdicts.copies import CopyChange
from reports.verdicts.judge import Verdict
from runs import environment_copies
from runs.environment_copies import OF_THE_SYSTEM, CopyPlan, examine, make_copies
from tests.interpreters.deployed.test_pins import ALL
from tests.interpreters.test_distributions import install
from tests.support.builders import a_row, an_interpreter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from interpreters.distributions import Distribution
    from interpreters.identify import Identity
    from reports.verdicts.copies import EnvironmentCopies
    from reports.verdicts.matrix import Row

LIBRARIES = {
    "ssl": "",
    "urllib3": "urllib3",
    "botocore": "botocore",
    "requests": "requests",
    "httpx": "httpx",
}
NEWEST = {
    "urllib3": "2.6.3",
    "botocore": "1.42.97",
    "boto3": "1.42.97",
    "awscli": "1.44.87",
    "requests": "2.32.5",
}


@dataclass
class _Copier:
    """In place of uv: has an answer for each set of what moves, and notes what it is asked."""

    answers: Mapping[tuple[str, ...], Mapping[str, str]]
    asked: list[list[str]] = field(default_factory=list)
    made: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def newest(self, names: Iterable[str]) -> dict[str, str]:
        return {name: NEWEST[name] for name in names if name in NEWEST}

    def resolve(
        self, requirements: Sequence[str], present: Mapping[str, str], moving: Iterable[str]
    ) -> dict[str, str]:
        self.asked.append(list(requirements))
        if (key := tuple(moving)) not in self.answers:
            msg = f"nothing goes together with {' '.join(key)}"
            raise NoEnvironmentError(msg)
        return {**present, **self.answers[key]}

    def make(self, versions: Mapping[str, str], name: str) -> Path:
        self.made.append((name, dict(versions)))
        return Path("/made/up", name, "bin", "python")


def _site(folder: Path, distributions: Iterable[Distribution]) -> Path:
    for one in distributions:
        install(folder, one.name, one.version, one.requires)
    return folder


def _rows(site: Path, *clients: str, version: str = "3.9.18") -> list[Row]:
    found = replace(an_interpreter("env_shop", version), environment=str(site), search_path=(str(site),))
    return [a_row(Verdict.DOWNGRADED, client=client, interpreter=found) for client in clients]


def _made(rows: Sequence[Row], copier: _Copier, without: Iterable[str] = ()) -> EnvironmentCopies:
    """Return the copies that are made where some distributions cannot be copied."""
    found = replace(examine(rows, LIBRARIES), newest=NEWEST)
    there = {name: version for name, version in found.versions.items() if name not in without}
    return CopyPlan(found, LIBRARIES, copier, there).made()  # type: ignore[arg-type]


WHOLE = ("awscli", "boto3", "botocore", "urllib3")
"""What has to move for the newest urllib3: whoever pins it, and who pins that."""


def test_what_decides_is_urllib3_for_who_stands_on_it(tmp_path: Path) -> None:
    """Others are decided by their own library, and what comes with Python by none."""
    rows = _rows(_site(tmp_path, ALL), "ssl", "urllib3", "botocore", "requests", "httpx")
    found = examine(rows, LIBRARIES)
    assert found.deciding == {
        "urllib3": "urllib3",
        "botocore": "urllib3",
        "requests": "urllib3",
        "httpx": "httpx",
    }
    assert found.distributions == tuple(sorted(ALL, key=lambda one: one.name))
    assert set(found.pins) == set(read_pins(found.distributions, markers_of("3.9.18", "CPython")))


def test_the_least_change_is_tried_first(tmp_path: Path) -> None:
    """The plain copy, then urllib3 within the pins, then all that holds it back, then against the pins."""
    answers = {("urllib3",): {"urllib3": "1.26.21"}, WHOLE: {"botocore": "1.42.97", "boto3": "1.42.97"}}
    copier = _Copier(answers)
    made = _made(_rows(_site(tmp_path, ALL), "urllib3"), copier)
    assert [(one.change, dict(one.versions)) for one in made.copies] == [
        (CopyChange.COPY, {}),
        (CopyChange.ALLOWED, {"urllib3": "1.26.21"}),
        (CopyChange.NEWEST, {"botocore": "1.42.97", "boto3": "1.42.97"}),
        (CopyChange.AGAINST, {"urllib3": "2.6.3"}),
    ]
    there = {one.name: one.version for one in ALL}
    assert [(name, versions) for name, versions in copier.made] == [
        ("copy", there),
        ("copy-1", {**there, "urllib3": "1.26.21"}),
        ("copy-2", {**there, "botocore": "1.42.97", "boto3": "1.42.97"}),
        ("copy-3", {**there, "urllib3": "2.6.3"}),
    ]


def test_what_moves_and_what_stays(tmp_path: Path) -> None:
    """What is to be newer may not be older, what that needs may be anything, and all else is as it is."""
    copier = _Copier({})
    _made(_rows(_site(tmp_path, ALL), "urllib3"), copier)
    allowed, newest = copier.asked
    assert allowed == ["urllib3>=1.26.20", *(one.pin for one in ALL if one.name != "urllib3")]
    assert {line for line in newest if ">=" in line} == {
        f"{one.name}>={one.version}" for one in ALL if one.name in WHOLE
    }
    assert [line for line in newest if "=" not in line] == ["s3transfer"]
    assert "requests==2.31.0" in newest


def test_what_has_the_same_versions_is_made_once(tmp_path: Path) -> None:
    """Two clients that want the same change share the copy, each with a trial of its own."""
    copier = _Copier({("urllib3",): {"urllib3": "1.26.21"}, WHOLE: {"urllib3": "2.6.3"}})
    made = _made(_rows(_site(tmp_path, ALL), "urllib3", "botocore"), copier)
    assert [name for name, _ in copier.made] == ["copy", "copy-1", "copy-2"]
    assert [one.change for one in made.of("botocore")] == [
        CopyChange.COPY,
        CopyChange.ALLOWED,
        CopyChange.NEWEST,
    ]
    assert [one.python for one in made.of("botocore")] == [one.python for one in made.of("urllib3")]


def test_a_change_that_changes_nothing_is_not_made(tmp_path: Path) -> None:
    """Where the pins allow nothing newer, and nothing is held back, there is the plain copy alone."""
    newest = [replace(one, version=NEWEST["urllib3"]) for one in ALL if one.name == "urllib3"]
    made = _made(_rows(_site(tmp_path, newest), "urllib3"), _Copier({("urllib3",): {}}))
    assert [one.change for one in made.copies] == [CopyChange.COPY]


def test_what_cannot_be_solved_says_why(tmp_path: Path) -> None:
    """A change that goes together with nothing is no copy, and the reason is kept."""
    made = _made(_rows(_site(tmp_path, ALL), "urllib3"), _Copier({}))
    assert [one.change for one in made.copies] == [CopyChange.COPY, CopyChange.AGAINST]
    assert made.unsolved["urllib3", CopyChange.ALLOWED] == "nothing goes together with urllib3"


def test_what_a_copy_lacks_asks_all_the_same(tmp_path: Path) -> None:
    """An application of one's own is not copied, and what it asks for still holds."""
    copier = _Copier({})
    _made(_rows(_site(tmp_path, ALL), "urllib3"), copier, without=["awscli"])
    for asked in copier.asked:
        assert "botocore==1.31.85" in asked
        assert not any(line.startswith("awscli") for line in asked)


def test_who_is_not_obeyed_already_is_not_asked(tmp_path: Path) -> None:
    """Somebody who installed urllib3 2 against a pin broke the pin before us."""
    there = [replace(one, version="2.0.7") if one.name == "urllib3" else one for one in ALL]
    copier = _Copier({})
    _made(_rows(_site(tmp_path, there), "urllib3"), copier)
    assert not any(line.startswith("botocore==") for line in copier.asked[0])


@pytest.fixture
def maker(tmp_path: Path) -> EnvironmentMaker:
    """A maker in which nothing can be made."""
    return EnvironmentMaker(Installer("/nowhere/uv", tmp_path, Path("/tool")), {}, contextlib.ExitStack())


CANDIDATE = Candidate("env_shop", "given", Path("/made/up/bin/python"))


def test_what_cannot_be_identified_is_a_reason(tmp_path: Path, maker: EnvironmentMaker) -> None:
    """Nothing that goes wrong with a copy takes the run with it."""
    made = make_copies(_rows(_site(tmp_path, ALL), "urllib3"), LIBRARIES, CANDIDATE, maker)
    assert made.problem.startswith("no copy of the environment could be made: ")
    assert "/made/up/bin/python" in made.problem
    assert made.distributions


@pytest.fixture
def identified(monkeypatch: pytest.MonkeyPatch, facts: dict[str, object]) -> None:
    """Let every candidate say what it is."""
    from interpreters.identify import parse_identity  # noqa: PLC0415

    def identify(_: EnvironmentMaker, __: Candidate) -> Identity:
        return parse_identity({**facts, "version": "3.9.18"})

    monkeypatch.setattr(EnvironmentMaker, "identify", identify)


@pytest.mark.usefixtures("identified")
def test_what_came_with_the_system_is_not_copied(
    tmp_path: Path, maker: EnvironmentMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package manager alone brings a newer release, so none is tried; who pins what is said still."""
    monkeypatch.setattr(environment_copies, "Copier", lambda *_: _Copier({}))
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    made = make_copies(_rows(_site(tmp_path, ALL), "urllib3"), LIBRARIES, CANDIDATE, maker)
    assert (made.problem, made.copies, made.management.manager) == (OF_THE_SYSTEM, (), Manager.SYSTEM)
    assert str(made.holding("urllib3")[0]).startswith("botocore 1.31.85 asks")


@pytest.mark.usefixtures("identified")
def test_everything_is_made_of_what_can_be_copied(
    tmp_path: Path, maker: EnvironmentMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is lacking is in no copy, and is named."""
    copier = _Copier({("urllib3",): {"urllib3": "1.26.21"}})
    lack = Lack(ALL[0], "no index has it")
    monkeypatch.setattr(environment_copies, "Copier", lambda *_: copier)
    monkeypatch.setattr(environment_copies, "copyable", lambda there, _: (there[1:], (lack,)))
    made = make_copies(_rows(_site(tmp_path, ALL), "urllib3"), LIBRARIES, CANDIDATE, maker)
    assert (made.problem, made.lacks) == ("", (lack,))
    assert all("awscli" not in versions for _, versions in copier.made)
    assert made.newest["botocore"] == NEWEST["botocore"]
