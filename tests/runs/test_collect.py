"""Collecting a run: what preparing and measuring found out is joined per interpreter, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.clients import ClientKey
from interpreters.environments import ClientVenv
from interpreters.identify import parse_identity
from interpreters.locate import Candidate
from interpreters.prepared import Prepared
from interpreters.programs import InstalledProgram, Program
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import build_matrix
from reports.verdicts.observations import Account
from runs.collect import REFUSAL, collect, collect_programs
from runs.probe import ProbeResult, ProbeTask
from servers.conditions import Condition
from tests.support.builders import (
    FAILED,
    LOOSE,
    STRICT,
    TLS1_0,
    TLS1_2,
    Stack,
    a_catalogue,
    a_program,
    an_observation,
    by_key,
    keys,
    ladder,
)
from tests.support.probed import a_campaign, a_result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

CATALOGUE = a_catalogue()


def _candidate(name: str) -> Candidate:
    return Candidate(name, "pyenv", Path(f"/made/up/{name}/bin/python"))


def _prepared(name: str, identity: dict[str, Any] | None = None, unavailable: str = "") -> Prepared:
    known = parse_identity(identity) if identity else None
    return Prepared.of(_candidate(name), known, unavailable=unavailable)


def _task(name: str, *clients: str) -> ProbeTask:
    return ProbeTask(name, Path("/made/up/venv/bin/python"), {}, keys(clients))


def _result(stack: Stack = STRICT, *clients: str, identity: Any = None, **import_errors: str) -> ProbeResult:
    """Return what a probe did with some clients on the whole ladder."""
    return a_result(stack, keys(clients), CATALOGUE, identity=identity, import_errors=by_key(import_errors))


_campaign = partial(a_campaign, CATALOGUE)


def _found(name: str, unavailable: str = "") -> InstalledProgram:
    program = Program(name, name, ("{program}",), ask=("--version",), version="(.*)")
    return InstalledProgram(a_program(name, unavailable), program)


def test_a_program_is_what_it_says_and_not_the_python_that_ran_it(facts: dict[str, Any]) -> None:
    """Programs come out as they went in, each with its own visits and client, and what it says itself."""
    visits = [
        (_task("program_two", "two"), Condition.AMBIENT, _result(LOOSE, "two", identity=facts)),
        (_task("program_one", "one"), Condition.AMBIENT, _result(STRICT, "one", identity=facts)),
    ]
    found = [_found("one"), _found("two"), _found("three", "it hangs")]
    one, two, three = collect_programs(found, _campaign(*visits))
    assert [m.interpreter.id for m in (one, two, three)] == ["program_one", "program_two", "program_three"]
    assert [m.clients for m in (one, two, three)] == [keys(["one"]), keys(["two"]), keys(["three"])]
    assert {str(o.client) for o in one.observations} == {"one"}
    assert len(two.observations) == len(ladder(CATALOGUE))
    assert one.interpreter.is_program
    assert (one.interpreter.version, one.interpreter.openssl) == ("3.12.1", "SomeSSL/4")
    assert (one.interpreter.implementation, one.interpreter.configure_flags) == ("", ())
    assert (three.interpreter.unavailable, three.observations) == ("it hangs", ())


def test_every_prepared_interpreter_has_an_entry_in_order() -> None:
    """Interpreters come out as they went in, measured or not, each with its own visits."""
    prepared = [_prepared(name, unavailable="" if name == "b" else "it hung") for name in "cab"]
    campaign = _campaign((_task("b", "ssl"), Condition.AMBIENT, _result(STRICT, "ssl")))
    found = collect(prepared, campaign, {})
    assert [one.interpreter.id for one in found] == ["c", "a", "b"]
    assert [len(one.observations) for one in found] == [0, 0, len(ladder(CATALOGUE))]
    assert [one.interpreter.unavailable for one in found] == ["it hung", "it hung", ""]
    assert {o.interpreter for o in found[2].observations} == {"b"}


def test_visits_under_several_conditions_stay_apart() -> None:
    """Each observation carries the condition that it was made under, its version and its control."""
    task = _task("a", "ssl")
    campaign = _campaign(
        (task, Condition.AMBIENT, _result(STRICT, "ssl")),
        (task, Condition.PERMISSIVE, _result(LOOSE, "ssl")),
        controls={"only_1_0": FAILED},
    )
    (one,) = collect([_prepared("a")], campaign, {})
    assert one.judged is not None
    assert set(one.judged.of(ClientKey("ssl"), Condition.AMBIENT).results) == {
        s.id for s in ladder(CATALOGUE)
    }
    permissive = one.judged.of(ClientKey("ssl"), Condition.PERMISSIVE).observations
    assert set(permissive) < set(one.observations)
    (low,) = (seen for seen in permissive if seen.server == "only_1_0")
    assert low.account is not None
    assert low.account.version == TLS1_0
    assert (low.client_version, low.control) == ("1.0", FAILED)
    assert one.judged.of(ClientKey("ssl"), Condition.HARDENED).observations == ()


def test_why_a_client_is_unavailable_is_kept() -> None:
    """What could not be installed and what could not be imported each keep their reason."""
    made = ClientVenv(Path("/made/up/python"), keys(["botocore"]), "no network")
    prepared = replace(_prepared("a"), venvs=(made,))
    visit = _result(STRICT, "ssl", urllib3="ImportError: no module")
    (one,) = collect([prepared], _campaign((_task("a", "ssl"), Condition.AMBIENT, visit)), {})
    assert one.unavailable == by_key(
        {
            "botocore": "no network",
            "urllib3": "it cannot be imported: ImportError: no module",
        }
    )


def test_a_release_that_cannot_be_measured_has_its_own_reason() -> None:
    """Where a client's file refuses a release, as of an old CRT, nothing is said of an import."""
    visit = _result(
        STRICT, "ssl", boto3_crt="releases.NotMeasurableError: awscrt 0.23.8 ignores the port: of all"
    )
    (one,) = collect([_prepared("a")], _campaign((_task("a"), Condition.AMBIENT, visit)), {})
    assert one.unavailable == by_key({"boto3_crt": "awscrt 0.23.8 ignores the port: of all"})


