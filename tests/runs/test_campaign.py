"""A campaign: which guest is visited under which condition, in which environment, and with which servers."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import ssl
import stat
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runs import campaign as campaign_module
from runs.campaign import TELLING, Campaign, FollowUp, Guest, Settings, run_campaign
from runs.visit import PROBES, Visit
from servers import lab as lab_module
from servers.catalogue import Catalogue, Role, read_catalogue
from servers.conditions import Condition, configuration
from servers.engine import EngineError
from servers.progress import counted
from servers.protocols import Protocol
from servers.s_server import find_s_server
from tests.support.limits import HANGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servers.lab import LabServer


REFERENCE = "relaxed"


class _Visits:
    """In place of probes: notes each visit, and what is in the configuration that it was given."""

    def __init__(self) -> None:
        self.commands: list[tuple[str | Path, ...]] = []
        self.environments: list[Mapping[str, str]] = []
        self.configurations: list[str | None] = []
        self.clients: list[tuple[str, ...]] = []
        self.servers: list[list[str]] = []
        self.snippets: list[Mapping[str, str]] = []
        self.programs: list[Mapping[str, object]] = []
        self.now = 0
        self.most = 0

    async def visit(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        clients: Sequence[str],
        stands: Sequence[LabServer],
        snippets: Mapping[str, str],
        programs: Mapping[str, object],
    ) -> Visit:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.commands.append(tuple(command))
        self.environments.append(environment)
        self.configurations.append(_text(environment.get("OPENSSL_CONF")))
        self.clients.append(tuple(clients))
        self.programs.append(programs)
        self.servers.append([stand.server.id for stand in stands])
        self.snippets.append(snippets)
        self.now -= 1
        return Visit(None, {}, {}, ())


def _text(path: str | None) -> str | None:
    """Return what is in a file as long as it is there."""
    return Path(path).read_text() if path and Path(path).exists() else None


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no certificates: where no server can be started nobody needs them, and they take their time."""
    monkeypatch.setattr(lab_module, "issue", lambda _: {})


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch, no_keys: None) -> _Visits:  # noqa: ARG001
    """Put notes in the place of probes."""
    noted = _Visits()
    monkeypatch.setattr(campaign_module, "visit", noted.visit)
    return noted


def _nothing(*_: object) -> tuple[str, ...]:
    return ()


def _guest(name: str = "here", **environment: str) -> Guest:
    return Guest(name, Path(sys.executable), {"PATH": "/bin", **environment}, ("ssl",))


def _settings(folder: Path, *conditions: Condition, openssl: Path | None = None) -> Settings:
    """Settle on the s_server entries, which nobody serves if no openssl is given."""
    (folder / "cache").mkdir(mode=0o700)
    whole = read_catalogue()
    ours = tuple(
        server if openssl else replace(server, engine="nobody")
        for server in whole.servers
        if server.engine == "s_server"
    )
    return Settings(
        catalogue=Catalogue(ours, whole.sha256),
        floor=Protocol.TLSV1_2,
        conditions=conditions,
        cache=folder / "cache",
        environment=os.environ,
        openssl=openssl,
    )


def _run(guests: Sequence[Guest], settings: Settings, follow_up: FollowUp = _nothing) -> Campaign:
    async def limited() -> Campaign:
        async with asyncio.timeout(HANGS):
            return await run_campaign(guests, settings, follow_up, REFERENCE, lambda _: None)

    return asyncio.run(limited())


def test_guest_is_visited_once_under_each_condition(tmp_path: Path, visits: _Visits) -> None:
    """Each condition that was asked for is one visit of our probe, in order, on the whole catalogue."""
    conditions = (Condition.HARDENED, Condition.AMBIENT, Condition.PERMISSIVE)
    settings = _settings(tmp_path, *conditions)
    guest = _guest()
    done = _run([guest], settings)
    assert [(one, condition) for one, condition, _ in done.visits] == [(guest, c) for c in conditions]
    assert visits.commands == [(guest.python, PROBES)] * 3
    assert visits.servers == [[server.id for server in settings.catalogue.servers]] * 3


