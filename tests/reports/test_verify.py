"""verify: of a run as it was written everything follows; each edit of any file of it is caught, and named."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import shutil
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from docs.example import make
from interpreters.regular import LIMIT
from reports.files import BEGUN, SUMS, publish, sha256
from reports.formats.format import AwsAccount
from reports.gate import gate
from reports.merge import merge, merge_cases, read_parts
from reports.report import write_report
from reports.verdicts.policy import read_policy
from reports.verdicts.scope import Scope
from reports.verify import interfaces, read_again, same_tool, verify
from servers.protocols import Sender
from servers.tap import Capture, Chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from reports.verdicts.matrix import Matrix
    from reports.verdicts.observations import Observation
    from reports.verdicts.remedies import Case


def _captured(seen: Observation) -> Observation:
    """Return an observation with the bytes of its hellos as they passed, which the stored run is without."""
    captures = tuple(
        Capture([Chunk(1.0, sender, bytes.fromhex(hello)) for sender, hello in hellos if hello])
        for wire in seen.wire
        for hellos in [((Sender.CLIENT, wire.client_hello), (Sender.SERVER, wire.server_hello))]
    )
    return replace(seen, captures=captures)


KEPT = ("pyenv_3_8_18", "pyenv_3_9_18")
"""The interpreters of the example's run that are enough here."""


def _write(reports: Path, matrix: Matrix, cases: Sequence[Case] | None) -> Path:
    """Publish a run under the example's policy, let the gate decide, and return its folder."""
    policy = read_policy(make.POLICY)
    reports.mkdir(exist_ok=True)
    with publish(matrix.run.run_id, reports) as folder:
        write_report(folder, matrix, policy, cases=cases, aws=AwsAccount("123456789012", "eu-central-1"))
    latest = (reports / "latest").resolve()
    gate(latest, make.POLICY, dt.datetime.fromisoformat(matrix.run.ended))
    return latest


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """Return what a run with captures came to: that of the example, in some of its interpreters."""
    matrix = make.rebuild(tmp_path_factory.mktemp("example"))
    measured = tuple(
        replace(one, observations=tuple(map(_captured, one.observations)))
        for one in matrix.measured
        if one.interpreter.id in KEPT
    )
    rows = tuple(row for row in matrix.rows if row.interpreter.id in KEPT)
    return replace(matrix, measured=measured, rows=rows)


