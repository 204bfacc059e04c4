"""Collecting a run: what preparing and measuring found out is joined per interpreter, and nothing is lost."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.identify import parse_identity
from interpreters.locate import Candidate
from interpreters.prepared import Furnished, Prepared
from interpreters.programs import Found, Program
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import build_matrix
from reports.verdicts.observations import Account
from runs.campaign import Campaign, Guest
from runs.collect import REFUSAL, collect, collect_programs, follow_up
from runs.visit import Cell, Visit
from servers.conditions import Condition
from tests.support.builders import (
    FAILED,
    LOOSE,
    STRICT,
    TLS1_0,
    TLS1_2,
    Stack,
    a_catalogue,
    an_interpreter,
    controls,
    ladder,
    meet,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

CATALOGUE = a_catalogue()
CONTROLS = controls(CATALOGUE)


def _candidate(name: str) -> Candidate:
    return Candidate(name, "pyenv", Path(f"/made/up/{name}/bin/python"))


def _guest(name: str, *clients: str) -> Guest:
    return Guest(name, Path("/made/up/venv/bin/python"), {}, clients)


def _visit(stack: Stack = STRICT, *clients: str, identity: Any = None, **import_errors: str) -> Visit:
    """Return what a probe did with some clients on the whole ladder."""
    cells = [
        Cell(client, server.id, (seen := meet(stack, server)).account, "", seen.wire)
        for client in clients
        for server in ladder(CATALOGUE)
    ]
    return Visit(identity, dict.fromkeys(clients, "1.0"), import_errors, tuple(cells))


def _campaign(*visits: tuple[Guest, Condition, Visit]) -> Campaign:
    return Campaign("OpenSSL 3.0.19", CONTROLS, visits)


def _found(name: str, problem: str = "") -> Found:
    program = Program(name, name, ("--version",), "(.*)", ("{program}",))
    candidate = Candidate(f"program_{name}", "program", Path(f"/made/up/{name}"))
    return Found(program, candidate, "" if problem else "1.2", "" if problem else "SomeSSL/4", problem)


def test_a_program_is_what_it_says_and_not_the_python_that_ran_it(facts: dict[str, Any]) -> None:
    """Programs come out as they went in, each with its own visits and client, and what it says itself."""
    visits = [
        (_guest("program_two", "two"), Condition.AMBIENT, _visit(LOOSE, "two", identity=facts)),
        (_guest("program_one", "one"), Condition.AMBIENT, _visit(STRICT, "one", identity=facts)),
    ]
    found = [_found("one"), _found("two"), _found("three", "it hangs")]
    one, two, three = collect_programs(found, _campaign(*visits))
    assert [m.interpreter.id for m in (one, two, three)] == ["program_one", "program_two", "program_three"]
    assert [m.clients for m in (one, two, three)] == [("one",), ("two",), ("three",)]
    assert {o.client for o in one.observations} == {"one"}
    assert len(two.observations) == len(ladder(CATALOGUE))
    assert one.interpreter.is_program
    assert (one.interpreter.version, one.interpreter.openssl) == ("1.2", "SomeSSL/4")
    assert (one.interpreter.implementation, one.interpreter.configure_flags) == ("", ())
    assert (three.interpreter.problem, three.observations) == ("it hangs", ())


def test_every_prepared_interpreter_has_an_entry_in_order() -> None:
    """Interpreters come out as they went in, measured or not, each with its own visits."""
    prepared = [Prepared(_candidate(name), problem="" if name == "b" else "it hung") for name in "cab"]
    campaign = _campaign((_guest("b", "ssl"), Condition.AMBIENT, _visit(STRICT, "ssl")))
    found = collect(prepared, campaign, {})
    assert [one.interpreter.id for one in found] == ["c", "a", "b"]
    assert [len(one.observations) for one in found] == [0, 0, len(ladder(CATALOGUE))]
    assert [one.interpreter.problem for one in found] == ["it hung", "it hung", ""]
    assert {o.interpreter for o in found[2].observations} == {"b"}


def test_visits_under_several_conditions_stay_apart() -> None:
    """Each observation carries the condition that it was made under, its version and its control."""
    guest = _guest("a", "ssl")
    campaign = Campaign(
        "OpenSSL",
        CONTROLS | {"only_1_0": FAILED},
        (
            (guest, Condition.AMBIENT, _visit(STRICT, "ssl")),
            (guest, Condition.PERMISSIVE, _visit(LOOSE, "ssl")),
        ),
    )
    (one,) = collect([Prepared(_candidate("a"))], campaign, {})
    assert {o.server for o in one.of("ssl", Condition.AMBIENT)} == {s.id for s in ladder(CATALOGUE)}
    (low,) = (o for o in one.of("ssl", Condition.PERMISSIVE) if o.server == "only_1_0")
    assert low.account is not None
    assert low.account.version == TLS1_0
    assert (low.client_version, low.control) == ("1.0", FAILED)
    assert one.of("ssl", Condition.HARDENED) == ()


def test_why_a_client_is_unavailable_is_kept() -> None:
    """What could not be installed and what could not be imported each keep their reason."""
    made = Furnished(Path("/made/up/python"), ("botocore",), "no network")
    prepared = Prepared(_candidate("a"), environments=(made,))
    visit = _visit(STRICT, "ssl", urllib3="ImportError: no module")
    (one,) = collect([prepared], _campaign((_guest("a", "ssl"), Condition.AMBIENT, visit)), {})
    assert one.unavailable == {
        "botocore": "no network",
        "urllib3": "it cannot be imported: ImportError: no module",
    }


def test_a_release_that_cannot_be_measured_has_its_own_reason() -> None:
    """Where a client's file refuses a release, as of an old CRT, nothing is said of an import."""
    visit = _visit(
        STRICT, "ssl", boto3_crt="releases.NotMeasurableError: awscrt 0.23.8 ignores the port: of all"
    )
    (one,) = collect([Prepared(_candidate("a"))], _campaign((_guest("a"), Condition.AMBIENT, visit)), {})
    assert one.unavailable == {"boto3_crt": "awscrt 0.23.8 ignores the port: of all"}


