"""junit.xml: valid where the common schemas are strict, true in its counts, and red for the right cells."""

from __future__ import annotations

import datetime as dt
import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.clients import ClientKey
from reports.formats.junit import build_junit
from reports.formats.matrix_json import build_json
from reports.gate import foresee, parse_report
from reports.verdicts.cells import CellKind, CellResult
from reports.verdicts.decision import Disposition, decide
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Matrix, Measured, build_matrix
from reports.verdicts.policy import CHOICES, Policy, Waiver
from servers.catalogue import Role, read_catalogue
from servers.conditions import Condition
from servers.protocols import LADDER
from tests.support.builders import (
    ATTACK,
    ATTACKED,
    FLOORS,
    NOW,
    TLS1_0,
    TLS1_1,
    TLS1_2,
    TLS1_3,
    Obstacle,
    Stack,
    a_catalogue,
    a_finding,
    a_matrix,
    a_policy,
    a_program,
    a_row,
    a_run,
    a_scope,
    an_environment,
    an_interpreter,
    an_observation,
    by_key,
    connected,
    keys,
    meet,
)
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reports.verdicts.matrix import Row
    from reports.verdicts.observations import Run
    from servers.catalogue import Catalogue
    from servers.protocols import Protocol

SERVERS = [server for server in ATTACKED.servers if server.role is not Role.PAGE]
RUN = a_run(ATTACKED, failing=["page_second"])

NUMBER = r"\d+"
SECONDS = r"\d+\.\d+"
FILLED = r"(?s).*\S.*"
ANY = r"(?s).*"


@dataclass(frozen=True)
class Rule:
    """What the schemas say of one element, each where it is the stricter of the two.

    Sources: JUnit.xsd of Windy Road, after Ant's reports, and junit-10.xsd of Jenkins's xUnit plugin. On
    the root element the former has no attributes at all, the latter those that are here.
    """

    children: str = ""
    """A pattern of the names of its children, each with a comma behind it."""
    required: dict[str, str] | None = None
    """Patterns of the attributes that must be there."""
    optional: dict[str, str] | None = None
    """Patterns of those that may be; there are no others."""
    text: bool = False
    """Whether it may hold text."""


RESULT = Rule(required={"type": FILLED}, optional={"message": ANY}, text=True)
RULES = {
    "testsuites": Rule(
        "(testsuite,)*",
        optional={"name": ANY, "tests": NUMBER, "failures": NUMBER, "errors": NUMBER, "time": SECONDS},
    ),
    "testsuite": Rule(
        "properties,(testcase,)*system-out,system-err,",
        required={
            "name": FILLED,
            "package": ANY,
            "id": NUMBER,
            "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
            "hostname": FILLED,
            "tests": NUMBER,
            "failures": NUMBER,
            "errors": NUMBER,
            "time": SECONDS,
        },
        optional={"skipped": NUMBER},
    ),
    "properties": Rule("(property,)*"),
    "property": Rule(required={"name": FILLED, "value": ANY}),
    "testcase": Rule(
        "((failure|error|skipped),)?",
        required={"name": FILLED, "classname": FILLED, "time": SECONDS},
    ),
    "failure": RESULT,
    "error": RESULT,
    "skipped": Rule(optional={"type": ANY, "message": ANY}, text=True),
    "system-out": Rule(text=True),
    "system-err": Rule(text=True),
}


def violations(element: ET.Element, *, root: bool = True) -> list[str]:
    """Return what the schemas object to in an element and all within."""
    rule = RULES.get(element.tag)
    if rule is None or root is not (element.tag == "testsuites"):
        return [f"{element.tag} has no place here"]
    found = []
    required, optional = rule.required or {}, rule.optional or {}
    found += [f"{element.tag} lacks {name}" for name in required if name not in element.attrib]
    for name, value in element.attrib.items():
        pattern = (required | optional).get(name)
        if pattern is None or not re.fullmatch(pattern, value):
            found.append(f"{element.tag} {name}={value!r}")
    if not re.fullmatch(rule.children, "".join(f"{child.tag}," for child in element)):
        found.append(f"{element.tag} has other children")
    texts = [element.text, *(child.tail for child in element)]
    if not rule.text and any(text and text.strip() for text in texts):
        found.append(f"{element.tag} has text")
    return found + [more for child in element for more in violations(child, root=False)]


