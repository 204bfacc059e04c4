"""Asks a candidate what it is, by running one small script in it; remembers the answer by file identity."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import subprocess
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from interpreters.atomic import write_atomically
from interpreters.errors import FloorError
from interpreters.loaded import loaded_by
from interpreters.owners import Trust, not_as_root
from interpreters.places import ANSWER_LIMIT as REACH_LIMIT
from interpreters.places import MARK as REACH_MARK
from interpreters.places import Passenger, Place, command
from interpreters.process_environment import NO_BYTECODE
from interpreters.processes import run, run_until, signal_name
from interpreters.wrapper import RELEVANT, changed_variables, relevant_variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SCRIPT = Path(__file__).parent.parent / "probes" / "identify.py"
MARK = "TLS-FLOOR-IDENTITY "

ANSWER_LIMIT = 10.0
"""Seconds that a candidate may take; a healthy one takes a thirtieth of one."""

UNPACK_LIMIT = 120.0
"""The same for a zipapp, which unpacks itself before its first start: one of 13 MB takes four seconds."""

LAST_WORDS = 400
"""Characters that are kept of what a zipapp printed which did not start: pex lists every interpreter."""

REFUSAL_LASTS = 24 * 60 * 60.0
"""Seconds for which a candidate that did not answer in time is not asked again."""

ANSWER_BYTES = 64 * 1024
"""Bytes that an answer may have; a real answer has two thousand."""

THERE_BYTES = 4 * 1024 * 1024
"""The same of an answer from another place, which may name a thousand environments."""

BUILD_LIMIT = 1 << 30
"""Bytes of an executable or a module beyond which it is not hashed: a sparse file can have any number."""

ANSWERED = re.compile(rb"^" + MARK.encode() + rb".*\n", re.MULTILINE)

VERSION = re.compile(r"\d{1,3}\.\d{1,3}(\.\d{1,3})?[a-z]{0,5}\d{0,3}\+?", re.ASCII)
"""What platform.python_version() can be, such as 2.7.18, 3.15.0a1 or 3.12.0rc1+."""


@dataclass(frozen=True)
class LinkedLibrary:
    """What an interpreter's ssl module is linked to."""

    openssl: str
    has: Mapping[str, bool]
    """Those of HAS_SSLv3, HAS_TLSv1 and so on that the module has: all of them since Python 3.7."""
    default_minimum: str | None
    """Name of a new client context's minimum_version; None before Python 3.7."""
    module: str | None
    directory: str
    """The compiled-in folder of openssl.cnf."""


EMPTY: Mapping[str, str | None] = MappingProxyType({})


@dataclass(frozen=True)
class FileFacts:
    """What an interpreter's files are, told where we cannot read them: see probes/described.py."""

    build: str = ""
    openssl_conf: str = ""
    openssl_conf_sha256: str = ""
    distributions_sha256: str = ""
    absent: tuple[str, ...] = ()
    """Of the modules that it was asked for, those that are not installed."""


@dataclass(frozen=True)
class Identity:
    """What an interpreter says of itself."""

    version: str
    implementation: str
    executable: str
    prefix: str
    base_prefix: str
    configure_flags: tuple[str, ...]
    ssl: LinkedLibrary | None
    ssl_unavailable: str
    """Why the ssl module cannot be imported; empty if it can."""
    changed: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    """The variables that the interpreter sees otherwise than given, because a wrapper sets them: see
    wrapper.py. None stands for a variable that is gone."""
    start_up: tuple[str, ...] = ()
    """The files whose code runs at every start: sitecustomize, usercustomize, some `.pth`."""
    path: tuple[str, ...] = ()
    """The folders that it imports modules from, and those that it would if they were there."""
    contexts: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    """Facts of new client contexts by the way each is made, and under `replaced` the ssl module's functions
    whose code is elsewhere; empty without an ssl module."""

    files: FileFacts | None = None
    """What its files are, where we cannot read those; None where we can."""

    @property
    def context_unavailable(self) -> str:
        """Why the ssl module cannot make a context; empty if it can, or if there is no ssl module."""
        return self.contexts.get("SSLContext", {}).get("error", "")

    @property
    def is_venv(self) -> bool:
        """Whether this is a virtual environment rather than an interpreter of its own."""
        return self.prefix != self.base_prefix


