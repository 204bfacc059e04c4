"""The s_server engine: the command line that it builds, what it says of a useless openssl, what it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servers import s_server
from servers.catalogue import Certificate, KeyExchange, Role, Server, read_catalogue
from servers.certificates import KeyPair
from servers.engine import EngineError
from servers.protocols import LADDER, Protocol
from servers.s_server import SServer, find_s_server
from tests.support.limits import HANGS
from tests.support.processes import alive, read_end
from tests.support.refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers.entrance import Entrance


OFF = {protocol: "-no_" + protocol.lower().replace("v", "").replace(".", "_") for protocol in Protocol}
"""OpenSSL's name of each option that switches a version off: source openssl-s_server(1)."""

ALL = frozenset(OFF.values()) | {"-www", "-cipher", "-no-CAfile", "-no-CApath", "-no-CAstore"}
"""The options of a binary that has everything."""

PAIR = KeyPair(Path("some.pem"), Path("some.key"), Path("trust.pem"))


def _engine(options: frozenset[str] = ALL) -> SServer:
    return SServer(Path("/opt/openssl"), "OpenSSL 0.0", options, {}, {})


def _server(
    *protocols: Protocol,
    key_exchange: KeyExchange = KeyExchange.ANY,
    certificate: Certificate = Certificate.RSA,
) -> Server:
    return Server("one", "why", frozenset(protocols), key_exchange, certificate)


RANGES = [LADDER[first:last] for first in range(len(LADDER)) for last in range(first + 1, len(LADDER) + 1)]


# The command line -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoken", RANGES, ids="+".join)
def test_every_version_that_is_not_claimed_is_switched_off(spoken: tuple[Protocol, ...]) -> None:
    """The command switches off exactly the versions that the entry does not claim."""
    command = _engine().command(_server(*spoken), PAIR)
    assert {a for a in command if a in OFF.values()} == {OFF[p] for p in LADDER if p not in spoken}


@pytest.mark.parametrize(("spoken", "lacking"), list(product(RANGES, LADDER)), ids=str)
def test_option_that_the_binary_lacks(spoken: tuple[Protocol, ...], lacking: Protocol) -> None:
    """A version whose option the binary lacks cannot be claimed; where it is not claimed, nothing is said."""
    engine = _engine(ALL - {OFF[lacking]})
    if lacking in spoken:
        with pytest.raises(EngineError) as caught:
            engine.command(_server(*spoken), PAIR)
        assert OFF[lacking] in str(caught.value)
        assert str(lacking) in str(caught.value)
        assert engine.description in str(caught.value)
    else:
        command = engine.command(_server(*spoken), PAIR)
        assert {a for a in command if a in OFF.values()} == {
            OFF[p] for p in LADDER if p not in (*spoken, lacking)
        }


@pytest.mark.parametrize("key_exchange", KeyExchange)
def test_client_alone_decides_what_is_too_weak(key_exchange: KeyExchange) -> None:
    """Our own servers run at security level 0, and never without authentication or encryption."""
    command = _engine().command(_server(Protocol.TLSV1, key_exchange=key_exchange), PAIR)
    ciphers = command[command.index("-cipher") + 1].split(":")
    assert ciphers[-1] == "@SECLEVEL=0"
    assert {"!aNULL", "!eNULL"} <= set(ciphers)


def test_certificate_and_port_are_given() -> None:
    """The server gets its own pair, a port that the system chooses, and listens on loopback alone."""
    command = _engine().command(_server(Protocol.TLSV1_2), PAIR)
    assert command[:2] == ["/opt/openssl", "s_server"]
    following = dict(pairwise(command))
    assert following["-accept"] == "127.0.0.1:0"
    assert following["-cert"] == str(PAIR.certificate)
    assert following["-key"] == str(PAIR.key)
    assert "-www" in command


@pytest.mark.parametrize("option", ["-no-CAfile", "-no-CApath", "-no-CAstore"])
def test_trust_store_is_left_unread_where_possible(option: str) -> None:
    """The machine's trust store is not read, by those options that the binary has."""
    assert option in _engine().command(_server(Protocol.TLSV1_2), PAIR)
    assert option not in _engine(ALL - {option}).command(_server(Protocol.TLSV1_2), PAIR)


