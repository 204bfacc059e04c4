"""Writing a report: all of a run's files, from the same rows, as those who read them expect."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import reports.formats
import reports.formats.captures
import reports.report
from interpreters.interpreter import RUNNING, RunningProcess
from reports.gate import gate
from reports.report import formats, write_report
from reports.verdicts.judge import Verdict
from reports.verdicts.matrix import Matrix, Measured, build_matrix
from reports.verdicts.policy import Policy
from reports.verdicts.remedies import Case, Remedy, RemedyAttempt, Standing
from servers.conditions import Condition
from servers.evidence import EVIDENCE_LIMIT
from servers.protocols import Sender
from servers.tap import Capture, Chunk
from tests.support.builders import (
    LOOSE,
    NOW,
    STRICT,
    TLS1_2,
    Stack,
    a_catalogue,
    a_run,
    an_interpreter,
    by_key,
    failed,
    keys,
    ladder,
    meet,
)

if TYPE_CHECKING:
    from pathlib import Path

CATALOGUE = a_catalogue()
RUN = replace(a_run(CATALOGUE), asked=replace(a_run(CATALOGUE).asked, clients=("ssl",)))
AMBIENT = Condition.AMBIENT


def _measured(name: str, stack: Stack) -> Measured:
    """Return an interpreter whose one client met the whole ladder, with bytes kept of each connection."""
    chunks = [Chunk(1.0, Sender.CLIENT, b"\x16\x03\x01"), Chunk(1.1, Sender.SERVER, b"\x15\x03\x01")]
    cells = (meet(stack, server) for server in ladder(CATALOGUE))
    kept = (replace(c, interpreter=name, captures=(Capture(chunks),)) for c in cells)
    return Measured(an_interpreter(name), {}, tuple(kept))


BROKEN = Measured(an_interpreter("opt_hang", unavailable="it did not say what it is"), {}, ())
"""An interpreter of which there is nothing but the reason."""


HOSTILE = (
    '<script>alert(1)</script>"&`c`{{7*7}}**d** [e](f)\r\n| x | enforced |\n# y'
    "\x1b[31m\x9b1m\0\x07\x0b\x85\u202e\u2028;=a"
)
"""What ends a line, a cell or an element, moves a cursor, or turns text round."""

ESCAPE = "pass every text from elsewhere through the function of reports/formats/escape.py for the format"


def _talking(folder: Path, said: str) -> dict[str, str]:
    """Write a report in which whatever can say anything says this, and return its text files by name."""
    python = replace(an_interpreter("talks", f"3.9.{said}"), path=f"/opt/{said}", openssl=f"OpenSSL {said}")
    mute = replace(an_interpreter("mute", unavailable=f"it says {said}"), path=f"/opt/no {said}")
    refused = replace(meet(LOOSE, CATALOGUE["only_1_1"]), account=failed(f"it says {said}", f"ssl.{said}"))
    heard = [o for o in _measured("talks", LOOSE).observations if o.server != refused.server]
    named = (replace(o, interpreter="talks", client_version=said, urllib3=said) for o in (*heard, refused))
    process = RunningProcess(
        12, said, NOW.isoformat(), f"runs {said}", {"LD_PRELOAD": said}, (f"/lib/{said}",), (f"/lib/{said}",)
    )
    runs = replace(
        mute, id="running_mute", source=RUNNING, variables={"LD_PRELOAD": said}, processes=(process,)
    )
    measured = (
        Measured(python, by_key({"botocore": f"no {said}"}), tuple(named)),
        *(Measured(one, {}, ()) for one in (mute, runs)),
    )
    rows = build_matrix(measured, keys(["ssl", "botocore"]), [AMBIENT], CATALOGUE, TLS1_2)
    (below,) = (row for row in rows if row.verdict is Verdict.DOWNGRADED)
    tried = RemedyAttempt(Remedy.CODE, Standing.FAILED, f"it says {said}", Verdict.DOWNGRADED)
    run = replace(RUN, host=f"host {said}", engine=f"OpenSSL 3 {said}")
    folder.mkdir()
    write_report(
        folder,
        Matrix(run, measured, rows, CATALOGUE),
        Policy(),
        cases=[Case(below, (tried,), held_back=(f"it asks for {said}",))],
    )
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pcapng")
    return {path.name: path.read_bytes().decode() for path in files}


MARKUP = {".md": r"(?<!\\)\||<script", ".html": "<script"}
"""By format, what a text could end a cell or begin an element with; other formats quote it."""


def _form(path: str, text: str) -> tuple[int, int]:
    """Return how many lines a file has (for XML: elements), and how much markup."""
    suffix = PurePath(path).suffix
    if suffix == ".xml":
        return len(list(ET.fromstring(text.encode()).iter())), 0  # noqa: S314  our own
    return text.count("\n"), len(re.findall(MARKUP[suffix], text)) if suffix in MARKUP else 0


@pytest.mark.parametrize("said", [HOSTILE, "\udcff"])
def test_hostile_text_changes_the_form_of_no_file(tmp_path: Path, said: str) -> None:
    """In every file, of whatever format, hostile text adds no line and no character that does not print."""
    hostile, calm = _talking(tmp_path / "hostile", said), _talking(tmp_path / "calm", "calm")
    assert hostile.keys() == calm.keys() > {"matrix.csv", "matrix.md", "matrix.html", "junit.xml"}
    raw = {name: {c for c in text if not c.isprintable()} - {"\n", "\t"} for name, text in hostile.items()}
    assert {name: found for name, found in raw.items() if found} == {}, ESCAPE
    forms = {name: (_form(name, text), _form(name, calm[name])) for name, text in hostile.items()}
    assert {name: both for name, both in forms.items() if both[0] != both[1]} == {}, ESCAPE


def _write(folder: Path, *measured: Measured, all_evidence: bool = False) -> None:
    rows = build_matrix(measured, keys(["ssl"]), [AMBIENT], CATALOGUE, TLS1_2)
    write_report(folder, Matrix(RUN, measured, rows, CATALOGUE), Policy(), all_evidence=all_evidence)


def test_all_files_tell_of_the_same_run(tmp_path: Path) -> None:
    """Observations, matrix, Markdown and provenance are there and agree on run and interpreters."""
    _write(tmp_path, _measured("safe", STRICT), _measured("old", LOOSE), BROKEN)
    lines = [json.loads(line) for line in (tmp_path / "observations.jsonl").read_text().splitlines()]
    assert len(lines) == 2 * len(ladder(CATALOGUE))
    assert {line["interpreter"] for line in lines} == {"safe", "old"}
    matrix = pd.read_csv(tmp_path / "matrix.csv", dtype=str, keep_default_na=False)
    assert matrix["interpreter"].tolist() == ["safe", "old", "opt_hang"]
    assert matrix["verdict"].tolist() == ["enforced", "downgraded", "untestable"]
    provenance = json.loads((tmp_path / "run.json").read_text())
    assert {provenance["run_id"], *matrix["run_id"], *(line["run_id"] for line in lines)} == {RUN.run_id}
    markdown = (tmp_path / "matrix.md").read_text(encoding="utf-8")
    assert markdown.startswith("# TLS floor matrix")
    assert all(name in markdown for name in ("safe", "old", "opt_hang"))


NEW_FORMAT = """
from reports.formats.format import Format

