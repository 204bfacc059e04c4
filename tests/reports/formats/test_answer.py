"""The answer in sentences: it counts and names what the rows say, and never makes it sound better."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from interpreters.interpreter import RunningProcess
from reports.formats.answer import answer, counts, page_sentences, parted, remembered
from reports.verdicts.cells import CellKind
from reports.verdicts.judge import PageCheck, Verdict
from reports.verdicts.matrix import Row, by_interpreter, under
from servers.conditions import Condition
from tests.support.builders import (
    CRT,
    FLOORS,
    PYCA,
    TLS1_0,
    TLS1_1,
    TLS1_2,
    a_catalogue,
    a_finding,
    a_program,
    a_row,
    an_environment,
    an_interpreter,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reports.verdicts.observations import OwnTls
    from servers.protocols import Protocol

DOWN, FRAGILE, UNCLEAR, UNTESTABLE, HELD = Verdict


def answer_to(rows: Iterable[Row], floor: Protocol) -> list[str]:
    """Return the answer that these rows give."""
    return answer(by_interpreter(rows), floor)


def test_an_interpreter_stands_as_its_worst_client() -> None:
    """One client's verdict is an interpreter's if no other client's is worse, in any order."""
    for index, worst in enumerate(Verdict):
        for other in list(Verdict)[index:]:
            for pair in ((worst, other), (other, worst)):
                (group,) = by_interpreter(map(a_row, pair))
                assert group.standing is worst


def test_rows_are_grouped_under_one_condition() -> None:
    """Groups keep the rows' order, and can leave other conditions out."""
    rows = [a_row(name="b"), a_row(name="a"), a_row(name="b", condition=Condition.HARDENED), a_row(name="b")]
    groups = by_interpreter(rows)
    assert [(group.name, len(group.rows)) for group in groups] == [("b", 3), ("a", 1)]
    assert [len(group.rows) for group in under(groups, Condition.AMBIENT)] == [2, 1]
    assert [group.name for group in under(groups, Condition.HARDENED)] == ["b"]


def test_nothing_measured_is_said_and_is_not_safe() -> None:
    """Without rows the answer is that nothing is known."""
    assert answer_to([], TLS1_2) == [
        "No interpreter was measured, so nothing is known about this machine.",
    ]


def test_the_first_sentence_counts_and_names_the_downgraded() -> None:
    """It says how many of how many, how far down, and which clients where it is not all of them."""
    rows = [
        a_row(DOWN, "one", "ssl", lowest=TLS1_1),
        a_row(DOWN, "one", "botocore", lowest=TLS1_0),
        a_row(DOWN, "two", "ssl", lowest=TLS1_1),
        a_row(HELD, "two", "urllib3"),
        a_row(HELD, "three", "ssl"),
    ]
    first = answer_to(rows, TLS1_2)[0]
    assert first == (
        "2 of 3 interpreters negotiate versions down to TLS 1.0 (below the TLS 1.2 minimum): one, two (ssl)."
    )


def test_one_version_below_the_floor_is_named_alone() -> None:
    """Where all of them go down to the same version, that version is said, and one interpreter is one."""
    said = answer_to([a_row(DOWN, "one", lowest=TLS1_1), a_row(HELD, "two")], TLS1_2)[0]
    assert said == "1 of 2 interpreters negotiates TLS 1.1 (below the TLS 1.2 minimum): one."


def test_environments_as_found_are_counted_apart() -> None:
    """Both halves open the answer; an environment is named by its folder, with the versions that go below."""
    rows = [
        a_row(HELD, "one"),
        a_row(DOWN, interpreter=an_environment("/srv/app/venv"), client="urllib3"),
        a_row(HELD, interpreter=an_environment("/srv/shop")),
    ]
    assert answer_to(rows, TLS1_2) == [
        "The one interpreter does not negotiate a version below TLS 1.2.",
        (
            "1 of 2 applications' environments negotiates TLS 1.0 (below the TLS 1.2 minimum):"
            " /srv/app/venv (urllib3 1.26.20)."
        ),
        "1 of 1 holds TLS 1.2 with every client measured: one.",
        "1 of 2 environments holds TLS 1.2 with every client measured: /srv/shop.",
    ]
    assert parted(by_interpreter(rows), TLS1_2)[0] == answer_to(rows, TLS1_2)[:2]


