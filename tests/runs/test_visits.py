"""What a visit observed is used again for as long as nothing that it rests on has changed, and not longer."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.clients import PROBES, RELAXED, ClientKey
from interpreters.places import Place
from reports.verdicts.observations import OwnTls
from runs import visits as visits_module
from runs.probe import ProbeResult, ProbeTask, Stranger
from runs.visits import AGE, INSTRUMENT, RememberedVisits, Visit
from servers.certificates import KeyPair
from servers.conditions import Condition, configuration
from servers.control import Control
from servers.lab import LabServer
from servers.protocols import Sender
from servers.tap import Capture, Chunk
from servers.wire import read_capture
from tests.support.builders import (
    FAILED,
    LOOSE,
    STRICT,
    TLS1_0,
    TLS1_1,
    TLS1_2,
    Obstacle,
    a_catalogue,
    a_server,
    meet,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from servers.catalogue import Server

TICK = 0.02
"""Seconds in which the clock of a file system moves on."""

SERVERS = (a_server("only_1_0", TLS1_0), a_server("max_1_1", TLS1_0, TLS1_1))
CATALOGUE = a_catalogue(*SERVERS)
CLIENTS = (ClientKey("urllib3"), RELAXED)
CAPTURE = Capture([Chunk(1.5, Sender.CLIENT, bytes.fromhex("15030100020246"))], ["a fault"], ["a note"])
"""An alert protocol_version, and what the tap could have noted: RFC 8446 section 6."""


@dataclass
class _World:
    """All that a visit rests on, on a disk."""

    root: Path
    engine: str = "OpenSSL 3.0"
    changes: dict[str, Any] = field(default_factory=dict)
    """What is different in the task."""
    said: dict[str, Any] | None = None
    servers: tuple[Server, ...] = SERVERS

    def __post_init__(self) -> None:
        for name in ("bin", "lib", "usr", "ssl"):
            (self.root / name).mkdir()
        for name in ("bin/python", "lib/urllib3.py", "usr/libssl.so.3", "ssl/openssl.cnf"):
            (self.root / name).write_text("byte 2\n")
        (self.root / "pyvenv.cfg").touch()
        (self.root / "permissive.cnf").write_text(configuration(Condition.PERMISSIVE, TLS1_2))
        for room in INSTRUMENT:
            (self.root / "code" / room).mkdir(parents=True)
            (self.root / "code" / room / "a.py").write_text("byte 2\n")
        self.said = {
            "executable": str(self.python),
            "prefix": str(self.root),
            "base_prefix": str(self.root / "base"),
            "path": [str(self.root / "lib")],
            "start_up": [],
            "ssl": {"directory": str(self.root / "ssl"), "openssl": "OpenSSL 3.0"},
        }
        time.sleep(TICK)

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    @property
    def plain(self) -> ProbeTask:
        """The task as it is under the ambient condition."""
        return replace(ProbeTask("it", self.python, {"PATH": "/bin"}, CLIENTS), **self.changes)

    def visit(self, *, fresh: bool = False) -> Visit | None:
        """Return the visit as a run of its own has it."""
        pair = KeyPair(Path("c"), Path("k"), Path("t"))
        stand = [LabServer(server, ("127.0.0.1", 1), pair) for server in self.servers]
        task = self.plain.under(Condition.PERMISSIVE, self.root / "permissive.cnf", stand)
        visits = RememberedVisits(self.root / "visits", fresh=fresh, code=self.root / "code")
        return visits.of(task, self.plain, self.said, self.engine)

    def known(self, *, fresh: bool = False, later: float = 0.0) -> ProbeResult | None:
        """Return what a later run knows of the visit, whose controls are its own."""
        visit = self.visit(fresh=fresh)
        return replace(visit, began=visit.began + later).recalled(NOW) if visit else None

    def keep(self, **changes: Any) -> Visit:
        """Keep what the visit came to, but for some changes."""
        visit = self.visit()
        assert visit
        visit.keep(replace(self.result(), **changes), CATALOGUE)
        return visit

    def result(self) -> ProbeResult:
        """Return what comes of a visit that lets one client through, and not the other."""
        seen = tuple(
            replace(
                meet(LOOSE if client == RELAXED else STRICT, server),
                interpreter="it",
                client=client,
                condition=Condition.PERMISSIVE,
                own_tls=OwnTls("its own", reads_openssl_conf=True),
                remark="a remark",
                captures=(CAPTURE,),
            )
            for client in CLIENTS
            for server in self.servers
        )
        loaded = (str(self.root / "usr/libssl.so.3"), str(self.root / "lib/urllib3.py"), f"{PROBES}/names.py")
        return ProbeResult({"version": "3.12.1"}, seen, loaded=loaded)


NOW = {server.id: Control(True, "of the later run") for server in SERVERS}


@pytest.fixture
def world(tmp_path: Path) -> _World:
    """Return a visit of which nothing is known yet."""
    (root := tmp_path / "world").mkdir()
    return _World(root)


def test_what_was_observed_comes_back_with_its_date_and_the_controls_of_the_run(world: _World) -> None:
    """They are the same but for these, and for what the wire says, which is read from the bytes anew."""
    assert world.known() is None
    visit = world.keep()
    known = world.known()
    assert known
    assert known.identity == world.result().identity
    date = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(visit.began))
    assert known.observations == tuple(
        replace(seen, measured=date, control=NOW[seen.server], wire=(read_capture(CAPTURE),))
        for seen in world.result().observations
    )
    assert [seen.captures for seen in known.observations] == [(CAPTURE,)] * len(known.observations)


def _copied(world: _World, *own: str) -> _World:
    """Return a copy of an interpreter that loads the same files by other names, but for its `own`."""
    (root := world.root.with_name("copy")).mkdir()
    copy = _World(root, changes={"interpreter": "a copy"})
    (world.root / "visits").mkdir()
    for name in {"lib", "usr", "ssl", "visits", "code"} - {*own}:
        if (root / name).exists():
            shutil.rmtree(root / name)
        (root / name).symlink_to(world.root / name)
    if "bin" not in own:
        copy.python.unlink()
        copy.python.hardlink_to(world.python)
    for each in (world, copy):
        (each.root / "pyvenv.cfg").write_text(f"home = {each.root / 'base' / 'bin'}\n")
    time.sleep(TICK)
    return copy


def test_a_copy_with_the_same_files_is_told_by_what_was_measured_in_the_other(world: _World) -> None:
    """It says whose visit that was, and what the other said of itself, by the names of its own folders."""
    copy = _copied(world)
    paths = [str(world.root), f"{world.root}/lib", f"{world.root}s/lib", f"{world.root}/base/bin"]
    visit = world.keep(identity={"path": paths, "changed": {}, "ssl": {"has": True, "openssl": "3.0"}})
    known = copy.known()
    assert known
    mine = [str(copy.root), f"{copy.root}/lib", f"{world.root}s/lib", f"{copy.root}/base/bin"]
    assert known.identity == {"path": mine, "changed": {}, "ssl": {"has": True, "openssl": "3.0"}}
    date = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(visit.began))
    said = {(seen.interpreter, seen.measured, seen.measured_in) for seen in known.observations}
    assert said == {("a copy", date, "it")}
    again = world.known()
    assert again
    assert again.identity
    assert again.identity["path"] == paths
    assert {seen.measured_in for seen in again.observations} == {""}


@pytest.mark.parametrize("own", ["bin", "lib", "usr"])
def test_a_copy_with_a_file_of_its_own_is_measured(world: _World, own: str) -> None:
    """Even if the file has the same bytes: that is not looked at."""
    copy = _copied(world, own)
    world.keep()
    assert world.known()
    assert copy.known() is None


def test_a_copy_with_other_settings_is_measured(world: _World) -> None:
    """The settings of an environment may differ by where it is, and by nothing else."""
    copy = _copied(world)
    with (copy.root / "pyvenv.cfg").open("a") as file:
        file.write("include-system-site-packages = true\n")
    world.keep()
    assert copy.known() is None


def _byte(path: Path) -> None:
    """Change a byte, and put size and time back."""
    before = path.stat()
    path.write_text(path.read_text().replace("2", "1"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _told(world: _World, **facts: Any) -> None:
    world.said = {**(world.said or {}), **facts}


CHANGES: dict[str, Callable[[_World], object]] = {
    "a byte of libssl": lambda world: _byte(world.root / "usr/libssl.so.3"),
    "no libssl": lambda world: (world.root / "usr/libssl.so.3").unlink(),
    "a byte of a client's module": lambda world: _byte(world.root / "lib/urllib3.py"),
    "a sitecustomize": lambda world: (world.root / "lib/sitecustomize.py").touch(),
    "a byte of the executable": lambda world: _byte(world.python),
    "the environment's settings": lambda world: (world.root / "pyvenv.cfg").write_text("home = /usr\n"),
    "a byte of the condition's file": lambda world: (world.root / "permissive.cnf").write_text("#\n"),
    "a byte of the machine's openssl.cnf": lambda world: _byte(world.root / "ssl/openssl.cnf"),
    **{
        f"a byte of the code in {room}": lambda world, room=room: _byte(world.root / "code" / room / "a.py")  # type: ignore[misc]
        for room in INSTRUMENT
    },
    "a client file more": lambda world: (world.root / "code/probes/b.py").touch(),
    "the engine": lambda world: setattr(world, "engine", "OpenSSL 3.1"),
    "a server's entry": lambda world: setattr(
        world, "servers", (replace(SERVERS[0], retries=1), *SERVERS[1:])
    ),
    "a server less": lambda world: setattr(world, "servers", SERVERS[:1]),
    "a variable": lambda world: world.changes.update(env={"PATH": "/bin", "LANG": "C"}),
    "the user's OPENSSL_CONF": lambda world: world.changes.update(
        env={"PATH": "/bin", "OPENSSL_CONF": "/some.cnf"}
    ),
    "other clients": lambda world: world.changes.update(clients=CLIENTS[1:]),
    "lines in front of a client": lambda world: world.changes.update(snippets={"urllib3": "a = 1"}),
    "another environment": lambda world: world.changes.update(environment="/srv/app"),
    "another library": lambda world: _told(
        world, ssl={"directory": str(world.root / "ssl"), "openssl": "OpenSSL 3.1"}
    ),
    "start-up code": lambda world: _told(world, start_up=["/some.pth"]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_is_measured_again(world: _World, change: Callable[[_World], object]) -> None:
    """Each change by itself makes the visit unknown, which was known before."""
    world.keep()
    assert world.known()
    change(world)
    assert world.known() is None


@pytest.mark.parametrize(("later", "known"), [(AGE - 60, True), (AGE + 1, False), (-3600, False)])
def test_after_a_week_it_is_measured_again(world: _World, later: float, known: bool) -> None:  # noqa: FBT001
    """What was measured long ago, or in the future of a clock that was set back, counts for nothing."""
    world.keep()
    assert bool(world.known(later=later)) is known


def test_who_asks_for_it_has_all_measured_anew(world: _World) -> None:
    """With --fresh nothing is known, and what is measured then is known to the next run."""
    world.keep()
    assert world.known(fresh=True) is None
    assert world.known()


UNKNOWABLE: dict[str, Callable[[_World], object]] = {
    "a variable that leads to libraries": lambda world: world.changes.update(env={"LD_LIBRARY_PATH": "/opt"}),
    "a variable of a running process": lambda world: world.changes.update(env={"OPENSSL_MODULES": "/opt"}),
    "a place": lambda world: world.changes.update(place=Place("exec", "env")),
    "a program": lambda world: world.changes.update(programs={"urllib3": {}}),
    "a client file of the user's": lambda world: world.changes.update(sources={"urllib3": ""}),
    "a zipapp": lambda world: world.changes.update(arguments=("app.pyz", PROBES)),
    "no word of what it is": lambda world: setattr(world, "said", None),
    "no sense in what it says": lambda world: _told(world, path=None),
    "another file that runs": lambda world: _told(world, executable="/usr/bin/python"),
    "a folder without a name": lambda world: _told(world, path=["", str(world.root / "lib")]),
    "a folder behind a link": lambda world: (world.root / "lib/link").symlink_to(world.root),
}


@pytest.mark.parametrize("change", UNKNOWABLE.values(), ids=UNKNOWABLE)
def test_what_cannot_be_told_is_never_remembered(world: _World, change: Callable[[_World], object]) -> None:
    """Where a change could not be seen there is no visit to keep, or to know."""
    assert world.visit()
    change(world)
    assert world.visit() is None


def _others(world: _World, **changes: Any) -> dict[str, Any]:
    """Return the visit's observations, the first of them changed."""
    first, *rest = world.result().observations
    return {"observations": (replace(first, **changes), *rest)}


