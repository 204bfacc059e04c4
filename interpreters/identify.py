"""Asks a candidate what it is, by running one small script in it; remembers the answer by file identity."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.owners import not_as_root
from interpreters.processes import run, signal_name

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPT = Path(__file__).parent.parent / "probes" / "identify.py"
MARK = "TLS-FLOOR-IDENTITY "

ANSWER_LIMIT = 10.0
"""Seconds that a candidate may take; a healthy one takes a thirtieth of one."""


@dataclass(frozen=True)
class Library:
    """What an interpreter's ssl module is linked to."""

    openssl: str
    has: Mapping[str, bool]
    """Those of HAS_SSLv3, HAS_TLSv1 and so on that the module has: all of them since Python 3.7."""
    default_minimum: str | None
    """Name of a new client context's minimum_version; None before Python 3.7."""
    module: str | None
    directory: str
    """The compiled-in folder of openssl.cnf."""


@dataclass(frozen=True)
class Identity:
    """What an interpreter says of itself."""

    version: str
    implementation: str
    executable: str
    prefix: str
    base_prefix: str
    bits: int
    configure_flags: tuple[str, ...]
    ssl: Library | None
    ssl_error: str | None

    @property
    def is_venv(self) -> bool:
        """Whether this is a virtual environment rather than an interpreter of its own."""
        return self.prefix != self.base_prefix


class IdentifyError(Exception):
    """The candidate is no usable Python; the message is the reason a report can print."""


def parse_identity(facts: Mapping[str, Any]) -> Identity:
    """Build an Identity from the script's JSON; raises KeyError, TypeError or ValueError for other shapes."""
    library = facts["ssl"]
    if not re.match(r"\d+\.\d+", str(facts["version"])):
        msg = f"no Python has the version {facts['version']!r}"
        raise ValueError(msg)
    return Identity(
        version=str(facts["version"]),
        implementation=str(facts["implementation"]),
        executable=str(facts["executable"]),
        prefix=str(facts["prefix"]),
        base_prefix=str(facts["base_prefix"]),
        bits=int(facts["bits"]),
        configure_flags=tuple(str(flag) for flag in facts["configure_flags"]),
        ssl=None if library is None else _parse_library(library),
        ssl_error=None if facts["ssl_error"] is None else str(facts["ssl_error"]),
    )


def _parse_library(facts: Mapping[str, Any]) -> Library:
    library = Library(**facts)
    texts = (library.openssl, library.default_minimum or "", library.module or "", library.directory or "")
    flags = library.has.values() if isinstance(library.has, dict) else [None]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(has, bool) for has in flags):
        msg = "what it says of its ssl module cannot be meant"
        raise ValueError(msg)
    return library


def fingerprint(path: Path) -> str:
    """Return a hash that changes when the file behind the path is replaced or rewritten."""
    status = path.stat()
    text = f"{path}|{status.st_ino}|{status.st_size}|{status.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def build_of(path: Path, identity: Identity | None) -> str:
    """Return a hash of what an interpreter consists of: its executable and its ssl module.

    Unlike a fingerprint it is the same wherever and whenever the same build was put there; the executable
    alone would not do, because beside a libpython it holds next to nothing. Empty if one cannot be read.
    """
    module = identity.ssl.module if identity and identity.ssl else None
    files = [path, Path(module)] if module else [path]
    try:
        # Where its module is, the interpreter says itself: it may name something that never ends.
        texts = [file.read_bytes() for file in files if file.is_file()]
    except OSError:
        return ""
    # The fastest at hand: some executables are large.
    return hashlib.blake2b(b"".join(texts), digest_size=8).hexdigest() if len(texts) == len(files) else ""


def identify(
    path: Path, environment: Mapping[str, str], cache: Path | None = None, limit: float = ANSWER_LIMIT
) -> Identity:
    """Return what the executable says it is; raises IdentifyError with the reason it cannot be used.

    Root starts nothing that somebody else could replace: see owners.py. Answers are remembered in the
    folder `cache` under the executable's fingerprint. Refusals are not, nor is a missing ssl module, which
    a library put back may cure: both are asked again.
    """
    if refusal := not_as_root(Path(os.path.realpath(path))):
        raise IdentifyError(refusal)
    try:
        remembered = cache / f"{fingerprint(path)}.json" if cache else None
    except OSError as error:
        msg = f"{path} cannot be run: {error.strerror or error}"
        raise IdentifyError(msg) from error
    if remembered and (known := _recall(remembered)):
        return known
    identity = _parse(path, _ask(path, environment, limit))
    if remembered and identity.ssl:
        remembered.parent.mkdir(parents=True, exist_ok=True)
        aside = remembered.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(asdict(identity)))
        aside.replace(remembered)
    return identity


def _recall(remembered: Path) -> Identity | None:
    """Return a remembered answer; anything unreadable is as good as none."""
    try:
        return parse_identity(json.loads(remembered.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _ask(path: Path, environment: Mapping[str, str], limit: float) -> str:
    try:
        status, said = run([path, SCRIPT], environment, limit)
    except OSError as error:
        msg = f"{path} cannot be run: {error.strerror or error}"
        raise IdentifyError(msg) from error
    except subprocess.TimeoutExpired:
        msg = f"{path} did not say what it is within {limit:g} s"
        raise IdentifyError(msg) from None
    except subprocess.SubprocessError as error:
        msg = f"{path} is not a Python that can say what it is: {error}"
        raise IdentifyError(msg) from None
    if status < 0:
        msg = f"{path} died of {signal_name(-status)} when asked what it is"
        raise IdentifyError(msg)
    return said


def _parse(path: Path, said: str) -> Identity:
    for line in said.splitlines():
        if line.startswith(MARK):
            try:
                return parse_identity(json.loads(line.removeprefix(MARK)))
            except (ValueError, KeyError, TypeError) as error:
                msg = f"{path} gave an identity that makes no sense: {error}"
                raise IdentifyError(msg) from error
    excerpt = " ".join(said.split())[:80]
    what = f"it printed {excerpt!r}" if excerpt else "it printed nothing"
    msg = f"{path} is not a Python that can say what it is: {what}"
    raise IdentifyError(msg)