def test_guest_s_snippets_go_along_on_each_visit(tmp_path: Path, visits: _Visits) -> None:
    """What a guest's clients are to run first is passed on as it is, and nothing where there is none."""
    guests = [replace(_guest("it"), snippets={"ssl": "floor = 1"}), _guest("other")]
    _run(guests, _settings(tmp_path, Condition.AMBIENT))
    assert sorted(visits.snippets, key=str) == [{"ssl": "floor = 1"}, {}]


def test_configuration_is_passed_but_to_the_ambient_condition(tmp_path: Path, visits: _Visits) -> None:
    """Our conditions pass the path of their own file; the ambient one leaves the environment alone."""
    settings = _settings(tmp_path, *Condition)
    guest = _guest(SOME="thing")
    _run([guest], settings)
    seen = dict(zip(Condition, zip(visits.environments, visits.configurations, strict=True), strict=True))
    assert seen[Condition.AMBIENT] == (guest.environment, None)
    for condition in set(Condition) - {Condition.AMBIENT}:
        environment, text = seen[condition]
        assert text == configuration(condition, settings.floor)
        assert {**environment, "OPENSSL_CONF": ""} == {**guest.environment, "OPENSSL_CONF": ""}


def test_guest_s_own_configuration_is_ambient_only(tmp_path: Path, visits: _Visits) -> None:
    """A user's OPENSSL_CONF is part of the ambient condition and of no other."""
    _run([_guest(OPENSSL_CONF="/users.cnf")], _settings(tmp_path, *Condition))
    paths = dict(zip(Condition, (e["OPENSSL_CONF"] for e in visits.environments), strict=True))
    assert [condition for condition, path in paths.items() if path == "/users.cnf"] == [Condition.AMBIENT]


def test_reference_client_comes_along_under_permissive(tmp_path: Path, visits: _Visits) -> None:
    """The reference client is sent under the permissive condition and under no other."""
    _run([_guest()], _settings(tmp_path, *Condition))
    for condition, clients in zip(Condition, visits.clients, strict=True):
        assert (REFERENCE in clients) is (condition is Condition.PERMISSIVE)
        assert "ssl" in clients


@pytest.mark.parametrize("needed", [TELLING, TELLING[:1]])
def test_follow_up_is_one_visit_under_each_telling_condition(
    tmp_path: Path, visits: _Visits, needed: tuple[Condition, ...]
) -> None:
    """The named clients go again, with the reference if permissive, to one old server of each kind."""
    asked: list[tuple[Condition, tuple[Condition, ...]]] = []

    def follow_up(
        condition: Condition, guest: Guest, seen: Mapping[Condition, Visit], controls: Mapping[str, object]
    ) -> tuple[str, ...]:
        assert (guest.id, set(controls)) == ("here", {server.id for server in settings.catalogue.servers})
        asked.append((condition, tuple(seen)))
        return ("ssl",) if condition in needed else ()

    settings = _settings(tmp_path, Condition.AMBIENT)
    guest = _guest()
    done = _run([guest], settings, follow_up)
    assert asked == [
        (Condition.PERMISSIVE, (Condition.AMBIENT,)),
        (Condition.EMPTY, (Condition.AMBIENT, Condition.PERMISSIVE)),
    ]
    assert [condition for _, condition, _ in done.visits] == [Condition.AMBIENT, *needed]
    assert set(visits.clients[1]) == {"ssl", REFERENCE}
    assert visits.clients[2:] == [("ssl",)] * (len(needed) - 1)
    assert visits.configurations[1:] == [configuration(condition, settings.floor) for condition in needed]
    assert visits.servers[2:] == visits.servers[1:2] * (len(needed) - 1)
    below = [s for s in settings.catalogue.servers if s.role is Role.LADDER and s.only_below(settings.floor)]
    chosen = [settings.catalogue[name] for name in visits.servers[1]]
    assert set(chosen) <= set(below)
    kinds = [(server.key_exchange, server.certificate) for server in chosen]
    assert sorted(kinds) == sorted({(server.key_exchange, server.certificate) for server in below})
    for server in chosen:
        rivals = [
            s for s in below if (s.key_exchange, s.certificate) == (server.key_exchange, server.certificate)
        ]
        assert len(server.protocols) == max(len(rival.protocols) for rival in rivals)