OPEN: dict[str, Callable[[_World], Mapping[str, Any]]] = {
    "a client without an account": lambda world: _others(world, account=None, missing="it died"),
    "a control that failed": lambda world: _others(world, control=FAILED),
    "a cell that says nothing": lambda _: {
        "observations": (meet(STRICT, SERVERS[0], Obstacle.SILENCE),),
    },
    "nothing": lambda _: {"observations": ()},
    "a problem": lambda _: {"problem": "it was ended"},
    "a client that is not there": lambda _: {"absent": frozenset(CLIENTS)},
    "a client that cannot be had": lambda _: {"import_errors": {CLIENTS[0]: "no"}},
    "a stranger": lambda _: {"strangers": (Stranger("only_1_0", "somebody", 1),)},
    "a process that stayed": lambda _: {"left": ("sleep",)},
    "a doubt": lambda _: {"doubts": ("untold",)},
    "no word of what was loaded": lambda _: {"loaded": None},
    "what was loaded is gone": lambda _: {"loaded": ("/usr/libssl.so.3 (deleted)",)},
    "what was loaded has no whole name": lambda _: {"loaded": ("lib/module.py",)},
}


@pytest.mark.parametrize("left", OPEN.values(), ids=OPEN)
def test_only_what_leaves_nothing_open_is_kept(
    world: _World, left: Callable[[_World], Mapping[str, Any]]
) -> None:
    """A cell that says nothing, or a visit that was disturbed, is measured again."""
    world.keep(**left(world))
    assert world.known() is None