PAGE_ARGUMENTS = ("-no_tls1_3", "-no_tls1_2", "-www")


@pytest.mark.parametrize("lacking", [None, "-no_tls1_3", "-www"])
def test_page_s_arguments_are_the_page_s(lacking: str | None) -> None:
    """The page's flags come word for word and in order, save one that the binary does not know."""
    server = Server(
        "page",
        "why",
        frozenset({Protocol.TLSV1}),
        KeyExchange.ANY,
        Certificate.PAGE,
        role=Role.PAGE,
        arguments=PAGE_ARGUMENTS,
    )
    command = _engine(ALL - {lacking} if lacking else ALL).command(server, PAIR)
    assert [a for a in command if a in PAGE_ARGUMENTS] == [a for a in PAGE_ARGUMENTS if a != lacking]
    assert not any("SECLEVEL" in argument for argument in command)
    assert not {"-cipher", "-no-CAfile"} & set(command)


# Finding the binary ---------------------------------------------------------------------------------------


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return path


OLD_OPENSSL = """
case "$1" in
version) echo 'OpenSSL 1.0.2u  20 Dec 2019' ;;
*) printf ' -no_tls1      - just disable TLSv1\\n -no_tls1_2 - the same\\n -www - status\\n' >&2; exit 1 ;;
esac"""


def _refusal(folder: Path, wanted: Path | None, environment: dict[str, str] | None = None) -> str:
    return refusal(EngineError, find_s_server, wanted, folder, {**os.environ, **(environment or {})})


def test_binary_is_asked_what_it_is(tmp_path: Path) -> None:
    """Version and options are the binary's own words, wherever and however it prints its help."""
    program = _program(tmp_path / "old", OLD_OPENSSL)
    engine = find_s_server(program, tmp_path, os.environ)
    assert engine.openssl == program
    assert engine.description == f"OpenSSL 1.0.2u  20 Dec 2019 at {program}"
    assert engine.options == {"-no_tls1", "-no_tls1_2", "-www"}


def test_first_openssl_on_the_path_is_taken(tmp_path: Path) -> None:
    """Where none is given, the environment's PATH decides."""
    program = _program(tmp_path / "openssl", OLD_OPENSSL)
    assert find_s_server(None, tmp_path, {"PATH": f"{tmp_path}:/bin:/usr/bin"}).openssl == program


def test_machine_s_settings_reach_the_page_s_servers_only(tmp_path: Path) -> None:
    """Our servers run under a configuration of ours, the page's under the caller's, and trust nobody."""
    program = _program(tmp_path / "openssl", OLD_OPENSSL)
    callers = {"PATH": os.environ["PATH"], "OPENSSL_CONF": "/theirs", "OPENSSL_MODULES": "/theirs", "A": "b"}
    engine = find_s_server(program, tmp_path, callers)
    assert engine.page_environment == {**callers, "SSL_CERT_FILE": os.devnull}
    assert {name for name in engine.environment if name.startswith("OPENSSL")} == {"OPENSSL_CONF"}
    assert engine.environment["A"] == "b"
    neutral = Path(engine.environment["OPENSSL_CONF"]).read_text()
    assert all(line.startswith("#") for line in neutral.splitlines())


def test_no_openssl_on_the_path(tmp_path: Path) -> None:
    """Without any openssl the message says so, and how to get or give one."""
    message = _refusal(tmp_path, None, {"PATH": str(tmp_path)})
    assert "no openssl on PATH" in message
    assert "install" in message
    assert "--openssl" in message


@pytest.mark.parametrize("mode", [None, 0o600])
def test_openssl_that_is_no_program(tmp_path: Path, mode: int | None) -> None:
    """A path that is not there or not executable is named, with how to give another."""
    wanted = tmp_path / "given"
    if mode is not None:
        wanted.write_text("text")
        wanted.chmod(mode)
    message = _refusal(tmp_path, wanted)
    assert str(wanted) in message
    assert "not an executable" in message
    assert "give --openssl PATH" in message