@pytest.mark.parametrize("wanted", [(), ("ssl",)])
def test_no_follow_up_where_it_was_asked_for(
    tmp_path: Path, visits: _Visits, wanted: tuple[str, ...]
) -> None:
    """What was visited under a telling condition, or gives no reason to, is not visited again."""
    conditions = TELLING if wanted else (Condition.AMBIENT,)
    _run([_guest()], _settings(tmp_path, *conditions), lambda *_: wanted)
    assert len(visits.commands) == len(conditions)


ROOMS = (("ssl", "botocore"), ("requests",), ("awscrt",))


def _rooms() -> list[Guest]:
    """Return one interpreter in three environments."""
    return [Guest("here", Path(f"/venv{n}/python"), {}, clients) for n, clients in enumerate(ROOMS)]


def _sent(visits: _Visits) -> list[tuple[str, tuple[str, ...]]]:
    """Return which clients were sent where, in order."""
    return [(str(command[0]), who) for command, who in zip(visits.commands, visits.clients, strict=True)]


def test_each_environment_is_visited_and_the_reference_goes_once(tmp_path: Path, visits: _Visits) -> None:
    """Under each condition each environment is one visit, and the reference is on one of them."""
    rooms = _rooms()
    done = _run(rooms, _settings(tmp_path, Condition.AMBIENT, Condition.PERMISSIVE))
    plain = [(str(room.python), room.clients) for room in rooms]
    first, *others = plain
    assert _sent(visits) == [*plain, (first[0], (*first[1], REFERENCE)), *others]
    assert [(guest, condition) for guest, condition, _ in done.visits] == [
        (room, condition) for condition in (Condition.AMBIENT, Condition.PERMISSIVE) for room in rooms
    ]


@pytest.mark.parametrize("again", [(), (0,), (1,), (1, 2), (0, 1, 2)])
def test_follow_up_is_asked_for_each_environment(
    tmp_path: Path, visits: _Visits, again: tuple[int, ...]
) -> None:
    """Only environments that the rule names clients of are visited again; the reference goes to the first."""
    rooms = _rooms()

    def follow_up(condition: Condition, guest: Guest, *_: object) -> tuple[str, ...]:
        return guest.clients[:1] if condition is Condition.PERMISSIVE and rooms.index(guest) in again else ()

    _run(rooms, _settings(tmp_path, Condition.AMBIENT), follow_up)
    home = [(str(rooms[0].python), (*rooms[0].clients[: int(0 in again)], REFERENCE))] if again else []
    others = [(str(rooms[n].python), rooms[n].clients[:1]) for n in again if n]
    assert _sent(visits)[len(rooms) :] == [*home, *others]


@pytest.mark.parametrize("relaxed", [True, False])
def test_a_program_brings_its_own_reference_or_none(
    tmp_path: Path,
    visits: _Visits,
    relaxed: bool,  # noqa: FBT001
) -> None:
    """A program's probe is told how to run it; its own reference goes along if there is one."""
    how = {"tool": {"path": "/tool"}} | ({REFERENCE: {"path": "/tool"}} if relaxed else {})
    guest = Guest("program_tool", Path(sys.executable), {}, ("tool",), programs=how)
    extra = (REFERENCE,) if relaxed else ()
    _run([guest], _settings(tmp_path, Condition.AMBIENT), lambda *_: ("tool",))
    assert visits.clients == [("tool",), ("tool", *extra), ("tool",)]
    assert visits.programs == [how, how, how]