def test_the_name_of_a_refusal_is_that_of_the_probe_s(passenger: Callable[[str], ModuleType]) -> None:
    """The exception that is looked for is the one that clients raise, as a probe names it."""
    refusal = passenger("releases").NotMeasurableError
    assert f"{refusal.__module__}.{refusal.__name__}" == REFUSAL


def test_what_an_environment_does_not_have_has_no_row(facts: dict[str, Any]) -> None:
    """Of an environment as it was found, the clients are those that are installed, each with its cells."""
    folder = Path("/srv/app/venv")
    one = Candidate("env_app_venv", "given", folder / "bin/python", environment=folder)
    seen = replace(_visit(STRICT, "ssl", "botocore", "httpx", httpx="No module"), absent=frozenset({"httpx"}))
    guest = Guest(one.id, one.path, {}, ("ssl", "botocore", "httpx"))
    prepared = Prepared(one, parse_identity(facts))
    (found,) = collect([prepared], _campaign((guest, Condition.AMBIENT, seen)), {})
    assert found.interpreter.environment == str(folder)
    assert found.clients == ("ssl", "botocore")
    assert {record.client for record in found.observations} == {"ssl", "botocore"}
    assert {record.environment for record in found.observations} == {str(folder)}
    assert found.apart == {}
    lacking = replace(_visit(httpx="No module"), absent=frozenset({"httpx"}))
    visits = _campaign((replace(guest, clients=("httpx",)), Condition.AMBIENT, lacking))
    (found,) = collect([prepared], visits, {})
    assert found.clients == ("httpx",)
    assert found.unavailable == {"httpx": "it is not installed in /srv/app/venv"}


