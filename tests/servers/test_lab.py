"""The lab: what is served while its block lasts, why something is not, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from servers import lab as lab_module
from servers.catalogue import Catalogue, Certificate, Role, Server, read_catalogue
from servers.certificates import KeyPair, issue
from servers.control import Control
from servers.engine import EngineError
from servers.entrance import Entrance
from servers.lab import Lab, LabServer, open_lab
from servers.s_server import find_s_server
from tests.support.limits import HANGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


DRIVEN = [server for server in read_catalogue().servers if server.engine == "openssl"]
"""The entries that openssl serves."""


def _catalogue(*servers: Server) -> Catalogue:
    return Catalogue(servers, "")


LADDER_ONLY = _catalogue(*(server for server in DRIVEN if server.role is Role.LADDER))
"""Without the page's servers, whose key takes seconds to make."""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Make the folder of the run and the one that outlives it."""
    scratch, cache = tmp_path / "scratch", tmp_path / "cache"
    scratch.mkdir(mode=0o700)
    cache.mkdir(mode=0o700)
    return scratch, cache


@pytest.fixture
def quick(pairs: dict[Certificate, KeyPair], monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a test the making of certificates."""
    monkeypatch.setattr(lab_module, "issue", lambda _: dict(pairs))


@pytest.fixture
def real_openssl(tmp_path: Path) -> Path:
    """Return this machine's openssl; skip where there is none."""
    try:
        return find_s_server(None, tmp_path, os.environ).openssl
    except EngineError as error:
        pytest.skip(str(error))


@pytest.fixture
def no_page(folders: tuple[Path, Path]) -> None:
    """Spare a test the making of the page's key, which takes seconds: there seems to be one already."""
    kept = folders[1] / "page"
    kept.mkdir()
    for name in ("cert.pem", "key.pem"):
        (kept / name).touch()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the process ids of all that is started while the test runs."""
    pids: list[int] = []
    real = asyncio.create_subprocess_exec

    async def noted(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await real(*command, **options)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    return pids


def _with_lab(
    catalogue: Catalogue,
    folders: tuple[Path, Path],
    openssl: Path | None = None,
    inside: Callable[[Lab], None] = lambda _: None,
) -> Lab:
    """Open the lab, do something in it, and return what it was."""

    async def test() -> Lab:
        async with asyncio.timeout(HANGS), open_lab(catalogue, *folders, os.environ, openssl) as lab:
            inside(lab)
            return lab

    return asyncio.run(test())


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.usefixtures("quick")
def test_missing_openssl_is_every_servers_reason(folders: tuple[Path, Path]) -> None:
    """Without openssl all servers are listed in order, each with the reason and a failed control."""
    missing = folders[0] / "nowhere" / "openssl"

    async def test() -> None:
        catalogue = _catalogue(*DRIVEN)
        async with asyncio.timeout(HANGS), open_lab(catalogue, *folders, os.environ, missing) as lab:
            controls = await lab.controls()
            assert [entry.server for entry in lab.servers] == DRIVEN
            assert str(missing) in lab.engine
            for entry in lab.servers:
                assert entry.address is None
                assert str(missing) in entry.unavailable
                control = controls[entry.server.id]
                assert not control.passed
                assert control.reason == entry.unavailable
            assert lab.unavailable == lab.servers[0].unavailable

    asyncio.run(test())


def test_a_control_that_cannot_be_run_has_failed(
    monkeypatch: pytest.MonkeyPatch, pairs: dict[Certificate, KeyPair]
) -> None:
    """Where no thread can be started for a control it has failed for that reason, and the others are run."""

    async def control(server: Server, *_: object) -> Control:
        if server is DRIVEN[0]:
            msg = "can't start new thread"
            raise RuntimeError(msg)
        return Control(True, "completed")

    monkeypatch.setattr(lab_module, "run_control", control)
    pair = pairs[Certificate.RSA]
    lab = Lab(tuple(LabServer(server, ("127.0.0.1", 9), pair) for server in DRIVEN[:2]), "")
    first, second = asyncio.run(lab.controls()).values()
    assert not first.passed
    assert "no more processes or threads" in first.reason
    assert second.passed


def test_servers_that_are_silent_are_waited_for_together(
    monkeypatch: pytest.MonkeyPatch, pairs: dict[Certificate, KeyPair]
) -> None:
    """Where none answers, as behind a filter that drops what is sent, nobody waits for one of them alone."""
    at_once = [0]

    async def control(_: Server, __: object, ___: str) -> Control:
        at_once[0] += 1
        if at_once[0] == len(DRIVEN):
            last.set()
        await last.wait()
        return Control(False, "deaf")

    async def run() -> dict[str, Control]:
        async with asyncio.timeout(HANGS):
            return await lab.controls()

    last = asyncio.Event()
    monkeypatch.setattr(lab_module, "run_control", control)
    monkeypatch.setattr(lab_module, "CONTROL_TURN", 0.01)
    pair = pairs[Certificate.RSA]
    lab = Lab(tuple(LabServer(server, ("127.0.0.1", 9), pair) for server in DRIVEN), "")
    assert {control.reason for control in asyncio.run(run()).values()} == {"deaf"}


@pytest.mark.usefixtures("quick")
def test_program_that_goes_away_is_a_reason(folders: tuple[Path, Path]) -> None:
    """An openssl that answers when asked and cannot be started later leaves servers with the reason."""
    program = folders[0] / "openssl"
    # It removes itself once it has told its options.
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = version ]; then echo OpenSSL 3.0.0\n'
        'else for p in ssl3 tls1 tls1_1 tls1_2 tls1_3; do echo " -no_$p "; done; rm "$0"; fi\n'
    )
    program.chmod(0o700)
    lab = _with_lab(LADDER_ONLY, folders, program)
    for entry in lab.servers:
        assert entry.address is None
        assert entry.unavailable


@pytest.mark.usefixtures("quick")
def test_one_entry_that_cannot_be_served_leaves_the_others(folders: tuple[Path, Path]) -> None:
    """An entry that this openssl cannot serve has its reason; the rest has addresses."""
    program = folders[0] / "openssl"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = version ]; then echo OpenSSL 1.0.2; exit; fi\n'
        'if [ "$2" = -help ]; then for p in ssl3 tls1 tls1_1 tls1_2; do echo " -no_$p "; done; exit; fi\n'
        'if [ "$1" = s_server ]; then echo ACCEPT 127.0.0.1:9; exec sleep 600; fi\n'
        "exit 1\n"
    )
    program.chmod(0o700)
    chosen = LADDER_ONLY.servers
    lab = _with_lab(_catalogue(*chosen), folders, program)
    lacking = {server.id for server in chosen if "TLSv1.3" in server.protocols}
    assert lacking
    assert {entry.server.id for entry in lab.servers if entry.address is None} == lacking
    assert lab.unavailable == ""
    for entry in lab.servers:
        assert ("-no_tls1_3" in entry.unavailable) is (entry.server.id in lacking)


@pytest.mark.usefixtures("quick")
def test_unknown_engine_is_a_reason(folders: tuple[Path, Path]) -> None:
    """An entry whose engine does not exist has no address, and its name is in the reason."""
    server = replace(LADDER_ONLY.servers[0], engine="steam")
    (entry,) = _with_lab(_catalogue(server), folders, folders[0] / "none").servers
    assert entry.address is None
    assert "steam" in entry.unavailable


@pytest.mark.usefixtures("quick")
def test_page_without_a_certificate_is_a_reason(folders: tuple[Path, Path]) -> None:
    """Where openssl does not make the page's certificate, only the page's servers lack an address."""
    program = folders[0] / "openssl"
    program.write_text(
        "#!/bin/sh\n"
        'case "$1 $2" in version*) echo OpenSSL 3.0.0; exit;; *-help) echo; exit;;\n'
        "req*) echo first >&2; echo no such section >&2; exit 1;; esac\n"
        "echo ACCEPT 127.0.0.1:9; exec sleep 600\n"
    )
    program.chmod(0o700)
    page = [server for server in DRIVEN if server.role is Role.PAGE]
    lab = _with_lab(_catalogue(*page), folders, program)
    assert page
    for entry in lab.servers:
        assert entry.address is None
        assert "certificate" in entry.unavailable
        assert "no such section" in entry.unavailable
        assert "first" not in entry.unavailable


@pytest.mark.usefixtures("quick")
def test_exception_in_the_block_comes_out_as_itself(folders: tuple[Path, Path]) -> None:
    """What is raised inside the block is what its caller catches, in no wrapping."""

    def fail(_: Lab) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _with_lab(LADDER_ONLY, folders, folders[0] / "none", fail)


@pytest.mark.e2e
@pytest.mark.usefixtures("no_page")
@pytest.mark.parametrize("how", ["end", "error"])
@pytest.mark.parametrize("named", [False, True], ids=["process", "s_server"])
def test_nothing_stays_behind(
    folders: tuple[Path, Path], started: list[int], real_openssl: Path, how: str, *, named: bool
) -> None:
    """However the block ends, every server's process is gone and every port closed."""
    seen: list[Lab] = []
    openssl = real_openssl if named else None

    def look(lab: Lab) -> None:
        seen.append(lab)
        assert len(started) == (len(LADDER_ONLY.servers) if named else 1)
        assert not any(_is_gone(pid) for pid in started)
        if how == "error":
            raise ZeroDivisionError

    if how == "error":
        with pytest.raises((ZeroDivisionError, ExceptionGroup)):
            _with_lab(LADDER_ONLY, folders, openssl, look)
    else:
        _with_lab(LADDER_ONLY, folders, openssl, look)
    assert all(_is_gone(pid) for pid in started)
    addresses = [entry.address for entry in seen[0].servers]
    assert all(addresses)
    for address in addresses:
        assert address is not None
        entrance = address if isinstance(address, Entrance) else Entrance(address)
        with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
            asyncio.run(_dial(entrance))


async def _dial(entrance: Entrance) -> None:
    async with entrance.turn(time.monotonic) as turn:
        await turn.dial()


@pytest.mark.e2e
@pytest.mark.usefixtures("no_page")
@pytest.mark.parametrize(("named", "many"), [(False, 1), (True, 3)], ids=["process", "s_server"])
def test_interrupted_lab_leaves_nothing(
    folders: tuple[Path, Path], started: list[int], real_openssl: Path, *, named: bool, many: int
) -> None:
    """A lab that is interrupted while it starts its servers leaves none of them."""

    async def test() -> None:
        async def hold() -> None:
            async with open_lab(LADDER_ONLY, *folders, os.environ, real_openssl if named else None):
                await asyncio.Event().wait()

        async with asyncio.timeout(HANGS):
            task = asyncio.create_task(hold())
            while len(started) < many:  # noqa: ASYNC110  the processes cannot set an event
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(test())
    assert len(started) >= many
    assert all(_is_gone(pid) for pid in started)


@pytest.mark.e2e
@pytest.mark.usefixtures("no_page")
def test_servers_are_the_catalogue_s_with_their_pairs(folders: tuple[Path, Path]) -> None:
    """Servers come in the catalogue's order with ports of their own and pairs that only we can read."""
    lab = _with_lab(LADDER_ONLY, folders)
    assert [entry.server for entry in lab.servers] == list(LADDER_ONLY.servers)
    assert len({entry.address for entry in lab.servers}) == len(lab.servers)
    assert lab.engine.startswith("OpenSSL ")
    for entry in lab.servers:
        assert entry.pair is not None
        assert entry.pair.certificate.stem == entry.server.certificate
        assert not stat.S_IMODE(entry.pair.key.stat().st_mode) & 0o077


@pytest.mark.e2e
@pytest.mark.usefixtures("real_openssl")
def test_page_s_pair_is_kept_while_it_is_fresh(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's pair is made once and then taken from the cache, until it is too old or half gone."""
    server = next(server for server in DRIVEN if server.role is Role.PAGE)
    made = 0

    def issue_small(openssl: Path, folder: Path, environment: object) -> KeyPair:  # noqa: ARG001
        nonlocal made
        made += 1
        pair = issue(folder)[Certificate.RSA]
        certificate, key = folder / "cert.pem", folder / "key.pem"
        pair.certificate.rename(certificate)
        pair.key.rename(key)
        return KeyPair(certificate, key, certificate)

    monkeypatch.setattr(lab_module, "issue_page", issue_small)
    turn = 0

    def stand() -> tuple[bytes, Path]:
        nonlocal turn
        turn += 1
        scratch = tmp_path / f"scratch{turn}"
        scratch.mkdir(mode=0o700)
        (one,) = _with_lab(_catalogue(server), (scratch, folders[1])).servers
        assert one.address is not None
        assert one.pair is not None
        assert not stat.S_IMODE(one.pair.key.stat().st_mode) & 0o077
        return one.pair.certificate.read_bytes(), one.pair.key

    first, key = stand()
    assert stand()[0] == first
    assert made == 1
    old = key.stat().st_mtime - lab_module.PAGE_PAIR_AGE - 1
    os.utime(key, (old, old))
    second, key = stand()
    assert second != first
    assert made == 2
    key.unlink()
    third, key = stand()
    assert third not in (first, second)
    assert made == 3
    # As after a clock that was ahead has been corrected.
    ahead = key.stat().st_mtime + 30 * 24 * 3600
    os.utime(key, (ahead, ahead))
    assert stand()[0] not in (first, second, third)
    assert made == 4