def test_what_changed_while_it_was_visited_is_not_kept(world: _World) -> None:
    """A library that was replaced after the visit began may or may not be the one that was loaded."""
    visit = world.visit()
    assert visit
    time.sleep(TICK)
    _byte(world.root / "usr/libssl.so.3")
    visit.keep(world.result(), CATALOGUE)
    assert world.known() is None


@pytest.mark.parametrize(
    ("changed", "known"),
    [
        ("other/module.py", True),
        ("botocore/client.py", False),
        ("botocore/data/s3.json", False),
        ("other-1.dist-info/RECORD", False),
        ("six.py", False),
    ],
)
def test_of_packages_those_count_that_were_loaded(world: _World, changed: str, *, known: bool) -> None:
    """A byte of a package that was loaded splits a visit from the one before, and one of another does not."""
    packages = world.root / "site-packages"
    files = (
        "other/module.py",
        "botocore/client.py",
        "botocore/data/s3.json",
        "other-1.dist-info/RECORD",
        "six.py",
    )
    for name in files:
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text("byte 2\n")
    _told(world, path=[str(world.root / "lib"), str(packages)])
    time.sleep(TICK)
    loaded = (*(world.result().loaded or ()), str(packages / "botocore/client.py"))
    world.keep(loaded=loaded)
    assert world.known()
    _byte(packages / changed)
    assert (world.known() is not None) is known


