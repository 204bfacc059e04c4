"""Other programs end to end: each goes as low as what decides it allows, by its own word and the wire's."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import RELAXED, ClientKey
from interpreters.process_environment import sanitized_environment
from interpreters.programs import FLOOR as FLOOR_WORD
from interpreters.programs import InstalledProgram, commands, identify_program, locate_programs, read_programs
from reports.verdicts.judge import HeldBy, Verdict
from reports.verdicts.matrix import build_matrix
from runs import campaign
from runs.campaign import Settings, run_campaign
from runs.collect import collect_programs
from runs.probe import Probe, ProbeTask
from servers.catalogue import Catalogue, read_catalogue
from servers.conditions import Condition
from servers.engine import EngineError
from servers.protocols import LADDER, Protocol
from servers.s_server import find_s_server
from tests.support.limits import SLOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from interpreters.interpreter import Interpreter
    from reports.verdicts.matrix import Row
    from tests.support.checkout import Checkout

    Measure = Callable[..., dict[Condition, Row]]

pytestmark = pytest.mark.e2e

FLOOR = Protocol.TLSV1_2

PATIENCE = 30.0
"""Seconds for which a program waits for a server; every server is on this machine."""

SERVERS = ("tls1_3", "tls1_2", "tls1_1_ecdhe", "tls1_1_rsa", "tls1_0_rsa")
"""Enough of the ladder: each version, and TLS 1.1 both with and without a signature in its key exchange."""


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Measure:
    """Return a function that measures one program of this machine and gives its rows by condition."""
    # On a busy machine Java alone may take longer to start than a client usually gets.
    patient = functools.partial(Probe, attempt_limit=PATIENCE, silence_limit=SLOW)
    monkeypatch.setattr(campaign, "Probe", patient)
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    try:
        openssl = find_s_server(None, tmp_path, os.environ).openssl
    except EngineError as error:
        pytest.skip(str(error))
    environment = sanitized_environment(os.environ, tmp_path)

    def measure(
        name: str, *conditions: Condition, found: InstalledProgram | None = None, floor: tuple[str, ...] = ()
    ) -> dict[Condition, Row]:
        found = found or here(name, tmp_path)
        whole = read_catalogue()
        catalogue = Catalogue(tuple(whole[server] for server in SERVERS), whole.sha256)
        settings = Settings(catalogue, FLOOR, conditions, cache, os.environ, openssl)
        words = commands(found, RELAXED.name, floor)
        key, python = ClientKey(name), Path(sys.executable)
        task = ProbeTask(found.interpreter.id, python, environment, (key,), programs=words)

        async def limited() -> tuple[Row, ...]:
            async with asyncio.timeout(SLOW):
                done = await run_campaign([task], settings)
            assert all(control.passed for control in done.controls.values()), done.controls
            measured = collect_programs([found], done)
            return build_matrix(measured, (), conditions, catalogue, FLOOR)

        return {row.condition: row for row in asyncio.run(limited())}

    return measure


def here(name: str, home: Path) -> InstalledProgram:
    """Return a program of this machine; skip where there is none."""
    known = read_programs()
    for candidate in locate_programs(known, os.environ):
        found = identify_program(candidate, known, sanitized_environment(os.environ, home))
        if found and found.program.id == name:
            assert not found.interpreter.unavailable
            return found
    pytest.skip(f"no {name} on PATH: `apt-get install {PACKAGES.get(name, name)}` enables this")


PACKAGES = {"node": "nodejs", "java": "default-jdk-headless"}


def said(*command: str | Path) -> str:
    """Return what a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def went(row: Row) -> set[Protocol | None]:
    """Return the versions at which a program connected."""
    return {finding.negotiated for finding in row.findings.values()} - {None}


def at_least(minimum: Protocol) -> set[Protocol]:
    """Return the versions of our servers that are not below one."""
    return {protocol for protocol in LADDER[1:] if not protocol.below(minimum)}


def test_openssl_does_what_its_configuration_says(measure: Measure, tmp_path: Path) -> None:
    """s_client sets no minimum: the hardened configuration holds it, the permissive lets it all through."""
    rows = measure("openssl", Condition.PERMISSIVE, Condition.HARDENED)
    options = said(here("openssl", tmp_path).interpreter.path, "s_client", "-help")
    has = {
        protocol
        for protocol, option in zip(LADDER[1:], ("-tls1", "-tls1_1", "-tls1_2", "-tls1_3"), strict=True)
        if re.search(rf"^ *{option} ", options, re.MULTILINE)
    }
    assert went(rows[Condition.PERMISSIVE]) == has
    assert went(rows[Condition.HARDENED]) == has & at_least(FLOOR)
    hardened = rows[Condition.HARDENED]
    assert (hardened.verdict, hardened.held_by) == (Verdict.ENFORCED, HeldBy.CONFIGURATION)


def test_curl_does_what_it_or_its_configuration_says(measure: Measure, tmp_path: Path) -> None:
    """Since 8.16 curl sets TLS 1.2 as minimum itself; before, with OpenSSL, the configuration decides."""
    found = here("curl", tmp_path)
    if not found.interpreter.openssl.startswith("OpenSSL/"):
        pytest.skip(f"this curl uses {found.interpreter.openssl}: one with OpenSSL enables this")
    # https://curl.se/libcurl/c/CURLOPT_SSLVERSION.html
    strict = tuple(map(int, found.interpreter.version.split(".")[:2])) >= (8, 16)
    rows = measure("curl", Condition.PERMISSIVE, Condition.HARDENED)
    permissive, hardened = rows[Condition.PERMISSIVE], rows[Condition.HARDENED]
    assert permissive.verdict is (Verdict.ENFORCED if strict else Verdict.DOWNGRADED), permissive.judgement
    assert hardened.verdict is Verdict.ENFORCED
    assert hardened.held_by is (HeldBy.CODE if strict else HeldBy.CONFIGURATION)
    assert hardened.client_version == hardened.interpreter.version == found.interpreter.version


