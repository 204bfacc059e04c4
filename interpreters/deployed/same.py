"""Tells environments that are the same, byte for byte, in all that a measurement loads from them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.interpreter import MADE, RUNNING
from interpreters.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from interpreters.prepared import Prepared

FILES_LIMIT = 100_000
BYTES_LIMIT = 1 << 30
"""Files, and bytes, beyond which an environment is measured rather than read; few applications have these."""

ELSEWHERE = b"\0environment\0"
"""What stands for the environment's own path in what is hashed."""

TEXT_LIMIT = 1 << 20
"""Bytes of start-up code; what has more is no such text."""

LOOK_UP = frozenset({"importlib.metadata", "importlib_metadata", "pkg_resources"})
"""The modules by which code looks up what is installed."""

DISTRIBUTIONS = (".dist-info", ".egg-info")
MODULES = (".py", ".pyc", ".so")
"""How the names of what is installed end, and of modules: those are loaded by their names alone."""

HEADER = 16
"""Bytes of a compiled file before its code since Python 3.7: magic, flags, time and size (PEP 552)."""


def alike(prepared: Sequence[Prepared], env: Mapping[str, str]) -> dict[str, str]:
    """Return, by id, what environments have in common that may be the same, for those that are not alone.

    Only virtual environments that nobody named are compared, with the same interpreter, the same variables
    (`env` is what all are run in) and the same account of itself but for its path. Runs and writes nothing.
    """
    return {
        each.interpreter.id: hashlib.sha256(repr(_glance(each, env)).encode()).hexdigest()
        for group in _groups(prepared, lambda each: _glance(each, env))
        for each in group
    }


@dataclass(frozen=True)
class Counted:
    """What counts of the packages of environments of which one was measured: what that looked for.

    An import tells what it looks for, whether or not it is there. Beside that count files that are no module
    and folders that are no package, which code may read without an import.
    """

    names: frozenset[str]
    """The first names of all modules that were looked for."""
    sources: frozenset[str]
    """The files that were loaded, below the environment: of others a compiled one does not count."""
    distributions: bool
    """Whether it may have been looked up what is installed."""

    @classmethod
    def of(
        cls, folder: str, loaded: Iterable[str], sought: Iterable[str], start_up: Iterable[str]
    ) -> Counted:
        """Return what counts where these files were loaded and these modules looked for.

        What start-up code looks for, before anybody notes it, is told by each word of its text. Raises
        OSError or ValueError where that cannot be read.
        """
        modules, inside = set(sought), f"{folder}/"
        below = {path.removeprefix(inside) for path in loaded if path.startswith(inside)}
        names = {"sitecustomize", "usercustomize", *(name.partition(".")[0] for name in modules)}
        names |= {re.split(r"[/.]", path.partition("-packages/")[2])[0] for path in below}
        for path in start_up:
            names |= set(re.findall(r"\w+", read_regular(Path(path), TEXT_LIMIT).decode(errors="replace")))
        return cls(frozenset(names), frozenset(below), not LOOK_UP.isdisjoint(modules))

    def has(self, entry: os.DirEntry[str], folder: str) -> bool:
        """Whether an entry somewhere in an environment's folder counts."""
        place, stem = os.path.dirname(entry.path), entry.name.partition(".")[0]  # noqa: PTH120
        if place.endswith("/__pycache__"):
            return f"{os.path.dirname(place)}/{stem}.py"[len(folder) + 1 :] in self.sources  # noqa: PTH120
        if not place.endswith("-packages") or entry.name == "__pycache__":
            return True
        if entry.name.endswith(DISTRIBUTIONS):
            return self.distributions or stem.partition("-")[0] in self.names
        if entry.is_dir():
            return stem in self.names or not os.path.exists(f"{entry.path}/__init__.py")  # noqa: PTH110
        return stem in self.names or not entry.name.endswith(MODULES)


def told_apart(folders: Mapping[str, str], counted: Counted | None) -> list[list[str]]:
    """Return the names of the environments in these folders, together where what counts is the same.

    One of which that cannot be told is by itself.
    """
    known, groups = LinkedFiles(folders.values()), dict[str, list[str]]()
    for name, folder in folders.items():
        groups.setdefault(contents(folder, known, counted) or name, []).append(name)
    return list(groups.values())


def _groups(everyone: Iterable[Prepared], key: Callable[[Prepared], object]) -> list[list[Prepared]]:
    """Return those that share a key with another one, in their order; who has no key shares with nobody."""
    groups: dict[object, list[Prepared]] = {}
    for each in everyone:
        groups.setdefault(key(each), []).append(each)
    return [group for shared, group in groups.items() if shared and len(group) > 1]


def _folder(prepared: Prepared) -> str:
    return prepared.interpreter.environment


def _glance(prepared: Prepared, env: Mapping[str, str]) -> object:
    """Return what environments that may be the same have in common; None for one that is measured anyway."""
    interpreter, identity = prepared.interpreter, prepared.identity
    named = prepared.given or prepared.words or interpreter.source == RUNNING or interpreter.is_site
    if named or interpreter.unavailable or interpreter.environment == MADE or not interpreter.place.is_local:
        return None
    if identity is None or not identity.is_venv or not interpreter.build:
        return None
    if os.path.realpath(identity.prefix) != os.path.realpath(interpreter.environment):
        return None
    account = _anywhere(json.dumps(asdict(identity)).encode(), identity.prefix)
    real = os.path.realpath(prepared.executable)
    return real, interpreter.build, account, tuple(sorted(prepared.variables(env).items()))


