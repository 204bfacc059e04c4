"""The atlas: its lines follow from the reports of runs, and its page and the README from its lines."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docs import atlas
from interpreters.clients import clients
from reports.verdicts.judge import HeldBy
from servers.protocols import LADDER, Protocol

if TYPE_CHECKING:
    from pathlib import Path

LOW, MIDDLE, HIGH = "TLSv1", "TLSv1.2", "TLSv1.3"
LINE = atlas.Line(
    *(LOW, "nothing", "ssl", "3.11.2", "OpenSSL 3.0.19", "an openssl.cnf raises it to TLSv1.2"),
    *("system_3_11 3.11.2", "made", "Debian 12", "2026-11-29"),
)


@pytest.mark.parametrize(
    ("ambient", "permissive", "hardened", "said"),
    [
        (LOW, LOW, LOW, atlas.NOTHING),
        (MIDDLE, MIDDLE, MIDDLE, atlas.NOTHING),
        (LOW, LOW, MIDDLE, "an openssl.cnf raises it to TLSv1.2"),
        (MIDDLE, LOW, MIDDLE, "an openssl.cnf lowers it to TLSv1"),
        (MIDDLE, LOW, HIGH, "an openssl.cnf raises it to TLSv1.3; an openssl.cnf lowers it to TLSv1"),
    ],
)
def test_what_moves_a_client_shows_by_comparison(
    ambient: str, permissive: str, hardened: str, said: str
) -> None:
    """What differs between the conditions moves it; where one of them tells nothing, nothing is said."""
    lowest = {"ambient": ambient, "permissive": permissive, "hardened": hardened}
    assert atlas.moved(lowest) == said
    for condition in lowest:
        assert atlas.moved({name: version for name, version in lowest.items() if name != condition}) == ""


def _report(folder: Path) -> Path:
    """Write what the atlas reads of a report: the client `x`, and `y` of which nothing is known."""
    facts = {
        "run_id": "20261129T120000Z-0000",
        **dict.fromkeys(("host", "environment", "interpreter", "version", "client", "client_version"), "x"),
        "tls_library": "OpenSSL 3",
        "held_by": "code",
        "verdict": "enforced",
        "lowest_negotiated": MIDDLE,
    }
    rows = [facts | {"condition": word} for word in ("ambient", "permissive", "hardened")]
    # What is inconclusive may have connected somewhere.
    rows.append(facts | {"client": "y", "condition": "ambient", "verdict": "inconclusive"})
    with (folder / "matrix.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (folder / "run.json").write_text(json.dumps({"scope": {"distribution": "Debian 12"}}))
    return folder


def test_a_line_is_what_a_report_has(tmp_path: Path) -> None:
    """A client has one line of all its conditions; one of which nothing is known has none."""
    (line,) = atlas.lines_of(_report(tmp_path))
    known = (line.client, line.lowest, line.moved_by, line.python, line.system, line.measured)
    assert known == ("x", MIDDLE, atlas.NOTHING, "x x", "Debian 12", "2026-11-29")
    assert atlas.read(atlas.as_csv([line])) == [line]


@pytest.mark.parametrize(("words", "kept"), [(["--add"], {"ssl", "x"}), ([], {"x"})])
def test_a_report_replaces_the_atlas_or_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], kept: set[str]
) -> None:
    """With --add the lines of a further client stand beside those that are there, without it alone."""
    for name in ("CSV", "PAGE", "README"):
        monkeypatch.setattr(atlas, name, tmp_path / name)
    atlas.CSV.write_text(atlas.as_csv([LINE]))
    atlas.README.write_text("<!-- atlas -->\n<!-- end -->\n")
    atlas.main([*words, str(_report(tmp_path))])
    assert {line.client for line in atlas.read(atlas.CSV.read_text())} == kept
    assert all(f"| `{name}` " in path.read_text() for name in kept for path in (atlas.PAGE, atlas.README))


def test_the_worst_are_the_lowest_of_which_nothing_can_be_moved() -> None:
    """Each client counts once, with its lowest; what no configuration moves is worse."""
    stuck = replace(LINE, client="awscrt", moved_by=atlas.NOTHING)
    better = [replace(LINE, client=f"c{number}", lowest=MIDDLE) for number in range(9)]
    elsewhere = replace(stuck, python="system_3_13 3.13.5")
    found = atlas.worst([stuck, elsewhere, LINE, replace(LINE, lowest=HIGH), *better])
    assert found[:3] == [stuck, elsewhere, LINE]
    assert len({line.client for line in found}) == atlas.WORST
    assert len(atlas.table(found).splitlines()) == 2 + atlas.WORST


def test_the_page_and_the_readme_follow_from_the_atlas() -> None:
    """What is in the repository is what `python docs/atlas.py` writes."""
    lines = atlas.read(atlas.CSV.read_text(encoding="utf-8"))
    assert atlas.PAGE.read_text(encoding="utf-8") == atlas.page(lines)
    readme = atlas.README.read_text(encoding="utf-8")
    assert atlas.SPACE.search(readme)
    assert atlas.filled(readme, lines) == readme


def test_the_atlas_speaks_of_clients_that_there_are() -> None:
    """Each line is about a client of ours, at a version of the ladder, held by what holds."""
    for line in atlas.read(atlas.CSV.read_text(encoding="utf-8")):
        assert line.client in clients()
        assert Protocol(line.lowest) in LADDER
        HeldBy(line.held_by)
        assert line.client_version


SETS_ITS_OWN = frozenset(
    {
        *("gevent_requests", "minio", "niquests", "requests", "smart_open", "urllib3", "urllib3_future"),
        *("pip_legacy_certs", "pip_trusted_host", "truststore_injected"),
    }
)
"""Clients on Python's TLS in which urllib3 2, or what took it over, sets TLS 1.2 where Python sets none."""

ASKS_FOR_LESS = frozenset({"curl_cffi_browsers"})
"""A client whose own TLS is asked for less by a name that an application may give."""


def lowest_by_causes(line: atlas.Line) -> str:
    """Return how low a client goes by who sets a minimum for it, on a Python that has urllib3 2."""
    if "native" in clients()[line.client].groups or line.client in ("pyopenssl", "pyopenssl_bare"):
        own = line.tls_library.startswith("the AWS CRT") or line.client in ASKS_FOR_LESS
        return LOW if own else MIDDLE
    # Debian's Python sets none, from 3.10 on all others do.
    return LOW if line.python.startswith("system_") and line.client not in SETS_ITS_OWN else MIDDLE


def test_each_line_is_what_its_causes_demand() -> None:
    """Where clients were installed as they are now, each goes as low as whoever sets its minimum lets it."""
    lines = [line for line in atlas.read(atlas.CSV.read_text(encoding="utf-8")) if line.environment == "made"]
    new = [line for line in lines if [int(n) for n in line.python.split()[-1].split(".")[:2]] >= [3, 10]]
    assert {line.lowest for line in new} == {LOW, MIDDLE}
    wrong = [line for line in new if line.lowest != lowest_by_causes(line)]
    assert wrong == [], "where another cause sets their minimum, say so in SETS_ITS_OWN or ASKS_FOR_LESS"
