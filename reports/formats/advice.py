"""What to do about interpreters and programs, in sentences: what was measured to help, or how to try."""

from __future__ import annotations

import contextlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import clients as known_clients
from interpreters.clients import default_clients
from interpreters.interpreter import MADE
from interpreters.locate import GIVEN, SEARCH
from interpreters.programs import read_programs
from interpreters.tables import TableError
from reports.verdicts.judge import PAGE_FLOOR, HeldBy, Verdict
from reports.verdicts.processes import other_files
from reports.verdicts.remedies import NO_FLOOR, trial_summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from interpreters.interpreter import Interpreter
    from reports.verdicts.matrix import Row, RowGroup
    from reports.verdicts.remedies import Case
    from servers.protocols import Protocol

PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
"""A path that means the same in a shell and in every format of a report."""

ILL = (Verdict.DOWNGRADED, Verdict.FRAGILE)
"""Verdicts that a remedy is for."""


MOST_ONLY = 6
"""Environments as found that a command names one by one; for more it takes all that are found."""

_Key = tuple[Verdict, tuple[str, ...], tuple[object, ...]]


@dataclass(frozen=True)
class Advice:
    """What to do about one interpreter, or about all of which the same is to be said."""

    groups: tuple[RowGroup, ...]
    """The rows of each of these interpreters."""
    steps: tuple[str, ...]
    """In sentences; empty if there is nothing to do."""


def together(
    groups: Iterable[RowGroup],
    floor: Protocol,
    quote: Callable[[str], str] = str,
    cases: Sequence[Case] = (),
) -> list[Advice]:
    """Return what to do, once for all interpreters of which the same is to be said, in the order given.

    `cases` are what remedies came to, where any were tried. Backticks mark what is to be typed. Text
    that comes from an interpreter goes through `quote`, which makes it harmless in the format at hand.
    """
    alike: dict[_Key, list[tuple[RowGroup, Sequence[Row]]]] = {}
    for group in groups:
        steps, untried = _steps(group, floor, quote, cases)
        # A command is for one machine, and for the clients that it names.
        about = tuple(dict.fromkeys((row.client, _reads_configuration(row)) for row in untried))
        key = (group.standing, steps, (group.interpreter.host, group.subject.as_found, about))
        alike.setdefault(key, []).append((group, untried))
    found = []
    for (_, steps, _), same in alike.items():
        untried = [row for _, rows in same for row in rows]
        found.append(Advice(tuple(group for group, _ in same), steps + _not_tried(untried, floor)))
    return found


def _steps(
    group: RowGroup, floor: Protocol, quote: Callable[[str], str], cases: Sequence[Case]
) -> tuple[tuple[str, ...], Sequence[Row]]:
    """Return what is known to help one interpreter, and the rows on which nothing was tried yet."""
    verdict = group.standing
    if verdict is Verdict.ENFORCED:
        return tuple(_guard(group.rows, quote)), ()
    restart = _restart(group.interpreter, quote)
    if verdict is Verdict.INCONCLUSIVE and restart:
        return restart, ()
    if verdict not in ILL:
        return (*restart, _unanswered(group.only(verdict)[0], quote)), ()
    steps, rest = _remedies([row for row in group.rows if row.verdict in ILL], floor, quote, cases)
    return (*restart, *steps), rest


def _restart(interpreter: Interpreter, quote: Callable[[str], str]) -> tuple[str, ...]:
    """Say which processes are to be restarted, or measured elsewhere: they use other files."""
    notes = other_files(interpreter.processes)
    return tuple(f"{quote(note[0].upper() + note[1:])}." for note in notes)


def _guard(rows: Sequence[Row], quote: Callable[[str], str]) -> list[str]:
    """Name the configuration that is all that holds some of an interpreter's clients."""
    loose = [str(row.client) for row in rows if row.held_by is HeldBy.CONFIGURATION]
    if not loose:
        return []
    interpreter = rows[0].interpreter
    file = f", `{quote(interpreter.openssl_conf)}`" if interpreter.openssl_conf else ""
    whose = "these processes'" if "OPENSSL_CONF" in interpreter.variables else "the machine's"
    guard = f"Guard {whose} OpenSSL configuration{file}: nothing else holds {', '.join(loose)}."
    return [guard, *configuration_in_force(interpreter, quote)]


def _unanswered(row: Row, quote: Callable[[str], str]) -> str:
    return f"Remove the cause and measure again: {quote(row.judgement.reason)}."


def _remedies(
    ill: Sequence[Row], floor: Protocol, quote: Callable[[str], str], cases: Sequence[Case]
) -> tuple[tuple[str, ...], Sequence[Row]]:
    """Say which file is in force and what was tried; return the rows on which nothing was."""
    interpreter = ill[0].interpreter
    tried = [case for case in cases if case.attempts and case.row.interpreter.name == interpreter.name]
    known = {case.row.client for case in tried}
    rest = [row for row in ill if row.client not in known]
    steps = list(configuration_in_force(interpreter, quote)) if any(map(_reads_configuration, ill)) else []
    if tried:
        steps += trial_summary(tried, quote)
    if rest and interpreter.is_program:
        return (*steps, _program(rest[0], floor)), ()
    return tuple(steps), rest


