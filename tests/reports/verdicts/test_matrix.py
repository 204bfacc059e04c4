"""Building the matrix: one row for each interpreter x client x condition, each from its own cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import RELAXED, ClientKey
from reports.verdicts.judge import HeldBy, PageCheck, Verdict
from reports.verdicts.judged import JudgedCells
from reports.verdicts.matrix import Measured, Row, Subject, build_matrix
from reports.verdicts.stand_ins import ALL_CLIENTS, MISSING, did_not_report
from reports.verdicts.start_up import StartUp
from servers.catalogue import Role
from servers.conditions import Condition
from servers.protocols import LADDER
from tests.support.builders import (
    CRT,
    EVERYTHING,
    FAILED,
    FLOORS,
    PYCA,
    STRICT,
    TLS1_0,
    TLS1_2,
    TLS1_3,
    Stack,
    a_catalogue,
    a_program,
    a_row,
    a_server,
    a_wire,
    an_interpreter,
    an_observation,
    by_key,
    connected,
    failed,
    keys,
    ladder,
    meet,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.verdicts.observations import Observation, OwnTls
    from servers.protocols import Protocol

CATALOGUE = a_catalogue()
AMBIENT, EMPTY, PERMISSIVE, HARDENED = Condition


def _cells(stack: Stack, client: str | ClientKey, condition: Condition = AMBIENT) -> tuple[Observation, ...]:
    """Let one client meet the whole ladder."""
    return tuple(
        replace(meet(stack, server), client=ClientKey.parse(str(client)), condition=condition)
        for server in ladder(CATALOGUE)
    )


def _page(first: Protocol | None, second: Protocol | None) -> tuple[Observation, ...]:
    """Return the page's client on the page's servers: connected at these versions, or refused."""

    def cell(server: str, version: Protocol | None) -> Observation:
        if version is None:
            return an_observation(
                server, failed("SSLError"), a_wire(LADDER), client="urllib3", control=FAILED
            )
        wire = a_wire(LADDER, version, data=(40, 9000))
        return an_observation(server, connected(version), wire, client="urllib3")

    return cell("page_first", first), cell("page_second", second)


def _measured(
    *cells: Observation, unavailable: Mapping[str, str] | None = None, name: str = "pyenv_3_9_18"
) -> Measured:
    return Measured(an_interpreter(name), by_key(unavailable or {}), cells)


def _build(
    *measured: Measured,
    clients: Sequence[str] = ("ssl",),
    conditions: Sequence[Condition] = (AMBIENT,),
    floor: Protocol = TLS1_2,
) -> tuple[Row, ...]:
    return build_matrix(measured, keys(clients), conditions, CATALOGUE, floor)


def test_there_is_a_row_for_each_interpreter_client_and_condition() -> None:
    """Rows come in the order of interpreters, conditions, clients, whatever was measured of them."""
    rows = _build(
        _measured(name="one"),
        _measured(*_cells(STRICT, "ssl"), name="two"),
        clients=("ssl", "urllib3"),
        conditions=(AMBIENT, HARDENED),
    )
    assert [(r.interpreter.id, r.condition, str(r.client)) for r in rows] == [
        (name, condition, client)
        for name in ("one", "two")
        for condition in (AMBIENT, HARDENED)
        for client in ("ssl", "urllib3")
    ]


def test_an_interpreter_that_cannot_be_measured_keeps_one_row() -> None:
    """A broken interpreter is one untestable row with its reason, and costs no other row."""
    broken = Measured(an_interpreter("opt_hang", unavailable="it did not say what it is within 10 s"), {}, ())
    rows = _build(broken, _measured(*_cells(EVERYTHING, "ssl")), clients=("ssl",))
    assert [(r.client, r.verdict) for r in rows] == [
        (ALL_CLIENTS, Verdict.UNTESTABLE),
        (ClientKey("ssl"), Verdict.DOWNGRADED),
    ]
    assert rows[0].judgement.reason == "it did not say what it is within 10 s"
    assert rows[0].page_check is PageCheck.UNKNOWN


def test_an_interpreter_without_contexts_names_the_line_that_takes_them() -> None:
    """What is wrong with its configuration is said of an interpreter that cannot be measured too."""
    broken = replace(
        an_interpreter(unavailable="it makes no context"), configuration_problems=("line 7 is bad",)
    )
    (row,) = _build(Measured(broken, {}, ()))
    assert row.judgement.reason == "it makes no context; line 7 is bad"


def test_a_client_that_could_not_be_installed_is_untestable() -> None:
    """Its row says why, and the interpreter's other clients keep their verdicts."""
    one = _measured(*_cells(STRICT, "ssl"), unavailable={"botocore": "no network"})
    rows = {str(row.client): row for row in _build(one, clients=("ssl", "botocore"))}
    assert (rows["botocore"].verdict, rows["botocore"].judgement.reason) == (
        Verdict.UNTESTABLE,
        "no network",
    )
    assert rows["ssl"].verdict is Verdict.ENFORCED