class LinkedFiles:
    """What is known of files that several environments have in common, as uv links them from its cache."""

    def __init__(self, folders: Iterable[str]) -> None:
        """Remember the folders of the environments: a file that names one is not the same in another."""
        self._named = re.compile(b"|".join(re.escape(os.fsencode(folder)) for folder in folders))
        self._digests: dict[tuple[int, int], bytes] = {}

    def digest(self, path: str, status: os.stat_result, folder: str) -> bytes:
        """Return a hash of what counts of a file in an environment's folder; a linked one is read once."""
        inode = status.st_dev, status.st_ino
        if (digest := self._digests.get(inode)) is None:
            data = _loaded(Path(path), Path(folder))
            digest = hashlib.blake2b(data, digest_size=16).digest()
            # Whether a compiled file is believed depends on the source beside it.
            linked = status.st_nlink > 1 and not path.endswith(".pyc")
            if linked and ELSEWHERE not in data and not self._named.search(data):
                self._digests[inode] = digest
        return digest


def contents(folder: str | Path, known: LinkedFiles | None = None, counted: Counted | None = None) -> str:
    """Return a hash of all that a Python could load from an environment; empty where that cannot be told.

    Where the environment is does not count, nor when its files were written, nor what installers write for
    themselves. Of a compiled file it counts whether Python would take it in the place of its source. Of
    packages all counts, or what is `counted`.
    """
    folder, found, files, room = str(folder), hashlib.blake2b(digest_size=16), 0, BYTES_LIMIT
    known, real = known or LinkedFiles((folder,)), os.path.realpath(folder)
    try:
        for entry in _files(folder, counted):
            found.update(os.fsencode(entry.path[len(folder) :]) + b"\0")
            files += 1
            status = entry.stat(follow_symlinks=False)
            room -= status.st_size
            if files > FILES_LIMIT or room < 0:
                return ""
            if entry.is_symlink():
                found.update(b"link to " + _anywhere(os.fsencode(os.path.realpath(entry.path)), real) + b"\0")
            elif stat.S_ISREG(status.st_mode):
                found.update(b"file " + known.digest(entry.path, status, folder))
            else:
                return ""
    except OSError:
        return ""
    return found.hexdigest()


def _files(folder: str, counted: Counted | None) -> Iterator[os.DirEntry[str]]:
    """Give the files and links of an environment in order; raises OSError for what cannot be looked at."""
    ahead = [folder]
    while ahead:
        place = ahead.pop()
        with os.scandir(place) as entries:
            there = [entry for entry in entries if not counted or counted.has(entry, folder)]
        listed = sorted(there, key=lambda entry: entry.name)
        ahead += [entry.path for entry in listed if entry.is_dir(follow_symlinks=False)]
        for entry in listed:
            # Scripts name the environment, and no Python imports them; RECORD has the hashes of scripts.
            script = place == f"{folder}/bin" and not entry.name.startswith(("python", "pyvenv.cfg"))
            record = entry.name == "RECORD" and place.endswith(".dist-info")
            if not (script or record or entry.is_dir(follow_symlinks=False)):
                yield entry


def _loaded(path: Path, folder: Path) -> bytes:
    """Return what counts of a file's bytes."""
    data = path.read_bytes()
    if path.name == "pyvenv.cfg":
        kept = [line for line in data.splitlines() if not re.match(rb"\s*(command|prompt)\s*=", line)]
        return _anywhere(b"\n".join(kept), str(folder))
    source = path.parent.parent / f"{path.name.partition('.')[0]}.py"
    # Since Python 3.7, where the flags are zero, time and size of the source decide whether it is believed.
    if path.suffix != ".pyc" or path.parent.name != "__pycache__" or not source.is_file() or any(data[4:8]):
        return _anywhere(data, str(folder))
    status = source.stat()
    expected = b"".join(
        (number & 0xFFFFFFFF).to_bytes(4, "little") for number in (int(status.st_mtime), status.st_size)
    )
    believed = b"believed" if data[8:HEADER] == expected else b"passed over"
    return data[:8] + believed + _code_anywhere(data[HEADER:], os.fsencode(folder))


def _anywhere(data: bytes, folder: str) -> bytes:
    """Return bytes without the path of an environment, where that stands for itself."""
    path = os.fsencode(folder)
    if path not in data:
        return data
    return re.sub(rb"(?<![\w./-])" + re.escape(path) + rb"(?![\w.-])", ELSEWHERE, data)


def _code_anywhere(data: bytes, folder: bytes) -> bytes:
    """Return compiled code without that path: there the length of the whole text is the byte before it."""
    *before, last = data.split(folder + b"/")
    shorter = (part[:-1] + bytes((byte - len(folder)) % 256 for byte in part[-1:]) for part in before)
    return ELSEWHERE.join([*shorter, last])
