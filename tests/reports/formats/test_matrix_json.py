"""matrix.json: what its schema promises and nothing else, with a cell for each verdict and server."""

from __future__ import annotations

import copy
import functools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.locations import SearchedLocation
from interpreters.places import LOCAL, Place
from reports.formats.frame import build_frame
from reports.formats.matrix_json import build_json, pieces, read_json
from reports.formats.records import RecordError
from reports.verdicts.cells import CellKind
from reports.verdicts.judge import HeldBy, PageCheck, Verdict
from reports.verdicts.matrix import Measured, build_matrix
from reports.verdicts.observations import RequestedInterpreter
from reports.verdicts.policy import CHOICES, Policy
from reports.verdicts.scope import LeftOut
from servers.catalogue import Certificate, KeyExchange, Role, read_catalogue
from servers.conditions import Condition
from servers.control import Control
from servers.protocols import LADDER
from tests.support.builders import (
    ATTACK,
    ATTACKED,
    FLOORS,
    SMALL,
    TLS1_1,
    TLS1_2,
    TLS1_3,
    Obstacle,
    Stack,
    a_catalogue,
    a_finding,
    a_matrix,
    a_narrow_scope,
    a_policy,
    a_row,
    a_run,
    a_scope,
    an_interpreter,
    by_key,
    keys,
    meet,
)
from tests.support.examples import examples
from tests.support.schemas import validator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from reports.verdicts.matrix import Row
    from servers.catalogue import Catalogue
    from servers.protocols import Protocol

RUN = replace(a_run(ATTACKED, failing=["page_second"]), scope=a_narrow_scope())
VALIDATOR = validator("matrix.json")

FINDINGS = {
    "open": a_finding(ATTACKED["open"], CellKind.CONNECTED, TLS1_3, LADDER),
    "only_1_3": a_finding(ATTACKED["only_1_3"], CellKind.NOT_OFFERED, None, [TLS1_2]),
    "only_1_2": a_finding(ATTACKED["only_1_2"], CellKind.BLOCKED, TLS1_2),
    "only_1_1": a_finding(ATTACKED["only_1_1"], CellKind.CONNECTED, TLS1_1),
    "only_1_1_ecdhe": a_finding(ATTACKED["only_1_1_ecdhe"], CellKind.REJECTED),
    "only_1_0": a_finding(ATTACKED["only_1_0"], CellKind.INCONCLUSIVE),
    "only_ssl3": a_finding(ATTACKED["only_ssl3"], CellKind.MISSING),
    "old_ecdhe": a_finding(ATTACKED["old_ecdhe"], CellKind.HELD),
    "tampers": a_finding(ATTACK, CellKind.FOOLED, TLS1_1),
}
"""A cell of every kind; the servers of the page have none."""


def _rows() -> list[Row]:
    """Return rows of every verdict, holder and conclusion of the page, in two conditions."""
    return [
        a_row(Verdict.DOWNGRADED, "b", findings=FINDINGS, page=PageCheck.FAIL, holder=HeldBy.NOTHING),
        a_row(Verdict.FRAGILE, "b", "urllib3", holder=HeldBy.CONFIGURATION, page=PageCheck.UNKNOWN),
        a_row(Verdict.ENFORCED, "b", condition=Condition.HARDENED, page=PageCheck.PASS, holder=HeldBy.CODE),
        a_row(Verdict.UNTESTABLE, client="all", interpreter=an_interpreter("a", unavailable="it hung")),
        a_row(Verdict.INCONCLUSIVE, "c", holder=HeldBy.BUILD),
    ]


def _document(
    rows: Sequence[Row] | None = None,
    floor: Protocol = TLS1_2,
    catalogue: Catalogue = ATTACKED,
    policy: Policy = Policy(),  # noqa: B008  frozen
) -> Any:
    """Return the document as a reader gets it."""
    run = RUN if catalogue is ATTACKED else a_run(catalogue)
    built = build_json(a_matrix(_rows() if rows is None else rows, run, catalogue, floor), policy)
    return json.loads(json.dumps(built))


