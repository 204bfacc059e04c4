"""probes/README.md: the contract of a client file, held against its readers and the clients themselves."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest
from tests.support.checkout import ROOT

from interpreters.clients import CLIENTS, clients

if TYPE_CHECKING:
    from pathlib import Path

PROBES = ROOT / "probes"
ROW = re.compile(r"\| `(\w+)(?:\([^`]*\))?` \| (text|true|true or false|module|function) \| ([^|]+) \|")


def table() -> dict[str, str]:
    """Return the names of the contract's table, each with what it says of being required."""
    text = (PROBES / "README.md").read_text(encoding="utf-8")
    return {match[1]: match[3].strip() for match in ROW.finditer(text)}


def read_by_the_tool() -> set[str]:
    """Return every name that the tool looks up in a client's file or module."""
    found: set[str] = set()
    for path in (PROBES / "__main__.py", ROOT / "interpreters" / "clients.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                of_module = called in ("getattr", "hasattr") and ast.unparse(node.args[0]) == "module"
                names = node.args[1:2] if of_module else node.args[:1] if called == "constants.get" else []
                found |= {text for name in names for text in _texts(name)}
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "module":
                found.add(node.attr)
    return found


def _texts(node: ast.AST) -> set[str]:
    """Return the texts in an expression, such as both of those that a condition chooses from."""
    constants = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
    return {value for value in constants if isinstance(value, str)}


def defined(client: str) -> set[str]:
    """Return the names that a client's file defines at its top level."""
    found: set[str] = set()
    for node in ast.parse((CLIENTS / f"{client}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {ast.unparse(target) for target in node.targets}
    return found


def test_the_contract_has_every_name_that_is_read() -> None:
    """The table names everything that the tool looks up in a client's file."""
    assert read_by_the_tool() - set(table()) == set()


def test_the_contract_has_no_name_that_nothing_uses() -> None:
    """Every name of the table is looked up by the tool, or defined by some client's file for the tests."""
    used = read_by_the_tool().union(*map(defined, clients()))
    assert set(table()) - used == set()


@pytest.mark.parametrize("client", clients())
def test_every_client_has_what_the_contract_requires(client: str) -> None:
    """Every client's file defines the names that the table calls required."""
    required = {name for name, word in table().items() if word == "yes"}
    assert required == {"REQUIREMENT", "version", "fetch"}
    assert required - defined(client) == set()


@pytest.mark.parametrize("client", clients())
def test_of_each_client_it_is_known_whether_urllib3_counts(client: str) -> None:
    """Each file of ours with a requirement says whether its client speaks through the urllib3 beside it."""
    assert "ON_URLLIB3" in defined(client) or not clients()[client].requirement


def test_the_shortest_client_is_one(tmp_path: Path) -> None:
    """The client that the page shows is read as one, and has all that the contract requires."""
    (shown,) = re.findall(r"^```python\n(.*?)^```$", (PROBES / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "example.py").write_text(shown)
    assert clients(tmp_path)["example"].requirement == "example"
    statements = ast.parse(shown).body
    assert {node.name for node in statements if isinstance(node, ast.FunctionDef)} == {"version", "fetch"}
    assert "from __future__ import absolute_import" in map(ast.unparse, statements)
