"""`nox -s remedy` as a person runs it: what it advises holds the floor, measured again."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.clients import clients
from runs.remedy_options import snippets
from servers.protocols import Protocol
from tests.support.causes import goes_below

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def ill(known: dict[str, Interpreter]) -> list[str]:
    """Up to two interpreters whose clients go below the floor: the system's own, and the newest other."""
    names = [name for name, one in known.items() if goes_below(one)]
    system = [name for name in names if known[name].source == "system"]
    others = [name for name in names if name not in system]
    if not names:
        pytest.skip("no interpreter here goes below the floor: a Python before 3.10 would")
    return [*system[:1], *others[-1:]]


@pytest.fixture(scope="module")
def remedied(checkout: Checkout, ill: list[str]) -> dict[tuple[str, str], dict[str, dict[str, Any]]]:
    """What `remedy` says of them: by interpreter and client, each remedy by name."""
    status, said = checkout.nox("-s", "remedy", "--", *(word for name in ill for word in ("--only", name)))
    assert status == 0, said
    rows = json.loads((checkout.latest / "remedies.json").read_text())["rows"]
    return {(r["interpreter"], r["client"]): {one["remedy"]: one for one in r["remedies"]} for r in rows}


def test_remedies_are_tried_where_they_are_needed(
    checkout: Checkout, ill: list[str], remedied: dict[tuple[str, str], dict[str, dict[str, Any]]]
) -> None:
    """Each downgraded row has every remedy, with the verdict of its trial, or why there was none."""
    matrix = checkout.matrix()
    assert remedied.keys() == {key for key, row in matrix.items() if row["verdict"] == "downgraded"}
    assert {(name, "botocore") for name in ill} <= remedied.keys()
    for (_, client), remedies in remedied.items():
        # OpenSSL reads the configuration in every one of these, and a context obeys its own minimum.
        for name in ("openssl.cnf", "code"):
            assert (remedies[name]["standing"], remedies[name]["verdict"]) == ("advised", "enforced")
        # The environments have the newest botocore; it holds back only urllib3.
        if client != "urllib3":
            assert remedies["newer release"]["standing"] == "not tried"
        assert remedies["hardened build"]["standing"] == "not tried"
        assert all(one["said"] for one in remedies.values())
    lines = (checkout.latest / "observations.jsonl").read_text().splitlines()
    names = {(cell["interpreter"], cell["client"]) for cell in map(json.loads, lines)}
    assert {(name, "botocore+code") for name in ill} <= names
    assert "measured in this run" in (checkout.latest / "matrix.md").read_text()


def test_a_merged_report_keeps_what_was_tried(
    checkout: Checkout, ill: list[str], remedied: dict[tuple[str, str], dict[str, dict[str, Any]]]
) -> None:
    """Merged, a machine's remedies are as its own report has them, and nothing tried is called untried."""
    status, said = checkout.nox("-s", "merge", "--", str(checkout.latest.resolve()))
    assert status == 0, said
    rows = json.loads((checkout.latest / "remedies.json").read_text())["rows"]
    assert remedied == {
        (r["interpreter"], r["client"]): {one["remedy"]: one for one in r["remedies"]} for r in rows
    }
    text = (checkout.latest / "matrix.md").read_text()
    assert "Not tried yet" not in text
    assert text.count("measured in this run, it holds with") >= len(ill)


def _blocks(document: str) -> list[str]:
    """Return what remedies.md has to copy into a shell."""
    return re.findall(r"^```sh\n(.*?)^```$", document, re.DOTALL | re.MULTILINE)