def test_a_measured_downgrade_outlives_a_later_failure() -> None:
    """A client that connected below the floor stays downgraded, though it later could not be imported."""
    one = _measured(*_cells(EVERYTHING, "ssl"), unavailable={"ssl": "it cannot be imported: MemoryError"})
    assert _build(one)[0].verdict is Verdict.DOWNGRADED


@pytest.mark.parametrize("floor", FLOORS)
def test_each_row_is_judged_from_its_own_cells(floor: Protocol) -> None:
    """Another client's, condition's or reference's connection does not change a row's verdict."""
    one = _measured(
        *_cells(EVERYTHING, "ssl"),
        *_cells(Stack(frozenset({TLS1_3})), "urllib3"),
        *_cells(EVERYTHING, "urllib3", PERMISSIVE),
        *_cells(EVERYTHING, RELAXED, PERMISSIVE),
    )
    rows = {str(row.client): row for row in _build(one, clients=("ssl", "urllib3"), floor=floor)}
    assert rows["ssl"].verdict is Verdict.DOWNGRADED
    assert rows["urllib3"].verdict is Verdict.ENFORCED


def test_a_row_without_cells_is_inconclusive() -> None:
    """A client of which nothing was recorded is inconclusive, never enforced."""
    row = _build(_measured())[0]
    assert row.verdict is Verdict.INCONCLUSIVE
    assert (row.client_version, row.urllib3, row.findings) == ("", "", {})
    assert row.held_by is HeldBy.UNKNOWN


@pytest.mark.parametrize(
    ("ambient", "empty", "permissive", "relaxed", "holder"),
    [
        (EVERYTHING, None, None, None, HeldBy.NOTHING),
        (STRICT, EVERYTHING, EVERYTHING, EVERYTHING, HeldBy.CONFIGURATION),
        (STRICT, STRICT, EVERYTHING, EVERYTHING, HeldBy.LIBRARY),
        (STRICT, None, EVERYTHING, EVERYTHING, HeldBy.UNKNOWN),
        (STRICT, None, STRICT, EVERYTHING, HeldBy.CODE),
        (STRICT, STRICT, STRICT, EVERYTHING, HeldBy.CODE),
        (STRICT, None, STRICT, STRICT, HeldBy.BUILD),
        (STRICT, None, STRICT, None, HeldBy.UNKNOWN),
        (STRICT, STRICT, None, EVERYTHING, HeldBy.UNKNOWN),
    ],
)
def test_the_holder_comes_from_the_conditions_that_tell(
    ambient: Stack,
    empty: Stack | None,
    permissive: Stack | None,
    relaxed: Stack | None,
    holder: HeldBy,
) -> None:
    """The same client without its configuration, and with the relaxed one where all is allowed, decides."""
    cells = [*_cells(ambient, "ssl")]
    if empty:
        cells += _cells(empty, "ssl", EMPTY)
    if permissive:
        cells += _cells(permissive, "ssl", PERMISSIVE)
    if relaxed:
        cells += _cells(relaxed, RELAXED, PERMISSIVE)
    row = _build(_measured(*cells))[0]
    assert row.held_by is holder
    assert len(_build(_measured(*cells))) == 1