def test_the_name_of_a_refusal_is_that_of_the_probe_s(passenger: Callable[[str], ModuleType]) -> None:
    """The exception that is looked for is the one that clients raise, as a probe names it."""
    refusal = passenger("releases").NotMeasurableError
    assert f"{refusal.__module__}.{refusal.__name__}" == REFUSAL


FOLDER = Path("/srv/app/venv")


def _environment(facts: dict[str, Any], *, given: bool = False) -> Prepared:
    """Return an environment as it was found."""
    one = Candidate("env_app_venv", "venv", FOLDER / "bin/python", given=given, environment=FOLDER)
    return Prepared.of(one, parse_identity(facts))


def _visit(
    prepared: Prepared, wanted: Sequence[str], there: Sequence[str], problem: str = ""
) -> tuple[ProbeTask, Condition, ProbeResult]:
    """Return what a probe of the wanted clients came to, of which those are there."""
    task = ProbeTask(prepared.interpreter.id, prepared.executable, {}, keys(wanted), str(FOLDER))
    absent = frozenset(wanted) - frozenset(there)
    result = _result(STRICT, *there, **dict.fromkeys(absent, "there is no module"))
    return task, Condition.AMBIENT, replace(result, absent=frozenset(keys(absent)), problem=problem)


def test_what_an_environment_does_not_have_has_no_row(facts: dict[str, Any]) -> None:
    """Of an environment as it was found, the clients are those that are installed, each with its cells."""
    prepared = _environment(facts)
    visit = _visit(prepared, ("ssl", "botocore", "httpx"), ("ssl", "botocore"))
    (found,) = collect([prepared], _campaign(visit), {})
    assert found.interpreter.environment == str(FOLDER)
    assert found.clients == keys(("ssl", "botocore"))
    assert {str(record.client) for record in found.observations} == {"ssl", "botocore"}
    assert {record.environment for record in found.observations} == {str(FOLDER)}
    assert found.apart == {}


def test_an_environment_without_any_client_is_told_to_who_named_it(facts: dict[str, Any]) -> None:
    """Where none of the clients is installed there is no entry, unless the user gave the environment."""
    found, given = _environment(facts), _environment(facts, given=True)
    visit = _visit(found, ("httpx", "botocore"), ())
    assert collect([found], _campaign(visit), {}) == ()
    (told,) = collect([given], _campaign(visit), {})
    assert told.clients == keys(["botocore", "httpx"])
    assert told.unavailable == by_key(
        dict.fromkeys(("botocore", "httpx"), "it is not installed in /srv/app/venv")
    )


