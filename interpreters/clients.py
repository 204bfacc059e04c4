"""Which clients there are: one file in probes/ each, with its requirement in it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROBES = Path(__file__).parent.parent / "probes"

DEFAULT = ("ssl", "urllib3", "botocore")
"""The clients that are measured unless the user names others."""

RELAXED = "relaxed"
"""The reference client that shows what a build could negotiate if every restriction were lifted."""


@dataclass(frozen=True)
class Client:
    """A client: its id, what must be installed for it, and whether it is only there for reference."""

    id: str
    requirement: str
    reference: bool
    library: str = ""
    """The distribution whose release decides, where that is not the one that is required."""
    floor: str = ""
    """The client whose lines set the floor for this one too, where it has none of its own."""


def clients(folder: Path = PROBES) -> dict[str, Client]:
    """Return every client by id, read from its file without importing it (it may need other packages).

    Those that are measured by default come first.
    """
    found = {}
    paths = {path.stem.removeprefix("client_"): path for path in sorted(folder.glob("client_*.py"))}
    for name in sorted(paths, key=[*DEFAULT, *paths].index):
        constants = _constants(paths[name])
        requirement = str(constants.get("REQUIREMENT", ""))
        found[name] = Client(
            name,
            requirement,
            bool(constants.get("REFERENCE", False)),
            str(constants.get("LIBRARY", "")),
            str(constants.get("FLOOR", "")),
        )
    return found


def requirements(wanted: Iterable[Client], pins: Mapping[str, str]) -> dict[str, str]:
    """Return what must be installed for each client that needs anything, as words that pip takes.

    `pins` maps the name of a distribution to a version, or to a specifier such as ``<1.40``.
    """
    needed = {}
    for client in wanted:
        pin = pins.get(client.requirement, "")
        if pin and pin[0] not in "<>=!~":
            pin = f"=={pin}"
        if client.requirement:
            needed[client.id] = client.requirement + pin
    return needed


def _constants(path: Path) -> dict[str, object]:
    """Return the simple constants that a file assigns at its top level."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        target.id: statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
