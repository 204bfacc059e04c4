"""The file that sets a floor: on top of what a machine has, measured with OpenSSL's own client and server."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from interpreters.openssl_conf import CONFIGURATION_LIMIT
from reports.formats.remedies_document import build_remedies_markdown
from reports.verdicts.floor_file import (
    FloorFileError,
    floor_file,
    floor_file_for,
    read_configuration,
    sections,
)
from reports.verdicts.judge import Verdict
from reports.verdicts.remedies import Case, Remedy, RemedyAttempt, Standing
from reports.verdicts.steps import configuration_steps, flat
from servers.protocols import LADDER, Protocol
from tests.support.builders import FLOORS, TLS1_1, TLS1_2, TLS1_3, a_catalogue, a_row, a_run, an_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUPPORT = Path(__file__).parents[2] / "support"

STOCK = {
    "Debian 12": SUPPORT / "openssl-debian-12.cnf",
    "Debian 13": SUPPORT / "openssl-debian-13.cnf",
}
"""/etc/ssl/openssl.cnf as Debian ships it, unchanged: of openssl 3.0.20-1~deb12u2 in bookworm, and of openssl
3.5.9-1~deb13u1 in trixie (OpenSSL's text, under the Apache License 2.0)."""

BULLSEYE = """\
openssl_conf = default_conf
[default_conf]
ssl_conf = ssl_sect
[ssl_sect]
system_default = system_default_sect
[system_default_sect]
MinProtocol = TLSv1.2
CipherString = DEFAULT@SECLEVEL=2
"""
"""A chain that is complete, as Debian 11 ships it."""

LOOSE = BULLSEYE.replace("TLSv1.2", "TLSv1")
NAMES = "[names]\nsystem_default = other\n[other]\nMinProtocol = TLSv1.2\n"
WIDE = "AES128-SHA:AES256-SHA:@SECLEVEL=0"
"""Ciphers and a level at which every release of OpenSSL speaks TLS 1.0, unless a minimum forbids it."""


@pytest.fixture(scope="module")
def openssl() -> str:
    """The openssl program, of a release that reads includes and a system default."""
    program = shutil.which("openssl")
    said = (
        subprocess.run([program, "version"], capture_output=True, text=True, check=True) if program else None
    )
    if program is None or said is None or not re.match(r"OpenSSL (1\.1\.1|[3-9])", said.stdout):
        pytest.skip("no OpenSSL 1.1.1 or newer on PATH: install the openssl package")
    return program


@contextlib.contextmanager
def _serving(openssl: str, folder: Path, *options: str) -> Iterator[str]:
    """Run OpenSSL's server, whatever the machine's configuration, and give its address."""
    pem, empty = folder / "server.pem", folder / "empty.cnf"
    trustme.CA(key_type=trustme.KeyType.RSA).issue_cert(
        "localhost", key_type=trustme.KeyType.RSA
    ).private_key_and_cert_chain_pem.write_to_path(str(pem))
    empty.write_text("")
    words = [openssl, "s_server", "-accept", "127.0.0.1:0", "-www", *options]
    with subprocess.Popen(
        [*words, "-cert", pem, "-key", pem],
        env={**os.environ, "OPENSSL_CONF": str(empty)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout
            first = next((line for line in server.stdout if line.startswith("ACCEPT")), "")
            yield f"127.0.0.1:{first.rpartition(':')[2].strip()}"
        finally:
            server.kill()


@pytest.fixture(scope="module")
def old_server(openssl: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that speaks TLS 1.0 alone, by RSA key exchange."""
    with _serving(openssl, tmp_path_factory.mktemp("server"), "-tls1", "-cipher", WIDE) as address:
        yield address


def _client(openssl: str, address: str, configuration: Path, *options: str) -> str:
    """Return what OpenSSL's client says of a connection, under a configuration."""
    done = subprocess.run(
        [openssl, "s_client", "-connect", address, "-brief", *options],
        env={**os.environ, "OPENSSL_CONF": str(configuration)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return done.stdout + done.stderr


def _connects(openssl: str, address: str, configuration: Path) -> bool:
    """Whether OpenSSL's client, under a configuration, goes along with TLS 1.0; it must have tried."""
    said = _client(openssl, address, configuration, "-cipher", WIDE)
    assert ("Protocol version: TLSv1\n" in said) != ("alert protocol version" in said), said
    return "Protocol version: TLSv1\n" in said


def _starts(openssl: str, configuration: Path) -> tuple[bool, str]:
    """Whether the openssl program starts under a configuration, with the names of providers it loads."""
    environment = {**os.environ, "OPENSSL_CONF": str(configuration)}
    version = subprocess.run([openssl, "version"], capture_output=True, text=True, check=True).stdout
    words = ["version"] if version.startswith("OpenSSL 1.") else ["list", "-providers"]
    done = subprocess.run([openssl, *words], env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def _floored(
    folder: Path, text: str, floor: Protocol = TLS1_2, name: str = "openssl.cnf"
) -> tuple[Path, Path]:
    """Write a machine's file and the one that adds a floor to it, and return both."""
    machine, ours = folder / name, folder / "floor.cnf"
    machine.parent.mkdir(exist_ok=True)
    machine.write_text(text)
    ours.write_text(floor_file(read_configuration(machine, {}), str(machine), floor))
    return machine, ours


@pytest.mark.e2e
@pytest.mark.parametrize("release", STOCK)
def test_the_floor_holds_on_a_stock_configuration(
    release: str, openssl: str, old_server: str, tmp_path: Path
) -> None:
    """Under Debian's file a client goes along with TLS 1.0, under ours not, and openssl starts as before."""
    machine, ours = _floored(tmp_path, STOCK[release].read_text())
    assert _connects(openssl, old_server, machine)
    assert not _connects(openssl, old_server, ours)
    assert _starts(openssl, ours) == _starts(openssl, machine)
    assert _starts(openssl, ours)[0]


@pytest.mark.e2e
@pytest.mark.parametrize("release", STOCK)
def test_the_lines_of_the_written_report_hold(
    release: str, openssl: str, old_server: str, tmp_path: Path, script: Callable[[str, str], Path]
) -> None:
    """Taken out of remedies.md and run, the lines put a copy of Debian's configuration under the floor."""
    machine = tmp_path / "openssl.cnf"
    shutil.copy(STOCK[release], machine)
    one = replace(an_interpreter(), openssl_dir=str(tmp_path), openssl_conf=str(machine))
    file = floor_file_for(one, TLS1_2, {})
    lines = flat(configuration_steps([one.path], file, TLS1_2))
    held = RemedyAttempt(Remedy.CONFIGURATION, Standing.ADVISED, "it held", Verdict.ENFORCED, lines, file)
    case = Case(a_row(Verdict.DOWNGRADED, interpreter=one), (held,))
    report = build_remedies_markdown([case], a_run(a_catalogue()), TLS1_2)
    first = re.findall(r"```sh\n(.*?)```", report, re.DOTALL)[0]
    # The one liberty taken: the tests are not root.
    script("sudo", 'exec "$@"')
    there = tmp_path / "etc" / file.name
    commands = first.replace(str(Path(file.folder, file.name)), str(there))
    subprocess.run(["sh", "-ec", commands], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)
    assert _connects(openssl, old_server, machine)
    assert not _connects(openssl, old_server, there)
    assert _starts(openssl, there) == _starts(openssl, machine)


@pytest.mark.e2e
@pytest.mark.parametrize("place", ["top", "end", "start section"])
def test_the_bare_line_works_nowhere(place: str, openssl: str, old_server: str, tmp_path: Path) -> None:
    """Alone at the top or end of Debian 12's file the line does nothing; in the start section it harms."""
    text, line = STOCK["Debian 12"].read_text(), "MinProtocol = TLSv1.2\n"
    wrong = tmp_path / "wrong.cnf"
    places = {
        "top": line + text,
        "end": f"{text}\n{line}",
        "start section": text.replace("[openssl_init]\n", f"[openssl_init]\n{line}"),
    }
    wrong.write_text(places[place])
    assert text not in ("", places[place])
    starts, said = _starts(openssl, wrong)
    if starts:
        assert _connects(openssl, old_server, wrong)
    else:
        assert place == "start section"
        assert "MinProtocol" in said


@pytest.mark.e2e
def test_what_a_distribution_configures_stays(openssl: str, old_server: str, tmp_path: Path) -> None:
    """Providers that the machine loads, and a policy that it includes, are there under the floor too."""
    policy, machine = tmp_path / "policy.cnf", tmp_path / "openssl.cnf"
    policy.write_text("CipherString = DEFAULT\nTLS.MinProtocol = TLSv1\n")
    machine.write_text(
        "openssl_conf = start\n[start]\nproviders = loaded\nssl_conf = names\n"
        "[loaded]\ndefault = on\nbase = on\n[on]\nactivate = 1\n"
        f"[names]\nsystem_default = policy\n[policy]\n.include = {policy}\n"
    )
    text = floor_file(read_configuration(machine, {}), str(machine), TLS1_2)
    ours = tmp_path / "floor.cnf"
    ours.write_text(text)
    assert "[policy]\nMinProtocol = TLSv1.2\n" in text
    assert _connects(openssl, old_server, machine)
    assert not _connects(openssl, old_server, ours)
    starts, said = _starts(openssl, ours)
    assert (starts, said) == _starts(openssl, machine)
    assert "base" in said or said.startswith("OpenSSL 1.")


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        (LOOSE, "the chain is theirs"),
        ("", "nothing is there"),
        ("openssl_conf = a\n", "the first link leads nowhere"),
        ("openssl_conf = a\n[a]\nssl_conf = b\n", "the second leads nowhere"),
        ("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n", "the third leads nowhere"),
        ("openssl_conf = a\nopenssl_conf = z\n[z]\nssl_conf = y\n", "the last of two keys counts"),
        (
            LOOSE.replace("\nssl_conf =", "\nssl_conf.one = names\nssl_conf.two =") + NAMES,
            "the last module counts",
        ),
        ("openssl_conf = a\na::ssl_conf = b\nb::system_default = c\n", "sections named in the key"),
        ("openssl_conf = a # b\n[ a ] # c\nssl_conf = \\\nb\n", "comments and a continued line"),
        (f"{LOOSE}TLS.MinProtocol = TLSv1\n", "a prefix and a later line"),
        (f"{LOOSE}CipherString = DEFAULT@SECLEVEL=0\n", "a level that allows all"),
    ],
)
def test_the_floor_holds_on_whatever_a_machine_has(
    text: str, harmless: str, openssl: str, old_server: str, tmp_path: Path
) -> None:
    """Whichever links of the chain are there, ours are added to them and hold."""
    machine, ours = _floored(tmp_path, text)
    assert _connects(openssl, old_server, machine), harmless
    assert not _connects(openssl, old_server, ours), harmless


@pytest.mark.e2e
def test_the_floor_stands_where_the_machines_file_goes(openssl: str, old_server: str, tmp_path: Path) -> None:
    """An include that vanishes is skipped without a word, and the floor holds all the same."""
    machine, ours = _floored(tmp_path, LOOSE)
    machine.unlink()
    assert not _connects(openssl, old_server, ours)


@pytest.mark.e2e
def test_a_name_with_special_characters_is_included(openssl: str, old_server: str, tmp_path: Path) -> None:
    """A path with a space, a quote, a dollar and a hash is read: its stricter settings hold."""
    name = "a folder/it's #1 for $5.cnf"
    _, ours = _floored(tmp_path, BULLSEYE, TLS1_1, name)
    assert not _connects(openssl, old_server, ours)
    # Without our own lines, the include alone.
    ours.write_text(ours.read_text().partition("[default]")[0])
    assert not _connects(openssl, old_server, ours)


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("theirs", [None, *LADDER])
@pytest.mark.parametrize("key", ["MinProtocol", "TLS.MinProtocol", "minprotocol"])
def test_a_stricter_minimum_stays(theirs: Protocol | None, floor: Protocol, key: str) -> None:
    """The minimum that is written is the machine's or the floor, whichever is higher."""
    text = BULLSEYE.replace("MinProtocol = TLSv1.2", f"{key} = {theirs}" if theirs else "")
    higher = max([floor, *([theirs] if theirs else [])], key=LADDER.index)
    assert sections(floor_file(text, "/o.cnf", floor))["system_default_sect"] == {"MinProtocol": higher}


def test_what_is_no_minimum_for_tls_counts_as_none() -> None:
    """A minimum for DTLS, a word that OpenSSL does not know and None are below every floor."""
    for line, minimum in (
        ("DTLS.MinProtocol = DTLSv1.2", TLS1_2),
        ("MinProtocol = None", TLS1_1),
        ("TLS.MinProtocol = TLSv9", TLS1_1),
    ):
        assert f"MinProtocol = {minimum}\n" in floor_file(f"{BULLSEYE}{line}\n", "/o.cnf", TLS1_1)


@pytest.mark.e2e
def test_a_stricter_level_stays(openssl: str, tmp_path: Path) -> None:
    """A client whose level finds a key of 2048 bits too weak finds it so under the floor too."""
    text = BULLSEYE.replace("DEFAULT@SECLEVEL=2", "DEFAULT:@SECLEVEL={}")
    with _serving(openssl, tmp_path, "-tls1_2") as address:
        for level, weak in (("2", False), ("3", True)):
            for configuration in _floored(tmp_path, text.replace("{}", level)):
                said = _client(openssl, address, configuration)
                assert "Protocol version: TLSv1.2" in said
                assert ("EE certificate key too weak" in said) is weak, said


def test_nothing_but_the_minimum_is_set() -> None:
    """Whatever the machine says of ciphers and levels stays, because the file says nothing of them."""
    said = sections(floor_file(BULLSEYE, "/o.cnf", TLS1_2))
    keys = {key for settings in said.values() for key in settings}
    assert keys == {"openssl_conf", "ssl_conf", "system_default", "MinProtocol"}


@given(st.sampled_from(FLOORS), st.sampled_from([BULLSEYE, LOOSE, ""]))
def test_a_floor_is_added_once(floor: Protocol, text: str) -> None:
    """What is written on top of our own file says the same as that does."""
    first = floor_file(text, "/o.cnf", floor)
    known = sections(f"{text}\n{first}")
    again = sections(floor_file(f"{text}\n{first}", "/o.cnf", floor))
    assert all(known[name][key] == value for name, its in again.items() for key, value in its.items())


def test_a_line_that_openssl_cannot_read_is_named() -> None:
    """Where the machine's file is broken OpenSSL drops ours too, so none is written."""
    with pytest.raises(FloorFileError, match="'this is an error' is neither"):
        floor_file("a = b\nthis is an error\n", "/o.cnf", TLS1_2)


@pytest.mark.parametrize("sign", ["\f", "\v", "\x1c", "\x85", "\u2028"])
def test_a_line_ends_where_openssl_has_it_end(sign: str, tmp_path: Path) -> None:
    """Other signs that Python takes for the end of a line are letters, in comments above all."""
    base = tmp_path / "openssl.cnf"
    base.write_text(f"# these{sign}and those\nopenssl_conf = init\n[init]\nssl_conf = names\n", newline="")
    assert sections(read_configuration(base, {}))["init"] == {"ssl_conf": "names"}


def test_what_names_its_sections_by_variables_is_not_followed() -> None:
    """A link through a variable, or by a name in quotes or with escapes, is not guessed at."""
    for name in ("$name", "${s::name}", '"a b"', "a\\ b", "a\x1bb"):
        with pytest.raises(FloorFileError, match="which is no plain name of a section"):
            floor_file(f"openssl_conf = {name}\n", "/o.cnf", TLS1_2)
    with pytest.raises(FloorFileError, match="another name"):
        floor_file("", "/o\n.cnf", TLS1_2)


def test_includes_are_read_in_their_place(tmp_path: Path) -> None:
    """Files, folders and relative names are followed as OpenSSL does, and what is not there is skipped."""
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "b.cnf").write_text("MinProtocol = TLSv1.3\n")
    (tmp_path / "policy" / "a.txt").write_text("MinProtocol = TLSv1.1\n")
    (tmp_path / "near.cnf").write_text("x = y\n")
    whole = tmp_path / "openssl.cnf"
    whole.write_text(
        f"[s]\n.include = {tmp_path}/policy\n.include near.cnf\n.include = /nonexistent\n.include = {whole}\n"
    )
    assert sections(read_configuration(whole, {}))["s"] == {"MinProtocol": "TLSv1.3"}
    near = sections(read_configuration(whole, {"OPENSSL_CONF_INCLUDE": str(tmp_path)}))["s"]
    assert near == {"MinProtocol": "TLSv1.3", "x": "y"}


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    """What is larger than any configuration, or is a pipe, is passed over."""
    large, pipe = tmp_path / "large.cnf", tmp_path / "pipe.cnf"
    with large.open("wb") as file:
        file.truncate(CONFIGURATION_LIMIT + 1)
    os.mkfifo(pipe)
    assert [read_configuration(path, {}) for path in (large, pipe)] == ["", ""]


def test_the_file_in_force_is_the_one_that_is_added_to(tmp_path: Path) -> None:
    """That is what OPENSSL_CONF names, else the library's own, else none; different ones differ in name."""
    own, named = tmp_path / "openssl.cnf", tmp_path / "legacy.cnf"
    own.write_text(BULLSEYE)
    one = replace(an_interpreter(), openssl_dir=str(tmp_path), openssl_conf=str(own))
    under = replace(one, openssl_conf=str(named))
    alone = floor_file_for(replace(one, openssl_dir="/nonexistent", openssl_conf=""), TLS1_2, {})
    assert (".include" in alone.text, alone.name) == (False, "floor-tls1_2-alone.cnf")
    first = floor_file_for(one, TLS1_2, {})
    assert f".include = {own}\n" in first.text
    assert "system_default_sect" in first.text
    # Not there, so the library reads nothing.
    assert floor_file_for(under, TLS1_2, {}) == first
    named.write_text(LOOSE)
    second = floor_file_for(under, TLS1_2, {})
    assert f".include = {named}\n" in second.text
    assert len({alone.name, first.name, second.name}) == 3
    assert floor_file_for(one, TLS1_3, {}).name.startswith("floor-tls1_3-")


def test_what_somebody_else_may_change_is_not_for_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration can load code, so a file that includes another user's stays in that user's folder."""
    (tmp_path / "openssl.cnf").write_text(BULLSEYE)
    one = replace(an_interpreter(), openssl_dir="", openssl_conf=str(tmp_path / "openssl.cnf"))
    for owner, folder in (("", "/etc/ssl"), ("alice", str(tmp_path))):
        monkeypatch.setattr("reports.verdicts.floor_file.others", lambda _, owner=owner: owner)
        file = floor_file_for(one, TLS1_2, {})
        assert (file.owner, file.folder) == (owner, folder)
        lines = " ".join(flat(configuration_steps(["/p"], file, TLS1_2)))
        assert ("sudo" in lines) is ("systemd" in lines) is ("/etc/environment" in lines) is (not owner)
        assert f"OPENSSL_CONF={folder}/{file.name} /p application.py" in lines


def test_the_distributions_own_file_gives_the_plain_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """On most machines there is one such file, whose name needs nothing to tell it apart."""
    monkeypatch.setattr(Path, "is_file", lambda path: path == Path("/etc/ssl/openssl.cnf"))
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: BULLSEYE)
    monkeypatch.setattr(os.path, "realpath", str)
    one = replace(an_interpreter(), openssl_dir="/etc/ssl", openssl_conf="/etc/ssl/openssl.cnf")
    assert floor_file_for(one, TLS1_2, {}).name == "floor-tls1_2.cnf"