@pytest.fixture(scope="module")
def written(matrix: Matrix, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run as the tool leaves it: with captures, and the gate's record."""
    cases = [case for case in make.stored_run().cases or () if case.row.interpreter.id in KEPT]
    return _write(tmp_path_factory.mktemp("reports"), matrix, cases)


@pytest.fixture(scope="module")
def merged(matrix: Matrix, written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a report of two machines, with the same interpreters, and of a silent one."""
    other = replace(matrix, run=replace(matrix.run, host="ssh:other/1", run_id="20261129T111428Z-0002"))
    folders = [written, _write(tmp_path_factory.mktemp("other"), other, None)]
    parts = read_parts(folders)
    own = replace(matrix.run, run_id="20261129T120000Z-0003-merge", controls={})
    later = "2026-11-29T12:00:00+00:00"
    own = replace(own, started=later, ended=later, scope=Scope(commit=matrix.run.scope.commit))
    own = replace(own, asked=replace(own.asked, only=("*",)))
    whole = merge(parts, ["silent"], own)
    return _write(tmp_path_factory.mktemp("merged"), whole, merge_cases(parts))


@pytest.fixture
def run(written: Path, tmp_path: Path) -> Path:
    """Return a copy of that folder, for an edit."""
    return shutil.copytree(written, tmp_path / "run")


def _sum_again(folder: Path) -> None:
    """Let SHA256SUMS fit what is there now, as whoever edits with care would."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def test_of_a_run_as_it_was_written_everything_follows(run: Path) -> None:
    """Nothing is found in what the tool wrote itself, nor where its hashes were made again."""
    assert verify(run) == []
    _sum_again(run)
    assert verify(run) == []


def _in_json(file: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    """Return an edit of a JSON file that keeps its form."""

    def edit(folder: Path) -> None:
        document = json.loads((folder / file).read_text(encoding="utf-8"))
        change(document)
        indent = {"matrix.json": 1}.get(file, 2)
        (folder / file).write_text(json.dumps(document, indent=indent) + "\n", encoding="utf-8")

    return edit


def _in_lines(change: Callable[[list[Any]], object]) -> Callable[[Path], None]:
    """Return an edit of the observations that keeps their form."""

    def edit(folder: Path) -> None:
        file = folder / "observations.jsonl"
        cells = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        change(cells)
        file.write_text("".join(f"{json.dumps(cell)}\n" for cell in cells), encoding="utf-8")

    return edit


def _in_text(file: str, old: str, new: str) -> Callable[[Path], None]:
    """Return an edit of words in a file, which must be in it."""

    def edit(folder: Path) -> None:
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def _row(document: Any, client: str = "ssl", interpreter: str = "pyenv_3_8_18") -> Any:
    return next(
        one for one in document["verdicts"] if (one["interpreter"], one["client"]) == (interpreter, client)
    )


def _cell(document: Any, server: str = "tls1_0_rsa") -> Any:
    return next(one for one in document["cells"] if one["server"] == server and one["outcome"] == "connected")


def _first(cells: list[Any], server: str = "tls1_0_rsa") -> Any:
    return next(cell for cell in cells if cell["server"] == server and cell["wire"][0]["server_version"])


def _without(document: Any, interpreter: str) -> None:
    """Take an interpreter out of each part of a matrix.json."""
    for part in ("interpreters", "verdicts", "cells"):
        document[part] = [one for one in document[part] if one["interpreter"] != interpreter]


EDITS: dict[str, tuple[Callable[[Path], object], str]] = {
    # matrix.json
    "verdict": (_in_json("matrix.json", lambda d: _row(d).update(verdict="enforced")), "verdict is enforced"),
    "verdict hidden": (
        _in_json("matrix.json", lambda d: _row(d).update(verdict="inconclusive")),
        "verdict is",
    ),
    "lowest version": (
        _in_json("matrix.json", lambda d: _row(d).update(lowest_negotiated="TLSv1.2")),
        "lowest",
    ),
    "highest version": (
        _in_json("matrix.json", lambda d: _row(d).update(highest_negotiated=None)),
        "highest",
    ),
    "offer": (_in_json("matrix.json", lambda d: _row(d).update(offered="TLSv1.2 TLSv1.3")), "offered"),
    "holder": (_in_json("matrix.json", lambda d: _row(d).update(held_by="build")), "held_by"),
    "reason": (_in_json("matrix.json", lambda d: _row(d).update(reason="all is well")), "reason"),
    "client version": (
        _in_json("matrix.json", lambda d: _row(d).update(client_version="9")),
        "client_version",
    ),
    "urllib3": (_in_json("matrix.json", lambda d: _row(d, "urllib3").update(urllib3="9.9")), "urllib3"),
    "page check": (_in_json("matrix.json", lambda d: _row(d).update(page_check="broken")), "page_check"),
    "hello": (_in_json("matrix.json", lambda d: _row(d).update(hello=None)), "hello"),
    "groups": (_in_json("matrix.json", lambda d: d["hellos"][0]["groups"].pop()), "matrix.json"),
    "cell": (
        _in_json(
            "matrix.json", lambda d: _cell(d).update(outcome="rejected", negotiated=None, below_floor=False)
        ),
        "cell of tls1_0_rsa",
    ),
    "cell's version": (
        _in_json("matrix.json", lambda d: _cell(d).update(negotiated="TLSv1.2")),
        "cell of tls1_0_rsa",
    ),
    "cell's offer": (
        _in_json("matrix.json", lambda d: _cell(d).update(offered=["TLSv1.2"])),
        "cell of tls1_0_rsa",
    ),
    "dropped row": (
        _in_json(
            "matrix.json",
            lambda d: [
                d.update(
                    {
                        part: [
                            one
                            for one in d[part]
                            if (one["interpreter"], one["client"]) != ("pyenv_3_8_18", "ssl")
                        ]
                    }
                )
                for part in ("verdicts", "cells")
            ],
        ),
        "no row of pyenv_3_8_18/ssl",
    ),
    "dropped interpreter": (_in_json("matrix.json", lambda d: _without(d, "pyenv_3_8_18")), "pyenv_3_8_18"),
    "floor": (_in_json("matrix.json", lambda d: d.update(floor="TLSv1.1")), "matrix.json"),
    "control": (
        _in_json("matrix.json", lambda d: d["runs"][0]["servers"][0]["control"].update(passed=False)),
        "matrix.json",
    ),
    "truncated document": (lambda f: _cut(f / "matrix.json"), "matrix.json"),
    # The other files of the report
    "matrix.csv": (_in_text("matrix.csv", "downgraded", "enforced"), "matrix.csv"),
    "row of matrix.csv": (lambda f: _drop_line(f / "matrix.csv", 3), "matrix.csv"),
    "matrix.md": (_in_text("matrix.md", "downgraded", "enforced"), "matrix.md"),
    "matrix.html": (_in_text("matrix.html", "downgraded", "enforced"), "matrix.html"),
    "junit.xml": (_in_text("junit.xml", "failure", "passed"), "junit.xml"),
    "run.json": (_in_json("run.json", lambda d: d["standings"].update(downgraded=0)), "run.json"),
    "metrics.prom": (_in_text("metrics.prom", "downgraded", "enforced"), "metrics.prom"),
    "gate.json": (
        _in_json(
            "gate.json", lambda d: next(r for r in d["rows"] if r["fate"] == "fails").update(fate="passes")
        ),
        "gate.json",
    ),
    "gate's message": (
        _in_json("gate.json", lambda d: d.update(message="all is well")),
        "gate.json, message",
    ),
    "gate's notices": (_in_json("gate.json", lambda d: d.update(notices=[])), "gate.json, notices"),
    "gate's doubts": (_in_json("gate.json", lambda d: d.update(doubts=["none"])), "gate.json, doubts"),
    "gate's scope": (_in_json("gate.json", lambda d: d["scope"].pop()), "gate.json, scope"),
    "gate's policy": (
        _in_json("gate.json", lambda d: d["policy"].update(max_age=900)),
        "under another policy",
    ),
    "gate's row": (_in_json("gate.json", lambda d: d["rows"].pop()), "gate.json, rows"),
    "gate's time": (
        _in_json("gate.json", lambda d: d.update(decided="2027-11-29T00:00:00+00:00")),
        "gate.json, doubts",
    ),
    "gate that passed": (
        _in_json("gate.json", lambda d: d.update(kind="passed", exit_code=0, passed=True)),
        "gate.json",
    ),
    "finding": (_in_text("securityhub.json", "HIGH", "LOW"), "securityhub.json"),
    "account": (_in_text("securityhub.json", "123456789012", "210987654321"), "securityhub.json"),
    "inventory": (_in_text("cbom.cdx.json", "downgraded", "enforced"), "cbom.cdx.json"),
    "configuration": (_in_text("floor-tls1_2.cnf", "TLSv1.2", "TLSv1"), "floor-tls1_2.cnf"),
    "record of the gate": (lambda f: (f / "gate.json").write_text("{}"), "gate.json has schema version None"),
    "remedies": (lambda f: (f / "remedies.json").write_text("{}"), "remedies.json has schema version None"),
    "bytes of matrix.md": (lambda f: (f / "matrix.md").write_bytes(b"\xff"), "matrix.md"),
    "swapped file": (lambda f: shutil.copyfile(f / "run.json", f / "matrix.json"), "matrix.json"),
    # The observations
    "wire's version": (
        _in_lines(lambda cells: _first(cells)["wire"][0].update(server_version="TLSv1.2")),
        "tls1_0_rsa",
    ),
    "client's account": (
        _in_lines(lambda cells: _first(cells)["account"].update(outcome="failed", version=None)),
        "tls1_0_rsa",
    ),
    "hello in the log": (
        _in_lines(
            lambda cells: _first(cells)["wire"][0].update(
                client_hello=cells[-1]["wire"][0]["client_hello"][:40] + "00" * 90
            )
        ),
        "a hello is not in",
    ),
    "dropped cell": (_in_lines(lambda cells: cells.remove(_first(cells))), "tls1_0_rsa"),
    "cell twice": (_in_lines(lambda cells: cells.append(_first(cells))), "tls1_0_rsa"),
    "truncated log": (lambda f: _cut(f / "observations.jsonl"), "observations.jsonl"),
    "shortened log": (
        _in_lines(lambda cells: cells.__delitem__(slice(-9, None))),
        "of which observations.jsonl has nothing",
    ),
    "foreign cell": (_in_lines(lambda cells: cells[0].update(interpreter="nobody")), "nobody"),
    # The captures
    "swapped captures": (
        lambda f: shutil.copyfile(f / "evidence/pyenv_3_9_18.pcapng", f / "evidence/pyenv_3_8_18.pcapng"),
        "evidence/pyenv_3_8_18.pcapng",
    ),
    "truncated capture": (lambda f: _cut(f / "evidence" / "pyenv_3_8_18.pcapng"), "pyenv_3_8_18.pcapng"),
}
"""Edits by what is edited, and a word of the sentence that names it."""


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _drop_line(file: Path, number: int) -> None:
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:number] + lines[number + 1 :]), encoding="utf-8")