def test_what_is_the_same_has_the_rows_of_the_measured_one(facts: dict[str, Any]) -> None:
    """A shared environment has its own description, another's verdicts, and no observation."""
    leader = _environment(facts)
    elsewhere = Candidate("env_twin", "venv", Path("/srv/twin/bin/python"), environment=Path("/srv/twin"))
    twin = Prepared.of(elsewhere, parse_identity(facts))
    followers = {"env_twin": "env_app_venv"}
    campaign = replace(_campaign(_visit(leader, ("ssl", "httpx"), ("ssl",))), followers=followers)
    for prepared in ((leader, twin), (twin, leader)):
        found = {one.interpreter.id: one for one in collect(prepared, campaign, {})}
        assert list(found) == [one.interpreter.id for one in prepared]
        shared = found["env_twin"]
        assert shared.interpreter == replace(twin.interpreter, shared_with="env_app_venv")
        assert (shared.observations, shared.clients) == ((), keys(["ssl"]))
        rows = build_matrix(found.values(), (), [Condition.AMBIENT], CATALOGUE, TLS1_2)
        own, other = sorted(rows, key=lambda row: row.interpreter.id)
        assert (own.verdict, own.findings) == (other.verdict, other.findings)
        assert "measured in env_app_venv" in other.judgement.reason
        assert "measured in" not in own.judgement.reason
    nothing = replace(_campaign(_visit(leader, ("httpx",), ())), followers=followers)
    assert collect([leader, twin], nothing, {}) == ()


def test_an_environment_that_did_not_say_what_is_installed_has_one_row(facts: dict[str, Any]) -> None:
    """Where the probe died before it said which clients are there, the reason is one row for all of them."""
    prepared = _environment(facts)
    visit = _visit(prepared, ("httpx", "botocore"), (), "the probe died of SIGSEGV after it started")
    found = collect([prepared], _campaign(visit), {})
    rows = build_matrix(found, keys(["ssl"]), [Condition.AMBIENT], CATALOGUE, TLS1_2)
    assert [(str(row.client), row.verdict, row.judgement.reason) for row in rows] == [
        ("all", Verdict.UNTESTABLE, "the probe died of SIGSEGV after it started")
    ]


def test_a_client_that_was_to_be_installed_is_not_left_out() -> None:
    """What is lacking in an environment that we made has its reason."""
    seen = replace(_result(STRICT, "ssl", httpx="No module"), absent=frozenset(keys(["httpx"])))
    (found,) = collect([_prepared("a")], _campaign((_task("a"), Condition.AMBIENT, seen)), {})
    assert (found.clients, found.interpreter.environment) == ((), "made")
    assert found.unavailable == by_key({"httpx": "it cannot be imported: No module"})


def test_what_an_interpreter_says_while_measured_counts_more(facts: dict[str, Any]) -> None:
    """An interpreter that was replaced since it was identified is described as what was measured."""
    before, after = facts | {"version": "3.8.1"}, facts | {"version": "3.9.2"}
    prepared = _prepared("a", before)
    silent = _campaign((_task("a"), Condition.AMBIENT, _result()))
    spoke = _campaign((_task("a"), Condition.AMBIENT, _result(identity=after)))
    assert collect([prepared], silent, {})[0].interpreter.version == "3.8.1"
    (found,) = collect([replace(prepared, changed={"OPENSSL_CONF": "/its/own.cnf"})], spoke, {})
    assert (found.interpreter.version, found.interpreter.openssl_conf) == ("3.9.2", "/its/own.cnf")


NO_CIPHERS = {"contexts": {"SSLContext": {"error": "SSLError: library has no ciphers"}}}


def _contextless(client: str, identity: Any) -> ProbeResult:
    """Return what a probe did with a client for which no TLS context can be made."""
    account = Account("failed", None, None, "SSLError", "library has no ciphers", 0.0)
    observations = tuple(an_observation(server, account, client=client) for server in ladder(CATALOGUE))
    return ProbeResult(identity, observations)


