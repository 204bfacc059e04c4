"""Finds applications that are one file: zipapps, which a probe can enter, and frozen programs."""

from __future__ import annotations

import itertools
import os
import shutil
import stat
import struct
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import PROBES
from interpreters.interpreter import APPLICATION
from interpreters.locate import Candidate, SelectionError, plain, unique
from interpreters.locations import SearchedLocation, expand, is_interpreter_name, read_locations
from interpreters.owners import not_as_root

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from interpreters.places import Place

LOCATIONS = Path(__file__).with_name("bundles.toml")

ENTRANCE = PROBES / "bundled.py"
"""The passenger script that runs a probe inside a zipapp."""

SUFFIXES = (".pex", ".pyz")
"""The suffixes of zipapps that need no `#!` line: PEP 441 and pex."""

USUAL = "python3"
"""What starts a zipapp without a `#!` line, as the documentation of zipapp does."""

LINE_LIMIT = 256
"""Bytes of a `#!` line: what Linux reads of one (execve(2))."""

ZIP_END = b"PK\5\6"
"""How the record begins that ends a zip."""

END_SIZE = 22
"""Bytes of the record that ends a zip, without its comment (APPNOTE.TXT 4.3.16)."""

DIRECTORY_LIMIT = 16 << 20
"""Bytes of a zip's directory: the 65,535 files that a zipapp can have take 6 MiB with names of 50 letters."""

TAIL_LIMIT = END_SIZE + 0xFFFF
"""Bytes at a file's end in which a mark is looked for: a zip may end in a comment of 65,535 bytes, and
PyInstaller's mark lies 2 KiB before the end."""

MAIN = frozenset({"__main__.py", "__main__.pyc"})
"""What Python runs of a zipapp (PEP 441)."""

PYINSTALLER = b"MEI\014\013\012\013\016"
"""How the record begins that PyInstaller puts at a program's end (its bootloader, pyi_archive.h)."""

EXECUTABLE_MAGIC = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""How executables of Linux and macOS begin."""

SYSTEM_FOLDERS = frozenset({"/usr/bin", "/usr/sbin", "/bin", "/sbin"})
"""The distribution's own folders: there are thousands of executables in them, and none is frozen."""


@dataclass(frozen=True)
class Bundle:
    """A zipapp, and how a script is run in it: `python *words SCRIPT`, under these variables."""

    file: Path
    """Its real path."""
    python: Path | None
    """What its `#!` line names, or the file itself where a shell finds its Python; None if there is none."""
    words: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    problem: str = ""
    """Why the zipapp cannot be run, in words that can follow a colon; empty if it can."""


@dataclass(frozen=True)
class BundleFacts:
    """What is read of a zipapp in another place: see probes/discover.py."""

    file: Path
    line: str
    """Its first line, if that is a `#!` line."""
    members: frozenset[str]
    """Of its members those that tell what it is."""
    commands: Mapping[str, Path]
    """By word of that line what it starts there."""
    refused: str
    """Why root must not start it; empty if root may."""


BY_SHELL = "a shell looks for its Python, which is not done in places"
"""Why a pex that was made with --sh-boot has a row without a measurement there."""

ZIPAPP = "zipapp"
"""The source of zipapps, wherever they were found."""


@dataclass(frozen=True)
class Frozen:
    """A program with a Python of its own inside, which no probe can enter."""

    path: Path
    """Its real path."""
    name: str
    """The name under which it was found."""
    maker: str
    """The tool that froze it."""


@dataclass(frozen=True)
class FoundBundles:
    """The zipapps as candidates, where they were looked for, and the frozen programs."""

    candidates: tuple[Candidate, ...]
    looked: tuple[SearchedLocation, ...]
    frozen: tuple[Frozen, ...]


