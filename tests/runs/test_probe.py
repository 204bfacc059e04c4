"""A probe: both witnesses of every cell, and a true reason for each cell that a probe did not account for."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from interpreters.clients import PROBES, ClientKey
from interpreters.offspring import offspring_ended
from interpreters.places import LOCAL, Place
from interpreters.places import MARK as REACH_MARK
from reports.verdicts.observations import Observation, OwnTls
from runs import probe as probe_module
from runs.probe import (
    ASKED,
    LOOKS_APART,
    MARK,
    NAME_LIMIT,
    TEXT_LIMIT,
    LastWord,
    Probe,
    ProbeResult,
    ProbeTask,
    Stranger,
    not_probed,
    stranger_sentences,
)
from servers.catalogue import Certificate, KeyExchange, Server
from servers.certificates import KeyPair
from servers.conditions import Condition
from servers.engine import EngineError
from servers.lab import LabServer
from servers.peers import CLOSED, admit_family, can_tell
from servers.protocols import LADDER, Protocol, Sender
from servers.s_server import find_s_server
from servers.tap import Tap
from tests.support.builders import FAILED, PASSED, by_key, keys
from tests.support.limits import HANGS
from tests.support.processes import alive, read_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


SILENCE = 0.5
"""Seconds of silence that a test waits for; the scripts that fall silent are shell's, which start at once."""

PAIR = KeyPair(Path("some.pem"), Path("some.key"), Path("trust.pem"))

PRELUDE = f"""
import json, os, signal, socket, sys
def say(**record):
    print({MARK!r} + json.dumps(record), flush=True)
question = json.loads(sys.stdin.readline())
say(kind="identity", identity=None, lacking={{}})
plan = json.loads(sys.stdin.readline())
cells = plan["cells"]
def account(cell, **changes):
    say(kind="begin", client=cell["client"], server=cell["server"])
    told = dict(outcome="connected", version="TLSv1.3", cipher="C", seconds=0.1)
    told.update(error_class=None, error_text=None)
    say(kind="account", client=cell["client"], server=cell["server"], account=dict(told, **changes))
def touch(cell, data):
    with socket.create_connection(("127.0.0.1", cell["port"]), 5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
"""
"""How a fake probe begins: it lacks nothing, reads the plan, and has functions to talk as a probe does."""


@pytest.fixture
def nobody() -> Iterator[tuple[str, int]]:
    """Hold an address on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()


def _stand(name: str, address: tuple[str, int] | None, problem: str = "") -> LabServer:
    server = Server(name, "why", frozenset({Protocol.TLSV1_2}), KeyExchange.ANY, Certificate.RSA)
    return LabServer(server, address, PAIR if address else None, problem)


CONTROLS = {"one": PASSED, "two": FAILED}
"""How the controls of some servers came out; those of the others passed."""


def _task(
    command: Sequence[str | Path], servers: Sequence[LabServer], *clients: str, **more: Any
) -> ProbeTask:
    python, *arguments = command
    facts = {"interpreter": "here", "env": {}, "clients": keys(clients), **more}
    return ProbeTask(python=Path(python), arguments=tuple(arguments), servers=tuple(servers), **facts)


async def _probed(task: ProbeTask, silence_limit: float = HANGS) -> ProbeResult:
    async with asyncio.timeout(HANGS):
        probe = Probe(task, silence_limit=silence_limit)
        await probe.run()
    return probe.result({server.server.id: PASSED for server in task.servers} | CONTROLS)


def _probe(
    command: Sequence[str | Path],
    servers: Sequence[LabServer],
    clients: Sequence[str] = ("a",),
    silence_limit: float = HANGS,
    **more: Any,
) -> ProbeResult:
    return asyncio.run(_probed(_task(command, servers, *clients, **more), silence_limit))


def _python(folder: Path, script: str) -> tuple[str | Path, ...]:
    path = folder / "probe.py"
    path.write_text(PRELUDE + script)
    return sys.executable, "-I", "-S", path


def _shell(folder: Path, script: str) -> tuple[str | Path, ...]:
    path = folder / "probe.sh"
    path.write_text(script)
    return "/bin/sh", path


def _assert_missing(cell: Observation, *words: str) -> None:
    assert cell.account is None
    for word in words:
        assert word in cell.missing, cell.missing


def test_a_probe_is_told_how_to_run_a_program(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """In the plan, a client that is a program has the way to run it, and any other has none."""
    script = """
