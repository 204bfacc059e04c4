"""What holds beside what was found: a fact of two rows, told where both are known and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reports.verdicts.beside import beside_made
from reports.verdicts.judge import Verdict
from servers.conditions import Condition
from tests.support.builders import a_row, an_environment, an_interpreter

if TYPE_CHECKING:
    from reports.verdicts.matrix import Row

DOWN, HELD = Verdict.DOWNGRADED, Verdict.ENFORCED
SYSTEM, SHOP = an_interpreter("system_3_11"), an_environment("/srv/shop/venv")
MADE_ROW = replace(a_row(HELD, interpreter=SYSTEM, client="urllib3"), client_version="2.8.0")
FOUND_ROW = a_row(DOWN, interpreter=SHOP, client="urllib3")


def test_an_older_client_is_told_beside_the_newer_that_holds() -> None:
    """Of the same client on the same build, the made row's version and this one's are told."""
    made, found = beside_made([MADE_ROW, FOUND_ROW])
    assert made == MADE_ROW
    assert found.judgement.reason == (
        "so it was seen; in the environment made for system_3_11, urllib3 2.8.0 holds;"
        " here is urllib3 1.26.20"
    )


def test_the_urllib3_beside_a_client_is_told() -> None:
    """A client that speaks through urllib3 may be the same, and urllib3 older."""
    made = replace(a_row(HELD, interpreter=SYSTEM, client="requests"), urllib3="2.8.0")
    (_, found) = beside_made([made, a_row(DOWN, interpreter=SHOP, client="requests")])
    assert "requests 1.26.20 with urllib3 2.8.0 holds; here is requests 1.26.20 with urllib3 1.26.20" in (
        found.judgement.reason
    )


def test_start_up_code_and_variables_are_told_too() -> None:
    """Where the versions are the same, what is started with the client is what differs."""
    own = replace(SHOP, start_up=("/srv/shop/x.pth",), variables={"OPENSSL_CONF": "/etc/weak.cnf"})
    same = replace(a_row(DOWN, interpreter=own, client="urllib3"), client_version="2.8.0")
    (_, found) = beside_made([MADE_ROW, same])
    assert found.judgement.reason.endswith(
        "here is urllib3 2.8.0, with start-up code (/srv/shop/x.pth), OPENSSL_CONF=/etc/weak.cnf"
    )


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (replace(MADE_ROW, judgement=a_row(DOWN).judgement), FOUND_ROW),
        (MADE_ROW, replace(FOUND_ROW, judgement=a_row(HELD).judgement)),
        (MADE_ROW, replace(FOUND_ROW, client_version="2.8.0")),
        (MADE_ROW, replace(FOUND_ROW, condition=Condition.EMPTY)),
        (
            replace(MADE_ROW, interpreter=replace(SYSTEM, start_up=("/usr/lib/sitecustomize.py",))),
            replace(
                a_row(DOWN, interpreter=replace(SHOP, start_up=("/usr/lib/sitecustomize.py",))),
                client=FOUND_ROW.client,
                client_version="2.8.0",
            ),
        ),
        (MADE_ROW, a_row(DOWN, interpreter=SHOP, client="botocore")),
        (MADE_ROW, replace(FOUND_ROW, interpreter=replace(SHOP, build="another"))),
        (MADE_ROW, replace(FOUND_ROW, interpreter=replace(SHOP, host="web1"))),
        (replace(MADE_ROW, interpreter=replace(SYSTEM, build="")), FOUND_ROW),
    ],
)
def test_nothing_is_told_without_both_facts(made: Row, found: Row) -> None:
    """Another verdict, client, condition, build or host, or no difference, leaves the reason as it was."""
    assert beside_made([made, found]) == (made, found)
