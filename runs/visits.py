"""Remembers what those visits observed that only tell what holds a client, while nothing in them has changed.

The live visit of a run decides its verdicts. What holds the floor where that visit found it held is told by
further visits, under configurations of ours: they come out as before while the interpreter, what it loads
from its environment, the servers and this tool are the same to the byte. What is remembered is an observation
with its date, judged like any other, beside the control of the run that uses it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import importlib.metadata
import json
import os
import re
import ssl
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.atomic import replacing
from interpreters.clients import PROBES, ClientKey
from interpreters.documents import Document, Moment, packed, unpacked
from interpreters.openssl_conf import configuration_path, configuration_sha256
from interpreters.process_environment import NO_BYTECODE, never_read
from interpreters.regular import read_regular
from interpreters.unchanged import UntoldError, changed_since, looked_at, tree
from reports.formats.records_contract import AccountDocument, OwnTlsDocument
from reports.verdicts.cells import judge_cell
from reports.verdicts.observations import Account, OwnTls
from runs.aging import is_old
from runs.own_files import checkout_of
from runs.probe import ProbeResult, blank_observation
from servers.certificates import NAME
from servers.peers import can_tell, hosts_file, is_ours
from servers.protocols import Sender
from servers.tap import Capture, Chunk
from servers.wire import read_capture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from reports.verdicts.observations import Observation
    from runs.probe import ProbeTask
    from servers.catalogue import Catalogue
    from servers.control import Control

AGE = 7 * 24 * 3600.0
"""Seconds after which what was observed is measured again, whatever has changed."""

BYTES_LIMIT = 256 * 2**20
"""Bytes of all that is kept; what was measured first goes first. A visit takes a tenth of a megabyte."""

INSTRUMENT = ("probes", "servers", "runs", "interpreters")
"""The rooms of this tool whose code decides what is observed."""

HARMLESS = frozenset(
    {"PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "PYTHONUSERBASE", "OPENSSL_CONF", *NO_BYTECODE}
    | never_read("").keys()
)
"""The variables of which it is known what they lead to. Under any other one, such as LD_LIBRARY_PATH, nothing
is remembered."""

PLACES = ("prefix", "base_prefix")
"""What an interpreter calls its own folders. Copies that load the same files differ in these alone."""

SYSTEM = ("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/crypto-policies")
"""Files of the system that decide which libraries are loaded, and what Fedora's allow by themselves."""

FIPS = Path("/proc/sys/crypto/fips_enabled")


class StoredConnection(Document):
    """What passed on one connection."""

    chunks: tuple[tuple[float, Sender, bytes], ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]


class StoredCell(Document):
    """What both witnesses told of a client on a server."""

    client: str
    server: str
    client_version: str
    urllib3: str
    own_tls: OwnTlsDocument | None
    remark: str
    account: AccountDocument
    connections: tuple[StoredConnection, ...]


class StoredVisit(Document):
    """What came of one visit."""

    measured: Moment
    interpreter: str
    """The id of the interpreter whose visit it was."""
    identity: dict[str, Any] | None
    """What it said of itself; its own folders stand as in PLACES, here and below."""
    cells: tuple[StoredCell, ...]
    beside: dict[str, str]
    """What was loaded that is not looked at before, by path, with its status: files, and whole packages."""


