"""Writing observations: each line is what its schema promises, and nothing else passes for one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.locations import SearchedLocation, Status
from reports.formats.records import (
    RecordError,
    build_jsonl,
    build_run,
    read_jsonl,
    read_summary,
)
from reports.verdicts.observations import RequestedClient, RequestedInterpreter, Run, RunRequest
from reports.verdicts.scope import LeftOut, Scope
from servers.conditions import Condition
from servers.protocols import LADDER
from tests.support.builders import (
    CRT,
    FAILED,
    PASSED,
    TLS1_2,
    Obstacle,
    Stack,
    a_catalogue,
    a_narrow_scope,
    a_run,
    a_scope,
    a_wire,
    an_alert,
    an_interpreter,
    an_observation,
    connected,
    failed,
    ladder,
    meet,
)
from tests.support.schemas import validator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reports.verdicts.observations import Observation

CATALOGUE = a_catalogue()
RUN = a_run(CATALOGUE, failing=["page_second"])
VALIDATOR = validator("observations.jsonl")
RUN_VALIDATOR = validator("run.json")


def _written(path: Path, *records: Observation) -> list[Any]:
    (path / "observations.jsonl").write_text("".join(build_jsonl((RUN, record) for record in records)))
    text = (path / "observations.jsonl").read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def _whole() -> Observation:
    """Return a cell with something in every field."""
    wire = a_wire(LADDER, TLS1_2, alerts=[an_alert("internal_error"), an_alert(None)], faults=("record cut",))
    whole = an_observation("only_1_2", connected(TLS1_2), wire, a_wire(None, ceiling=None))
    return replace(whole, own_tls=CRT)


@pytest.mark.parametrize("obstacle", Obstacle)
@pytest.mark.parametrize("lists_them", [True, False])
def test_every_line_validates(tmp_path: Path, obstacle: Obstacle, lists_them: bool) -> None:  # noqa: FBT001
    """Whatever came of a cell, its line is valid, and there is one for each."""
    client = Stack(frozenset(LADDER[:4]), lists_them)
    lines = _written(tmp_path, *(meet(client, server, obstacle) for server in ladder(CATALOGUE)))
    assert [line["server"] for line in lines] == [server.id for server in ladder(CATALOGUE)]
    for line in lines:
        VALIDATOR.validate(line)


@pytest.mark.parametrize(
    "record",
    [
        _whole(),
        an_observation("only_1_2", None, missing="the probe died"),
        an_observation("page_second", failed(), control=FAILED),
    ],
)
def test_lines_with_and_without_an_account_validate(tmp_path: Path, record: Observation) -> None:
    """A cell without an account or without a connection is a valid line with its reason."""
    (line,) = _written(tmp_path, record)
    VALIDATOR.validate(line)
    assert (line["account"] is None) == bool(line["missing"])


def test_a_line_holds_both_accounts_and_the_control(tmp_path: Path) -> None:
    """What the client said and what the wire showed come back from the file as they went in."""
    record = _whole()
    (line,) = _written(tmp_path, record)
    assert (line["run_id"], line["host"], line["server"]) == (RUN.run_id, RUN.host, "only_1_2")
    assert line["account"]["version"] == "TLSv1.2"
    first, second = line["wire"]
    assert first["offered"] == ["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1", "SSLv3"]
    assert first["alerts"] == [
        {"sender": "client", "level": "fatal", "description": "internal_error"},
        {"sender": "client", "level": None, "description": None},
    ]
    assert (second["offered"], second["legacy_version"], second["server_version"]) == (None, None, None)
    assert line["control"] == {"passed": True, "reason": PASSED.reason}


def test_an_unusual_character_stays_on_its_line(tmp_path: Path) -> None:
    """Line separators in a client's words do not break the file into other lines."""
    text = "one\ntwo\u2028three\x00\udc80"
    (line,) = _written(tmp_path, an_observation("only_1_2", failed(text)))
    assert line["account"]["error_text"] == text


WRONG: dict[str, Any] = {
    "schema_version": 1,
    "run_id": "",
    "host": None,
    "interpreter": "",
    "environment": "",
    "client": 5,
    "client_version": None,
    "urllib3": None,
    "own_tls": "s2n",
    "condition": "relaxed",
    "server": "Only 1.2",
    "account": "connected",
    "missing": None,
    "wire": None,
    "control": True,
    "remark": None,
    "measured": "yesterday",
    "measured_in": 1,
}

ADDED = frozenset({"remark", "measured", "measured_in"})
"""Properties that lines of this version were first written without, which may be read still."""


