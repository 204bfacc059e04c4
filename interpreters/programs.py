"""Reads from probes/programs.toml which other programs can be measured, and finds them on PATH."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.describe import describe, describe_program
from interpreters.interpreter import PROGRAM, Interpreter, program_id
from interpreters.locate import Candidate
from interpreters.processes import run, signal_name
from interpreters.tables import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from interpreters.tables import Table

PROGRAMS = Path(__file__).parent.parent / "probes" / "programs.toml"


ANSWER_LIMIT = 10.0
"""Seconds that a program may take to say what it is."""

FLOOR = "{floor}"
"""The word of a command in whose place a program's `floor` may stand."""

PLACEHOLDERS = ("program", "here", "url", "host", "port", "cafile")
"""What can stand in a command in braces; probes/program.py fills it in."""


@dataclass(frozen=True)
class Program:
    """A program as its table describes it; the keys are explained at the head of the file."""

    id: str
    command: str
    ask: tuple[str, ...]
    version: str
    fetch: tuple[str, ...]
    library: str = ""
    only: str = ""
    relaxed: tuple[str, ...] = ()
    floor: tuple[str, ...] = ()
    request: str = ""


@dataclass(frozen=True)
class InstalledProgram:
    """A program of this machine: its table, and what it says of itself, `openssl` being its TLS library."""

    interpreter: Interpreter
    program: Program


def read_programs(path: Path = PROGRAMS) -> tuple[Program, ...]:
    """Read and check a file of programs; raises TableError that names the entry at fault."""
    return tuple(
        _program(name, table) for name, table in tables(path.name, path.read_bytes(), Program).items()
    )


def _program(name: str, table: Table) -> Program:
    program = Program(
        id=name,
        command=table.get("command", str),
        ask=table.texts("ask", "--version"),
        version=table.get("version", str),
        fetch=table.texts("fetch", "{program}"),
        library=table.get("library", str, ""),
        only=table.get("only", str, ""),
        relaxed=table.texts("relaxed", "{program}"),
        floor=table.texts("floor", "--tlsv1.2"),
        request=table.get("request", str, ""),
    )
    for key, groups in (("version", 1), ("library", 1), ("only", 0)):
        _check_pattern(table, key, getattr(program, key), groups)
    _check_command(table, "fetch", program.fetch)
    if program.relaxed:
        _check_command(table, "relaxed", program.relaxed)
    if bool(program.floor) is not (FLOOR in (*program.fetch, *program.relaxed)):
        table.refuse(f"a floor needs a word {FLOOR!r} in fetch or relaxed, and such a word needs a floor")
    return program


def _check_pattern(table: Table, key: str, pattern: str, groups: int) -> None:
    try:
        found = re.compile(pattern).groups
    except re.error as error:
        table.refuse(f"{key} is no regular expression: {error}")
    if pattern and found != groups:
        table.refuse(f"{key} must have {groups or 'no'} group, not {found}; write (?:...) for others")


def _check_command(table: Table, key: str, words: tuple[str, ...]) -> None:
    """Refuse a command that would not run the program, or that could not reach or trust the server."""
    try:
        pieces = [piece for word in words if word != FLOOR for piece in string.Formatter().parse(word)]
    except ValueError as error:
        table.refuse(f"{key} has a brace that means nothing: {error}; write {{{{ and }}}} for braces")
    named = {field for _, field, _, _ in pieces if field is not None}
    if strange := sorted(named.difference(PLACEHOLDERS)):
        table.refuse(f"{key} has {{{strange[0]}}}; there are {', '.join(PLACEHOLDERS)}")
    for needed in ("program", "cafile", "port" if "port" in named else "url"):
        if needed not in named:
            table.refuse(f"{key} lacks {{{needed}}}")


def locate_programs(programs: Iterable[Program], env: Mapping[str, str]) -> tuple[Candidate, ...]:
    """Return a candidate for each program whose command is on PATH; nothing is run.

    A path is that of the command itself, not where its link leads: some files hold several programs and
    choose by the name under which they are started.
    """
    path = env.get("PATH", "")
    found = ((program, shutil.which(program.command, path=path)) for program in programs)
    return tuple(
        Candidate(program_id(program.id), PROGRAM, Path(file).absolute()) for program, file in found if file
    )


def identify_program(
    candidate: Candidate,
    programs: Iterable[Program],
    env: Mapping[str, str],
    limit: float = ANSWER_LIMIT,
) -> InstalledProgram | None:
    """Return what a program says of itself, or why it cannot; None if it is another of the same name."""
    program = next(program for program in programs if program_id(program.id) == candidate.id)
    try:
        status, output = run([candidate.path, *program.ask], env, limit)
    except OSError as error:
        reason = f"cannot be run: {error.strerror or error}"
    except subprocess.TimeoutExpired:
        reason = f"did not say what it is within {limit:g} s"
    except subprocess.SubprocessError as error:
        reason = f"did not say what it is: {error}"
    else:
        if program.only and not re.search(program.only, output):
            return None
        if version := re.search(program.version, output):
            library = re.search(program.library, output) if program.library else None
            return InstalledProgram(
                describe_program(candidate, version[1], library[1] if library else ""), program
            )
        excerpt = " ".join(output.split())[:80]
        how = f"died of {signal_name(-status)}" if status < 0 else f"ended with status {status}"
        reason = f"did not say its version but {repr(excerpt) if excerpt else 'nothing'}, and {how}"
    return InstalledProgram(describe(candidate, unavailable=f"{candidate.path} {reason}"), program)


def commands(
    installed: InstalledProgram, relaxed: str, floor: tuple[str, ...] = ()
) -> dict[str, dict[str, object]]:
    """Return how a probe runs the program: under its own id, and as `relaxed` if it has that variant.

    `floor` is what stands in the place that the commands have for it: nothing but in tests.
    """
    program = installed.program
    variants = {program.id: program.fetch, relaxed: program.relaxed}
    return {
        name: {
            "path": installed.interpreter.path,
            "version": installed.interpreter.version,
            "words": [piece for word in words for piece in (floor if word == FLOOR else (word,))],
            "request": program.request,
        }
        for name, words in variants.items()
        if words
    }
