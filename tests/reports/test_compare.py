"""Comparing two runs: each change is found, judged and put down to what differs in the records."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.interpreter import Interpreter
from reports.causes import CauseSubject
from reports.compare import ChangeKind, Unasked, compare, sections
from reports.compare_files import build_compare_json, write_comparison
from reports.formats.matrix_json import StoredRun, build_json, read_json
from reports.verdicts.judge import HeldBy, Verdict
from reports.verdicts.matrix import Subject
from reports.verdicts.observations import RequestedClient, RequestedInterpreter
from reports.verdicts.policy import Policy
from reports.verdicts.stand_ins import ALL_CLIENTS, MISSING
from servers.conditions import Condition
from servers.hello import NamedCode
from tests.support.builders import (
    SMALL,
    TLS1_0,
    TLS1_1,
    TLS1_3,
    a_catalogue,
    a_hello,
    a_matrix,
    a_program,
    a_row,
    a_run,
    a_scope,
    an_environment,
    an_interpreter,
)
from tests.support.schemas import validator

if TYPE_CHECKING:
    from reports.compare import Change, Comparison
    from reports.verdicts.matrix import Row
    from servers.protocols import Protocol

CATALOGUE = a_catalogue()
ENFORCED, FRAGILE, DOWNGRADED = Verdict.ENFORCED, Verdict.FRAGILE, Verdict.DOWNGRADED
INCONCLUSIVE, UNTESTABLE = Verdict.INCONCLUSIVE, Verdict.UNTESTABLE


def record(*rows: Row, **differences: Any) -> StoredRun:
    """Return a run with these rows; what differs is a field of the run or of what it was asked."""
    run = a_run(CATALOGUE)
    run = replace(run, asked=replace(run.asked, only=(), interpreters=()))
    own = {name: value for name, value in differences.items() if hasattr(run, name)}
    asked = {name: value for name, value in differences.items() if name not in own}
    run = replace(run, **own, asked=replace(run.asked, **asked))
    return StoredRun(run, CATALOGUE, run.asked.floor, rows, Path("/made/up"))


def only(older: StoredRun, newer: StoredRun) -> Change:
    """Return the one change between two runs."""
    (change,) = compare([older], [newer]).changes
    return change


def sources(change: Change) -> set[CauseSubject]:
    """Return what a change is put down to."""
    return {cause.source for cause in change.causes}


def said(comparison: Comparison) -> dict[str, list[str]]:
    """Return the sentences by their titles."""
    return dict(sections(comparison))


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (ENFORCED, FRAGILE, ChangeKind.WORSE),
        (ENFORCED, DOWNGRADED, ChangeKind.WORSE),
        (FRAGILE, DOWNGRADED, ChangeKind.WORSE),
        (DOWNGRADED, FRAGILE, ChangeKind.BETTER),
        (DOWNGRADED, ENFORCED, ChangeKind.BETTER),
        (FRAGILE, ENFORCED, ChangeKind.BETTER),
        # To know nothing any more is worse, whatever was known.
        (ENFORCED, INCONCLUSIVE, ChangeKind.WORSE),
        (DOWNGRADED, UNTESTABLE, ChangeKind.WORSE),
        # What comes to light is as good or bad as it is.
        (INCONCLUSIVE, ENFORCED, ChangeKind.BETTER),
        (UNTESTABLE, DOWNGRADED, ChangeKind.WORSE),
        (INCONCLUSIVE, FRAGILE, ChangeKind.WORSE),
        (UNTESTABLE, INCONCLUSIVE, ChangeKind.CHANGED),
    ],
)
def test_a_change_is_worse_or_better(old: Verdict, new: Verdict, kind: ChangeKind) -> None:
    """The way from one verdict to the other is judged, and the sentence names both."""
    comparison = compare([record(a_row(old))], [record(a_row(new))])
    assert [change.kind for change in comparison.changes] == [kind]
    assert comparison.same == 0
    (sentence,) = next(lines for title, lines in sections(comparison) if title)
    assert re.match(rf"pyenv_3_9_18 \(ssl\): {new}( to \S+)?, before {old}", sentence)


@pytest.mark.parametrize("verdict", Verdict)
def test_what_is_the_same_is_no_change(verdict: Verdict) -> None:
    """A row that says the same in both runs is counted and no more, however its reason is put."""
    comparison = compare([record(a_row(verdict))], [record(a_row(verdict, reason="in other words"))])
    assert (comparison.changes, comparison.between, comparison.unasked, comparison.same) == ((), (), (), 1)
    assert said(comparison)[""][0].endswith(": 1 the same.")


@pytest.mark.parametrize(("old", "new", "kind"), [(TLS1_1, TLS1_0, "worse"), (TLS1_0, TLS1_1, "better")])
def test_further_below_the_floor_is_worse(old: Protocol, new: Protocol, kind: str) -> None:
    """Among the downgraded the lowest version counts."""
    change = only(record(a_row(DOWNGRADED, lowest=old)), record(a_row(DOWNGRADED, lowest=new)))
    assert change.kind == kind


def test_another_holder_is_told_with_no_effect() -> None:
    """A floor that something weaker holds is a change, though the verdict is the same."""
    older, newer = (record(a_row(ENFORCED, holder=holder)) for holder in (HeldBy.CODE, HeldBy.CONFIGURATION))
    (sentence,) = said(compare([older], [newer]))["Changed, with no effect on the verdict"]
    assert sentence == (
        "pyenv_3_9_18 (ssl): enforced as before; held by openssl.cnf, before code."
        " The records do not show why."
    )


OLD = an_interpreter()


@pytest.mark.parametrize(
    ("differs", "source", "words"),
    [
        (
            {"build": "a" * 16},
            CauseSubject.INTERPRETER,
            "the interpreter was rebuilt or replaced (the same version)",
        ),
        (
            {"build": "a" * 16, "version": "3.9.19"},
            CauseSubject.INTERPRETER,
            "the interpreter was rebuilt or replaced (Python 3.9.19, before 3.9.18)",
        ),
        ({"version": "3.9.19"}, CauseSubject.INTERPRETER, "Python 3.9.19, before 3.9.18"),
        (
            {"configure_flags": ("--with-ssl-default-suites=openssl",)},
            CauseSubject.INTERPRETER,
            "it is configured with --with-ssl-default-suites=openssl",
        ),
        (
            {"start_up": ("/made/up/site-packages/hook.pth",)},
            CauseSubject.INTERPRETER,
            "at its start it runs also /made/up/site-packages/hook.pth",
        ),
        (
            {"openssl": "OpenSSL 3.0.20"},
            CauseSubject.OPENSSL,
            "its TLS library is OpenSSL 3.0.20, before OpenSSL 3.0.19",
        ),
        (
            {"openssl_conf": "/other.cnf", "openssl_conf_sha256": "d" * 64},
            CauseSubject.CONFIGURATION,
            "the OpenSSL configuration that it reads is /other.cnf, before /made/up/openssl.cnf",
        ),
        (
            {"openssl_conf_sha256": "d" * 64},
            CauseSubject.CONFIGURATION,
            "the OpenSSL configuration /made/up/openssl.cnf, or what it includes, was edited",
        ),
        (
            {"openssl_conf_sha256": ""},
            CauseSubject.CONFIGURATION,
            "the OpenSSL configuration that it reads is none, before /made/up/openssl.cnf",
        ),
        (
            {"path": "/elsewhere/bin/python"},
            CauseSubject.INTERPRETER,
            f"it is /elsewhere/bin/python, before {OLD.path} (the same version)",
        ),
    ],
)
@pytest.mark.parametrize("verdict", [ENFORCED, DOWNGRADED])
def test_what_differs_in_an_interpreter_is_the_cause(
    differs: dict[str, Any], source: CauseSubject, words: str, verdict: Verdict
) -> None:
    """Each identity that differs is named, whether or not the verdict followed it."""
    older = record(a_row(ENFORCED, interpreter=OLD))
    newer = record(a_row(verdict, interpreter=replace(OLD, **differs)))
    change = only(older, newer)
    assert change.kind == (ChangeKind.CHANGED if verdict is ENFORCED else ChangeKind.WORSE)
    assert [(cause.source, cause.text) for cause in change.causes] == [(source, words)]


def test_an_unknown_identity_is_no_cause() -> None:
    """What one of the runs could not find out is not taken for a difference."""
    unread = replace(OLD, build="", version="", openssl="", openssl_conf="", openssl_conf_sha256="")
    change = only(record(a_row(ENFORCED, interpreter=OLD)), record(a_row(FRAGILE, interpreter=unread)))
    assert change.causes == ()
    assert said(compare([record(a_row(interpreter=OLD))], [record(a_row(interpreter=unread))])) == {
        "": [f"{a_run(CATALOGUE).run_id}, compared with {a_run(CATALOGUE).run_id}: 1 the same."]
    }


def test_the_same_configuration_elsewhere_is_no_cause() -> None:
    """A file that moved with all that is in it configures the same."""
    moved = replace(OLD, openssl_conf="/moved.cnf")
    comparison = compare([record(a_row(interpreter=OLD))], [record(a_row(interpreter=moved))])
    assert comparison.changes == ()


def test_a_configuration_of_ours_is_not_the_machines() -> None:
    """Under the hardened condition the machine's own configuration is not read, so it is no cause."""
    edited = replace(OLD, openssl_conf_sha256="d" * 64)
    rows = [a_row(interpreter=one, condition=Condition.HARDENED) for one in (OLD, edited)]
    assert compare([record(rows[0])], [record(rows[1])]).changes == ()


