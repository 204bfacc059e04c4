"""Finds environments that are the same, byte for byte, in all that their Python could load from them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.interpreter import MADE, RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from interpreters.prepared import Prepared

FILES_LIMIT = 100_000
BYTES_LIMIT = 1 << 30
"""Files, and bytes, beyond which an environment is measured rather than read; few applications have these."""

ELSEWHERE = b"\0environment\0"
"""What stands for the environment's own path in what is hashed."""

HEADER = 16
"""Bytes of a compiled file before its code since Python 3.7: magic, flags, time and size (PEP 552)."""


def followers_of(prepared: Sequence[Prepared], env: Mapping[str, str]) -> dict[str, str]:
    """Return, by id, for each environment that need not be measured the first that is the same.

    Only virtual environments that nobody named are compared, with the same interpreter, the same variables
    (`env` is what all are run in) and the same account of itself but for its path. Of those, each file counts
    that could be loaded, whether or not a probe loads that file. Reads files; runs and writes nothing.
    """
    found: dict[str, str] = {}
    for alike in _groups(prepared, lambda each: _glance(each, env)):
        # Environments of different applications differ in what an outline has already: few are read whole.
        for outlined in _groups(alike, lambda each: contents(_folder(each), outline=True)):
            known = LinkedFiles(tuple(map(_folder, outlined)))
            for leader, *others in _groups(outlined, lambda each: contents(_folder(each), known)):  # noqa: B023
                found |= {other.interpreter.id: leader.interpreter.id for other in others}
    return found


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


def contents(folder: str | Path, known: LinkedFiles | None = None, *, outline: bool = False) -> str:
    """Return a hash of all that a Python could load from an environment; empty where that cannot be told.

    Where the environment is does not count, nor when its files were written, nor what installers write for
    themselves. Of a compiled file it counts whether Python would take it in the place of its source. An
    `outline` has the names of all files, and the contents of those alone that belong to no package.
    """
    folder, found, files, room = str(folder), hashlib.blake2b(digest_size=16), 0, BYTES_LIMIT
    known, real = known or LinkedFiles((folder,)), os.path.realpath(folder)
    try:
        for entry in _files(folder):
            found.update(os.fsencode(entry.path[len(folder) :]) + b"\0")
            files += 1
            if outline and not entry.path.removesuffix(f"/{entry.name}").endswith("-packages"):
                continue
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


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    """Give the files and links of an environment in order; raises OSError for what cannot be looked at."""
    ahead = [folder]
    while ahead:
        place = ahead.pop()
        with os.scandir(place) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
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