FORMATS = (Format("hosts.txt", "people", lambda report: report.matrix.run.host),)
"""


def test_a_new_format_is_found_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module beside the formats that says that it is one is written with every report."""
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "hosts.py").write_text(NEW_FORMAT)
    monkeypatch.setattr(reports.formats, "__path__", [*reports.formats.__path__, str(tmp_path / "formats")])
    (tmp_path / "run").mkdir()
    _write(tmp_path / "run", _measured("safe", STRICT))
    assert (tmp_path / "run" / "hosts.txt").read_text() == RUN.host


def test_no_two_formats_write_one_file() -> None:
    """Each format has a file of its own: a second of that name would replace the first without a word."""
    files = [form.file for form in formats()]
    assert sorted(set(files)) == files


@pytest.mark.parametrize(("stack", "passes"), [(STRICT, True), (LOOSE, False)])
def test_the_gate_reads_what_was_written(tmp_path: Path, stack: Stack, passes: bool) -> None:  # noqa: FBT001
    """A report of a client that holds the floor passes the gate, one of a client that does not fails it."""
    _write(tmp_path, _measured("one", stack))
    assert gate(tmp_path, now=NOW).passed is passes


def test_a_run_that_found_nothing_is_still_a_report(tmp_path: Path) -> None:
    """Without interpreters every file is there, and the gate fails on it."""
    _write(tmp_path)
    assert (tmp_path / "observations.jsonl").read_text() == ""
    assert "nothing is known" in (tmp_path / "matrix.md").read_text()
    assert not gate(tmp_path, now=NOW).passed


@pytest.mark.parametrize("fits", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_evidence_is_kept_unless_it_is_too_large(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fits: bool,  # noqa: FBT001
    wanted: bool,  # noqa: FBT001
) -> None:
    """One file for each interpreter that made connections, left out only if it is large and not asked for."""
    monkeypatch.setattr(reports.formats.captures, "EVIDENCE_LIMIT", EVIDENCE_LIMIT if fits else 100)
    _write(tmp_path, _measured("one", STRICT), BROKEN, all_evidence=wanted)
    kept = sorted(path.name for path in (tmp_path / "evidence").iterdir())
    assert kept == (["one.pcapng"] if fits or wanted else [])
    for name in kept:
        assert b"one/ssl/only_1_0/ambient" in (tmp_path / "evidence" / name).read_bytes()
