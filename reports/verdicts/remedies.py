"""What may help a row that goes below the floor; of that, only what was measured to help is advised."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.interpreter import MADE
from interpreters.listing import some_of
from interpreters.versions import minor_of, version_of
from reports.verdicts.change_steps import change_step
from reports.verdicts.copies import Finding, Outcome
from reports.verdicts.floor_file import FloorFile
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Row, Subject
from reports.verdicts.steps import (
    comment,
    configuration_steps,
    flat,
    interpreter_steps,
    restart_step,
    upgrade_steps,
)
from servers.conditions import Condition

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from reports.verdicts.copies import CopyChange, EnvironmentCopies
    from servers.protocols import Protocol

    Trials = Mapping[tuple[str, str, "Remedy | CopyChange"], Row]
    """By interpreter, client, and what was tried, the row that the trial came to."""

MOST_NAMED = 6
"""Interpreters that one remedy names; the matrix has them all."""


BUNDLE = "bundle"
"""The source of interpreters that came with a program: interpreters/locations.toml."""


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
class RemedyOptions:
    """What there is to try on rows that need a remedy, and what decides whether another interpreter helps."""

    floor: Protocol
    libraries: Mapping[str, str]
    """By client, the distribution whose release decides; empty for what comes with Python itself."""
    snippets: Mapping[str, str]
    """By client's name, the lines that set the floor in code."""
    upgrades: Mapping[tuple[str, str], Path | str] = field(default_factory=dict)
    """By interpreter and client, where a newer release may be had: the Python of an environment that
    has it, or why there is none."""
    copies: Mapping[str, EnvironmentCopies] = field(default_factory=dict)
    """By interpreter whose environment was found, what is in that, and the copies in which newer releases are
    tried."""
    recipes: Mapping[str, str] = field(default_factory=dict)
    """By Python's minor version (``3.8``), the words after ``nox -s harden --`` that build it."""
    files: Mapping[str, FloorFile | str] = field(default_factory=dict)
    """By interpreter, the OpenSSL configuration to try, or why there is none."""
    ends: Mapping[str, dt.date] = field(default_factory=dict)
    """By interpreter, the day on which its version of Python reached its end of life, where it has."""
    closed: Mapping[str, str] = field(default_factory=dict)
    """By interpreter, the folder on the way to it that not every user may enter, where there is one."""
    no_floor: frozenset[str] = frozenset()
    """The clients, without versions, that have nothing in their interface to raise the floor."""
    units: Mapping[str, str] = field(default_factory=dict)
    """By interpreter that stands for running processes, the service of systemd that runs one of these."""


@dataclass(frozen=True)
class RemedyAttempt:
    """One remedy for one row, and what it came to."""

    remedy: Remedy
    standing: Standing
    said: str
    """What was measured, or why nothing was."""
    verdict: Verdict | None = None
    lines: tuple[str, ...] = ()
    """What to copy."""
    file: FloorFile | None = None
    """The OpenSSL configuration that was tried, for this remedy."""
    unit: str = ""
    """The service of systemd that runs a process of the row, where that is known."""


@dataclass(frozen=True)
class Origin:
    """The run in which remedies were tried, where it was an earlier one."""

    run_id: str
    ended: str
    """UTC, ISO 8601."""

    def __str__(self) -> str:
        """Return when that was, in words that follow `measured`."""
        return f"on {self.ended[:10]} in run {self.run_id}"


@dataclass(frozen=True)
class Case:
    """A row that goes or would go below the floor, with every remedy in order of effort."""

    row: Row
    attempts: tuple[RemedyAttempt, ...]
    """Empty if its run was not asked to try any, as that of another machine in a merged report."""
    origin: Origin | None = None
    """The earlier run that tried them; None if it was this one."""
    held_back: tuple[str, ...] = ()
    """What keeps a found environment from a newer release, in sentences without their full stop."""

    @property
    def when(self) -> str:
        """When its remedies were tried, in words that follow `measured`."""
        return str(self.origin) if self.origin else "in this run"

    @property
    def advised(self) -> tuple[RemedyAttempt, ...]:
        """What was measured to help."""
        return tuple(attempt for attempt in self.attempts if attempt.standing is Standing.ADVISED)