@pytest.mark.parametrize(
    ("client", "version", "urllib3", "causes"),
    [
        ("botocore", "1.44.5", "1.26.20", ["botocore is 1.44.5, before 1.26.20"]),
        ("botocore", "1.26.20", "2.8.0", ["urllib3 is 2.8.0, before 1.26.20"]),
        ("awscli", "1.26.20", "2.8.0", ["urllib3 is 2.8.0, before 1.26.20"]),
        ("urllib3", "2.8.0", "2.8.0", ["urllib3 is 2.8.0, before 1.26.20"]),
        ("httpx", "1.26.20", "2.8.0", []),
        ("ssl", "1.26.20", "2.8.0", []),
    ],
)
def test_a_clients_upgrade_is_the_cause(client: str, version: str, urllib3: str, causes: list[str]) -> None:
    """A client's own version counts, and urllib3's for those that speak through it."""
    older = a_row(ENFORCED, client=client)
    newer = replace(a_row(DOWNGRADED, client=client), client_version=version, urllib3=urllib3)
    assert [cause.text for cause in only(record(older), record(newer)).causes] == causes
    same = replace(older, client_version=version, urllib3=urllib3)
    assert len(compare([record(older)], [record(same)]).changes) == bool(causes)


PADDED = (NamedCode("0x000a", "supported_groups"), NamedCode("0x0015", "client_hello_padding"))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"groups": ("X25519MLKEM768", "x25519")}, "groups +X25519MLKEM768"),
        ({"key_shares": ()}, "key shares -x25519"),
        ({"cipher_suites": ()}, "cipher suites -TLS_AES_128_GCM_SHA256"),
        ({"signature_algorithms": ()}, "signature algorithms -rsa_pss_rsae_sha256"),
        ({"extensions": ()}, "extensions -supported_groups"),
        ({"extensions": PADDED}, ""),
        ({}, ""),
    ],
)
def test_another_hello_is_a_cause_with_what_differs(changes: dict[str, Any], text: str) -> None:
    """A hello that offers something else is named, with or without effect; its padding alone is not."""
    before, after = (replace(a_row(), hello=hello) for hello in (a_hello(), a_hello(**changes)))
    found = compare([record(before)], [record(after)]).changes
    assert [(cause.source, text in cause.text) for change in found for cause in change.causes] == (
        [(CauseSubject.HELLO, True)] if text else []
    )
    assert compare([record(a_row())], [record(after)]).changes == ()