@pytest.mark.parametrize("name", EDITS)
def test_each_edit_is_caught_and_named(run: Path, name: str) -> None:
    """Even where the hashes were made again, an edit does not follow from the rest."""
    edit, word = EDITS[name]
    edit(run)
    _sum_again(run)
    found = verify(run)
    assert any(word in problem for problem in found), found


def test_of_a_merged_report_everything_follows(merged: Path) -> None:
    """Machines with the same interpreters, one with remedies, and a silent one, are judged again."""
    assert verify(merged) == []
    assert read_again(merged).run.host == "workstation, ssh:other/1, silent"
    captures = {path.relative_to(merged).as_posix() for path in merged.glob("evidence/*/*")}
    folders = ("1-workstation", "2-ssh%3Aother%2F1")
    assert captures == {f"evidence/{folder}/{name}.pcapng" for folder in folders for name in KEPT}


def test_of_remedies_in_a_found_environment_everything_follows(matrix: Matrix, tmp_path: Path) -> None:
    """What is installed in an environment, on which its remedies rest, is known to the report, merged too."""

    def listed(one: Interpreter) -> Interpreter:
        return replace(one, distributions_sha256="d" * 64)

    measured = tuple(replace(one, interpreter=listed(one.interpreter)) for one in matrix.measured)
    rows = tuple(replace(one, interpreter=listed(one.interpreter)) for one in matrix.rows)
    cases = [
        replace(case, row=replace(case.row, interpreter=listed(case.row.interpreter)))
        for case in make.stored_run().cases or ()
        if case.row.interpreter.id in KEPT
    ]
    run = _write(tmp_path / "run", replace(matrix, rows=rows, measured=measured), cases)
    assert verify(run) == []
    parts = read_parts([run])
    own = replace(matrix.run, run_id="20261129T120000Z-0003-merge", controls={}, scope=Scope())
    merged = _write(tmp_path / "merged", merge(parts, ["silent"], own), merge_cases(parts))
    for folder in (run, merged):
        told = json.loads((folder / "remedies.json").read_text(encoding="utf-8"))["rows"]
        assert {row["distributions_sha256"] for row in told} == {"d" * 64}


