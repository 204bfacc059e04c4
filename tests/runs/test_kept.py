"""Remedies last: what one run tried later runs show, until something that it rests on has changed."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import ClientKey
from reports.files import publish
from reports.verdicts.floor_file import FloorFile
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Matrix
from reports.verdicts.remedies import Case, Origin, Remedy, RemedyAttempt, Standing
from runs.kept import KEPT_FOLDER, keep, kept_cases
from tests.support.builders import TLS1_3, a_catalogue, a_program, a_row, a_run, an_interpreter
from tests.support.written import write_remedies

if TYPE_CHECKING:
    from pathlib import Path

    from reports.verdicts.matrix import Row

DOWN, FRAGILE, HELD = Verdict.DOWNGRADED, Verdict.FRAGILE, Verdict.ENFORCED
CATALOGUE = a_catalogue()
OLD = replace(a_run(CATALOGUE), run_id="20261101T000000Z-aaaa", ended="2026-11-01T00:00:09+00:00")
NEW = a_run(CATALOGUE)
ORIGIN = Origin(OLD.run_id, OLD.ended)
TODAY = dt.date(2026, 11, 28)
FILE = FloorFile("floor-tls1_2.cnf", "a = b\n")
CONFIGURED = RemedyAttempt(Remedy.CONFIGURATION, Standing.ADVISED, "it held", HELD, ("x",), FILE)
NOBODY = RemedyAttempt(Remedy.INTERPRETER, Standing.IDLE, "no interpreter of this run holds TLS 1.2 with it")
ROW = a_row(DOWN, "one", "ssl")


def _matrix(*rows: Row, run: object = NEW) -> Matrix:
    return Matrix(run, (), rows, CATALOGUE)  # type: ignore[arg-type]


def _tried(reports: Path, *cases: Case, run: object = OLD) -> Path:
    """Publish what a run tried."""
    with publish(f"{run.run_id}-remedy", reports) as folder:  # type: ignore[attr-defined]
        write_remedies(folder, cases or [Case(ROW, (CONFIGURED, NOBODY))], run)  # type: ignore[arg-type]
    return reports / "latest"


def test_what_was_tried_is_kept_with_its_origin(tmp_path: Path) -> None:
    """A later run has the same attempts for the same row, and says which run they are from, and so on."""
    _tried(tmp_path)
    cases = kept_cases(_matrix(ROW), TODAY, tmp_path)
    assert cases == (Case(ROW, (CONFIGURED, NOBODY), ORIGIN),)
    # That run is removed as too old, and what it found is carried on by one that only measured.
    with publish(NEW.run_id, tmp_path, kept=1) as folder:
        write_remedies(folder, cases or (), NEW)
    later = replace(NEW, run_id="20261201T000000Z-bbbb")
    assert kept_cases(_matrix(ROW, run=later), TODAY, tmp_path) == cases


def test_the_newest_counts(tmp_path: Path) -> None:
    """Of two runs that tried the same, the later one's words are kept."""
    _tried(tmp_path)
    newer = replace(OLD, run_id="20261102T000000Z-aaaa")
    _tried(tmp_path, Case(ROW, (replace(CONFIGURED, said="again"),)), run=newer)
    (case,) = kept_cases(_matrix(ROW), TODAY, tmp_path) or ()
    assert (case.attempts[0].said, case.origin and case.origin.run_id) == ("again", newer.run_id)