def test_interpreters_of_a_place_are_no_applications() -> None:
    """An interpreter that is measured with what is installed in it is named by its path, and is nobody's."""
    there = replace(an_environment("/usr"), id="system_3_11", path="/usr/bin/python3.11")
    assert answer_to([a_row(DOWN, interpreter=there)], TLS1_2)[0].startswith(
        "1 of 1 environments as found negotiates TLS 1.0 (below the TLS 1.2 minimum): /usr/bin/python3.11 ("
    )


def test_without_environments_nothing_is_said_of_them() -> None:
    """Where one kind of subject was not measured, the answer has no sentence about it."""
    interpreters = answer_to([a_row(DOWN, "one")], TLS1_2)
    assert not any("environment" in said for said in interpreters)
    found = answer_to([a_row(DOWN, interpreter=an_environment("/srv/shop"))], TLS1_2)
    assert not any("interpreter" in said for said in found)


def test_an_interpreters_own_packages_are_named_by_its_path() -> None:
    """Of an interpreter's own site-packages the executable is told: several may share one prefix."""
    site = replace(an_environment("/usr"), id="site_system_3_11", path="/usr/bin/python3.11")
    said = answer_to([a_row(DOWN, interpreter=site, client="botocore")], TLS1_2)[0]
    assert said.endswith(": packages of /usr/bin/python3.11 (botocore 1.26.20).")


def test_running_processes_are_counted_apart() -> None:
    """A running process is neither an interpreter nor an environment, though it is of both."""
    process = replace(an_environment("/srv/shop"), id="running_shop", source="running")
    rows = [a_row(HELD, interpreter=an_environment("/srv/shop")), a_row(DOWN, interpreter=process)]
    said = answer_to(rows, TLS1_2)
    assert said[0] == "The one environment, /srv/shop, holds TLS 1.2 with every client measured."
    assert said[1].startswith("1 of 1 running processes negotiates TLS 1.0")
    assert "running_shop in /srv/shop (" in said[1]


def test_who_has_to_be_restarted_is_told() -> None:
    """A process that runs what was replaced since is named with that, once for all of them."""
    old = RunningProcess(12, "ann", "2026-11-24T02:00:00+00:00", "gunicorn", replaced=("/lib/libssl.so.3",))
    process = replace(an_environment("/srv/shop"), id="running_shop", source="running", processes=(old,))
    (told,) = [text for text in answer_to([a_row(UNCLEAR, interpreter=process)], TLS1_2) if "restart" in text]
    assert told == (
        "Process 12 (gunicorn) still uses the old /lib/libssl.so.3, which changed on disk since: restart it."
    )


def test_environments_that_came_out_alike_are_counted_together() -> None:
    """Those with the same clients on one interpreter are one entry, and the worst stand first."""
    alike = [an_environment(f"/srv/app{number}/venv") for number in range(14)]
    other = replace(an_environment("/opt/other"), build="another")
    rows = [
        a_row(DOWN, "system_3_11", client="ssl", interpreter=an_interpreter("system_3_11")),
        *(a_row(DOWN, interpreter=each, client="urllib3", lowest=TLS1_1) for each in alike),
        a_row(DOWN, interpreter=other, client="urllib3", lowest=TLS1_0),
    ]
    said = answer_to(rows, TLS1_2)[1]
    assert said == (
        "15 of 15 applications' environments negotiate versions down to TLS 1.0 (below the TLS 1.2 minimum):"
        " /opt/other (urllib3 1.26.20), 14 with urllib3 1.26.20 on system_3_11 (/srv/app0/venv,"
        " /srv/app1/venv and 12 more)."
    )


def test_a_base_that_has_no_row_is_named_by_its_version() -> None:
    """Environments of an interpreter that was not measured itself still say which Python they have."""
    rows = [a_row(DOWN, interpreter=an_environment(f"/srv/{name}"), client="urllib3") for name in "abc"]
    assert "3 with urllib3 1.26.20 on Python 3.11.2 (/srv/a, /srv/b and 1 more)" in answer_to(rows, TLS1_2)[0]