def _document(
    rows: Sequence[Row],
    floor: Protocol = TLS1_2,
    run: Run = RUN,
    catalogue: Catalogue = ATTACKED,
    measured: Iterable[Measured] = (),
    policy: Policy = Policy(),  # noqa: B008  frozen
) -> ET.Element:
    """Return the document as a reader gets it."""
    run = replace(run, asked=replace(run.asked, floor=floor))
    decision = foresee(build_json(a_matrix(rows, run, catalogue, floor), policy), policy)
    written = "".join(build_junit(Matrix(run, tuple(measured), tuple(rows), catalogue), decision))
    assert written.endswith(">\n")
    return ET.fromstring(written.encode("utf-8"))  # noqa: S314  our own document


def _cases(document: ET.Element) -> dict[str, ET.Element]:
    """Return the cases by ``classname:name``, which must be unique."""
    cases = {f"{case.get('classname')}:{case.get('name')}": case for case in document.iter("testcase")}
    assert len(cases) == len(list(document.iter("testcase")))
    return cases


def _result(case: ET.Element) -> str:
    """Return what became of a case; empty if it passed."""
    return case[0].tag if len(case) else ""


def _kinds() -> dict[str, CellResult]:
    """Return a cell of every kind."""
    return {
        "open": a_finding(ATTACKED["open"], CellKind.CONNECTED, TLS1_3, LADDER),
        "only_1_3": a_finding(ATTACKED["only_1_3"], CellKind.NOT_OFFERED),
        "only_1_2": a_finding(ATTACKED["only_1_2"], CellKind.BLOCKED, TLS1_2),
        "only_1_1": a_finding(ATTACKED["only_1_1"], CellKind.CONNECTED, TLS1_1),
        "only_1_1_ecdhe": a_finding(ATTACKED["only_1_1_ecdhe"], CellKind.REJECTED),
        "only_1_0": a_finding(ATTACKED["only_1_0"], CellKind.INCONCLUSIVE),
        "only_ssl3": a_finding(ATTACKED["only_ssl3"], CellKind.MISSING),
        "tampers": a_finding(ATTACK, CellKind.FOOLED),
    }


def _rows() -> list[Row]:
    """Return rows of every verdict, with cells of every kind, in two conditions."""
    return [
        a_row(Verdict.DOWNGRADED, "b", findings=_kinds(), reason="connected at TLSv1.1"),
        a_row(Verdict.FRAGILE, "b", "urllib3"),
        a_row(Verdict.UNTESTABLE, client="all", interpreter=an_interpreter("a", unavailable="it hung")),
        a_row(Verdict.INCONCLUSIVE, "c"),
        a_row(Verdict.ENFORCED, "b", condition=Condition.HARDENED),
    ]


@pytest.mark.parametrize("floor", FLOORS)
def test_documents_are_valid(floor: Protocol) -> None:
    """A document with every verdict and kind of cell keeps the schemas' rules, and so does an empty run's."""
    assert violations(_document(_rows(), floor)) == []
    assert violations(_document([], floor)) == []


def test_the_catalogue_that_we_ship_makes_a_valid_document() -> None:
    """A document with all servers of the catalogue is valid."""
    catalogue = read_catalogue()
    document = _document([a_row()], run=a_run(catalogue), catalogue=catalogue)
    assert violations(document) == []
    assert len(_cases(document)) == 2 + sum(server.role is not Role.PAGE for server in catalogue.servers)


def _remove(path: str, attribute: str) -> Callable[[ET.Element], object]:
    return lambda document: next(document.iterfind(path)).attrib.pop(attribute)