@pytest.mark.parametrize(
    ("name", "key", "members"),
    [
        ("Verdict", "verdict", Verdict),
        ("Verdict", "condition", Condition),
        ("Verdict", "held_by", [one or None for one in HeldBy]),
        ("Verdict", "page_check", [one or None for one in PageCheck]),
        ("Cell", "condition", Condition),
        ("Policy", "fails", (Verdict.DOWNGRADED, *CHOICES)),
        ("Cell", "outcome", CellKind),
        ("Server", "role", Role),
        ("Server", "key_exchange", KeyExchange),
        ("Server", "certificate", Certificate),
        ("Verdict", "lowest_negotiated", [*LADDER, None]),
    ],
)
def test_the_schema_knows_what_there_is(name: str, key: str, members: Iterable[str | None]) -> None:
    """The schema admits the values that the code has, and no other word, empty text or null."""
    kinds: Any = VALIDATOR.schema["$defs"]
    described = kinds[f"{name}Document"]["properties"][key]
    admits = jsonschema.Draft202012Validator({"$defs": kinds, **described.get("items", described)}).is_valid
    assert all(map(admits, members))
    assert {word for word in ("", "another", None) if admits(word)} <= {*members}


@pytest.mark.parametrize("floor", FLOORS)
def test_documents_validate(floor: Protocol) -> None:
    """A document with every verdict and kind of cell is valid, and so is one of a run without rows."""
    VALIDATOR.validate(_document(floor=floor))
    VALIDATOR.validate(_document([], floor))
    VALIDATOR.validate(_document(floor=floor, policy=a_policy()))


@pytest.mark.parametrize(
    "document",
    [
        {"a": []},
        {"a": [], "b": {}, "c": [{"d": [1, [], {}, {"e": None}], "f": '\n\u20ac\\"'}, 2.5, True]},
    ],
)
def test_the_text_in_pieces_is_that_of_the_standard_library(document: Any) -> None:
    """Whatever a document has in its parts, its pieces are what json.dumps makes of it."""
    assert "".join(pieces(document)) == json.dumps(document, indent=1) + "\n"


def test_the_catalogue_that_we_ship_validates() -> None:
    """A document with all servers of the catalogue is valid."""
    VALIDATOR.validate(_document(catalogue=read_catalogue()))