def test_groups_in_another_order_are_another_hello() -> None:
    """The order of a list says what a client prefers."""
    one, other = (("x25519", "secp256r1"), ("secp256r1", "x25519"))
    before, after = (replace(a_row(), hello=a_hello(groups)) for groups in (one, other))
    (cause,) = only(record(before), record(after)).causes
    assert cause.text.endswith("(groups in another order)")


def test_the_standard_librarys_version_is_its_interpreters() -> None:
    """An upgraded Python is named once for `ssl`, not as an upgrade of the client too."""
    rows = [
        replace(a_row(interpreter=an_interpreter(version=version)), client_version=version)
        for version in ("3.9.18", "3.9.19")
    ]
    assert [cause.text for cause in only(record(rows[0]), record(rows[1])).causes] == [
        "Python 3.9.19, before 3.9.18"
    ]


@pytest.mark.parametrize(
    ("differs", "source"),
    [
        ({"host": "another"}, CauseSubject.MACHINE),
        ({"floor": TLS1_3}, CauseSubject.FLOOR),
        ({"catalogue": "1" * 64}, CauseSubject.SERVERS),
        ({"engine": "OpenSSL 3.5.0 at /made/up/openssl"}, CauseSubject.ENGINE),
        ({"tool": "tls-floor-matrix 0.2.0"}, CauseSubject.TOOL),
        ({"scope": a_scope(commit="d1" * 20)}, CauseSubject.TOOL),
        ({"scope": a_scope(local_changes=True)}, CauseSubject.TOOL),
        ({"scope": a_scope(variables={"OPENSSL_CONF": "/made/up/floor.cnf"})}, CauseSubject.CONFIGURATION),
        ({"scope": a_scope(distribution="Debian GNU/Linux 13 (trixie)")}, CauseSubject.MACHINE),
        ({"scope": a_scope(user="root")}, CauseSubject.MACHINE),
    ],
)
def test_what_differs_between_the_runs_is_a_cause(differs: dict[str, Any], source: CauseSubject) -> None:
    """It is named once for the runs, and with each verdict that changed, but makes no change by itself."""
    older, same, worse = record(a_row()), record(a_row(), **differs), record(a_row(FRAGILE), **differs)
    comparison = compare([older], [same])
    assert ([cause.source for cause in comparison.between], comparison.changes) == ([source], ())
    assert sources(only(older, worse)) == {source}
    assert len(said(comparison)["Between the runs themselves"]) == 1