def test_a_client_that_was_to_be_installed_is_not_left_out() -> None:
    """What is lacking in an environment that we made has its reason."""
    seen = replace(_visit(STRICT, "ssl", httpx="No module"), absent=frozenset({"httpx"}))
    (found,) = collect([Prepared(_candidate("a"))], _campaign((_guest("a"), Condition.AMBIENT, seen)), {})
    assert (found.clients, found.interpreter.environment) == ((), "made")
    assert found.unavailable == {"httpx": "it cannot be imported: No module"}


def test_what_an_interpreter_says_while_measured_counts_more(facts: dict[str, Any]) -> None:
    """An interpreter that was replaced since it was identified is described as what was measured."""
    before, after = facts | {"version": "3.8.1"}, facts | {"version": "3.9.2"}
    prepared = Prepared(_candidate("a"), identity=parse_identity(before))
    silent = _campaign((_guest("a"), Condition.AMBIENT, _visit()))
    spoke = _campaign((_guest("a"), Condition.AMBIENT, _visit(identity=after)))
    assert collect([prepared], silent, {})[0].interpreter.version == "3.8.1"
    assert collect([prepared], spoke, {})[0].interpreter.version == "3.9.2"


NO_CIPHERS = {"contexts": {"SSLContext": {"error": "SSLError: library has no ciphers"}}}


def _contextless(client: str, identity: Any) -> Visit:
    """Return what a probe did with a client for which no TLS context can be made."""
    account = Account("failed", None, None, "SSLError", "library has no ciphers", 0.0)
    cells = tuple(Cell(client, server.id, account, "", ()) for server in ladder(CATALOGUE))
    return Visit(identity, {client: "1.0"}, {}, cells)


def test_a_configuration_that_was_broken_since_is_the_interpreter_s_problem(facts: dict[str, Any]) -> None:
    """Where an identity is remembered and no context can be made any more, one row gives the reason."""
    one = _candidate("a")
    home, other = Guest("a", one.path, {}, ("ssl",)), _guest("a", "urllib3")
    visits = [
        (home, Condition.AMBIENT, _contextless("ssl", facts | NO_CIPHERS)),
        (other, Condition.AMBIENT, _contextless("urllib3", facts)),
    ]
    prepared = Prepared(one, identity=parse_identity(facts))
    problem = "its ssl module makes no context under /etc/fips.cnf: SSLError: library has no ciphers"
    environment = {"OPENSSL_CONF": "/etc/fips.cnf"}
    (found,) = collect([prepared], _campaign(*visits), environment)
    assert found.interpreter.problem == problem
    rows = build_matrix([found], ["ssl", "urllib3"], [Condition.AMBIENT], CATALOGUE, TLS1_2)
    assert [(row.client, row.verdict) for row in rows] == [("all", Verdict.UNTESTABLE)]
    # Nothing that did connect is hidden behind that, as by a client with a TLS library of its own.
    connected = (other, Condition.AMBIENT, _visit(LOOSE, "urllib3", identity=facts))
    assert collect([prepared], _campaign(visits[0], connected), environment)[0].interpreter.problem == ""


@pytest.mark.parametrize(
    "visit",
    [
        (_guest("a", "ssl"), Condition.AMBIENT),
        (Guest("a", _candidate("a").path, {}, ("ssl",)), Condition.PERMISSIVE),
    ],
    ids=["another Python", "another configuration"],
)
def test_only_the_interpreter_as_it_is_tells_of_its_contexts(
    facts: dict[str, Any], visit: tuple[Guest, Condition]
) -> None:
    """That an environment, or the interpreter under a file of ours, makes no context is not its problem."""
    seen = _contextless("ssl", facts | NO_CIPHERS)
    prepared = Prepared(_candidate("a"), identity=parse_identity(facts))
    assert collect([prepared], _campaign((*visit, seen)), {})[0].interpreter.problem == ""


