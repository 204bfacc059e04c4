"""Says which other programs can be measured, ours and the user's own, and finds them on PATH."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import string
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.describe import describe, describe_program
from interpreters.endpoint import FOR_COMMANDS
from interpreters.interpreter import PROGRAM, Interpreter, program_id
from interpreters.locate import Candidate
from interpreters.owners import not_as_root
from interpreters.process_environment import NO_BYTECODE
from interpreters.processes import run, signal_name
from interpreters.tables import Table, TableError, keys, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PROGRAMS = Path(__file__).parent.parent / "probes" / "programs.toml"
"""The programs that the tool knows."""

OWN_PROGRAMS = PROGRAMS.parent.parent / "programs.toml"
"""Where the user keeps programs of their own."""

ANSWER_LIMIT = 10.0
"""Seconds that a program may take to say what it is."""

FLOOR = "{floor}"
"""The word of a command in whose place a program's `floor` may stand."""

PLACEHOLDERS = ("program", "here", "url", "host", "port", "cafile")
"""What can stand in a command in braces; probes/program.py fills it in."""

LIMITS = range(1, 3601)
"""Seconds that a program may be given for a server."""

USUAL_LIMIT = 20
"""The seconds that a program of the user's has for a server unless it is given others. What starts slowly,
such as the AWS CLI, takes half of them on a busy machine."""


@dataclass(frozen=True)
class Program:
    """A program as its table describes it; the keys are explained at the head of the file."""

    id: str
    command: str
    fetch: tuple[str, ...]
    prints_answer: bool = False
    ask: tuple[str, ...] = ()
    version: str = ""
    library: str = ""
    only: str = ""
    relaxed: tuple[str, ...] = ()
    floor: tuple[str, ...] = ()
    request: str = ""
    limit: int = 0
    folder: str = ""


@dataclass(frozen=True)
class InstalledProgram:
    """A program of this machine: its table, and what it says of itself, `openssl` being its TLS library."""

    interpreter: Interpreter
    program: Program
    python: Path = Path(sys.executable)
    """What runs its probe."""


def read_programs(path: Path = PROGRAMS, own: Path | None = OWN_PROGRAMS) -> tuple[Program, ...]:
    """Read and check the file of programs that the tool knows, and that of the user's own, if there is one.

    Without `own` the tool's alone. Raises TableError that names the entry at fault.
    """
    ours = [_program(name, table) for name, table in tables(path.name, path.read_bytes(), Program).items()]
    if own is None or not os.path.lexists(own):
        return tuple(ours)
    try:
        raw = own.read_bytes()
    except OSError as error:
        msg = f"{own.name} cannot be read: {error.strerror or error}; repair it, or remove it"
        raise TableError(msg) from error
    theirs = []
    for name, table in tables(own.name, raw, Program).items():
        if name in {program.id for program in ours}:
            table.refuse(
                f"the tool has a program {name} already, in probes/{path.name}; give it another name"
            )
        theirs.append(_in_folder(_program(name, table), own.parent, table))
    return (*ours, *theirs)


def _in_folder(program: Program, base: Path, table: Table) -> Program:
    """Return a program of the user's own with the folder that it runs in, and in which its command is meant.

    That is the folder of its file unless it names another.
    """
    folder = base / program.folder
    if not folder.is_dir():
        table.refuse(f"there is no folder {str(folder)!r}")
    command, limit = _meant_in(folder, program.command), program.limit or USUAL_LIMIT
    return replace(program, folder=str(folder), command=command, limit=limit)


def _meant_in(folder: Path, command: str) -> str:
    """Return what a command means in a folder: one without a slash is looked for on PATH."""
    return str(folder / command) if os.sep in command else command


def programs_of(
    commands: Iterable[str], folder: Path, limit: int, taken: Iterable[str]
) -> tuple[Program, ...]:
    """Return the programs that commands of the user's start, as if each were a table of programs.toml.

    Each is named after its program, with a number where that name is among `taken`, or was given twice. They
    run in `folder`, `limit` seconds for each server. Raises TableError.
    """
    names = set(taken)
    found = []
    for text in commands:
        program = _program_of(text, folder, limit)
        numbered = (f"{program.id}_{number}" for number in itertools.count(2))
        name = next(name for name in itertools.chain([program.id], numbered) if name not in names)
        names.add(name)
        found.append(replace(program, id=name))
    return tuple(found)


def _program_of(text: str, folder: Path, limit: int) -> Program:
    where = f"--command {text!r}"
    try:
        words = shlex.split(text)
    except ValueError as error:
        msg = f"{where} cannot be taken apart: {error}; write it as for a shell"
        raise TableError(msg) from error
    if not words:
        msg = f"{where} has no word in it; write it as for a shell, such as 'myapp --endpoint {{url}}'"
        raise TableError(msg)
    command = words[0]
    fetch = ("{program}", *words[1:])
    _check_command(
        Table(where, {"command": command, "fetch": fetch}, keys(Program)), "it", fetch, ["program"]
    )
    name = re.sub(r"[^a-z0-9]+", "_", Path(command).name.lower()).strip("_")[:40]
    return Program(name or "command", _meant_in(folder, command), fetch, limit=limit, folder=str(folder))