ONE = ROW.interpreter
CHANGES = {
    "rebuilt": replace(ROW, interpreter=replace(ONE, build="x" * 16)),
    "moved": replace(ROW, interpreter=replace(ONE, path="/elsewhere/python")),
    "in an environment": replace(ROW, interpreter=replace(ONE, environment="/its/own")),
    "another library": replace(ROW, interpreter=replace(ONE, openssl="OpenSSL 3.0.20")),
    "another configuration": replace(ROW, interpreter=replace(ONE, openssl_conf="/x.cnf")),
    "edited": replace(ROW, interpreter=replace(ONE, openssl_conf_sha256="d" * 64)),
    "another release": replace(ROW, client_version="2.0"),
    "another urllib3": replace(ROW, urllib3="2.0"),
    "other packages": replace(ROW, interpreter=replace(ONE, distributions_sha256="e" * 64)),
    "another client": replace(ROW, client=ClientKey.parse("botocore")),
    "another interpreter": replace(ROW, interpreter=replace(ONE, id="two")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_has_to_be_tried_again(tmp_path: Path, change: str) -> None:
    """Where the interpreter, its library, its configuration or the client is another, nothing is kept."""
    _tried(tmp_path)
    assert kept_cases(_matrix(CHANGES[change]), TODAY, tmp_path) is None
    both = kept_cases(_matrix(ROW, CHANGES[change]), TODAY, tmp_path)
    assert both == (Case(ROW, (CONFIGURED, NOBODY), ORIGIN), Case(CHANGES[change], ()))


def test_an_unknown_build_may_be_any(tmp_path: Path) -> None:
    """An executable that could not be read cannot be known to be the same."""
    unknown = replace(ROW, interpreter=replace(ONE, build=""))
    _tried(tmp_path, Case(unknown, (CONFIGURED,)))
    assert kept_cases(_matrix(unknown), TODAY, tmp_path) is None


@pytest.mark.parametrize(
    "run",
    [
        replace(NEW, host="elsewhere"),
        replace(NEW, asked=replace(NEW.asked, floor=TLS1_3)),
        replace(NEW, parts=(NEW,)),
    ],
)
def test_another_machine_or_floor_has_nothing_kept(tmp_path: Path, run: object) -> None:
    """What was tried elsewhere, or for another floor, says nothing here; a merged report has its own."""
    _tried(tmp_path)
    assert kept_cases(_matrix(ROW, run=run), TODAY, tmp_path) is None


def test_what_needs_no_remedy_has_none(tmp_path: Path) -> None:
    """Rows that hold the floor by now, and programs, have no case; without any there are no remedies."""
    _tried(tmp_path)
    program = a_row(DOWN, client="curl", interpreter=a_program("curl"))
    assert kept_cases(_matrix(replace(ROW, judgement=a_row(HELD).judgement)), TODAY, tmp_path) is None
    assert kept_cases(_matrix(program), TODAY, tmp_path) is None
    assert len(kept_cases(_matrix(program, ROW), TODAY, tmp_path) or ()) == 1
    assert kept_cases(_matrix(), TODAY, tmp_path) is None


def test_another_interpreter_is_looked_for_in_this_run(tmp_path: Path) -> None:
    """Which interpreter holds is measured again, so what an earlier run said of it does not count."""
    _tried(tmp_path)
    holds = a_row(HELD, interpreter=an_interpreter("two", "3.13.0"))
    (case,) = kept_cases(_matrix(ROW, holds), TODAY, tmp_path) or ()
    assert case.attempts[1].standing is Standing.ADVISED
    assert case.attempts[1].said.startswith("held in this run by two")
    (later,) = kept_cases(_matrix(ROW, holds), dt.date(2030, 1, 1), tmp_path) or ()
    assert later.attempts[1].said == "not two, at its end of life since 2029-10-31"


@pytest.mark.parametrize("text", ["", "[]", "{", json.dumps({"schema_version": 99})])
def test_a_broken_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    """What cannot be read is passed over, and an older run's counts."""
    _tried(tmp_path)
    with publish("20261103T000000Z-cccc", tmp_path) as folder:
        (folder / "remedies.json").write_text(text)
    assert kept_cases(_matrix(ROW), TODAY, tmp_path)


def test_an_entry_that_is_broken_is_passed_over(tmp_path: Path) -> None:
    """An entry without what every entry has is as good as none."""
    latest = _tried(tmp_path)
    document = json.loads((latest / "remedies.json").read_text())
    del document["rows"][0]["remedies"][0]["said"]
    (latest / "remedies.json").write_text(json.dumps(document))
    assert kept_cases(_matrix(ROW), TODAY, tmp_path) is None


def test_the_files_stay_where_no_run_replaces_them(tmp_path: Path) -> None:
    """After the run that tried is removed its files are still there, and its findings are still kept."""
    keep(_tried(tmp_path), tmp_path)
    with publish("20261103T000000Z-cccc", tmp_path, kept=1):
        pass
    kept = tmp_path / KEPT_FOLDER
    assert {path.name for path in kept.iterdir()} == {"floor-tls1_2.cnf", "remedies.json", "remedies.md"}
    assert (kept / FILE.name).read_text() == FILE.text
    assert kept_cases(_matrix(ROW), TODAY, tmp_path) == (Case(ROW, (CONFIGURED, NOBODY), ORIGIN),)