class IdentifyError(FloorError):
    """The candidate is no usable Python; the message is the reason a report can print."""


def parse_identity(facts: Mapping[str, Any]) -> Identity:
    """Build an Identity from the script's JSON; raises KeyError, TypeError or ValueError for other shapes."""
    library, version = facts["ssl"], _text(facts, "version")
    if not VERSION.fullmatch(version):
        msg = f"no Python has the version {version[:40]!r}"
        raise ValueError(msg)
    return Identity(
        version=version,
        implementation=_text(facts, "implementation"),
        executable=_text(facts, "executable"),
        prefix=_text(facts, "prefix"),
        base_prefix=_text(facts, "base_prefix"),
        configure_flags=tuple(str(flag) for flag in facts["configure_flags"]),
        ssl=None if library is None else _parse_library(library),
        ssl_unavailable=str(facts["ssl_unavailable"]),
        changed=_parse_changed(facts.get("changed", {})),
        start_up=tuple(str(file) for file in facts["start_up"]),
        path=tuple(str(folder) for folder in facts["path"]),
        contexts={
            str(way): {str(name): str(fact) for name, fact in dict(found).items()}
            for way, found in dict(facts["contexts"]).items()
        },
    )


def _parse_files(facts: Mapping[str, Any]) -> FileFacts:
    hashes = {"build": 16, "openssl_conf_sha256": 64, "distributions_sha256": 64}
    for name, length in hashes.items():
        if not re.fullmatch(rf"([0-9a-f]{{{length}}})?", _text(facts, name)):
            msg = f"{name} is no hash"
            raise ValueError(msg)
    if not all(isinstance(name, str) for name in facts["absent"]):
        msg = "absent has what is no name"
        raise TypeError(msg)
    return FileFacts(
        openssl_conf=_text(facts, "openssl_conf"),
        absent=tuple(facts["absent"]),
        **{name: facts[name] for name in hashes},
    )


def _parse_changed(changed: object) -> dict[str, str | None]:
    if isinstance(changed, dict) and all(text is None or isinstance(text, str) for text in changed.values()):
        return {name: text for name, text in changed.items() if name.startswith(RELEVANT)}
    msg = "its environment facts have the wrong types"
    raise ValueError(msg)


def _text(facts: Mapping[str, Any], key: str) -> str:
    if isinstance(value := facts[key], str) and "\0" not in value:
        return value
    msg = f"{key} is no text"
    raise TypeError(msg)


def _parse_library(facts: Mapping[str, Any]) -> LinkedLibrary:
    library = LinkedLibrary(**facts)
    texts = (library.openssl, library.default_minimum or "", library.module or "", library.directory or "")
    flags = library.has.values() if isinstance(library.has, dict) else [None]
    if not all(isinstance(text, str) and "\0" not in text for text in texts) or not all(
        isinstance(has, bool) for has in flags
    ):
        msg = "its ssl facts have the wrong types"
        raise ValueError(msg)
    return library


def fingerprint(path: Path) -> str:
    """Return a hash that changes when the file behind the path is replaced or rewritten."""
    status = path.stat()
    text = f"{path}|{status.st_ino}|{status.st_size}|{status.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def build_of(path: Path, identity: Identity | None) -> str:
    """Return a hash of an interpreter's executable and its ssl module; empty if a file cannot be read.

    Unlike a fingerprint, the hash is the same wherever and whenever the same build was installed. The
    executable alone is not enough, because beside a libpython it holds next to nothing.
    """
    module = identity.ssl.module if identity and identity.ssl else None
    # The fastest hash at hand: some executables are large.
    build = hashlib.blake2b(digest_size=8)
    try:
        for file in (path, *([Path(module)] if module else [])):
            # Where its module is, the interpreter says itself: it may name something that never ends.
            if not file.is_file() or file.stat().st_size > BUILD_LIMIT:
                return ""
            with file.open("rb") as opened:
                while chunk := opened.read(1 << 20):
                    build.update(chunk)
    except OSError:
        return ""
    return build.hexdigest()