@pytest.mark.parametrize("key", VALIDATOR.schema["properties"])
def test_a_wrong_or_missing_property_is_refused(tmp_path: Path, key: str) -> None:
    """For every property of a line, another type or value is wrong; only what was added may be left out."""
    (line,) = _written(tmp_path, _whole())
    assert not VALIDATOR.is_valid(line | {key: WRONG[key]})
    less = {name: value for name, value in line.items() if name != key}
    assert VALIDATOR.is_valid(less) is (key in ADDED)


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ((), "verdict", "enforced"),
        (("account",), "trusted", True),
        (("account",), "seconds", "0.1"),
        (("account",), "note", None),
        (("own_tls",), "name", ""),
        (("own_tls",), "reads_openssl_conf", "no"),
        (("own_tls",), "version", "1.0"),
        (("account",), "outcome", "ok"),
        (("control",), "attempts", []),
        (("control",), "passed", "yes"),
        (("wire", 0), "captures", []),
        (("wire", 0), "offered", ["TLSv1.4"]),
        (("wire", 0), "client_data", -1),
        (("wire", 0), "client_hello", "abc"),
        (("wire", 0, "alerts", 0), "at", 0),
        (("wire", 0, "alerts", 0), "sender", "middlebox"),
        ((), "missing", "the probe died"),
        ((), "account", None),
    ],
)
def test_a_line_that_is_not_ours_is_refused(
    tmp_path: Path, place: tuple[str | int, ...], key: str, value: object
) -> None:
    """An unknown key, a wrong type, or a reason beside an account is invalid, at every depth."""
    (line,) = _written(tmp_path, _whole())
    VALIDATOR.validate(line)
    inner = line
    for step in place:
        inner = inner[step]
    inner[key] = value
    assert not VALIDATOR.is_valid(line)


def test_the_provenance_is_written_with_every_control(tmp_path: Path) -> None:
    """The run's file names instruments and times, and how the control came out on each server."""
    (tmp_path / "run.json").write_text("".join(build_run(RUN, {"enforced": 3})))
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert (record["schema_version"], record["standings"]) == (2, {"enforced": 3})
    for name in ("run_id", "host", "tool", "engine", "catalogue", "started", "ended"):
        assert record[name] == getattr(RUN, name)
    assert {name: control["passed"] for name, control in record["controls"].items()} == {
        server.id: server.id != "page_second" for server in CATALOGUE.servers
    }
    assert record["controls"]["page_second"]["reason"] == FAILED.reason


@pytest.mark.parametrize("number", [0, 1, 3])
def test_the_provenance_is_given_part_by_part(number: int) -> None:
    """The text of a run that joins others is what the whole makes, and no piece is of two of them."""
    scope = replace(a_scope(), notes=('\n  "parts": []', "\u2028"), variables={"parts": "[]"})
    parts = tuple(replace(RUN, run_id=f"part-{each}", scope=scope) for each in range(number))
    whole = list(build_run(replace(RUN, scope=scope, parts=parts), {}))
    text = "".join(whole)
    record = json.loads(text)
    assert text == json.dumps(record, indent=2) + "\n"
    assert [part["run_id"] for part in record["parts"]] == [part.run_id for part in parts]
    assert {tuple(part["scope"]["notes"]) for part in record["parts"]} == ({scope.notes} if number else set())
    assert all(piece.count('"run_id"') <= 1 for piece in whole)


@pytest.mark.parametrize("scope", [a_scope(), a_narrow_scope(), Scope()])
@pytest.mark.parametrize("merged", [False, True])
def test_the_provenance_validates(tmp_path: Path, scope: Scope, *, merged: bool) -> None:
    """Whatever a run left out, its file fits its schema, merged or not, and lacks nothing of it."""
    run = replace(RUN, scope=scope, parts=(RUN, replace(RUN, scope=scope)) if merged else ())
    (tmp_path / "run.json").write_text("".join(build_run(run, {"enforced": 3})))
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    RUN_VALIDATOR.validate(record)
    assert len(record["parts"]) == len(run.parts)
    # Runs from before what was found counted apart are still to be read.
    for key in record.keys() - {"standings_found"}:
        assert not RUN_VALIDATOR.is_valid({name: value for name, value in record.items() if name != key}), key
    assert not RUN_VALIDATOR.is_valid({**record, "scope": record["scope"] | {"partial": not scope.partial}})


TEXT = st.text()
NAME = st.text(min_size=1)
NAMES = st.lists(NAME).map(tuple)
TIME = st.datetimes().map(lambda time: f"{time:%Y-%m-%dT%H:%M:%S}+00:00".zfill(25))