def _set(*path: str | int, to: object) -> Callable[[Any], None]:
    def damage(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = to

    return damage


@functools.cache
def _sound() -> str:
    """Return a document that validates, as text: each test damages a copy of its own."""
    document = _document(policy=a_policy())
    VALIDATOR.validate(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    "damage",
    [
        _set("schema_version", to=1),
        _set("floor", to="TLSv1.4"),
        _set("policy", to={}),
        _set("policy", to=None),
        _set("policy", "clients", to=[]),
        _set("policy", "fails", to=["fragile"]),
        _set("policy", "fails", to=["downgraded", "enforced"]),
        _set("policy", "waivers", 0, "expires", to="in spring"),
        _set("policy", "waivers", 0, "why", to=""),
        _set("runs", to=[]),
        _set("more", to=1),
        _set("runs", 0, "catalogue", to="deadbeef"),
        _set("runs", 0, "started", to="2026-11-24T02:00:00+01:00"),
        _set("runs", 0, "servers", 0, "control", "passed", to="yes"),
        _set("runs", 0, "servers", 0, "protocols", to=["TLSv1", "TLSv1"]),
        _set("runs", 0, "servers", 0, "role", to="victim"),
        _set("runs", 0, "asked", "floor", to="TLSv1.4"),
        _set("runs", 0, "asked", "conditions", to=["relaxed"]),
        _set("runs", 0, "asked", "interpreters", to=["/made/up"]),
        _set("runs", 0, "scope", "partial", to=False),
        _set("runs", 0, "scope", "narrowed", to=[]),
        _set("runs", 0, "scope", "commit", to="newest"),
        _set("runs", 0, "scope", "variables", "OPENSSL_CONF", to=None),
        _set("runs", 0, "scope", "looked", 0, "status", to="skipped"),
        _set("runs", 0, "scope", "left_out", 0, "reason", to=""),
        _set("interpreters", 0, "interpreter", to=""),
        _set("interpreters", 0, "build", to="another"),
        _set("interpreters", 0, "openssl_conf_sha256", to="deadbeef"),
        _set("interpreters", 0, "configure_flags", to="--none"),
        _set("interpreters", 0, "start_up", to="/hook.pth"),
        _set("interpreters", 0, "more", to=""),
        _set("verdicts", 0, "verdict", to="safe"),
        _set("verdicts", 0, "lowest_negotiated", to=""),
        _set("verdicts", 0, "held_by", to=""),
        _set("cells", 0, "outcome", to="TLSv1.3"),
        _set("cells", 0, "negotiated", to=None),
        _set("cells", 0, "control_passed", to=False),
        _set("cells", 1, "negotiated", to="TLSv1.3"),
        _set("cells", 1, "below_floor", to=True),
        _set("cells", 1, "client_hello", to="0100"),
    ],
)
def test_a_wrong_document_does_not_validate(damage: Callable[[Any], None]) -> None:
    """A wrong value, a field too many or cells that contradict themselves are refused."""
    document = json.loads(_sound())
    damage(document)
    assert not VALIDATOR.is_valid(document)


ADDED = frozenset(
    {
        ("", "hellos"),
        ("verdicts", "hello"),
        ("verdicts", "held_by_measured"),
        ("verdicts", "held_by_measured_in"),
    }
    | {("scope", name) for name in ("place", "place_identity", "environments_looked")}
    | {("interpreters", name) for name in ("variables", "processes", "shared_with", "distributions_sha256")}
    | {("interpreters", "other_ways")}
    | {("policy", "environments"), ("waivers", "environment")}
    | {("asked", name) for name in ("running", "made", "found", "found_clients", "commands", "client_files")}
)
"""Keys, each with the name of what it is in, that reports of this version were first written without: those
of last month are still to be read."""


@pytest.mark.parametrize(
    "where",
    [
        (),
        ("policy",),
        ("policy", "waivers", 0),
        ("runs", 0),
        ("runs", 0, "asked"),
        ("runs", 0, "asked", "interpreters", 0),
        ("runs", 0, "scope"),
        ("runs", 0, "scope", "left_out", 0),
        ("runs", 0, "scope", "looked", 0),
        ("interpreters", 0),
        ("verdicts", 0),
        ("cells", 0),
    ],
)
def test_no_field_may_be_left_out(where: tuple[str | int, ...]) -> None:
    """Every field is there in every object but for those that were added, and those are always written."""
    whole = json.loads(_sound())
    place, name = whole, ""
    for step in where:
        place, name = place[step], step if isinstance(step, str) else name
    for key in list(place):
        kept = place.pop(key)
        assert VALIDATOR.is_valid(whole) is ((name, key) in ADDED), key
        place[key] = kept


def test_a_document_is_jsons_own_types() -> None:
    """What is built equals what is read back, type for type: no enumeration, tuple or set is in it."""

    def types(value: Any) -> set[type]:
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return {type(value)}.union(*map(types, parts))

    built = build_json(a_matrix(_rows(), RUN, ATTACKED), a_policy())
    assert types(built) == {dict, list, str, bool, int, type(None)}
    assert json.loads(json.dumps(built)) == built


def test_each_interpreter_is_there_once() -> None:
    """Interpreters come once each, in the order of the rows, and everything names the run that it is of."""
    document = _document()
    assert [one["interpreter"] for one in document["interpreters"]] == ["b", "a", "c"]
    parts = [one for name in ("runs", "interpreters", "verdicts", "cells") for one in document[name]]
    assert {one["run_id"] for one in parts} == {RUN.run_id}
    assert [one["problem"] for one in document["interpreters"]] == ["", "it hung", ""]


def test_provenance_and_controls_are_there() -> None:
    """The run's own facts are there, and each server in the catalogue's order with what its control saw."""
    document = _document()
    (run,) = document["runs"]
    for name in ("run_id", "host", "tool", "engine", "catalogue", "started", "ended"):
        assert run[name] == getattr(RUN, name)
    assert [one["server"] for one in run["servers"]] == [server.id for server in ATTACKED.servers]
    failed = [one["server"] for one in run["servers"] if not one["control"]["passed"]]
    assert failed == ["page_second"]
    assert {one["server"] for one in document["cells"] if not one["control_passed"]} == set(failed)
    assert run["servers"][-2]["control"]["reason"] == RUN.controls["page_second"].reason
    assert document["floor"] == "TLSv1.2"
    assert run["asked"] == {
        "clients": ["ssl", "urllib3", "botocore"],
        "conditions": ["ambient"],
        "floor": "TLSv1.2",
        "attacks": False,
        "only": ["pyenv_*"],
        "interpreters": [{"path": "/made/up/link", "real": "/made/up/python"}],
        "programs": False,
        "running": False,
        "found_clients": [],
        "commands": [],
        "client_files": [],
        "botocore": "",
        "urllib3": "",
        "made": True,
        "found": True,
    }


def test_the_policy_is_there_and_a_default_is_told_apart() -> None:
    """The policy in force is there as its record, and the default one says that no file is behind it."""
    assert _document(policy=a_policy())["policy"] == a_policy().record()
    default = _document()["policy"]
    assert (default["file"], default["floor"], default["clients"], default["waivers"]) == (
        None,
        None,
        None,
        [],
    )
    assert default["fails"] == ["downgraded", "fragile", "inconclusive", "untestable", "missing"]


def test_sets_come_in_one_order() -> None:
    """Versions are listed from the lowest to the highest wherever there are several."""
    rows = [
        a_row(findings={"open": a_finding(ATTACKED["open"], CellKind.CONNECTED, TLS1_3, reversed(LADDER))})
    ]
    document = _document(rows)
    assert document["runs"][0]["servers"][0]["protocols"] == ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]
    assert document["cells"][0]["offered"] == list(LADDER)