def test_a_configuration_that_breaks_the_program_is_not_in_our_way(tmp_path: Path) -> None:
    """A program that dies of the machine's configuration is asked, as it serves, under ours."""
    dies = 'if grep -q broken "$OPENSSL_CONF"; then echo FATAL: Startup failure >&2; exit 1; fi'
    conf = tmp_path / "theirs.cnf"
    conf.write_text("broken")
    program = _program(tmp_path / "openssl", f"{dies}\n{OLD_OPENSSL}")
    engine = find_s_server(program, tmp_path, {**os.environ, "OPENSSL_CONF": str(conf)})
    assert engine.description.startswith("OpenSSL 1.0.2u")
    assert engine.page_environment["OPENSSL_CONF"] == str(conf)


def test_a_program_that_fails_is_quoted_to_its_last_word(tmp_path: Path) -> None:
    """Of a program that fails when asked, the refusal has the first line and the cause, which is the last."""
    says = "echo FATAL: Startup failure >&2; echo more >&2; echo module=libMinProtocol.so >&2; exit 1"
    message = _refusal(tmp_path, _program(tmp_path / "openssl", says))
    assert "FATAL: Startup failure" in message
    assert "module=libMinProtocol.so" in message
    assert "more" not in message.replace("module", "")


def test_another_library_s_program(tmp_path: Path) -> None:
    """A program that is no OpenSSL is named by its own words, with what to give instead."""
    wanted = _program(tmp_path / "openssl", "echo LibreSSL 3.3.6")
    message = _refusal(tmp_path, wanted)
    assert str(wanted) in message
    assert "LibreSSL 3.3.6" in message
    assert "--openssl" in message


@pytest.mark.parametrize(
    "script",
    [":", "exit 1", "kill -SEGV $$", "printf '\\377\\376\\n'"],
    ids=["prints nothing", "fails", "crashes", "prints no text"],
)
def test_program_that_does_not_answer(tmp_path: Path, script: str) -> None:
    """A program that says nothing of use is named in a sentence with the remedy, without Python's words."""
    wanted = _program(tmp_path / "openssl", script)
    message = _refusal(tmp_path, wanted)
    assert str(wanted) in message
    assert "--openssl" in message
    assert "index out of range" not in message


def test_program_with_a_dead_interpreter(tmp_path: Path) -> None:
    """A script whose interpreter is missing cannot be run, and that is an EngineError too."""
    wanted = tmp_path / "openssl"
    wanted.write_text("#!/nowhere/sh\n")
    wanted.chmod(0o700)
    message = _refusal(tmp_path, wanted)
    assert str(wanted) in message
    assert "--openssl" in message


def test_program_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that never answers is given up on, and named."""
    monkeypatch.setattr(s_server, "START_LIMIT", 0.1)
    wanted = _program(tmp_path / "openssl", "exec sleep 600")
    message = _refusal(tmp_path, wanted)
    assert str(wanted) in message
    assert "--openssl" in message


# Serving --------------------------------------------------------------------------------------------------


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Make a named pipe, open for reading: processes that hold its other end are alive until it ends."""
    with alive(tmp_path) as pipe:
        yield pipe


def _serve_once(program: Path) -> None:
    """Serve an entry with a program, and leave the block at once."""
    engine = SServer(program, "OpenSSL 0.0", ALL, os.environ, os.environ)

    async def test() -> None:
        async with asyncio.timeout(HANGS), engine.serve(_server(Protocol.TLSV1_2), PAIR):
            pass

    asyncio.run(test())