def test_what_was_not_passed_on_is_no_cause() -> None:
    """A variable that reaches nothing measured, or what a run was narrowed by, explains no verdict."""
    scope = a_scope(variables={"SSL_CERT_FILE": "/made/up/roots.pem"}, narrowed=("--clients left out ssl",))
    assert compare([record(a_row())], [record(a_row(), scope=scope)]).between == ()


@pytest.mark.parametrize(("old", "new"), [(ENFORCED, INCONCLUSIVE), (INCONCLUSIVE, ENFORCED)])
def test_a_control_that_failed_explains_what_is_not_known(old: Verdict, new: Verdict) -> None:
    """A control that came out otherwise is the cause where nothing was known, and of nothing else."""
    failing = a_run(CATALOGUE, failing=["only_1_0"]).controls
    ways = [{"controls": failing} if verdict is INCONCLUSIVE else {} for verdict in (old, new)]
    older, newer = (record(a_row(v), **way) for v, way in zip((old, new), ways, strict=True))
    assert CauseSubject.CONTROL in sources(only(older, newer))
    assert any("only_1_0" in cause.text for cause in only(older, newer).causes)
    known = only(replace(older, rows=(a_row(FRAGILE),)), replace(newer, rows=(a_row(DOWNGRADED),)))
    assert known.causes == ()


def test_a_control_of_the_page_explains_nothing() -> None:
    """No verdict rests on the page's servers, so nothing is put down to them."""
    failing = a_run(CATALOGUE, failing=["page_second"]).controls
    change = only(record(a_row()), record(a_row(INCONCLUSIVE, reason="it timed out"), controls=failing))
    assert sources(change) == {CauseSubject.REASON}


def test_other_servers_are_a_cause() -> None:
    """Servers that only one run met are named, such as those that tamper."""
    fewer = a_catalogue(*SMALL[:-3])
    older = replace(record(a_row()), catalogue=fewer)
    change = only(older, record(a_row(FRAGILE)))
    assert [cause.text for cause in change.causes] == [
        "only now these servers were met: only_ssl3, page_first, page_second"
    ]
    back = only(record(a_row(FRAGILE)), older)
    assert [cause.text for cause in back.causes] == [
        "only before these servers were met: only_ssl3, page_first, page_second"
    ]


def test_an_edited_client_file_is_the_cause_for_its_own_rows() -> None:
    """A client of the user's own is another once its text is, whatever its verdict; other clients are not."""
    rows = (a_row(client="shop"), a_row(client="ssl"))
    older, newer = (
        record(*rows, client_files=(RequestedClient(path, sha256),))
        for path, sha256 in (("/a/shop.py", "1" * 64), ("/b/shop.py", "2" * 64))
    )
    change = only(older, newer)
    assert (str(change.client), sources(change)) == ("shop", {CauseSubject.CLIENT})
    assert "2" * 64 in change.causes[0].text
    assert not compare([newer], [newer]).changes


def test_why_nothing_is_known_is_the_cause() -> None:
    """A row that has become untestable is put down to its own reason, and so is one that was."""
    known, unknown = a_row(client="botocore"), a_row(UNTESTABLE, client="botocore", reason="no wheel fits")
    assert [c.text for c in only(record(known), record(unknown)).causes] == ["no wheel fits"]
    assert [c.text for c in only(record(unknown), record(known)).causes] == ["no longer so: no wheel fits"]


def test_a_row_for_all_clients_is_the_other_side_of_each() -> None:
    """An interpreter in which nothing can be measured any more has become worse for each client."""
    clients = ("ssl", "urllib3")
    whole = [a_row(client=client, interpreter=OLD) for client in clients]
    broken = a_row(UNTESTABLE, client=ALL_CLIENTS, interpreter=replace(OLD, unavailable="it hung"))
    comparison = compare([record(*whole)], [record(broken)])
    assert [(change.kind, str(change.client)) for change in comparison.changes] == [
        (ChangeKind.WORSE, client) for client in clients
    ]
    mended = compare([record(broken)], [record(*whole)])
    assert [(change.kind, str(change.client)) for change in mended.changes] == [
        (ChangeKind.BETTER, client) for client in clients
    ]
    assert compare([record(broken)], [record(broken)]).same == 1