@dataclass(frozen=True)
class RememberedVisits:
    """Where visits are kept between runs."""

    folder: Path
    """Of our cache, readable by us alone."""
    fresh: bool = False
    """Whether all is to be measured anew."""
    code: Path = field(default=PROBES.parent)
    """Where this tool is."""

    trees: dict[str, str] = field(default_factory=dict, compare=False)
    """What is known of folders in this run: environments share the library of their interpreter."""

    walking: threading.Lock = field(default_factory=threading.Lock, compare=False)
    """One walks at a time: an interpreter and its environment ask for the same library at once."""

    def tree(self, root: str) -> str:
        """Return what `tree` of unchanged.py says of a folder or file, the same throughout a run."""
        # A copy may have the same files by other names.
        root = os.path.realpath(root)
        with self.walking:
            if root not in self.trees:
                self.trees[root] = tree(root)
            return self.trees[root]

    @cached_property
    def instrument(self) -> str:
        """A hash over the text of what measures, and what it measures with."""
        with_what = (sys.version, ssl.OPENSSL_VERSION, importlib.metadata.version("tlslite-ng"))
        return "\0".join((checkout_of(self.code, INSTRUMENT), *with_what))

    def of(
        self, task: ProbeTask, plain: ProbeTask, identity: Mapping[str, Any] | None, engine: str
    ) -> Visit | None:
        """Return the visit that a task is; None where it cannot be told whether anything in it has changed.

        `plain` is the task without the condition's configuration; `identity` is what its Python has said of
        itself in this run. `engine` is what serves.
        """
        if identity is None or not _is_known(task, identity):
            return None
        began = time.time()
        try:
            roots = tuple(_roots(task, identity))
            ours = {"engine": engine, "tool": self.instrument, "files": list(map(self.tree, roots))}
            rests_on = {**_rests_on(task, plain, identity), **ours}
            places = {f"\0{name}": str(identity[name]) for name in PLACES}
        except (OSError, UntoldError, TypeError, ValueError, KeyError):
            return None
        text = json.dumps(rests_on, sort_keys=True)
        for name, place in places.items():
            text = re.sub(rf"(?<![\w./-]){re.escape(json.dumps(place)[1:-1])}(?![\w.-])", name, text)
        key = hashlib.sha256(text.encode()).hexdigest()
        return Visit(self, self.folder / key, task, roots, places, began)

    def forget(self) -> None:
        """Remove what is too old, or more than there is room for."""
        there = []
        for path in self.folder.glob("*"):
            # Another run may remove the same.
            with contextlib.suppress(OSError):
                found = path.stat()
                there.append((found.st_mtime, found.st_size, path))
        room, now = BYTES_LIMIT, time.time()
        for made, size, path in sorted(there, reverse=True):
            room -= size
            if room < 0 or is_old(made, AGE, now):
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Visit:
    """One visit, by all that it rests on."""

    visits: RememberedVisits
    path: Path
    """The file whose name is a hash over that."""
    task: ProbeTask
    roots: tuple[str, ...]
    places: Mapping[str, str]
    """The interpreter's own folders, by the names that stand for them in what is kept."""
    began: float

    def recalled(self, controls: Mapping[str, Control]) -> ProbeResult | None:
        """Return what came of it in an earlier run, with this run's controls; None if that is not known."""
        if self.visits.fresh:
            return None
        try:
            stored = unpacked(read_regular(self.path), StoredVisit)
            age = self.began - dt.datetime.fromisoformat(stored.measured).timestamp()
            same = all(self.visits.tree(self._path(name)) == before for name, before in stored.beside.items())
        except (OSError, ValueError, UntoldError):
            return None
        cells = {(ClientKey.parse(cell.client), cell.server): cell for cell in stored.cells}
        wanted = {(client, server.server.id): server for client, server in self.task.pairs}
        if not same or not 0 <= age < AGE or cells.keys() != wanted.keys():
            return None
        observations = tuple(
            _observation(
                blank_observation(self.task, client, server, controls[server.server.id]),
                cells[client, server.server.id],
                stored,
            )
            for client, server in self.task.pairs
        )
        return ProbeResult(_each_text(stored.identity, self._path), observations)

    def keep(self, result: ProbeResult, catalogue: Catalogue) -> None:
        """Keep what came of it, if that leaves nothing open and all that was loaded is known."""
        if not _is_conclusive(result, catalogue) or result.loaded is None:
            return
        try:
            beside = dict(self._beside(result.loaded))
        except UntoldError:
            return
        stored = StoredVisit(
            measured=dt.datetime.fromtimestamp(self.began, dt.UTC).isoformat(timespec="seconds"),
            interpreter=self.task.interpreter,
            identity=_each_text(result.identity, self._name),
            cells=tuple(map(_stored, result.observations)),
            beside=beside,
        )
        # Where the disk has no room for it, it is measured again.
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            with replacing(self.path) as aside:
                aside.write_bytes(packed(stored))

    def _beside(self, loaded: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Give what was loaded and not looked at before; raises UntoldError."""
        found: dict[str, str] = {}
        for path in loaded:
            # The probe's own code is among the tool's, and what has no file is the interpreter's.
            if path.startswith((f"{PROBES}/", "<", "[")):
                continue
            if inside := looked_at(path, self.roots):
                found[inside] = path
        for inside, path in found.items():
            if not os.path.isabs(path) or changed_since(inside, self.began):  # noqa: PTH117
                msg = f"{inside} is nothing that stayed as it is"
                raise UntoldError(msg)
            yield self._name(inside), tree(os.path.realpath(inside))

    def _name(self, path: str) -> str:
        """Return a path as it is kept."""
        for name, place in self.places.items():
            if path == place or path.startswith(f"{place}/"):
                return name + path.removeprefix(place)
        return path

    def _path(self, name: str) -> str:
        """Return the path that was kept so, in this interpreter."""
        kept, slash, rest = name.partition("/")
        return f"{self.places[kept]}{slash}{rest}" if kept in self.places else name


def _each_text(facts: Any, change: Callable[[str], str]) -> Any:
    """Return facts with each text in them changed, but for the names of facts."""
    match facts:
        case str():
            return change(facts)
        case Mapping():
            return {name: _each_text(fact, change) for name, fact in facts.items()}
        case list() | tuple():
            return [_each_text(fact, change) for fact in facts]
    return facts


def _is_known(task: ProbeTask, identity: Mapping[str, Any]) -> bool:
    """Whether all that a task loads can be looked at: no program, and no code that may read what it likes."""
    strange = any(name not in HARMLESS and not name.startswith("LC_") for name in task.env)
    own = any(client.name in task.sources for client in task.clients)
    stand = all(server.address and server.pair for server in task.servers)
    itself = os.path.realpath(task.python) == identity.get("executable")
    plain = task.place.is_local and task.arguments == (PROBES,)
    return plain and itself and stand and not (strange or own or task.programs)


def _roots(task: ProbeTask, identity: Mapping[str, Any]) -> Iterator[str]:
    """Give the folders and files that a Python may load from, as it says itself; raises UntoldError."""
    folders = [str(folder) for folder in identity["path"]]
    if not folders or not all(map(os.path.isabs, folders)):
        msg = "it imports from a folder that has no name of its own"
        raise UntoldError(msg)
    yield from folders
    yield str(task.python)
    yield os.path.realpath(task.python)
    yield from SYSTEM


def _rests_on(task: ProbeTask, plain: ProbeTask, identity: Mapping[str, Any]) -> dict[str, object]:
    """Return, beside files, all that the outcome of a visit could depend on; raises OSError."""
    ours = Path(task.env["OPENSSL_CONF"])
    directory = str((identity["ssl"] or {}).get("directory", ""))
    machine = configuration_sha256(configuration_path(directory, plain.env), plain.env)
    return {
        "interpreter": (task.environment, str(task.python), *_settings(task, identity)),
        "clients": list(map(str, task.clients)),
        "snippets": dict(task.snippets),
        "modules": {client: list(names) for client, names in task.modules.items()},
        "servers": [_facts(asdict(server.server)) for server in task.servers],
        "condition": (task.condition, ours.read_text(encoding="utf-8")),
        "variables": {**task.env, "OPENSSL_CONF": plain.env.get("OPENSSL_CONF")},
        "machine's configuration": machine,
        "identity": dict(identity),
        "compiled": task.compiled is not None,
        "system": (*os.uname(), os.geteuid(), _fips()),
        "peers": (can_tell(), is_ours(NAME, hosts_file())),
    }


def _settings(task: ProbeTask, identity: Mapping[str, Any]) -> Iterator[str]:
    """Give the settings that make an interpreter a virtual environment; raises OSError."""
    for prefix in dict.fromkeys((Path(identity["prefix"]), task.python.parents[1])):
        settings = prefix / "pyvenv.cfg"
        yield read_regular(settings).decode(errors="surrogateescape") if settings.exists() else ""


def _facts(server: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a server in JSON's own types."""
    return {name: sorted(fact) if isinstance(fact, frozenset) else fact for name, fact in server.items()}


def _fips() -> str:
    with contextlib.suppress(OSError):
        return FIPS.read_text(encoding="ascii").strip()
    return ""


def _is_conclusive(result: ProbeResult, catalogue: Catalogue) -> bool:
    """Whether each cell of a visit says something, and nothing disturbed it."""
    disturbed = (result.problem, result.import_errors, result.absent, result.strangers, result.left)
    if any(disturbed) or result.doubts or not result.observations:
        return False
    return all(
        seen.account and seen.control.passed and not judge_cell(seen, catalogue[seen.server]).undecided
        for seen in result.observations
    )


def _stored(seen: Observation) -> StoredCell:
    assert seen.account is not None  # noqa: S101  only conclusive observations are kept
    return StoredCell.of(
        seen,
        client=str(seen.client),
        own_tls=seen.own_tls and OwnTlsDocument.of(seen.own_tls),
        account=AccountDocument.of(seen.account),
        connections=tuple(
            StoredConnection(
                chunks=tuple((chunk.at, chunk.sender, chunk.data) for chunk in capture.chunks),
                faults=tuple(capture.faults),
                notes=tuple(capture.notes),
            )
            for capture in seen.captures
        ),
    )


def _observation(blank: Observation, cell: StoredCell, visit: StoredVisit) -> Observation:
    """Return an observation as it was made, with its date, and where; what passed the wire is read again."""
    captures = tuple(_capture(connection) for connection in cell.connections)
    return replace(
        blank,
        client_version=cell.client_version,
        urllib3=cell.urllib3,
        own_tls=cell.own_tls.to(OwnTls) if cell.own_tls else None,
        remark=cell.remark,
        account=cell.account.to(Account),
        wire=tuple(map(read_capture, captures)),
        captures=captures,
        measured=visit.measured,
        measured_in="" if visit.interpreter == blank.interpreter else visit.interpreter,
    )


def _capture(connection: StoredConnection) -> Capture:
    chunks = [Chunk(at, sender, data) for at, sender, data in connection.chunks]
    return Capture(chunks, list(connection.faults), list(connection.notes))
