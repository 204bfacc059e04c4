"""Proves what a build is by starting it, not by the exit status of make."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.identify import IdentifyError, identify
from interpreters.processes import run
from servers.protocols import LADDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from interpreters.identify import LinkedLibrary
    from servers.protocols import Protocol

LINKED = Path(__file__).parent.parent.parent / "probes" / "linked.py"
MARK = "TLS-FLOOR-LINKED "

ANSWER_LIMIT = 60.0
"""Seconds that a new build may take for an answer; its modules are not compiled yet."""

PIP_LIMIT = 300.0
"""Seconds for an environment, and for one small download."""

PIP_INSTALLS = "urllib3"
"""What pip is made to install: small, without dependencies, and one of the clients that are measured."""

INDEX_SETTINGS = ("index-url", "cert", "client-cert", "proxy")
"""Settings of pip that say how to reach an index; all others could make it install from elsewhere."""


@dataclass(frozen=True)
class Check:
    """One thing that had to be shown."""

    what: str
    passed: bool
    found: str


def check_build(
    python: Path, versions: Mapping[str, str], floor: Protocol, env: Mapping[str, str]
) -> tuple[Check, ...]:
    """Return what a built interpreter is; `versions` has those of its sources, ``openssl`` and ``python``."""
    try:
        identity = identify(python, env, limit=ANSWER_LIMIT)
    except IdentifyError as error:
        return (Check("it runs", passed=False, found=str(error)),)
    runs = Check(
        f"it is Python {versions['python']}", identity.version == versions["python"], identity.version
    )
    if identity.ssl is None:
        return (runs, Check("its _ssl imports", passed=False, found=identity.ssl_unavailable))
    return (
        runs,
        Check("its _ssl imports", passed=True, found=identity.ssl.module or "built in"),
        *_library_checks(identity.ssl, versions["openssl"], floor),
        _linkage(python, env),
    )


def _library_checks(library: LinkedLibrary, version: str, floor: Protocol) -> tuple[Check, ...]:
    ours = library.openssl.split()[:2] == ["OpenSSL", version]
    below = [protocol.has for protocol in LADDER if protocol.below(floor)]
    has = {name: library.has.get(name) for name in below}
    return (
        Check(f"its OpenSSL is {version}", ours, library.openssl),
        Check(
            f"it has nothing below {floor}",
            all(there is False for there in has.values()),
            ", ".join(f"{name}={there}" for name, there in has.items()),
        ),
    )


def _linkage(python: Path, env: Mapping[str, str]) -> Check:
    what = "no shared OpenSSL is linked"
    try:
        status, output = run([python, LINKED], env, ANSWER_LIMIT)
        marked = [line.removeprefix(MARK) for line in output.splitlines() if line.startswith(MARK)]
        libraries = json.loads(marked[0]) if marked else None
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Check(what, passed=False, found=str(error))
    if not isinstance(libraries, list):
        return Check(what, passed=False, found=f"it did not say (status {status})")
    return Check(what, not libraries, ", ".join(map(str, libraries)) or "none is loaded")


def check_pip(python: Path, folder: Path, env: Mapping[str, str]) -> Check:
    """Return whether its pip starts, and in a scratch environment in `folder` installs from the user's index.

    pip may use nothing but an index: from a folder of wheels or a cache it could install without TLS.
    """
    what = "its pip installs over TLS"
    scratch = folder / "pip"
    try:
        _pip_step([python.with_name("pip3"), "--version"], env)
        _pip_step([python, "-m", "venv", scratch], env)
        pip: list[str | Path] = [scratch / "bin" / "python", "-m", "pip"]
        settings = _index_settings(_pip_step([*pip, "config", "list"], env))
        # The index that pip has built in is one with TLS.
        if not settings.get("PIP_INDEX_URL", "https://").startswith("https://"):
            return Check(what, passed=False, found="pip's index-url is set to one without TLS")
        ours = {name: text for name, text in env.items() if not name.startswith("PIP_")}
        ours |= {"PIP_CONFIG_FILE": os.devnull, **settings}
        options = ("--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-deps")
        _pip_step([*pip, "install", *options, PIP_INSTALLS], ours)
    except subprocess.SubprocessError as error:
        return Check(what, passed=False, found=str(error))
    return Check(what, passed=True, found=f"{PIP_INSTALLS}, from the index that pip is set to")


def _index_settings(listed: str) -> dict[str, str]:
    """Return, as variables, those of `pip config list` that say how to reach an index."""
    settings = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name in INDEX_SETTINGS:
            settings[f"PIP_{name.upper().replace('-', '_')}"] = value.strip("'\"")
    return settings


def _pip_step(command: Sequence[str | Path], env: Mapping[str, str]) -> str:
    """Run one step; raises SubprocessError with its last words."""
    try:
        status, output = run(command, env, PIP_LIMIT)
    except OSError as error:
        msg = f"{command[0]} cannot be run: {error.strerror or error}"
        raise subprocess.SubprocessError(msg) from error
    if status:
        lines = output.splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
        raise subprocess.SubprocessError(" ".join(errors)[:400] or f"it ended with status {status}")
    return output