say(kind="identity", identity=plan)
say(kind="end")
"""
    how = {"path": "/tool", "words": ["{program}"]}

    command = _python(tmp_path, script)
    seen = _probe(command, [_stand("one", nobody)], ("a", "tool"), programs={"tool": how})
    assert seen.identity is not None
    assert [cell["program"] for cell in seen.identity["cells"]] == [None, how]


@pytest.mark.parametrize("place", [LOCAL, Place("exec", "env", ("env",), passes=("PATH",))], ids=str)
@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("export OPENSSL_CONF=/w/floor.cnf", ""),
        (f"export OPENSSL_CONF=/w/floor.cnf; unset {ASKED}", "OPENSSL_CONF=/w/floor.cnf"),
        ("unset OPENSSL_CONF", ""),
        (f"unset OPENSSL_CONF {ASKED}", "OPENSSL_CONF=,"),
    ],
)
def test_a_condition_is_not_told_from_another_configuration(
    tmp_path: Path, nobody: tuple[str, int], lines: str, named: str, place: Place
) -> None:
    """Here and in a place a wrapper's OPENSSL_CONF gives way to the condition's, or nothing is observed."""
    (conf := tmp_path / "permissive.cnf").touch()
    wrapper = tmp_path / "python3"
    wrapper.write_text(f'#!/bin/sh\n{lines}\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    server = replace(_stand("one", nobody), pair=replace(PAIR, trust=conf))
    seen = _probe(
        (wrapper, PROBES), [server], ("ssl",), condition=Condition.PERMISSIVE, place=place,
        env={"OPENSSL_CONF": str(conf), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    (cell,) = seen.observations
    assert named in seen.problem
    assert bool(seen.problem) is bool(named)
    assert (cell.account is None) is bool(named), cell.missing


def test_what_a_place_says_in_the_near_ends_words_ends_no_run() -> None:
    """A line that only looks like the near end's is not heard, and one without sense is last words."""
    probe = Probe(replace(_task(["python"], []), place=Place("exec", "env", ("env",))))
    for line in (
        f' {REACH_MARK}{{"kind": "doubt", "what": "forged"}}\n',
        f"\r{REACH_MARK}[]\n",
        f"{REACH_MARK}[]\n",
        f'{REACH_MARK}{{"kind": "stranger"}}\n',
        f"{REACH_MARK}nonsense\n",
    ):
        probe._take(line)
    assert probe.result({}).doubts == ()
    probe._take(f'{REACH_MARK}{{"kind": "doubt", "what": "untold"}}\n')
    assert probe.result({}).doubts == ("untold",)


def test_a_place_may_be_silent_for_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that is slow to begin is given up here, and waited for in a place, which may compile first."""
    (slow := tmp_path / "python").write_text(f'#!/bin/sh\nsleep 1.5\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setattr(probe_module, "SILENCE_LIMIT", 0.5)
    here = _task([slow, PROBES], [])
    there = replace(here, place=Place("exec", "env", ("env",), passes=("PATH",)))
    problems = []
    for task in (here, there):
        probe = Probe(task)
        asyncio.run(probe.run())
        problems.append(probe.result({}).problem)
    assert "said nothing for 0.5 s" in problems[0]
    assert problems[1] == ""


def test_an_attempt_in_a_place_has_longer_than_one_here() -> None:
    """What a client may wait for a socket is what the plan says, and more where a channel is between."""
    here = _task(["python"], [])
    there = replace(here, place=Place("exec", "env", ("env",)))
    assert [Probe(task)._attempt_limit for task in (here, there)] == [5.0, 15.0]
    assert [Probe(task, attempt_limit=1)._attempt_limit for task in (here, there)] == [1, 1]


def test_strangers_are_told_once_for_each_server() -> None:
    """Who else connected is added up over all probes, with how often and who; of nobody nothing is told."""
    seen = [Stranger("one", "a process of user 7", 2), Stranger("two", "x", 1), Stranger("one", "y", 3)]
    one, two = stranger_sentences(seen)
    assert one.startswith("Somebody else connected to the server of one (5 times) (a process of user 7, y);")
    assert two.startswith("Somebody else connected to the server of two (once) (x);")
    assert stranger_sentences([]) == ()


def test_who_closed_at_once_is_not_called_somebody_else() -> None:
    """A connection that was closed before anybody could look may be the client's own, and is told so."""
    seen = [Stranger("one", CLOSED, 2), Stranger("two", CLOSED, 1), Stranger("two", "x", 3)]
    other, closed = stranger_sentences(seen)
    assert other.startswith("Somebody else connected to the server of two (3 times) (x);")
    assert closed.startswith(
        "Nobody can tell who connected to the servers of one (2 times), two (once) and closed at once:"
    )


