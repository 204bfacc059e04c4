"""Gets an interpreter ready to be measured."""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import plain
from interpreters.environments import Installer, NoEnvironmentError, prepare
from interpreters.environments import forget as forget_environment
from interpreters.identify import IdentifyError, Identity, identify
from interpreters.identify import forget as forget_identity
from interpreters.inside import applied, to_start
from interpreters.locks import BusyError, locked
from interpreters.openssl_conf import configuration_path
from interpreters.surroundings import UNWRITTEN, surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from interpreters.locate import Candidate


@dataclass(frozen=True)
class Furnished:
    """One of a candidate's environments: for which clients it is, and why they are not in it."""

    python: Path | None
    """The environment's interpreter; None if the environment itself could not be made."""
    clients: tuple[str, ...] = ()
    """The clients whose requirement it was made for."""
    install_problem: str = ""
    """Why that could not be installed; empty if it was."""


@dataclass(frozen=True)
class Prepared:
    """A candidate once it has been asked what it is and given its environments."""

    candidate: Candidate
    identity: Identity | None = None
    environments: tuple[Furnished, ...] = ()
    """One for each distinct requirement; what requires nothing is measured in the interpreter itself."""
    problem: str = ""
    """Why nothing can be measured in it; empty if something can."""
    same_as: Path | None = None
    """The interpreter that this candidate turned out to be another way to start."""

    @property
    def actual(self) -> Path:
        """The executable that runs in the end, which a wrapper starts."""
        return self.same_as or self.candidate.path

    @property
    def changed(self) -> Mapping[str, str | None]:
        """The variables that a wrapper changes before it starts the interpreter: see inside.py."""
        return self.identity.changed if self.identity else {}

    @property
    def environment(self) -> Path | None:
        """The folder of the environment that is measured as it is; None where environments are made."""
        own = Path(self.identity.prefix) if self.identity and self.identity.is_venv else None
        return self.candidate.environment or own

    @property
    def python(self) -> Path | None:
        """The first environment's interpreter; None if there is no environment."""
        return self.environments[0].python if self.environments else None

    @property
    def uninstalled(self) -> dict[str, str]:
        """Why clients could not be installed, by client."""
        failed = [one for one in self.environments if one.install_problem]
        return {client: one.install_problem for one in failed for client in one.clients}

    def places(self, wanted: Iterable[str]) -> dict[Path, tuple[str, ...]]:
        """Return where the wanted clients are measured, by Python; those not installed are nowhere.

        The interpreter itself is always the first: there is what requires nothing, and whoever has no
        client still says there what its start-up code makes of its TLS contexts.
        """
        if self.problem:
            return {}
        if self.environment:
            # What is there is there once, whichever versions are asked for.
            return {self.candidate.path: tuple(dict.fromkeys(map(plain, wanted)))}
        made_for = {client: one.python for one in self.environments for client in one.clients}
        found: dict[Path, list[str]] = {self.actual: []}
        for client in wanted:
            place = made_for.get(client, self.actual)
            if place and client not in self.uninstalled:
                found.setdefault(place, []).append(client)
        return {python: tuple(clients) for python, clients in found.items()}


def prepare_candidate(
    candidate: Candidate,
    requirements: Mapping[str, str],
    installer: Installer,
    environment: Mapping[str, str],
) -> Prepared:
    """Identify a candidate and prepare its environments; what goes wrong is in the result.

    `requirements` says, by client, what must be installed for it. Each distinct requirement gets an
    environment of its own, so that what conflicts with it, or cannot be installed, disturbs no other client.
    """
    if candidate.problem:
        return Prepared(candidate, problem=candidate.problem)
    cache = installer.cache
    home = cache / "home"
    home.mkdir(parents=True, exist_ok=True)
    try:
        identity = identify(candidate.path, surroundings(environment, home) | UNWRITTEN, cache / "identities")
    except IdentifyError as error:
        return Prepared(candidate, problem=str(error))
    if candidate.environment or identity.is_venv:
        problem = "" if identity.ssl else f"it has no ssl module: {identity.ssl_error}"
        return Prepared(candidate, identity, problem=problem)
    # A wrapper is another way to start an interpreter that may be there under its own name.
    actual = Path(identity.executable)
    same_as = actual if identity.executable and actual != candidate.path and actual.exists() else None
    if identity.ssl is None:
        problem = f"it has no ssl module: {identity.ssl_error}"
        return Prepared(candidate, identity, problem=problem, same_as=same_as)
    if problem := context_problem(identity, environment):
        return Prepared(candidate, identity, problem=problem, same_as=same_as)
    environments = []
    for requirement, names in _grouped(requirements).items():
        try:
            made = prepare(
                candidate.path,
                identity,
                requirement.split(),
                _environment(cache, candidate, requirement),
                installer,
                to_start(environment, identity.changed),
            )
            environments.append(Furnished(made.python, names, made.install_problem))
        except (NoEnvironmentError, OSError) as error:
            environments.append(Furnished(None, names, str(error)))
    return Prepared(candidate, identity, tuple(environments), same_as=same_as)