def identify(
    path: Path,
    env: Mapping[str, str],
    cache: Path | None = None,
    limit: float = ANSWER_LIMIT,
    words: Sequence[str] = (),
) -> Identity:
    """Return what the executable says it is; raises IdentifyError with the reason it cannot be used.

    `words` stand between the executable and the script. Root starts nothing that somebody else could
    replace, nor what loads something of that kind: see owners.py and loaded.py.
    The folder `cache` keeps answers, under the executable's fingerprint, that of each file among the words,
    and the variables that matter, where they hold as long as that file and what it loads at its start. For a
    day it also keeps that a candidate did not answer in time. It keeps no other refusal.
    """
    files = _between(words)
    if refusal := _refusal(path, files):
        raise IdentifyError(refusal)
    command: tuple[str | Path, ...] = (path, *words)
    if cache is None:
        return _start(command, env, limit)
    try:
        started = [*map(fingerprint, files), *words]
        remembered = cache / f"{fingerprint(path)}-{_hash(relevant_variables(env), started)}.json"
    except OSError as error:
        msg = f"{path} cannot be run: {error.strerror or error}"
        raise IdentifyError(msg) from error
    if (known := _recall(remembered)) and _holds(known, path) and not _has_changed(known, remembered):
        return known
    if refusal := _recall_hang(path, remembered, limit):
        raise IdentifyError(refusal)
    try:
        identity = _start(command, env, limit)
    except _HangError:
        _write(_hang(remembered), {"limit": limit, "at": time.time()})
        raise
    if _holds(identity, path):
        _write(remembered, asdict(identity))
    return identity


def _holds(identity: Identity, path: Path) -> bool:
    """Whether an answer stays as it is while the executable does.

    Not without a working ssl module: a library put back, or another configuration, may cure that. Nor where
    something sets variables before the answer: a wrapper may read them from a file that will be another, and
    start-up code may be removed. They would be given to what is measured from outside, whoever set them.
    """
    is_wrapper = identity.executable not in ("", os.path.realpath(path))
    return bool(identity.ssl and not identity.context_unavailable and not identity.changed and not is_wrapper)


def _refusal(path: Path, files: Sequence[Path]) -> str:
    """Return why root must not start an executable with these files; empty if root may."""
    if os.geteuid() != 0:
        return ""
    trust = Trust()
    with _LOOKING:
        for file in (path, *files):
            if refusal := trust.not_as_root(file):
                return refusal
        for loaded in loaded_by(path, trust.suspects):
            if refusal := trust.not_as_root(loaded):
                return f"it loads {loaded}, {refusal}"
    return ""


_LOOKING = threading.Lock()
"""Held by the one thread that looks at an interpreter's files. Each look lets another thread run, so that
several that look by turns spend as much time again on the turns."""


def _between(words: Iterable[str | Path]) -> list[Path]:
    """Return the files among the words between an executable and its script, but for those of ours."""
    files = map(Path, words)
    return [file for file in files if file.is_file() and not file.is_relative_to(SCRIPT.parent)]