@pytest.mark.parametrize(
    ("said", "shown"), [({"b": "2.8.0"}, "2.8.0"), ({"a": "1.26.20", "b": "2.8.0"}, "1.26.20"), ({}, "")]
)
def test_the_urllib3_is_the_one_beside_the_client(said: dict[str, str], shown: str) -> None:
    """A client's own urllib3 counts, else that of its environment, and never that of another environment."""
    here = replace(_visit(STRICT, "a"), urllib3=said)
    there = replace(_visit(STRICT, "other"), urllib3={"other": "1.25"})
    visits = [(_guest("x", "a"), Condition.AMBIENT, here), (_guest("x", "other"), Condition.AMBIENT, there)]
    (one,) = collect([Prepared(_candidate("x"))], _campaign(*visits), {})
    assert {o.urllib3 for o in one.of("a", Condition.AMBIENT)} == {shown}


def test_an_identity_becomes_what_the_report_shows(facts: dict[str, Any]) -> None:
    """Version, implementation, OpenSSL and the configure flags that matter come from the identity."""
    flags = ["--with-ssl-default-suites=openssl"]
    identity = parse_identity(facts | {"configure_flags": flags, "ssl": None, "start_up": ["/hook.pth"]})
    prepared = Prepared(_candidate("a"), identity=identity, problem="it has no ssl module")
    interpreter = collect([prepared], _campaign(), {})[0].interpreter
    assert interpreter.version == "3.9.18"
    assert interpreter.implementation == "CPython"
    assert interpreter.start_up == ("/hook.pth",)
    assert interpreter.openssl == ""
    assert interpreter.leaves_suites_to_openssl
    assert interpreter.problem == "it has no ssl module"
    whole = Prepared(_candidate("a"), identity=parse_identity(facts))
    assert collect([whole], _campaign(), {})[0].interpreter.openssl == "OpenSSL 3.0.19"


def _contexts(minimum: str) -> dict[str, Any]:
    return {"contexts": {"SSLContext": {"minimum_version": minimum}}}


@pytest.mark.parametrize("ambient", ["TLSv1", "TLSv1_2"])
@pytest.mark.parametrize("permissive", ["TLSv1", "TLSv1_2"])
def test_the_interpreter_itself_is_held_against_each_environment(
    facts: dict[str, Any], ambient: str, permissive: str
) -> None:
    """Contexts are compared under the same condition, and only who was measured elsewhere is concerned."""
    one = _candidate("a")
    home, other = Guest("a", one.path, {}, ("ssl",)), _guest("a", "urllib3")
    plain = facts | _contexts("TLSv1_2")
    visits = [
        (home, Condition.AMBIENT, _visit(STRICT, "ssl", identity=facts | _contexts(ambient))),
        (other, Condition.AMBIENT, _visit(STRICT, "urllib3", identity=plain)),
        (home, Condition.PERMISSIVE, _visit(STRICT, identity=facts | _contexts(permissive))),
        (other, Condition.PERMISSIVE, _visit(STRICT, "urllib3", identity=plain)),
    ]
    found = collect([Prepared(one)], _campaign(*visits), {})[0].apart
    assert found.keys() == ({"urllib3"} if "TLSv1" in (ambient, permissive) else set())


@pytest.mark.parametrize("identity", [None, {}, "nonsense"])
def test_an_interpreter_that_says_nothing_of_itself_is_set_apart(
    facts: dict[str, Any], identity: Any
) -> None:
    """Where only the environment spoke, it does not speak for the interpreter."""
    one = _candidate("a")
    home, other = Guest("a", one.path, {}, ("ssl",)), _guest("a", "urllib3")
    visits = [
        (home, Condition.AMBIENT, _visit(STRICT, "ssl", identity=identity)),
        (other, Condition.AMBIENT, _visit(STRICT, "urllib3", identity=facts)),
    ]
    assert collect([Prepared(one)], _campaign(*visits), {})[0].apart.keys() == {"urllib3"}


