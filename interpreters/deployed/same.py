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
    from collections.abc import Iterator, Mapping, Sequence

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
    alike: dict[object, list[Prepared]] = {}
    for each in prepared:
        if (glance := _glance(each, env)) is not None:
            alike.setdefault(glance, []).append(each)
    found: dict[str, str] = {}
    for group in alike.values():
        first: dict[str, str] = {}
        for each in group if len(group) > 1 else ():
            name = each.interpreter.id
            if whole := contents(Path(each.interpreter.environment)):
                found[name] = first.setdefault(whole, name)
    return {name: leader for name, leader in found.items() if name != leader}


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


def contents(folder: Path) -> str:
    """Return a hash of all that a Python could load from an environment; empty where that cannot be told.

    Where the environment is does not count, nor when its files were written, nor what installers write for
    themselves. Of a compiled file it counts whether Python would take it in the place of its source.
    """
    found, files, room = hashlib.blake2b(digest_size=16), 0, BYTES_LIMIT
    try:
        for path in _files(folder):
            status = path.lstat()
            files, room = files + 1, room - status.st_size
            if files > FILES_LIMIT or room < 0:
                return ""
            if stat.S_ISLNK(status.st_mode):
                data = b"link to " + _anywhere(os.fsencode(os.path.realpath(path)), os.path.realpath(folder))
            elif stat.S_ISREG(status.st_mode):
                data = _loaded(path, folder)
            else:
                return ""
            for part in (os.fsencode(path.relative_to(folder)), data):
                found.update(b"%d:" % len(part))
                found.update(part)
    except OSError:
        return ""
    return found.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """Give the files and links of an environment in order; raises OSError for what cannot be looked at."""

    def refuse(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in sorted([*names, *links]):
            # Scripts name the environment, and no Python imports them; RECORD has the hashes of scripts.
            script = place == str(folder / "bin") and not name.startswith(("python", "pyvenv.cfg"))
            if not script and not (name == "RECORD" and place.endswith(".dist-info")):
                yield Path(place, name)


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
