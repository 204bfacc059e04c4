"""One real application, in three steps: found as it runs, remedied as advised, and measured again.

A shop of flask and boto3, in releases of some years ago, runs as a service whose unit sets OPENSSL_CONF.
The tests start it as systemd would, by the unit and its drop-ins, and do what remedies.md says, word by word.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.locations import PROC
from tests.support.limits import HANGS
from tests.support.proc import SETTLED
from tests.support.trees import tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not PROC.is_dir(), reason="only Linux tells what runs: one with /proc enables this"),
]

PACKAGES = ("flask", "boto3==1.28.85", "botocore==1.31.85", "urllib3==1.26.20")

SHOP = '''
import boto3
import flask

shop = flask.Flask(__name__)


@shop.route("/")
def stock():
    """Answer which boto3 would fetch the stock."""
    return boto3.__version__


shop.run(port=0)
'''

LEGACY = """\
openssl_conf = start
[start]
ssl_conf = names
[names]
system_default = tls
[tls]
MinProtocol = TLSv1
CipherString = DEFAULT@SECLEVEL=0
"""
"""What somebody once set for a store that spoke nothing newer."""


@dataclass(frozen=True)
class ShopService:
    """A service as systemd knows it: a unit, and drop-ins beside it."""

    folder: Path

    @property
    def unit(self) -> Path:
        """The file of the unit; its drop-ins are in the folder with `.d` behind that name."""
        return self.folder / "shop.service"

    @property
    def settings(self) -> tuple[str, dict[str, str]]:
        """The command, and the variables: of two assignments the later counts (systemd.exec(5))."""
        command, variables = "", {}
        for file in (self.unit, *sorted(self.unit.with_name("shop.service.d").glob("*.conf"))):
            read = configparser.ConfigParser(interpolation=None)
            read.optionxform = str  # type: ignore[assignment,method-assign]
            read.read(file)
            command = read.get("Service", "ExecStart", fallback=command)
            name, _, text = read.get("Service", "Environment").partition("=")
            variables[name] = text
        return command, variables

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """Run the service; it is no child of who tests it, as none of systemd's is."""
        command, variables = self.settings
        time.sleep(SETTLED)
        log = self.folder / "shop.log"
        script = f"exec >{shlex.quote(str(log))} 2>&1; {command} & echo $! >{shlex.quote(str(log))}.pid"
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        subprocess.run(["sh", "-c", script], env={**kept, **variables}, check=True)
        pid = int(Path(f"{log}.pid").read_text())
        try:
            _answers(log)
            yield
        finally:
            os.kill(pid, signal.SIGKILL)


def _answers(log: Path) -> None:
    """Wait until the shop answers, which is when it has loaded all that it uses."""
    deadline = time.monotonic() + HANGS
    while not (found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text())):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    with urllib.request.urlopen(found[1], timeout=HANGS) as answer:  # noqa: S310  its own address
        assert answer.read() == b"1.28.85"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Return a folder that every user can read, with a name that no other run of these tests has."""
    made = Path(tempfile.mkdtemp(prefix=f"stock{os.getpid()}x"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def service(loose: Interpreter, folder: Path, callers_environment: Mapping[str, str]) -> ShopService:
    """Install the shop, and write its unit."""
    venv = folder / "venv"
    subprocess.run([loose.path, "-m", "venv", "--without-pip", venv], check=True)
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", f"{venv}/bin/python"]
    done = subprocess.run(
        [*install, *PACKAGES], env=callers_environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"{PACKAGES} cannot be had: an index that can be reached enables this ({done.stderr})")
    (folder / "shop.py").write_text(SHOP)
    (folder / "legacy.cnf").write_text(LEGACY)
    made = ShopService(folder)
    made.unit.write_text(
        f"[Service]\nEnvironment=OPENSSL_CONF={folder / 'legacy.cnf'}\n"
        f"ExecStart={venv / 'bin' / 'python'} {folder / 'shop.py'}\n"
    )
    return made


def _words(folder: Path) -> list[str]:
    """Return the options by which the shop's environment and its processes are measured, and nothing else."""
    clients = ("--clients", ",".join(CLIENTS))
    named = f"{folder.name}_venv".lower()
    globs = (f"env_{named}*", f"running_{named}*")
    return [
        "--running",
        "--environment",
        str(folder / "venv"),
        *clients,
        *(w for glob in globs for w in ("--only", glob)),
    ]


CLIENTS = ("ssl", "urllib3", "botocore")

Rows = dict[tuple[str, str], dict[str, Any]]


def _rows(checkout: Checkout) -> Rows:
    """Return the rows of the latest report, by what they are about (env or running) and client."""
    return {(key[0].partition("_")[0], key[1]): row for key, row in checkout.matrix().items()}


@dataclass(frozen=True)
class Found:
    """What was found, and what was advised."""

    rows: Rows
    cases: Rows
    document: str
    """remedies.md."""
    unchanged: bool
    """Whether the environment is byte for byte what it was before."""