def _reads_configuration(row: Row) -> bool:
    return not row.own_tls or row.own_tls.reads_openssl_conf


def _floor_command(program: str) -> str:
    """Return the words that make TLS 1.2 a program's minimum, as they are typed; empty if none are known."""
    with contextlib.suppress(TableError):
        return next((shlex.join(known.floor) for known in read_programs() if known.id == program), "")
    return ""


def _program(row: Row, floor: Protocol) -> str:
    """Say how a program is started with a floor, and how to measure whether a configuration sets one."""
    words = _floor_command(row.client.name) if floor is PAGE_FLOOR else ""
    own = (
        f"Start it with `{words}`, which held {floor.prose} in this tool's own tests and was not tried here."
        if words
        else f"Set {floor.prose} as its minimum where it is started or configured, as its manual says."
    )
    hardened = f"nox -s matrix -- --programs --only {row.interpreter.id} --conditions ambient,hardened"
    return f"{own} `{hardened}` measures whether an OpenSSL configuration reaches it."


def _not_tried(rows: Sequence[Row], floor: Protocol) -> tuple[str, ...]:
    """Say how remedies are tried on rows, of which none is advised before; nothing without any."""
    if not rows:
        return ()
    if not all(row.interpreter.place.is_local for row in rows):
        return ("Not tried: `nox -s remedy` tries what may help on this machine, and in no place.",)
    deaf = dict.fromkeys(row.client.name for row in rows if not _reads_configuration(row))
    beyond = f" No OpenSSL configuration reaches {', '.join(deaf)}." if deaf else ""
    without = filter(_has_no_floor, dict.fromkeys(row.client.name for row in rows))
    beyond += "".join(f" Of {client} {NO_FLOOR}." for client in without)
    tries = f"`{remedy_command(rows, floor)}` tries what may help, and advises only what it measured to help."
    return (f"Not tried yet: {tries}{beyond}",)


def _has_no_floor(client: str) -> bool:
    known = known_clients().get(client)
    return known is not None and known.no_floor


def remedy_command(rows: Sequence[Row], floor: Protocol) -> str:
    """Return the command that tries remedies on these rows of one machine's interpreters."""
    clients = list(dict.fromkeys(row.client.name for row in rows))
    ours = [client for client in clients if client in default_clients() or client in known_clients()]
    others = f" --clients {','.join(ours)}" if ours and not set(ours) <= set(default_clients()) else ""
    others += " --client FILE" * (len(clients) - len(ours))
    against = f" --floor {floor}" if floor is not PAGE_FLOOR else ""
    interpreters = list({row.interpreter.id: row.interpreter for row in rows}.values())
    named = "".join(dict.fromkeys(map(words_for, interpreters)))
    found = all(row.subject.as_found for row in rows) and len(interpreters) > MOST_ONLY
    only = "--found" if found else " ".join(f"--only {interpreter.id}" for interpreter in interpreters)
    return f"nox -s remedy --{named} {only}{others}{against}"


def words_for(interpreter: Interpreter) -> str:
    """Return the words by which what the user gave is found again; a path that needs quotes is left open."""
    if interpreter.source not in (GIVEN.id, SEARCH.id):
        return " --running" if interpreter.is_running else ""
    itself = interpreter.environment == MADE
    option, path, open_ = (
        ("interpreter", interpreter.path, "PATH")
        if itself
        else ("environment", interpreter.environment, "DIR")
    )
    return f" --{option} {path if PLAIN.fullmatch(path) else open_}"


def configuration_in_force(interpreter: Interpreter, quote: Callable[[str], str] = str) -> tuple[str, ...]:
    """Say which file OPENSSL_CONF put in the place of the library's own; nothing if it put none.

    Source: config(5), "ENVIRONMENT": the variable names the file, and none is read where it is empty or
    the file cannot be read.
    """
    own = str(Path(interpreter.openssl_dir) / "openssl.cnf") if interpreter.openssl_dir else ""
    if not own or interpreter.openssl_conf == own:
        return ()
    place = f"in place of `{quote(own)}`"
    theirs = "OPENSSL_CONF" in interpreter.variables
    whose, when = ("The OPENSSL_CONF of these processes", "") if theirs else ("OPENSSL_CONF", " in this run")
    if not interpreter.openssl_conf:
        return (f"{whose} was empty{when}, so no OpenSSL configuration was read {place}.",)
    named = f"{whose} named `{quote(interpreter.openssl_conf)}`{when}"
    if not interpreter.openssl_conf_sha256:
        nothing = "where no file could be read, so no OpenSSL configuration was read"
        return (f"{named}, {nothing} {place}.",)
    return (f"{named}, and that file was read {place}.",)