def test_a_verdict_says_what_was_judged() -> None:
    """Each field of a verdict has the row's own fact, and null where there is none."""
    first, second, *_ = _document()["verdicts"]
    assert first == {
        "run_id": RUN.run_id,
        "interpreter": "b",
        "client": "ssl",
        "condition": "ambient",
        "verdict": "downgraded",
        "reason": "so it was seen",
        "lowest_negotiated": "TLSv1",
        "highest_negotiated": "TLSv1.3",
        "offered": "TLSv1.2 TLSv1.3",
        "held_by": "nothing",
        "page_check": "fail",
        "client_version": "1.26.20",
        "urllib3": "1.26.20",
        "tls_library": "OpenSSL 3.0.19",
        "hello": None,
        "held_by_measured": None,
        "held_by_measured_in": None,
    }
    assert (second["client"], second["lowest_negotiated"], second["page_check"]) == ("urllib3", None, None)


@pytest.mark.parametrize(
    ("server", "outcome", "negotiated", "below"),
    [
        ("open", "connected", "TLSv1.3", False),
        ("only_1_3", "not offered", None, False),
        ("only_1_2", "blocked", None, False),
        ("only_1_1", "connected", "TLSv1.1", True),
        ("only_1_0", "inconclusive", None, False),
        ("tampers", "fooled", "TLSv1.1", True),
        ("page_first", "missing", None, False),
    ],
)
def test_a_cell_says_how_it_came_out(
    server: str, outcome: str, negotiated: str | None, *, below: bool
) -> None:
    """A cell has its outcome and the version that data went at, and is missing where nothing was measured."""
    (cell,) = (one for one in _document(_rows()[:1])["cells"] if one["server"] == server)
    assert (cell["outcome"], cell["negotiated"], cell["below_floor"]) == (outcome, negotiated, below)
    assert bool(cell["reason"]) is (outcome != "connected")


@pytest.mark.parametrize(("floor", "below"), [(TLS1_1, set()), (TLS1_2, {"TLSv1.1"}), (TLS1_3, {"TLSv1.1"})])
def test_below_is_below_this_floor(floor: Protocol, below: set[str]) -> None:
    """Whether a connection is below the floor follows the floor."""
    cells = _document(_rows()[:1], floor)["cells"]
    assert {cell["negotiated"] for cell in cells if cell["below_floor"]} == below


@examples(30)
@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(LADDER), min_size=1), st.booleans(), st.sampled_from(Obstacle)),
        max_size=4,
    ),
    st.sampled_from(FLOORS),
)
def test_its_counts_are_those_of_the_rows_and_of_the_csv(
    clients: list[tuple[set[Protocol], bool, Obstacle]], floor: Protocol
) -> None:
    """Whatever was measured, there is a cell for each row and server, and it says what the CSV's says."""
    catalogue = a_catalogue()
    measured = []
    for number, (versions, lists_them, obstacle) in enumerate(clients):
        client = Stack(frozenset(versions), lists_them)
        seen = tuple(meet(client, server, obstacle) for server in catalogue.servers)
        measured.append(Measured(an_interpreter(f"one_{number}"), by_key({"urllib3": "no wheel"}), seen))
    rows = build_matrix(measured, keys(("ssl", "urllib3")), (Condition.AMBIENT,), catalogue, floor)
    document = _document(rows, floor, catalogue)
    VALIDATOR.validate(document)
    frame = build_frame(a_matrix(rows, a_run(catalogue), catalogue, floor))
    assert len(document["verdicts"]) == len(rows) == 2 * len(clients)
    for verdict in Verdict:
        said = sum(one["verdict"] == verdict for one in document["verdicts"])
        assert said == sum(row.verdict is verdict for row in rows)
    shown = [
        cell["negotiated"] if cell["outcome"] == "connected" else cell["outcome"]
        for cell in document["cells"]
    ]
    assert shown == [line[s.id] for _, line in frame.iterrows() for s in catalogue.servers]
    for row, verdict in zip(rows, document["verdicts"], strict=True):
        own = [
            c
            for c in document["cells"]
            if (c["interpreter"], c["client"]) == (row.interpreter.id, str(row.client))
        ]
        roles = {server.id for server in catalogue.servers if server.role is Role.LADDER}
        below = any(cell["below_floor"] for cell in own if cell["server"] in roles)
        assert below is (verdict["verdict"] == "downgraded")


