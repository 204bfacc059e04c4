"""Finds the Pythons that run, and what a fresh process of each has to be started with to be measured.

Processes that share interpreter, environment and variables are one candidate. Nothing is started here, and
nothing of a process's variables is kept but what process_variables.py names.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import os
import pwd
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.deployed.bundles import Bundle, bundle_at
from interpreters.deployed.invocation import (
    environment_of,
    invocation,
    is_environment,
    is_linker,
    is_python,
    is_spawned,
    packages_beside,
    packages_of,
    started_away,
)
from interpreters.deployed.proc import read_processes
from interpreters.deployed.process_variables import (
    SHOWN,
    applied_variables,
    named_files,
    shown_variables,
    started_elsewhere,
)
from interpreters.deployed.uwsgi import is_uwsgi, settings_of
from interpreters.interpreter import NOT_SHOWN, RUNNING, RunningProcess
from interpreters.listing import some_of
from interpreters.locate import Candidate, label_of, plain, refusal_of
from interpreters.locations import PROC, PROCESSES, SearchedLocation, is_interpreter_name
from interpreters.owners import not_as_root, others

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from interpreters.deployed.proc import ProcessRecord

_PYTHON_FILE = re.compile(r"/libpython\d[^/]*\.so[^/]*$|/libpypy[^/]*\.so$|\.(cpython|pypy)-?\d+[^/]*\.so$")
"""What nothing has mapped but Python, or a program that embeds Python: its library, its modules."""

_TLS_FILE = re.compile(
    r"/(lib(ssl|crypto|gnutls|nss3|curl)[^/]*\.so[^/]*|_ssl\.[^/]*so|_rust\.abi3\.so|_awscrt\.[^/]*so)$"
)
"""The files that do TLS: libraries, and the modules of Python's ssl, cryptography and the AWS CRT, which may
have a library inside."""

_PEX = "PEX-INFO"
"""The file that is in each folder that pex unpacks or installs."""

TOOLS = ("nox", "pytest", "py.test")
"""Programs whose processes, with all that they start, are ours if we are among those."""

START_UP = ("sitecustomize.py", "usercustomize.py")
"""What Python runs at its start if it lies on its path: not on the folder of a script, which comes later."""

MOST_NAMED = 5
"""Processes, or users, that are named in a sentence; further ones are only counted."""


@dataclass(frozen=True)
class Outside:
    """Processes of a program that run Python and cannot be measured as one."""

    id: str
    path: str
    reason: str


@dataclass(frozen=True)
class RunningPythons:
    """Which Pythons run, which of them are left out, and how far it could be looked."""

    candidates: tuple[Candidate, ...] = ()
    outside: tuple[Outside, ...] = ()
    looked: tuple[SearchedLocation, ...] = ()


@dataclass(frozen=True)
class _Alike:
    """What those processes share that are one candidate."""

    python: Path
    environment: Path
    """The folder of it, of the installation without one, or the zipapp."""
    variables: tuple[tuple[str, str | None], ...]
    options: tuple[str, ...]
    is_known: bool
    """Whether the variables could be read."""
    bundle: Bundle | None = None
    """The zipapp, if they run one."""
    name: str = ""
    """What pex made the environment of, whose folder it names by a hash; empty for any other."""
    beside: str = field(default="", compare=False)
    """The folder with packages of clients that Python takes before those of the environment; it is among the
    variables too."""

    @property
    def set_variables(self) -> dict[str, str]:
        """The variables that the processes have, without those that they lack."""
        return {name: text for name, text in self.variables if text is not None}


def find_running(
    env: Mapping[str, str], known: Iterable[Candidate] = (), proc: Path = PROC, own: int = 0
) -> RunningPythons:
    """Return the Pythons that run, but for our own processes.

    `env` is what everything measured is run in; `known` names the interpreters that have an id already. `own`
    is the process whose family is ours, by default this one.
    """
    records = read_processes(proc, _runs_python)
    if not records:
        why = f"there is no {proc} that tells of them, as Linux has"
        return RunningPythons(looked=(SearchedLocation(PROCESSES, "unreadable", why),))
    ours = family(records, own or os.getpid())
    theirs = [record for record in records if record.pid not in ours]
    by_pid = {record.pid: record for record in records}
    alike: dict[_Alike, list[ProcessRecord]] = {}
    outside: dict[tuple[str, str], list[ProcessRecord]] = {}
    for record in filter(_runs_python, theirs):
        if why := _cannot_be_told(record, env):
            outside.setdefault((record.executable, why), []).append(record)
        else:
            alike.setdefault(_alike(record, env, _starter(record, by_pid)), []).append(record)
    return RunningPythons(
        tuple(_candidates(alike, {candidate.path: candidate.id for candidate in known})),
        tuple(
            Outside(f"{RUNNING}_{plain(Path(path).name)}", path, f"{_named(those)}: {why}")
            for (path, why), those in outside.items()
        ),
        tuple(_looked(theirs, proc)),
    )


def family(records: Iterable[ProcessRecord], own: int) -> set[int]:
    """Return the processes that are ours: what the outermost nox or pytest above us started, or we did."""
    by_pid = {record.pid: record for record in records}
    children: dict[int, list[int]] = {}
    for record in by_pid.values():
        children.setdefault(record.parent, []).append(record.pid)
    root, above = own, by_pid.get(own)
    while above:
        root = above.pid if any(os.path.basename(word) in TOOLS for word in above.words[:4]) else root
        above = by_pid.get(above.parent) if above.parent != above.pid else None
    found, ahead = {root}, [root]
    while ahead:
        new = [pid for pid in children.get(ahead.pop(), ()) if pid not in found]
        found.update(new)
        ahead += new
    return found


def _runs_python(record: ProcessRecord) -> bool:
    return record.readable and (
        is_python(record) or any(_PYTHON_FILE.search(file.path) for file in record.mapped)
    )


def _cannot_be_told(record: ProcessRecord, env: Mapping[str, str]) -> str:
    """Say why nothing like a process can be started here; empty if it can."""
    if record.elsewhere:
        return "it has files of its own, as in a container; run nox there"
    if is_linker(record):
        return "the dynamic linker was started with options of its own: start Python itself, under variables"
    if (bundle := _zipapp(record, env)) and not bundle.words:
        return f"it runs the zipapp {bundle.file}: {bundle.problem}"
    if is_uwsgi(record) and (problem := settings_of(record).problem):
        return f"uWSGI embeds Python, and {problem}"
    if not is_python(record) and environment_of(record) is None:
        return "Python is embedded, and no file that is mapped tells in which environment"
    return ""


def _starter(record: ProcessRecord, by_pid: Mapping[int, ProcessRecord]) -> ProcessRecord:
    """Return the process whose path a process has: of a worker of multiprocessing's, who started that."""
    while is_spawned(record) and record.parent in by_pid:
        record = by_pid[record.parent]
    return record


