"""The conditions' OpenSSL configurations: an OpenSSL that reads them allows and refuses what they say."""

from __future__ import annotations

import asyncio
import configparser
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from servers.catalogue import Certificate, KeyExchange, Role, Server
from servers.certificates import issue
from servers.conditions import Condition, advised_name, configuration, write_configurations
from servers.control import Control, run_control
from servers.protocols import LADDER, Protocol
from servers.s_server import find_s_server

if TYPE_CHECKING:
    from pathlib import Path


def _settings(text: str) -> dict[str, str]:
    """Follow the file from its first line to its settings, as config(5) tells OpenSSL to."""
    file = configparser.ConfigParser()
    file.read_string("[top]\n" + text)
    start = file["top"]["openssl_conf"]
    return dict(file[file[file[start]["ssl_conf"]]["system_default"]])


@pytest.mark.parametrize("floor", Protocol)
def test_hardened_sets_the_floor_and_permissive_none(floor: Protocol) -> None:
    """Hardened asks for the floor whichever it is, permissive for no minimum at security level 0."""
    hardened = _settings(configuration(Condition.HARDENED, floor))
    permissive = _settings(configuration(Condition.PERMISSIVE, floor))
    assert hardened["minprotocol"] == floor
    assert permissive["minprotocol"] == "None"
    assert permissive["cipherstring"].endswith("@SECLEVEL=0")
    assert not hardened["cipherstring"].endswith("@SECLEVEL=0")


@pytest.mark.parametrize("floor", Protocol)
def test_empty_sets_nothing(floor: Protocol) -> None:
    """Not a line of the empty condition's file is more than a comment."""
    lines = configuration(Condition.EMPTY, floor).splitlines()
    assert lines
    assert all(line.startswith("#") for line in lines)


@pytest.mark.parametrize(
    ("floor", "name"), [("TLSv1.2", "floor-tls1_2.cnf"), ("TLSv1.3", "floor-tls1_3.cnf")]
)
def test_the_advised_file_is_named_for_its_floor(floor: str, name: str) -> None:
    """What people are given to copy says in its name what it does."""
    assert advised_name(Protocol(floor)) == name


def test_every_condition_but_the_ambient_has_a_file(tmp_path: Path) -> None:
    """Each condition of ours is a file with its text; the machine's own is none of ours."""
    files = write_configurations(tmp_path, Protocol.TLSV1_2)
    assert set(files) == set(Condition)
    assert files[Condition.AMBIENT] is None
    for condition in set(Condition) - {Condition.AMBIENT}:
        path = files[condition]
        assert path is not None
        assert path.parent == tmp_path
        assert path.read_text() == configuration(condition, Protocol.TLSV1_2)


@pytest.mark.e2e
@pytest.mark.parametrize("floor", [Protocol.TLSV1_2, Protocol.TLSV1_3])
def test_openssl_under_hardened_speaks_from_the_floor_up(tmp_path: Path, floor: Protocol) -> None:
    """An OpenSSL left to its configuration speaks every version from the floor up, and none below."""
    expected = frozenset(p for p in LADDER if not p.below(floor))
    control = asyncio.run(_unrestricted(tmp_path, Condition.HARDENED, floor, expected))
    assert control.passed, control.reason


@pytest.mark.e2e
def test_openssl_under_permissive_speaks_all_it_has(tmp_path: Path) -> None:
    """An OpenSSL left to its configuration speaks every version that was compiled in."""
    options = find_s_server(None, tmp_path, os.environ).options
    # s_server has an option to speak just one version for each of those.
    expected = frozenset(p for p in LADDER if "-" + p.lower().replace("v", "").replace(".", "_") in options)
    control = asyncio.run(_unrestricted(tmp_path, Condition.PERMISSIVE, Protocol.TLSV1_2, expected))
    assert control.passed, control.reason


async def _unrestricted(
    folder: Path, condition: Condition, floor: Protocol, claimed: frozenset[Protocol]
) -> Control:
    """Run the control on a server that nothing but a condition's file restricts."""
    path = write_configurations(folder, floor)[condition]
    engine = find_s_server(None, folder, os.environ)
    engine = replace(engine, page_environment={**os.environ, "OPENSSL_CONF": str(path)})
    server = Server(
        "any", "why", claimed, KeyExchange.ANY, Certificate.RSA, role=Role.PAGE, arguments=("-www",)
    )
    pair = issue(folder)[Certificate.RSA]
    async with asyncio.timeout(60), engine.serve(server, pair) as address:
        return await run_control(server, address, pair.certificate.read_text())