def context_problem(identity: Identity, environment: Mapping[str, str]) -> str:
    """Say under which OpenSSL configuration an ssl module makes no TLS context; empty if it makes one.

    `environment` is what the interpreter was started in.
    """
    if identity.ssl is None or not identity.context_error:
        return ""
    inside = applied(environment, identity.changed)
    named = configuration_path(identity.ssl.directory, inside) or "an empty OpenSSL configuration"
    return f"its ssl module makes no context under {named}: {identity.context_error}"


def prepare_apart(
    candidate: Candidate,
    library: str,
    installer: Installer,
    environment: Mapping[str, str],
    held: contextlib.ExitStack,
) -> Path:
    """Return the Python of an environment with the newest release of one library, which nothing holds back.

    No other run removes it until `held` is closed. Raises NoEnvironmentError with the reason there is none.
    """
    cache = installer.cache
    home = cache / "home"
    home.mkdir(parents=True, exist_ok=True)
    folder = _environment(cache, candidate, library)
    try:
        identity = identify(candidate.path, surroundings(environment, home) | UNWRITTEN, cache / "identities")
        reach = to_start(environment, identity.changed)
        made = prepare(candidate.path, identity, [library], folder, installer, reach)
        held.enter_context(locked(folder, shared=True, say=installer.say))
    except (IdentifyError, OSError, BusyError) as error:
        raise NoEnvironmentError(str(error)) from error
    if made.install_problem:
        raise NoEnvironmentError(made.install_problem)
    if not made.python.exists():
        msg = "another run removed its environment: measure again when that run has ended"
        raise NoEnvironmentError(msg)
    return made.python


def forget(candidate: Candidate, cache: Path, say: Callable[[str], object] = lambda _: None) -> None:
    """Remove a candidate's environments, and what it said of itself, so that both are had again.

    An environment that another run uses for long stays, and that is said.
    """
    forget_identity(candidate.path, cache / "identities")
    there = _environments(cache, candidate)
    for folder in sorted(there.iterdir()) if there.is_dir() else ():
        try:
            if folder.is_dir():
                forget_environment(folder, say)
        except NoEnvironmentError as error:
            say(f"{candidate.id} keeps an environment: {error}")


ATTEMPTS = 3
"""How often what other runs removed is prepared again."""


def settle(prepare: Callable[[], Prepared], held: contextlib.ExitStack) -> Prepared:
    """Prepare a candidate, and keep other runs from removing its environments until `held` is closed.

    Between the two another run may have removed one, as with --fresh: then all is prepared once more.
    """
    for _ in range(ATTEMPTS):
        prepared = prepare()
        pythons = [one.python for one in prepared.environments if one.python]
        with contextlib.ExitStack() as mine:
            try:
                for python in pythons:
                    mine.enter_context(locked(python.parents[1], shared=True))
            except BusyError as error:
                return replace(prepared, environments=(), problem=str(error))
            if all(python.exists() for python in pythons):
                held.push(mine.pop_all())
                return prepared
    problem = "other runs keep removing its environments: measure again when those runs have ended"
    return replace(prepared, environments=(), problem=problem)


def _grouped(requirements: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the clients of each distinct requirement."""
    found: dict[str, list[str]] = {}
    for client, requirement in requirements.items():
        found.setdefault(requirement, []).append(client)
    return {requirement: tuple(names) for requirement, names in found.items()}


def _environments(cache: Path, candidate: Candidate) -> Path:
    return cache / "environments" / candidate.id


def _environment(cache: Path, candidate: Candidate, requirement: str) -> Path:
    """Return the folder for one requirement, whose name, where letters were lost, a hash keeps unique."""
    name = re.sub(r"[^a-z0-9.]+", "_", requirement.lower()).strip("_")
    unique = "" if name == requirement else f"-{hashlib.sha256(requirement.encode()).hexdigest()[:8]}"
    return _environments(cache, candidate) / (name + unique or "plain")


def distinct(prepared: Sequence[Prepared]) -> tuple[Prepared, ...]:
    """Drop candidates that turned out to start an interpreter which is among them under its own name.

    One that changes the environment is an interpreter of its own; one that the user named is kept too.
    """
    known = {one.candidate.path for one in prepared}
    return tuple(one for one in prepared if one.same_as not in known or one.changed or one.candidate.given)
