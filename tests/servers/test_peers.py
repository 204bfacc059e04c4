"""Whose a connection is: the rule on every kind of answer, and what this system says of real processes."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
from itertools import product
from typing import TYPE_CHECKING

import pytest

from servers import peers
from servers.peers import (
    AFTERWARDS,
    CLOSED,
    Holder,
    admit_family,
    admit_port,
    can_tell,
    family,
    is_ours,
    stranger,
)
from servers.resources import ResourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OURS = 1000
OTHER = 65534

on_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux says whose a connection is: run this there"
)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Let every test find out by itself what this system can tell."""
    peers._way.cache_clear()
    yield
    peers._way.cache_clear()


# The rule ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("holds", list(product([True, False, None], repeat=2)))
@pytest.mark.parametrize("uid", [OURS, OTHER])
def test_who_holds_a_socket(holds: tuple[bool | None, ...], uid: int) -> None:
    """A socket is ours if a process of ours holds it, or might and has our user; else it is a stranger's."""
    who = stranger(Holder(7, uid), OURS, holds)
    if any(holds) or (None in holds and uid == OURS):
        assert who == ""
    else:
        assert who == f"a process of user {uid}"


@pytest.mark.parametrize("holder", [None, Holder(0, OURS)])
def test_a_socket_that_is_closed_is_nobody_s(holder: Holder | None) -> None:
    """What was closed before anybody could look is not ours, even if our processes hold everything."""
    assert stranger(holder, OURS, [True]) == CLOSED


@pytest.mark.parametrize(
    ("root", "members"), [(10, {10, 11, 12, 13}), (11, {11, 12}), (20, {20}), (30, {30, 31})]
)
def test_a_family_is_what_descends(root: int, members: set[int]) -> None:
    """A process, its children and theirs are a family, even if the list of them goes in circles."""
    children = {10: [11, 13], 11: [12], 1: [10, 20], 30: [31], 31: [30]}
    found = list(family(root, lambda pid: children.get(pid, [])))
    assert sorted(found) == sorted(members)


def test_one_port_is_admitted() -> None:
    """Of all ports, only the one that was bound for a connection is let in, and only from its address."""
    admission = admit_port(5000)
    assert admission(("127.0.0.1", 5000), ("127.0.0.1", 1)) == ""
    assert admission(("127.0.0.1", 5001), ("127.0.0.1", 1)) != ""
    assert admission(("127.0.0.2", 5000), ("127.0.0.1", 1)) != ""


@pytest.mark.parametrize(
    ("hosts", "ours"),
    [
        ("127.0.0.1 localhost", True),
        ("::1 ip6 localhost # and more\n127.0.0.1\tlocalhost\n", True),
        ("192.0.2.1 localhost", False),
        ("127.0.0.1 localhost\n192.0.2.1 localhost", False),
        ("127.0.0.2 localhost", False),
        ("# 127.0.0.1 localhost", False),
        ("127.0.0.1 localhost.example", False),
        ("localhost 127.0.0.1", False),
        ("", False),
    ],
)
def test_a_name_is_ours_if_it_leads_nowhere_else(hosts: str, *, ours: bool) -> None:
    """A name may be looked up where each of its addresses is one that a tap holds."""
    assert is_ours("localhost", hosts) is ours


# Real processes ---------------------------------------------------------------------------------------------

MAPPED = "::ffff:"
"""Before an address of IPv4, as a socket of IPv6 knows it."""

HOLD = """
import os, socket, sys
if "user" in sys.argv:
    os.setuid(65534)
connection = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
connection.connect((sys.argv[1], int(sys.argv[2])))
print(connection.getsockname()[1], flush=True)
sys.stdin.read()
"""


class _Stage:
    """A listening socket, and processes that connect to it."""

    def __init__(self, dialled: str) -> None:
        host = dialled.removeprefix(MAPPED)
        kind = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.dialled = dialled
        self.listening = socket.create_server((host, 0), family=kind)
        self.near = self.listening.getsockname()[:2]
        self.started: list[subprocess.Popen[str]] = []

    def connect(self, *more: str, before: tuple[str, ...] = ()) -> tuple[int, tuple[str, int]]:
        """Let a process connect; return its id and its end of the connection."""
        command = [*before, sys.executable, "-I", "-S", "-c", HOLD, self.dialled, str(self.near[1]), *more]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        assert process.stdout
        return process.pid, (self.near[0], int(process.stdout.readline()))

    def close(self) -> None:
        """End all of it."""
        for process in self.started:
            process.kill()
            process.communicate()
        self.listening.close()


@pytest.fixture(params=["127.0.0.1", "::1", f"{MAPPED}127.0.0.1"])
def stage(request: pytest.FixtureRequest) -> Iterator[_Stage]:
    """Listen on loopback, on either family; who connects may do so by a socket of IPv6 that speaks IPv4."""
    try:
        one = _Stage(request.param)
    except OSError:
        pytest.skip(
            f"nothing can listen on {request.param} here: a machine with IPv6 on loopback enables this"
        )
    yield one
    one.close()


