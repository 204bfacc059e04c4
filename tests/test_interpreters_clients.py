"""The clients are what the files in probes/ say, read without importing any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.clients import DEFAULT, PROBES, RELAXED, Client, clients, requirements

if TYPE_CHECKING:
    from pathlib import Path


def test_every_file_is_a_client() -> None:
    """There is one client for each client file, under the file's own name."""
    files = {path.stem.removeprefix("client_") for path in PROBES.glob("client_*.py")}
    assert set(clients()) == files
    assert all(client.id == name for name, client in clients().items())


def test_the_measured_clients_are_there() -> None:
    """Each client that is measured by default exists and is no mere reference."""
    assert [clients()[name].reference for name in DEFAULT] == [False] * len(DEFAULT)


def test_the_reference_client_is_there() -> None:
    """The client that shows what a build could negotiate is a reference and needs nothing installed."""
    assert clients()[RELAXED] == Client(RELAXED, "", reference=True)


def test_a_file_is_read_and_not_run(tmp_path: Path) -> None:
    """A client file that could not be imported here is read all the same."""
    (tmp_path / "client_new.py").write_text(
        "import nothing_here\nREQUIREMENT = 'new-thing'\nraise SystemExit\n"
    )
    assert clients(tmp_path) == {"new": Client("new", "new-thing", reference=False)}


@pytest.mark.parametrize("name", ["status_page.py", "client.py", "client_x.txt", "other_client_x.py"])
def test_other_files_are_no_clients(tmp_path: Path, name: str) -> None:
    """A file that is not named like a client is none."""
    (tmp_path / name).touch()
    assert clients(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("", Client("x", "", reference=False)),
        ("REFERENCE = True", Client("x", "", reference=True)),
        ("REFERENCE = False", Client("x", "", reference=False)),
        ("A = REQUIREMENT = 'thing'", Client("x", "thing", reference=False)),
        ("LIBRARY = 'own'\nREQUIREMENT = 'thing'", Client("x", "thing", reference=False, library="own")),
        ("FLOOR = 'other'", Client("x", "", reference=False, floor="other")),
        ("def f():\n    REQUIREMENT = 'thing'", Client("x", "", reference=False)),
    ],
)
def test_top_level_constants_count(tmp_path: Path, text: str, client: Client) -> None:
    """Only constants at a file's top level say what a client needs, and their absence says nothing."""
    (tmp_path / "client_x.py").write_text(text)
    assert clients(tmp_path) == {"x": client}


WANTED = (Client("ssl", "", reference=False), Client("a", "thing", reference=False))


@pytest.mark.parametrize(
    ("pin", "needed"),
    [
        ("", "thing"),
        ("1.34.0", "thing==1.34.0"),
        ("<1.40", "thing<1.40"),
        (">=1.2,<2", "thing>=1.2,<2"),
        ("~=1.34", "thing~=1.34"),
        ("!=1.34.1", "thing!=1.34.1"),
        ("==1.*", "thing==1.*"),
    ],
)
def test_a_pin_is_a_version_or_a_specifier(pin: str, needed: str) -> None:
    """A bare version pins exactly, a specifier is taken as it is, and nothing pins nothing."""
    assert requirements(WANTED, {"thing": pin}) == {"a": needed}


def test_a_pin_of_another_distribution_changes_nothing() -> None:
    """A pin counts for the distribution that it names, and not for the client of that name."""
    assert requirements(WANTED, {"a": "1.0", "other": "2.0"}) == {"a": "thing"}


def test_a_pin_counts_for_each_client_that_needs_it() -> None:
    """A pin of botocore holds for urllib3 too, which is the one that botocore brings along."""
    wanted = [clients()[name] for name in DEFAULT]
    assert requirements(wanted, {"botocore": "1.34.0"}) == {
        "urllib3": "botocore==1.34.0",
        "botocore": "botocore==1.34.0",
    }


NAME = st.text("abcxyz", min_size=1, max_size=5)


def test_those_measured_by_default_come_first() -> None:
    """The clients are in the order of the report: the default ones, then all others by name."""
    names = list(clients())
    assert tuple(names[: len(DEFAULT)]) == DEFAULT
    assert names[len(DEFAULT) :] == sorted(names[len(DEFAULT) :])


@given(st.lists(st.builds(Client, NAME, NAME | st.just(""), st.booleans()), unique_by=lambda one: one.id))
def test_exactly_the_clients_that_need_something_are_named(wanted: list[Client]) -> None:
    """Of any clients, those with a requirement are named, each with its own."""
    needed = requirements(wanted, {})
    assert needed == {one.id: one.requirement for one in wanted if one.requirement}
