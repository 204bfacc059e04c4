"""A program as a client: it connected if it ended well with an answer, and all else is told in its words."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.processes import killed_at_the_end
from tests.support.checkout import ROOT
from tests.support.probing import board

if TYPE_CHECKING:
    from collections.abc import Callable
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


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells whose child an orphan was")
@pytest.mark.parametrize("way", ["sleep 1000 &", "setsid sh -c 'sleep 1000 & exec sleep 1000' &"])
def test_what_it_leaves_behind_does_not_hold_it_up_and_is_ended(
    program: Callable[..., Any], witness: Witness, way: str
) -> None:
    """A grandchild that keeps the output open is not waited for, and is gone before the next server."""
    assert fetch(program(f"{witness.watch}\n{way}\n{SAYS_ANSWER}"))["version"] == "TLSv1.1"
    assert witness.all_gone()


def test_what_others_started_is_left_alone(program: Callable[..., Any]) -> None:
    """Only what the program itself started is ended."""
    with killed_at_the_end(subprocess.Popen(["sleep", "1000"])) as other:
        assert fetch(program(SAYS_ANSWER))["version"] == "TLSv1.1"
        assert other.poll() is None


# Commands, of which the wire tells ------------------------------------------------------------------------


@pytest.fixture
def command(passenger: Callable[[str], ModuleType], script: Script) -> Callable[..., Any]:
    """Return a function that makes a command of the user's of a shell script."""

    def make(body: str, *words: str, **told: object) -> Any:
        usual = {"path": str(script("tool", body)), "version": "", "words": ["{program}", *words]}
        return passenger("program").ProgramClient({**usual, "request": "", "prints_answer": False, **told})

    return make


@pytest.mark.parametrize(
    ("body", "outcome", "text"),
    [
        ("exit 0", "untold", "ended with status 0"),
        (SAYS_ANSWER, "untold", "ended with status 0: Cipher is A-CIPHER / Protocol  : TLSv1.1"),
        ("echo one; echo two >&2; exit 35", "untold", "ended with status 35: two"),
        ("echo bye; kill -SEGV $$", "broke off", "ended with signal 11: bye"),
        ("echo hello; exec sleep 1000", "broke off", "did not end within 0.3 s, and was ended: hello"),
    ],
)
def test_a_command_is_told_by_how_it_ended(
    command: Callable[..., Any], body: str, outcome: str, text: str
) -> None:
    """Whatever it prints, its status, its signal or our patience is told with its last words, no more."""
    assert fetch(command(body, limit=0.3)) == {"outcome": outcome, "error_text": text}


def test_a_command_that_prints_without_end_is_ended(command: Callable[..., Any]) -> None:
    """Of its output only a few words are kept."""
    told = fetch(command("exec yes $(printf %01000d 0)"))
    assert told["outcome"] == "broke off"
    assert told["error_text"].startswith("printed without end, and was ended: 0000")
    assert len(told["error_text"]) < 500


def test_a_command_that_hangs_is_tried_on_each_server_with_less_time(
    command: Callable[..., Any], tmp_path: Path, witness: Witness
) -> None:
    """It may have connected and wait for an answer that our servers do not have, so no attempt is left out."""
    one = command(f"{witness.watch}\nprintf x >>{tmp_path}/runs\nsleep 1000 & wait", limit=0.4)
    told = [fetch(one) for _ in range(4)]
    assert {account["outcome"] for account in told} == {"broke off"}
    assert [account["error_text"] for account in told] == [
        "did not end within 0.4 s, and was ended",
        "did not end within 0.4 s, and was ended",
        "did not end within 0.1 s, and was ended (of 0.4 s, as it hung on 2 servers before)",
        "did not end within 0.1 s, and was ended (of 0.4 s, as it hung on 3 servers before)",
    ]
    assert (tmp_path / "runs").read_text() == "xxxx"
    assert witness.all_gone()


def test_a_command_that_ends_again_has_its_whole_time_again(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    """Less time is for what hangs on one server after the other, and not for what hung before."""
    one = command(f"[ -e {tmp_path}/up ] || exec sleep 1000", limit=0.4)
    for _ in range(2):
        assert fetch(one)["outcome"] == "broke off"
    one._told["limit"] = 40  # a quarter is time enough to start on a busy machine
    (tmp_path / "up").touch()
    assert fetch(one) == {"outcome": "untold", "error_text": "ended with status 0"}
    (tmp_path / "up").unlink()
    one._told["limit"] = 0.4
    assert fetch(one)["error_text"] == "did not end within 0.4 s, and was ended"


@pytest.mark.parametrize(
    ("hung", "seconds"), [(0, 20), (1, 20), (2, 5), (3, 5), (15, 5)], ids=lambda value: str(value)
)
def test_a_quarter_of_its_time_is_left_to_a_command_that_hung_twice(
    passenger: Callable[[str], ModuleType], hung: int, seconds: float
) -> None:
    """One server may be at fault; after two in a row each server takes less."""
    assert passenger("program").time_for(20, hung) == seconds


def test_sixteen_servers_cost_no_more_than_six_limits(passenger: Callable[[str], ModuleType]) -> None:
    """The whole catalogue does not take a hanging command its limit once for each server."""
    time_for = passenger("program").time_for
    assert sum(time_for(20, hung) for hung in range(16)) < 6 * 20


def test_a_command_has_its_own_folder_and_variables(command: Callable[..., Any], tmp_path: Path) -> None:
    """It is led to the server by its words or by variables, and runs where the user means its paths."""
    body = 'echo "$PWD $AWS_ENDPOINT_URL $SSL_CERT_FILE"'
    variables = {"AWS_ENDPOINT_URL": "{url}", "SSL_CERT_FILE": "{cafile}"}
    said = fetch(command(body, folder=str(tmp_path), variables=variables))["error_text"]
    assert said == f"ended with status 0: {tmp_path} https://localhost:4433/ /ca.pem"


def test_a_command_goes_past_a_client_s_account(script: Script) -> None:
    """In a plan its account has what became of it in the place of whether it connected."""
    told = {"version": "", "words": ["{program}"], "request": "", "prints_answer": False}
    told["path"] = str(script("quiet", "echo no luck >&2; exit 4"))
    cell = {"server": "open", "host": "localhost", "port": 1, "cafile": "/ca.pem", "client": "quiet"}
    said = board(sys.executable, [{**cell, "program": told}])
    (account,) = (r["account"] for r in said if r["kind"] == "account")
    assert (account["outcome"], account["version"]) == ("untold", None)
    assert (account["error_class"], account["error_text"]) == (None, "ended with status 4: no luck")


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