def test_the_advised_lines_make_the_next_matrix_enforced(
    checkout: Checkout, ill: list[str], remedied: object, script: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """Taken out of remedies.md and run, the lines write a file under which every row is enforced."""
    assert remedied
    # A merged report, which has them too, may have come after.
    blocks = _blocks((checkout.latest / "remedies.md").read_text())
    (written,) = [block for block in blocks if "/etc/ssl/" in block and "sudo install" in block][:1]
    (name,) = set(re.findall(r"/etc/ssl/(floor[\w.-]+)", "".join(blocks)))
    # The one liberty taken: the tests are not root.
    script("sudo", 'exec "$@"')
    target = tmp_path / "etc" / name
    commands = written.replace(f"/etc/ssl/{name}", str(target))
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(["sh", "-ec", commands], env=environment, check=True)
    variables = set(re.findall(r"OPENSSL_CONF=\S+", "".join(blocks)))
    assert variables == {f"OPENSSL_CONF=/etc/ssl/{name}"}
    only = [word for name in ill for word in ("--only", name)]
    status, said = checkout.nox("-s", "matrix", "--", *only, OPENSSL_CONF=str(target))
    assert status == 0, said
    assert {row["verdict"] for row in checkout.matrix().values()} == {"enforced"}
    assert {checkout.matrix()[name, "botocore"]["held_by"] for name in ill} == {"openssl.cnf"}
    policy = checkout.folder / "policy.toml"
    try:
        policy.write_text(f'partial = true\nopenssl_conf = "{target}"')
        status, said = checkout.nox("-s", "gate")
    finally:
        policy.unlink()
    assert status == 0, said


def test_what_remedy_found_is_still_there_after_the_next_matrix(
    checkout: Checkout, ill: list[str], remedied: dict[tuple[str, str], dict[str, dict[str, Any]]]
) -> None:
    """A later matrix shows what was tried, with the run that tried it, and has its files again."""
    checkout.measure("--only", ill[0], "--clients", "ssl")
    rows = json.loads((checkout.latest / "remedies.json").read_text())["rows"]
    assert {row["interpreter"] for row in rows} == {ill[0]}
    for row in rows:
        assert row["run_id"] != json.loads((checkout.latest / "run.json").read_text())["run_id"]
        tried = {one["remedy"]: one for one in row["remedies"]}
        assert tried["code"] == remedied[row["interpreter"], row["client"]]["code"]
        file = tried["openssl.cnf"]["file"]
        assert (checkout.latest / file["name"]).read_text() == file["text"]
    text = (checkout.latest / "matrix.md").read_text()
    assert f"measured on {rows[0]['ended'][:10]} in run {rows[0]['run_id']}" in text
    assert "Not tried yet" not in text
    assert (checkout.folder / "reports" / "remedies" / "remedies.md").exists()


@pytest.mark.parametrize("text", ["", "openssl_conf = start\n", None])
def test_the_file_in_force_is_named_and_no_other_is_to_be_edited(
    checkout: Checkout, ill: list[str], tmp_path: Path, text: str | None
) -> None:
    """Under OPENSSL_CONF both reports name its file, and whether there was one, and no line to add."""
    named = tmp_path / "legacy.cnf"
    if text is not None:
        named.write_text(text)
    rows = checkout.measure("--only", ill[0], "--clients", "ssl", OPENSSL_CONF=str(named))
    assert rows[ill[0], "ssl"]["verdict"] == "downgraded"
    steps = (checkout.latest / "matrix.md").read_text().partition("## What to do")[2].partition("\n## ")[0]
    assert f"OPENSSL_CONF named `{named}` in this run" in steps
    assert ("no file could be read" in steps) is (text is None)
    assert "MinProtocol" not in steps
    assert str(named) in (checkout.latest / "matrix.html").read_text()


WAYS = (
    *("aiohttp", "smart_open_s3"),  # Python's ssl, by contexts that their lines can reach
    "pip",  # Python's ssl, and no lines
    *("awscrt", "pyopenssl_bare"),  # a TLS library of their own, with lines
    *("curl_cffi", "pycurl"),  # one of their own, and no lines
)
"""Clients of each way to TLS; the lines of each single client are held by tests/probes/test_clients.py."""


def test_lines_hold_where_a_configuration_is_not_read(checkout: Checkout, ill: list[str]) -> None:
    """A client that has lines is held by them, and one with its own TLS by nothing else: it is deaf."""
    status, said = checkout.nox("-s", "remedy", "--", "--clients", ",".join(WAYS), "--only", ill[0])
    assert status == 0, said
    needy = {key[1] for key, row in checkout.matrix().items() if row["verdict"] in ("downgraded", "fragile")}
    rows = json.loads((checkout.latest / "remedies.json").read_text())["rows"]
    remedies = {row["client"]: {one["remedy"]: one for one in row["remedies"]} for row in rows}
    assert remedies.keys() == needy
    with_lines = snippets(clients().values(), Protocol.TLSV1_2).keys()
    assert needy & with_lines >= {"aiohttp", "smart_open_s3", "awscrt"}
    for client, tried in remedies.items():
        code, configuration = tried["code"], tried["openssl.cnf"]
        assert code["standing"] == ("advised" if client in with_lines else "not tried"), (client, code)
        deaf = "native" in clients()[client].groups
        assert configuration["verdict"] == ("downgraded" if deaf else "enforced"), (client, configuration)
        assert configuration["standing"] == ("tried and failed" if deaf else "advised")
