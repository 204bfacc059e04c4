"""Gathers what there is to try on the rows that need a remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interpreters.environments import NoEnvironmentError
from interpreters.recipes import read_recipes, remedies
from reports.remedies import Means
from reports.snippets import snippets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from interpreters.clients import Client
    from reports.matrix import Row
    from servers.protocols import Protocol


def gather(
    rows: Iterable[Row], clients: Mapping[str, Client], floor: Protocol, newest: Callable[[str, str], Path]
) -> Means:
    """Return what there is to try on these rows; raises RecipeError.

    `clients` are those that were measured. `newest` makes, for the interpreter of this id, an environment
    with the newest release of a library, and returns its Python; it raises NoEnvironmentError.
    """
    libraries = {client.id: client.library or client.requirement for client in clients.values()}
    upgrades: dict[tuple[str, str], Path | str] = {}
    for row in rows:
        library = libraries[row.client]
        # Installed by its own name alone it is the newest already.
        if library == clients[row.client].requirement:
            continue
        try:
            upgrades[row.interpreter.id, row.client] = newest(row.interpreter.id, library)
        except NoEnvironmentError as error:
            upgrades[row.interpreter.id, row.client] = str(error)
    builds = remedies(read_recipes(), floor)
    return Means(floor, libraries, snippets(clients.values(), floor), upgrades, builds)
