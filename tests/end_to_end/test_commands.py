"""Commands of the user's end to end: judged by the wire, and none that fails in any way is called safe."""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e

APPLICATION = """\
import http.client, os, ssl, sys, urllib.parse
way, url = sys.argv[1:]
host = urllib.parse.urlsplit(url)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
if way != "ignores":
    context.load_verify_locations(os.environ["SSL_CERT_FILE"])
if way == "holds":
    context.minimum_version = ssl.TLSVersion.TLSv1_2
else:
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
connection = http.client.HTTPSConnection(host.hostname, host.port, context=context, timeout=30)
try:
    connection.request("POST" if way == "posts" else "GET", "/")
    if way != "posts":  # which our servers do not answer
        connection.getresponse().read()
except ssl.SSLError as error:
    if way == "crashes":
        os.abort()
    sys.exit(f"the application says: {error}")
print("no word of the server's page")
"""
"""A program as people have them: it prints nothing of what it gets, and sets its own context."""

TABLES = """\
[keeper]
command = {python}
fetch = ["{{program}}", {application}, "holds", "{{url}}"]
relaxed = ["{{program}}", {application}, "goes", "{{url}}"]

[hangs]
command = "sleep"
fetch = ["{{program}}", "1000"]
limit = 1
"""

SECRET = "hunter2-in-a-command"  # noqa: S105  one that must not get into a report


@dataclass(frozen=True)
class MeasuredCommands:
    """What one run made of some commands."""

    rows: Mapping[tuple[str, str], Mapping[str, str]]
    said: str
    files: str
    """All texts of the report."""

    def row(self, name: str) -> Mapping[str, str]:
        """Return the row of a program."""
        return self.rows[f"program_{name}", name]


@pytest.fixture(scope="module")
def run(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> MeasuredCommands:
    """Measure all commands of these tests together."""
    application = tmp_path_factory.mktemp("app") / "application.py"
    application.write_text(APPLICATION)
    quoted = {"python": json.dumps(sys.executable), "application": json.dumps(str(application))}
    own = checkout.folder / "programs.toml"
    own.write_text(TABLES.format(**quoted))
    python = shlex.join([sys.executable, str(application)])
    commands = {
        "goes": f"env PASSWORD={SECRET} {python} goes {{url}}",
        "posts": f"sh -c '{python} posts {{url}}'",
        "crashes": f"{python} crashes {{url}}",
        "ignores": f"nice {python} ignores {{url}}",
        "prints": "yes",
        "true": "true {url}",
        "openssl": "openssl s_client -connect {host}:{port} -CAfile {cafile} -verify_return_error",
    }
    words = [word for text in commands.values() for word in ("--command", text)]
    only = [word for one in ("keeper", "hangs") for word in ("--only", f"program_{one}")]
    names = ("env", "sh", "python*", "nice", "yes", "true", "openssl_2")
    only += [word for name in names for word in ("--only", f"program_{name}")]
    try:
        status, said = checkout.nox(
            "-s", "matrix", "--", "--programs", "--command-limit", "30", *only, *words
        )
        assert status == 0, said
        files = "".join(path.read_text() for path in checkout.latest.iterdir() if path.is_file())
        return MeasuredCommands(checkout.matrix(), said, files)
    finally:
        own.unlink()


@pytest.mark.parametrize("name", ["env", "sh"])
def test_one_that_goes_below_is_downgraded_whatever_it_says(run: MeasuredCommands, name: str) -> None:
    """Data at TLS 1.0 and 1.1 is a connection, printed or not, answered or not."""
    row = run.row(name)
    assert (row["verdict"], row["lowest_negotiated"], row["held_by"]) == ("downgraded", "TLSv1", "nothing")
    assert (row["tls1_0_rsa"], row["tls1_1_ecdhe"], row["tls1_3"]) == ("TLSv1", "TLSv1.1", "TLSv1.3")


def test_one_that_holds_is_enforced_by_what_its_variant_shows(run: MeasuredCommands) -> None:
    """A table's relaxed command shows that it is the program's own settings that hold it."""
    row = run.row("keeper")
    assert (row["verdict"], row["held_by"], row["source"]) == ("enforced", "code", "program"), row["reason"]
    assert (row["lowest_negotiated"], row["highest_negotiated"]) == ("TLSv1.2", "TLSv1.3")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hangs", "no connection passed the tap; the client says: did not end within "),
        ("yes", "no connection passed the tap; the client says: printed without end, and was ended: y / y"),
        ("true", "no connection passed the tap; the client says: ended with status 0"),
        ("nice", "the client refused the certificate: unknown_ca"),
    ],
)
def test_one_that_shows_nothing_is_not_safe(run: MeasuredCommands, name: str, words: str) -> None:
    """One that hangs, prints without end, never connects or trusts nobody is inconclusive, in its words."""
    row = run.row(name)
    assert row["verdict"] == "inconclusive"
    assert words in row["reason"]


def test_a_crash_after_a_refusal_is_not_safe(run: MeasuredCommands, checkout: Checkout) -> None:
    """The wire shows a refusal, but nobody knows what it would have done next; a connection counts."""
    name = next(client for _, client in run.rows if client.startswith("python"))
    row = run.row(name)
    assert (row["verdict"], row["tls1_0_rsa"]) == ("downgraded", "TLSv1")
    assert row["ssl3_rsa"] == "inconclusive"  # where Python's library has no SSLv3, and refuses
    assert re.search(r"ended with signal 6[^\n]*; until then: not offered", run.files)
    assert (checkout.latest / "evidence" / f"program_{name}.pcapng").exists()


def test_a_handshake_alone_is_no_connection(run: MeasuredCommands) -> None:
    """One that ends without a byte of data is neither safe nor a connection."""
    row = run.row("openssl_2")
    assert row["verdict"] == "inconclusive"
    assert row["tls1_2"] == "inconclusive"


def test_the_command_itself_is_in_no_file(run: MeasuredCommands) -> None:
    """What a command line holds may be secret: the report has the program's name and path alone."""
    assert "program_env" in run.files
    assert SECRET not in run.files
    assert SECRET not in run.said


def test_nothing_that_a_command_started_is_left(run: MeasuredCommands, checkout: Checkout) -> None:
    """Every one of them has been ended."""
    assert run.rows
    assert not [line for line in checkout.processes() if "sleep 1000" in line or line.startswith("yes")]


def test_what_cannot_be_run_is_a_sentence(checkout: Checkout) -> None:
    """A command that makes no sense ends the session before anything is measured."""
    for text, words in (("nonesuch {url}", "there is no program 'nonesuch'"), ("true {uri}", "it has {uri}")):
        status, said = checkout.nox("-s", "matrix", "--", "--only", "program_*", "--command", text)
        assert status == 1
        assert f"--command {text!r}" in said
        assert words in said