def test_build_and_configuration_are_recorded(facts: dict[str, Any], tmp_path: Path) -> None:
    """The build is hashed, and the configuration is the one that the probe's environment leads to."""
    path, own, other = tmp_path / "python3", tmp_path / "openssl.cnf", tmp_path / "other.cnf"
    for file in (path, own, other):
        file.write_text(file.name)
    identity = parse_identity(facts | {"ssl": facts["ssl"] | {"directory": str(tmp_path)}})
    prepared = Prepared(Candidate("a", "opt", path), identity=identity)
    ambient = collect([prepared], _campaign(), {})[0].interpreter
    assert ambient.build == hashlib.blake2b(b"python3", digest_size=8).hexdigest()
    assert ambient.openssl_conf == str(own)
    assert ambient.openssl_conf_sha256 == hashlib.sha256(b"openssl.cnf").hexdigest()
    named = collect([prepared], _campaign(), {"OPENSSL_CONF": str(other)})[0].interpreter
    assert named.openssl_conf == str(other)
    assert named.openssl_conf_sha256 == hashlib.sha256(b"other.cnf").hexdigest()
    wrapped = replace(prepared, identity=replace(identity, changed={"OPENSSL_CONF": str(other)}))
    assert collect([wrapped], _campaign(), {})[0].interpreter.openssl_conf == str(other)
    silent = collect([Prepared(Candidate("a", "opt", path), problem="it hung")], _campaign(), {})
    assert (silent[0].interpreter.build, silent[0].interpreter.openssl_conf) == (ambient.build, "")


def test_a_configuration_that_is_not_there_is_named(facts: dict[str, Any], tmp_path: Path) -> None:
    """Where the probe's environment names a file that does not exist, the interpreter's facts say so."""
    identity = parse_identity(facts | {"ssl": facts["ssl"] | {"directory": str(tmp_path)}})
    prepared = Prepared(_candidate("a"), identity=identity)
    named = collect([prepared], _campaign(), {"OPENSSL_CONF": f"{tmp_path}/gone.cnf"})[0].interpreter
    (problem,) = named.configuration_problems
    assert f"OPENSSL_CONF names {tmp_path}/gone.cnf, which does not exist" in problem
    assert collect([prepared], _campaign(), {})[0].interpreter.configuration_problems == ()


def test_an_identity_that_makes_no_sense_is_no_crash() -> None:
    """A probe whose identity has another shape costs that identity, not the report."""
    campaign = _campaign((_guest("a"), Condition.AMBIENT, _visit(identity={"version": "3.9.18"})))
    assert collect([Prepared(_candidate("a"))], campaign, {})[0].interpreter.version == ""


def test_a_second_visit_is_for_those_that_seem_safe() -> None:
    """The campaign's rule names the clients whose floor something must be holding."""
    decide = follow_up(CATALOGUE, TLS1_2)
    guest = _guest("a", "ssl", "urllib3")
    strict, loose = _visit(STRICT, "ssl", "urllib3"), _visit(LOOSE, "ssl", "urllib3")
    held, fell = {Condition.AMBIENT: strict}, {Condition.AMBIENT: loose}
    assert decide(Condition.PERMISSIVE, guest, held, CONTROLS) == ("ssl", "urllib3")
    assert decide(Condition.PERMISSIVE, guest, fell, CONTROLS) == ()
    assert decide(Condition.PERMISSIVE, guest, held, CONTROLS | {"only_1_0": FAILED}) == ()
    assert decide(Condition.EMPTY, guest, held | {Condition.PERMISSIVE: loose}, CONTROLS) == (
        "ssl",
        "urllib3",
    )
    assert decide(Condition.EMPTY, guest, held | {Condition.PERMISSIVE: strict}, CONTROLS) == ()


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