@pytest.fixture(scope="module")
def found(checkout: Checkout, service: ShopService) -> Found:
    """Measure the shop while it runs, and try remedies."""
    with service.started():
        before = tree(service.folder / "venv")
        status, said = checkout.nox("-s", "remedy", "--", *_words(service.folder))
        unchanged = tree(service.folder / "venv") == before
    assert status == 0, said
    listed = json.loads((checkout.latest / "remedies.json").read_text())["rows"]
    cases = {(case["interpreter"].partition("_")[0], case["client"]): case for case in listed}
    return Found(_rows(checkout), cases, (checkout.latest / "remedies.md").read_text(), unchanged)


def test_the_application_is_found(found: Found, service: ShopService) -> None:
    """In its environment as in its process every client goes below, the latter under the unit's file."""
    assert {key: row["verdict"] for key, row in found.rows.items()} == {
        (about, client): "downgraded" for about in ("env", "running") for client in CLIENTS
    }
    assert {row["environment"] for row in found.rows.values()} == {str(service.folder / "venv")}
    named = {found.cases["running", client]["openssl_conf"] for client in CLIENTS}
    assert named == {str(service.folder / "legacy.cnf")}


def test_trials_write_nothing_into_the_environment(found: Found) -> None:
    """Every name, link and byte of it is what it was, with remedies tried and copies made."""
    assert found.unchanged


def test_what_holds_it_back_is_named(found: Found) -> None:
    """By the pins of its own packages, with what the newest release came to where it was tried."""
    for about in ("env", "running"):
        (pin, *holders) = found.cases[about, "urllib3"]["held_back"]
        assert re.fullmatch(
            r"botocore 1\.31\.85 in this environment asks for urllib3<2\.1,>=1\.25\.4"
            r"; with urllib3 2\.\S+ it holds: tried",
            pin,
        )
        assert holders == ["boto3 1.28.85 asks for botocore<1.32.0,>=1.31.85"]
        # botocore makes contexts of its own, which no release of urllib3 reaches.
        assert "does not hold either" in found.cases[about, "botocore"]["held_back"][0]
    assert "asks for urllib3" in found.document


def _advised(case: dict[str, Any], remedy: str) -> dict[str, Any]:
    attempt: dict[str, Any]
    (attempt,) = (one for one in case["remedies"] if one["remedy"] == remedy)
    assert (attempt["standing"], attempt["verdict"]) == ("advised", "enforced"), attempt
    return attempt


def _follow(lines: list[str], service: ShopService, env: Mapping[str, str]) -> None:
    """Type lines into a shell; the liberties taken: the tests are not root, and have no systemd.

    Whatever runs the tests may be a service, to which the shop seems to belong.
    """
    text = "\n".join(lines).replace("/etc/", f"{service.folder}/etc/")
    text = re.sub(r"/system/[^/ ]+\.service\.d/", "/system/shop.service.d/", text)
    tools = service.folder / "tools"
    tools.mkdir(exist_ok=True)
    for name, body in {"sudo": 'exec "$@"', "systemctl": ":"}.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    path = f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["sh", "-ec", text], env={**env, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _blocks(document: str) -> list[list[str]]:
    """Return what remedies.md has to copy into a shell."""
    return [
        block.splitlines() for block in re.findall(r"^```sh\n(.*?)^```$", document, re.DOTALL | re.MULTILINE)
    ]


@pytest.fixture(scope="module")
def again(
    checkout: Checkout, service: ShopService, found: Found, callers_environment: Mapping[str, str]
) -> Rows:
    """Do what is advised: other releases into the environment, a file, a drop-in; then measure again."""
    releases = _advised(found.cases["env", "urllib3"], "newer release")["lines"]
    _follow(releases, service, callers_environment)
    file = _advised(found.cases["running", "botocore"], "openssl.cnf")["file"]
    for block in _blocks(found.document):
        is_file = block[0].endswith(f"{file['name']} <<'END'")
        is_for_the_service = file["name"] in block[0] and "[Service]" in block[0]
        if is_file or is_for_the_service:
            _follow(block, service, callers_environment)
    dropped = service.folder / "etc" / "systemd" / "system" / "shop.service.d"
    shutil.move(dropped, service.unit.with_name("shop.service.d"))
    with service.started():
        status, said = checkout.nox("-s", "matrix", "--", *_words(service.folder))
    assert status == 0, said
    return _rows(checkout)


def test_the_remedied_application_holds(again: Rows, found: Found) -> None:
    """Each client of the running application is enforced: urllib3 by its code, the others by the file."""
    assert found.rows.keys() == again.keys()
    for client in CLIENTS:
        row = again["running", client]
        assert row["verdict"] == "enforced", row["reason"]
        assert row["held_by"] == ("code" if client == "urllib3" else "openssl.cnf")


def test_what_was_not_remedied_does_not(again: Rows) -> None:
    """The drop-in holds for that service alone: what else starts there has the newer urllib3 only."""
    verdicts = {client: again["env", client]["verdict"] for client in CLIENTS}
    assert verdicts == {"ssl": "downgraded", "urllib3": "enforced", "botocore": "downgraded"}


def test_what_was_advised_before_is_not_shown_after(again: Rows, checkout: Checkout) -> None:
    """Other releases are another environment, on which nothing was tried yet."""
    assert again
    rows = checkout.latest / "remedies.json"
    kept = json.loads(rows.read_text())["rows"] if rows.exists() else []
    assert not [row for row in kept if row["remedies"]]
