"""Describes an interpreter: where it was found, what it says of itself, and which files decide its TLS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.distributions import listing_sha256
from interpreters.identify import FileFacts, build_of
from interpreters.interpreter import MADE, NOT_SHOWN, Interpreter
from interpreters.openssl_conf import configuration_files, configuration_path, configuration_sha256
from interpreters.openssl_faults import configuration_problems
from interpreters.since import links, with_changes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from interpreters.identify import Identity
    from interpreters.locate import Candidate
    from interpreters.places import Place


def describe(
    candidate: Candidate,
    identity: Identity | None = None,
    variables: Mapping[str, str] | None = None,
    unavailable: str = "",
) -> Interpreter:
    """Return the interpreter at a candidate's path; without an identity, next to nothing is known of it.

    The environment of an interpreter's own packages is the interpreter's prefix.

    `variables` are those that the interpreter sees under the ambient condition, behind a wrapper too.
    `unavailable` says why nothing can be measured in the interpreter. Reads files; raises nothing for them.
    """
    own = identity.prefix if identity and (identity.is_venv or candidate.site) else MADE
    environment = str(candidate.environment or own)
    interpreter = Interpreter(
        id=candidate.id,
        source=candidate.source,
        path=str(candidate.path),
        environment=environment,
        unavailable=unavailable,
        variables=_shown(candidate.variables),
        processes=candidate.processes,
        place=candidate.place,
        **_facts(candidate.path, identity, variables or {}, candidate.place),
        **_installed(environment, identity, candidate.place),
    )
    return _since(interpreter, variables or {})


def _since(interpreter: Interpreter, variables: Mapping[str, str]) -> Interpreter:
    """Return an interpreter with what its processes have read before it changed."""
    if not interpreter.processes:
        return interpreter
    read = read_at_start(interpreter, variables)
    changed = with_changes(interpreter.processes, interpreter.environment, read, interpreter.search_path)
    return replace(interpreter, processes=changed)


def read_at_start(interpreter: Interpreter, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files, beside packages, by which it is decided at the start what an interpreter is."""
    environment = interpreter.environment
    # The file of a zipapp is all that runs; a folder changes with each file in it.
    itself = [] if Path(environment).is_dir() else [environment]
    configuration = configuration_files(interpreter.openssl_conf, variables)
    return (*configuration, *interpreter.start_up, *itself, *links(environment))


def _shown(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Return the variables that an interpreter is started with, as a report may have them.

    Those of Python itself name folders of whoever set them, which is theirs to tell.
    """
    return {
        name: NOT_SHOWN if name.startswith("PYTHON") else text
        for name, text in variables.items()
        if text is not None
    }


def describe_program(candidate: Candidate, version: str, library: str) -> Interpreter:
    """Return the program at a candidate's path, which says that it has this version and this TLS library."""
    return replace(describe(candidate), version=version, openssl=library)


def describe_again(interpreter: Interpreter, identity: Identity, variables: Mapping[str, str]) -> Interpreter:
    """Return a known interpreter with what it says of itself now: see describe."""
    facts = _facts(Path(interpreter.path), identity, variables, interpreter.place)
    installed = _installed(interpreter.environment, identity, interpreter.place)
    return _since(replace(interpreter, **facts, **installed), variables)


def _installed(environment: str, identity: Identity | None, place: Place) -> dict[str, Any]:
    """Return the fields that say what is installed in an environment that was found."""
    if identity is None or environment == MADE:
        return {}
    # A relative place is another one wherever a process is started.
    path = tuple(place for place in identity.path if Path(place).is_absolute())
    there = _files_there(identity, place)
    listing = there.distributions_sha256 if there else listing_sha256(path)
    return {"search_path": path, "distributions_sha256": listing}


def _files_there(identity: Identity | None, place: Place) -> FileFacts | None:
    """Return what an interpreter in another place said of its files; None where we read them ourselves."""
    return None if place.is_local else (identity and identity.files) or FileFacts()


def _facts(
    path: Path, identity: Identity | None, variables: Mapping[str, str], place: Place
) -> dict[str, Any]:
    """Return the fields of an Interpreter that an identity decides.

    Nothing is read of what lies in another place: a path there may be anything here.
    """
    there = _files_there(identity, place)
    build = there.build if there else build_of(path, identity)
    if identity is None:
        return {"build": build}
    facts: dict[str, Any] = {
        "build": build,
        "version": identity.version,
        "implementation": identity.implementation,
        "configure_flags": identity.configure_flags,
        "start_up": identity.start_up,
    }
    if (library := identity.ssl) is None:
        return facts
    facts |= {
        "openssl": library.openssl,
        "has": library.has,
        "context_minimum": library.default_minimum or "",
        "openssl_dir": library.directory,
    }
    if there:
        return {**facts, "openssl_conf": there.openssl_conf, "openssl_conf_sha256": there.openssl_conf_sha256}
    conf = configuration_path(library.directory, variables)
    return {
        **facts,
        "openssl_conf": conf,
        "openssl_conf_sha256": configuration_sha256(conf, variables),
        "configuration_problems": configuration_problems(
            conf, variables, library.openssl, library.directory, path
        ),
    }
