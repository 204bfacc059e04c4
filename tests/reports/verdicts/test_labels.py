"""Labels: each subject is read by what tells a person where it is, and no two by the same."""

from __future__ import annotations

from dataclasses import replace

from reports.verdicts.judge import Verdict
from reports.verdicts.labels import label, place, versioned
from tests.support.builders import a_program, a_row, an_environment, an_interpreter

POETRY = "/home/somebody/.cache/pypoetry/virtualenvs/inventory-service-9TtSrW0h-py3.11"


def test_each_kind_of_subject_is_named_by_what_tells_it() -> None:
    """Interpreters and programs are read by their ids, what was found by where it is."""
    site = replace(an_environment("/usr"), id="site_system_3_11", path="/usr/bin/python3.11")
    there = replace(site, id="system_3_11")
    process = replace(an_environment("/srv/shop"), id="running_shop", source="running")
    about = [
        an_interpreter("pyenv_3_9_18"),
        a_program("curl"),
        an_environment("/srv/shop"),
        site,
        there,
        process,
    ]
    assert list(map(place, about)) == [
        "pyenv_3_9_18",
        "program_curl",
        "/srv/shop",
        "packages of /usr/bin/python3.11",
        "/usr/bin/python3.11",
        "running_shop in /srv/shop",
    ]


def test_an_environment_with_several_ways_in_is_named_by_the_way() -> None:
    """Where another Python of it starts something else, neither may stand for the whole environment."""
    usual = an_environment("/srv/shop")
    other = replace(usual, path="/srv/shop/bin/python3", other_ways=(usual.path,))
    usual = replace(usual, other_ways=(other.path,))
    assert [*map(place, (usual, other))] == ["/srv/shop/bin/python", "/srv/shop/bin/python3"]


def test_in_a_merged_report_the_host_is_named() -> None:
    """The same environment on two hosts has one place, and a label for each."""
    one, two = (replace(an_environment("/srv/shop"), host=host) for host in ("web1", "web2"))
    assert place(one) == place(two)
    assert [label(one), label(two)] == ["/srv/shop on web1", "/srv/shop on web2"]


def test_a_client_has_its_version_unless_its_interpreter_has_the_same() -> None:
    """The standard library's version is that of its Python, which is said already."""
    row = a_row(Verdict.ENFORCED, client="urllib3")
    assert versioned(row) == "urllib3 1.26.20"
    assert versioned(replace(row, client_version=row.interpreter.version)) == "urllib3"
    assert versioned(replace(row, client_version="")) == "urllib3"
