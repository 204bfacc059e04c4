"""Tells how a running Python was started: with which options, on which script, in which environment."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import clients
from interpreters.deployed.uwsgi import is_uwsgi, settings_of
from interpreters.locations import is_interpreter_name
from interpreters.ways import is_script, ways_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from interpreters.deployed.proc import ProcessRecord

OPTIONS = "EIsSP"
"""The options of Python that decide which start-up code and packages it loads: python(1)."""

WITH_ARGUMENT = "WXQ"
"""Those that take a word: of the same word, or the next."""

_PACKAGES = re.compile(r"((/.+)/lib(?:64)?/(?:python|pypy)\d[^/]*/site-packages)/")
"""A file among the packages of an environment; the groups are their folder, and the environment's."""

_LINKER = re.compile(r"ld(-[^/]*)?\.so(\.\d+)*")
"""What the dynamic linker is called, by glibc and musl: a program can be its argument."""

WHOLE = "start it with a whole path"
"""What helps where it is not known in which folder a relative path is meant."""

_LINE_BYTES = 512
"""Bytes that are read of a script to have its first line."""


@dataclass(frozen=True)
class Invocation:
    """How Python was started, by its command line."""

    options: tuple[str, ...] = ()
    """Those of OPTIONS, each by itself."""
    script: str = ""
    """The file that it runs; empty where it runs a module, or code of the command line."""
    shown: str = ""
    """What it runs in words, without arguments."""


def is_python(record: ProcessRecord) -> bool:
    """Whether a process is a Python rather than a program that embeds one."""
    return is_interpreter_name(os.path.basename(record.executable))


def is_linker(record: ProcessRecord) -> bool:
    """Whether a process was started by the dynamic linker itself, with whatever options: ld.so(8)."""
    return _LINKER.fullmatch(os.path.basename(record.executable)) is not None


def is_spawned(record: ProcessRecord) -> bool:
    """Whether a process is a worker of multiprocessing's, which takes over the path of who started it."""
    words = record.words
    return "-c" in words and any(word.startswith("from multiprocessing.") for word in words)


def packages_beside(record: ProcessRecord) -> str:
    """Return the folder that Python puts before its packages, if the package of a client lies there.

    That is the folder of the script, and without one that where it began: sys.path. Whoever installs with
    `pip install --target` beside an application has packages there. Empty where there are none, or where an
    option or a variable keeps that folder away.
    """
    if is_uwsgi(record):
        return os.pathsep.join(str(path) for path in settings_of(record).paths if _has_clients(path))
    return _beside(record, record.folder)


def started_away(record: ProcessRecord) -> str:
    """Say that it is not known where the script of a process lies, and so what beside it; empty if it is.

    A daemon goes to another folder than the one that a relative path was meant in.
    """
    found, shell = invocation(record.words), shell_folder(record)
    if not is_python(record) or is_spawned(record) or os.path.isabs(found.script):
        return ""
    if found.script and not os.path.lexists(os.path.join(record.folder, found.script)):
        return f"its script {found.script} is not in {record.folder}, where it is at work: {WHOLE}"
    if shell and _beside(record, shell) != _beside(record, record.folder):
        return (
            f"packages lie beside it in {shell}, where it may have been started, or {record.folder}: {WHOLE}"
        )
    return ""


def shell_folder(record: ProcessRecord) -> str:
    """Return the folder in which a shell started a process; empty if that is the one it is at work in.

    The folder in which a process was started is kept nowhere. PWD is that one where a shell started it; where
    that is another than the one it is at work in, either may be.
    """
    shell = (record.variables or {}).get("PWD", "")
    is_other = shell.startswith("/") and os.path.realpath(shell) != os.path.realpath(record.folder)
    return shell if is_other else ""


def _beside(record: ProcessRecord, started: str) -> str:
    """Return what packages_beside does for a process that was started in this folder."""
    found = invocation(record.words)
    if {"-I", "-P"}.intersection(found.options) or (
        "-E" not in found.options and (record.variables or {}).get("PYTHONSAFEPATH")
    ):
        return ""
    script = os.path.realpath(os.path.join(started, found.script)) if found.script else started
    folder = script if os.path.isdir(script) else os.path.dirname(script)
    return folder if _has_clients(folder) else ""


def _has_clients(folder: str | Path) -> bool:
    """Whether the package of a client lies in a folder."""
    modules = {module for client in clients().values() for module in client.modules}
    return any(
        os.path.isfile(f"{folder}/{name}/__init__.py") or os.path.isfile(f"{folder}/{name}.py")
        for name in modules
    )