def _set(path: str, attribute: str, value: str) -> Callable[[ET.Element], object]:
    return lambda document: next(document.iterfind(path)).set(attribute, value)


def _add(path: str, tag: str) -> Callable[[ET.Element], object]:
    return lambda document: ET.SubElement(next(document.iterfind(path)), tag)


def _write(path: str, text: str) -> Callable[[ET.Element], object]:
    return lambda document: setattr(next(document.iterfind(path)), "text", text)


@pytest.mark.parametrize(
    "damage",
    [
        _set(".", "skipped", "1"),
        _remove("testsuite", "name"),
        _set("testsuite", "name", " "),
        _set("testsuite", "timestamp", "2026-11-24T02:00:00+00:00"),
        _set("testsuite", "tests", "many"),
        _remove(".//testcase", "time"),
        _set(".//testcase", "time", "-1.0"),
        _set(".//testcase", "file", "a.py"),
        _set(".//failure", "type", ""),
        _add("testsuite", "testcase"),
        _add(".//testcase[failure]", "error"),
        _add(".", "testcase"),
        _add("testsuite", "testsuites"),
        _add("testsuite", "script"),
        _write(".//testcase", "text"),
        _write(".//properties", "text"),
    ],
)
def test_the_rules_object_to_damage(damage: Callable[[ET.Element], object]) -> None:
    """A document that the schemas would refuse is refused by the rules that these tests rest on."""
    document = _document(_rows())
    damage(document)
    assert violations(document) != []


@pytest.mark.parametrize(
    ("server", "result", "kind", "message"),
    [
        ("open", "", "", ""),
        ("only_1_3", "", "", ""),
        ("only_1_2", "", "", ""),
        ("only_1_1", "failure", "downgraded", "connected at TLSv1.1, below TLSv1.2"),
        ("only_1_1_ecdhe", "", "", ""),
        ("only_1_0", "error", "inconclusive", "so it was seen"),
        ("only_ssl3", "error", "missing", "so it was seen"),
        ("old_ecdhe", "error", "missing", "it was not measured"),
        ("tampers", "failure", "fooled", "a server that tampers fooled it: so it was seen"),
    ],
)
def test_a_cell_is_red_for_its_reason(server: str, result: str, kind: str, message: str) -> None:
    """A connection below the floor and a fooled client fail, what says nothing is an error, others pass."""
    case = _cases(_document(_rows()))[f"b.ssl:{server}"]
    assert _result(case) == result
    if result:
        assert (case[0].get("type"), case[0].get("message")) == (kind, message)


def test_a_held_attack_passes_and_a_fooled_one_says_at_which_version() -> None:
    """A client that did as it must passes; one that connected to a server that tampers says how low."""
    held = a_row(findings={"tampers": a_finding(ATTACK, CellKind.HELD)})
    fooled = a_row(Verdict.DOWNGRADED, findings={"tampers": a_finding(ATTACK, CellKind.FOOLED, TLS1_1)})
    assert _result(_cases(_document([held]))["pyenv_3_9_18.ssl:tampers"]) == ""
    (failure,) = _cases(_document([fooled]))["pyenv_3_9_18.ssl:tampers"]
    assert failure.get("message") == "a server that tampers fooled it at TLSv1.1: so it was seen"


def test_a_connection_that_cannot_be_is_an_error() -> None:
    """A connection at a version that the server does not speak says nothing, unless it is below the floor."""
    findings = {
        "only_1_2": a_finding(ATTACKED["only_1_2"], CellKind.CONNECTED, TLS1_3),
        "only_1_3": a_finding(ATTACKED["only_1_3"], CellKind.CONNECTED, TLS1_0),
    }
    cases = _cases(_document([a_row(Verdict.INCONCLUSIVE, findings=findings)]))
    (error,) = cases["pyenv_3_9_18.ssl:only_1_2"]
    assert (error.tag, error.get("type")) == ("error", "inconclusive")
    assert error.get("message") == "connected at TLSv1.3, which this server does not speak"
    assert _result(cases["pyenv_3_9_18.ssl:only_1_3"]) == "failure"