def _alike(record: ProcessRecord, env: Mapping[str, str], starter: ProcessRecord) -> _Alike:
    """Return what a process is measured as, with the packages beside what its starter runs."""
    found = environment_of(record)
    python, folder = found or _without_environment(record)
    variables = applied_variables(record, env, folder if found else None)
    options = invocation(record.words).options if is_python(record) else ()
    is_known = record.variables is not None
    bundle = _zipapp(record, env)
    beside = ""
    if not bundle and (is_python(record) or is_uwsgi(record)) and (beside := packages_beside(starter)):
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (beside, variables.get("PYTHONPATH"))))
    place = bundle.file if bundle else folder
    is_pex = not bundle and os.path.isfile(folder / _PEX)
    name = Path((record.variables or {}).get("PEX", "")).stem if is_pex else ""
    applied = tuple(sorted(variables.items()))
    return _Alike(python, place, applied, options, is_known, bundle, name, beside)


def _zipapp(record: ProcessRecord, env: Mapping[str, str]) -> Bundle | None:
    """Return the zipapp that a process runs, if it runs one.

    pex unpacks its file and starts Python anew on the folder; the variable PEX then names the file.
    """
    script = Path(record.folder, invocation(record.words).script) if is_python(record) else Path("/")
    if os.path.isfile(script / _PEX):
        script = Path((record.variables or {}).get("PEX") or "/")
    return bundle_at(script, env) if os.path.isfile(script) else None


