"""A program as a client: it connected if it ended well with an answer, and all else is told in its words."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.checkout import ROOT
from tests.support.probing import board

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from tests.support.processes import Witness

    Script = Callable[[str, str], Path]

ANSWER = "Cipher is A-CIPHER\nProtocol  : TLSv1.1\n"
SAYS_ANSWER = f"printf %s {shlex.quote(ANSWER)}"
HUNG = 0.1
"""Seconds for a socket; a program has twice that."""


@pytest.fixture
def program(passenger: Callable[[str], ModuleType], script: Script) -> Callable[..., Any]:
    """Return a function that makes a program of a shell script."""

    def make(body: str, *words: str, request: str = "") -> Any:
        told = {
            "path": str(script("tool", body)),
            "version": "1.2.3",
            "words": ["{program}", *words],
            "request": request,
        }
        return passenger("program").ProgramClient(told)

    return make


def fetch(one: Any, timeout: float = 5.0) -> Any:
    """Have a program fetch."""
    return one.fetch("localhost", 4433, "/ca.pem", timeout)


def test_an_answer_names_what_was_negotiated(program: Callable[..., Any]) -> None:
    """A program that ends well and prints the answer has connected as the answer says."""
    one = program(SAYS_ANSWER)
    assert one.version() == "1.2.3"
    assert fetch(one) == {"version": "TLSv1.1", "cipher": "A-CIPHER"}


def test_an_answer_that_was_saved_to_the_output_is_not_written_over(program: Callable[..., Any]) -> None:
    """What a program prints beside an answer that it saved to /dev/stdout comes after it."""
    one = program("echo 'Protocol  : TLSv1.1' >/dev/stdout; echo saved")
    assert fetch(one)["version"] == "TLSv1.1"


def test_its_words_are_filled_in(program: Callable[..., Any]) -> None:
    """It is told where to go and whom to trust, and has its request on its standard input."""
    body = f'[ "$*" = "https://localhost:4433/ localhost:4433 /ca.pem {ROOT}/probes" ] || exit 9\n'
    body += f'[ "$(cat)" = hello ] || exit 8\n{SAYS_ANSWER}'
    one = program(body, "{url}", "{host}:{port}", "{cafile}", "{here}", request="hello")
    assert fetch(one)["version"] == "TLSv1.1"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo one >&2; echo >&2; echo two >&2; exit 35", ["status 35", "one / two"]),
        (f"{SAYS_ANSWER}; exit 1", ["status 1", "Protocol"]),
        ("kill -SEGV $$", ["signal 11"]),
        ("exit 0", ["names no protocol"]),
        ("echo hello", ["names no protocol", "hello"]),
        (f"{SAYS_ANSWER} >&2", ["names no protocol"]),
    ],
)
def test_without_a_good_end_and_an_answer_it_has_failed(
    program: Callable[..., Any], body: str, words: list[str]
) -> None:
    """A bad status, a signal, silence, or an answer that is none or was not given as one is a failure."""
    with pytest.raises(Exception, match=re.escape(words[0])) as raised:
        fetch(program(body))
    assert raised.type.__name__ in ("ProgramError", "ValueError")
    for word in words[1:]:
        assert word in str(raised.value)


def test_a_program_that_is_not_there_has_failed(passenger: Callable[[str], ModuleType]) -> None:
    """A command that cannot be started raises what the system says."""
    told = {"path": "/nonexistent/tool", "version": "1", "words": ["{program}"], "request": ""}
    with pytest.raises(FileNotFoundError):
        fetch(passenger("program").ProgramClient(told))


def test_what_it_leaves_behind_does_not_hold_it_up(program: Callable[..., Any], tmp_path: Path) -> None:
    """A grandchild that keeps the output open is not waited for."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert fetch(program(f"cat {pipe} &\n{SAYS_ANSWER}"))["version"] == "TLSv1.1"
    pipe.write_text("")  # which lets the grandchild end


def test_a_program_that_hangs_is_ended_and_soon_left_alone(
    program: Callable[..., Any], tmp_path: Path, witness: Witness
) -> None:
    """Each hanging attempt is ended with its reason, and after the second there is no third."""
    one = program(f"{witness.watch}\nprintf x >>{tmp_path}/runs\nexec sleep 1000")
    said = []
    for _ in range(3):
        with pytest.raises(Exception, match="ended") as raised:
            fetch(one, HUNG)
        said.append(str(raised.value))
    assert said[:2] == ["did not end within 0.2 s, and was ended"] * 2
    assert said[2] == "not tried again, after it had to be ended 2 times"
    assert (tmp_path / "runs").read_text() == "xx"
    assert witness.all_gone()


def test_a_program_that_prints_without_end_is_ended(program: Callable[..., Any]) -> None:
    """Output beyond any answer's size is not taken in."""
    with pytest.raises(Exception, match="printed without end"):
        fetch(program("exec yes"))


def test_the_passenger_boards_a_program_like_any_client(script: Script) -> None:
    """In a plan, a program has its version and accounts as a module has; a failure keeps its class."""
    told = {"version": "1.2.3", "words": ["{program}", "{host}"], "request": ""}
    good = {**told, "path": str(script("good", SAYS_ANSWER))}
    bad = {**told, "path": str(script("bad", "echo no luck >&2; exit 4"))}
    cell = {"server": "open", "host": "localhost", "port": 1, "cafile": "/ca.pem"}
    cells = [{**cell, "client": "good", "program": good}, {**cell, "client": "bad", "program": bad}]
    said = board(sys.executable, cells)
    versions = {r["client"]: r["version"] for r in said if r["kind"] == "client"}
    accounts = {r["client"]: r["account"] for r in said if r["kind"] == "account"}
    assert versions == {"good": "1.2.3", "bad": "1.2.3"}
    assert (accounts["good"]["outcome"], accounts["good"]["version"]) == ("connected", "TLSv1.1")
    assert accounts["bad"]["outcome"] == "failed"
    assert accounts["bad"]["error_class"] == "program.ProgramError"
    assert "status 4: no luck" in accounts["bad"]["error_text"]
    assert said[-1]["kind"] == "end"