@given(
    run=st.builds(
        Run,
        **dict.fromkeys(("run_id", "tool"), NAME),
        **dict.fromkeys(("host", "engine", "catalogue"), TEXT),
        **dict.fromkeys(("started", "ended"), TIME),
        asked=st.builds(
            RunRequest,
            clients=NAMES,
            conditions=st.lists(st.sampled_from(Condition)).map(tuple),
            floor=st.sampled_from(LADDER),
            attacks=st.booleans(),
            only=st.lists(TEXT).map(tuple),
            interpreters=st.lists(st.builds(RequestedInterpreter, path=NAME, real=NAME)).map(tuple),
            commands=st.lists(TEXT).map(tuple),
            client_files=st.lists(st.builds(RequestedClient, path=NAME, sha256=st.just("0" * 64))).map(tuple),
            botocore=TEXT,
        ),
        controls=st.dictionaries(TEXT, st.sampled_from([PASSED, FAILED])),
        scope=st.builds(
            Scope,
            **dict.fromkeys(("commit_unknown", "user", "distribution", "architecture"), TEXT),
            commit=st.from_regex(r"([0-9a-f]{40})?", fullmatch=True),
            local_changes=st.booleans(),
            variables=st.dictionaries(TEXT, TEXT),
            left_out=st.lists(st.builds(LeftOut, id=NAME, path=TEXT, reason=NAME)).map(tuple),
            clients_left_out=NAMES,
            narrowed=NAMES,
            looked=st.lists(
                st.builds(SearchedLocation, NAME, st.sampled_from(get_args(Status)), reason=TEXT)
            ).map(tuple),
        ),
    )
)
def test_a_run_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, run: Run) -> None:
    """Whatever a run was called and asked, reading its file gives it back."""
    path = tmp_path_factory.getbasetemp() / "run.json"
    standings, found = {"downgraded": 2, "enforced": 0}, {"downgraded": 14}
    path.write_text("".join(build_run(run, standings, found)))
    assert read_summary(path) == (run, standings, found)


@pytest.mark.parametrize("obstacle", Obstacle)
def test_observations_come_back_as_they_were(tmp_path: Path, obstacle: Obstacle) -> None:
    """Both witnesses' accounts and the control are read back, cell by cell."""
    client = Stack(frozenset(LADDER[:4]))
    records = [meet(client, server, obstacle) for server in ladder(CATALOGUE)]
    records += [_whole(), an_observation("only_1_2", failed("one\u2028two"), a_wire((), faults=("cut",)))]
    records += [an_observation("page_second", None, missing="the probe died", control=FAILED)]
    _written(tmp_path, *records)
    assert list(read_jsonl(tmp_path / "observations.jsonl").values()) == [records]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read: No such file"),
        ("", "is no whole record of this tool"),
        ("[]", "has schema version None, and this tool reads 2: measure again"),
        ('{"schema_version": 1}', "has schema version 1, and this tool reads 2: measure again"),
        ('{"schema_version": 2}', "is no whole record of this tool"),
        ('{"schema_version": 2, "controls": 5}', "is no whole record of this tool"),
        ("\udcff", "is no whole record of this tool"),
        pytest.param("[" * 100_000, "is no whole record of this tool", id="too deep"),
    ],
)
@pytest.mark.parametrize("read", [read_summary, read_jsonl])
def test_what_is_no_record_is_refused(
    tmp_path: Path, text: str | None, why: str, read: Callable[[Path], object]
) -> None:
    """A file that is missing, cut, of another version or of another kind is named with the reason."""
    path = tmp_path / "a.json"
    if text is not None:
        path.write_bytes(f"{text}\n".encode("utf-8", "surrogateescape"))
    with pytest.raises(RecordError, match=re.escape(f"{path} ")) as refused:
        read(path)
    if text or read is read_summary:
        assert why in str(refused.value)


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ((), "verdict", "enforced"),
        (("asked",), "floor", "TLSv1.4"),
        (("scope",), "partial", True),
        (("scope",), "partial", 0),
        (("controls", "open"), "passed", "yes"),
        ((), "controls", {"open": True}),
    ],
)
def test_what_the_schema_has_not_is_not_read(
    tmp_path: Path, place: tuple[str, ...], key: str, value: object
) -> None:
    """Neither the schema nor the reader takes an unknown key, another type, or what contradicts itself."""
    path = tmp_path / "run.json"
    path.write_text("".join(build_run(replace(RUN, scope=a_scope()), {})))
    record = json.loads(path.read_text(encoding="utf-8"))
    inner = record
    for step in place:
        inner = inner[step]
    inner[key] = value
    assert not RUN_VALIDATOR.is_valid(record)
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(
        RecordError, match=r"run\.json is no whole record of this tool .*(at `\$|unknown field)"
    ):
        read_summary(path)


def test_an_interpreter_knows_its_configure_flag() -> None:
    """Only the flag that leaves the suites to OpenSSL takes Python's own minimum away."""
    flagged = an_interpreter(version="3.11.2", configure_flags=("--with-ssl-default-suites=openssl",))
    assert flagged.leaves_suites_to_openssl
    assert not an_interpreter(version="3.11.2").leaves_suites_to_openssl