def test_a_program_has_a_row_of_its_own_client_and_no_other() -> None:
    """Which clients were asked for concerns interpreters; a program that is broken has one row as they do."""
    tool = Measured(a_program(), {}, _cells(EVERYTHING, "tool"), keys(("tool",)))
    broken = Measured(a_program("other", "it hangs"), {}, (), keys(("other",)))
    rows = _build(_measured(*_cells(STRICT, "ssl")), tool, broken, clients=("ssl", "urllib3"))
    assert [(row.interpreter.id, str(row.client), row.verdict) for row in rows[2:]] == [
        ("program_tool", "tool", Verdict.DOWNGRADED),
        ("program_other", "other", Verdict.UNTESTABLE),
    ]
    assert rows[2].page_check is PageCheck.UNKNOWN


@pytest.mark.parametrize(
    ("empty", "permissive", "relaxed", "holder", "words"),
    [
        (EVERYTHING, EVERYTHING, EVERYTHING, HeldBy.CONFIGURATION, "only the OpenSSL configuration holds it"),
        (STRICT, EVERYTHING, EVERYTHING, HeldBy.LIBRARY, "only the defaults built into SomeSSL/4 hold it"),
        (STRICT, STRICT, EVERYTHING, HeldBy.CODE, "told to allow everything it goes below"),
        (STRICT, STRICT, STRICT, HeldBy.BUILD, "SomeSSL/4 has nothing below"),
        (STRICT, STRICT, None, HeldBy.UNKNOWN, "no variant of it allows more"),
    ],
)
def test_what_holds_a_program_is_told_without_a_word_of_python(
    empty: Stack,
    permissive: Stack,
    relaxed: Stack | None,
    holder: HeldBy,
    words: str,
) -> None:
    """A program's own relaxed variant tells what holds it; without one that is unknown, and said to be."""
    cells = [
        *_cells(STRICT, "tool"),
        *_cells(empty, "tool", EMPTY),
        *_cells(permissive, "tool", PERMISSIVE),
    ]
    if relaxed:
        cells += _cells(relaxed, RELAXED, PERMISSIVE)
    (row,) = _build(Measured(a_program(), {}, tuple(cells), keys(("tool",))))
    assert (row.verdict, row.held_by) == (Verdict.ENFORCED, holder)
    assert words in row.judgement.reason
    assert "Python" not in row.judgement.reason


@pytest.mark.parametrize("stack", [CRT, PYCA])
@pytest.mark.parametrize(
    ("ambient", "empty", "permissive", "holder"),
    [
        (EVERYTHING, EVERYTHING, EVERYTHING, HeldBy.NOTHING),
        (STRICT, EVERYTHING, EVERYTHING, HeldBy.CONFIGURATION),
        (STRICT, STRICT, EVERYTHING, HeldBy.LIBRARY),
        (STRICT, STRICT, STRICT, None),
        (STRICT, STRICT, None, HeldBy.UNKNOWN),
    ],
)
def test_pythons_relaxed_client_says_nothing_of_another_tls(
    ambient: Stack,
    empty: Stack,
    permissive: Stack | None,
    holder: HeldBy | None,
    stack: OwnTls,
) -> None:
    """What moves a client with its own TLS tells what holds it, whatever Python's TLS could do."""
    if holder is None:
        holder = HeldBy.CODE if stack.reads_openssl_conf else HeldBy.LIBRARY
    cells = (
        *_cells(ambient, "awscrt"),
        *_cells(empty, "awscrt", EMPTY),
        *(_cells(permissive, "awscrt", PERMISSIVE) if permissive else ()),
    )
    own = [replace(cell, own_tls=stack) for cell in cells]
    for relaxed in (EVERYTHING, STRICT):
        row = _build(_measured(*own, *_cells(relaxed, RELAXED, PERMISSIVE)), clients=("awscrt",))[0]
        assert (row.held_by, row.own_tls) == (holder, stack)
        assert f"its own TLS, {stack.name}" in row.judgement.reason


def test_a_floor_that_only_the_hardened_condition_holds_is_the_configurations() -> None:
    """A client that goes below under the machine's own configuration is held by the hardened one."""
    cells = *_cells(EVERYTHING, "ssl"), *_cells(STRICT, "ssl", HARDENED)
    rows = {row.condition: row for row in _build(_measured(*cells), conditions=(AMBIENT, HARDENED))}
    assert rows[HARDENED].verdict is Verdict.ENFORCED
    assert rows[HARDENED].held_by is HeldBy.CONFIGURATION