# ---- what has no other side ----


def test_what_is_there_in_one_run_only_appeared_or_vanished() -> None:
    """An interpreter that both runs looked for, and one found, is told with its path."""
    both, one = a_row(name="a"), a_row(DOWNGRADED, name="b")
    appeared, vanished = only(record(both), record(both, one)), only(record(both, one), record(both))
    assert (appeared.kind, vanished.kind) == (ChangeKind.APPEARED, ChangeKind.VANISHED)
    assert [c.text for c in appeared.causes] == ["/made/up/b/bin/python was not found before"]
    assert [c.text for c in vanished.causes] == ["/made/up/b/bin/python was not found any more"]
    sentences = said(compare([record(both, one)], [record(both)]))["Vanished"]
    assert sentences == [
        "b (ssl): was downgraded to TLSv1. Likely cause: /made/up/b/bin/python was not found any more."
    ]


def test_a_program_has_its_own_words() -> None:
    """What became of a program names no Python, and its version is told once."""
    curl = replace(a_program("curl"), version="7.88.1", build="b" * 16)
    upgraded = replace(curl, version="8.5.0", build="a" * 16)
    old, new = (
        record(replace(a_row(client="curl", interpreter=one), client_version=one.version))
        for one in (curl, upgraded)
    )
    assert [cause.text for cause in only(old, new).causes] == [
        "the program was rebuilt or replaced (version 8.5.0, before 7.88.1)"
    ]


def test_a_program_that_both_runs_looked_for_may_vanish() -> None:
    """No run is asked for its client by name, so its absence has the cause that an interpreter's has."""
    one = a_row(client="tool", interpreter=a_program("tool"))
    with_it, without = record(a_row(), one, programs=True), record(a_row(), programs=True)
    vanished = only(with_it, without)
    assert vanished.kind == ChangeKind.VANISHED
    assert [cause.text for cause in vanished.causes] == ["/made/up/tool was not found any more"]


GIVEN = replace(an_interpreter("given_one"), source="given")
FOUND = replace(an_interpreter("env_app"), environment="/srv/app")


@pytest.mark.parametrize(
    ("row", "asked", "what"),
    [
        (a_row(name="pyenv_2_7_18"), {"only": ("pyenv_3*", "system_*")}, "the interpreter pyenv_2_7_18"),
        (a_row(interpreter=GIVEN), {}, f"the interpreter {GIVEN.path}"),
        (a_row(client="httpx"), {}, "the client httpx"),
        (a_row(client="httpx"), {"found_clients": ("httpx",)}, "the client httpx"),
        (
            a_row(client="httpx", interpreter=FOUND),
            {"clients": ("httpx",), "found_clients": ("ssl",)},
            "the client httpx",
        ),
        (a_row(condition=Condition.HARDENED), {}, "the hardened configuration"),
        (a_row(client="tool", interpreter=a_program("tool")), {}, "the program tool"),
        (
            a_row(client="tool", interpreter=a_program("tool")),
            {"only": ("pyenv_3*",), "programs": True},
            "the program tool",
        ),
        (a_row(client="own", interpreter=a_program("own")), {"programs": True}, "the program own"),
    ],
)
def test_what_a_run_was_not_asked_for_is_no_change(row: Row, asked: dict[str, Any], what: str) -> None:
    """What the options of one run left out has neither appeared nor vanished."""
    both = a_row(name="pyenv_3_13_0")
    with_it = record(
        both,
        row,
        clients=("ssl", "httpx"),
        conditions=tuple(Condition),
        interpreters=(RequestedInterpreter(GIVEN.path, GIVEN.path),),
        programs=True,
        commands=("own",),
    )
    without = record(both, **asked)
    for older, newer, which in ((with_it, without, "older"), (without, with_it, "newer")):
        comparison = compare([older], [newer])
        assert comparison.changes == ()
        assert comparison.unasked == (Unasked(which, what),)
        sentence = f"Only the {which} run was asked for {what}."
        assert said(comparison)["Not compared"] == [sentence]
        assert build_compare_json(comparison).unasked == (sentence,)


def test_what_one_run_was_not_asked_for_is_one_sentence() -> None:
    """A run with --only leaves out nearly everything, which takes one line and not one each."""
    rows = [a_row(name=name) for name in ("pyenv_3_13_0", "pyenv_3_9_18", "system_3_11")]
    comparison = compare([record(*rows)], [record(rows[0], only=("pyenv_3_13*",))])
    assert said(comparison)["Not compared"] == [
        "Only the older run was asked for the interpreter pyenv_3_9_18, the interpreter system_3_11."
    ]