def _start(command: Sequence[str | Path], env: Mapping[str, str], limit: float) -> Identity:
    """Start the command, which begins with an executable; return what it says it is; raises IdentifyError."""
    path = Path(command[0])
    output = _ask(command, env, limit)
    if (between := _between(command[1:])) and not ANSWERED.search(output.encode()):
        # A zipapp says itself what it lacks, such as a pex the interpreter that it asks for.
        printed = " ".join(output.split())
        printed = printed if len(printed) <= LAST_WORDS else f"... {printed[-LAST_WORDS:]}"
        msg = f"{between[0]} does not start with {path}: it printed {printed!r}"
        raise IdentifyError(msg)
    identity = _parse(path, output, env)
    actual = Path(identity.executable or path)
    if actual != path and actual.exists() and (refusal := not_as_root(actual)):
        msg = f"{path} starts {actual}, {refusal}"
        raise IdentifyError(msg)
    return identity


def identify_there(
    place: Place,
    path: Path,
    modules: Sequence[str] = (),
    words: Sequence[str] = (),
    variables: Mapping[str, str | None] = EMPTY,
) -> Identity:
    """Return what a Python in a place says it is, and what its files are; raises IdentifyError.

    It is also asked which of these modules it lacks. `words` stand between it and its script, and it has
    these variables too. Nothing is remembered: whether the file there is still the same cannot be told
    without asking.
    """
    script: tuple[str | Path, ...] = (*words, SCRIPT.with_name("described.py"), *modules)
    passenger = Passenger(path, script, limit=UNPACK_LIMIT if words else ANSWER_LIMIT)
    facts = answer_there(place, passenger, MARK, variables)
    try:
        if lacks := facts.get("lacks"):
            msg = f"{path} cannot run the probe, as it lacks what that needs: {str(lacks)[:200]}"
            raise IdentifyError(msg)
        return replace(parse_identity(facts), files=_parse_files(facts["files"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        msg = f"{path} gave a malformed identity: {str(error)[:200]}"
        raise IdentifyError(msg) from error


def answer_there(
    place: Place, passenger: Passenger, mark: str, variables: Mapping[str, str | None] = EMPTY
) -> dict[str, Any]:
    """Return what a passenger in a place prints behind this mark; raises IdentifyError with the reason."""
    limit = REACH_LIMIT + passenger.limit
    try:
        status, output = run(command(place, passenger, {**NO_BYTECODE, **variables}), os.environ, limit)
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"{passenger.python or place} could not be asked: {error}"
        raise IdentifyError(msg) from error
    # Other ends of lines, which a place may print, are none to the near end.
    for line in output.split("\n"):
        try:
            record = json.loads(line.removeprefix(REACH_MARK)) if line.startswith(REACH_MARK) else {}
            if record.get("kind") == "problem":
                raise IdentifyError(str(record["text"]))
            if line.startswith(mark) and len(line) <= THERE_BYTES:
                return dict(json.loads(line.removeprefix(mark)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            msg = f"{passenger.python or place} gave an answer that makes no sense: {str(error)[:200]}"
            raise IdentifyError(msg) from error
    words = " ".join(output.split())[-200:]
    how = f"died of {signal_name(-status)}" if status < 0 else f"ended with status {status}"
    msg = f"{passenger.python or place} did not say what it is, and {how}: it printed {words!r}"
    raise IdentifyError(msg)


def forget(path: Path, cache: Path) -> None:
    """Forget all that is remembered of an executable, so that it is asked again."""
    try:
        known = fingerprint(path)
    except OSError:
        return
    for file in cache.glob(f"{known}-*"):
        file.unlink(missing_ok=True)


def _has_changed(known: Identity, remembered: Path) -> bool:
    """Whether start-up code, packages or an environment's own file came, went or changed since the answer.

    Those decide on where it imports from. A folder changes with what lies in itself: that is where `.pth`
    files and hooks are.
    """
    places = (*known.path, *known.start_up, os.path.join(known.prefix, "pyvenv.cfg"))  # noqa: PTH118
    try:
        written = remembered.stat().st_mtime
        return any(os.stat(place).st_ctime >= written for place in filter(os.path.exists, places))  # noqa: PTH116
    except (OSError, ValueError):
        return True


class _HangError(IdentifyError):
    """The candidate did not answer in time."""


class _LacksError(Exception):
    """The executable is a Python, but not one that the probe runs in.

    No FloorError: the sentence lacks its subject, which the caller puts before it in an IdentifyError.
    """


def _hash(variables: Mapping[str, str], started: Sequence[str]) -> str:
    text = repr([*sorted(variables.items()), *started])
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]


def _write(file: Path, facts: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(facts))


def _recall(remembered: Path) -> Identity | None:
    """Return a remembered answer; anything unreadable is as good as none."""
    try:
        return parse_identity(json.loads(remembered.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _hang(remembered: Path) -> Path:
    """Return the file that says when the candidate did not answer in time."""
    return remembered.with_suffix(".hang")


def _recall_hang(path: Path, remembered: Path, limit: float) -> str:
    """Return that the candidate did not answer within the last day, if it had as much time; else nothing."""
    try:
        facts = json.loads(_hang(remembered).read_text())
        had, when = float(facts["limit"]), float(facts["at"])
        day = dt.datetime.fromtimestamp(when, dt.UTC).date()
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return ""
    # A clock that was set back makes it older than it is, never younger.
    if had < limit or not 0 <= time.time() - when < REFUSAL_LASTS:
        return ""
    return f"{path} did not say what it is within {had:g} s on {day}; it is asked again with --fresh"


def _ask(command: Sequence[str | Path], env: Mapping[str, str], limit: float) -> str:
    """Return what the command printed; its answer counts, however long the command takes to end."""
    path = command[0]
    try:
        status, output = run_until(
            [*command, SCRIPT, *RELEVANT], env, limit, lambda printed: bool(ANSWERED.search(printed))
        )
    except OSError as error:
        msg = f"{path} cannot be run: {error.strerror or error}"
        raise IdentifyError(msg) from error
    except subprocess.TimeoutExpired:
        msg = f"{path} did not say what it is within {limit:g} s"
        raise _HangError(msg) from None
    except subprocess.SubprocessError as error:
        msg = f"{path} is not a Python that can say what it is: {error}"
        raise IdentifyError(msg) from None
    if status and status < 0 and not ANSWERED.search(output.encode()):
        msg = f"{path} died of {signal_name(-status)} when asked what it is"
        raise IdentifyError(msg)
    return output


def _parse(path: Path, output: str, given: Mapping[str, str]) -> Identity:
    for line in output.splitlines():
        if line.startswith(MARK):
            try:
                return _answer(line.removeprefix(MARK), given)
            except _LacksError as error:
                msg = f"{path} {error}"
                raise IdentifyError(msg) from error
            except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
                msg = f"{path} gave a malformed identity: {str(error)[:200]}"
                raise IdentifyError(msg) from error
    if "no module named '__future__'" in output:
        msg = f"{path} cannot run the probe: it has no __future__ module, as MicroPython has none"
        raise IdentifyError(msg)
    excerpt = " ".join(output.split())[:80]
    what = f"it printed {excerpt!r}" if excerpt else "it printed nothing"
    msg = f"{path} is not a Python that can say what it is: {what}"
    raise IdentifyError(msg)


def _answer(text: str, given: Mapping[str, str]) -> Identity:
    """Read an answer; raises ValueError, KeyError, TypeError or RecursionError for a malformed one."""
    if len(text) > ANSWER_BYTES:
        msg = f"it is longer than {ANSWER_BYTES} bytes"
        raise ValueError(msg)
    facts = json.loads(text)
    identity = parse_identity(facts)
    if lacks := facts.get("lacks"):
        msg = f"cannot run the probe, as {identity.implementation} lacks what that needs: {str(lacks)[:200]}"
        raise _LacksError(msg)
    # One that does not say leaves all as it was.
    inside = facts.get("variables", relevant_variables(given))
    return replace(
        identity, changed=changed_variables(given, {str(name): _text(inside, name) for name in inside})
    )
