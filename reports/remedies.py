"""What may help a row that goes below the floor; of that, only what was measured to help is advised."""

from __future__ import annotations

import enum
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reports.verdicts import PAGE_FLOOR, Verdict
from servers.conditions import Condition, advised_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.matrix import Row
    from servers.protocols import Protocol

MOST_NAMED = 6
"""Interpreters that one remedy names; the matrix has them all."""

SHARED = Path("/etc/ssl")
"""Where the advice puts the configuration: a folder that every service can read."""


class Remedy(enum.StrEnum):
    """A kind of remedy; those that take least effort come first."""

    UPGRADE = "newer release"
    CONFIGURATION = "openssl.cnf"
    CODE = "code"
    INTERPRETER = "other interpreter"
    BUILD = "hardened build"


TITLES = {
    Remedy.UPGRADE: "A newer release of the client",
    Remedy.CONFIGURATION: "An OpenSSL configuration",
    Remedy.CODE: "A floor set in code",
    Remedy.INTERPRETER: "Another interpreter on this machine",
    Remedy.BUILD: "A hardened build",
}

TRIED = (Remedy.UPGRADE, Remedy.CONFIGURATION, Remedy.CODE)
"""What takes a trial of its own; for another interpreter the matrix has measured already."""


class Standing(enum.StrEnum):
    """What a remedy came to."""

    ADVISED = "advised"
    """It was measured on this interpreter, in this run, and the floor was enforced."""
    FAILED = "tried and failed"
    IDLE = "not tried"


@dataclass(frozen=True)
class Means:
    """What there is to try with."""

    floor: Protocol
    libraries: Mapping[str, str]
    """By client, the distribution whose release decides; empty for what comes with Python itself."""
    snippets: Mapping[str, str]
    """By client, the lines that set the floor in code."""
    upgrades: Mapping[tuple[str, str], Path | str] = field(default_factory=dict)
    """By interpreter and client, where a newer release may be had: the Python of an environment that
    has it, or why there is none."""
    recipes: Mapping[str, str] = field(default_factory=dict)
    """By Python's minor version (``3.8``), the words after ``nox -s harden --`` that build it."""


@dataclass(frozen=True)
class Attempt:
    """One remedy for one row, and what it came to."""

    remedy: Remedy
    standing: Standing
    said: str
    """What was measured, or why nothing was."""
    verdict: Verdict | None = None
    lines: tuple[str, ...] = ()
    """What to copy."""


@dataclass(frozen=True)
class Case:
    """A row that goes or would go below the floor, with every remedy in order of effort."""

    row: Row
    attempts: tuple[Attempt, ...]
    """Empty if its run was not asked to try any, as that of another machine in a merged report."""

    @property
    def advised(self) -> tuple[Attempt, ...]:
        """What was measured to help."""
        return tuple(one for one in self.attempts if one.standing is Standing.ADVISED)