def test_of_what_was_merged_twice_everything_follows(matrix: Matrix, tmp_path: Path) -> None:
    """A merged report with a silent machine, merged with another run, keeps captures and silence."""
    runs = [replace(matrix.run, host=name, run_id=name) for name in ("a", "b")]
    first, second = (_write(tmp_path / run.host, replace(matrix, run=run), None) for run in runs)
    own = replace(matrix.run, run_id="c-merge", controls={}, scope=Scope())
    once = _write(tmp_path / "once", merge(read_parts([first]), ["silent"], own), None)
    parts = read_parts([once, second])
    twice = _write(tmp_path / "twice", merge(parts, ["later"], replace(own, run_id="d-merge")), None)
    assert verify(twice) == []
    assert read_again(twice).run.host == "a, b, later, silent"
    assert {path.parent.name for path in twice.glob("evidence/*/*")} == {"1-a", "2-b"}


def _last(entries: list[Any]) -> Any:
    """Return the last entry that is of the second machine."""
    return next(one for one in reversed(entries) if one["run_id"] == "20261129T111428Z-0002")


OF_MERGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "verdict": (
        _in_json("matrix.json", lambda d: _last(d["verdicts"]).update(verdict="enforced")),
        "ssh:other/1: pyenv_3_9_18/botocore/ambient: verdict is enforced",
    ),
    "version": (
        _in_json("matrix.json", lambda d: _last(d["verdicts"]).update(lowest_negotiated="TLSv1.2")),
        "ssh:other/1: pyenv_3_9_18/botocore/ambient: lowest",
    ),
    "cell": (
        _in_json("matrix.json", lambda d: _last(d["cells"]).update(outcome="held", negotiated=None)),
        "ssh:other/1: pyenv_3_9_18/botocore/ambient: the cell of",
    ),
    "row": (
        _in_json("matrix.json", lambda d: d["verdicts"].remove(_last(d["verdicts"]))),
        "and not 20261129T111428Z-0002/pyenv_3_9_18/botocore/ambient among its verdicts",
    ),
    "machine": (
        _in_json("matrix.json", lambda d: _of_one(d, lambda one: one["run_id"] != "20261129T111428Z-0002")),
        "has cells of the run 20261129T111428Z-0002, which matrix.json does not know",
    ),
    "silent machine": (
        _in_json("matrix.json", lambda d: _of_one(d, lambda one: "missing" not in one["run_id"])),
        "run.json",
    ),
    "reason of the silent": (_in_text("matrix.csv", "did not report", "is well"), "matrix.csv"),
    "swapped machines": (
        _in_lines(lambda cells: [cell.update(run_id="20261129T111428Z-0002") for cell in cells]),
        "workstation: pyenv_3_8_18/ssl/ambient: verdict is downgraded",
    ),
    "swapped file": (lambda f: shutil.copyfile(f / "run.json", f / "matrix.json"), "matrix.json"),
    "truncated log": (lambda f: _cut(f / "observations.jsonl"), "observations.jsonl"),
    "dropped cell": (
        _in_lines(lambda cells: cells.remove(_last(cells))),
        "2-ssh%3Aother%2F1/pyenv_3_9_18.pcapng",
    ),
    "capture": (
        lambda f: _cut(f / "evidence" / "2-ssh%3Aother%2F1" / "pyenv_3_9_18.pcapng"),
        "2-ssh%3Aother%2F1/pyenv_3_9_18.pcapng",
    ),
}
"""The same of a report of several machines, of whose second one something is edited."""