def _without_environment(record: ProcessRecord) -> tuple[Path, Path]:
    """Return the Python of a process in no environment, and the folder of its installation."""
    python = Path(record.executable)
    home = (record.variables or {}).get("PYTHONHOME", "").partition(os.pathsep)[0]
    return python, Path(home) if home.startswith("/") else python.parent.parent


def _candidates(
    alike: Mapping[_Alike, Sequence[ProcessRecord]], ids: Mapping[Path, str]
) -> Iterator[Candidate]:
    """Give a candidate for processes that are alike, whose id does not change as others come and go."""
    labels = {shared: _label(shared, ids) for shared in alike}
    homes: dict[str, set[Path]] = {}
    for shared, label in labels.items():
        homes.setdefault(label, set()).add(shared.environment)
    for shared, records in alike.items():
        label = labels[shared]
        where = [_hash(str(shared.environment))] if len(homes[label]) > 1 else []
        yield Candidate(
            "_".join([RUNNING, label, *where, *_how(shared)]),
            RUNNING,
            shared.python,
            _unavailable(shared, records),
            environment=shared.environment,
            words=_words(shared),
            variables={**dict(shared.variables), **(shared.bundle.variables if shared.bundle else {})},
            processes=tuple(_facts(record, shared) for record in records),
        )


def _words(shared: _Alike) -> tuple[str, ...]:
    """Return what stands between a Python and the script that a fresh process runs."""
    inside = shared.bundle.words if shared.bundle else ()
    # What the first line of a zipapp asks for is among the options that its processes have.
    entrance = tuple(itertools.dropwhile(lambda word: word.startswith("-"), inside))
    # With these options Python does not heed the variable that keeps it from writing compiled modules; nor
    # does the Python that pex starts.
    quiet = ("-B",) if entrance or {"-E", "-I"}.intersection(shared.options) else ()
    return (*shared.options, *quiet, *entrance)


def _label(shared: _Alike, ids: Mapping[Path, str]) -> str:
    """Name processes by their environment, or by their interpreter where they are in none."""
    folder = shared.environment
    if shared.bundle or shared.name:
        return plain(shared.name or folder.stem)
    if not is_environment(folder):
        return ids.get(shared.python) or plain(f"{folder.name}_{shared.python.name}")
    return label_of(folder)


def _how(shared: _Alike) -> list[str]:
    """Return what tells processes apart that are in the same environment: a hash of how they were started."""
    if not shared.is_known:
        return ["unread"]
    started = (sorted(shared.set_variables.items()), shared.options)
    return [_hash(repr(started))] if any(started) else []


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:6]


def _unavailable(shared: _Alike, records: Sequence[ProcessRecord]) -> str:
    """Say why no fresh process is started; empty if one may be."""
    pids = _named(records)
    if not shared.is_known:
        return (
            f"the variables of {pids} cannot be read, as a title was written over them: measure"
            f" {shared.environment} with --environment, under the OPENSSL_CONF that the service has"
        )
    if not os.path.isfile(shared.python):
        return f"{shared.python} is gone since {pids} started: restart what runs there"
    if not os.access(shared.python, os.X_OK):
        return f"{shared.python} is not executable"
    refusal = (
        _not_trusted(shared)
        or next(filter(None, map(started_away, records)), "")
        or next(filter(None, map(started_elsewhere, records)), "")
        or _not_under(shared.set_variables, records)
        or _not_told(shared)
    )
    return f"{pids}: {refusal}" if refusal else ""


def _not_trusted(shared: _Alike) -> str:
    """Say why root starts nothing there: somebody else may change Python, or the packages that it loads."""
    if is_environment(shared.environment) and (refusal := refusal_of(shared.python, shared.environment)):
        return refusal
    return next(filter(None, map(not_as_root, (shared.python, shared.environment))), "")