def needing(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows that want a remedy: below the floor, or only just not, in the machine's own state."""
    ill = (Verdict.DOWNGRADED, Verdict.FRAGILE)
    return tuple(row for row in rows if row.condition is Condition.AMBIENT and row.verdict in ill)


def idle(row: Row, remedy: Remedy, means: Means) -> str:
    """Say why a remedy that takes a trial is not tried on a row; empty if it is to be."""
    if remedy is Remedy.CODE:
        return "" if row.client in means.snippets else f"there are no lines that set a floor in {row.client}"
    if remedy is Remedy.UPGRADE:
        library = means.libraries.get(row.client)
        if not library:
            return "it comes with Python itself, which has no newer release of it"
        newer = means.upgrades.get((row.interpreter.id, row.client))
        if newer is None:
            return (
                f"its environment has the newest releases that this Python took when it was made"
                f" ({row.client} {row.client_version}); --fresh looks again"
            )
        return newer if isinstance(newer, str) else ""
    return ""


def weigh(
    rows: Sequence[Row], trials: Mapping[tuple[str, str, Remedy], Row], means: Means
) -> tuple[Case, ...]:
    """Return a case for each row that needs one.

    `trials` has, by interpreter, client and remedy, the row that the trial came to.
    """
    return tuple(
        Case(
            row,
            (
                *(
                    _tried(row, one, trials.get((row.interpreter.id, row.client, one)), means)
                    for one in TRIED
                ),
                _other_interpreter(row, rows, means),
                _build(row, means),
            ),
        )
        for row in needing(rows)
    )


def _tried(row: Row, remedy: Remedy, trial: Row | None, means: Means) -> Attempt:
    if why := idle(row, remedy, means):
        return Attempt(remedy, Standing.IDLE, why)
    if trial is None:
        return Attempt(remedy, Standing.IDLE, "its trial did not take place")
    library = means.libraries.get(row.client, "")
    if remedy is Remedy.UPGRADE and trial.client_version == row.client_version:
        return Attempt(remedy, Standing.IDLE, f"{library} {row.client_version} is the newest for this Python")
    reason = trial.judgement.reason
    if remedy is Remedy.UPGRADE and trial.client_version:
        reason = f"{library} {trial.client_version} in place of {row.client_version}: {reason}"
    if trial.verdict is not Verdict.ENFORCED:
        return Attempt(remedy, Standing.FAILED, reason, trial.verdict)
    return Attempt(remedy, Standing.ADVISED, reason, trial.verdict, _lines(row, remedy, trial, means))


def _lines(row: Row, remedy: Remedy, trial: Row, means: Means) -> tuple[str, ...]:
    if remedy is Remedy.UPGRADE:
        release = f"{means.libraries[row.client]}>={trial.client_version}"
        return (f"python -m pip install {shlex.quote(release)}",)
    if remedy is Remedy.CONFIGURATION:
        return configuration_lines(row.interpreter.path, means.floor)
    return tuple(means.snippets[row.client].splitlines())


def configuration_lines(python: str, floor: Protocol) -> tuple[str, ...]:
    """Return how to put a command, a service or all services under the written configuration."""
    name = advised_name(floor)
    there = SHARED / name
    return (
        "# Once, to where every service can read it:",
        f"sudo install -m 644 reports/latest/{name} {there}",
        "# One command:",
        f"OPENSSL_CONF={there} {shlex.quote(python)} application.py",
        "# One service: these lines, with `sudo systemctl edit NAME.service`:",
        "[Service]",
        f"Environment=OPENSSL_CONF={there}",
        "# Every login: this line, in /etc/environment:",
        f"OPENSSL_CONF={there}",
        "# Every service: these lines, in /etc/systemd/system.conf.d/tls-floor.conf:",
        "[Manager]",
        f"DefaultEnvironment=OPENSSL_CONF={there}",
        "# To measure again under it:",
        f"OPENSSL_CONF={there} nox -s matrix{'' if floor is PAGE_FLOOR else f' -- --floor {floor}'}",
    )


def _other_interpreter(row: Row, rows: Sequence[Row], means: Means) -> Attempt:
    held = [
        other
        for other in rows
        if other.condition is row.condition
        and other.client == row.client
        and other.verdict is Verdict.ENFORCED
    ]
    if not held:
        said = f"no interpreter of this run held {means.floor} with {row.client}"
        return Attempt(Remedy.INTERPRETER, Standing.IDLE, said)
    more = f" and {len(held) - MOST_NAMED} more" if len(held) > MOST_NAMED else ""
    named = ", ".join(other.interpreter.id for other in held[:MOST_NAMED])
    lines = [f"{shlex.quote(held[0].interpreter.path)} -m venv another"]
    if library := means.libraries.get(row.client):
        lines.append(f"another/bin/python -m pip install {shlex.join(library.split())}")
    said = f"held in this run by {named}{more}"
    return Attempt(Remedy.INTERPRETER, Standing.ADVISED, said, Verdict.ENFORCED, tuple(lines))


def _build(row: Row, means: Means) -> Attempt:
    if row.own_tls:
        said = f"it does not use Python's OpenSSL but {row.own_tls.name}, which no build of Python changes"
        return Attempt(Remedy.BUILD, Standing.IDLE, said)
    minor = ".".join(row.interpreter.version.split(".")[:2])
    if words := means.recipes.get(minor):
        said = f"it takes minutes; nox -s harden -- {words} makes one, and measures what it made"
    else:
        said = f"no recipe that is still maintained builds Python {minor}"
    return Attempt(Remedy.BUILD, Standing.IDLE, said)


def shared(cases: Sequence[Case], standing: Standing) -> dict[tuple[Remedy, str, tuple[str, ...]], list[str]]:
    """Return, for each attempt of a standing, the clients that share it: same words, same lines to copy.

    The least effort comes first.
    """
    found: dict[tuple[Remedy, str, tuple[str, ...]], list[str]] = {}
    for remedy in Remedy:
        for case in cases:
            for one in case.attempts:
                if one.remedy is remedy and one.standing is standing:
                    said = f"{one.verdict}: {one.said}" if one.verdict else one.said
                    found.setdefault((remedy, said, one.lines), []).append(case.row.client)
    return found


def in_short(cases: Sequence[Case]) -> list[str]:
    """Return what to do about one interpreter in short, for the matrix; remedies.md has what to copy."""
    said = []
    for remedy in Remedy:
        for standing, words in (
            (Standing.ADVISED, "measured in this run, it holds with"),
            (Standing.FAILED, "tried in this run, it does not help"),
        ):
            clients = [
                case.row.client
                for case in cases
                if any((a.remedy, a.standing) == (remedy, standing) for a in case.attempts)
            ]
            if clients:
                said.append(f"{TITLES[remedy]}: {words} {', '.join(clients)}.")
    return [*said, "What to copy, and what was not tried, is in `remedies.md`."]
