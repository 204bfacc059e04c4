"""The record that preparing an interpreter leaves for the session that measures it."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.environments import Installer, NoEnvironmentError, is_made, prepare
from interpreters.identify import IdentifyError, Identity, identify, parse_identity
from interpreters.surroundings import surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from interpreters.locate import Candidate


@dataclass(frozen=True)
class Prepared:
    """A candidate once it has been asked what it is and given an environment."""

    candidate: Candidate
    identity: Identity | None = None
    python: Path | None = None
    """The environment's interpreter; None if there is no environment."""
    problem: str = ""
    """Why nothing can be measured in it; empty if something can."""
    uninstalled: tuple[str, ...] = ()
    """The clients whose packages could not be installed."""
    install_problem: str = ""
    """Why they could not."""
    same_as: Path | None = None
    """The interpreter that this candidate turned out to be another way to start."""


def prepare_candidate(
    candidate: Candidate,
    requirements: Mapping[str, str],
    cache: Path,
    installer: Installer,
    environment: Mapping[str, str],
) -> Prepared:
    """Identify a candidate and prepare its environment; what goes wrong is in the result.

    `requirements` says, by client, what must be installed for it.
    """
    if candidate.problem:
        return Prepared(candidate, problem=candidate.problem)
    home = cache / "home"
    home.mkdir(parents=True, exist_ok=True)
    try:
        identity = identify(candidate.path, surroundings(environment, home), cache / "identities")
    except IdentifyError as error:
        return Prepared(candidate, problem=str(error))
    if identity.is_venv:
        problem = f"it is a virtual environment: measure the interpreter below {identity.base_prefix}"
        return Prepared(candidate, identity, problem=problem)
    # A wrapper is another way to start an interpreter that may be there under its own name.
    actual = Path(identity.executable)
    same_as = actual if identity.executable and actual != candidate.path and actual.exists() else None
    if identity.ssl is None:
        problem = f"it has no ssl module: {identity.ssl_error}"
        return Prepared(candidate, identity, problem=problem, same_as=same_as)
    try:
        made = prepare(
            candidate.path,
            identity,
            _each_once(requirements),
            _environment(cache, candidate),
            installer,
            environment,
        )
    except (NoEnvironmentError, OSError) as error:
        return Prepared(candidate, identity, problem=str(error), same_as=same_as)
    uninstalled = tuple(requirements) if made.install_problem else ()
    return Prepared(candidate, identity, made.python, "", uninstalled, made.install_problem, same_as)


def is_ready(
    candidate: Candidate, requirements: Mapping[str, str], cache: Path, find_links: Path | None = None
) -> bool:
    """Whether nothing is left to prepare: its environment is there, or it can have none."""
    folder = _environment(cache, candidate)
    return bool(candidate.problem) or is_made(candidate.path, _each_once(requirements), folder, find_links)


def forget(candidate: Candidate, cache: Path) -> None:
    """Remove a candidate's environment, so that it is made anew."""
    shutil.rmtree(_environment(cache, candidate), ignore_errors=True)


def _each_once(requirements: Mapping[str, str]) -> list[str]:
    return sorted(set(requirements.values()))


def _environment(cache: Path, candidate: Candidate) -> Path:
    return cache / "environments" / candidate.id


def _record(folder: Path, candidate: Candidate) -> Path:
    return folder / f"{candidate.id}.json"


def write_record(folder: Path, prepared: Prepared) -> None:
    """Leave the record in the run's folder, complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _record(folder, prepared.candidate)
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(asdict(prepared), default=str))
    aside.replace(path)


def read_record(folder: Path, candidate: Candidate) -> Prepared | None:
    """Return what this run's session for the candidate left; None if it left nothing that can be read."""
    try:
        facts = json.loads(_record(folder, candidate).read_text())
        return Prepared(
            candidate,
            identity=parse_identity(facts["identity"]) if facts["identity"] else None,
            python=Path(facts["python"]) if facts["python"] else None,
            problem=str(facts["problem"]),
            uninstalled=tuple(facts["uninstalled"]),
            install_problem=str(facts["install_problem"]),
            same_as=Path(facts["same_as"]) if facts["same_as"] else None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def distinct(prepared: Sequence[Prepared]) -> tuple[Prepared, ...]:
    """Drop candidates that turned out to start an interpreter which is among them under its own name."""
    known = {one.candidate.path for one in prepared}
    return tuple(one for one in prepared if one.same_as is None or one.same_as not in known)
