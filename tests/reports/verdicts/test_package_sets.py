"""What is the same on several hosts is one finding with its hosts, and what differs in anything is not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from reports.formats.answer import answer
from reports.verdicts.judge import HeldBy, Verdict
from reports.verdicts.matrix import RowGroup, by_interpreter
from reports.verdicts.package_sets import package_sets
from tests.support.builders import TLS1_2, a_row, an_environment, an_interpreter

if TYPE_CHECKING:
    from interpreters.interpreter import Interpreter

SHOP = replace(an_environment("/srv/shop"), distributions_sha256="d" * 64, start_up=("/srv/shop/a.pth",))


def found(
    host: str, verdict: Verdict = Verdict.DOWNGRADED, about: Interpreter = SHOP, **row: Any
) -> RowGroup:
    """Return the rows of an environment on a host."""
    rows = [
        replace(a_row(verdict, client=client, interpreter=replace(about, host=host)), **row)
        for client in ("ssl", "botocore")
    ]
    (group,) = by_interpreter(rows)
    return group


def test_the_same_on_several_hosts_is_one() -> None:
    """Its hosts are in the order of the report; a set that more hosts have comes first."""
    other = replace(SHOP, distributions_sha256="e" * 64)
    groups = [found(host, about=other) for host in ("x", "y")] + [found(host) for host in ("c", "a", "b")]
    assert [each.hosts for each in package_sets(groups)] == [("c", "a", "b"), ("x", "y")]
    assert package_sets(groups)[0].groups == tuple(groups[2:])


@pytest.mark.parametrize(
    "changes",
    [
        {"build": "f" * 16},
        {"distributions_sha256": "f" * 64},
        {"start_up": ("/srv/shop/b.pth",)},
        {"openssl_conf_sha256": "f" * 64},
    ],
)
def test_what_differs_in_anything_is_another(changes: dict[str, Any]) -> None:
    """Another build, package, file of start-up code or OpenSSL configuration is none of the same."""
    assert package_sets([found("a"), found("b", about=replace(SHOP, **changes))]) == ()


@pytest.mark.parametrize(
    "row", [{"client_version": "1.27"}, {"urllib3": "2.0"}, {"held_by": HeldBy.CONFIGURATION}]
)
def test_what_came_out_otherwise_is_another(row: dict[str, Any]) -> None:
    """A verdict, a client's version, or what holds it, that is another on one host sets that host apart."""
    assert package_sets([found("a"), found("b", **row)]) == ()
    assert package_sets([found("a"), found("b", Verdict.ENFORCED)]) == ()


@pytest.mark.parametrize("unknown", [{"build": ""}, {"distributions_sha256": ""}])
def test_what_is_not_known_is_like_nothing(unknown: dict[str, Any]) -> None:
    """Two hosts that do not say what they have may have anything."""
    about = replace(SHOP, **unknown)
    assert package_sets([found("a", about=about), found("b", about=about)]) == ()


def test_interpreters_with_made_environments_and_single_hosts_are_none() -> None:
    """What was installed for the measurement is no finding of a host's, and one host is not several."""
    made = replace(an_interpreter(), distributions_sha256="d" * 64)
    assert package_sets([found("a", about=made), found("b", about=made)]) == ()
    assert package_sets([found(""), found("a")]) == ()


def test_the_answer_names_what_is_mended_once() -> None:
    """A fleet of one image has a sentence with how many hosts it is on; where all holds it has none."""
    hosts = [f"ssh:web{number}" for number in range(20)]
    said = answer([found(host) for host in hosts], TLS1_2)
    sentence = (
        "20 hosts have the same packages in the same Python, /srv/shop (ssl 1.26.20 downgraded, botocore"
        " 1.26.20 downgraded): ssh:web0, ssh:web1, ssh:web2 and 17 more."
    )
    assert said.count(sentence) == 1
    assert not any(
        "same packages" in each for each in answer([found(host, Verdict.ENFORCED) for host in hosts], TLS1_2)
    )
    few = [
        found(f"{letter}{n}", about=replace(SHOP, distributions_sha256=letter * 64))
        for letter in "abcde"
        for n in "12"
    ]
    said = [each for each in answer(few, TLS1_2) if "packages" in each]
    assert len(said) == 4
    assert said[-1] == "4 more hosts have such packages in common with others."
