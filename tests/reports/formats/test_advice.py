"""What to do: only what was measured is advised, the file in force is named, and else how to try."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.interpreter import RUNNING, RunningProcess
from interpreters.places import Place
from reports.formats.advice import configuration_in_force, together
from reports.verdicts.judge import HeldBy, Verdict
from reports.verdicts.matrix import Row, by_interpreter
from reports.verdicts.remedies import Case, Remedy, RemedyAttempt, Standing, trial_summary
from tests.support.builders import CRT, PYCA, TLS1_2, TLS1_3, a_program, a_row, an_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reports.verdicts.observations import OwnTls
    from servers.protocols import Protocol

DOWN, FRAGILE, UNCLEAR, UNTESTABLE, HELD = Verdict
DEBIAN = replace(
    an_interpreter("system_3_11", "3.11.2", ("--with-ssl-default-suites=openssl",)),
    source="system",
    path="/usr/bin/python3.11",
    openssl_dir="/usr/lib/ssl",
    openssl_conf="/usr/lib/ssl/openssl.cnf",
)
TRIES = "tries what may help, and advises only what it measured to help."


def advice(
    rows: Sequence[Row], floor: Protocol, quote: Callable[[str], str] = str, cases: Sequence[Case] = ()
) -> list[str]:
    """Return what to do about one interpreter, of which these are the rows."""
    (piece,) = together(by_interpreter(rows), floor, quote, cases)
    return list(piece.steps)


@pytest.mark.parametrize("verdict", [DOWN, FRAGILE])
def test_what_nobody_tried_is_not_advised(verdict: Verdict) -> None:
    """Without trials the advice is the command that makes them, for this floor, and no more."""
    (step,) = advice([a_row(verdict, "one")], TLS1_2)
    assert step == f"Not tried yet: `nox -s remedy -- --only one` {TRIES}"
    (step,) = advice([a_row(verdict, "one")], TLS1_3)
    assert step == f"Not tried yet: `nox -s remedy -- --only one --floor TLSv1.3` {TRIES}"


def test_in_a_place_no_remedy_is_tried() -> None:
    """Of what is in a place nobody is sent to a session that would not find it."""
    there = replace(an_interpreter("one"), place=Place("ssh", "web1", ("ssh", "web1")))
    (step,) = advice([a_row(DOWN, interpreter=there)], TLS1_2)
    assert step.startswith("Not tried: `nox -s remedy` tries")


@given(
    st.lists(st.sampled_from(Verdict), min_size=1, max_size=3),
    st.sampled_from([DEBIAN, an_interpreter(), replace(DEBIAN, openssl_conf="/made/up.cnf"), a_program()]),
)
def test_no_bare_line_is_ever_advised(verdicts: list[Verdict], interpreter: object) -> None:
    """Neither a line of openssl.cnf without its section, nor a rebuilt distribution's Python, is advised."""
    group = [a_row(v, client=f"c{n}", interpreter=interpreter) for n, v in enumerate(verdicts)]  # type: ignore[arg-type]
    said = " ".join(advice(group, TLS1_2))
    assert "MinProtocol" not in said
    assert "rebuild" not in said


def test_the_advice_to_try_asks_for_what_was_asked() -> None:
    """Clients that are not measured by default have to be named, those that hold have not."""
    rows = [a_row(DOWN, "one", "ssl"), a_row(HELD, "one", "requests"), a_row(DOWN, "one", "boto3")]
    assert "`nox -s remedy -- --only one --clients ssl,boto3`" in advice(rows, TLS1_2)[0]
    assert "`nox -s remedy -- --only one`" in advice(rows[:2], TLS1_2)[0]


@pytest.mark.parametrize(
    ("source", "environment", "path", "words"),
    [
        ("pyenv", "made", "/opt/x/bin/python", ""),
        ("given", "made", "/srv/x/bin/python3.9", "--interpreter /srv/x/bin/python3.9 "),
        ("given", "/srv/app_1/venv", "/srv/app_1/venv/bin/python", "--environment /srv/app_1/venv "),
        ("search", "/srv/app_1/venv", "/srv/app_1/venv/bin/python", "--environment /srv/app_1/venv "),
        ("given", "made", "/srv/a `b`/python", "--interpreter PATH "),
        ("given", "/srv/a b/venv", "/srv/a b/venv/bin/python", "--environment DIR "),
    ],
)
def test_the_command_names_what_was_given(source: str, environment: str, path: str, words: str) -> None:
    """What the user gave is named again, and a path that a shell would take apart is left open."""
    one = replace(an_interpreter("one"), source=source, environment=environment, path=path)
    (step,) = advice([a_row(DOWN, interpreter=one)], TLS1_2)
    assert f"`nox -s remedy -- {words}--only one`" in step


