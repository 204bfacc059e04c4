"""Collects what there is to try on the rows that need a remedy, and which interpreter may help."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import PROBES
from interpreters.deployed.units import unit_of
from interpreters.end_of_life import ended
from interpreters.environments import NoEnvironmentError
from interpreters.hardening.recipes import read_recipes, remedies
from interpreters.interpreter import MADE
from interpreters.openssl_conf import configuration_path
from interpreters.openssl_faults import examine, library_version, privileged, read_text
from interpreters.processes import side_by_side
from reports.verdicts.floor_file import FloorFile, FloorFileError, floor_file_for
from reports.verdicts.remedies import RemedyOptions, needing
from servers.progress import counted
from servers.protocols import LADDER, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from interpreters.clients import Client, ClientKey
    from interpreters.interpreter import Interpreter
    from reports.verdicts.copies import EnvironmentCopies
    from reports.verdicts.matrix import Row

FLOORS = PROBES / "floors"
"""The folder of the lines that set a floor in code: what people copy is what trials run."""

WRITTEN_FOR = Protocol.TLSV1_2
"""The floor that the files there set as they stand."""


@dataclass(frozen=True)
class Makers:
    """Who makes the environments in which newer releases are tried."""

    newest: Callable[[str, str], Path]
    """Returns, for the interpreter of an id, the Python of an environment with the newest release of a
    library; raises NoEnvironmentError."""
    copies: Callable[[Sequence[Row], Mapping[str, str]], EnvironmentCopies]
    """Returns the copies of the found environment of these rows; libraries by client."""


def collect_options(
    rows: Sequence[Row],
    known: RemedyOptions,
    clients: Mapping[ClientKey, Client],
    makers: Makers,
    env: Mapping[str, str],
) -> RemedyOptions:
    """Return what there is to try on these rows, beyond what is `known`; raises TableError.

    `clients` are those that were measured; `env` is that in which the interpreters were measured.
    """
    upgrades: dict[tuple[str, str], Path | str] = {}
    files: dict[str, FloorFile | str] = {}
    found: dict[str, list[Row]] = {}
    for row in needing(rows):
        interpreter, library = row.interpreter, known.libraries[str(row.client)]
        files[interpreter.id] = _file(interpreter, known.floor, env)
        if interpreter.environment != MADE:
            found.setdefault(interpreter.id, []).append(row)
            continue
        # What we installed, by its own name alone, is the newest already.
        if not library or library == clients[row.client].requirement:
            continue
        try:
            upgrades[interpreter.id, str(row.client)] = makers.newest(interpreter.id, library)
        except NoEnvironmentError as error:
            upgrades[interpreter.id, str(row.client)] = str(error)
    return replace(
        known,
        snippets=snippets(clients.values(), known.floor),
        upgrades=upgrades,
        copies=_copies(tuple(found.values()), known.libraries, makers),
        recipes=remedies(read_recipes(), known.floor),
        files=files,
    )


def _copies(
    environments: Sequence[Sequence[Row]], libraries: Mapping[str, str], makers: Makers
) -> dict[str, EnvironmentCopies]:
    """Return the copies of each environment, by interpreter; each takes some seconds, mostly of waiting."""
    with counted(len(environments), "copied") as tally:

        def copy(rows: Sequence[Row]) -> EnvironmentCopies:
            name = rows[0].interpreter.id
            with tally.at_work(f"the copies of {name}"):
                copies = makers.copies(rows, libraries)
            tally.done(name)
            return copies

        made = side_by_side(copy, environments)
    return {rows[0].interpreter.id: copies for rows, copies in zip(environments, made, strict=True)}


def _file(interpreter: Interpreter, floor: Protocol, env: Mapping[str, str]) -> FloorFile | str:
    """Return the configuration to try on an interpreter, or why there is none.

    The variables of a running process are its own, which whoever starts it again can change.
    """
    env = {**env, **interpreter.variables}
    if interpreter.openssl_conf != configuration_path(interpreter.openssl_dir, env):
        itself = f"{interpreter.path} sets OPENSSL_CONF itself, to {interpreter.openssl_conf}"
        return f"{itself}, whatever it is started with"
    if why := privileged(Path(interpreter.path), os.getuid(), os.getgid()):
        return f"{interpreter.path} {why}, so the system hides OPENSSL_CONF from it"
    try:
        file = floor_file_for(interpreter, floor, env)
    except FloorFileError as error:
        return str(error)
    # What it includes can keep it from being read.
    found = examine(read_text(file.text, env), library_version(interpreter.openssl))
    return file if found.holds else "; ".join(found.problems)


def known_options(
    rows: Sequence[Row], clients: Mapping[ClientKey, Client], floor: Protocol, today: dt.date
) -> RemedyOptions:
    """Return what decides, without any trial, whether another interpreter of these rows may help."""
    interpreters = {row.interpreter.id: row.interpreter for row in rows if not row.interpreter.is_program}
    ends = {
        name: end for name, interpreter in interpreters.items() if (end := ended(interpreter.version, today))
    }
    closed = {
        name: folder
        for name, interpreter in interpreters.items()
        if (folder := closed_folder(interpreter.path))
    }
    libraries = {str(key): client.library or client.requirement for key, client in clients.items()}
    units = {
        name: unit
        for name, interpreter in interpreters.items()
        if (unit := next(filter(None, (unit_of(process.pid) for process in interpreter.processes)), ""))
    }
    no_floor = frozenset(client.id for client in clients.values() if client.no_floor)
    return RemedyOptions(floor, libraries, {}, ends=ends, closed=closed, units=units, no_floor=no_floor)


def closed_folder(path: str) -> str:
    """Return the first folder on the way to a file that not every user may enter; empty if there is none."""
    real = Path(os.path.realpath(path))
    for folder in reversed(real.parents):
        try:
            mode = folder.stat().st_mode
        except OSError:
            return str(folder)
        if not mode & stat.S_IXOTH:
            return str(folder)
    return ""


def snippets(clients: Iterable[Client], floor: Protocol, folder: Path = FLOORS) -> dict[str, str]:
    """Return, for each of these clients that has lines to set a floor in code, these with this floor."""
    files = {client.id: folder / f"{client.floor or client.id}.py" for client in clients}
    return {
        client: snippet(path.read_text(encoding="utf-8"), floor)
        for client, path in files.items()
        if path.exists()
    }


def snippet(text: str, floor: Protocol) -> str:
    """Put a floor into a text written for TLS 1.2: the list of the versions below, and the floor's name.

    The name is an attribute's, or a text of its own.
    """
    spelled = {_below(WRITTEN_FOR): _below(floor), _name(WRITTEN_FOR): _name(floor)}
    spelled[f'"{WRITTEN_FOR}"'] = f'"{floor}"'
    return re.sub("|".join(map(re.escape, spelled)), lambda found: spelled[found[0]], text)


def _below(floor: Protocol) -> str:
    """Return the list of the versions below a floor, as the files spell it."""
    return "({})".format(", ".join(f'"{_name(protocol)}"' for protocol in LADDER if protocol.below(floor)))


def _name(protocol: Protocol) -> str:
    """Return a version as Python's ssl module and awscrt spell it: ``TLSv1_2``."""
    return protocol.replace(".", "_")