def _swapped(path: str) -> tuple[Interpreter, dict[str, Any]]:
    one = replace(GIVEN, id=path.replace("/", "_"), path=path, build=path[-1] * 16)
    return one, {"interpreters": (RequestedInterpreter("/made/up/current", path),)}


def test_a_link_that_leads_elsewhere_is_the_cause() -> None:
    """The interpreter behind a path that both runs were given is the same subject, and the link the cause."""
    (first, asked), (second, asks) = _swapped("/opt/a"), _swapped("/opt/b")
    older = record(a_row(ENFORCED, interpreter=first), **asked)
    newer = record(a_row(DOWNGRADED, interpreter=replace(second, version="3.8.18")), **asks)
    change = only(older, newer)
    assert (change.kind, change.interpreter) == (ChangeKind.WORSE, second.id)
    assert change.causes[0].text == (
        "/made/up/current leads to /opt/b, before /opt/a (Python 3.8.18, before 3.9.18)"
    )


def test_an_interpreter_is_known_by_its_path_before_its_id() -> None:
    """One that is found under another id is still itself, and what took over its id is another."""
    here, there = an_interpreter("a"), an_interpreter("b")
    renamed = replace(here, id="c")
    comparison = compare(
        [record(a_row(interpreter=here), a_row(interpreter=there))],
        [record(a_row(interpreter=renamed), a_row(interpreter=replace(there, id="a")))],
    )
    assert (comparison.changes, comparison.same) == ((), 2)


# ---- several machines ----


def test_machines_are_compared_with_themselves() -> None:
    """Of two documents of several machines each is held against its own past; the rest came or went."""
    row = a_row()
    older = [record(row, host="one"), record(row, host="two"), record(row, host="gone")]
    newer = [record(a_row(FRAGILE), host="two"), record(row, host="one"), record(row, host="new")]
    comparison = compare(older, newer)
    assert [(change.kind, change.host) for change in comparison.changes] == [
        (ChangeKind.WORSE, "two"),
        (ChangeKind.APPEARED, "new"),
        (ChangeKind.VANISHED, "gone"),
    ]
    assert [sources(change) for change in comparison.changes[1:]] == [
        {CauseSubject.MACHINE},
        {CauseSubject.MACHINE},
    ]
    assert comparison.same == 1


def test_a_machine_that_did_not_report_is_worse() -> None:
    """What was known of a machine that is silent now is known no more, and what it says again is better."""
    silence = "this machine was expected and did not report"
    nobody = Interpreter(MISSING, MISSING, "", unavailable=silence)
    silent = record(
        a_row(UNTESTABLE, client=ALL_CLIENTS, interpreter=nobody, reason=silence, subject=Subject.MACHINE),
        host="one",
    )
    other = record(a_row(), host="two")
    spoke = record(a_row(DOWNGRADED), a_row(client="urllib3"), host="one")
    gone, back = compare([spoke, other], [silent, other]), compare([silent, other], [spoke, other])
    assert [(change.kind, change.interpreter, str(change.client)) for change in gone.changes] == [
        (ChangeKind.WORSE, "pyenv_3_9_18", "ssl"),
        (ChangeKind.WORSE, "pyenv_3_9_18", "urllib3"),
    ]
    assert {cause.text for change in gone.changes for cause in change.causes} == {silence}
    assert [(change.kind, change.interpreter) for change in back.changes] == [
        (ChangeKind.WORSE, "pyenv_3_9_18"),
        (ChangeKind.BETTER, "pyenv_3_9_18"),
    ]
    assert compare([silent, other], [silent, other]).same == 2


def test_two_single_runs_are_compared_wherever_they_were_made() -> None:
    """A baseline from another machine is a baseline all the same, and that it is one is named."""
    change = only(record(a_row(), host="one"), record(a_row(FRAGILE), host="two"))
    assert [cause.text for cause in change.causes] == ["the machine is two, before one"]


# ---- whatever happens ----

VERDICTS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["ssl", "urllib3", "botocore"])),
    st.sampled_from(Verdict),
)


def _of(verdicts: dict[tuple[str, str], Verdict]) -> StoredRun:
    return record(*(a_row(verdict, name, client) for (name, client), verdict in verdicts.items()))


@given(VERDICTS, VERDICTS)
def test_nothing_is_lost_or_told_twice(
    old: dict[tuple[str, str], Verdict], new: dict[tuple[str, str], Verdict]
) -> None:
    """Every row of either run is the same, or one change that says what both runs say of it."""
    comparison = compare([_of(old)], [_of(new)])
    told = {(change.interpreter, str(change.client)): change for change in comparison.changes}
    assert len(told) == len(comparison.changes)
    assert len(told) + comparison.same == len(old.keys() | new.keys())
    for key in old.keys() | new.keys():
        if old.get(key) is new.get(key):
            assert key not in told
        else:
            assert [row and row.verdict for row in (told[key].older, told[key].newer)] == [
                old.get(key),
                new.get(key),
            ]


