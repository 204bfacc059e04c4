"""Gathering means: what there is to try is what was measured, can be had, and is still maintained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from builders import FLOORS, TLS1_2, TLS1_3, a_row

import reports.means
from interpreters.clients import Client, clients, variants
from interpreters.environments import NoEnvironmentError
from interpreters.recipes import RecipeError, read_recipes, remedies
from reports.means import gather
from reports.snippets import snippets
from reports.verdicts import Verdict

if TYPE_CHECKING:
    from reports.matrix import Row
    from servers.protocols import Protocol

KNOWN = clients()
NEWEST = variants([KNOWN["ssl"], KNOWN["requests"], KNOWN["botocore"]])
HELD_BACK = variants([KNOWN["ssl"], KNOWN["requests"], KNOWN["botocore"], KNOWN["urllib3"]], ["1.20.0"])
"""Clients of which those on botocore were measured in an old release."""


class _Shop:
    """In place of making environments: notes what it is asked for, and has none for some interpreters."""

    def __init__(self, *without: str) -> None:
        self.without = without
        self.asked: list[tuple[str, str]] = []

    def newest(self, interpreter: str, library: str) -> Path:
        self.asked.append((interpreter, library))
        if interpreter in self.without:
            msg = f"no {library} for {interpreter}"
            raise NoEnvironmentError(msg)
        return Path("/made/up", interpreter, library)


def _row(name: str, client: str) -> Row:
    return a_row(Verdict.DOWNGRADED, name, client)


def test_a_newer_release_is_had_where_one_was_held_back() -> None:
    """Each row of a client that was pinned gets an environment with the newest, or the reason it has none."""
    shop = _Shop("two")
    rows = [_row("one", "botocore"), _row("one", "ssl"), _row("one", "requests"), _row("two", "botocore")]
    means = gather(rows, HELD_BACK, TLS1_2, shop.newest)
    assert shop.asked == [("one", "botocore"), ("two", "botocore")]
    assert means.upgrades == {
        ("one", "botocore"): Path("/made/up/one/botocore"),
        ("two", "botocore"): "no botocore for two",
    }


def test_the_newest_is_not_made_again() -> None:
    """What was installed by its name alone, or comes with Python, is tried in no newer release."""
    shop = _Shop()
    means = gather([_row("one", client) for client in NEWEST], NEWEST, TLS1_2, shop.newest)
    assert (shop.asked, means.upgrades) == ([], {})


def test_the_library_that_decides_is_the_one_upgraded() -> None:
    """A client whose requirement is not what decides gets the newest of what does."""
    shop = _Shop()
    gather(
        [_row("one", "it")],
        {"it": Client("it", "outer inner", reference=False, library="inner")},
        TLS1_2,
        shop.newest,
    )
    assert shop.asked == [("one", "inner")]


@pytest.mark.parametrize("floor", FLOORS)
def test_lines_libraries_and_builds_are_those_of_the_floor(floor: Protocol) -> None:
    """Without any row there is still what to advise: every measured client's lines, and the builds."""
    means = gather([], HELD_BACK, floor, _Shop().newest)
    assert means.floor is floor
    assert means.libraries == {
        "ssl": "",
        "requests": "requests",
        "botocore": "botocore",
        "urllib3": "urllib3",
    }
    assert means.snippets == snippets(HELD_BACK.values(), floor)
    assert set(means.snippets) == set(HELD_BACK)
    assert means.recipes == remedies(read_recipes(), floor)
    assert all((" --floor TLSv1.3" in words) is (floor is TLS1_3) for words in means.recipes.values())


def test_a_damaged_file_of_recipes_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes that cannot be read are no empty list of recipes."""

    def damaged() -> None:
        msg = "builds.toml is not valid TOML"
        raise RecipeError(msg)

    monkeypatch.setattr(reports.means, "read_recipes", damaged)
    with pytest.raises(RecipeError, match=r"builds\.toml"):
        gather([], NEWEST, TLS1_2, _Shop().newest)
