"""Describing an interpreter: what it says of itself, and the files that decide its TLS, become its facts."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interpreters.describe import describe, describe_again, describe_program
from interpreters.identify import FileFacts, parse_identity
from interpreters.interpreter import MADE, PROGRAM
from interpreters.locate import Candidate
from interpreters.places import Place
from interpreters.prepared import Prepared
from tests.support.builders import an_interpreter

ONE = Candidate("pyenv_one", "pyenv", Path("/made/up/one/bin/python"))


def test_an_identity_becomes_what_the_report_shows(facts: dict[str, Any]) -> None:
    """Version, implementation, OpenSSL and the configure flags that matter come from the identity."""
    flags = ["--with-ssl-default-suites=openssl"]
    identity = parse_identity(facts | {"configure_flags": flags, "ssl": None, "start_up": ["/hook.pth"]})
    interpreter = describe(ONE, identity, {}, "it has no ssl module")
    assert (interpreter.id, interpreter.source, interpreter.path) == ("pyenv_one", "pyenv", str(ONE.path))
    assert interpreter.version == "3.9.18"
    assert interpreter.implementation == "CPython"
    assert interpreter.start_up == ("/hook.pth",)
    assert interpreter.openssl == ""
    assert interpreter.leaves_suites_to_openssl
    assert interpreter.unavailable == "it has no ssl module"
    assert describe(ONE, parse_identity(facts)).openssl == "OpenSSL 3.0.19"


def test_an_environment_is_the_one_that_was_found(facts: dict[str, Any]) -> None:
    """The environment is the folder that was given, else the interpreter's own prefix if that is a venv's."""
    inside = parse_identity(facts | {"prefix": "/srv/venv", "base_prefix": "/usr"})
    assert describe(ONE, parse_identity(facts)).environment == MADE
    assert describe(ONE, inside).environment == "/srv/venv"
    assert describe(replace(ONE, environment=Path("/srv/app")), inside).environment == "/srv/app"
    assert describe(replace(ONE, environment=Path("/srv/app"))).environment == "/srv/app"


def test_what_is_installed_is_of_a_found_environment_alone(facts: dict[str, Any], tmp_path: Path) -> None:
    """Where it imports from, and a hash of the list of what is there, which changes with that list."""
    identity = parse_identity(facts | {"path": ["", str(tmp_path)]})
    (tmp_path / "urllib3-1.26.20.dist-info").mkdir()
    made, found = describe(ONE, identity), describe(replace(ONE, environment=tmp_path), identity)
    assert (made.search_path, made.distributions_sha256) == ((), "")
    assert found.search_path == (str(tmp_path),)
    assert len(found.distributions_sha256) == 64
    (tmp_path / "urllib3-1.26.20.dist-info").rename(tmp_path / "urllib3-2.0.7.dist-info")
    again = describe_again(found, identity, {})
    assert again.distributions_sha256 not in ("", found.distributions_sha256)


@pytest.mark.parametrize("said", [True, False])
def test_nothing_is_read_here_by_a_path_of_another_place(
    facts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, said: bool
) -> None:
    """Of an interpreter in a place its files are what it said of them, and unknown where it said nothing."""
    for reader in ("build_of", "configuration_sha256", "configuration_problems", "listing_sha256"):
        monkeypatch.delattr(f"interpreters.describe.{reader}")
    there = FileFacts("b" * 16, "/etc/x.cnf", "c" * 64, "d" * 64) if said else None
    facts["ssl"]["directory"] = str(tmp_path)
    identity = replace(parse_identity(facts | {"path": ["", str(tmp_path)]}), files=there)
    candidate = replace(ONE, path=Path("/bin/sh"), site=True, place=Place("ssh", "web1", ("ssh", "web1")))
    found = describe(candidate, identity)
    again = describe_again(found, identity, {})
    assert found == again
    told = (found.build, found.openssl_conf, found.openssl_conf_sha256, found.distributions_sha256)
    assert told == (("b" * 16, "/etc/x.cnf", "c" * 64, "d" * 64) if said else ("", "", "", ""))
    assert describe(candidate).build == ""


def test_build_and_configuration_are_recorded(facts: dict[str, Any], tmp_path: Path) -> None:
    """The build is hashed, and the configuration is the one that the probe's environment leads to."""
    path, own, other = tmp_path / "python3", tmp_path / "openssl.cnf", tmp_path / "other.cnf"
    for file in (path, own, other):
        file.write_text(file.name)
    identity = parse_identity(facts | {"ssl": facts["ssl"] | {"directory": str(tmp_path)}})
    candidate = Candidate("a", "opt", path)
    ambient = describe(candidate, identity)
    assert ambient.build == hashlib.blake2b(b"python3", digest_size=8).hexdigest()
    assert ambient.openssl_conf == str(own)
    assert ambient.openssl_conf_sha256 == hashlib.sha256(b"openssl.cnf").hexdigest()
    named = describe(candidate, identity, {"OPENSSL_CONF": str(other)})
    assert named.openssl_conf == str(other)
    assert named.openssl_conf_sha256 == hashlib.sha256(b"other.cnf").hexdigest()
    wrapped = replace(identity, changed={"OPENSSL_CONF": str(other)})
    assert Prepared.of(candidate, wrapped, {}).interpreter == named
    silent = describe(candidate, unavailable="it hung")
    assert (silent.build, silent.openssl_conf, silent.version) == (ambient.build, "", "")