OPPOSITE = {
    ChangeKind.APPEARED: ChangeKind.VANISHED,
    ChangeKind.VANISHED: ChangeKind.APPEARED,
    ChangeKind.BETTER: ChangeKind.WORSE,
    ChangeKind.CHANGED: ChangeKind.CHANGED,
}


@given(VERDICTS, VERDICTS)
def test_back_again_is_the_opposite(
    old: dict[tuple[str, str], Verdict], new: dict[tuple[str, str], Verdict]
) -> None:
    """What has become better one way has become worse the other way, and what appeared vanishes."""
    there, back = (compare([_of(a)], [_of(b)]) for a, b in ((old, new), (new, old)))
    returned = {(change.interpreter, change.client): change.kind for change in back.changes}
    for change in there.changes:
        if change.kind in OPPOSITE:
            assert returned[change.interpreter, change.client] is OPPOSITE[change.kind]


# ---- as text and as files ----


def test_the_same_change_is_said_once() -> None:
    """Interpreters and clients to which the same happened for the same cause share a sentence."""
    names, clients = ("a", "b"), ("urllib3", "botocore")
    older = record(*(a_row(name=name, client=client) for name in names for client in clients))
    newer = record(*(a_row(FRAGILE, name, client) for name in names for client in clients), floor=TLS1_3)
    (sentence,) = said(compare([older], [newer]))["Worse"]
    assert sentence == (
        "a (urllib3, botocore); b (urllib3, botocore): fragile, before enforced."
        " Likely cause: the floor is TLSv1.3, before TLSv1.2."
    )


def test_another_condition_is_named() -> None:
    """A change under a configuration that is not the machine's own says so."""
    rows = [a_row(verdict, condition=Condition.HARDENED) for verdict in (ENFORCED, FRAGILE)]
    asked = {"conditions": (Condition.HARDENED,)}
    (sentence,) = said(compare([record(rows[0], **asked)], [record(rows[1], **asked)]))["Worse"]
    assert "fragile, before enforced under the hardened configuration." in sentence


def test_both_files_say_what_was_found(tmp_path: Path) -> None:
    """compare.json has every change with both sides and the causes; compare.md has the sentences."""
    older = record(a_row(DOWNGRADED, interpreter=OLD), a_row(client="urllib3", interpreter=OLD))
    hostile = replace(OLD, build="a" * 16, version="3.9.19|<b>\n")
    newer = record(a_row(ENFORCED, interpreter=hostile), a_row(client="urllib3", interpreter=hostile))
    write_comparison(tmp_path, compare([older], [newer]))
    text = (tmp_path / "compare.md").read_text(encoding="utf-8")
    assert text.startswith("# What changed\n\n")
    assert "\n\n## Better\n\n- pyenv_3_9_18 (ssl): enforced, before downgraded to TLSv1." in text
    assert "<b>" not in text
    found = json.loads((tmp_path / "compare.json").read_text(encoding="utf-8"))
    validator("compare.json").validate(found)
    assert (found["schema_version"], found["same"], found["unasked"]) == (1, 0, [])
    first, second = found["changes"]
    assert (first["kind"], second["kind"]) == ("better", "changed")
    assert (first["interpreter"], first["client"], first["condition"]) == ("pyenv_3_9_18", "ssl", "ambient")
    assert (first["older"]["verdict"], first["newer"]["verdict"]) == ("downgraded", "enforced")
    assert [cause["source"] for cause in first["causes"]] == ["interpreter"]
    assert found["newer"][0]["run_id"] == newer.run.run_id
    assert {path.name for path in tmp_path.iterdir()} == {"compare.md", "compare.json"}


def test_documents_are_compared_as_they_were_written(tmp_path: Path) -> None:
    """What matrix.json keeps of a run is enough to find the change and its cause."""
    paths = []
    for number, one in enumerate((OLD, replace(OLD, openssl="OpenSSL 3.0.20"))):
        row = a_row(DOWNGRADED if number else ENFORCED, interpreter=one)
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps(build_json(a_matrix([row], record(row).run, CATALOGUE), Policy())))
    comparison = compare(*map(read_json, paths))
    assert [(change.kind, sources(change)) for change in comparison.changes] == [
        (ChangeKind.WORSE, {CauseSubject.OPENSSL})
    ]


# ---- what was found as it is ----

SHOP = an_environment("/srv/shop/venv")


