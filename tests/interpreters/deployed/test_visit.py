"""What a place says of itself becomes candidates, or a sentence: it may be anything."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from interpreters.deployed import visit as room
from interpreters.deployed.bundles import ENTRANCE
from interpreters.deployed.visit import visit
from interpreters.identify import IdentifyError
from interpreters.places import CHOICE, NO_PYTHON, Passenger, Place, PlaceError, ways_to
from interpreters.programs import Program

CURL = Program("curl", "curl", ("{program}", "{url}"))

ENDED = "chroot ended with status 127 before a Python answered: chroot:"
"""How the near end says that a command was not there."""

SHOP = {"source": "path", "path": "/srv/shop/venv", "refused": "", "pythons": ["python"]}

FACTS: dict[str, Any] = {
    "interpreters": [
        {"source": "system", "path": "/usr/bin/python3.11", "refused": ""},
        {"source": "pyenv", "path": "/home/me/.pyenv/versions/3.9.1/bin/python3.9", "refused": "no"},
    ],
    "environments": [SHOP],
    "programs": [{"source": "curl", "path": "/usr/bin/curl", "refused": ""}],
    "zipapps": [
        {
            "path": "/srv/bin/shop.pyz",
            "line": "#!/usr/bin/env python3.9",
            "members": ["__main__.py"],
            "commands": {"/usr/bin/env": "/usr/bin/env", "python3.9": "/opt/bin/python3.9"},
            "refused": "",
        }
    ],
    "python": "/usr/bin/python3.11",
    "looked": [["/usr/bin", "looked", "on PATH"]],
    "environments_looked": [["~/.venv", "absent", ""]],
    "distribution": "Debian",
    "architecture": "x86_64",
    "user": "root",
    "host": "web1",
    "variables": {"OPENSSL_CONF": "/etc/x.cnf"},
}


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list: what places say one after the other, or raise."""
    answers: list[Any] = []

    def answer(place: Place, passenger: Passenger, mark: str) -> Any:
        del place, mark
        said = answers.pop(0)
        if isinstance(said, str):
            raise IdentifyError(said)
        return said if isinstance(said, dict) else said(passenger)

    monkeypatch.setattr(room, "answer_there", answer)
    return answers


def test_candidates_have_the_ids_that_they_would_have_here(says: list[Any]) -> None:
    """An interpreter is named by source and folder, an environment by its own; each is measured as it is."""
    says.append(FACTS)
    found = visit(ways_to("exec:env"), programs=[CURL])
    assert [(each.id, each.unavailable, each.as_found) for each in found.candidates] == [
        ("env_shop_venv", "", True),
        ("pyenv_3_9_1", "no", True),
        ("system_3_11", "", True),
        ("app_shop", "", True),
        ("program_curl", "", False),
    ]
    app = found.candidates[3]
    assert (app.path, app.environment) == (Path("/opt/bin/python3.9"), Path("/srv/bin/shop.pyz"))
    assert app.words == (str(ENTRANCE), "/srv/bin/shop.pyz")
    assert found.python == Path("/usr/bin/python3.11")
    assert {each.place for each in found.candidates} == {found.place}
    assert (str(found.place), found.user, found.variables) == (
        "exec:env",
        "root",
        {"OPENSSL_CONF": "/etc/x.cnf"},
    )


def test_each_way_into_an_environment_is_a_candidate(says: list[Any]) -> None:
    """Where its Pythons start different ones, each is measured, and the usual one keeps the id."""
    says.append({**FACTS, "environments": [{**SHOP, "pythons": ["python", "python3"]}]})
    found = [each for each in visit(ways_to("exec:env"), programs=[CURL]).candidates if each.environment]
    assert [(each.id, str(each.path)) for each in found if each.id.startswith("env_")] == [
        ("env_shop_venv", "/srv/shop/venv/bin/python"),
        ("env_shop_venv_python3", "/srv/shop/venv/bin/python3"),
    ]
    assert {each.environment for each in found[:2]} == {Path("/srv/shop/venv")}