def _of_one(document: Any, keep: Callable[[Any], bool]) -> None:
    """Leave in a matrix.json what is of the runs to keep."""
    for part in ("runs", "interpreters", "verdicts", "cells"):
        document[part] = list(filter(keep, document[part]))


@pytest.mark.parametrize("name", OF_MERGED)
def test_each_edit_of_a_merged_report_is_caught_and_named(merged: Path, tmp_path: Path, name: str) -> None:
    """An edit names the machine that it is of."""
    edit, word = OF_MERGED[name]
    run = shutil.copytree(merged, tmp_path / "run")
    edit(run)
    _sum_again(run)
    found = verify(run)
    assert any(word in problem for problem in found), found


def test_what_a_later_run_cast_doubt_on_follows(run: Path) -> None:
    """That a later run broke off, or still measures, the gate saw, and no file of this run knows."""
    ended = dt.datetime.fromisoformat(json.loads((run / "run.json").read_text(encoding="utf-8"))["ended"])
    later = ended + dt.timedelta(hours=1)
    (run / "gate.json").unlink()
    folder = shutil.copytree(run, run.parent / "reports" / "latest")
    for name, running in (("broken", False), ("running", True)):
        mark = folder.parent / f"{BEGUN}{name}"
        mark.write_text(later.isoformat(), encoding="utf-8")
        with mark.open() as held:
            if running:
                fcntl.flock(held, fcntl.LOCK_EX)
            gate(folder, make.POLICY, later)
    assert "broken" in (folder / "gate.json").read_text(encoding="utf-8")
    assert "still measures" in (folder / "gate.json").read_text(encoding="utf-8")
    assert verify(folder) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "partial = true\nmax_age = 9\n",
            "gate.json was decided under another policy than matrix.json names",
        ),
        ("fial = 1\n", "gate.json decided nothing (policy.toml: unknown key 'fial'"),
    ],
)
def test_a_policy_that_changed_after_measuring_is_one_sentence(run: Path, text: str, said: str) -> None:
    """Whoever wrote a policy for a run that was there, or a wrong one, is told that, and what to do."""
    ended = dt.datetime.fromisoformat(json.loads((run / "run.json").read_text(encoding="utf-8"))["ended"])
    (policy := run.parent / "policy.toml").write_text(text)
    gate(run, policy, ended)
    (found,) = verify(run)
    assert found.startswith(said)
    assert found.endswith("and pack anew")