def test_the_file_that_openssl_conf_names_is_named() -> None:
    """Where the variable decides which file is read, the advice names that file, and whether it is there."""
    there = replace(DEBIAN, openssl_conf="/tmp/legacy.cnf")
    said, tries = advice([a_row(DOWN, interpreter=there)], TLS1_2, quote=str.upper)
    assert said == (
        "OPENSSL_CONF named `/TMP/LEGACY.CNF` in this run, and that file was read in place of"
        " `/USR/LIB/SSL/OPENSSL.CNF`."
    )
    assert "nox -s remedy" in tries
    missing = replace(there, openssl_conf="/nonexistent/openssl.cnf", openssl_conf_sha256="")
    (said,) = configuration_in_force(missing)
    assert said == (
        "OPENSSL_CONF named `/nonexistent/openssl.cnf` in this run, where no file could be read, so no"
        " OpenSSL configuration was read in place of `/usr/lib/ssl/openssl.cnf`."
    )
    empty = replace(there, openssl_conf="", openssl_conf_sha256="")
    (said,) = configuration_in_force(empty)
    assert said == (
        "OPENSSL_CONF was empty in this run, so no OpenSSL configuration was read in place of"
        " `/usr/lib/ssl/openssl.cnf`."
    )


def test_that_file_is_named_whatever_else_there_is_to_say() -> None:
    """Beside what was tried, and beside the file to guard, the report says that the variable named it."""
    named = replace(DEBIAN, openssl_conf="/tmp/legacy.cnf")
    row = a_row(DOWN, interpreter=named)
    cases = [Case(row, (RemedyAttempt(Remedy.CODE, Standing.ADVISED, "so it was seen", HELD),))]
    (said,) = configuration_in_force(named)
    assert advice([row], TLS1_2, cases=cases) == [said, *trial_summary(cases)]
    held = a_row(HELD, interpreter=named, holder=HeldBy.CONFIGURATION)
    assert advice([held], TLS1_2)[1:] == [said]


def test_the_librarys_own_file_is_no_news() -> None:
    """Where the variable does not decide, or nothing is known of the library, nothing is said of it."""
    for one in (DEBIAN, an_interpreter(), replace(DEBIAN, openssl_conf_sha256="")):
        assert configuration_in_force(one) == ()
        assert len(advice([a_row(DOWN, interpreter=one)], TLS1_2)) == 1


OLD_LIBRARY = RunningProcess(13, "web", "2026-01-01T00:00:00+00:00", "gunicorn", replaced=("/lib/a.so",))
RUNS = replace(
    DEBIAN,
    id="running_shop",
    source=RUNNING,
    environment="/srv/shop",
    variables={"OPENSSL_CONF": "/etc/floor.cnf"},
    openssl_conf="/etc/floor.cnf",
    openssl_conf_sha256="0" * 64,
)
RESTART = "Process 13 (gunicorn) still uses the old /lib/a.so, which changed on disk since: restart it."


def test_processes_are_found_again_and_have_a_configuration_of_their_own() -> None:
    """The command looks at what runs, and the file is said to be that of the processes."""
    named = "The OPENSSL_CONF of these processes named `/etc/floor.cnf`, and that file was read in place of"
    first, then = advice([a_row(DOWN, client="ssl", interpreter=RUNS)], TLS1_2)
    assert first.startswith(named)
    assert then == f"Not tried yet: `nox -s remedy -- --running --only running_shop` {TRIES}"
    held = replace(a_row(HELD, client="ssl", interpreter=RUNS), held_by=HeldBy.CONFIGURATION)
    first, then = advice([held], TLS1_2)
    assert first == "Guard these processes' OpenSSL configuration, `/etc/floor.cnf`: nothing else holds ssl."
    assert then.startswith(named)