def test_of_two_hundred_environments_a_few_are_named_and_all_are_counted() -> None:
    """However many there are, a sentence stays short, and what it leaves out is counted in it."""
    rows = []
    for number in range(200):
        environment = an_environment(f"/srv/app{number}/venv")
        row = a_row((DOWN, HELD)[number % 2], interpreter=environment, client="urllib3")
        rows.append(replace(row, client_version=f"1.26.{number}"))
    said = answer_to(rows, TLS1_2)
    assert said[0].startswith("100 of 200 applications' environments negotiate")
    assert said[0].endswith(" and 94 more.")
    assert said[1].startswith("100 of 200 environments hold")
    assert said[1].endswith(" and 94 more.")
    assert max(map(len, said)) < 500


def test_one_environment_on_several_hosts_is_one_entry() -> None:
    """In a merged report the same place is named once, with the hosts that it is said of, out of how many."""
    rows = [
        a_row(verdict, interpreter=replace(an_environment("/srv/shop/venv"), host=host), client="urllib3")
        for host, verdict in (("web1", DOWN), ("web2", HELD), ("web3", HELD))
    ]
    said = answer_to(rows, TLS1_2)
    assert said[0].endswith(": /srv/shop/venv on 1 of 3 hosts, web1 (urllib3 1.26.20).")
    assert said[1].endswith(": /srv/shop/venv on 2 of 3 hosts, web2, web3.")


def test_an_environment_names_its_gaps_with_versions() -> None:
    """What is not known of an environment is said of the client and version that it is not known of."""
    environment = an_environment("/srv/shop")
    rows = [
        a_row(HELD, interpreter=environment, client="urllib3"),
        a_row(UNTESTABLE, interpreter=environment, client="botocore"),
        a_row(UNTESTABLE, interpreter=an_environment("/srv/broken", unavailable="it hangs"), client="all"),
    ]
    said = answer_to(rows, TLS1_2)
    part = "2 of 2 environments could not be measured, wholly or in part"
    assert f"{part}: /srv/shop (botocore 1.26.20), /srv/broken." in said


def test_programs_are_counted_apart() -> None:
    """Interpreters come first; programs have sentences of their own, and count among no interpreters."""
    rows = [
        a_row(HELD, "one"),
        a_row(DOWN, client="curl", interpreter=a_program("curl")),
        a_row(HELD, client="node", interpreter=a_program("node")),
        a_row(UNTESTABLE, client="all", interpreter=a_program("java", "it hangs")),
    ]
    said = answer_to(rows, TLS1_2)
    assert said[:2] == [
        "The one interpreter does not negotiate a version below TLS 1.2.",
        "1 of 1 holds TLS 1.2 with every client measured: one.",
    ]
    assert said[2] == "1 of 3 programs negotiates TLS 1.0 (below the TLS 1.2 minimum): curl."
    assert said[3] == "1 of 3 programs could not be measured, wholly or in part: java."
    assert said[4] == "1 of 3 programs holds TLS 1.2: node."
    assert answer_to(rows[1:], TLS1_2) == said[2:]


def test_every_standing_has_its_sentence() -> None:
    """Each verdict that occurs is counted and named once, and none that does not occur."""
    rows = [a_row(verdict, f"py_{verdict}", page=PageCheck.FAIL) for verdict in Verdict]
    for wanted in Verdict:
        said = answer_to([row for row in rows if row.verdict is not wanted], TLS1_2)
        assert not any(f"py_{wanted}" in sentence for sentence in said)
        assert all(
            sum(f"py_{other}" in sentence for sentence in said) == 1
            for other in Verdict
            if other is not wanted
        )
    undecided = next(sentence for sentence in answer_to(rows, TLS1_2) if "py_inconclusive" in sentence)
    assert "must not be read as safe" in undecided


def test_none_downgraded_is_not_called_safe() -> None:
    """Where nothing went below, but nothing is known either, no sentence says that anything holds."""
    nothing = [a_row(UNCLEAR, "one"), a_row(UNTESTABLE, "two")]
    said = answer_to(nothing, TLS1_2)
    below = "negotiates a version below TLS 1.2"
    assert said[0] == f"It is not known whether any of the 2 interpreters {below}."
    assert not any("hold" in sentence for sentence in said)
    alone = f"It is not known whether the one interpreter {below}."
    assert answer_to(nothing[:1], TLS1_2)[0] == alone
    none = f"None of the 3 interpreters {below}"
    for known in (FRAGILE, HELD):
        first = answer_to([*nothing, a_row(known, "three")], TLS1_2)[0]
        assert first == f"{none}, but for 2 of them this is not known."
        first = answer_to([nothing[0], a_row(known, "two"), a_row(known, "three")], TLS1_2)[0]
        assert first == f"{none}, but for 1 of them this is not known."