def find_bundles(
    env: Mapping[str, str], given: Iterable[Path] = (), *, only_given: bool = False
) -> FoundBundles:
    """Return the zipapps and frozen programs in the known locations and on PATH, each once, and those given.

    Nothing is run. Raises SelectionError for a file given that is no zipapp, and TableError for a file of
    locations without sense.
    """
    named = [_given(path, env) for path in given]
    paths, looked = ([], []) if only_given else _executables(env)
    bundles = {bundle.file: bundle for bundle in named}
    frozen: dict[Path, Frozen] = {}
    for path in paths:
        head, end = _glance(path)
        if head.startswith(EXECUTABLE_MAGIC) and PYINSTALLER in end:
            real = Path(os.path.realpath(path))
            frozen.setdefault(real, Frozen(real, Path(path).name, "PyInstaller"))
        elif ZIP_END in end and (bundle := bundle_at(Path(path), env)):
            bundles.setdefault(bundle.file, bundle)
    candidates = _candidates(bundles, {bundle.file for bundle in named})
    return FoundBundles(candidates, tuple(looked), tuple(frozen.values()))


def _executables(env: Mapping[str, str]) -> tuple[list[str], list[SearchedLocation]]:
    """Return the files in the known locations and on PATH, and where those were looked for."""
    locations, looked = expand(read_locations(LOCATIONS), env)
    on_path = [folder for folder in env.get("PATH", "").split(os.pathsep) if folder.startswith("/")]
    folders = dict.fromkeys(
        [*(str(folder) for location in locations for folder in location.folders), *on_path]
    )
    return list(itertools.chain.from_iterable(map(_files, folders))), looked


def _given(path: Path, env: Mapping[str, str]) -> Bundle:
    if found := bundle_at(path, env):
        return found
    msg = f"--environment {str(path)!r}: no zipapp; give a pex, a shiv or a pyz file, or a folder"
    raise SelectionError(msg)


def _candidates(bundles: Mapping[Path, Bundle], named: Collection[Path]) -> tuple[Candidate, ...]:
    """Return the zipapps as candidates.

    Root starts one only if nobody else could change it, or the Python that runs it.
    """
    labels = names(bundles)
    found = []
    for file, bundle in bundles.items():
        python = bundle.python or file
        refused = bundle.problem or not_as_root(file) or not_as_root(python)
        found.append(
            Candidate(
                f"{APPLICATION}{plain(labels[file])}",
                ZIPAPP,
                python,
                refused or ("" if os.access(python, os.X_OK) else f"{python} is not executable"),
                given=file in named,
                environment=file,
                words=bundle.words,
                variables=bundle.variables,
            )
        )
    return unique(found)