def _way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the system only one of its ways to tell."""
    if name == "_look_up":

        def missing(*_: object) -> None:
            raise OSError

        monkeypatch.setattr(peers, "_ask_netlink", missing)
    elif peers._way() is not peers._ask_netlink:
        pytest.skip("this kernel does not answer on netlink: one with tcp_diag enables this")


@on_linux
@pytest.mark.parametrize("way", ["_ask_netlink", "_look_up"])
def test_processes_are_told_apart(stage: _Stage, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process's connection is its own, also if a shell started it, and nobody else's."""
    _way(way, monkeypatch)
    one, far_one = stage.connect()
    other, far_other = stage.connect()
    shell, far_shell = stage.connect(before=("/bin/sh", "-c", '"$@"; true', "sh"))
    for pid, far in ((one, far_one), (other, far_other), (shell, far_shell)):
        assert admit_family(pid)(far, stage.near) == ""
    for pid, far in ((one, far_other), (other, far_one), (one, far_shell), (shell, far_one)):
        assert admit_family(pid)(far, stage.near) == f"a process of user {os.getuid()}"


@on_linux
@pytest.mark.parametrize("way", ["_ask_netlink", "_look_up"])
def test_another_user_is_named(stage: _Stage, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection of another user's process says which user that is."""
    if os.getuid():
        pytest.skip("only root can become another user: run the tests as root to enable this")
    _way(way, monkeypatch)
    _, far = stage.connect("user")
    assert admit_family(os.getpid() + 10**6)(far, stage.near) == f"a process of user {OTHER}"


@on_linux
@pytest.mark.parametrize("way", ["_ask_netlink", "_look_up"])
def test_a_closed_connection_is_nobody_s(stage: _Stage, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection whose process has ended is called closed, and not a stranger's."""
    _way(way, monkeypatch)
    pid, far = stage.connect()
    stage.started[0].communicate("")
    assert admit_family(pid)(far, stage.near) == CLOSED


@on_linux
@pytest.mark.parametrize("way", ["_ask_netlink", "_look_up"])
def test_who_only_asks_for_a_connection_has_none(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that has sent its first segment and got no answer is not the far end of what was accepted."""
    _way(way, monkeypatch)
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # more than may wait, so that the last one gets no answer
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        far = waiting.getsockname()
        assert admit_family(os.getpid())(far, listening.getsockname()) == CLOSED


@on_linux
def test_the_id_of_a_process_that_has_ended(stage: _Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever got the id of a probe that has ended is not let in for it: it began at another time."""
    pid, far = stage.connect()
    began = peers._born(pid)
    assert int(began) > 0
    monkeypatch.setattr(peers, "_born", lambda _: "1")
    admission = admit_family(pid)
    monkeypatch.undo()
    assert admission(far, stage.near) == AFTERWARDS
    assert admit_family(pid)(far, stage.near) == ""
    stage.started[0].communicate("")
    assert peers._born(pid) == ""


@on_linux
def test_a_process_that_connects_itself_is_looked_at_once(
    stage: _Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its children are listed, nor is it asked twice: this is done with each connection of a run."""
    pid, far = stage.connect()
    admission = admit_family(pid)
    assert can_tell()
    looks: list[str] = []

    def noted(name: str) -> Callable[..., object]:
        was = getattr(peers, name)

        def look(*args: object) -> object:
            looks.append(name)
            return was(*args)

        return look

    for name in ("_holder", "_holds", "_born", "children_of"):
        monkeypatch.setattr(peers, name, noted(name))
    assert admission(far, stage.near) == ""
    assert looks == ["_holder", "_holds", "_born"]


@on_linux
def test_the_id_of_a_child_that_ends_while_it_is_looked_at(
    stage: _Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process counts as a child only if it still is one after its files were looked at."""
    pid, far = stage.connect()
    lists = iter([[pid]])
    monkeypatch.setattr(peers, "children_of", lambda one: next(lists, []) if one == os.getpid() else [])
    assert admit_family(os.getpid())(far, stage.near) == f"a process of user {os.getuid()}"


@on_linux
def test_this_system_can_tell() -> None:
    """Linux says whose a connection is."""
    assert can_tell()


@on_linux
@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.ECONNREFUSED, errno.ETIMEDOUT])
def test_loopback_that_nobody_reaches_is_a_sentence(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Where loopback is off or filtered, the run ends in a sentence, and what ran out is still another."""

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("socket.create_connection", fail)
    with pytest.raises(ResourceError, match=r"nothing can connect to 127\.0\.0\.1 here .*switch loopback on"):
        can_tell()
    number = errno.EMFILE
    with pytest.raises(OSError, match="Too many open files"):
        can_tell()


def test_where_nobody_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that answers in neither way is said to be unable to tell."""

    def missing(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(peers, "_ask_netlink", missing)
    monkeypatch.setattr(peers, "_look_up", missing)
    assert not can_tell()