def needing(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows that want a remedy: below the floor, or only just not, in the machine's own state."""
    ill = (Verdict.DOWNGRADED, Verdict.FRAGILE)
    return tuple(row for row in rows if row.condition is Condition.AMBIENT and row.verdict in ill)


NO_FLOOR = "nothing in its interface raises the floor: keep it from endpoints that are below"
"""What is said of a client in place of lines, where its file says that there can be none."""


def skip_reason(row: Row, remedy: Remedy, options: RemedyOptions) -> str:
    """Say why a remedy that takes a trial is not tried on a row; empty if it is to be."""
    if remedy is Remedy.CODE:
        none = f"there are no lines that set a floor in {row.client}"
        none = NO_FLOOR if row.client.name in options.no_floor else none
        return "" if row.client.name in options.snippets else none
    if remedy is Remedy.CONFIGURATION:
        file = options.files.get(row.interpreter.id, "no configuration was written for it")
        return file if isinstance(file, str) else ""
    if not options.libraries.get(str(row.client)):
        return "it comes with Python itself, which has no newer release of it"
    if row.interpreter.environment != MADE:
        copies = options.copies.get(row.interpreter.id)
        return copies.problem if copies else "no copy of its environment was made"
    newer = options.upgrades.get((row.interpreter.id, str(row.client)))
    if newer is None:
        return "its environment has the newest release that this Python took when made; --fresh looks again"
    return newer if isinstance(newer, str) else ""


def assess(rows: Sequence[Row], trials: Trials, options: RemedyOptions) -> tuple[Case, ...]:
    """Return a case for each row that needs one."""
    return tuple(_case(row, rows, trials, options) for row in needing(rows))


def _case(row: Row, rows: Sequence[Row], trials: Trials, options: RemedyOptions) -> Case:
    finding = _finding(row, trials, options)
    attempts = (
        _lifted(finding, options.units.get(row.interpreter.id, ""))
        if finding and remedy is Remedy.UPGRADE
        else _tried(row, remedy, trials.get((row.interpreter.id, str(row.client), remedy)), options)
        for remedy in TRIED
    )
    return Case(
        row,
        (*attempts, other_interpreter(row, rows, options), _build(row, options)),
        held_back=finding.held_back() if finding else (),
    )


def _finding(row: Row, trials: Trials, options: RemedyOptions) -> Finding | None:
    """Return what copies of a row's environment came to; None where there is no library to be newer."""
    client, library = str(row.client), options.libraries.get(str(row.client), "")
    copies = options.copies.get(row.interpreter.id)
    if not library or copies is None:
        return None
    tried = ((copy, trials.get((row.interpreter.id, client, copy.change))) for copy in copies.of(client))
    return Finding(row, library, copies, tuple(Outcome(copy, trial) for copy, trial in tried if trial))


def _lifted(finding: Finding, unit: str) -> RemedyAttempt:
    """Say what newer releases came to in copies of an environment; `unit` runs it, where that is known."""
    if finding.problem:
        return RemedyAttempt(Remedy.UPGRADE, Standing.IDLE, finding.problem)
    if not finding.tried:
        return RemedyAttempt(Remedy.UPGRADE, Standing.IDLE, finding.nothing_newer)
    outcome = finding.lift or finding.tried[-1]
    trial, reason = outcome.row, finding.said(outcome)
    if not outcome.holds:
        return RemedyAttempt(Remedy.UPGRADE, Standing.FAILED, reason, trial.verdict)
    step = change_step(finding.row.interpreter, finding.copies.management, finding.releases(outcome))
    steps = (step, *([restart_step(unit)] if finding.row.interpreter.is_running else []))
    lacking = (comment(f"Mind that {finding.lacking}."),) if finding.lacking else ()
    return RemedyAttempt(Remedy.UPGRADE, Standing.ADVISED, reason, trial.verdict, (*lacking, *flat(steps)))


def _tried(row: Row, remedy: Remedy, trial: Row | None, options: RemedyOptions) -> RemedyAttempt:
    if why := skip_reason(row, remedy, options):
        return RemedyAttempt(remedy, Standing.IDLE, why)
    if trial is None:
        return RemedyAttempt(remedy, Standing.IDLE, "its trial did not take place")
    library = options.libraries.get(str(row.client), "")
    if remedy is Remedy.UPGRADE and trial.client_version == row.client_version:
        return RemedyAttempt(
            remedy, Standing.IDLE, f"{library} {row.client_version} is the newest for this Python"
        )
    reason = trial.judgement.reason
    if remedy is Remedy.UPGRADE and trial.client_version:
        reason = f"{library} {trial.client_version} in place of {row.client_version}: {reason}"
    if trial.verdict is not Verdict.ENFORCED:
        return RemedyAttempt(remedy, Standing.FAILED, reason, trial.verdict)
    return _advised(row, remedy, trial, options, reason)


def _advised(row: Row, remedy: Remedy, trial: Row, options: RemedyOptions, reason: str) -> RemedyAttempt:
    interpreter = row.interpreter
    if remedy is Remedy.UPGRADE:
        steps = upgrade_steps(
            interpreter, options.libraries[str(row.client)], trial.client_version, row.client_version
        )
        return RemedyAttempt(remedy, Standing.ADVISED, reason, trial.verdict, flat(steps))
    file = options.files.get(interpreter.id)
    if remedy is Remedy.CONFIGURATION and isinstance(file, FloorFile):
        unit = options.units.get(interpreter.id, "")
        steps = configuration_steps([interpreter.path], file, options.floor, [unit] if unit else [])
        return RemedyAttempt(remedy, Standing.ADVISED, reason, trial.verdict, flat(steps), file, unit)
    lines = tuple(options.snippets[row.client.name].splitlines())
    return RemedyAttempt(remedy, Standing.ADVISED, reason, trial.verdict, lines)


def other_interpreter(row: Row, rows: Sequence[Row], options: RemedyOptions) -> RemedyAttempt:
    """Say which interpreter of this run holds with the same client: maintained, open to all, newest first."""
    held = [
        other
        for other in rows
        if (other.condition, other.client) == (row.condition, row.client)
        and other.verdict is Verdict.ENFORCED
        and other.subject is Subject.INTERPRETER
    ]
    if not held:
        reason = f"no interpreter of this run holds {options.floor.prose} with it"
        return RemedyAttempt(Remedy.INTERPRETER, Standing.IDLE, reason)
    unfit = {other.interpreter.id: why for other in held if (why := _unfit(other, row, options))}
    fit = [other for other in held if other.interpreter.id not in unfit]
    fit.sort(key=lambda other: version_of(other.interpreter.version), reverse=True)
    left_out = "; ".join(f"not {name}, {why}" for name, why in unfit.items())
    if not fit:
        return RemedyAttempt(Remedy.INTERPRETER, Standing.IDLE, left_out)
    named = some_of([other.interpreter.id for other in fit], MOST_NAMED)
    lines = flat(interpreter_steps(fit[0].interpreter, options.libraries.get(str(row.client), "")))
    reason = "; ".join(filter(None, [f"held in this run by {named}", left_out]))
    return RemedyAttempt(Remedy.INTERPRETER, Standing.ADVISED, reason, Verdict.ENFORCED, lines)


def _unfit(other: Row, row: Row, options: RemedyOptions) -> str:
    """Say why an interpreter that holds is not proposed in another's place; empty if it is."""
    name = other.interpreter.id
    if other.interpreter.source == BUNDLE:
        return "another program's own"
    if end := options.ends.get(name):
        return f"at its end of life since {end}"
    closed = options.closed.get(name, "")
    # Who uses what is in that folder already may use more of it.
    if closed and not Path(row.interpreter.path).is_relative_to(closed):
        return f"in {closed}, which not every user may enter"
    return ""


def _build(row: Row, options: RemedyOptions) -> RemedyAttempt:
    if row.own_tls:
        reason = (
            f"it does not use Python's ssl module but {row.own_tls.name}, which no build of Python changes"
        )
        return RemedyAttempt(Remedy.BUILD, Standing.IDLE, reason)
    if words := options.recipes.get(minor_of(row.interpreter.version)):
        reason = (
            f"nox -s harden -- {words} takes minutes to build another Python, and measures it; that touches"
            " nothing but folders of its own (/opt needs root, --prefix DIR does not): undo: delete them"
        )
    else:
        reason = "no recipe that is still maintained builds this version of Python"
    return RemedyAttempt(Remedy.BUILD, Standing.IDLE, reason)


def pin_sentences(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Return what keeps found environments from newer releases, in sentences, each with those it is about."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        for sentence in case.held_back:
            found.setdefault(f"{sentence}.", []).append(case)
    return found


def trial_summary(cases: Sequence[Case], quote: Callable[[str], str] = str) -> list[str]:
    """Return what to do about one interpreter in short, for the matrix; remedies.md has what to copy.

    What an environment's own metadata says goes through `quote`.
    """
    sentences: dict[str, list[str]] = {}
    for remedy in Remedy:
        for standing, done, came in (
            (Standing.ADVISED, "measured", "it holds with"),
            (Standing.FAILED, "tried", "it does not help"),
        ):
            for case in cases:
                if any((a.remedy, a.standing) == (remedy, standing) for a in case.attempts):
                    # What another interpreter holds, every run measures again.
                    when = "in this run" if remedy is Remedy.INTERPRETER else case.when
                    sentences.setdefault(f"{TITLES[remedy]}: {done} {when}, {came}", []).append(
                        str(case.row.client)
                    )
    lines = [f"{start} {', '.join(clients)}." for start, clients in sentences.items()]
    lines += [
        f"{', '.join(str(case.row.client) for case in theirs)}: {quote(sentence)}"
        for sentence, theirs in pin_sentences(cases).items()
    ]
    return [*lines, "What to copy, and what was not tried, is in `remedies.md`."]