@pytest.mark.parametrize(
    ("ambient", "empty", "holder"),
    [
        (EVERYTHING, EVERYTHING, HeldBy.CONFIGURATION),
        # The machine's own configuration opens what the library by itself holds.
        (EVERYTHING, STRICT, HeldBy.CONFIGURATION),
        (STRICT, EVERYTHING, HeldBy.CONFIGURATION),
        (STRICT, STRICT, HeldBy.LIBRARY),
        (None, STRICT, HeldBy.LIBRARY),
        (None, EVERYTHING, HeldBy.CONFIGURATION),
    ],
)
def test_what_holds_under_the_hardened_condition(ambient: Stack | None, empty: Stack, holder: HeldBy) -> None:
    """The hardened configuration holds what goes below under the machine's own or an empty one, no other."""
    cells = [
        *_cells(STRICT, "ssl", HARDENED),
        *_cells(empty, "ssl", EMPTY),
        *_cells(EVERYTHING, "ssl", PERMISSIVE),
    ]
    cells += _cells(ambient, "ssl") if ambient else ()
    (row,) = _build(_measured(*cells), conditions=(HARDENED,))
    assert row.held_by is holder


def test_what_holds_under_our_own_loose_conditions() -> None:
    """Under the empty condition the library can hold a client, whatever the machine's own file allows."""
    cells = [
        *_cells(EVERYTHING, "ssl"),
        *_cells(STRICT, "ssl", EMPTY),
        *_cells(EVERYTHING, "ssl", PERMISSIVE),
    ]
    rows = {row.condition: row.held_by for row in _build(_measured(*cells), conditions=(EMPTY, PERMISSIVE))}
    assert rows == {EMPTY: HeldBy.LIBRARY, PERMISSIVE: HeldBy.NOTHING}
    held = [
        *_cells(STRICT, "ssl", EMPTY),
        *_cells(STRICT, "ssl", PERMISSIVE),
        *_cells(EVERYTHING, RELAXED, PERMISSIVE),
    ]
    rows = {row.condition: row.held_by for row in _build(_measured(*held), conditions=(EMPTY, PERMISSIVE))}
    assert rows == {EMPTY: HeldBy.CODE, PERMISSIVE: HeldBy.CODE}


@pytest.mark.parametrize("number", [1, 2, 4])
def test_what_is_wrong_with_the_configuration_is_said_where_it_should_have_held(number: int) -> None:
    """Rows below the floor under the ambient configuration say what is wrong with that, and no others."""
    problems = tuple(f"line {n} is dropped" for n in range(number))
    cells = [*_cells(EVERYTHING, "low"), *_cells(EVERYTHING, "low", PERMISSIVE), *_cells(STRICT, "high")]
    cells += [replace(cell, own_tls=CRT) for cell in _cells(EVERYTHING, "own")]
    one = _measured(*cells)
    one = replace(one, interpreter=replace(one.interpreter, configuration_problems=problems))
    rows = _build(one, clients=("low", "high", "own"), conditions=(AMBIENT, PERMISSIVE))
    for row in rows:
        told = [problem for problem in problems if problem in row.judgement.reason]
        expected = (str(row.client), row.condition) == ("low", AMBIENT)
        assert told == (list(problems[:2]) if expected else [])
        assert ("2 more are in matrix.json" in row.judgement.reason) is (expected and number == 4)


def test_the_pages_check_is_its_own_clients_in_every_row() -> None:
    """All rows of an interpreter show the page's conclusion, drawn from urllib3 on the page's servers."""
    one = _measured(*_cells(EVERYTHING, "ssl"), *_cells(STRICT, "urllib3"), *_page(TLS1_3, None))
    rows = _build(one, clients=("ssl", "urllib3"))
    assert [row.page_check for row in rows] == [PageCheck.PASS, PageCheck.PASS]
    assert [row.urllib3 for row in rows] == ["1.26.20", "1.26.20"]
    low = _measured(*_cells(EVERYTHING, "ssl"), *_page(TLS1_3, TLS1_0))
    assert _build(low)[0].page_check is PageCheck.FAIL