def test_a_hash_that_was_not_made_again_tells(run: Path) -> None:
    """Whoever edits without care is caught by SHA256SUMS as well."""
    _in_text("matrix.csv", "downgraded", "enforced")(run)
    assert f"matrix.csv is not the file that {SUMS} has the hash of" in verify(run)


def test_there_are_thirty_edits() -> None:
    """The list of edits does not shrink unseen."""
    assert len(EDITS) >= 30


@pytest.mark.parametrize(("change", "word"), [("missing", "is not there"), ("more", "is not listed")])
def test_what_is_missing_or_added_is_named(run: Path, change: str, word: str) -> None:
    """A file that went, and one that came, are named by the list of hashes."""
    if change == "missing":
        (run / "junit.xml").unlink()
    else:
        (run / "more.txt").write_text("more")
    assert [word in problem for problem in verify(run)] == [True]


def test_a_file_of_any_size_is_not_hashed(run: Path) -> None:
    """A sparse file in a file's place is a sentence, at once."""
    with (run / "matrix.html").open("r+b") as file:
        file.truncate(LIMIT * 60)
    (problem,) = (one for one in verify(run, same_tool=False) if "html" in one)
    assert problem == f"matrix.html cannot be read: it has more than {LIMIT} bytes"


def test_another_tools_texts_are_not_held(run: Path) -> None:
    """By another version of the tool words may differ: verdicts and cells are held all the same."""
    _in_text("matrix.md", "downgraded", "enforced")(run)
    _sum_again(run)
    assert verify(run, same_tool=False) == []
    EDITS["verdict"][0](run)
    assert any("verdict is enforced" in problem for problem in verify(run, same_tool=False))


def test_the_tool_is_told_by_its_commit(run: Path, merged: Path, tmp_path: Path) -> None:
    """A run tells by which commit it is, with all that it is merged of; what cannot say is taken for ours."""
    commit = json.loads((run / "run.json").read_text(encoding="utf-8"))["scope"]["commit"]
    assert (same_tool(run, commit), same_tool(run, "f" * 40)) == (True, False)
    assert same_tool(merged, commit)
    mixed = shutil.copytree(merged, tmp_path / "mixed")
    _in_json("run.json", lambda d: d["parts"][0]["scope"].update(commit="f" * 40))(mixed)
    assert not same_tool(mixed, commit)
    (run / "run.json").unlink()
    assert same_tool(run, "f" * 40)


def test_a_capture_that_makes_no_sense_has_no_cells() -> None:
    """Whatever bytes are in a capture, its reader comes to an end."""
    assert interfaces(b"") == interfaces(bytes(40)) == interfaces(b"\xff" * 40) == set()
    assert interfaces(struct.pack("<II", 1, 1000) + bytes(10)) == set()