@pytest.mark.parametrize(("floor", "red"), [(TLS1_1, set()), (TLS1_2, {"only_1_1"}), (TLS1_3, {"only_1_1"})])
def test_red_follows_the_floor(floor: Protocol, red: set[str]) -> None:
    """Which connections fail follows the floor, and the message names it."""
    row = replace(_rows()[0], findings={k: v for k, v in _kinds().items() if k != "tampers"})
    cases = _cases(_document([row], floor))
    failed = {key.partition(":")[2] for key, case in cases.items() if _result(case) == "failure"}
    assert failed == red | {"verdict"}
    assert all(f"below {floor}" in str(cases[f"b.ssl:{server}"][0].get("message")) for server in red)


@pytest.mark.parametrize(
    ("verdict", "result"),
    [
        (Verdict.DOWNGRADED, "failure"),
        (Verdict.FRAGILE, "failure"),
        (Verdict.INCONCLUSIVE, "error"),
        (Verdict.UNTESTABLE, "error"),
        (Verdict.ENFORCED, ""),
    ],
)
def test_the_verdict_has_a_case_of_its_own(verdict: Verdict, result: str) -> None:
    """Each client has one case for its verdict, whose type is the verdict and whose message its reason."""
    case = _cases(_document([a_row(verdict, reason="for this reason")]))["pyenv_3_9_18.ssl:verdict"]
    assert _result(case) == result
    if result:
        assert (case[0].get("type"), case[0].get("message")) == (str(verdict), "for this reason")


def test_what_is_untestable_is_red_once() -> None:
    """Where nothing could be tested the verdict is an error, and its cells are skipped."""
    row = a_row(Verdict.UNTESTABLE, client="all", reason="it hung")
    cases = _cases(_document([row, a_row(name="other")]))
    own = {key.partition(":")[2]: case for key, case in cases.items() if key.startswith("pyenv_3_9_18.all")}
    assert len(own) == 1 + len(SERVERS)
    assert _result(own.pop("verdict")) == "error"
    assert {(_result(case), case[0].get("message")) for case in own.values()} == {("skipped", "it hung")}


def test_the_pages_servers_have_no_case() -> None:
    """No verdict rests on the servers of the AWS page, so their failed control makes no build red."""
    names = {case.get("name") for case in _cases(_document(_rows())).values()}
    assert {"verdict", "open", "tampers"} < names
    assert not names & {server.id for server in ATTACKED.servers if server.role is Role.PAGE}


def test_a_run_without_rows_is_an_error() -> None:
    """A run that measured nothing does not pass."""
    document = _document([])
    (case,) = _cases(document).values()
    assert _result(case) == "error"
    assert case[0].get("message") == "nothing was measured under the machine's own configuration"
    assert (document.get("tests"), document.get("errors")) == ("1", "1")


def test_each_interpreter_is_one_suite() -> None:
    """Rows of one interpreter share a suite wherever they are, and suites are numbered from nought."""
    suites = _document(_rows()).findall("testsuite")
    names = [(suite.get("name"), suite.get("id")) for suite in suites]
    assert names == [("b", "0"), ("a", "1"), ("c", "2"), ("matrix", "3")]
    numbers = [len(suite.findall("testcase")) for suite in suites]
    assert numbers == [*(n * (1 + len(SERVERS)) for n in (2, 1, 1)), 1]


def test_another_condition_makes_nothing_red() -> None:
    """What was measured under another configuration than the machine's own has no case."""
    hardened = a_row(Verdict.DOWNGRADED, "b", condition=Condition.HARDENED)
    assert set(_cases(_document(_rows()))) == set(_cases(_document([*_rows(), hardened])))
    assert not any("hardened" in key for key in _cases(_document([*_rows(), hardened])))