def test_another_process_is_a_stranger(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """A connection of a process that the probe did not start is in no cell, and is counted with its user."""
    if not can_tell():
        pytest.skip("this system does not say whose a connection is: Linux enables this")
    ready, go_on = tmp_path / "port", tmp_path / "go"
    os.mkfifo(ready)
    os.mkfifo(go_on)
    script = f"""
open({str(ready)!r}, "w").write(str(cells[0]["port"]))
open({str(go_on)!r}).read()
account(cells[0])
say(kind="end")
"""

    def meddle() -> None:
        port = int(ready.read_text())
        with socket.create_connection(("127.0.0.1", port)) as connection, contextlib.suppress(OSError):
            connection.sendall(b"GET / HTTP/1.0")
            connection.recv(1)
        go_on.write_text("on")

    thread = threading.Thread(target=meddle)
    thread.start()
    seen = _probe(_python(tmp_path, script), [_stand("one", nobody)])
    thread.join()
    assert seen.observations[0].wire == ()
    assert seen.strangers == (Stranger("one", f"a process of user {os.getuid()}", 1),)


def test_after_its_end_a_probe_lets_nobody_in(
    tmp_path: Path, nobody: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While connections come to their end, its id may be anybody's, and who has it is turned away."""
    if not can_tell():
        pytest.skip("this system does not say whose a connection is: Linux enables this")
    monkeypatch.setattr(
        probe_module, "admit_family", lambda _: admit_family(os.getpid())
    )  # ours and the probe's
    ready = tmp_path / "port"
    os.mkfifo(ready)
    # What is sent begins a record, for the rest of which the tap waits.
    script = f"""
import os, time
account(cells[0])
kept = socket.create_connection(("127.0.0.1", cells[0]["port"]))
kept.send(b"\\x16")
if os.fork() == 0:
    os.setsid()
    time.sleep(3)
    os._exit(0)
time.sleep(0.5)  # until the connection is let in, and the child has left the group that is ended
open({str(ready)!r}, "w").write("%d %d" % (cells[0]["port"], os.getpid()))
say(kind="end")
"""

    def come_late() -> None:
        port, probe = map(int, ready.read_text().split())
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(probe, 0)
                time.sleep(0.01)
        # Its end is known to whoever waited for it, and in a moment to whom that is to be said.
        time.sleep(0.1)
        with socket.create_connection(("127.0.0.1", port)) as connection, contextlib.suppress(OSError):
            connection.recv(1)

    thread = threading.Thread(target=come_late)
    thread.start()
    seen = _probe(_python(tmp_path, script), [_stand("one", nobody)])
    thread.join()
    assert [capture.stream(Sender.CLIENT) for capture in seen.observations[0].captures] == [b"\x16"]
    assert Stranger("one", "a process that the probe did not start", 1) in seen.strangers


# Probes that keep to the rules ----------------------------------------------------------------------------


def test_probe_gets_its_plan_and_its_accounts_arrive(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """A probe is told each client and server with a port of their own, and what it tells is in the cells."""
    script = """
say(kind="identity", identity=plan)
tls = dict(name="s2n", reads_openssl_conf=False)
say(kind="client", client="a", version="1.0", urllib3="2.8.0", tls=tls)
say(kind="client", client="b", version=None, error_class="ImportError", error_text="no b")
for cell in cells:
    if cell["client"] == "a":
        account(cell, version=cell["server"], note="it is a")
say(kind="end")
"""
    stands = [_stand("one", nobody), _stand("two", nobody)]
    seen = _probe(_python(tmp_path, script), stands, ("a", "b"))
    assert seen.identity is not None
    asked = seen.identity["cells"]
    pairs = [("a", "one"), ("a", "two"), ("b", "one"), ("b", "two")]
    assert [(cell["client"], cell["server"]) for cell in asked] == pairs
    assert len({cell["port"] for cell in asked}) == len(pairs)
    assert {cell["cafile"] for cell in asked} == {str(PAIR.trust)}
    assert {(cell["host"], cell["address"], cell["name"]) for cell in asked} == {
        ("127.0.0.1", "127.0.0.1", "localhost")
    }
    assert seen.identity["timeout"] > 0
    assert seen.identity["snippets"] == {}
    own_tls = OwnTls("s2n", reads_openssl_conf=False)
    facts = {(str(cell.client), cell.client_version, cell.own_tls) for cell in seen.observations}
    assert facts == {("a", "1.0", own_tls), ("b", "", None)}
    assert (seen.import_errors, seen.absent) == (by_key({"b": "ImportError: no b"}), frozenset())
    assert [(str(cell.client), cell.server) for cell in seen.observations] == pairs
    for cell in seen.observations[:2]:
        assert cell.account is not None
        assert (cell.account.version, cell.account.note) == (cell.server, "it is a")
        assert cell.missing == ""
    for cell in seen.observations[2:]:
        _assert_missing(cell, "ImportError: no b")


NEEDS = {"a": ("a_module", "b_module"), "b": ("b_module",)}
"""The modules of two clients; a third has none of its own."""

ANSWERS = f"""
import json, sys
question = json.loads(sys.stdin.readline())
def say(**record):
    print({MARK!r} + json.dumps(record), flush=True)
"""
"""How a fake probe begins that answers by itself: it reads the question."""

GETS_THE_PLAN = """
plan = json.loads(sys.stdin.readline())
say(kind="identity", identity=dict(question=question, plan=plan))
say(kind="end")
"""
"""How it goes on: it tells what it was asked and told."""


def _answered(
    folder: Path, nobody: tuple[str, int], script: str, environment: str = "/srv/app", **more: Any
) -> ProbeResult:
    """Return what came of a probe of three clients, of which two need modules, by such a script."""
    path = folder / "probe.py"
    path.write_text(ANSWERS + script)
    command = (sys.executable, "-I", "-S", path)
    clients = ("a@b-1+c", "b", "plain")
    return _probe(command, [_stand("one", nobody)], clients, environment=environment, modules=NEEDS, **more)


@pytest.mark.parametrize("environment", ["made", "/srv/app"])
def test_only_what_is_installed_is_in_the_plan(
    tmp_path: Path, nobody: tuple[str, int], environment: str
) -> None:
    """A client that is said to lack a module gets no cell; where it was to be installed it has the reason."""
    script = 'say(kind="identity", identity=None, lacking={"a@b-1+c": "b_module"})' + GETS_THE_PLAN
    seen = _answered(tmp_path, nobody, script, environment)
    assert seen.identity is not None
    asked = {"a@b-1+c": ["a_module", "b_module"], "b": ["b_module"], "plain": []}
    assert seen.identity["question"] == {"modules": asked}
    assert [cell["client"] for cell in seen.identity["plan"]["cells"]] == ["b", "plain"]
    assert (seen.absent, seen.problem) == (frozenset(keys(["a@b-1+c"])), "")
    observed = [str(cell.client) for cell in seen.observations]
    assert observed == (["a@b-1+c", "b", "plain"] if environment == "made" else ["b", "plain"])
    assert seen.import_errors == by_key({"a@b-1+c": "there is no module 'b_module'"})
    for cell in seen.observations:
        lacks = "there is no module 'b_module'"
        assert cell.missing == (lacks if str(cell.client) == "a@b-1+c" else "the probe passed it over")


@pytest.mark.parametrize(
    "lacking",
    [
        {"plain": "plain"},
        {"plain": ""},
        {"plain": None},
        {"b": "a_module"},
        {"b": ["b_module"]},
        {"z": "b_module"},
    ],
    ids=str,
)
def test_a_probe_cannot_talk_a_client_away(
    tmp_path: Path, nobody: tuple[str, int], lacking: dict[str, object]
) -> None:
    """Only the lack of a module that the client needs counts, and only of a client that was asked about."""
    seen = _answered(
        tmp_path, nobody, f'say(kind="identity", identity=None, lacking={lacking!r})' + GETS_THE_PLAN
    )
    assert seen.identity is not None
    assert [cell["client"] for cell in seen.identity["plan"]["cells"]] == ["a@b-1+c", "b", "plain"]
    assert (seen.absent, seen.import_errors) == (frozenset(), {})


def test_only_the_first_answer_counts(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """What is said to be lacking after the plan was sent makes nothing absent that has cells."""
    script = """
say(kind="identity", identity=None, lacking={})
plan = json.loads(sys.stdin.readline())
say(kind="identity", identity=None, lacking={"b": "b_module"})
say(kind="client", client="z", version=None, error_class="E", error_text="who is z")
say(kind="end")
"""
    seen = _answered(tmp_path, nobody, script)
    assert [str(cell.client) for cell in seen.observations] == ["a@b-1+c", "b", "plain"]
    assert (seen.absent, seen.import_errors) == (frozenset(), {})


@pytest.mark.parametrize(
    "answer",
    [
        'say(kind="identity", identity=None)',
        'say(kind="identity", identity=None, lacking=None)',
        'say(kind="identity", identity=None, lacking=7)',
        'say(kind="begin", client="b", server="one")',
        "print('hello')",
    ],
)
@pytest.mark.parametrize("environment", ["made", "/srv/app"])
def test_a_probe_that_gives_no_answer_is_ended(
    tmp_path: Path, nobody: tuple[str, int], answer: str, environment: str
) -> None:
    """Without an answer there is no plan: all cells have the reason that are known to be there."""
    script = f"{answer}\nsys.stdin.readline()\nraise SystemExit('it got a plan')"
    seen = _answered(tmp_path, nobody, script, environment, silence_limit=2)
    assert "said nothing for 2 s" in seen.problem
    made = environment == "made"
    names = ["a@b-1+c", "b", "plain"] if made else ["plain"]
    assert [str(cell.client) for cell in seen.observations] == names
    assert seen.absent == frozenset() if made else {"a@b-1+c", "b"}
    for cell in seen.observations:
        _assert_missing(cell, "said nothing for 2 s")


def test_no_port_is_opened_for_what_is_not_installed(
    tmp_path: Path, nobody: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ports are opened when the answer is there, one for each client that is, and no other."""
    opened: list[int] = []

    class CountedTap(Tap):
        async def __aenter__(self) -> Self:
            await super().__aenter__()
            opened.append(self.port)
            return self

    monkeypatch.setattr(probe_module, "Tap", CountedTap)
    _answered(tmp_path, nobody, 'say(kind="identity", identity=None, lacking={})\nsys.exit(3)')
    assert len(opened) == 3
    opened.clear()
    lacking = {"a@b-1+c": "a_module", "b": "b_module"}
    _answered(tmp_path, nobody, f'say(kind="identity", identity=None, lacking={lacking!r})' + GETS_THE_PLAN)
    assert len(opened) == 1
    opened.clear()
    _answered(tmp_path, nobody, "sys.exit(3)")
    assert opened == []


def test_where_no_port_can_be_had_the_campaign_is_told(
    tmp_path: Path, nobody: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That this machine has no more ports or files is no fault of the interpreter, and no such reason."""

    class NoTap(Tap):
        async def __aenter__(self) -> Self:
            raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(probe_module, "Tap", NoTap)
    with pytest.raises(OSError, match="too many open files"):
        _answered(tmp_path, nobody, 'say(kind="identity", identity=None, lacking={})' + GETS_THE_PLAN)


def test_what_could_not_be_probed_has_its_reason(nobody: tuple[str, int]) -> None:
    """Where no probe was made, made environments have all cells, and found ones what is surely there."""
    clients, servers = ("a", "b", "plain"), [_stand("one", nobody)]
    for environment, names in (("made", clients), ("/srv/app", ("plain",))):
        task = _task(["/python"], servers, *clients, environment=environment, modules=NEEDS)
        seen = not_probed(task, "no more files", {"one": PASSED})
        assert tuple(str(cell.client) for cell in seen.observations) == names
        assert {cell.missing for cell in seen.observations} == {seen.problem} == {"no more files"}
        assert seen.absent == {*keys(clients)} - {*keys(names)}


def test_each_observation_says_what_it_is_of(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """An observation carries its task's interpreter, environment and condition, and its server's control."""
    command = _python(tmp_path, 'say(kind="end")')
    servers = [_stand("one", nobody), _stand("two", None, "no key")]
    seen = _probe(command, servers, interpreter="pyenv_3_9", environment="/srv/app")
    assert [(cell.server, cell.control) for cell in seen.observations] == [("one", PASSED), ("two", FAILED)]
    for cell in seen.observations:
        assert (cell.interpreter, cell.environment) == ("pyenv_3_9", "/srv/app")
        assert (str(cell.client), cell.condition) == ("a", Condition.AMBIENT)
        assert cell.id == f"pyenv_3_9/a/{cell.server}/ambient"


@pytest.mark.parametrize(
    ("own", "beside", "shown"), [("", "2.8.0", "2.8.0"), ("1.26.20", "2.8.0", "1.26.20"), ("", "", "")]
)
def test_the_urllib3_is_the_one_beside_the_client(
    tmp_path: Path, nobody: tuple[str, int], own: str, beside: str, shown: str
) -> None:
    """A client's own urllib3 counts, else that of another client in its environment."""
    script = f"""
say(kind="client", client="a", version="1.0", urllib3={own!r}, tls=None)
say(kind="client", client="b", version="1.0", urllib3={beside!r}, tls=None)
say(kind="end")
"""
    seen = _probe(_python(tmp_path, script), [_stand("one", nobody)], ("a", "b"))
    assert [cell.urllib3 for cell in seen.observations] == [shown, beside]


def test_probe_is_told_what_to_run_first(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """A probe gets the snippets that its task has."""
    script = 'say(kind="identity", identity=plan)\nsay(kind="end")'
    command, given = _python(tmp_path, script), {"a": "floor = 1"}
    seen = _probe(command, [_stand("one", nobody)], snippets=given)
    assert seen.identity is not None
    assert seen.identity["snippets"] == given


def test_probe_s_environment_is_what_it_is_given(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """A probe runs in the environment that is passed and in no other."""
    script = 'say(kind="identity", identity={k: v for k, v in os.environ.items() if k != "LC_CTYPE"})'
    seen = _probe(_python(tmp_path, script), [_stand("one", nobody)], env={"SOME": "thing"})
    assert seen.identity == {"SOME": "thing"}


def test_connection_belongs_to_its_cell_by_its_port(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """Every connection is found in the cell whose port it came in on, however many and in any order."""
    hello = bytes.fromhex("160301002f0100002b0301") + bytes(32) + bytes.fromhex("00000400ff002f0100")
    script = f"""
hello = bytes.fromhex({hello.hex()!r})
for cell in reversed(cells):
    for _ in range(3 if cell["client"] == "b" else 1):
        touch(cell, hello if cell["server"] == "one" else b"nonsense")
say(kind="end")
"""
    seen = _probe(_python(tmp_path, script), [_stand("one", nobody), _stand("two", nobody)], ("a", "b"))
    for cell in seen.observations:
        assert len(cell.wire) == (3 if str(cell.client) == "b" else 1)
        for wire in cell.wire:
            assert (wire.legacy_version is Protocol.TLSV1) is (cell.server == "one")
            assert bool(wire.faults) is (cell.server == "two")
        _assert_missing(cell, "passed it over")


# Probes that do not ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("death", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "died of SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "died of SIGKILL"),
        ("print('Fatal: no luck'); sys.stdout.flush(); os._exit(3)", "ended with status 3"),
        ("sys.exit('Fatal: no luck')", "ended with status 1"),
        ("sys.exit(0)", "ended with status 0"),
    ],
)
def test_probe_that_dies_half_way(tmp_path: Path, nobody: tuple[str, int], death: str, words: str) -> None:
    """Cells before the death keep their accounts; the others say how it died, and after what."""
    script = f"""
account(cells[0])
say(kind="begin", client=cells[1]["client"], server=cells[1]["server"])
{death}
"""
    stands = [_stand(name, nobody) for name in ("one", "two", "three")]
    first, second, third = _probe(_python(tmp_path, script), stands).observations
    assert first.account is not None
    assert first.missing == ""
    for cell in (second, third):
        _assert_missing(cell, words, "after it began a on two")
        assert ("Fatal: no luck" in cell.missing) is ("Fatal" in death)


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="this system has no real-time signals")
def test_probe_that_dies_of_a_signal_without_a_name(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """A signal that Python has no name for is a reason like any other, told by its number."""
    number = signal.SIGRTMIN + 1
    (cell,) = _probe(_shell(tmp_path, f"kill -{number} $$"), [_stand("one", nobody)]).observations
    _assert_missing(cell, "died of", str(int(number)))


@pytest.mark.parametrize("starved", [True, False])
def test_what_waits_for_a_processor_is_not_silent(
    tmp_path: Path, nobody: tuple[str, int], monkeypatch: pytest.MonkeyPatch, *, starved: bool
) -> None:
    """Of two probes that answer after the limit, the one that had no processor meanwhile is not ended."""
    if starved:
        monkeypatch.setattr("runs.probe.waits_of", lambda pid: {pid: time.monotonic()})
    answer = MARK + json.dumps({"kind": "identity", "identity": None, "lacking": {"a": "x"}})
    script = f"read a; sleep 1; echo '{answer}'; read b; echo '{MARK}{json.dumps({'kind': 'end'})}'"
    seen = _probe(_shell(tmp_path, script), [_stand("one", nobody)], silence_limit=0.5)
    assert ("said nothing for 0.5 s" in seen.problem) is not starved


def test_many_words_cost_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a probe waited for is looked at once in a while, and when its time seems to be over."""
    clock, looks = [100.0], []

    def waits_of(pid: int) -> dict[int, float]:
        looks.append(pid)
        return {pid: clock[0] / 2}  # half of all time it has no processor

    monkeypatch.setattr("runs.probe.waits_of", waits_of)
    monkeypatch.setattr("runs.probe.time.monotonic", lambda: clock[0])
    word = LastWord(7)
    for _ in range(1000):
        word.came()
        assert word.left(30) == 30
    assert looks == [7]
    clock[0] += LOOKS_APART
    word.came()
    assert looks == [7, 7]
    clock[0] += 30
    assert word.left(30) == 15
    clock[0] += 30
    assert word.left(30) == 0


def test_probe_that_hangs_is_ended_with_all_its_children(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """A probe that falls silent is ended after the limit, and so are the processes that it started."""
    answer = MARK + json.dumps({"kind": "identity", "identity": None, "lacking": {}})
    begin = MARK + json.dumps({"kind": "begin", "client": "a", "server": "one"})
    with alive(tmp_path) as (pipe, reader):
        child = "(echo child >&9; exec sleep 600) &"
        script = f"exec 9>{pipe}; {child} read a; echo '{answer}'; read b; echo '{begin}'; wait"
        (cell,) = _probe(
            _shell(tmp_path, script), [_stand("one", nobody)], silence_limit=SILENCE
        ).observations
        _assert_missing(cell, f"said nothing for {SILENCE:g} s", "after it began a on one")
        assert read_end(reader) == b"child\n"


def test_child_that_left_the_probe_s_group_does_not_hold_the_probe(
    tmp_path: Path, nobody: tuple[str, int]
) -> None:
    """A helper that made itself a session of its own cannot be ended with the probe, nor be waited for."""
    with alive(tmp_path) as (pipe, reader):
        script = f"""
import subprocess
pipe = os.open({str(pipe)!r}, os.O_WRONLY)
helper = subprocess.Popen(["sleep", "600"], start_new_session=True, pass_fds=[pipe])
os.write(pipe, b"%d\\n" % helper.pid)
account(cells[0])
say(kind="end")
os._exit(0)
"""
        helper = 0
        try:

            async def test() -> ProbeResult:
                async with asyncio.timeout(5):
                    command = _python(tmp_path, script)
                    return await _probed(_task(command, [_stand("one", nobody)], "a", env=os.environ))

            (cell,) = asyncio.run(test()).observations
            assert cell.account is not None
        finally:
            with contextlib.suppress(BlockingIOError, ValueError):
                helper = int(os.read(reader, 20))
            if helper:
                os.kill(helper, signal.SIGKILL)


@pytest.mark.skipif(not can_tell(), reason="only Linux says whose a process is: run it there")
def test_child_that_left_the_probe_s_group_is_ended_and_named(
    tmp_path: Path, nobody: tuple[str, int]
) -> None:
    """A helper in a session of its own is ended after the probe, and the result has its name."""
    with alive(tmp_path) as (pipe, reader):
        script = f"""
import subprocess
pipe = os.open({str(pipe)!r}, os.O_WRONLY)
subprocess.Popen(["sleep", "600"], start_new_session=True, pass_fds=[pipe])
os.write(pipe, b"up")
account(cells[0])
say(kind="end")
os._exit(0)
"""

        async def test() -> ProbeResult:
            command = _python(tmp_path, script)
            return await _probed(_task(command, [_stand("one", nobody)], "a", env=os.environ))

        with offspring_ended():
            result = asyncio.run(test())
        assert read_end(reader) == b"up"
    assert result.left == ("sleep",)
    assert result.observations[0].account is not None


def test_probe_that_closes_its_output_is_not_said_to_have_died(
    tmp_path: Path, nobody: tuple[str, int]
) -> None:
    """A probe that we end because it stopped talking did not die of a signal by itself."""
    with alive(tmp_path) as (pipe, reader):
        script = f"exec 9>{pipe}; echo started >&9; exec >&- 2>&-; exec sleep 600"
        (cell,) = _probe(_shell(tmp_path, script), [_stand("one", nobody)]).observations
        assert cell.account is None
        assert "died" not in cell.missing, cell.missing
        assert read_end(reader) == b"started\n"


NUMBERS = ["float('nan')", "float('inf')", "-1", "10**400", "'x'", "None", "[]"]


@pytest.mark.parametrize("number", NUMBERS)
def test_an_account_whose_time_makes_no_sense_is_none(
    tmp_path: Path, nobody: tuple[str, int], number: str
) -> None:
    """A number that is no time, or no JSON, costs the account of that cell, and nothing else."""
    script = f"""
account(cells[0], seconds={number})
account(cells[1])
say(kind="end")
"""
    stands = [_stand(name, nobody) for name in ("one", "two")]
    first, second = _probe(_python(tmp_path, script), stands).observations
    _assert_missing(first, "passed it over")
    assert second.account is not None


def test_what_a_probe_says_is_cut(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """Texts of any length are kept up to a length, so that a report stays one."""
    script = """
say(kind="client", client="a", version="v" * 500000, urllib3="u" * 500000, tls=None)
account(cells[0], error_text="t" * 300000, note="n" * 300000, cipher="c" * 300000)
say(kind="end")
"""
    (cell,) = _probe(_python(tmp_path, script), [_stand("one", nobody)]).observations
    assert cell.account is not None
    texts = (cell.client_version, cell.urllib3, cell.account.cipher, cell.account.error_text)
    assert [len(text or "") for text in texts] == [NAME_LIMIT, NAME_LIMIT, NAME_LIMIT, TEXT_LIMIT]


def test_what_a_probe_was_not_sent_to_counts_for_nothing(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """Cells that the probe invents are neither kept nor a sign of life."""
    script = """
for number in range(1000):
    account({"client": "x" * 1000 + str(number), "server": "one"})
    say(kind="begin", client=["a"], server={})
say(kind="end")
"""
    result = _probe(_python(tmp_path, script), [_stand("one", nobody)])
    (cell,) = result.observations
    assert result.problem == ""
    _assert_missing(cell, "passed it over")


@pytest.mark.parametrize("line", ["x", MARK + "{}", MARK + '{"kind": "identity", "identity": null}'])
def test_a_line_a_moment_for_ever_does_not_keep_a_probe(
    tmp_path: Path, nobody: tuple[str, int], line: str
) -> None:
    """A probe that prints on and on, and gets nowhere, is ended as if it were silent."""
    script = f"""
while True:
    print({line!r}, flush=True)
    time.sleep(0.05)
"""
    (cell,) = _probe(
        _python(tmp_path, f"import time\n{script}"), [_stand("one", nobody)], silence_limit=SILENCE
    ).observations
    _assert_missing(cell, f"said nothing for {SILENCE:g} s")


def test_a_probe_that_floods_is_ended(
    tmp_path: Path, nobody: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe that prints more than any has to say is ended as soon as it has."""
    monkeypatch.setattr(probe_module, "OUTPUT_LIMIT", 100_000)
    script = "while True:\n    print('y' * 1000)"
    (cell,) = _probe(_python(tmp_path, script), [_stand("one", nobody)]).observations
    _assert_missing(cell, "printed more than 100000 bytes, and was ended")


def test_a_visit_has_an_end(tmp_path: Path, nobody: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that does a little within each silence is ended after its time for all cells together."""
    monkeypatch.setattr(probe_module, "ATTEMPTS_A_CELL", 0)
    monkeypatch.setattr(probe_module, "LONGEST_WAIT", 1)
    script = """
import time
for cell in cells:
    account(cell)
    time.sleep(0.5)
"""
    stands = [_stand(f"s{number}", nobody) for number in range(20)]
    observations = _probe(_python(tmp_path, script), stands, silence_limit=1.5).observations
    assert observations[0].account is not None
    _assert_missing(observations[-1], "took more than 1.5 s")


RUBBISH = {
    "text": "print('hello'); print('world')",
    "bytes": "sys.stdout.buffer.write(bytes(range(256)) * 20)",
    "no json": f"print({MARK!r} + '{{')",
    "no record": f"print({MARK!r} + '[1]'); print({MARK!r} + '7'); print({MARK!r} + 'null')",
    "half a record": "say(kind='account', client='a'); say(kind='begin'); say(kind='client'); say()",
    "odd types": "say(kind='account', client=['a'], server={}, account=3); say(kind=['end'])",
    "odd account": "say(kind='account', client='a', server='one', account={'outcome': 'connected'})",
    "more than an account": "account(cells[0], extra=1)",
    "no version": "account(cells[0], version=13)",
    "no note": "account(cells[0], note=None)",
    "no seconds": "account(cells[0], seconds='long')",
    "no outcome": "account(cells[0], outcome='perhaps')",
    "endless line": "sys.stdout.write('x' * (3 << 20))",
    "nested": f"print({MARK!r} + '[' * 100000)",
    "great number": f"print({MARK!r} + '9' * 10000)",
}


@pytest.mark.parametrize("script", RUBBISH.values(), ids=list(RUBBISH))
def test_probe_that_prints_rubbish(tmp_path: Path, nobody: tuple[str, int], script: str) -> None:
    """Whatever is not a record of ours gives no account, and the probe ends with a reason."""
    (cell,) = _probe(_python(tmp_path, script), [_stand("one", nobody)]).observations
    _assert_missing(cell, "the probe")


def test_rubbish_between_records_does_not_matter(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """A chatty interpreter's own lines hide no account."""
    script = """
print("warning: something is old")
sys.stderr.write("more of it" + chr(10))
account(cells[0])
print("goodbye")
say(kind="end")
"""
    (cell,) = _probe(_python(tmp_path, script), [_stand("one", nobody)]).observations
    assert cell.account is not None


def test_last_words_are_quoted(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """What a probe printed before it ended is in the reason: the last of it, and not too much."""
    script = "for number in range(50): print('line', number, 'x' * 500)"
    (cell,) = _probe(_python(tmp_path, script), [_stand("one", nobody)]).observations
    _assert_missing(cell, "line 49", "ended with status 0")
    assert "line 1 " not in cell.missing
    assert len(cell.missing) < 1000


def test_probe_that_lies_is_contradicted_by_the_wire(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """What a probe claims is kept as its claim; the wire's account beside it shows that nothing passed."""
    script = """
account(cells[0], version="TLSv1.3")
touch(cells[1], b"no hello")
account(cells[1], version="TLSv1.3")
say(kind="end")
"""
    idle, busy = _probe(
        _python(tmp_path, script), [_stand("one", nobody), _stand("two", nobody)]
    ).observations
    for cell in (idle, busy):
        assert cell.account is not None
        assert cell.account.version == Protocol.TLSV1_3
    assert idle.wire == ()
    assert [wire.server_version for wire in busy.wire] == [None]
    assert not busy.wire[0].data_both_ways


def test_cells_that_were_not_asked_for_are_not_taken(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """Claims about other clients and servers add no cell, and give none to a server that was not there."""
    script = """
for client in ("a", "b", "z"):
    for server in ("one", "two", "nine"):
        account({"client": client, "server": server})
say(kind="end")
"""
    stands = [_stand("one", nobody), _stand("two", None, "it could not be started")]
    one, two = _probe(_python(tmp_path, script), stands).observations
    assert (str(one.client), one.server) == ("a", "one")
    assert one.account is not None
    assert (str(two.client), two.server) == ("a", "two")
    _assert_missing(two, "it could not be started")
    assert two.wire == ()


def test_probe_that_ends_early_passes_cells_over(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """A probe that says it reached its end without all accounts leaves cells that say so."""
    script = 'account(cells[1]); say(kind="end")'
    one, two = _probe(_python(tmp_path, script), [_stand("one", nobody), _stand("two", nobody)]).observations
    _assert_missing(one, "passed it over")
    assert two.account is not None


@pytest.mark.parametrize("mode", [None, 0o600, 0o700])
def test_probe_that_cannot_be_started(tmp_path: Path, nobody: tuple[str, int], mode: int | None) -> None:
    """An interpreter that is missing, not executable or no program is the reason of all its cells."""
    program = tmp_path / "python"
    if mode is not None:
        program.write_bytes(b"\x7fELF and no more")
        program.chmod(mode)
    seen = _probe((program, "x"), [_stand("one", nobody), _stand("two", nobody)])
    assert seen.identity is None
    for cell in seen.observations:
        _assert_missing(cell, "could not be started", str(program))
        assert cell.wire == ()


def test_no_probe_is_started_for_nothing(tmp_path: Path) -> None:
    """Where no server stands, cells have the servers' reasons and the interpreter is left alone."""
    witness = tmp_path / "started"
    command = _shell(tmp_path, f"touch {witness}")
    stands = [_stand("one", None, "no openssl"), _stand("two", None, "no key")]
    seen = _probe(command, stands, ("a", "b"))
    assert [cell.missing for cell in seen.observations] == ["no openssl", "no key"] * 2
    assert seen.identity is None
    assert not witness.exists()


def test_who_has_no_client_says_what_it_is(tmp_path: Path) -> None:
    """Where no client is asked for, the probe is started for what it says of its interpreter."""
    seen = _probe(_python(tmp_path, 'say(kind="identity", identity={"a": 1})\nsay(kind="end")'), [], ())
    assert (seen.identity, seen.observations) == ({"a": 1}, ())


def test_probe_that_does_not_read_its_plan(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """A probe that ends without reading is a reason too, however long its plan was."""
    stands = [_stand(f"server_{number}", nobody) for number in range(60)]
    seen = _probe(_shell(tmp_path, "exec 0<&-; exit 4"), stands)
    for cell in seen.observations:
        _assert_missing(cell, "ended with status 4", "after it started")


def test_cancelled_probe_leaves_no_process(tmp_path: Path, nobody: tuple[str, int]) -> None:
    """An interrupted probe ends its process and what that started, and passes the interruption on."""
    with alive(tmp_path) as (pipe, reader):
        command = _shell(tmp_path, f"exec 9>{pipe}; read question; echo started >&9; sleep 600 & wait")

        async def test() -> None:
            loop, started = asyncio.get_running_loop(), asyncio.Event()
            loop.add_reader(reader, started.set)
            probe = Probe(_task(command, [_stand("one", nobody)], "a", env=os.environ))
            task = asyncio.create_task(probe.run())
            async with asyncio.timeout(HANGS):
                await started.wait()
                loop.remove_reader(reader)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(test())
        assert read_end(reader) == b"started\n"


# The real probe -------------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_real_probe_and_the_wire_agree(pairs: dict[Certificate, KeyPair], tmp_path: Path) -> None:
    """Our own probe's standard library client and the wire tell the same of a server of TLS 1.2 or 1.3."""
    try:
        engine = find_s_server(None, tmp_path, os.environ)
    except EngineError as error:
        pytest.skip(str(error))
    pair = pairs[Certificate.RSA]
    versions = (Protocol.TLSV1_2, Protocol.TLSV1_3)
    servers = [
        Server(f"only_{LADDER.index(v)}", "why", frozenset({v}), KeyExchange.ANY, Certificate.RSA)
        for v in versions
    ]

    async def test() -> ProbeResult:
        async with asyncio.timeout(HANGS), contextlib.AsyncExitStack() as stack:
            stands = [
                LabServer(server, await stack.enter_async_context(engine.serve(server, pair)), pair)
                for server in servers
            ]
            environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
            command = (sys.executable, PROBES)
            return await _probed(_task(command, stands, "ssl", "nonesuch", env=environment))

    seen = asyncio.run(test())
    assert seen.identity is not None
    assert seen.identity["version"] == ".".join(map(str, sys.version_info[:3]))
    assert {str(cell.client) for cell in seen.observations if cell.client_version} == {"ssl"}
    assert "clients.nonesuch" in seen.import_errors[ClientKey("nonesuch")]
    for cell, version in zip(seen.observations, versions * 2, strict=True):
        if str(cell.client) == "nonesuch":
            _assert_missing(cell, "clients.nonesuch")
            assert cell.wire == ()
            continue
        assert cell.account is not None
        assert cell.account.outcome == "connected"
        assert cell.account.version == version
        (wire,) = cell.wire
        assert wire.server_version is version
        assert wire.data_both_ways
        assert wire.faults == ()
