"""Prepares an interpreter to be measured: asks what it is, and makes the environments of its clients."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import ClientKey
from interpreters.describe import describe, describe_again
from interpreters.environments import AT_ONCE, ClientVenv, Installer, NoEnvironmentError, VenvRequest, prepare
from interpreters.environments import forget as forget_environment
from interpreters.identify import (
    ANSWER_LIMIT,
    UNPACK_LIMIT,
    IdentifyError,
    Identity,
    identify,
    identify_there,
)
from interpreters.identify import forget as forget_identity
from interpreters.interpreter import MADE, Interpreter, names_application
from interpreters.locks import BusyError, locked
from interpreters.log import LOG
from interpreters.openssl_conf import configuration_path
from interpreters.process_environment import NO_BYTECODE, sanitized_environment
from interpreters.processes import side_by_side
from interpreters.wrapper import applied, env_to_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from interpreters.locate import Candidate


@dataclass(frozen=True)
class Prepared:
    """An interpreter and the environments of its clients, ready to be measured."""

    interpreter: Interpreter
    executable: Path
    """The file that runs in the end: a wrapper starts another file than its own."""
    venvs: tuple[ClientVenv, ...] = ()
    """One for each distinct requirement; clients without any are measured in the interpreter itself."""
    words: tuple[str, ...] = ()
    """As the candidate's: what stands between the interpreter and its script."""
    started_with: Mapping[str, str | None] = field(default_factory=dict)
    """As the candidate's variables: None for one that the interpreter is started without."""
    changed: Mapping[str, str | None] = field(default_factory=dict)
    """The variables that a wrapper changes before it starts the interpreter: see wrapper.py."""
    given: bool = False
    """Whether the user named the interpreter."""
    identity: Identity | None = None
    """What the interpreter said of itself, which decides how it is described; None if it said nothing."""
    sent: Path | None = None
    """A folder of packages that travel to the interpreter's place with the probe."""

    @classmethod
    def of(
        cls,
        candidate: Candidate,
        identity: Identity | None = None,
        env: Mapping[str, str] | None = None,
        unavailable: str = "",
    ) -> Prepared:
        """Return a candidate with what it says of itself, without environments.

        `env` is what the candidate is run in under the ambient condition; `unavailable` says why
        nothing can be measured in it.
        """
        changed = identity.changed if identity else {}
        inside = applied(applied(env or {}, candidate.variables), changed)
        interpreter = describe(candidate, identity, inside, unavailable)
        executable = candidate.path
        # A wrapper is another way to start an interpreter that may be there under its own name.
        if identity and identity.executable and interpreter.environment == MADE:
            actual = Path(identity.executable)
            executable = actual if actual.exists() else executable
        return cls(
            interpreter,
            executable,
            words=candidate.words,
            started_with=candidate.variables,
            changed=changed,
            given=candidate.given,
            identity=identity,
        )

    @property
    def same_as(self) -> Path | None:
        """The other interpreter that is started here; None if this is an interpreter of its own."""
        return self.executable if str(self.executable) != self.interpreter.path else None

    @property
    def python(self) -> Path | None:
        """The first environment's interpreter; None if there is no environment."""
        return self.venvs[0].python if self.venvs else None

    @property
    def uninstalled(self) -> dict[ClientKey, str]:
        """Why clients could not be installed, by client."""
        return {
            client: venv.unavailable for venv in self.venvs if venv.unavailable for client in venv.clients
        }

    def places(
        self, wanted: Iterable[ClientKey], wanted_as_found: Iterable[ClientKey] = ()
    ) -> dict[Path, tuple[ClientKey, ...]]:
        """Return where the wanted clients are measured, by Python; a client that is not installed is nowhere.

        The interpreter itself is always the first: clients that require nothing are measured there, and
        even without a client its probe reports what start-up code makes of TLS contexts. An environment as
        found is asked for `wanted_as_found`, or for the same.
        """
        if self.interpreter.unavailable:
            return {}
        if self.interpreter.environment != MADE:
            # An environment as found has one version of each client, whichever versions are wanted.
            one_each = (ClientKey(key.name) for key in wanted_as_found or wanted)
            return {self.executable: tuple(dict.fromkeys(one_each))}
        made_for = {client: venv.python for venv in self.venvs for client in venv.clients}
        found: dict[Path, list[ClientKey]] = {self.executable: []}
        for client in wanted:
            python = made_for.get(client, self.executable)
            if python and client not in self.uninstalled:
                found.setdefault(python, []).append(client)
        return {python: tuple(clients) for python, clients in found.items()}

    def described_by(self, identity: Identity, env: Mapping[str, str]) -> Interpreter:
        """Return the interpreter as it describes itself now, in this environment.

        What it said before holds as long as it says the same, and then nothing is read once more.
        """
        # Of what its files are in another place it says nothing while it is measured.
        identity = replace(identity, files=self.identity.files if self.identity else None)
        if replace(identity, changed=self.changed) == self.identity:
            return self.interpreter
        return describe_again(self.interpreter, identity, self.variables(env))

    def variables(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return what the interpreter sees where `env` is what everything measured is run in."""
        return applied(applied(env, self.started_with), self.changed)

    def beside(self, ways: Iterable[str]) -> Prepared:
        """Return the same interpreter, which names the others of these ways into its environment."""
        others = tuple(way for way in ways if way != self.interpreter.path)
        return replace(self, interpreter=replace(self.interpreter, other_ways=others)) if others else self

    def without(self, unavailable: str) -> Prepared:
        """Return the same interpreter, with the reason why nothing can be measured in it."""
        return replace(self, venvs=(), interpreter=replace(self.interpreter, unavailable=unavailable))


def prepare_candidate(
    candidate: Candidate,
    requirements: Mapping[ClientKey, str],
    installer: Installer,
    env: Mapping[str, str],
) -> Prepared:
    """Identify a candidate and prepare its environments; the result says what went wrong.

    `requirements` says, by client, what must be installed for it. Each distinct requirement gets an
    environment of its own, so that a conflict, or a failed installation, concerns no other client.
    """
    if candidate.unavailable:
        return Prepared.of(candidate, unavailable=candidate.unavailable)
    sanitized = _sanitized(installer, env)
    try:
        identity = _identify(candidate, installer, sanitized)
    except IdentifyError as error:
        return Prepared.of(candidate, unavailable=str(error))
    prepared = Prepared.of(candidate, identity, sanitized)
    is_found = prepared.interpreter.environment != MADE
    if identity.ssl is None:
        return prepared.without(f"it has no ssl module: {identity.ssl_unavailable}")
    if not is_found and (reason := explain_context(identity, sanitized)):
        return prepared.without(reason)
    if is_found:
        return prepared
    requests = (
        VenvRequest(
            candidate.path,
            identity,
            tuple(requirement.split()),
            _environment(installer.cache, candidate, requirement),
            clients,
            _alike(prepared),
        )
        for requirement, clients in _grouped(requirements).items()
    )
    reach = env_to_start(env, identity.changed)
    made = side_by_side(lambda request: prepare(request, installer, reach), requests, AT_ONCE)
    return replace(prepared, venvs=tuple(made))


def _alike(prepared: Prepared) -> str:
    """Return a hash of an interpreter's build and account of itself, wherever it is; empty if that varies.

    Whoever shares it gets the same packages.
    """
    interpreter, identity = prepared.interpreter, prepared.identity
    if identity is None or identity.changed or not interpreter.build:
        return ""
    account = json.dumps(asdict(identity)).replace(json.dumps(identity.prefix)[1:-1], "")
    return hashlib.sha256(f"{interpreter.build}\0{account}".encode()).hexdigest()


def prepare_there(candidate: Candidate, modules: Sequence[str] = ()) -> Prepared:
    """Identify a candidate in another place, where nothing is made; the result says what went wrong.

    Of these modules the identity says which are not there.
    """
    if candidate.unavailable:
        return Prepared.of(candidate, unavailable=candidate.unavailable)
    try:
        identity = identify_there(
            candidate.place, candidate.path, modules, candidate.words, candidate.variables
        )
    except IdentifyError as error:
        return Prepared.of(candidate, unavailable=str(error))
    prepared = Prepared.of(candidate, identity)
    if identity.ssl is None:
        return prepared.without(f"it has no ssl module: {identity.ssl_unavailable}")
    return prepared


def _sanitized(installer: Installer, env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that an interpreter is run in; its home is a folder of ours."""
    home = installer.cache / "home"
    home.mkdir(parents=True, exist_ok=True)
    return sanitized_environment(env, home)


def _identify(candidate: Candidate, installer: Installer, sanitized: Mapping[str, str]) -> Identity:
    """Return what a candidate says of itself; raises IdentifyError."""
    variables = {**applied(sanitized, candidate.variables), **NO_BYTECODE}
    limit = UNPACK_LIMIT if candidate.words else ANSWER_LIMIT
    return identify(candidate.path, variables, installer.cache / "identities", limit, candidate.words)


def explain_context(identity: Identity, env: Mapping[str, str]) -> str:
    """Return under which OpenSSL configuration an ssl module makes no TLS context; empty if it makes one.

    `env` is what the interpreter was started in.
    """
    if identity.ssl is None or not identity.context_unavailable:
        return ""
    inside = applied(env, identity.changed)
    named = configuration_path(identity.ssl.directory, inside) or "an empty OpenSSL configuration"
    return f"its ssl module makes no context under {named}: {identity.context_unavailable}"


@dataclass(frozen=True)
class EnvironmentMaker:
    """With what environments are made beside those that the clients of a run are measured in."""

    installer: Installer
    env: Mapping[str, str]
    """The caller's."""
    held: contextlib.ExitStack
    """Until this is closed, no other run removes what was made."""

    def identify(self, candidate: Candidate) -> Identity:
        """Return what a candidate says of itself; raises IdentifyError."""
        return _identify(candidate, self.installer, _sanitized(self.installer, self.env))

    def folder(self, candidate: Candidate, name: str) -> Path:
        """Return where the environment of this name is, which is forgotten with the candidate's others."""
        return _environments(self.installer.cache, candidate) / name


def prepare_apart(candidate: Candidate, library: str, maker: EnvironmentMaker) -> Path:
    """Return the Python of an environment with the newest release of one library and nothing else.

    Raises NoEnvironmentError with the reason there is none.
    """
    try:
        identity = maker.identify(candidate)
    except IdentifyError as error:
        raise NoEnvironmentError(str(error)) from error
    folder = _environment(maker.installer.cache, candidate, library)
    request = VenvRequest(candidate.path, identity, (library,), folder)
    return make_apart(request, maker, env_to_start(maker.env, identity.changed))


def make_apart(request: VenvRequest, maker: EnvironmentMaker, env: Mapping[str, str]) -> Path:
    """Return the Python of an environment that was requested; `env` is the installers'.

    Raises NoEnvironmentError with the reason there is none.
    """
    try:
        venv = prepare(request, maker.installer, env)
        maker.held.enter_context(locked(request.folder, shared=True))
    except (OSError, BusyError) as error:
        raise NoEnvironmentError(str(error)) from error
    if venv.unavailable or venv.python is None:
        raise NoEnvironmentError(venv.unavailable)
    if not venv.python.exists():
        msg = "another run removed its environment: measure again when that run has ended"
        raise NoEnvironmentError(msg)
    return venv.python


def forget(candidate: Candidate, cache: Path) -> None:
    """Remove a candidate's environments, but for those that another run uses, and forget its identity."""
    forget_identity(candidate.path, cache / "identities")
    there = _environments(cache, candidate)
    for folder in sorted(there.iterdir()) if there.is_dir() else ():
        try:
            if folder.is_dir():
                forget_environment(folder)
        except NoEnvironmentError as error:
            LOG.info("%s keeps an environment: %s", candidate.id, error)


ATTEMPTS = 3
"""How often environments are prepared that other runs removed meanwhile."""


def prepare_and_hold(prepare: Callable[[], Prepared], held: contextlib.ExitStack) -> Prepared:
    """Prepare a candidate, and keep other runs from removing its environments until `held` is closed.

    Another run may remove an environment in between, as with --fresh: then all is prepared once more.
    """
    for _ in range(ATTEMPTS):
        prepared = prepare()
        pythons = [venv.python for venv in prepared.venvs if venv.python]
        with contextlib.ExitStack() as mine:
            try:
                for python in pythons:
                    mine.enter_context(locked(python.parents[1], shared=True))
            except BusyError as error:
                return prepared.without(str(error))
            if all(python.exists() for python in pythons):
                held.push(mine.pop_all())
                return prepared
    return prepared.without(
        "other runs keep removing its environments: measure again when those runs have ended"
    )


def _grouped(requirements: Mapping[ClientKey, str]) -> dict[str, tuple[ClientKey, ...]]:
    """Return the clients of each distinct requirement."""
    found: dict[str, list[ClientKey]] = {}
    for client, requirement in requirements.items():
        found.setdefault(requirement, []).append(client)
    return {requirement: tuple(clients) for requirement, clients in found.items()}


def _environments(cache: Path, candidate: Candidate) -> Path:
    return cache / "environments" / candidate.id


def _environment(cache: Path, candidate: Candidate, requirement: str) -> Path:
    """Return the folder for one requirement; where its name loses letters, a hash keeps it unique."""
    name = re.sub(r"[^a-z0-9.]+", "_", requirement.lower()).strip("_")
    unique = "" if name == requirement else f"-{hashlib.sha256(requirement.encode()).hexdigest()[:8]}"
    return _environments(cache, candidate) / (name + unique or "plain")


def distinct(everyone: Sequence[Prepared]) -> tuple[Prepared, ...]:
    """Drop whatever turned out to start what is among them under another name: see twins.

    Of an environment that is entered in several ways all the same, each names the others.
    """
    dropped = twins(everyone)
    kept = [each for each in everyone if each.interpreter.id not in dropped]
    ways: dict[object, list[str]] = {}
    for each in kept:
        ways.setdefault(_entered(each), []).append(each.interpreter.path)
    return tuple(each.beside(ways[_entered(each)]) for each in kept)


def _entered(prepared: Prepared) -> object:
    """Return the environment that a Python is a way into; what is none has its id instead."""
    interpreter = prepared.interpreter
    is_way = names_application(interpreter.id) and not prepared.words
    return (interpreter.environment, interpreter.place) if is_way else interpreter.id


def twins(everyone: Iterable[Prepared]) -> dict[str, Path]:
    """Return, by id, what starts the same as another one of them, with the path of that one.

    A wrapper that changes the environment is an interpreter of its own; what the user named is kept too. Of
    the ways into an environment the first is kept of those that lead to one Python as it says of itself.
    """
    everyone = tuple(everyone)
    known = {Path(each.interpreter.path) for each in everyone}
    first: dict[object, Prepared] = {}
    found = {}
    for each in everyone:
        kept = first.setdefault(_way(each), each)
        if kept is not each:
            found[each.interpreter.id] = Path(kept.interpreter.path)
        elif each.same_as in known and each.same_as and not each.changed and not each.given:
            found[each.interpreter.id] = each.same_as
    return found


def _way(prepared: Prepared) -> object:
    """Return what those ways into one environment have in common that are the same; all else is by itself."""
    identity = prepared.identity
    if identity is None:
        return prepared.interpreter.id
    actual, is_here = identity.executable, prepared.interpreter.place.is_local
    known = replace(identity, executable=os.path.realpath(actual) if is_here else actual)
    return _entered(prepared), repr(known)