@examples(40)
@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(LADDER), min_size=1), st.booleans(), st.sampled_from(Obstacle)),
        max_size=4,
    ),
    st.sampled_from(FLOORS),
    st.booleans(),
)
def test_its_counts_are_true_and_agree_with_the_gate(
    clients: list[tuple[set[Protocol], bool, Obstacle]],
    floor: Protocol,
    unavailable: bool,  # noqa: FBT001
) -> None:
    """Whatever was measured, each sum is that of the rows, and only what passes the gate is all green."""
    catalogue = a_catalogue()
    run = a_run(catalogue)
    names = ("ssl", "urllib3")
    measured = []
    for number, (versions, lists_them, obstacle) in enumerate(clients):
        client = Stack(frozenset(versions), lists_them)
        seen = [meet(client, server, obstacle) for server in catalogue.servers]
        both = [
            *seen,
            *([] if unavailable else [replace(one, client=ClientKey.parse("urllib3")) for one in seen]),
        ]
        lacking = {"urllib3": "no wheel"} if unavailable else {}
        measured.append(Measured(an_interpreter(f"one_{number}"), by_key(lacking), tuple(both)))
    rows = build_matrix(measured, keys(names), (Condition.AMBIENT,), catalogue, floor)
    document = _document(rows, floor, run, catalogue, measured)
    assert violations(document) == []
    servers = [server for server in catalogue.servers if server.role is not Role.PAGE]
    expected: Counter[str] = Counter()
    # The case of the run as a whole is red where nothing else is and nothing was measured.
    expected.update(tests=1, errors=int(not rows))
    for row in rows:
        expected["tests"] += 1 + len(servers)
        if row.verdict is Verdict.UNTESTABLE:
            expected["skipped"] += len(servers)
            expected["errors"] += 1
            continue
        cells = [row.findings[server.id] for server in servers]
        expected["failures"] += sum(bool(c.negotiated and c.negotiated.below(floor)) for c in cells)
        expected["failures"] += row.verdict in (Verdict.DOWNGRADED, Verdict.FRAGILE)
        expected["errors"] += sum(cell.undecided for cell in cells)
        expected["errors"] += row.verdict is Verdict.INCONCLUSIVE
    for name in ("tests", "failures", "errors", "skipped"):
        assert sum(int(suite.get(name, "?")) for suite in document) == expected[name]
    assert [document.get(name) for name in ("tests", "failures", "errors")] == [
        str(expected[name]) for name in ("tests", "failures", "errors")
    ]
    for suite in document:
        results = Counter(_result(case) for case in suite.iter("testcase"))
        assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == [
            str(number)
            for number in (results.total(), *(results[r] for r in ("failure", "error", "skipped")))
        ]
    green = not (expected["failures"] or expected["errors"])
    report = parse_report(build_json(a_matrix(rows, run, catalogue, floor), Policy()))
    assert green is decide(report, Policy(), NOW).passed


LEFT_OUT = ("--only p* left out 1 interpreter",)


@examples(200)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"), st.sampled_from(("ssl", "botocore", "all")), st.sampled_from(Verdict)
        ),
        max_size=5,
        unique_by=lambda one: one[:2],
    ),
    st.builds(
        Policy,
        clients=st.sampled_from(((), ("ssl",), ("ssl", "botocore"), ("curl",))),
        programs=st.just(()),
        sources=st.sampled_from(((), ("pyenv",), ("system",))),
        fails=st.sets(st.sampled_from(CHOICES)).map(lambda some: tuple(c for c in CHOICES if c in some)),
        partial=st.booleans(),
        waivers=st.sampled_from(((), (Waiver("a", "so it is", dt.date(2027, 1, 1)),))),
        file=st.just("policy.toml"),
    ),
    st.sampled_from(((), LEFT_OUT)),
    st.booleans(),
)
def test_it_is_red_where_the_gate_fails(
    named: list[tuple[str, str, Verdict]],
    policy: Policy,
    narrowed: tuple[str, ...],
    together: bool,  # noqa: FBT001
) -> None:
    """Under any policy a document is green if the gate passes, and each red verdict fails there."""
    policy = replace(policy, programs=tuple(one for one in policy.clients if one == "curl"))
    rows = tuple(a_row(verdict, name, client) for name, client, verdict in named)
    run = replace(RUN, scope=a_scope(narrowed=narrowed))
    decision = foresee(build_json(a_matrix(rows, run, ATTACKED), policy), policy, together=together)
    document = ET.fromstring("".join(build_junit(Matrix(run, (), rows, ATTACKED), decision)))  # noqa: S314  our own
    assert violations(document) == []
    red = {key for key, case in _cases(document).items() if _result(case) in ("failure", "error")}
    assert (not red) is decision.passed
    failing = [result.row for result in decision.results if result.disposition is Disposition.FAILS]
    assert {key for key in red if key.endswith(":verdict")} == {
        f"{line.interpreter}.{line.client}:verdict" for line in failing
    }
    assert ("matrix:scope" in red) is bool(decision.doubts or (not failing and not decision.passed))


