"""Strangers on the machine: whatever they listen on, send or hold, a row says what the interpreter does."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.identify import identify
from interpreters.interpreter import Interpreter
from interpreters.process_environment import sanitized_environment
from reports.verdicts.judge import Verdict
from servers import peers
from tests.faults.network import stranger as meddling
from tests.support import measuring
from tests.support.causes import goes_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reports.verdicts.judge import Judgement

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not sys.platform.startswith("linux"),
        reason="strangers find ports in /proc/net/tcp: Linux enables this",
    ),
]

SUPPORT = Path(__file__).parent.parent / "support"
NOBODY = "65534"


@contextlib.contextmanager
def stranger(way: str, uid: str = "") -> Iterator[None]:
    """Have a stranger about while the block lasts; it must have found something to meddle with."""
    if uid and os.getuid():
        pytest.skip("only root can let another user's process meddle: run the tests as root to enable this")
    with meddling(way, uid):
        yield


@pytest.fixture(scope="module")
def strict_here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This Python, if it sets a minimum version."""
    said = identify(Path(sys.executable), sanitized_environment(os.environ, tmp_path_factory.mktemp("home")))
    if not Interpreter("", "", "", said.version, configure_flags=said.configure_flags).sets_minimum:
        pytest.skip("this Python sets no minimum, so it is never enforced: run the tests on another one")
    return Path(sys.executable)


@pytest.fixture(scope="module")
def quiet(strict_here: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Judgement, ...]:
    """What this Python comes to where no stranger meddles."""
    judgements = measuring.measure(tmp_path_factory.mktemp("quiet"), [strict_here]).judgements
    assert judgements[0].verdict is Verdict.ENFORCED
    return judgements


def _under_hosts(hosts: str, folder: Path, python: Path) -> tuple[str, str]:
    """Measure an interpreter where /etc/hosts says this; return verdict and reason."""
    unshare = shutil.which("unshare")
    if unshare is None or os.getuid():
        pytest.skip("only root can have an /etc/hosts of its own, with unshare of util-linux")
    (folder / "hosts").write_text(hosts)
    mount = f"mount --bind {folder / 'hosts'} /etc/hosts"
    alone = [unshare, "-m", "/bin/sh", "-c"]
    if subprocess.run([*alone, mount], check=False).returncode:
        pytest.skip(
            "nothing can be mounted in a namespace of its own here: root on a plain machine enables this"
        )
    words = f"{mount} && exec {sys.executable} {SUPPORT / 'measuring.py'} {folder} {python}"
    done = subprocess.run([*alone, words], stdout=subprocess.PIPE, check=True, text=True)
    ((verdict, _, reason),) = json.loads(done.stdout)
    return verdict, reason


def test_somebody_answers_on_the_other_family(tmp_path: Path, loose: Interpreter) -> None:
    """A stranger on ::1 who speaks in the client's place leaves a downgraded interpreter downgraded."""
    assert goes_below(loose)
    with stranger("relay"):
        # As most distributions have it, where a client that looks up the name tries ::1 first.
        verdict, reason = _under_hosts("::1 localhost\n127.0.0.1 localhost\n", tmp_path, Path(loose.path))
    assert verdict == Verdict.DOWNGRADED, reason


@pytest.mark.parametrize("uid", ["", NOBODY], ids=["same user", "another user"])
@pytest.mark.parametrize("way", ["rubbish", "bare", "hello", "hold", "drip", "flood"])
def test_somebody_connects(
    tmp_path: Path, strict_here: Path, quiet: tuple[Judgement, ...], way: str, uid: str
) -> None:
    """What a stranger sends to every port is said of nobody but the stranger."""
    with stranger(way, uid):
        done = measuring.measure(tmp_path, [strict_here])
    assert done.judgements == quiet
    seen = [
        stranger
        for probed in done.campaign.interpreters.values()
        for result in probed.all_results
        for stranger in result.strangers
    ]
    # Others on this machine may meddle too.
    assert {one.who for one in seen} & {
        peers.CLOSED,
        "a process that the probe did not start",
        f"a process of user {uid or os.getuid()}",
    }
    told = done.campaign.notes
    assert {f" {one.server} (" in " ".join(told) for one in seen} == {True}
    assert set(told) <= set(done.said)


HANGS = """#!{python}
import json, socket, sys, time
sys.stdin.readline()
print("TLS-FLOOR-PROBE " + json.dumps(dict(kind="identity", identity=None, lacking=dict())), flush=True)
plan = json.loads(sys.stdin.readline())
sys.path.insert(0, {tests!r})
from strangers import WIDE
for cell in plan["cells"]:
    connection = socket.create_connection(("127.0.0.1", cell["port"]))
    connection.sendall({sent})
    globals().setdefault("kept", []).append(connection)
time.sleep(12)
"""


@pytest.mark.parametrize("sent", ["WIDE[:4]", "WIDE"])
def test_a_client_that_hangs(
    tmp_path: Path, strict_here: Path, script: Callable[[str, str], Path], sent: str
) -> None:
    """A client that connects to every server and falls silent costs the others nothing."""
    hanging = script("python", "")
    hanging.write_text(HANGS.format(python=sys.executable, tests=str(SUPPORT), sent=sent))
    stuck, judged = measuring.measure(tmp_path, [hanging, strict_here]).judgements
    assert stuck.verdict is Verdict.INCONCLUSIVE
    assert judged.verdict is Verdict.ENFORCED, judged.reason


HOSTS = ["::1 localhost\n", "127.0.0.1 elsewhere\n", "192.0.2.1 localhost\n"]


@pytest.mark.parametrize("hosts", HOSTS, ids=["only the other family", "no such name", "another address"])
def test_localhost_is_something_else(tmp_path: Path, strict_here: Path, hosts: str) -> None:
    """Whatever the machine makes of the name localhost, its interpreters are measured all the same."""
    verdict, reason = _under_hosts(hosts, tmp_path, strict_here)
    assert verdict == Verdict.ENFORCED, reason