def bundle_at(path: Path, env: Mapping[str, str]) -> Bundle | None:
    """Return the zipapp at a path; None if there is none that a Python could run."""
    real = Path(os.path.realpath(path))
    head, end = _glance(str(real))
    start = end.rfind(ZIP_END)
    if start < 0 or len(end) - start < END_SIZE:
        return None
    line = head.partition(b"\n")[0].decode(errors="surrogateescape") if head.startswith(b"#!") else ""
    (directory,) = struct.unpack_from("<L", end, start + 12)
    # Before 3.13 no Python imports from a zip64 (its zipimport), whose size is not in that record.
    if directory > DIRECTORY_LIMIT or b"PK\6\7" in end[max(0, start - 20) : start]:
        return Bundle(real, None, problem=f"its zip directory is longer than {DIRECTORY_LIMIT >> 20} MiB")
    try:
        with zipfile.ZipFile(real) as archive:
            members = frozenset(archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        return None
    return _entered(real, members, line, partial(_resolved, env=env)) if MAIN & members else None


def bundles_there(place: Place, found: Iterable[BundleFacts]) -> tuple[Candidate, ...]:
    """Return the zipapps of a place as candidates, by what was read of them there."""
    known = {each.file: each for each in found}
    labels = names(known)
    return tuple(
        _there(place, bundle, facts.refused, labels[file])
        for file, facts in known.items()
        if (bundle := _entered(file, facts.members, facts.line, facts.commands.get))
    )


def _there(place: Place, bundle: Bundle, refused: str, name: str) -> Candidate:
    by_shell = BY_SHELL if bundle.python == bundle.file else ""
    return Candidate(
        f"{APPLICATION}{plain(name)}",
        ZIPAPP,
        bundle.python or bundle.file,
        bundle.problem or refused or by_shell,
        given=True,
        environment=bundle.file,
        words=bundle.words,
        variables=bundle.variables,
        place=place,
    )


def names(files: Iterable[Path]) -> dict[Path, str]:
    """Return a name for each file: its own, with suffix and the folder around it where several have that."""
    files = list(files)
    shared = Counter(map(_stem, files))
    return {
        file: _stem(file) if shared[_stem(file)] == 1 else f"{file.parent.name}_{file.name}" for file in files
    }


def _stem(file: Path) -> str:
    return file.stem if file.suffix in SUFFIXES else file.name


def _files(folder: str) -> list[str]:
    """Return the files of a folder, sorted; nothing where that cannot be known."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_file())
    except OSError:
        return []


def _glance(path: str) -> tuple[bytes, bytes]:
    """Return the beginning and the end of a file that could be one of ours; of another file nothing.

    There are thousands of files on a PATH, so this does no more than it must.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b"", b""
    try:
        status = os.fstat(file)
        head = os.read(file, LINE_LIMIT) if stat.S_ISREG(status.st_mode) else b""
        runnable = status.st_mode & 0o111
        elsewhere = path.rpartition("/")[0] not in SYSTEM_FOLDERS
        executable = runnable and head.startswith(EXECUTABLE_MAGIC) and elsewhere
        if executable or (runnable and head.startswith(b"#!")) or path.endswith(SUFFIXES):
            return head, os.pread(file, TAIL_LIMIT, max(0, status.st_size - TAIL_LIMIT))
    except OSError:
        pass
    finally:
        os.close(file)
    return b"", b""


def _entered(
    real: Path, members: frozenset[str], line: str, resolve: Callable[[str], Path | None]
) -> Bundle | None:
    """Return how a script is run in a zipapp that has these members and this first line."""
    wanted, *options = _python_of(line) or [USUAL]
    entrance, file = str(ENTRANCE), str(real)
    if "PEX-INFO" in members:
        # pex passes on what Python was started with, and starts one that is deaf to PYTHONDONTWRITEBYTECODE.
        words, variables = ("-B", *options, file, entrance, "-"), {"PEX_INTERPRETER": "1"}
    elif {"environment.json", "_bootstrap/__init__.py"} <= members:
        words, variables = (*options, file, entrance, "-"), {"SHIV_INTERPRETER": "1"}
    else:
        words, variables = (*options, entrance, file), {}
    if line.startswith("#!") and not _python_of(line):
        # Of pex with --sh-boot: a shell looks for the Python.
        return Bundle(real, real, (entrance, "-"), variables) if "PEX-INFO" in members else None
    python = resolve(wanted)
    if python is None:
        where = "is not on PATH" if "/" not in wanted else "is not there"
        # Another Python than that of its first line may run it: see running.py.
        problem = f"{wanted}, which its first line asks for, {where}"
        return Bundle(real, None, words, variables, problem)
    return Bundle(real, python, words, variables)


def _python_of(line: str) -> list[str]:
    """Return the Python that a `#!` line asks for, with its options; empty if the line asks for none."""
    words = line.removeprefix("#!").split() if line.startswith("#!") else []
    if words and Path(words[0]).name == "env":
        # -S lets several words follow; others are variables, which env sets.
        words = list(itertools.dropwhile(lambda word: word.startswith("-") or "=" in word, words[1:]))
    return words if words and is_interpreter_name(Path(words[0]).name) else []


def _resolved(wanted: str, env: Mapping[str, str]) -> Path | None:
    """Return the file of a Python that is wanted by its path, or by its name on PATH; None without one."""
    if "/" in wanted:
        return Path(wanted) if Path(wanted).is_file() else None
    for folder in env.get("PATH", "").split(os.pathsep):
        found = shutil.which(wanted, path=folder) if folder.startswith("/") else None
        if found and Path(folder).name == "shims":
            found = _behind_shim(Path(folder).parent, wanted)
        if found and not _is_activated(Path(folder)):
            return Path(found)
    return None


def _behind_shim(root: Path, name: str) -> str | None:
    """Return what a shim of pyenv starts outside of any project; None where that is not known.

    Source: pyenv's README, "Understanding Python version selection": the versions in its file `version`.
    """
    try:
        versions = (root / "version").read_text().split()
    except (OSError, ValueError):
        return None
    folders = (root / "versions" / version / "bin" for version in versions)
    return next(filter(None, (shutil.which(name, path=str(folder)) for folder in folders)), None)


def _is_activated(folder: Path) -> bool:
    """Whether a folder on PATH is an environment's, as that is which nox runs us in: no service has those."""
    return (folder.parent / "pyvenv.cfg").is_file()