def test_what_the_policy_lets_pass_is_skipped_and_says_why() -> None:
    """A waived row is skipped with its cells and its waiver, and one that does not count with its reason."""
    waiver = Waiver("b", "in spring", dt.date(2027, 3, 31), "ssl")
    policy = Policy(clients=("ssl",), waivers=(waiver,), file="policy.toml")
    cases = _cases(_document([*_rows()[:2], a_row(name="good")], policy=policy))
    said = {key: (_result(case), case[0].get("message")) for key, case in cases.items() if len(case)}
    assert said["b.ssl:verdict"] == ("skipped", "waived until 2027-03-31: in spring: connected at TLSv1.1")
    assert said["b.ssl:only_1_1"] == (
        "skipped",
        "waived until 2027-03-31: in spring: connected at TLSv1.1, below TLSv1.2",
    )
    assert said["b.urllib3:verdict"] == ("skipped", "client urllib3 does not count: so it was seen")
    assert not any(result in ("failure", "error") for result, _ in said.values())


def test_what_the_policy_misses_has_a_case() -> None:
    """A client that has to be measured and was not is an error beside its interpreter's other clients."""
    document = _document([a_row(name="b")], policy=Policy(clients=("ssl", "botocore"), file="policy.toml"))
    (missing,) = _cases(document)["b.botocore:verdict"]
    assert (missing.tag, missing.get("type")) == ("error", "missing")
    assert missing.get("message") == "it has to be measured, and was not"
    assert [suite.get("name") for suite in document] == ["b", "matrix"]


def test_a_report_that_does_not_fit_the_policy_is_red() -> None:
    """Where the gate could not decide at all, as without its baseline, the run's own case says so."""
    policy = Policy(new_only="nowhere/matrix.json", file="policy.toml")
    cases = _cases(_document([a_row(name="b"), a_row(Verdict.DOWNGRADED, "c")], policy=policy))
    assert "cannot be read" in str(cases["matrix:scope"][0].get("message"))
    assert (_result(cases["b.ssl:verdict"]), _result(cases["c.ssl:verdict"])) == ("", "failure")


def test_cases_take_their_time() -> None:
    """A case takes what its client's account says, the verdict nothing, and sums are sums of these."""
    seconds = {"open": 0.25, "only_1_0": 1.5, "only_1_2": -7.0, "only_1_3": float("nan"), "only_1_1": 1e400}
    seen = tuple(
        an_observation(server, replace(connected(), seconds=took), interpreter="b")
        for server, took in seconds.items()
    )
    others = (
        an_observation("open", replace(connected(), seconds=9.0), interpreter="b", client="urllib3"),
        an_observation("open", replace(connected(), seconds=9.0), interpreter="elsewhere"),
        an_observation("only_ssl3", None, interpreter="b"),
    )
    measured = [Measured(an_interpreter("b"), {}, seen + others)]
    document = _document([a_row(name="b")], measured=measured)
    times = {name.partition(":")[2]: case.get("time") for name, case in _cases(document).items()}
    assert {name: took for name, took in times.items() if took != "0.000"} == {
        "open": "0.250",
        "only_1_0": "1.500",
    }
    assert document.get("time") == document[0].get("time") == "1.750"
    assert violations(document) == []
    assert _document([a_row(name="b")]).get("time") == "0.000"