@pytest.mark.parametrize("floor", FLOORS)
def test_a_document_that_was_read_makes_the_same_document(tmp_path: Path, floor: Protocol) -> None:
    """What a document says of its run is read back whole: written again, it is the same."""
    document = _document(floor=floor)
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(document))
    (record,) = read_json(path)
    assert record.floor == floor
    assert build_json(a_matrix(record.rows, record.run, record.catalogue, record.floor), Policy()) == document
    rows = [(r.interpreter, r.client, r.condition, r.judgement, r.held_by, r.page_check) for r in _rows()]
    read = [(r.interpreter, r.client, r.condition, r.judgement, r.held_by, r.page_check) for r in record.rows]
    assert read == rows


def test_what_a_configuration_fails_to_do_is_read_back(tmp_path: Path) -> None:
    """The problems of a configuration and the minimum of a context survive reading."""
    ill = replace(
        an_interpreter(),
        configuration_problems=("line 1 is dropped", "so is line 2"),
        context_minimum="TLSv1_1",
    )
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(_document([a_row(interpreter=ill)])))
    assert read_json(path)[0].rows[0].interpreter == ill


def test_the_place_of_an_interpreter_is_read_back(tmp_path: Path) -> None:
    """What is advised differs in a place: whoever reads a run of one knows that it is of one."""
    run = replace(RUN, host="ssh:web1", scope=replace(a_narrow_scope(), place="ssh:web1"))
    path = tmp_path / "matrix.json"
    for one, place in ((run, Place("ssh", "web1")), (RUN, LOCAL)):
        path.write_text(json.dumps(build_json(a_matrix([a_row()], one, ATTACKED), Policy())))
        assert [row.interpreter.place for row in read_json(path)[0].rows] == [place]


def test_the_runs_of_a_merged_document_stay_apart(tmp_path: Path) -> None:
    """Each run has its own rows and controls, though interpreters of both have the same ids."""
    first, second = _document(), _document(_rows()[:1], catalogue=a_catalogue())
    for part in ("runs", "interpreters", "verdicts", "cells"):
        first[part] += [one | {"run_id": "another"} for one in second[part]]
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(first))
    one, other = read_json(path)
    assert (one.run.run_id, other.run.run_id) == (RUN.run_id, "another")
    assert (len(one.rows), len(other.rows)) == (5, 1)
    assert (len(one.run.controls), len(other.run.controls)) == (len(ATTACKED.servers), len(SMALL))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_set("schema_version", to=1), "has schema version 1, and this tool reads 2: measure again"),
        (_set("verdicts", 0, "verdict", to="safe"), "is no whole record of this tool"),
        (_set("interpreters", to=[]), "among its verdicts, and not .* among its interpreters: measure again"),
        (_set("runs", to=None), "is no whole record of this tool"),
    ],
)
def test_a_document_that_makes_no_sense_is_refused(
    tmp_path: Path, damage: Callable[[Any], None], why: str
) -> None:
    """Another version or a contradiction is one sentence that names the file."""
    document = _document()
    damage(document)
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(document))
    with pytest.raises(RecordError, match=why) as refused:
        read_json(path)
    assert str(refused.value).startswith(f"{path} ")


@pytest.mark.parametrize("part", ["interpreters", "verdicts", "cells"])
def test_what_belongs_to_no_run_is_refused(tmp_path: Path, part: str) -> None:
    """A row of a run that the document does not list is not left out without a word."""
    document = _document()
    document[part].append(document[part][0] | {"run_id": "stray"})
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(document))
    with pytest.raises(RecordError, match=rf"has stray\S* among its {part}, and not stray"):
        read_json(path)