def test_a_configuration_that_was_broken_since_is_the_interpreter_s_problem(facts: dict[str, Any]) -> None:
    """Where an identity is remembered and no context can be made any more, one row gives the reason."""
    one = _candidate("a")
    home, other = ProbeTask("a", one.path, {}, keys(["ssl"])), _task("a", "urllib3")
    visits = [
        (home, Condition.AMBIENT, _contextless("ssl", facts | NO_CIPHERS)),
        (other, Condition.AMBIENT, _contextless("urllib3", facts)),
    ]
    prepared = _prepared("a", facts)
    reason = "its ssl module makes no context under /etc/fips.cnf: SSLError: library has no ciphers"
    environment = {"OPENSSL_CONF": "/etc/fips.cnf"}
    (found,) = collect([prepared], _campaign(*visits), environment)
    assert found.interpreter.unavailable == reason
    rows = build_matrix([found], keys(["ssl", "urllib3"]), [Condition.AMBIENT], CATALOGUE, TLS1_2)
    assert [(str(row.client), row.verdict) for row in rows] == [("all", Verdict.UNTESTABLE)]
    # Nothing that did connect is hidden behind that, as by a client with a TLS library of its own.
    connected = (other, Condition.AMBIENT, _result(LOOSE, "urllib3", identity=facts))
    assert collect([prepared], _campaign(visits[0], connected), environment)[0].interpreter.unavailable == ""


@pytest.mark.parametrize(
    "visit",
    [
        (_task("a", "ssl"), Condition.AMBIENT),
        (ProbeTask("a", _candidate("a").path, {}, keys(["ssl"])), Condition.PERMISSIVE),
    ],
    ids=["another Python", "another configuration"],
)
def test_only_the_interpreter_as_it_is_tells_of_its_contexts(
    facts: dict[str, Any], visit: tuple[ProbeTask, Condition]
) -> None:
    """That an environment, or the interpreter under a file of ours, makes no context is not its problem."""
    seen = _contextless("ssl", facts | NO_CIPHERS)
    prepared = _prepared("a", facts)
    assert collect([prepared], _campaign((*visit, seen)), {})[0].interpreter.unavailable == ""


def _contexts(minimum: str) -> dict[str, Any]:
    return {"contexts": {"SSLContext": {"minimum_version": minimum}}}


@pytest.mark.parametrize("ambient", ["TLSv1", "TLSv1_2"])
@pytest.mark.parametrize("permissive", ["TLSv1", "TLSv1_2"])
def test_the_interpreter_itself_is_held_against_each_environment(
    facts: dict[str, Any], ambient: str, permissive: str
) -> None:
    """Contexts are compared under the same condition, and only who was measured elsewhere is concerned."""
    one = _candidate("a")
    home, other = ProbeTask("a", one.path, {}, keys(["ssl"])), _task("a", "urllib3")
    plain = facts | _contexts("TLSv1_2")
    visits = [
        (home, Condition.AMBIENT, _result(STRICT, "ssl", identity=facts | _contexts(ambient))),
        (other, Condition.AMBIENT, _result(STRICT, "urllib3", identity=plain)),
        (home, Condition.PERMISSIVE, _result(STRICT, identity=facts | _contexts(permissive))),
        (other, Condition.PERMISSIVE, _result(STRICT, "urllib3", identity=plain)),
    ]
    found = collect([Prepared.of(one)], _campaign(*visits), {})[0].apart
    assert set(found) == set(keys(["urllib3"] if "TLSv1" in (ambient, permissive) else []))


@pytest.mark.parametrize("identity", [None, {}, "nonsense"])
def test_an_interpreter_that_says_nothing_of_itself_is_set_apart(
    facts: dict[str, Any], identity: Any
) -> None:
    """Where only the environment spoke, it does not speak for the interpreter."""
    one = _candidate("a")
    home, other = ProbeTask("a", one.path, {}, keys(["ssl"])), _task("a", "urllib3")
    visits = [
        (home, Condition.AMBIENT, _result(STRICT, "ssl", identity=identity)),
        (other, Condition.AMBIENT, _result(STRICT, "urllib3", identity=facts)),
    ]
    assert collect([Prepared.of(one)], _campaign(*visits), {})[0].apart.keys() == {ClientKey("urllib3")}


def test_an_identity_that_makes_no_sense_is_no_crash(facts: dict[str, Any]) -> None:
    """A probe whose identity has another shape, or goes deep, costs that identity, not the report."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    nested = _campaign((_task("a"), Condition.AMBIENT, _result(identity={**facts, "configure_flags": deep})))
    assert collect([_prepared("a")], nested, {})[0].interpreter.version == ""
    campaign = _campaign((_task("a"), Condition.AMBIENT, _result(identity={"version": "3.9.18"})))
    assert collect([_prepared("a")], campaign, {})[0].interpreter.version == ""