def test_a_red_case_says_whose_it_is() -> None:
    """A failure or error names interpreter, client, server, control and verdict, as viewers show it alone."""
    cases = _cases(_document(_rows()))
    text = str(cases["b.ssl:only_1_1"][0].text)
    for fact in (
        "interpreter: b: CPython 3.9.18, OpenSSL 3.0.19, /made/up/b/bin/python",
        "client: ssl 1.26.20 under ambient",
        "verdict: downgraded: connected at TLSv1.1",
        "server: only_1_1: a test needs it",
        f"control: passed: {RUN.controls['only_1_1'].reason}",
    ):
        assert fact in text.splitlines()
    failing = a_run(ATTACKED, failing=["only_1_0"])
    error = _cases(_document(_rows(), run=failing))["b.ssl:only_1_0"][0]
    assert "control: FAILED: deaf at TLSv1" in str(error.text)
    assert "verdict: fragile" in str(cases["b.urllib3:verdict"][0].text)


def test_an_interpreter_that_says_nothing_has_its_words() -> None:
    """What is unknown of an interpreter or a client is said to be so, not left empty."""
    row = replace(
        a_row(Verdict.INCONCLUSIVE, interpreter=an_interpreter("a", unavailable="p")), client_version=""
    )
    text = str(_cases(_document([row]))["a.ssl:verdict"][0].text)
    assert "interpreter: a: unknown, no OpenSSL known, /made/up/a/bin/python" in text
    assert "client: ssl (version unknown) under ambient" in text


def test_a_red_program_is_called_no_interpreter() -> None:
    """The words beside a program's failure call it what it is."""
    row = a_row(Verdict.DOWNGRADED, client="tool", interpreter=a_program())
    failure = _cases(_document([row]))["program_tool.tool:verdict"][0]
    assert str(failure.text).startswith("program: program_tool: 3.12.1, SomeSSL/4, /made/up/tool")


def test_a_suite_has_its_provenance() -> None:
    """Each suite has as properties the run's facts, the floor, and the interpreter's and its clients' own."""
    *suites, whole = _document(_rows(), TLS1_3).findall("testsuite")
    assert {p.get("value") for p in whole.iter("property") if p.get("name") == "run_id"} == {RUN.run_id}
    for suite in suites:
        properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
        assert len(properties) == len(list(suite.iter("property")))
        for name in ("run_id", "host", "tool", "engine", "catalogue", "started", "ended"):
            assert properties[name] == getattr(RUN, name)
        assert properties["floor"] == "TLSv1.3"
        assert properties["path"] == f"/made/up/{suite.get('name')}/bin/python"
    first = {p.get("name"): p.get("value") for p in suites[0].iter("property")}
    assert (first["version"], first["openssl"], first["source"]) == ("3.9.18", "OpenSSL 3.0.19", "pyenv")
    assert first["ssl version"] == "1.26.20"
    assert (first["ssl offered"], first["ssl page_check"]) == ("TLSv1.2 TLSv1.3", "broken")


@pytest.mark.parametrize("rows", [_rows(), []])
def test_each_suite_has_the_policy(rows: list[Row]) -> None:
    """Each suite, that of a run without rows too, tells the policy in force, and a default one as such."""
    document = _document(rows, policy=a_policy())
    assert violations(document) == []
    for suite in document:
        properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
        assert {name: text for name, text in properties.items() if str(name).startswith("policy")} == {
            "policy": "policy.toml",
            "policy floor": "TLSv1.2",
            "policy clients": "ssl, botocore",
            "policy sources": "pyenv, system",
            "policy environments": "/srv/*, env_shop",
            "policy fails": "downgraded, fragile, inconclusive",
            "policy new_only": "baseline/matrix.json",
            "policy partial": "yes",
            "policy max_age": "30",
            "policy openssl_conf": "/made/up/floor.cnf",
            "policy waiver 1": "pyenv_2_7_*/* until 2027-03-31: it goes in spring",
            "policy waiver 2": "pyenv_3_6_15/bo* on build-? until 2026-12-31: <it> is = hard\\x1b",
            "policy waiver 3": "*/* in /srv/old/* until 2026-12-31: it is moving",
        }
    for suite in _document(rows):
        properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
        assert (properties["policy"], properties["policy clients"]) == ("default", "all")
        assert properties["policy fails"] == "downgraded, fragile, inconclusive, untestable, missing"
        assert "policy waiver 1" not in properties