def _not_told(shared: _Alike) -> str:
    """Say that the packages beside a script cannot be given to a fresh process; empty if they can."""
    if "-E" in shared.options and shared.beside:
        return (
            f"it takes packages of {shared.beside}, which -E keeps from a fresh process: start it without -E"
        )
    for folder, name in itertools.product(filter(None, shared.beside.split(os.pathsep)), START_UP):
        if os.path.isfile(f"{folder}/{name}"):
            return f"a fresh process that has {folder} on its path would run the {name} there: rename that"
    return ""


def _not_under(variables: Mapping[str, str], records: Sequence[ProcessRecord]) -> str:
    """Say why root starts nothing under the variables of processes; empty if it may, and for other users.

    By such variables ld.so, OpenSSL and Python load code. Root takes them from processes of root alone, and
    only where nobody else may replace what they name.
    """
    if os.geteuid() != 0 or not variables:
        return ""
    if not any(record.uid == 0 for record in records):
        user = _user(records[0].uid)
        return f"not started as root under the {', '.join(variables)} of {user}; run nox as {user}"
    for name, path in named_files(variables):
        named = str(path) if name in SHOWN else NOT_SHOWN
        if not path.exists():
            return f"{name} names {named}, which is not there: not started as root"
        if who := others(path):
            return f"{name} names {named}, which {who} may replace: not started as root"
    return ""


def _facts(record: ProcessRecord, shared: _Alike) -> RunningProcess:
    """Return what a report says of a process."""
    files = [file for file in record.mapped if _TLS_FILE.search(file.path) or _PYTHON_FILE.search(file.path)]
    fresh = (str(shared.python), os.path.realpath(shared.python))
    is_other = is_python(record) and record.executable not in fresh
    gone = [record.executable] if record.deleted or is_other else []
    return RunningProcess(
        pid=record.pid,
        user=_user(record.uid),
        started=dt.datetime.fromtimestamp(record.started, dt.UTC).isoformat(timespec="seconds"),
        command=_command(record),
        unit=record.unit,
        began=record.began,
        packages=tuple(packages_of(record)),
        variables=shown_variables(record),
        libraries=tuple(dict.fromkeys(file.path for file in files if _TLS_FILE.search(file.path))),
        replaced=tuple(dict.fromkeys([*gone, *(file.path for file in files if file.deleted)])),
    )


def _command(record: ProcessRecord) -> str:
    """Return a command line without arguments, which may be secrets."""
    program = os.path.basename(record.words[0].split(" ")[0].rstrip(":")) or record.words[0]
    shown = invocation(record.words).shown if is_python(record) else ""
    return f"{program} {shown}".strip()


def _named(records: Sequence[ProcessRecord]) -> str:
    """Return processes in words, by their ids."""
    pids = [str(record.pid) for record in records]
    return f"process{'es' if len(pids) > 1 else ''} {some_of(pids, MOST_NAMED)}"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _looked(records: Sequence[ProcessRecord], proc: Path) -> Iterator[SearchedLocation]:
    """Say how many processes were looked into, and whose could not be."""
    readable = sum(record.readable for record in records)
    yield SearchedLocation(PROCESSES, "looked", f"{readable} looked into")
    if locked := [record for record in records if not record.readable]:
        called = sum(is_interpreter_name(os.path.basename(record.words[0])) for record in locked)
        users = sorted({_user(record.uid) for record in locked})
        whose = f"{len(locked)} of {some_of(users, MOST_NAMED)}"
        who = "not even root may look there" if os.geteuid() == 0 else "only root looks there"
        why = f"{whose}, {called or 'none'} of them called like a Python: {who}"
        yield SearchedLocation(f"{PROCESSES} that are locked", "unreadable", why)
    elif not os.path.exists(proc / "1"):
        why = "this system hides those of others: hidepid"
        yield SearchedLocation(f"{PROCESSES} that are locked", "unreadable", why)