def test_wget_with_another_library_does_not_heed_openssl(measure: Measure, tmp_path: Path) -> None:
    """A wget with GnuTLS goes as low under OpenSSL's hardened configuration as under the permissive."""
    found = here("wget", tmp_path)
    if found.interpreter.openssl != "gnutls":
        pytest.skip(f"this wget uses {found.interpreter.openssl}: one with GnuTLS, as Debian's, enables this")
    rows = measure("wget", Condition.PERMISSIVE, Condition.HARDENED)
    assert went(rows[Condition.PERMISSIVE]) == went(rows[Condition.HARDENED])
    assert at_least(FLOOR) <= went(rows[Condition.HARDENED])


def test_node_keeps_to_its_own_minimum(measure: Measure, tmp_path: Path) -> None:
    """Node goes as low as the minimum that it names, and below that once it is told another."""
    path = here("node", tmp_path).interpreter.path
    minimum = Protocol(said(path, "--print", "require('tls').DEFAULT_MIN_VERSION").strip())
    row = measure("node", Condition.AMBIENT)[Condition.AMBIENT]
    assert went(row) == at_least(minimum)
    holds = not minimum.below(FLOOR)
    assert row.verdict is (Verdict.ENFORCED if holds else Verdict.DOWNGRADED)
    assert row.held_by is (HeldBy.CODE if holds else HeldBy.NOTHING)


def test_java_keeps_to_what_it_disables(measure: Measure, tmp_path: Path) -> None:
    """Java goes as low as its security properties leave it, and below that with none of them."""
    path = here("java", tmp_path).interpreter.path
    source = tmp_path / "Ask.java"
    source.write_text(
        "public class Ask { public static void main(String[] none) {"
        ' System.out.println(java.security.Security.getProperty("jdk.tls.disabledAlgorithms")); } }'
    )
    disabled = {word.strip() for word in said(path, source).split(",")}
    allowed = {protocol for protocol in LADDER[1:] if protocol not in disabled}
    row = measure("java", Condition.AMBIENT)[Condition.AMBIENT]
    assert went(row) == allowed
    holds = allowed <= at_least(FLOOR)
    assert row.verdict is (Verdict.ENFORCED if holds else Verdict.DOWNGRADED)
    assert row.held_by is (HeldBy.CODE if holds else HeldBy.NOTHING)


@pytest.mark.parametrize("name", [one.id for one in read_programs() if one.floor])
def test_the_words_that_are_advised_hold_what_goes_below(measure: Measure, tmp_path: Path, name: str) -> None:
    """With them, and nothing else changed, a program that was talked below TLS 1.2 enforces it."""
    if name == "java" and not os.environ.get("TLS_FLOOR_JAVA"):
        pytest.skip("Java starts anew for each server, twice here: TLS_FLOOR_JAVA=1 enables this")
    found = here(name, tmp_path)
    program = found.program
    command = program.fetch if FLOOR_WORD in program.fetch else program.relaxed
    found = replace(found, program=replace(program, fetch=command))

    def row(*floor: str) -> Row:
        return measure(name, Condition.PERMISSIVE, found=found, floor=floor)[Condition.PERMISSIVE]

    if row().verdict is not Verdict.DOWNGRADED:
        pytest.skip(
            f"{name} {found.interpreter.version} holds TLS 1.2 by itself: one that does not enables this"
        )
    held = row(*program.floor)
    assert held.verdict is Verdict.ENFORCED, held.judgement
    assert went(held) == at_least(Protocol.TLSV1_2)


def test_programs_have_rows_beside_the_interpreters(
    checkout: Checkout, sample: Interpreter, script: Callable[[str, str], Path]
) -> None:
    """A program is measured like an interpreter; one that hangs or never fetches is never called safe."""
    hangs = script("bin/curl", "exec sleep 1000")
    script("bin/node", 'case "$1" in --print) echo "node 20.1.2, OpenSSL 3.0.1" ;; esac')
    name = sample.id
    globs = (name, "program_curl", "program_node", "program_openssl")
    only = [word for glob in globs for word in ("--only", glob)]
    path = f"{hangs.parent}{os.pathsep}{os.environ['PATH']}"
    status, said = checkout.nox("-s", "matrix", "--", "--programs", *only, PATH=path)
    assert status == 0, said
    matrix = checkout.matrix()
    assert {interpreter for interpreter, _ in matrix} == set(globs)
    curl, node, openssl = (matrix[f"program_{one}", one] for one in ("curl", "node", "openssl"))
    assert curl["verdict"] == "untestable"
    assert f"{hangs} did not say what it is within" in curl["reason"]
    assert (node["verdict"], node["version"], node["openssl"]) == ("inconclusive", "20.1.2", "OpenSSL 3.0.1")
    assert "the answer names no protocol" in node["reason"]
    assert openssl["verdict"] in ("enforced", "fragile", "downgraded")
    assert (openssl["source"], openssl["highest_negotiated"]) == ("program", "TLSv1.3")
    assert (checkout.latest / "evidence" / "program_openssl.pcapng").exists()
    assert "of 3 programs" in said
    assert not [line for line in checkout.processes() if "sleep 1000" in line]
    status, said = checkout.nox("-s", "gate")
    assert status == 1
    assert "program_node/node" in said
    for session in ("truth", "bench"):
        status, said = checkout.nox("-s", session, "--", "--programs", "--only", "program_openssl")
        assert status == 2
        assert "unrecognized arguments: --programs" in said