def test_gaps_are_counted_beside_whatever_is_worse() -> None:
    """Clients of which nothing is known are counted, though another of their interpreter goes below."""
    rows = [
        *(a_row(verdict, "one", client) for verdict, client in ((DOWN, "ssl"), (UNTESTABLE, "awscrt"))),
        *(a_row(verdict, "two", client) for verdict, client in ((FRAGILE, "ssl"), (UNCLEAR, "boto3"))),
        *(a_row(verdict, "three", client) for verdict, client in ((DOWN, "ssl"), (UNCLEAR, "boto3"))),
        a_row(UNTESTABLE, "four", "all"),
        a_row(HELD, "five"),
    ]
    said = answer_to(rows, TLS1_2)
    assert "2 gave no clear answer and must not be read as safe: two (boto3), three (boto3)." in said
    assert "2 could not be measured, wholly or in part: one (awscrt), four." in said
    assert "1 of 5 holds TLS 1.2 with every client measured: five." in said
    assert counts(by_interpreter(rows), Condition.AMBIENT) == {
        str(DOWN): 2,
        str(FRAGILE): 1,
        str(HELD): 1,
        str(UNCLEAR): 2,
        str(UNTESTABLE): 2,
    }


def test_what_is_not_known_of_a_client_beside_another_does_not_open_like_safety() -> None:
    """An interpreter with a client that was not measured is one of which not all is known."""
    rows = [a_row(FRAGILE, "one", "ssl"), a_row(UNTESTABLE, "one", "pip"), a_row(HELD, "two", "ssl")]
    assert answer_to(rows, TLS1_2)[0] == (
        "None of the 2 interpreters negotiates a version below TLS 1.2, but for 1 of them this is not known."
    )


def test_cells_that_say_nothing_are_counted() -> None:
    """Where a verdict rests on some cells, those that say nothing are counted."""
    catalogue = a_catalogue()
    findings = {
        "only_1_1": a_finding(catalogue["only_1_1"], CellKind.CONNECTED, TLS1_1),
        "only_1_0": a_finding(catalogue["only_1_0"], CellKind.INCONCLUSIVE),
        "page_first": a_finding(catalogue["page_first"], CellKind.MISSING),
    }
    silent = {"only_1_0": a_finding(catalogue["only_1_0"], CellKind.MISSING)}
    rows = [
        *(a_row(DOWN, f"p{number}", findings=findings) for number in range(8)),
        a_row(UNCLEAR, "unclear", findings=silent),
        a_row(HELD, "held"),
    ]
    named = ", ".join(f"p{number}/ssl" for number in range(6))
    assert f"8 of 16 cells of the other clients say nothing: {named} and 2 more." in answer(
        by_interpreter(rows), TLS1_2
    )
    whole = {"only_1_1": findings["only_1_1"]}
    assert not any("cells" in said for said in answer_to([a_row(DOWN, findings=whole)], TLS1_2))


def test_an_interpreter_holds_only_with_every_client() -> None:
    """One client that is not enforced keeps an interpreter out of those that hold the floor."""
    for other in (DOWN, FRAGILE, UNCLEAR, UNTESTABLE):
        said = answer_to([a_row(HELD, "one", "ssl"), a_row(other, "one", "urllib3")], TLS1_2)
        assert not any(" hold" in sentence for sentence in said)


@pytest.mark.parametrize("floor", FLOORS)
def test_the_sentences_follow_the_floor(floor: Protocol) -> None:
    """Whatever the floor is, the sentences name it, and no other version as if it were."""
    rows = [a_row(verdict, f"py_{verdict}", lowest=TLS1_0) for verdict in Verdict]
    said = " ".join(answer_to(rows, floor))
    assert floor.prose in said
    for other in FLOORS:
        assert (other.prose in said) is (other is floor)


def test_only_another_condition_is_named_as_such() -> None:
    """A run without the machine's own configuration says under which one its answer holds."""
    row = a_row(DOWN, "one", condition=Condition.PERMISSIVE)
    assert "under the permissive configuration" in answer_to([row], TLS1_2)[0]
    held = answer_to([a_row(HELD, "one", condition=Condition.HARDENED)], TLS1_2)
    assert all("under the hardened configuration" in sentence for sentence in held)
    both = [a_row(HELD, "one"), row]
    assert "permissive" not in " ".join(answer_to(both, TLS1_2))