def test_what_two_visits_load_is_looked_at_once(world: _World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter and its environment ask for the same folders at once; one of them walks."""
    walked: list[str] = []

    def walk(root: str) -> str:
        walked.append(root)
        time.sleep(TICK)
        return root

    monkeypatch.setattr(visits_module, "tree", walk)
    visits = RememberedVisits(world.root / "visits")
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(visits.tree, [str(world.root)] * 4)) == {str(world.root)}
    assert walked == [str(world.root)]


def test_what_is_no_visit_is_measured_again(world: _World) -> None:
    """A file that is cut short, or no file, is as good as none."""
    world.keep()
    (file,) = (world.root / "visits").iterdir()
    file.write_bytes(file.read_bytes()[:-10])
    assert world.known() is None
    file.unlink()
    file.mkdir()
    assert world.known() is None


def test_a_disk_without_room_costs_nothing_but_time(world: _World) -> None:
    """Where nothing can be kept the visit is measured again."""
    (world.root / "visits").touch()
    world.keep()
    assert world.known() is None


def test_what_is_old_or_too_much_is_removed(world: _World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A week is the end of each, and what was measured first goes first where there is too much."""
    folder = world.root / "visits"
    folder.mkdir()
    for name, days in (("old", 8), ("two", 2), ("one", 1), ("now", 0)):
        (folder / name).write_bytes(b"x" * 10)
        when = time.time() - days * 24 * 3600 - 1
        os.utime(folder / name, (when, when))
    visits = RememberedVisits(folder)
    visits.forget()
    assert {path.name for path in folder.iterdir()} == {"two", "one", "now"}
    monkeypatch.setattr(visits_module, "BYTES_LIMIT", 25)
    visits.forget()
    assert {path.name for path in folder.iterdir()} == {"one", "now"}
    shutil.rmtree(folder)
    visits.forget()


def test_the_tools_own_code_is_read() -> None:
    """By default it is that beside the probes, and the same each time."""
    assert RememberedVisits(Path("none")).code == PROBES.parent
    assert RememberedVisits(Path("none")).instrument == RememberedVisits(Path("none")).instrument


def test_servers_that_are_not_there_are_no_visit(world: _World) -> None:
    """Where a server does not stand there is nothing to know."""
    task = world.plain.under(
        Condition.PERMISSIVE, world.root / "permissive.cnf", [LabServer(SERVERS[0], None, None, "gone")]
    )
    assert RememberedVisits(world.root / "visits").of(task, world.plain, world.said, "OpenSSL") is None
