"""The scope of a run: read back as it was, and in sentences that leave out nothing of what narrows it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from interpreters.documents import as_json
from interpreters.locations import SearchedLocation
from interpreters.process_environment import PASSED_THROUGH
from reports.formats.contract import ScopeDocument
from reports.verdicts.scope import (
    MOST_NAMED,
    LeftOut,
    Scope,
    ago,
    headline,
    in_full,
    opening,
    read_scope,
    scope_summary,
    tool_in_full,
)
from runs.provenance import TLS_VARIABLES
from tests.support.builders import NOW, a_narrow_scope, a_part, a_scope

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("scope", [Scope(), a_scope(), a_narrow_scope()])
def test_a_scope_comes_back_as_it_was(scope: Scope) -> None:
    """What a record says of a scope, reading it gives back."""
    assert read_scope(as_json(ScopeDocument.of(scope))) == scope


def test_a_run_is_partial_where_it_left_something_out() -> None:
    """Whether a run is partial follows what it left out, and is written beside that."""
    assert not a_scope().partial
    assert a_narrow_scope().partial
    assert as_json(ScopeDocument.of(a_narrow_scope()))["partial"] is True


def _set(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda record: record.update({key: value})


@pytest.mark.parametrize(
    "damage",
    [
        _set("commit", 5),
        _set("variables", {"OPENSSL_CONF": None}),
        _set("variables", None),
        _set("left_out", [{"id": "a", "path": "/a"}]),
        _set("left_out", [5]),
        _set("clients_left_out", [None]),
        _set("narrowed", None),
        _set("narrowed", [1]),
        _set("looked", [{"place": "/a", "status": "skipped", "reason": ""}]),
        _set("looked", [{"place": 5, "status": "looked", "reason": ""}]),
        _set("local_changes", "no"),
        _set("narrowed", []),
        _set("partial", False),
        lambda record: record.pop("user"),
    ],
)
def test_what_is_no_scope_is_refused(damage: Callable[[dict[str, Any]], None]) -> None:
    """A record with a wrong value or without a field is no scope."""
    record = as_json(ScopeDocument.of(a_narrow_scope()))
    damage(record)
    with pytest.raises((KeyError, TypeError, ValueError)):
        read_scope(record)


def test_a_run_is_named_with_all_that_it_came_about_by() -> None:
    """Id, machine, system, time, user, and tool with its commit are said, and the age if asked for."""
    (said, *_) = scope_summary([a_part("r1", "h1")], NOW)
    assert said == (
        "Run r1 on h1, Debian GNU/Linux 12 (bookworm), x86_64: ended 2026-11-24 02:00 UTC (9 hours ago),"
        " measured by somebody with tls-floor-matrix 0.1.0 at commit c0c0c0c0c0c0."
    )
    assert in_full([a_part("r1", "h1")])[0] == said.replace(" (9 hours ago)", "")
    (of_image, *_) = in_full([a_part("r1", "image:app", place_identity="sha256:ab")])
    assert of_image.startswith("Run r1 on image:app, sha256:ab, Debian GNU/Linux 12 (bookworm), x86_64: ")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "tls-floor-matrix 0.1.0 at commit c0c0c0c0c0c0"),
        ({"local_changes": True}, "tls-floor-matrix 0.1.0 at commit c0c0c0c0c0c0 with local changes"),
        (
            {"commit": "", "commit_unknown": "git could not be asked"},
            "tls-floor-matrix 0.1.0 (commit unknown: git could not be asked)",
        ),
        ({"commit": ""}, "tls-floor-matrix 0.1.0"),
    ],
)
def test_the_tool_is_named_with_its_commit(changes: dict[str, Any], words: str) -> None:
    """Local changes are said, and so is why no commit is known."""
    assert tool_in_full(a_part(**changes)) == words


def test_what_narrows_a_run_is_in_the_headline() -> None:
    """A run that left something out, or was under a variable, says so where only the answer is read."""
    assert headline([a_part(looked=())]) == []
    narrow = replace(a_part(), scope=a_narrow_scope())
    assert headline([narrow]) == [
        "This run is partial: --only pyenv_* left out 1 interpreter.",
        "Measured under OPENSSL_CONF=/made/up/floor.cnf: what runs without that is not covered.",
        "Could not look for interpreters in /locked/bin (/locked cannot be read).",
    ]


def test_strangers_are_in_the_scope() -> None:
    """Which other programs connected while a run measured is said in short and in full."""
    part = a_part(notes=("Somebody else connected.",))
    assert "Somebody else connected." in scope_summary([part], NOW)
    assert "Somebody else connected." in in_full([part])


def test_what_is_not_passed_on_is_told_from_what_is() -> None:
    """Only variables that reach what is measured narrow a run; the others are named in full alone."""
    away = {"SSL_CERT_FILE", "SSL_CERT_DIR", "LD_PRELOAD", "PYTHONPATH", "PYTHONHOME"}
    assert set(TLS_VARIABLES) - PASSED_THROUGH == away
    narrow = replace(a_part(), scope=a_narrow_scope())
    said = "Set, and not passed on to what was measured: SSL_CERT_FILE=/made/up/roots.pem."
    assert said in in_full([narrow])
    assert said not in scope_summary([narrow], NOW)


def test_each_place_is_named_in_full_and_counted_in_short() -> None:
    """Where interpreters were looked for, and which known places are absent, is listed or counted."""
    twice = SearchedLocation("/a", "looked", "on PATH")
    part = a_part(
        looked=(
            SearchedLocation("/a", "looked"),
            SearchedLocation("/b", "looked"),
            SearchedLocation("/c", "absent"),
            twice,
        )
    )
    assert "Looked for interpreters in /a, /b." in in_full([part])
    assert "Known locations that are not there: /c." in in_full([part])
    assert (
        "Looked for interpreters in 2 locations; of those that are known, 1 are not there."
        in scope_summary([part], NOW)
    )


def test_where_environments_were_looked_for_is_told() -> None:
    """In short their places are counted, in full they are named; where nobody looked, nothing is told."""
    looked = tuple(SearchedLocation(place, "looked") for place in ("/srv", "/opt"))
    part = a_part(environments_looked=(*looked, SearchedLocation("/absent", "absent")))
    assert "Looked for environments of applications in 2 locations." in scope_summary([part], NOW)
    nowhere = a_part(environments_looked=(SearchedLocation("/absent", "absent"),))
    assert "applications in known locations, of which none is there." in scope_summary([nowhere], NOW)[-1]
    assert "Looked for environments of applications in /srv, /opt." in in_full([part])
    assert not any("Looked for environments" in text for text in in_full([a_part()]))


def test_a_long_list_is_cut_in_short_alone() -> None:
    """Of many interpreters that were left out some are named in short, and all in full."""
    left_out = tuple(LeftOut(f"p{number}", "/p", "--only x") for number in range(MOST_NAMED + 3))
    part = a_part(left_out=(*left_out, LeftOut("w", "/w", "it starts /x, which is measured")))
    short = [said for said in scope_summary([part], NOW) if said.startswith("Found and not measured")]
    assert short == [
        f"Found and not measured: {', '.join(f'p{n}' for n in range(MOST_NAMED))} and 3 more (--only x).",
        "Found and not measured: w (it starts /x, which is measured).",
    ]
    assert all(f"p{n}" in " ".join(in_full([part])) for n in range(MOST_NAMED + 3))


def test_machines_share_a_sentence_that_is_about_all_of_them() -> None:
    """What is so on every machine is said once, and what is so on some with their names."""
    one, other = a_part("r1", "h1"), a_part("r2", "h2", narrowed=("--clients left out ssl",))
    assert headline([one, other]) == [
        "Could not look for interpreters in /locked/bin (/locked cannot be read).",
        "On h2: This run is partial: --clients left out ssl.",
    ]
    assert [said.split(",")[0] for said in scope_summary([one, other], NOW)[:2]] == [
        "Run r1 on h1",
        "Run r2 on h2",
    ]


def test_many_hosts_of_one_image_are_one_finding() -> None:
    """Runs that differ in nothing but host and time are said at once; the full scope names each."""
    image = "sha256:" + "a" * 64
    fleet = [a_part(f"r{n}", f"h{n}", place_identity=image, user="root") for n in range(20)]
    odd = a_part("r20", "h20", place_identity="sha256:" + "b" * 64, user="root")
    first, second, *rest = opening([*fleet, odd])
    assert first.startswith(f"20 runs on h0, h1, h2 and 17 more, {image}, ")
    assert second.startswith("Run r20 on h20, sha256:bbb")
    assert not [said for said in rest if "h20" in said]
    assert sum(said.startswith("Run r") for said in in_full([*fleet, odd])) == 21


def test_many_hosts_are_named_in_part() -> None:
    """A sentence about some of many hosts names a few of them, and all in the full scope."""
    fleet = [a_part(f"r{n}", f"h{n}", narrowed=("--clients left out ssl",)) for n in range(9)]
    runs = [*fleet, a_part("r9", "h9")]
    said = "This run is partial: --clients left out ssl."
    assert f"On h0, h1, h2 and 6 more: {said}" in headline(runs)
    assert f"On {', '.join(f'h{n}' for n in range(9))}: {said}" in in_full(runs)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (7199, "1 hour ago"),
        (2 * 86400, "2 days ago"),
        (400 * 86400, "400 days ago"),
    ],
)
def test_an_age_is_said_in_one_unit(seconds: int, words: str) -> None:
    """An age is a whole number of the largest unit that fits into it."""
    assert ago(NOW - dt.timedelta(seconds=seconds), NOW) == words