def test_in_a_sweep_the_pages_check_is_its_client_in_the_same_versions() -> None:
    """A variant's row shows what the page's client concluded beside it, and not in other versions."""
    cells = [*_cells(EVERYTHING, "botocore@a"), *_cells(EVERYTHING, "botocore@b"), *_cells(EVERYTHING, "ssl")]
    pages = [
        replace(cell, client=ClientKey.parse(f"urllib3@{label}"))
        for label, second in (("a", None), ("b", TLS1_0))
        for cell in _page(TLS1_3, second)
    ]
    rows = _build(_measured(*cells, *pages), clients=("botocore@a", "botocore@b", "ssl"))
    assert [row.page_check for row in rows] == [PageCheck.PASS, PageCheck.FAIL, PageCheck.UNKNOWN]


def test_without_the_pages_servers_its_check_is_unknown() -> None:
    """A catalogue that has not both of them cannot tell what the page would say."""
    catalogue = a_catalogue(a_server("only_1_2", TLS1_2), a_server("page_first", TLS1_2, role=Role.PAGE))
    one = _measured(*_page(TLS1_2, None)[:1])
    row = build_matrix([one], keys(["ssl"]), [AMBIENT], catalogue, TLS1_2)[0]
    assert row.page_check is PageCheck.UNKNOWN


def test_the_reason_goes_on_with_its_cause() -> None:
    """A row's reason has the connections and then what let them happen."""
    reason = _build(_measured(*_cells(EVERYTHING, "ssl")))[0].judgement.reason
    assert "connected at SSLv3 to only_ssl3" in reason
    assert "this Python sets no minimum" in reason


def _failing(error: str, client: str = "httpx") -> tuple[Observation, ...]:
    """Let a client fail on each server, before it connects, with an error of Python's."""
    account = failed("no HTTPTransport", error)
    return tuple(
        replace(cell, client=ClientKey.parse(client), client_version="0.16.0", account=account, wire=())
        for cell in _cells(STRICT, client)
    )


@pytest.mark.parametrize("error", ["AttributeError", "TypeError", "ImportError", "NameError"])
def test_a_client_that_lacks_what_the_probe_uses_is_untestable_once(error: str) -> None:
    """What fails everywhere in what the probe calls, and never connects, was not measured."""
    (row,) = _build(_measured(*_failing(error)), clients=("httpx",))
    assert row.verdict is Verdict.UNTESTABLE
    said = f"httpx 0.16.0 is too old for this probe, or too new: {error}: no HTTPTransport"
    assert row.judgement.reason == said


def test_a_client_that_connected_or_failed_otherwise_is_no_misfit() -> None:
    """One connection, one error of another kind, or no account at all: that is for the verdict to judge."""
    cells = _failing("AttributeError")
    connected_once = (*cells[:-1], replace(_cells(STRICT, "httpx")[-1], client=ClientKey.parse("httpx")))
    seen_once = (*cells[:-1], replace(cells[-1], wire=(a_wire({TLS1_2}, None),)))
    refused_once = (*cells[:-1], replace(cells[-1], account=failed("refused", "ConnectionError")))
    nothing = tuple(replace(cell, account=None, missing="it died") for cell in cells)
    for some in (connected_once, seen_once, refused_once, nothing):
        (row,) = _build(_measured(*some), clients=("httpx",))
        assert row.verdict is Verdict.INCONCLUSIVE


def test_what_a_row_is_about() -> None:
    """An environment that was found is told from an interpreter, for which environments were made."""
    found = replace(an_interpreter(), environment="/srv/app/venv")
    assert a_row(interpreter=found).subject is Subject.ENVIRONMENT
    assert a_row().subject is Subject.INTERPRETER
    assert a_row(interpreter=a_program()).subject is Subject.PROGRAM
    running = replace(found, id="running_app", source="running")
    assert a_row(interpreter=running).subject is Subject.PROCESS