def test_it_says_how_many_the_page_calls_safe() -> None:
    """Of those that go below the floor, the page's passes are counted, and where it concludes nothing."""
    rows = [
        a_row(DOWN, "one", page=PageCheck.PASS),
        a_row(DOWN, "two", page=PageCheck.PASS),
        a_row(DOWN, "three", page=PageCheck.BROKEN),
        a_row(DOWN, "four", page=PageCheck.FAIL),
        a_row(HELD, "five", page=PageCheck.PASS),
    ]
    assert page_sentences(by_interpreter(rows)) == [
        "The AWS page's own check calls 2 of the 4 interpreters below TLS 1.2 safe: one, two.",
        "It comes to no conclusion on 1 of the 4 interpreters below TLS 1.2: three.",
    ]
    assert page_sentences(by_interpreter([a_row(DOWN, "four", page=PageCheck.FAIL)])) == []
    assert not any("page" in sentence for sentence in answer_to(rows, TLS1_2))


def test_the_page_is_not_blamed_for_another_floor() -> None:
    """The page asks for TLS 1.2: it did not call safe, wrongly, what goes no lower than that."""
    assert page_sentences(by_interpreter([a_row(DOWN, "one", lowest=TLS1_2, page=PageCheck.PASS)])) == []


@pytest.mark.parametrize("stack", [CRT, PYCA])
def test_what_brings_its_own_tls_is_named_where_python_holds_the_floor(stack: OwnTls) -> None:
    """Where all that uses Python's TLS holds, the opening names what does not."""
    rows = [
        a_row(HELD, "one", "ssl"),
        a_row(Verdict.UNTESTABLE, "one", "httpx"),
        a_row(DOWN, "one", "awscrt", own_tls=stack),
        a_row(DOWN, "one", "boto3_crt", own_tls=stack),
        a_row(DOWN, "two", "ssl"),
        a_row(DOWN, "two", "awscrt", own_tls=stack),
        a_row(HELD, "three", "awscrt", own_tls=stack),
    ]
    said = answer_to(rows, TLS1_2)
    assert f"On 1 of these Python itself holds TLS 1.2, but {stack.name} (awscrt, boto3_crt)" in said[1]
    assert said[1].endswith("does not: one.")


def test_a_stack_of_its_own_is_not_named_where_python_is_not_safe_either() -> None:
    """Where a client that uses Python's TLS goes below, is unclear or unmeasured, it is not told apart."""
    for other in (DOWN, Verdict.INCONCLUSIVE, Verdict.FRAGILE, Verdict.UNTESTABLE):
        rows = [a_row(other, "one", "ssl"), a_row(DOWN, "one", "awscrt", own_tls=CRT)]
        assert not [sentence for sentence in answer_to(rows, TLS1_2) if "Python itself" in sentence]


def test_what_was_not_measured_again_is_counted_once() -> None:
    """One sentence has how many clients it is about, and from when to when; of none nothing is said."""
    day, other = "2026-11-27T10:00:00+00:00", "2026-11-28T23:00:00+00:00"
    rows = [a_row(client=name) for name in ("ssl", "urllib3", "botocore")]
    assert remembered(rows) == ""
    one = remembered([replace(rows[0], held_by_measured=day), *rows[1:]])
    assert one.startswith("What holds 1 client was measured on 2026-11-27 and not again")
    two = [replace(row, held_by_measured=day) for row in rows[:2]]
    assert "What holds 2 clients was measured on 2026-11-27 and not again" in remembered([*two, rows[2]])
    several = remembered([*two, replace(rows[2], held_by_measured=other)])
    assert "What holds 3 clients was measured between 2026-11-27 and 2026-11-28 and not again" in several
    copies = [replace(row, held_by_measured_in="opt_one") for row in two]
    assert "on 2026-11-27 (in opt_one, where the same files are loaded) and not" in remembered(copies)
    some = remembered([*copies, replace(rows[2], held_by_measured=day)])
    assert "on 2026-11-27 (of 2 of them in opt_one, where the same files are loaded) and not" in some