def test_green_cases_are_told_too() -> None:
    """A suite's output has one line for each client, with every cell, whatever its reason holds."""
    rows = [replace(one, judgement=replace(one.judgement, reason="one\ntwo\x1b")) for one in _rows()]
    lines = str(_document(rows)[0].findtext("system-out")).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(r"ssl: downgraded: one\ntwo\x1b [open TLSv1.3, only_1_3 not offered, ")
    assert lines[1] == r"urllib3: fragile: one\ntwo\x1b"


@pytest.mark.parametrize("host", ["", " ", "a-host"])
def test_a_suite_has_a_host(host: str) -> None:
    """A machine without a name is localhost, as the schema asks."""
    suite, _ = _document([a_row()], run=replace(RUN, host=host))
    assert suite.get("hostname") == (host.strip() or "localhost")


@pytest.mark.parametrize("started", ["2026-11-24T02:00:00+00:00", "2026-11-24T03:00:00+01:00"])
def test_the_time_is_utc_without_saying_so(started: str) -> None:
    """A suite's timestamp is in UTC and names no time zone, which the schema forbids."""
    suite, _ = _document([a_row()], run=replace(RUN, started=started))
    assert dt.datetime.fromisoformat(str(suite.get("timestamp"))) == dt.datetime(2026, 11, 24, 2)  # noqa: DTZ001


def test_text_from_elsewhere_cannot_break_it() -> None:
    """Whatever a path, version, reason, control, engine or host holds, the document is read, and valid."""
    odd = "]]><script>alert(1)</script>&|\r\n\x1b[2J\0\x9b\u202e\ufffe\udc80"
    interpreter = replace(an_interpreter("b"), path=odd, version=odd, implementation=odd, openssl=odd)
    result = replace(_kinds()["only_1_0"], server=ATTACKED["only_1_0"], reason=odd)
    row = a_row(
        Verdict.INCONCLUSIVE,
        interpreter=interpreter,
        reason=odd,
        findings={"only_1_0": result},
    )
    controls = {name: replace(control, reason=odd) for name, control in RUN.controls.items()}
    run = replace(RUN, host=odd, engine=odd, controls=controls)
    document = _document([replace(row, client_version=odd, urllib3=odd)], run=run)
    assert violations(document) == []
    seen = "]]><script>alert(1)</script>&|\\r\n\\x1b[2J\\x00\\x9b\\u202e\\ufffe\\udc80"
    assert _cases(document)["b.ssl:only_1_0"][0].get("message") == seen
    assert seen in str(_cases(document)["b.ssl:only_1_0"][0].text)


def test_an_environment_has_a_suite_that_says_where_it_is() -> None:
    """Suite, property and message tell the path, and the class of a case has no part of it."""
    shop = an_environment("/srv/shop/venv")
    document = _document([a_row(Verdict.ENFORCED), a_row(Verdict.DOWNGRADED, interpreter=shop)])
    assert violations(document) == []
    suite = next(one for one in document if "shop" in str(one.get("name")))
    assert suite.get("name") == "env_srv_shop_venv (/srv/shop/venv)"
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert properties["environment"] == "/srv/shop/venv"
    assert {case.get("classname") for case in suite.iter("testcase")} == {"env_srv_shop_venv.ssl"}
    failure = next(suite.iter("failure"))
    assert "environment: /srv/shop/venv" in str(failure.text)