def test_what_start_up_code_changes_is_said_of_both_sides() -> None:
    """What was measured in an interpreter with start-up code counts, what was beside it is not enforced."""
    change = StartUp(("/hook.pth",), ("minimum_version of SSLContext is TLSv1, not TLSv1_2",))
    cells = [*_cells(EVERYTHING, "ssl"), *_cells(STRICT, "urllib3"), *_cells(EVERYTHING, "botocore")]
    measured = replace(_measured(*cells), apart=by_key({"urllib3": change, "botocore": change}))
    ssl, urllib3, botocore = _build(measured, clients=("ssl", "urllib3", "botocore"))
    assert (ssl.verdict, urllib3.verdict, botocore.verdict) == (
        Verdict.DOWNGRADED,
        Verdict.INCONCLUSIVE,
        Verdict.DOWNGRADED,
    )
    assert (ssl.held_by, urllib3.held_by, botocore.held_by) == (
        HeldBy.NOTHING,
        HeldBy.UNKNOWN,
        HeldBy.NOTHING,
    )
    assert (
        "; start-up code of this interpreter (/hook.pth) changes its TLS contexts: " in ssl.judgement.reason
    )
    assert "sets no minimum" not in ssl.judgement.reason
    assert all("is not loaded" in row.judgement.reason for row in (urllib3, botocore))


def test_what_start_up_code_holds_is_not_said_of_the_build() -> None:
    """A client relaxed in code that is still held may be held by start-up code: the library is not known."""
    cells = [*_cells(STRICT, "ssl"), *_cells(STRICT, "ssl", PERMISSIVE), *_cells(STRICT, RELAXED, PERMISSIVE)]
    plain = _measured(*cells)
    change = StartUp(("/hook.pth",), ("SSLContext.wrap_socket is function of hook.py, not its own",))
    assert _build(plain)[0].held_by is HeldBy.BUILD
    assert _build(replace(plain, apart=by_key({"urllib3": change})))[0].held_by is HeldBy.UNKNOWN
    unknown = replace(plain, apart=by_key({"urllib3": StartUp()}))
    assert _build(unknown)[0].held_by is HeldBy.BUILD


def _judged(measured: Measured) -> JudgedCells:
    return JudgedCells(CATALOGUE).and_of(measured.observations)


def test_only_clients_that_seem_safe_are_probed_again() -> None:
    """Enforced and fragile clients are probed again; downgraded and unclear ones would tell nothing new."""
    fragile = tuple(replace(c, client=ClientKey("fragile")) for c in _cells(STRICT, "ssl"))
    old = a_wire({TLS1_0, TLS1_2, TLS1_3}, TLS1_3, data=(40, 9000))
    fragile = tuple(replace(c, wire=(old,)) if c.server == "only_1_3" else c for c in fragile)
    one = _measured(
        *_cells(STRICT, "safe"),
        *fragile,
        *_cells(EVERYTHING, "low"),
        *_cells(STRICT, "partly")[1:],
    )
    names = ("safe", "fragile", "low", "partly", "never")
    rows = {str(row.client): row.verdict for row in _build(one, clients=names)}
    assert rows["fragile"] is Verdict.FRAGILE
    assert _judged(one).needing(PERMISSIVE, keys(names), TLS1_2) == keys(("safe", "fragile"))
    assert _judged(one).needing(EMPTY, keys(names), TLS1_2) == ()


def test_an_empty_configuration_is_for_those_that_a_permissive_lets_through() -> None:
    """Whom code or the build holds is not probed under the empty condition, nor whose holder is known."""
    cells = [
        *_cells(STRICT, "loose"),
        *_cells(EVERYTHING, "loose", PERMISSIVE),
        *_cells(STRICT, "coded"),
        *_cells(STRICT, "coded", PERMISSIVE),
        *_cells(EVERYTHING, "hardened"),
        *_cells(STRICT, "hardened", HARDENED),
        *_cells(EVERYTHING, "hardened", PERMISSIVE),
        *_cells(STRICT, "only hardened", HARDENED),
        *_cells(EVERYTHING, "only hardened", PERMISSIVE),
    ]
    names = ("loose", "coded", "hardened", "only hardened")
    assert _judged(_measured(*cells)).needing(EMPTY, keys(names), TLS1_2) == keys(("loose", "only hardened"))


def test_a_machine_that_did_not_report_is_told_from_an_interpreter() -> None:
    """Only the row that stands for a machine is one: no interpreter and no client alone makes it so."""
    assert did_not_report(MISSING, str(ALL_CLIENTS))
    assert not did_not_report(MISSING, "ssl")
    assert not did_not_report("pyenv_3_9_18", str(ALL_CLIENTS))