def test_a_configuration_that_is_not_there_is_named(facts: dict[str, Any], tmp_path: Path) -> None:
    """Where the probe's environment names a file that does not exist, the interpreter's facts say so."""
    identity = parse_identity(facts | {"ssl": facts["ssl"] | {"directory": str(tmp_path)}})
    named = describe(ONE, identity, {"OPENSSL_CONF": f"{tmp_path}/gone.cnf"})
    (problem,) = named.configuration_problems
    assert f"OPENSSL_CONF names {tmp_path}/gone.cnf, which does not exist" in problem
    assert describe(ONE, identity).configuration_problems == ()


def test_what_it_says_now_replaces_what_it_said_before(facts: dict[str, Any]) -> None:
    """A second description has every fact of the later identity, and keeps where the interpreter is."""
    candidate = replace(ONE, environment=Path("/srv/app"))
    before, after = parse_identity(facts), parse_identity(facts | {"version": "3.12.1"})
    variables = {"OPENSSL_CONF": "/etc/other.cnf"}
    again = describe_again(describe(candidate, before, {}, "why"), after, variables)
    assert again == describe(candidate, after, variables, "why")


def test_a_program_is_its_version_and_its_library() -> None:
    """Of a program nothing is known but what it says itself."""
    program = describe_program(Candidate("program_curl", PROGRAM, Path("/made/up/curl")), "8.1", "SomeSSL/4")
    assert program.is_program
    assert (program.version, program.openssl, program.implementation) == ("8.1", "SomeSSL/4", "")


@pytest.mark.parametrize(
    ("version", "flags", "expected"),
    [
        ("2.7.18", (), False),
        ("3.9.18", (), False),
        ("3.10.0", (), True),
        ("3.14.0rc1", (), True),
        ("3.11.2", ("--with-ssl-default-suites=openssl",), False),
        ("3.11.2", ("--with-ssl-default-suites=python",), True),
    ],
)
def test_which_builds_set_a_minimum(version: str, flags: tuple[str, ...], expected: bool) -> None:  # noqa: FBT001
    """CPython sets one since 3.10, unless it was told to leave that to OpenSSL."""
    assert an_interpreter(version=version, configure_flags=flags).sets_minimum is expected


def test_an_interpreter_that_says_the_same_is_not_read_again(
    facts: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are read once more only where it says something else, whatever a wrapper changes."""
    before, now = parse_identity(facts), parse_identity(facts | {"version": "3.9.19"})
    prepared = Prepared.of(ONE, before, {})
    assert prepared.described_by(now, {}) == describe_again(prepared.interpreter, now, {})

    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("interpreters.prepared.describe_again", fail)
    assert prepared.described_by(before, {}) is prepared.interpreter
    wrapped = Prepared.of(ONE, replace(before, changed={"OPENSSL_CONF": str(tmp_path)}), {})
    assert wrapped.described_by(before, {}) is wrapped.interpreter