def test_server_that_never_accepts_is_given_up(
    tmp_path: Path, pipe: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that never says ACCEPT is an EngineError after the limit, and its process is gone."""
    monkeypatch.setattr(s_server, "START_LIMIT", 0.2)
    program = _program(tmp_path / "openssl", f"exec 9>{pipe[0]}; echo started >&9; exec sleep 600")
    with pytest.raises(EngineError, match=r"0\.2 s"):
        _serve_once(program)
    assert read_end(pipe[1]) == b"started\n"


def test_server_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    """A server that ends without accepting is an EngineError with its last words."""
    program = _program(tmp_path / "openssl", "echo Error setting up; echo no such cipher >&2")
    with pytest.raises(EngineError) as caught:
        _serve_once(program)
    assert "Error setting up" in str(caught.value)
    assert "no such cipher" in str(caught.value)


def test_server_that_ends_without_a_word(tmp_path: Path) -> None:
    """A server that ends in silence is an EngineError that says so."""
    with pytest.raises(EngineError, match="printed nothing"):
        _serve_once(_program(tmp_path / "openssl", ":"))


@pytest.mark.parametrize(
    "line",
    ["ACCEPT 0.0.0.0:4433", "ACCEPT", "ACCEPT 127.0.0.1:", "say ACCEPT 127.0.0.1:4433"],
)
def test_only_loopback_is_believed(tmp_path: Path, line: str) -> None:
    """What does not name a port on loopback is no address."""
    with pytest.raises(EngineError) as caught:
        _serve_once(_program(tmp_path / "openssl", f"echo '{line}'"))
    assert line in str(caught.value)


def test_server_that_talks_a_lot_is_not_blocked(tmp_path: Path) -> None:
    """What a server prints is read all the time, so it never waits for us; the address is what it named."""
    done = tmp_path / "done"
    os.mkfifo(done)
    reader = os.open(done, os.O_RDONLY | os.O_NONBLOCK)
    script = (
        f"echo 'ACCEPT 127.0.0.1:4433 PID=1'; head -c 100000 /dev/zero | tr '\\0' '\\n'; echo all >{done}"
    )
    engine = SServer(_program(tmp_path / "openssl", script), "OpenSSL 0.0", ALL, os.environ, os.environ)

    async def test() -> None:
        async with asyncio.timeout(HANGS), engine.serve(_server(Protocol.TLSV1_2), PAIR) as address:
            assert address.address == ("127.0.0.1", 4433)
            readable = asyncio.Event()
            asyncio.get_running_loop().add_reader(reader, readable.set)
            try:
                await readable.wait()
            finally:
                asyncio.get_running_loop().remove_reader(reader)

    try:
        asyncio.run(test())
        assert os.read(reader, 10) == b"all\n"
    finally:
        os.close(reader)


@pytest.mark.parametrize("how", ["end", "error", "cancel"])
def test_no_process_outlives_the_block(tmp_path: Path, pipe: tuple[Path, int], how: str) -> None:
    """However the block ends, the server is gone."""
    script = f"exec 9>{pipe[0]}; echo started >&9; echo 'ACCEPT 127.0.0.1:4433'; exec sleep 600"
    engine = SServer(_program(tmp_path / "openssl", script), "OpenSSL 0.0", ALL, os.environ, os.environ)

    async def test() -> None:
        async with asyncio.timeout(HANGS), engine.serve(_server(Protocol.TLSV1_2), PAIR):
            if how == "error":
                raise ZeroDivisionError
            if how == "cancel":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.Event().wait()

    with contextlib.suppress(ZeroDivisionError, asyncio.CancelledError):
        asyncio.run(test())
    assert read_end(pipe[1]) == b"started\n"


def test_wrapper_s_child_does_not_outlive_the_block(tmp_path: Path, pipe: tuple[Path, int]) -> None:
    """An openssl that is a script around the real one leaves no process either, and nothing waits for it."""
    up = tmp_path / "up"
    child = f"sh -c 'echo started >&9; : >{up}; exec sleep 600' 9>{pipe[0]}"
    script = f"{child} &\nuntil [ -e {up} ]; do :; done; echo 'ACCEPT 127.0.0.1:4433'; wait"
    engine = SServer(_program(tmp_path / "openssl", script), "OpenSSL 0.0", ALL, os.environ, os.environ)

    async def test() -> None:
        async with asyncio.timeout(3), engine.serve(_server(Protocol.TLSV1_2), PAIR):
            pass

    try:
        asyncio.run(test())
        assert read_end(pipe[1]) == b"started\n"
    finally:
        _end_holders(pipe[0])


def _end_holders(path: Path) -> None:
    """End the processes that hold a pipe, if the engine did not; where /proc does not tell, they end late."""
    for link in Path("/proc").glob("[0-9]*/fd/9"):
        with contextlib.suppress(OSError):
            if link.readlink() == path:
                os.kill(int(link.parts[2]), 9)


# With a real openssl --------------------------------------------------------------------------------------


@pytest.fixture
def real(tmp_path: Path) -> SServer:
    """Find this machine's openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH")
    return find_s_server(None, tmp_path, os.environ)


@pytest.mark.e2e
def test_real_openssl_has_the_options_that_we_ask_for(real: SServer) -> None:
    """This machine's openssl is recognised, and its help is understood."""
    assert real.description.startswith("OpenSSL ")
    assert {OFF[Protocol.TLSV1_2], OFF[Protocol.TLSV1_3], "-www", "-cipher"} <= real.options


@pytest.mark.e2e
@pytest.mark.parametrize("private", [True, False])
def test_real_server_listens_until_the_block_ends(
    real: SServer, pairs: dict[Certificate, KeyPair], tmp_path: Path, *, private: bool
) -> None:
    """A server accepts when its address is given, two at a time have two, and then both are gone."""
    server, pair = read_catalogue()["tls1_2"], pairs[Certificate.RSA]
    engine = replace(real, folder=tmp_path if private else None)

    async def test() -> list[Entrance]:
        async with (
            asyncio.timeout(HANGS),
            engine.serve(server, pair) as one,
            engine.serve(server, pair) as other,
        ):
            for entrance in (one, other):
                await _dial(entrance)
            return [one, other]

    entrances = asyncio.run(test())
    assert len({entrance.address for entrance in entrances}) == 2
    for entrance in entrances:
        assert isinstance(entrance.address, Path) is private
        with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
            asyncio.run(_dial(entrance))


async def _dial(entrance: Entrance) -> None:
    async with entrance.turn(time.monotonic) as turn:
        await turn.dial()


def test_server_is_in_a_folder_that_nobody_else_can_enter(tmp_path: Path) -> None:
    """With a folder of ours a server has a socket in it in place of a TCP port, which anybody can reach."""
    program = _program(tmp_path / "openssl", 'echo "ACCEPT localhost:$3"; exec sleep 600')
    engine = SServer(program, "OpenSSL 0.0", ALL | {"-unix"}, os.environ, os.environ, tmp_path)

    async def test() -> Entrance:
        async with asyncio.timeout(HANGS), engine.serve(_server(Protocol.TLSV1_2), PAIR) as entrance:
            return entrance

    address = asyncio.run(test()).address
    assert isinstance(address, Path)
    assert address.parent == tmp_path


@pytest.mark.parametrize(
    ("options", "folder"), [(ALL, "here"), (ALL | {"-unix"}, "x" * 120), (ALL | {"-unix"}, None)]
)
def test_tcp_is_what_is_left(tmp_path: Path, options: frozenset[str], folder: str | None) -> None:
    """Without the option, without a folder, or with a path that is too long for a socket, a port is used."""
    program = _program(tmp_path / "openssl", '[ "$2" = -accept ] && echo "ACCEPT $3"3; exec sleep 600')
    home = tmp_path / folder if folder else None
    if home:
        home.mkdir()
    engine = SServer(program, "OpenSSL 0.0", options, os.environ, os.environ, home)

    async def test() -> Entrance:
        async with asyncio.timeout(HANGS), engine.serve(_server(Protocol.TLSV1_2), PAIR) as entrance:
            return entrance

    assert asyncio.run(test()).address == ("127.0.0.1", 3)


@pytest.mark.e2e
def test_real_server_with_a_bad_key_says_why(real: SServer, tmp_path: Path) -> None:
    """A server that cannot read its key is an EngineError with OpenSSL's own words."""
    (tmp_path / "some.key").write_text("no key")
    pair = KeyPair(tmp_path / "some.pem", tmp_path / "some.key", tmp_path / "trust.pem")

    async def test() -> None:
        async with asyncio.timeout(HANGS), real.serve(_server(Protocol.TLSV1_2), pair):
            pass

    with pytest.raises(EngineError, match=r"some\.key"):
        asyncio.run(test())


def test_an_openssl_that_others_could_replace_does_not_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root starts no openssl that somebody else owns, or may write to: neither as a server nor to ask it."""
    fake = tmp_path / "openssl"
    fake.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\necho OpenSSL 3.0\n")
    fake.chmod(0o755)
    monkeypatch.setattr(s_server, "not_as_root", lambda path: f"{path} is writable by everybody")
    with pytest.raises(EngineError, match=r"does not serve: .* is writable by everybody"):
        find_s_server(fake, tmp_path, os.environ)
    assert not (tmp_path / "ran").exists()