@pytest.mark.parametrize(("verdict", "alone"), [(DOWN, False), (UNCLEAR, True), (UNTESTABLE, False)])
def test_what_runs_old_files_is_restarted_first(verdict: Verdict, *, alone: bool) -> None:
    """Before anything is tried, what runs has to be what was measured; that alone may give an answer."""
    old = replace(RUNS, processes=(OLD_LIBRARY,))
    steps = advice([a_row(verdict, client="ssl", interpreter=old)], TLS1_2)
    assert (steps[0], len(steps) == 1) == (RESTART, alone)


def test_what_was_tried_takes_the_place_of_what_was_not() -> None:
    """Where a run tried remedies its advice is what came of them; what it did not try keeps its own."""
    one, more, two = (a_row(DOWN, *key) for key in (("one", "ssl"), ("one", "boto3"), ("two", "ssl")))
    helped = RemedyAttempt(Remedy.CODE, Standing.ADVISED, "so it was seen", HELD)
    cases = [Case(one, (helped,))]
    assert advice([one], TLS1_2, cases=cases) == trial_summary(cases)
    assert advice([two], TLS1_2, cases=cases) == advice([two], TLS1_2)
    assert advice([one, more], TLS1_2, cases=cases) == [*trial_summary(cases), *advice([more], TLS1_2)]
    assert advice([one], TLS1_2, cases=[Case(one, ())]) == advice([one], TLS1_2)


@pytest.mark.parametrize("verdict", [UNCLEAR, UNTESTABLE])
def test_without_an_answer_the_cause_is_to_be_removed(verdict: Verdict) -> None:
    """For what could not be decided or measured the step is to remove the reason and measure again."""
    group = [a_row(HELD, "one", "ssl"), a_row(verdict, "one", "urllib3", reason="no network")]
    assert advice(group, TLS1_2, quote=str.upper) == ["Remove the cause and measure again: NO NETWORK."]


@pytest.mark.parametrize("holder", HeldBy)
def test_an_enforced_interpreter_needs_nothing_but_guarding_its_configuration(holder: HeldBy) -> None:
    """There is nothing to do, unless the OpenSSL configuration is all that holds a client."""
    steps = advice([a_row(HELD, "one", "ssl", holder=holder), a_row(HELD, "one", "urllib3")], TLS1_2)
    assert bool(steps) is (holder is HeldBy.CONFIGURATION)
    assert all("`/made/up/openssl.cnf`" in step and step.endswith(" holds ssl.") for step in steps)


@pytest.mark.parametrize(("stack", "reaches"), [(CRT, False), (PYCA, True)])
def test_advice_says_whom_no_configuration_reaches(stack: OwnTls, *, reaches: bool) -> None:
    """Clients that read no OpenSSL configuration are named; for them alone no file is."""
    named = replace(DEBIAN, openssl_conf="/made/up.cnf")
    rows = [
        a_row(DOWN, interpreter=named),
        a_row(DOWN, client="awscrt", own_tls=stack, interpreter=named),
        a_row(DOWN, client="boto3_crt", own_tls=stack, interpreter=named),
    ]
    *_, tries = advice(rows, TLS1_2)
    assert tries.endswith(" No OpenSSL configuration reaches awscrt, boto3_crt.") is not reaches
    assert ("OPENSSL_CONF" in " ".join(advice(rows[1:], TLS1_2))) is reaches


def test_a_program_is_advised_to_set_its_own_minimum() -> None:
    """A downgraded program gets no advice about Pythons, but the command that tries a configuration."""
    (step,) = advice([a_row(DOWN, client="curl", interpreter=a_program("curl"))], TLS1_3)
    assert "Set TLS 1.3 as its minimum" in step
    assert "`nox -s matrix -- --programs --only program_curl --conditions ambient,hardened` measures" in step


def test_a_program_gets_words_that_were_measured_elsewhere_and_the_report_says_so() -> None:
    """What this tool's own tests measure is advised by its words, for that floor and those programs alone."""
    for program, floor, words in (
        ("curl", TLS1_2, "`--tlsv1.2`, which held TLS 1.2 in this tool's own tests and was not tried here."),
        ("curl", TLS1_3, "Set TLS 1.3 as its minimum"),
        ("node", TLS1_2, "Set TLS 1.2 as its minimum"),
        ("unheard_of", TLS1_2, "Set TLS 1.2 as its minimum"),
    ):
        (step,) = advice([a_row(DOWN, client=program, interpreter=a_program(program))], floor)
        assert words in step