def invocation(words: Sequence[str]) -> Invocation:
    """Return how a command line starts Python: python(1). The words of what it runs are left alone."""
    options: list[str] = []
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            return Invocation(tuple(options), "" if word == "-" else word, word)
        if word == "--check-hash-based-pycs":
            del rest[:1]
        found = re.match(rf"-([^-cm{WITH_ARGUMENT}]*)([cm{WITH_ARGUMENT}]?)(.*)", word, re.DOTALL)
        letters, last, argument = found.groups() if found else ("", "", "")
        options += [f"-{letter}" for letter in letters if letter in OPTIONS]
        if last == "c":
            return Invocation(tuple(options), shown="-c")
        if last == "m":
            return Invocation(tuple(options), shown=f"-m {argument or next(iter(rest), '')}")
        if last and not argument:
            del rest[:1]
    return Invocation(tuple(options))


def environment_of(record: ProcessRecord) -> tuple[Path, Path] | None:
    """Return the Python and the folder of the virtual environment that a process is in, if it is in one.

    Python itself goes by its first word (getpath.py). That may be written over; then the `#!` of its script
    tells, or which packages are mapped. VIRTUAL_ENV is there too where another Python was started from a
    shell with an environment active: it counts where a word or a mapped file lies in it.
    """
    itself = is_python(record)
    named = _named(record) if itself else None
    if named and not environment_at(named) and os.path.realpath(named) == record.executable:
        return None
    for python in (*([named] if named else []), *(_scripts_python(record) if itself else ())):
        if folder := environment_at(python):
            return _usual(folder, python), folder
    for folder in (*_by_options(record), *_by_files(record)):
        if is_environment(folder):
            return _entered(folder), folder
    return None


def _by_options(record: ProcessRecord) -> Iterator[Path]:
    """Give the folder of the environment that the options of a program name which embeds Python."""
    if is_uwsgi(record) and (home := settings_of(record).home):
        yield home


def _entered(folder: Path) -> Path:
    """Return the Python of an environment that whoever embeds Python is in: they run no wrapper of it."""
    ways = ways_in(folder)
    return next((way for way in ways if not is_script(way)), ways[0])


def environment_at(python: Path) -> Path | None:
    """Return the folder of the virtual environment whose Python this is, if it is one's (PEP 405)."""
    return next(filter(is_environment, (python.parent, python.parent.parent)), None)


def is_environment(folder: Path) -> bool:
    """Whether a folder is a virtual environment's (PEP 405)."""
    return os.path.isfile(folder / "pyvenv.cfg")


def _named(record: ProcessRecord) -> Path | None:
    """Return the Python that the first word of a process names: a path, or a name to be found on PATH."""
    word = record.words[0]
    if "/" in word:
        return Path(os.path.abspath(os.path.join(record.folder, word)))
    for folder in (record.variables or {}).get("PATH", "").split(os.pathsep):
        path = os.path.abspath(os.path.join(record.folder, folder, word))
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return Path(path)
    return None


def _scripts_python(record: ProcessRecord) -> Iterator[Path]:
    """Give the Python that the first line of a script names, and what runs in the end."""
    script = invocation(record.words).script
    if script and (path := Path(record.folder, script)).is_file():
        try:
            with path.open("rb") as opened:
                line = os.fsdecode(opened.read(_LINE_BYTES)).partition("\n")[0]
        except OSError:
            line = ""
        words = line.removeprefix("#!").split() if line.startswith("#!") else []
        yield from map(Path, words[:1])
    yield Path(record.executable)


def packages_of(record: ProcessRecord) -> list[str]:
    """Return the folders of packages of which a process has mapped modules, by the names they have now."""
    found = (_PACKAGES.match(file.path) for file in record.mapped)
    return sorted({matched[1] for matched in found if matched})


def _by_files(record: ProcessRecord) -> Iterator[Path]:
    """Give the folders that mapped files lie in, the most likely first; VIRTUAL_ENV's where it agrees."""
    files = [file.path for file in record.mapped]
    folders = Counter(matched[2] for file in files if (matched := _PACKAGES.match(file)))
    yield from (Path(name) for name, _ in folders.most_common())
    hint = (record.variables or {}).get("VIRTUAL_ENV", "").rstrip("/")
    if hint.startswith("/") and any(f"{text}/".startswith(f"{hint}/") for text in (*record.words, *files)):
        yield Path(hint)


def _usual(folder: Path, python: Path) -> Path:
    """Return an environment's Python by the name that all have, where that is the same."""
    usual = folder / "bin" / "python"
    return usual if os.path.realpath(usual) == os.path.realpath(python) else python