def test_no_more_guests_at_a_time_than_planned(
    tmp_path: Path, visits: _Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guests are visited side by side: one for each processor, and those that wait beside them."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    guests = [_guest(f"guest{number}") for number in range(2 + campaign_module.WAITING + 3)]
    done = _run(guests, _settings(tmp_path, Condition.AMBIENT))
    assert visits.most == 2 + campaign_module.WAITING
    assert [guest for guest, _, _ in done.visits] == guests


def test_servers_that_do_not_stand_are_visited_all_the_same(tmp_path: Path, visits: _Visits) -> None:
    """Where some servers cannot be had a campaign ends well: their controls failed, and visits are there."""
    settings = _settings(tmp_path, Condition.AMBIENT)
    done = _run([_guest()], settings)
    assert set(done.controls) == {server.id for server in settings.catalogue.servers}
    assert not any(control.passed for control in done.controls.values())
    assert all("nobody" in control.reason for control in done.controls.values())
    assert len(visits.commands) == 1


@pytest.mark.parametrize("program", [None, "#!/bin/sh\necho LibreSSL 3.3.6\n"])
def test_an_openssl_that_serves_nothing_ends_a_campaign(
    tmp_path: Path, visits: _Visits, program: str | None
) -> None:
    """Without an openssl that serves, nobody is visited, and the error names what was given."""
    given = tmp_path / "openssl"
    if program:
        given.write_text(program)
        given.chmod(0o700)
    with pytest.raises(EngineError, match=re.escape(str(given))):
        _run([_guest()], _settings(tmp_path, Condition.AMBIENT, openssl=given))
    assert visits.commands == []
    assert not list((tmp_path / "cache").glob("run-*"))


def test_a_visit_that_cannot_be_made_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a visit ends in an error of the system, its cells have the reason and the others are visited."""
    real = _Visits()

    async def visit(command: Sequence[Path], *words: Any, **more: Any) -> Visit:
        if command[0] == Path("/second"):
            raise OSError(errno.EMFILE, "Too many open files")
        return await real.visit(command, *words, **more)

    monkeypatch.setattr(lab_module, "issue", lambda _: {})
    monkeypatch.setattr(campaign_module, "visit", visit)
    settings = _settings(tmp_path, Condition.AMBIENT)
    guests = [_guest("first"), replace(_guest("second"), python=Path("/second")), _guest("third")]
    done = _run(guests, settings)
    assert [guest.id for guest, _, _ in done.visits] == ["first", "second", "third"]
    cells = done.visits[1][2].cells
    assert len(cells) == len(settings.catalogue.servers)
    assert all(cell.account is None and "open no more files" in cell.missing for cell in cells)


def test_fewer_visits_at_once_where_files_would_run_out(
    tmp_path: Path, visits: _Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few open files fewer guests are visited at a time, all are, and one line says so."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    lines: list[str] = []
    monkeypatch.setattr(campaign_module, "visits_at_once", lambda wanted, *_: (2, f"2 instead of {wanted}"))
    settings = _settings(tmp_path, Condition.AMBIENT)
    guests = [_guest(f"guest{number}") for number in range(6)]
    asyncio.run(run_campaign(guests, settings, _nothing, REFERENCE, lines.append))
    assert (visits.most, len(visits.commands)) == (2, 6)
    assert "2 instead of 10" in lines[0]


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize("fails", [False, True])
def test_keys_of_the_run_are_gone_with_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails: bool,  # noqa: FBT001
) -> None:
    """The run's folder is ours alone while it lasts, and is not there afterwards, whatever happened."""
    settings = _settings(tmp_path, Condition.AMBIENT)
    seen: list[Path] = []

    async def look(*_: object, **__: object) -> Visit:
        seen.extend(settings.cache.glob("run-*"))
        assert stat.S_IMODE(seen[0].stat().st_mode) == stat.S_IRWXU
        if fails:
            raise ZeroDivisionError
        return Visit(None, {}, {}, ())

    monkeypatch.setattr(campaign_module, "visit", look)
    if fails:
        with pytest.raises((ZeroDivisionError, ExceptionGroup)):
            _run([_guest()], settings)
    else:
        _run([_guest()], settings)
    assert len(seen) == 1
    assert not list(settings.cache.glob("run-*"))


def test_progress_counts_the_interpreters(tmp_path: Path, visits: _Visits) -> None:
    """After each interpreter one line says how many of how many are measured, and with which clients."""
    lines: list[str] = []
    settings = _settings(tmp_path, *Condition)
    guests = [_guest("one"), _guest("other"), replace(_guest("other"), clients=("botocore",))]
    asyncio.run(run_campaign(guests, settings, _nothing, REFERENCE, lines.append))
    assert len(visits.commands) == len(guests) * len(Condition)
    assert sorted(line.partition(": ")[0] for line in lines) == ["measured 1 of 2", "measured 2 of 2"]
    assert sorted(line.partition(": ")[2] for line in lines) == [
        "one (ssl): 0 cells",
        "other (ssl, botocore): 0 cells",
    ]


@pytest.mark.usefixtures("no_keys")
def test_a_slow_visit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing is done for long, the line that says so names the interpreter, clients and condition."""
    lines: list[str] = []
    settings = _settings(tmp_path, Condition.AMBIENT)
    spoken = threading.Event()

    def say(line: str) -> None:
        lines.append(line)
        spoken.set()

    async def slow(*_: object, **__: object) -> Visit:
        await asyncio.to_thread(spoken.wait, HANGS)
        return Visit(None, {}, {}, ())

    monkeypatch.setattr(campaign_module, "visit", slow)
    monkeypatch.setattr(campaign_module, "counted", partial(counted, patience=0.05))

    async def test() -> None:
        async with asyncio.timeout(HANGS):
            await run_campaign([_guest("it")], settings, _nothing, REFERENCE, say)

    asyncio.run(test())
    assert lines[0] == "0 of 1 done, waiting for it (ssl) under ambient (for 0 s)"


def test_no_progress_is_made_without_a_client(tmp_path: Path, visits: _Visits) -> None:
    """An interpreter that only says what it is has a visit, and no line about it."""
    lines: list[str] = []
    settings = _settings(tmp_path, Condition.AMBIENT)
    guest = replace(_guest("it"), clients=())
    asyncio.run(run_campaign([guest], settings, _nothing, REFERENCE, lines.append))
    assert (visits.clients, lines) == ([()], [])


@pytest.mark.e2e
def test_real_guest_under_each_condition(tmp_path: Path) -> None:
    """This interpreter's ssl connects from the floor up when hardened, the relaxed client to all it has."""
    try:
        openssl = find_s_server(None, tmp_path, os.environ).openssl
    except EngineError as error:
        pytest.skip(str(error))
    settings = _settings(tmp_path, *Condition, openssl=openssl)
    names = ("tls1_2", "tls1_3", "tls1_0_rsa", "tls1_1_rsa")
    chosen = tuple(settings.catalogue[name] for name in names)
    settings = replace(settings, catalogue=Catalogue(chosen, ""))
    guest = Guest("here", Path(sys.executable), {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, ("ssl",))
    done = _run([guest], settings)
    assert all(control.passed for control in done.controls.values()), done.controls
    assert [condition for _, condition, _ in done.visits] == list(Condition)
    for _, condition, seen in done.visits:
        for cell in seen.cells:
            assert cell.account is not None, cell.missing
            (protocol,) = settings.catalogue[cell.server].protocols
            connected = cell.account.outcome == "connected"
            if connected:
                assert cell.account.version == protocol
                assert cell.wire[0].server_version is protocol
            if cell.client == REFERENCE:
                assert connected is getattr(ssl, f"HAS_{protocol.name}".replace("TLSV", "TLSv"))
            elif condition is Condition.HARDENED or not protocol.below(settings.floor):
                assert connected is not protocol.below(settings.floor)
