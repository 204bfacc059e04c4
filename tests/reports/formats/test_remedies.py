"""The files about remedies: all that was tried, for scripts, and the configuration that is advised."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reports.formats.records import RecordError
from reports.formats.remedies import read_remedies
from reports.formats.remedies_document import build_remedies_markdown
from reports.verdicts.floor_file import FloorFile
from reports.verdicts.judge import Verdict
from reports.verdicts.remedies import Case, Origin, Remedy, RemedyAttempt, Standing
from tests.support.builders import TLS1_2, a_catalogue, a_row, a_run
from tests.support.schemas import validator
from tests.support.written import write_remedies

if TYPE_CHECKING:
    from pathlib import Path

RUN = a_run(a_catalogue(), host="a|host")
DOWN, HELD = Verdict.DOWNGRADED, Verdict.ENFORCED
FILE = FloorFile("floor-tls1_2.cnf", "a = b\n")
HELPED = RemedyAttempt(Remedy.CODE, Standing.ADVISED, "never went below", HELD, ("import ssl", "floor()"))
CONFIGURED = RemedyAttempt(Remedy.CONFIGURATION, Standing.ADVISED, "never went below", HELD, ("a = b",), FILE)
UNTRIED = RemedyAttempt(Remedy.BUILD, Standing.IDLE, "there is no recipe")
EARLIER = Origin("20261101T000000Z-aaaa", "2026-11-01T00:00:09+00:00")
CASES = (
    Case(a_row(DOWN, "one", "ssl"), (CONFIGURED, HELPED, UNTRIED)),
    Case(a_row(DOWN, "two", "ssl"), (replace(CONFIGURED, standing=Standing.FAILED, file=None, lines=()),)),
    Case(a_row(DOWN, "three", "ssl"), (HELPED,), EARLIER, ("one asks for two<3",)),
)


def test_the_files_are_written(tmp_path: Path) -> None:
    """The configuration is the very one that was tried, and JSON and Markdown stand beside it."""
    write_remedies(tmp_path, CASES, RUN)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "floor-tls1_2.cnf",
        "remedies.json",
        "remedies.md",
    ]
    assert (tmp_path / FILE.name).read_text() == FILE.text
    assert (tmp_path / "remedies.md").read_text() == build_remedies_markdown(CASES, RUN, TLS1_2)
    document = json.loads((tmp_path / "remedies.json").read_text())
    validator("remedies.json").validate(document)
    first, second, third = document["rows"]
    assert first["remedies"][0] == {
        "remedy": "openssl.cnf",
        "standing": "advised",
        "said": "never went below",
        "verdict": "enforced",
        "lines": ["a = b"],
        "file": {"name": "floor-tls1_2.cnf", "text": "a = b\n", "folder": "/etc/ssl", "owner": ""},
        "unit": "",
    }
    assert (second["remedies"][0]["standing"], second["remedies"][0]["file"]) == ("tried and failed", None)
    assert [(one["run_id"], one["ended"]) for one in (first, third)] == [
        (RUN.run_id, RUN.ended),
        (EARLIER.run_id, EARLIER.ended),
    ]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Every case comes back as it was, those of an earlier run with their origin."""
    write_remedies(tmp_path, CASES, RUN)
    assert read_remedies(tmp_path / "remedies.json", RUN, [case.row for case in CASES]) == CASES


def test_a_name_that_is_not_ours_is_not_read(tmp_path: Path) -> None:
    """A file's name goes into commands and paths, so one that we would not give is a broken record."""
    write_remedies(tmp_path, CASES, RUN)
    path = tmp_path / "remedies.json"
    path.write_text(path.read_text().replace(FILE.name, "../../x;reboot"))
    with pytest.raises(RecordError, match="no name of a configuration"):
        read_remedies(path, RUN, [case.row for case in CASES])


def test_a_merged_report_has_no_configuration_beside_it(tmp_path: Path) -> None:
    """Two machines' files may have one name, so there they are in what is to be copied alone."""
    write_remedies(tmp_path, CASES, replace(RUN, parts=(RUN,)))
    assert not list(tmp_path.glob("*.cnf"))
    assert "a = b" in (tmp_path / "remedies.md").read_text()
