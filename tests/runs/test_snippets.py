"""The lines that set a floor in code: each floor's version, and the list of what is below it."""

from __future__ import annotations

import ast
import ssl
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import DEFAULT, Client, clients
from runs.snippets import FLOORS as FOLDER
from runs.snippets import snippet, snippets
from servers.protocols import LADDER, Protocol
from tests.support.builders import FLOORS, TLS1_1, TLS1_2, TLS1_3

if TYPE_CHECKING:
    from pathlib import Path

FILES = sorted(FOLDER.glob("*.py"))


def test_each_client_that_is_measured_by_default_has_lines() -> None:
    """The lines are there for the default clients, and for no client that there is not."""
    assert set(DEFAULT) <= set(snippets(clients().values(), TLS1_2))
    assert {path.stem for path in FILES} <= set(clients())


def test_a_client_without_a_file_has_no_lines(tmp_path: Path) -> None:
    """Only the clients that were asked for and have a file are there."""
    (tmp_path / "a.py").write_text("TLSv1_2")
    (tmp_path / "c.py").write_text("TLSv1_2")
    wanted = [Client("a", "", reference=False), Client("b", "", reference=False)]
    assert snippets(wanted, TLS1_3, tmp_path) == {"a": "TLSv1_3"}


def test_a_client_may_have_the_lines_of_another(tmp_path: Path) -> None:
    """Where one client makes another's contexts, the other's lines are its own."""
    (tmp_path / "a.py").write_text("TLSv1_2")
    assert snippets([Client("b", "", reference=False, floor="a")], TLS1_2, tmp_path) == {"b": "TLSv1_2"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_files_are_as_they_are_shown(path: Path) -> None:
    """For the floor that the files are written for, nothing is changed."""
    text = path.read_text()
    assert snippet(text, TLS1_2) == text


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_floor_is_put_in(path: Path, floor: Protocol) -> None:
    """The floor is the only version that is set, and an old Python is told to leave out all that is below."""
    text = snippet(path.read_text(), floor)
    tree = ast.parse(text)
    set_to = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and "TLSv1" in node.attr
    }
    assert set_to == {floor.replace(".", "_")}
    lists = [
        [ast.literal_eval(element) for element in node.elts]
        for node in ast.walk(tree)
        if isinstance(node, ast.Tuple)
    ]
    assert bool(lists) is ("OP_NO_" in text)
    for listed in lists:
        assert listed == [p.replace(".", "_") for p in LADDER if p.below(floor)]
        assert all(hasattr(ssl, "OP_NO_" + name) for name in listed)


def test_the_floors_differ() -> None:
    """Each floor gives a text of its own."""
    text = FILES[0].read_text()
    assert len({snippet(text, floor) for floor in (TLS1_1, TLS1_2, TLS1_3)}) == 3