@pytest.mark.parametrize("part", ["runs", "interpreters", "verdicts", "cells"])
def test_what_is_there_twice_is_refused(tmp_path: Path, part: str) -> None:
    """Of two entries for the same, neither hides the other."""
    document = _document()
    document[part].append(document[part][-1])
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(document))
    with pytest.raises(RecordError, match=f"twice among its {part}: measure again"):
        read_json(path)


def test_an_interpreter_without_a_verdict_is_refused(tmp_path: Path) -> None:
    """It would have no row, and nobody would miss it."""
    document = _document()
    document["interpreters"].append(document["interpreters"][0] | {"interpreter": "idle"})
    path = tmp_path / "matrix.json"
    path.write_text(json.dumps(document))
    with pytest.raises(RecordError, match="/idle among its interpreters, and no verdict of it"):
        read_json(path)


def test_the_same_run_gives_the_same_document() -> None:
    """Rows that were put together in another order inside give the same text."""
    backwards = [
        replace(
            row,
            findings=dict(reversed(tuple(row.findings.items()))),
            interpreter=copy.deepcopy(row.interpreter),
        )
        for row in _rows()
    ]
    first, second = (build_json(a_matrix(rows, RUN, ATTACKED), Policy()) for rows in (_rows(), backwards))
    assert json.dumps(first) == json.dumps(second)


NONE_OF_THEM = dict.fromkeys(("HAS_SSLv3", "HAS_TLSv1", "HAS_TLSv1_1", "HAS_TLSv1_2", "HAS_TLSv1_3"), False)
"""What an ssl module since Python 3.7 says of a library that has no version at all."""


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({}, None),
        ({"HAS_TLSv1_3": True}, None),
        (NONE_OF_THEM | {"HAS_TLSv1": True, "HAS_TLSv1_3": True}, ["TLSv1", "TLSv1.3"]),
        (NONE_OF_THEM, []),
    ],
)
def test_the_librarys_versions_are_listed(has: dict[str, bool], expected: list[str] | None) -> None:
    """A library's versions are under OpenSSL's names, and there only if its module speaks of all of them."""
    row = a_row(interpreter=replace(an_interpreter(), has=has))
    assert _document([row])["interpreters"][0]["library_protocols"] == expected


TEXTS_FROM_ELSEWHERE = (
    "path",
    "version",
    "implementation",
    "openssl",
    "openssl_dir",
    "openssl_conf",
    "environment",
    "unavailable",
)


@pytest.mark.parametrize("field", TEXTS_FROM_ELSEWHERE)
@given(text=st.text())
def test_text_comes_back_as_it_was(field: str, text: str) -> None:
    """Text from elsewhere is in the document exactly, because JSON can hold any."""
    said: Any = {field: text}
    row = a_row(interpreter=replace(an_interpreter(), **said))
    key = "problem" if field == "unavailable" else field
    assert _document([row])["interpreters"][0][key] == text


def test_what_cannot_be_decoded_stays_readable() -> None:
    """Half a surrogate pair, which strict parsers refuse, is written out wherever text comes from."""
    half = "a\udc80b"
    said: Any = dict.fromkeys(TEXTS_FROM_ELSEWHERE, half)
    odd = replace(an_interpreter(configure_flags=(half,)), start_up=(half,), **said)
    row = replace(
        a_row(
            interpreter=odd,
            reason=half,
            findings={"open": replace(FINDINGS["open"], kind=CellKind.BLOCKED, protocol=None, reason=half)},
        ),
        client_version=half,
        urllib3=half,
    )
    controls = dict.fromkeys(RUN.controls, Control(True, half))
    asked = replace(RUN.asked, only=(half,), interpreters=(RequestedInterpreter(half, half),), botocore=half)
    scope = a_scope(
        user=half,
        distribution=half,
        variables={"OPENSSL_CONF": half},
        left_out=(LeftOut("one", half, half),),
        narrowed=(half,),
        looked=(SearchedLocation(half, "unreadable", half),),
    )
    run = replace(RUN, host=half, engine=half, asked=asked, controls=controls, scope=scope)
    written = json.dumps(build_json(a_matrix([row], run, ATTACKED), Policy()), ensure_ascii=False)
    assert written.encode("utf-8").count(b"a\\\\udc80b") == 29 + len(ATTACKED.servers)