def _program(name: str, table: Table) -> Program:
    program = Program(
        id=name,
        command=table.get("command", str),
        fetch=table.texts("fetch", "{program}"),
        prints_answer=table.get("prints_answer", bool, default=False),
        ask=table.texts("ask", "--version"),
        version=table.get("version", str, ""),
        library=table.get("library", str, ""),
        only=table.get("only", str, ""),
        relaxed=table.texts("relaxed", "{program}"),
        floor=table.texts("floor", "--tlsv1.2"),
        request=table.get("request", str, ""),
        limit=table.number("limit", USUAL_LIMIT, LIMITS, "seconds") if "limit" in table.values else 0,
        folder=table.get("folder", str, ""),
    )
    for key, groups in (("version", 1), ("library", 1), ("only", 0)):
        _check_pattern(table, key, getattr(program, key), groups)
        if getattr(program, key) and not program.ask:
            table.refuse(f"{key} is looked for in what the program answers, and there is no key 'ask'")
    if program.ask and not program.version:
        table.refuse("'version' is missing: it says where in the answer to 'ask' the version is")
    # Another one may be led by variables, and need not trust anybody.
    needed = ["program", "cafile", "url"] if program.prints_answer else ["program"]
    _check_command(table, "fetch", program.fetch, needed)
    if program.relaxed:
        _check_command(table, "relaxed", program.relaxed, needed)
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


def _check_command(table: Table, key: str, words: tuple[str, ...], needed: Iterable[str]) -> None:
    """Refuse a command that lacks what it needs, to run the program or to reach and trust the server."""
    try:
        pieces = [piece for word in words if word != FLOOR for piece in string.Formatter().parse(word)]
    except ValueError as error:
        table.refuse(f"{key} has a brace that means nothing: {error}; write {{{{ and }}}} for braces")
    named = {field for _, field, _, _ in pieces if field is not None}
    if strange := sorted(named.difference(PLACEHOLDERS)):
        known = ", ".join(PLACEHOLDERS)
        table.refuse(f"{key} has {{{strange[0]}}}; there are {known}; write {{{{ and }}}} for braces")
    for field in needed:
        if field not in named and not (field == "url" and "port" in named):
            table.refuse(f"{key} lacks {{{field}}}")


def locate_programs(programs: Iterable[Program], env: Mapping[str, str]) -> tuple[Candidate, ...]:
    """Return a candidate for each program whose command is on PATH; nothing is run.

    A path is that of the command itself, not where its link leads: some files hold several programs and
    choose by the name under which they are started. Root starts none that somebody else could replace.
    """
    path = env.get("PATH", "")
    found = ((program, shutil.which(program.command, path=path)) for program in programs)
    return tuple(
        Candidate(
            program_id(program.id),
            PROGRAM,
            Path(file).absolute(),
            _not_as_root(program, Path(file).absolute()),
        )
        for program, file in found
        if file
    )


def _not_as_root(program: Program, path: Path) -> str:
    """Return why root must not start a program, or another one that is among its words; empty if root may."""
    words = (Path(program.folder, word) for word in (*program.fetch, *program.relaxed) if os.sep in word)
    files = (path, *(word for word in words if os.access(word, os.X_OK) and word.is_file()))
    refusals = ((file, not_as_root(file)) for file in files)
    return next((f"{file}: {why}" for file, why in refusals if why), "")


def missing_command(programs: Sequence[Program], commands: Sequence[str], env: Mapping[str, str]) -> str:
    """Say which of the user's commands starts no program that is there; empty if each does."""
    for program, text in zip(programs, commands, strict=True):
        if shutil.which(program.command, path=env.get("PATH", "")) is None:
            return (
                f"--command {text!r}: there is no program {program.command!r} that can be run; no shell reads"
                " the command: for variables write env NAME=VALUE before it, for a shell's words sh -c '...'"
            )
    return ""


def identify_program(
    candidate: Candidate,
    programs: Iterable[Program],
    env: Mapping[str, str],
    limit: float = ANSWER_LIMIT,
) -> InstalledProgram | None:
    """Return what a program says of itself, or why it cannot; None if it is another of the same name."""
    program = next(program for program in programs if program_id(program.id) == candidate.id)
    if candidate.unavailable:
        return InstalledProgram(describe(candidate, unavailable=candidate.unavailable), program)
    if not program.ask:
        return InstalledProgram(describe_program(candidate, "", ""), program)
    try:
        status, output = run([candidate.path, *program.ask], {**env, **NO_BYTECODE}, limit)
    except OSError as error:
        reason = f"cannot be run: {error.strerror or error}"
    except subprocess.TimeoutExpired:
        reason = f"did not say what it is within {limit:g} s"
    except subprocess.SubprocessError as error:
        reason = f"did not say what it is: {error}"
    else:
        return introduced(candidate, program, status, output)
    return InstalledProgram(describe(candidate, unavailable=f"{candidate.path} {reason}"), program)


def introduced(candidate: Candidate, program: Program, status: int, output: str) -> InstalledProgram | None:
    """Return the program that said this of itself; None if it is another of the same name."""
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
) -> dict[str, dict[str, Any]]:
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
            "prints_answer": program.prints_answer,
            "variables": {} if program.prints_answer else FOR_COMMANDS,
            "limit": program.limit,
            "folder": program.folder,
        }
        for name, words in variants.items()
        if words
    }
