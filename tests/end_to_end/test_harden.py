"""`nox -s harden` as a person runs it, on sources so small that they are built at once."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.limits import SLOW
from tests.support.small_sources import an_identity, an_interpreter, archive, small_sources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that gives the command line of the session on small sources."""

    def make(*words: str) -> list[str]:
        files = {name: tmp_path / f"{name}.tgz" for name in ("openssl", "python")}
        for name, contents in small_sources().items():
            if not files[name].exists():
                archive(files[name], contents)
        sources = [word for name, path in files.items() for word in (f"--{name}-source", str(path))]
        return ["-s", "harden", "--", *sources, "--prefix", str(tmp_path / "base"), *words]

    return make


@pytest.fixture
def harden(checkout: Checkout, command: Callable[..., list[str]]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs the session on small sources, for its exit status and last sentence."""

    def run(*words: str, **environment: str) -> tuple[int, str]:
        status, said = checkout.nox(*command(*words), **environment)
        assert "Traceback" not in said
        sentence = [line for line in said.splitlines() if "aborted: " in line or "error: " in line]
        return status, (sentence or [said])[-1]

    return run


def left(tmp_path: Path) -> bool:
    """Whether anything is where the prefixes belong."""
    return (tmp_path / "base").exists()


def test_a_corrupted_archive(harden: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    """A damaged source ends the session with one sentence, and nothing is installed."""
    path = archive(tmp_path / "openssl.tgz", small_sources()["openssl"])
    path.write_bytes(path.read_bytes()[:-9])
    status, said = harden()
    assert status == 1
    assert f"{path} is damaged, or no archive" in said
    assert not left(tmp_path)


def test_an_archive_that_reaches_outside(harden: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    """A source with a path outside its root ends the session with one sentence, and writes nothing there."""
    path = archive(tmp_path / "python.tgz", {**small_sources()["python"], "../../../outside": "x"})
    status, said = harden()
    assert status == 1
    assert f"{path} reaches outside its own root and was not unpacked" in said
    assert not left(tmp_path)


def test_a_prefix_that_is_not_writable(harden: Callable[..., tuple[int, str]]) -> None:
    """A place where nothing can be made ends the session with one sentence, for root too."""
    status, said = harden("--prefix", "/proc/hardened")
    assert status == 1
    assert "/proc/hardened/openssl-with-min-tls1_2 cannot be made" in said


def test_a_machine_without_a_compiler(harden: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    """Without a compiler the session ends with one sentence that names what brings one."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "make", "perl", "sed", "cp", "mkdir", "git", "apt-get"):
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    status, said = harden(PATH=str(tools))
    assert status == 1
    assert "a build needs a C compiler that can link a program" in said
    assert not left(tmp_path)


def test_a_python_without_its_ssl_module(harden: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    """A Python without `_ssl`, which make is content with, ends the session with one sentence."""
    without = an_interpreter(
        an_identity() | {"ssl": None, "ssl_unavailable": "ImportError: No module named '_ssl'"}
    )
    archive(tmp_path / "python.tgz", {**small_sources()["python"], "python.in": without})
    status, said = harden()
    assert status == 1
    assert "its _ssl imports: no (ImportError: No module named '_ssl')" in said
    assert not left(tmp_path)


def test_ctrl_c_leaves_nothing_and_the_next_run_goes_on(
    command: Callable[..., list[str]], checkout: Checkout, tmp_path: Path
) -> None:
    """Ctrl-C while Python is made ends the make, installs nothing, and the next run goes on with it."""
    slow = tmp_path / "slow"
    slow.touch()
    files = small_sources()["python"]
    files["Makefile"] += f"\nall: wait\nwait: ; if test -e {slow}; then echo > {slow}; sleep {SLOW:g}; fi\n"
    archive(tmp_path / "python.tgz", files)
    with checkout.start(*command()) as process:
        while process.poll() is None and not slow.stat().st_size:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=SLOW)
    assert process.returncode != 0
    assert not left(tmp_path)
    assert checkout.processes() == []
    slow.unlink()
    _, said = checkout.nox(*command())
    assert "[7/10] configure Python 3.11: done before" in said
    assert "[8/10] make Python 3.11 (" in said


def test_a_pair_whose_proof_fails(harden: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    """A pair that builds and claims everything, and cannot be measured, is not left in place."""
    status, said = harden()
    assert status == 1
    assert (
        "the build is not what it should be, so nothing was installed: its pip installs over TLS: no" in said
    )
    assert "the matrix shows TLSv1.2 held by the build: no" in said
    assert not left(tmp_path)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--recipe", "none"], 1, "no recipe answers to --recipe none"),
        (["--python-source", "/no/such/file"], 1, "--python-source /no/such/file: there is no such file"),
        (["--jobs", "many"], 2, "--jobs: 'many' is not a whole number"),
    ],
)
def test_what_makes_no_sense(
    harden: Callable[..., tuple[int, str]], words: list[str], status: int, said: str
) -> None:
    """An argument that cannot be meant ends the session with a sentence."""
    code, sentence = harden(*words)
    assert code == status
    assert said in sentence
