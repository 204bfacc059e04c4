"""Both ends of the channel to a place: what passes, what is refused, and that nothing stays."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import killed_at_the_end
from interpreters.clients import PROBES
from interpreters.places import MARK, Passenger, Place, command
from tests.support.far_ends import FRAMES
from tests.support.probing import both_lines, records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

PYTHON = Path(sys.executable)
ENV = Place("exec", "env", ("env",), passes=("PATH",))
"""A place that is this very machine, whose far end is a process of its own all the same."""

FAR = FRAMES + """os.write(1, b"welcome\\n\\n\\0TLS-FLOOR-REACH\\0\\n")
"""
"""How a far end begins that is none of ours: it knows the frames, and does as it likes."""


def passenger(folder: Path, text: str, *, converse: bool = False, limit: float = 20) -> Passenger:
    """Return a passenger whose script is this text: it travels as a file beside the others."""
    del folder
    # What is run is any file of the folder there; the argument before it makes Python run that.
    run = ("-c", "import sys; exec(open(sys.argv[2]).read())", PROBES / "status_page.py", "{folder}/text.py")
    return Passenger(PYTHON, run, {"text.py": text}, converse=converse, limit=limit)


def enter(
    place: Place, who: Passenger, asked: str | None = None, env: dict[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a passenger in a place and return what the near end did."""
    return subprocess.run(
        command(place, who, env or {}),
        stdin=subprocess.DEVNULL if asked is None else None,
        input=asked,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def enter_open(place: Place, who: Passenger, asked: str) -> subprocess.CompletedProcess[str]:
    """Do as `enter` does, and keep the near end's input open until it has ended."""
    with subprocess.Popen(
        command(place, who, {}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(asked)
        process.stdin.flush()
        said = process.stdout.read()
    return subprocess.CompletedProcess([], process.returncode, said)


def problem(done: subprocess.CompletedProcess[str]) -> str:
    """Return why the near end says that the place cannot be reached."""
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    (told,) = [json.loads(line.removeprefix(MARK)) for line in lines]
    assert (told["kind"], done.returncode) == ("problem", 1), done
    return str(told["text"])


def hostile(tmp_path: Path, text: str) -> Place:
    """Return a place whose far end is this text, whatever it is sent."""
    path = tmp_path / "far.py"
    path.write_text(FAR + text)
    return Place("exec", "far", (sys.executable, str(path)), passes=("PATH",))


@contextlib.contextmanager
def listening() -> Iterator[tuple[socket.socket, int]]:
    """Give a listener of ours, as a tap is one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        yield server, server.getsockname()[1]


def cell(port: int, cafile: Path, **changes: Any) -> dict[str, Any]:
    """Return a cell of a plan."""
    plain = {"client": "ssl", "server": "one", "host": "127.0.0.1", "address": "127.0.0.1", "port": port}
    return {**plain, "cafile": str(cafile), **changes}


# What passes ----------------------------------------------------------------------------------------------


def test_what_is_printed_comes_home_and_how_it_ended(tmp_path: Path) -> None:
    """Output of both streams and the exit status are those of the passenger."""
    done = enter(ENV, passenger(tmp_path, "import sys; print('a'); sys.stderr.write('b\\n'); sys.exit(7)"))
    assert (sorted(done.stdout.split()), done.returncode) == (["a", "b"], 7)


def test_the_near_end_is_not_compiled_anew_each_time(tmp_path: Path) -> None:
    """Once started, the near end is kept compiled where Python looks for it."""
    kept = Path(importlib.util.cache_from_source(str(PROBES / "reach.py")))
    kept.unlink(missing_ok=True)
    enter(ENV, passenger(tmp_path, "pass"))
    assert kept.exists()


def test_it_dies_as_the_passenger_did(tmp_path: Path) -> None:
    """A signal that ended the passenger ends the near end, too."""
    done = enter(ENV, passenger(tmp_path, "import os; print('x', flush=True); os.kill(os.getpid(), 9)"))
    assert (done.stdout.split(), done.returncode) == (["x"], -signal.SIGKILL)


def test_the_environment_there_is_sanitized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the place's variables few stay; HOME and TMPDIR are folders of ours, which are gone afterwards."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("LC_TIME", "C")
    everything = Place("exec", "env", ("env",), passes=("*",))
    script = "import json, os, tempfile; tempfile.mkstemp(); print(json.dumps(dict(os.environ)))"
    seen = json.loads(enter(everything, passenger(tmp_path, script), env={"TZ": None, "X": "{folder}/x"}).stdout)
    assert {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "TZ"}.isdisjoint(seen)
    assert (seen["AWS_CONFIG_FILE"], seen["LC_TIME"]) == (os.devnull, "C")
    assert seen["X"] == f"{Path(seen['HOME']).parent}/x"
    assert seen["TMPDIR"] == f"{Path(seen['HOME']).parent}/tmp"
    assert not Path(seen["HOME"]).parent.exists()


def test_the_configuration_travels(tmp_path: Path) -> None:
    """OPENSSL_CONF names a copy there of the file that it names here."""
    (tmp_path / "mine.cnf").write_text("# mine\n")
    script = "import os; print(os.environ['OPENSSL_CONF'], open(os.environ['OPENSSL_CONF']).read())"
    done = enter(ENV, passenger(tmp_path, script), env={"OPENSSL_CONF": str(tmp_path / "mine.cnf")})
    path, *text = done.stdout.split()
    assert text == ["#", "mine"]
    assert not path.startswith(str(tmp_path))


def test_a_folder_travels_and_goes(tmp_path: Path) -> None:
    """The files of a folder here are below one of its name there, as long as the passenger runs."""
    (package := tmp_path / "packages/shop").mkdir(parents=True)
    text = "# " + "\u00e4" * 100_000 + "\nPRICE = 7\n"
    (package / "__init__.py").write_text(text, encoding="utf-8")
    (package / "data.gz").write_bytes(bytes(range(256)))
    script = (
        "import os, shop; here = os.path.dirname(shop.__file__)\n"
        "print(here, shop.PRICE, len(open(os.path.join(here, 'data.gz'), 'rb').read()))"
    )
    who = replace(passenger(tmp_path, script), folders={"sent": tmp_path / "packages"})
    done = enter(ENV, who, env={"PYTHONPATH": "{folder}/sent"})
    here, *said = done.stdout.split()
    assert (Path(here).parts[-2:], said) == (("sent", "shop"), ["7", "256"])
    assert not Path(here).parents[1].exists()


def test_a_prefix_without_our_variables_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in the place before our code does cannot read what the prefix was not given."""
    monkeypatch.setenv("SECRET", "s3cr3t")
    place = Place("exec", "env", ("sh", "-c", "env >&2; exit 3", "sh"))
    assert "SECRET" not in problem(enter(place, Passenger(PYTHON, (PROBES / "identify.py",))))


def test_a_shell_at_the_far_end_gets_words_quoted(tmp_path: Path) -> None:
    """What a shell joins and splits again is what was meant, whatever is in it."""
    odd = tmp_path / "a b' $x"
    odd.symlink_to(sys.executable)
    shell = Place("exec", "sh", ("sh", "-c", 'eval "$*"', "sh"), shell=True, passes=("PATH",))
    done = enter(shell, Passenger(odd, (PROBES / "identify.py",)))
    assert "TLS-FLOOR-IDENTITY" in done.stdout


def test_a_banner_does_no_harm(tmp_path: Path) -> None:
    """What a place prints before our code runs there is dropped, however it looks."""
    banner = r"printf 'L\0\0\0\0 TLS-FLOOR-REACH {\"kind\": \"problem\"}\n'; exec \"$@\""
    place = Place("exec", "sh", ("sh", "-c", banner.replace('\\"', '"'), "sh"), passes=("PATH",))
    assert enter(place, passenger(tmp_path, "print('home')")).stdout.split() == ["home"]


def meet(cells: list[dict[str, Any]], text: str) -> subprocess.CompletedProcess[str]:
    """Run a passenger in conversation: it reads both lines, and this text has the plan as `plan`."""
    script = (
        "import json, socket, sys, time\nsys.stdin.readline()\nprint('TLS-FLOOR-PROBE ' + json.dumps(dict("
        "kind='identity', identity=None, lacking={})), flush=True)\nplan = json.loads(sys.stdin.readline())\n"
        "cell = plan['cells'][0]\ndef dial():\n    return socket.create_connection((cell['address'], cell['port']), 9)\n"
        + text
        + "\nprint('TLS-FLOOR-PROBE ' + json.dumps(dict(kind='end')))\n"
    )
    return enter_open(ENV, passenger(Path(), script, converse=True), both_lines(cells))


def test_bytes_and_half_closes_are_carried(tmp_path: Path) -> None:
    """A client may end its side and still read; a megabyte each way arrives whole."""
    with listening() as (server, port):
        got: list[int] = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                got.append(sum(map(len, iter(lambda: connection.recv(65536), b""))))
                connection.sendall(b"y" * 1_000_000)

        thread = threading.Thread(target=serve)
        thread.start()
        script = (
            "near = dial()\nnear.sendall(b'x' * 1000000)\nnear.shutdown(socket.SHUT_WR)\n"
            "print(sum(map(len, iter(lambda: near.recv(65536), b''))))"
        )
        (trust := tmp_path / "ca.pem").write_text("a certificate")
        done = meet([cell(port, trust)], script)
        thread.join()
    assert got == [1_000_000]
    assert "1000000" in done.stdout.splitlines()


@pytest.mark.parametrize("whose", ["server", "client"])
def test_a_reset_is_carried(tmp_path: Path, whose: str) -> None:
    """A reset on one side is a reset on the other, and no end."""
    hard = "setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))"
    with listening() as (server, port):
        seen: list[object] = []

        def serve() -> None:
            connection, _ = server.accept()
            connection.settimeout(20)
            with connection:
                connection.recv(1)
                if whose == "server":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                try:
                    seen.append(connection.recv(1))
                except OSError as error:
                    seen.append(type(error))

        thread = threading.Thread(target=serve)
        thread.start()
        act = {
            "server": (
                "near.settimeout(20)\ntry:\n    print(near.recv(1))\n"
                "except OSError as error:\n    print(type(error).__name__)"
            ),
            "client": f"import struct\ntime.sleep(0.3)\nnear.{hard}\nnear.close()\ntime.sleep(0.5)",
        }
        (trust := tmp_path / "ca.pem").write_text("a certificate")
        done = meet([cell(port, trust)], "near = dial()\nnear.send(b'x')\n" + act[whose])
        thread.join()
    found = seen if whose == "client" else [line for line in done.stdout.split() if line.endswith("Error")]
    assert found == ([ConnectionResetError] if whose == "client" else ["ConnectionResetError"])


def test_the_plan_there_names_ports_and_files_there(tmp_path: Path) -> None:
    """Ports are the far end's own, each CA file is a copy, and a name listens on both families."""
    (trust := tmp_path / "ca.pem").write_text("a certificate")
    with listening() as (_, port), listening() as (_, other):
        cells = [cell(port, trust), cell(other, trust, host="localhost"), cell(port, trust)]
        script = "print(json.dumps([(c['port'], c['cafile'], open(c['cafile']).read()) for c in plan['cells']]))"
        done = meet(cells, script)
    (told,) = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[[")]
    (one, path, text), (two, _, _), (again, _, _) = told
    assert (again, text) == (one, "a certificate")
    assert len({one, two, port, other}) == 4
    assert path != str(trust)
    assert not Path(path).exists()


def test_another_process_there_is_sent_away(tmp_path: Path) -> None:
    """A connection to a listener there that is not of the passenger gets nowhere, and is told."""
    if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        pytest.skip("this system does not say whose a connection is: Linux enables this")
    with listening() as (server, port):
        server.settimeout(0.2)
        (trust := tmp_path / "ca.pem").write_text("a certificate")
        (ready := tmp_path / "ready").touch()
        script = (
            f"open({str(ready)!r}, 'w').write(str(cell['port']))\nimport os\n"
            f"while os.path.exists({str(ready)!r}):\n    time.sleep(0.01)\n"
        )

        def meddle() -> None:
            deadline = time.monotonic() + 20
            while not (text := ready.read_text()) and time.monotonic() < deadline:
                time.sleep(0.01)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(text)), 5) as far:
                far.recv(1)
            ready.unlink()

        thread = threading.Thread(target=meddle)
        thread.start()
        done = meet([cell(port, trust)], script)
        thread.join()
        with pytest.raises(TimeoutError):
            server.accept()
    told = [json.loads(line.removeprefix(MARK)) for line in done.stdout.splitlines() if line.startswith(MARK)]
    assert told == [
        {"kind": "stranger", "port": port, "times": 1, "who": f"a process of user {os.getuid()}"}
    ]


@pytest.mark.parametrize("netlink", [True, False])
@pytest.mark.parametrize("dialled", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_whose_a_connection_is_there(
    passenger: Callable[[str], ModuleType], dialled: str, netlink: bool
) -> None:
    """A connection there is the passenger's on either family, also by a socket of IPv6 that speaks IPv4; no other is."""
    if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        pytest.skip("this system does not say whose a connection is: Linux enables this")
    host = dialled.removeprefix("::ffff:")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reach = passenger("reach")
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"nothing can listen on {host} here: a machine with IPv6 on loopback enables this")
    with server:
        near = server.getsockname()[:2]
        with socket.create_connection((dialled, near[1]), 5), server.accept()[0] as accepted:
            far = accepted.getpeername()[:2]
            if netlink and not reach.try_loopback():
                pytest.skip("netlink does not tell here: a kernel with tcp_diag, and no sandbox, enables this")
            assert reach.Peers(os.getpid(), netlink).stranger(far, near) == ""
            with killed_at_the_end(subprocess.Popen(["sleep", "60"])) as other:
                who = f"a process of user {os.getuid()}"
                assert reach.Peers(other.pid, netlink).stranger(far, near) == who


def test_whose_a_connection_is_does_not_depend_on_how_many_there_are(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where netlink tells, no table of the host's connections is read; where it fails, the tables tell."""
    reach = passenger("reach")
    if not reach.try_loopback():
        pytest.skip("netlink does not tell here: a kernel with tcp_diag, and no sandbox, enables this")
    read: list[object] = []
    tables = reach.by_tables

    def reads(*ends: object) -> object:
        read.append(ends)
        return tables(*ends)

    monkeypatch.setattr(reach, "by_tables", reads)
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = server.getsockname()
        with socket.create_connection(near, 5) as connection:
            peers, far = reach.Peers(os.getpid(), True), connection.getsockname()
            assert (peers.stranger(far, near), read) == ("", [])

            def fails(*_: object) -> None:
                raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

            monkeypatch.setattr(reach, "by_netlink", fails)
            assert peers.stranger(far, near) == ""
            assert (read, peers.tells) == ([(far, near)], True)


@pytest.mark.parametrize(
    ("doubts", "told"),
    [(["untold"], ["untold"]), (["unnamed", "untold", "evil"], ["unnamed", "untold"]), ([], [])],
)
def test_what_cannot_be_told_there_is_told_here(tmp_path: Path, doubts: list[str], told: list[str]) -> None:
    """That nobody knows whose a connection is, or what localhost is, comes home, and nothing else."""
    frames = "".join(f"send(b'N', 0, {doubt.encode()!r})\n" for doubt in doubts)
    done = enter(hostile(tmp_path, f"{frames}send(b'Z', 0, b'0')"), Passenger(PYTHON, (PROBES / "identify.py",)))
    lines = [json.loads(line.removeprefix(MARK)) for line in done.stdout.splitlines() if line.startswith(MARK)]
    assert lines == [{"kind": "doubt", "what": doubt} for doubt in told]


# Places that cannot be reached ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        (("/no/such/command",), "there is no command '/no/such/command' here"),
        (("sh", "-c", "echo no way >&2; exit 4"), "sh ended with status 4 before a Python answered: no way"),
        (("sh", "-c", "kill -9 $$"), "sh ended by signal 9 before a Python answered"),
        (("env", "no-such-python-anywhere"), "before a Python answered: "),
        (("sh", "-c", "yes | head -c 300000"), "it said more than 65536 bytes before a Python answered"),
        (("sh", "-c", "cat"), "before a Python answered"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[-1],
)
def test_a_place_that_does_not_answer_is_one_sentence(prefix: tuple[str, ...], reason: str) -> None:
    """Whatever stands between us and a Python there, the reason has what did not work and its last words."""
    place = Place("exec", "x", prefix, passes=("PATH",))
    assert reason in problem(enter(place, Passenger(PYTHON, (PROBES / "identify.py",))))


def test_a_place_that_is_silent_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prefix that neither answers nor ends is ended, with all that it started."""
    monkeypatch.setattr("interpreters.places.ANSWER_LIMIT", 0.5)
    place = Place("exec", "x", ("sh", "-c", "echo still waking up >&2; sleep 600"), passes=("PATH",))
    began = time.monotonic()
    said = problem(enter(place, Passenger(PYTHON, (PROBES / "identify.py",))))
    assert said == "no Python answered within 0.5 s: still waking up"
    assert time.monotonic() - began < 10


def test_loopback_that_is_down_is_one_sentence(tmp_path: Path) -> None:
    """In a network namespace whose loopback interface is down nothing is measured, and the reason says so."""
    alone = ("unshare", "--net", "--map-root-user")
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no network namespace can be made here: a kernel that lets users do that enables this")
    (trust := tmp_path / "ca.pem").write_text("a certificate")
    place = Place("exec", "unshare", alone, passes=("PATH",))
    who = Passenger(PYTHON, (PROBES,), converse=True)
    with subprocess.Popen(
        command(place, who, {}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(both_lines([cell(9, trust)]))
        process.stdin.flush()
        said = process.stdout.read()
    done = subprocess.CompletedProcess([], process.returncode, said)
    assert "127.0.0.1 there: network is unreachable (is its loopback interface up?)" in problem(done)


# Nothing stays --------------------------------------------------------------------------------------------


def test_after_a_kill_of_the_near_end_nothing_stays(tmp_path: Path) -> None:
    """A near end that is killed leaves neither a process nor a folder at the far end a second later."""
    script = (
        f"import os, time\nopen({str(tmp_path / 'there')!r}, 'w').write(os.environ['HOME'] + '\\n' + str(os.getpid()))\n"
        "os.rename(%r, %r)\ntime.sleep(600)" % (str(tmp_path / "there"), str(tmp_path / "done"))
    )
    words = command(ENV, passenger(tmp_path, script, limit=600), {})
    with killed_at_the_end(subprocess.Popen(words, stdin=subprocess.DEVNULL)):
        deadline = time.monotonic() + 20
        while not (tmp_path / "done").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        home, pid = (tmp_path / "done").read_text().split("\n")
        assert Path(home).exists()
    deadline = time.monotonic() + 5
    while (Path(home).parent.exists() or _lives(int(pid))) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(home).parent.exists()
    assert not _lives(int(pid))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with whoever started it")
def test_a_command_that_still_connects_ends_with_the_near_end(tmp_path: Path) -> None:
    """An ssh that waits for its host, and reads no input yet, outlives no near end that is killed."""
    script = "import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()) + '\\n')\ntime.sleep(600)"
    prefix = (sys.executable, "-c", script, str(noted := tmp_path / "pid"))
    place = Place("ssh", "far", prefix, passes=("PATH",), away=True, severs=True)
    words = command(place, passenger(tmp_path, ""), {})
    with killed_at_the_end(subprocess.Popen(words, stdin=subprocess.DEVNULL)):
        deadline = time.monotonic() + 20
        while not (noted.exists() and noted.read_text().endswith("\n")) and time.monotonic() < deadline:
            time.sleep(0.01)
        pid = int(noted.read_text())
        assert _lives(pid)
    deadline = time.monotonic() + 5
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


# Places that lie ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("send(b'O', 1, struct.pack('>I', 22))", "connection to port 22, which is none of its servers'"),
        ("send(b'O', 1, b'x')", "connection to port None"),
        ("os.write(1, HEADER.pack(b'L', 0, 1 << 31))", "a frame of 2147483648 bytes, more than 65536"),
        ("send(b'?')", "a frame of no known kind"),
        ("while True: send(b'L', 0, b'x' * 65000)", "a line of more than 262144 bytes"),
        ("send(b'X', 0, b'I am ' + b'e' * 9000 + b'vil')", "I am eee"),
        ("send(b'F', 0, b'../../etc/passwd' + bytes(1) + b'x')", "a frame of no known kind"),
        ("send(b'Z', 0, b'0' * 2000)", ""),
        ("sys.exit(0)", "ended with status 0 before the end"),
    ],
)
def test_a_far_end_that_breaks_the_rules_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """Whatever a far end of somebody else's sends, the near end stops with a reason, or ends as a failure."""
    done = enter(hostile(tmp_path, text), Passenger(PYTHON, (PROBES / "identify.py",)))
    assert done.returncode == 1
    if reason:
        assert reason in problem(done)


def test_endless_output_has_an_end(tmp_path: Path) -> None:
    """A far end that never stops printing lines is stopped."""
    endless = hostile(tmp_path, "while True: send(b'L', 0, b'x' * 60000 + b'\\n')")
    assert "it printed more than" in problem(enter(endless, Passenger(PYTHON, (PROBES / "identify.py",))))


def test_endless_connections_have_an_end(tmp_path: Path) -> None:
    """A far end opens only so many connections at once, each to a port of the plan."""
    (trust := tmp_path / "ca.pem").write_text("a certificate")
    with listening() as (server, port):
        text = f"time.sleep(0.5)\nfor n in range(9999): send(b'O', n + 1, struct.pack('>I', {port}))"
        place = hostile(tmp_path, text)
        server.listen(2000)
        asked = both_lines([cell(port, trust)])
        done = enter_open(place, Passenger(PYTHON, (PROBES,), converse=True), asked)
    assert "it asked for connection 513, and has 512" in problem(done)


def test_the_near_ends_own_lines_cannot_be_forged(tmp_path: Path) -> None:
    """A passenger that prints what only the near end says is not heard, with or without an end of the line."""
    lines = f"print({MARK!r} + '{{}}'); print('heard'); print({MARK!r} + '[]', end='')"
    assert enter(ENV, passenger(tmp_path, lines)).stdout.split() == ["heard"]


def test_a_name_that_leaves_the_folder_is_refused_there(tmp_path: Path) -> None:
    """The far end writes nothing outside its folder, whatever the near end names."""
    who = Passenger(PYTHON, (PROBES / "identify.py",), {"../evil": "x"})
    assert "'../evil' is no name of a file" in problem(enter(ENV, who))
    del tmp_path


# The probe itself -----------------------------------------------------------------------------------------


@pytest.mark.e2e
def test_python_27_is_a_far_end(python27: Path) -> None:
    """An interpreter of 2010 is both the far end and what is measured."""
    (told, *_) = records(
        enter(ENV, Passenger(python27, (PROBES / "identify.py",))).stdout.replace("IDENTITY", "PROBE")
    )
    assert told["version"].startswith("2.7")