def test_an_upgrade_in_an_environment_is_told_by_place_with_both_versions() -> None:
    """Which application changed, from which version to which, and what that did to the floor."""
    before = replace(a_row(DOWNGRADED, interpreter=SHOP, client="urllib3"), client_version="1.26.20")
    after = replace(a_row(ENFORCED, interpreter=SHOP, client="urllib3"), client_version="2.5.0")
    change = only(record(before), record(after))
    assert (change.kind, change.environment) == (ChangeKind.BETTER, "/srv/shop/venv")
    assert said(compare([record(before)], [record(after)]))["Better"] == [
        (
            "/srv/shop/venv (urllib3): enforced, before downgraded to TLSv1."
            " Likely cause: urllib3 is 2.5.0, before 1.26.20."
        ),
    ]


def test_an_environment_appears_and_vanishes_by_its_place() -> None:
    """What is deployed anew, or is gone, is named by where it is."""
    made, found = a_row(), a_row(DOWNGRADED, interpreter=SHOP, client="urllib3")
    appeared, vanished = only(record(made), record(made, found)), only(record(made, found), record(made))
    assert [c.text for c in appeared.causes] == ["/srv/shop/venv was not found before"]
    assert [c.text for c in vanished.causes] == ["/srv/shop/venv was not found any more"]


def test_a_client_that_was_installed_since_is_no_environment_that_appeared() -> None:
    """Where the environment was there before, what is new in it is the client."""
    there = a_row(interpreter=SHOP, client="urllib3")
    change = only(record(there), record(there, a_row(interpreter=SHOP, client="botocore")))
    assert [c.text for c in change.causes] == ["botocore was not installed there before"]


def test_what_has_one_path_is_not_taken_for_one_another() -> None:
    """An interpreter, its own packages and a process of it are three things; each is held against itself."""
    base = replace(an_interpreter("system_3_11"), path="/usr/bin/python3.11")
    site = replace(base, id="site_system_3_11", environment="/usr")
    process = replace(base, id="running_x", environment="/usr", source="running")
    older = [a_row(ENFORCED, interpreter=one, client="urllib3") for one in (base, site, process)]
    newer = [
        a_row(verdict, interpreter=one, client="urllib3")
        for verdict, one in ((ENFORCED, process), (DOWNGRADED, site), (ENFORCED, base))
    ]
    asked = {"running": True}
    both = compare([record(*older, **asked)], [record(*newer, **asked)])
    assert [change.interpreter for change in both.changes] == ["site_system_3_11"]
    assert both.same == 2


def test_an_id_that_became_another_environments_is_another() -> None:
    """Two environments at different places are not one, though they have one id."""
    other = replace(SHOP, path="/opt/shop/venv/bin/python", environment="/opt/shop/venv")
    kinds = [
        change.kind
        for change in compare(
            [record(a_row(interpreter=SHOP))], [record(a_row(DOWNGRADED, interpreter=other))]
        ).changes
    ]
    assert kinds == [ChangeKind.APPEARED, ChangeKind.VANISHED]


def test_half_a_run_is_not_compared_with_a_whole() -> None:
    """What only one run was asked to look for has neither appeared nor vanished, and is told once."""
    rows = [a_row(interpreter=an_environment(f"/srv/{name}")) for name in "abc"]
    half = compare([record(a_row(), found=False)], [record(a_row(), *rows)])
    assert (half.changes, half.unasked) == ((), (Unasked("newer", "environments as found"),))
    half = compare([record(a_row(), *rows)], [record(*rows, made=False)])
    assert (half.changes, half.unasked) == ((), (Unasked("older", "interpreters"),))


def test_of_many_environments_a_few_are_named() -> None:
    """A night that upgrades two hundred environments is one sentence."""
    places = [an_environment(f"/srv/{number}") for number in range(200)]
    old, new = (
        record(*(a_row(verdict, interpreter=one, client="urllib3") for one in places))
        for verdict in (DOWNGRADED, ENFORCED)
    )
    (sentence,) = said(compare([old], [new]))["Better"]
    assert "/srv/5 (urllib3) and 194 more: enforced, before downgraded to TLSv1." in sentence


def test_another_variable_is_a_cause() -> None:
    """A process that is started under another OPENSSL_CONF says so."""
    process = replace(SHOP, id="running_shop", source="running")
    held = replace(process, variables={"OPENSSL_CONF": "/etc/floor.cnf"})
    change = only(
        record(a_row(ENFORCED, interpreter=held), running=True),
        record(a_row(DOWNGRADED, interpreter=process), running=True),
    )
    text = "the variables that it starts under are none, before OPENSSL_CONF=/etc/floor.cnf"
    assert text in [cause.text for cause in change.causes]