@pytest.mark.parametrize(
    "change",
    [
        {"interpreters": [{"source": "system", "path": "bin/python", "refused": ""}]},
        {"interpreters": [{"source": "../x", "path": "/bin/python", "refused": ""}]},
        {"interpreters": [{"source": "system", "path": "/a\0b", "refused": ""}]},
        {"interpreters": [{"source": "system", "path": 7, "refused": ""}]},
        {"interpreters": 7},
        {"programs": [{"source": "wget", "path": "/usr/bin/wget", "refused": ""}]},
        {"programs": [{"source": "curl", "path": "curl", "refused": ""}]},
        {"zipapps": [{"path": "/a.pyz"}]},
        {"zipapps": [{**FACTS["zipapps"][0], "path": "a.pyz"}]},
        {"zipapps": [{**FACTS["zipapps"][0], "members": [7]}]},
        {"zipapps": [{**FACTS["zipapps"][0], "commands": {"python3.9": "../python"}}]},
        {"python": "python3"},
        {"environments": [{**SHOP, "source": "x"}]},
        {"environments": [{**SHOP, "pythons": []}]},
        {"environments": [{**SHOP, "pythons": ["../../bin/sh"]}]},
        {"environments": [{**SHOP, "pythons": [f"python3.{n}" for n in range(21)]}]},
        {"looked": [["a", "gone", ""]]},
        {"looked": [["a"]]},
        {"distribution": None},
        {"variables": 3},
    ],
)
def test_what_makes_no_sense_is_a_sentence(says: list[Any], change: dict[str, Any]) -> None:
    """A place that says what no place can say is refused with a reason, and nothing else is raised."""
    says.append({**FACTS, **change})
    with pytest.raises(PlaceError, match=r"^what it says of itself makes no sense"):
        visit(ways_to("exec:env"), programs=[CURL])


def test_a_place_without_a_shell_is_asked_for_each_name(says: list[Any]) -> None:
    """Where there is no shell to choose the Python, the names are tried in turn, the likeliest first."""
    tried: list[Any] = []

    def note(passenger: Passenger) -> Any:
        tried.append(passenger.start)
        return FACTS

    says += [f"{ENDED} failed to run command 'sh': No such file", f"{ENDED} python3: not found", note]
    visit(ways_to("exec:env"), programs=[CURL])
    assert tried == [(CHOICE[1], "-c")]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([f"env ended with status 127: {NO_PYTHON} python3"], NO_PYTHON),
        ([f"{ENDED} sh: not found", *(f"{ENDED} {name}: not found" for name in CHOICE)], NO_PYTHON),
        (["ssh ended with status 255: Connection refused"], "Connection refused"),
        (
            [f"{ENDED} sh: not found", "python3: Exec format error", *[f"{ENDED} not found"] * 9],
            "format error",
        ),
        ([f"{ENDED} sh: not found", *["KeyError: 'uid not found'"] * 5], "KeyError: 'uid not found'"),
    ],
)
def test_a_place_that_cannot_be_entered_is_one_sentence(
    says: list[Any], said: list[str], reason: str
) -> None:
    """No Python, no answer and a Python that does not start are told apart."""
    says += said
    with pytest.raises(PlaceError, match=re.escape(reason)):
        visit(ways_to("exec:env"), programs=[CURL])


def test_more_than_are_taken_are_told_of(says: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A place that names more Pythons than are measured in one has a word about that in its report."""
    monkeypatch.setattr(room, "MOST", 1)
    says.append(FACTS)
    found = visit(ways_to("exec:env"), programs=[CURL])
    assert len(found.candidates) == 4
    assert [each.reason for each in found.looked if each.status == "unreadable"] == [
        "it names 2, more than 1"
    ]
    assert not [each for each in found.environments_looked if each.status == "unreadable"]


@pytest.mark.e2e
def test_this_machine_is_found_as_a_place() -> None:
    """A real channel finds the Python that runs this test, or what that is an environment of."""
    found = visit(ways_to("exec:env"), ["OPENSSL_CONF"])
    assert found.architecture
    base = f"{sys.version_info.major}_{sys.version_info.minor}"
    assert any(base in each.id or each.environment for each in found.candidates)
