"""Finds out how far a run's verdicts reach: by which tool and user, on what machine, and what it left out."""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from interpreters.clients import ClientKey, clients, default_clients
from interpreters.interpreter import ENVIRONMENT, is_program_id, is_site_id, names_application, program_id
from interpreters.owners import not_as_root
from interpreters.prepared import twins
from interpreters.process_environment import PASSED_THROUGH
from interpreters.processes import run
from interpreters.programs import read_programs
from interpreters.tables import TableError
from reports.verdicts.scope import LeftOut, Scope
from servers.conditions import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from interpreters.deployed.bundles import Frozen
    from interpreters.locate import Candidate
    from interpreters.locations import SearchedLocation
    from interpreters.prepared import Prepared
    from reports.verdicts.observations import RunRequest

TLS_VARIABLES = (
    *("OPENSSL_CONF", "OPENSSL_CONF_INCLUDE", "OPENSSL_MODULES", "OPENSSL_ENGINES"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
    # They can put another OpenSSL in the place of the one that is linked to (ld.so(8), dyld(1)).
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
    # By them an interpreter finds start-up code and modules, ssl among them (python(1)).
    *("PYTHONPATH", "PYTHONHOME"),
)
"""Variables that can decide which TLS a process gets (openssl-env(7))."""

MOST_NAMED = 20
"""Environments that are named among those left out."""

GIT_LIMIT = 10.0
"""Seconds that git may take for one answer."""

GIT_NEEDS = PASSED_THROUGH | {"HOME", "XDG_CONFIG_HOME"}
"""The variables that git gets: its settings say which checkouts are safe to look at (git-config(1))."""


def survey(
    root: Path,
    request: RunRequest,
    unchosen: Sequence[LeftOut],
    looked: Sequence[SearchedLocation],
    env: Mapping[str, str],
) -> Scope:
    """Return the scope of a run of the tool in the folder `root`, asked this in this environment.

    `unchosen` is what --only left out.
    """
    commit, changes, unknown = commit_of(root, env)
    known = [client.id for client in clients().values() if not client.reference]
    known += [] if request.programs else _programs()
    wanted = {ClientKey.parse(client).name for client in request.clients}
    return Scope(
        commit=commit,
        commit_unknown=unknown,
        local_changes=changes,
        user=user_name(),
        distribution=distribution(),
        architecture=platform.machine(),
        variables={name: env[name] for name in TLS_VARIABLES if name in env},
        left_out=_in_short(unchosen),
        clients_left_out=tuple(client for client in known if client not in wanted),
        narrowed=narrowings(request, unchosen),
        looked=tuple(looked),
    )


def _in_short(unchosen: Sequence[LeftOut]) -> tuple[LeftOut, ...]:
    """Return what was left out, of environments a few by name: a machine may have thousands."""
    environments = [left for left in unchosen if left.id.startswith(ENVIRONMENT)]
    more = environments[MOST_NAMED:]
    counted = [replace(more[0], id=f"{len(more)} more environments", path="")] if more else []
    return (*(left for left in unchosen if left not in more), *counted)


def _programs() -> list[str]:
    """Return the ids of the programs that can be measured; a table that is not in order offers none."""
    try:
        return [program.id for program in read_programs()]
    except TableError:
        return []


def not_chosen(
    found: Iterable[Candidate], chosen: Iterable[Candidate], only: Iterable[str]
) -> tuple[LeftOut, ...]:
    """Return what was found and not chosen, which is the work of --only alone.

    Whether an interpreter's own packages would have had a row was not looked at, so those are not named.
    """
    kept = {candidate.id for candidate in chosen}
    why = _only(only)
    return tuple(
        LeftOut(candidate.id, str(candidate.path), why)
        for candidate in found
        if candidate.id not in kept and not is_site_id(candidate.id)
    )


def same_twice(prepared: Iterable[Prepared]) -> tuple[LeftOut, ...]:
    """Return what was dropped, because each starts what is among the others."""
    everyone = tuple(prepared)
    same = twins(everyone)
    return tuple(
        LeftOut(name, each.interpreter.path, f"it starts the same as {same[name]}, which is measured")
        for each in everyone
        if (name := each.interpreter.id) in same
    )


def frozen_programs(frozen: Iterable[Frozen], measured: Iterable[Candidate]) -> tuple[LeftOut, ...]:
    """Return the frozen programs that were not measured as the programs that they are."""
    known = {os.path.realpath(candidate.path) for candidate in measured if is_program_id(candidate.id)}
    return tuple(
        LeftOut(
            program_id(program.name),
            str(program.path),
            f"{program.maker} froze it with a Python that no probe can enter: --command measures it",
        )
        for program in frozen
        if str(program.path) not in known
    )


def narrowings(request: RunRequest, unchosen: Iterable[LeftOut]) -> tuple[str, ...]:
    """Return what a run was asked to leave out of all that a run without options measures.

    That is every interpreter found, with each default client, under the machine's own configuration. An
    interpreter given by path adds to it, as does a further client; another release of a client or another
    condition beside the machine's own takes nothing away.
    """
    # A run without options measures no program.
    pythons = [left.id for left in unchosen if not is_program_id(left.id)]
    environments = [name for name in pythons if names_application(name)]
    wanted = {ClientKey.parse(client).name for client in request.clients}
    lost = [client for client in default_clients() if client not in wanted]
    narrowed = []
    numbers = {"interpreter": len(pythons) - len(environments), "environment": len(environments)}
    if pythons:
        counted = (
            f"{number} {what}{'s' if number > 1 else ''}" for what, number in numbers.items() if number
        )
        narrowed.append(f"{_only(request.only)} left out {' and '.join(counted)}")
    if lost:
        narrowed.append(f"--clients left out {', '.join(lost)}")
    if Condition.AMBIENT not in request.conditions:
        narrowed.append("--conditions left out the machine's own configuration, ambient")
    return tuple(narrowed)


def _only(globs: Iterable[str]) -> str:
    return " ".join(f"--only {glob}" for glob in globs)


def commit_of(root: Path, env: Mapping[str, str]) -> tuple[str, bool, str]:
    """Return the commit of the checkout in `root`, whether files differ from it, and why it is not known."""
    program = shutil.which("git", path=env.get("PATH"))
    if refusal := not_as_root(program) if program else "it is not installed":
        return "", False, f"git could not be asked: {program or 'git'}: {refusal}"
    # Looking must write nothing, not even git's index (git(1), GIT_OPTIONAL_LOCKS).
    quiet = {name: text for name, text in env.items() if name in GIT_NEEDS}
    quiet |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}

    def git(*words: str) -> tuple[int, str]:
        status, output = run([program or "git", "-C", root, *words], quiet, GIT_LIMIT)
        return status, output.strip()

    try:
        # The tool may lie, untracked, somewhere below another repository.
        tracked, output = git("ls-files", "--error-unmatch", "noxfile.py")
        if tracked:
            return "", False, f"git knows no commit of it: {output.splitlines()[0] if output else 'no word'}"
        status, commit = git("rev-parse", "--verify", "HEAD")
        if status:
            return "", False, "its repository has no commit"
        # A policy says what the gate asks, and changes nothing about how it is measured.
        status, changes = git("status", "--porcelain", "--", ".", ":!policy.toml")
    except (OSError, subprocess.SubprocessError) as error:
        return "", False, f"git could not be asked: {error}"
    return commit, bool(status or changes), ""


def user_name() -> str:
    """Return the name of the user that this process is, or the number of one without a name."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def distribution() -> str:
    """Return the operating system's name and version as os-release(5) has it, or as the system says."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        version = platform.mac_ver()[0]
        return f"macOS {version}" if version else f"{platform.system()} {platform.release()}"
