"""Edits of a report on its way to the gate, by whoever wants another answer than was measured."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any

from interpreters.errors import FloorError
from reports.files import SUMS, write_sums
from reports.gate import gate, read_report
from reports.merge import merge, read_parts
from reports.verdicts.contradictions import standings_of
from reports.verdicts.decision import GateOutcome
from tests.faults.fault import Family, Fault
from tests.faults.inputs import sparse
from tests.support.builders import a_catalogue, a_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.faults.ground import Ground


def _failing(document: dict[str, Any]) -> dict[str, str]:
    """Return what tells the first row that goes below the floor from others."""
    row = next(row for row in document["verdicts"] if row["verdict"] == "downgraded")
    return {"interpreter": row["interpreter"], "client": row["client"]}


def set_verdicts(document: dict[str, Any], **changes: Any) -> None:
    """Change facts of all rows."""
    for verdict in document["verdicts"]:
        verdict.update(changes)


def _enforce(document: dict[str, Any]) -> None:
    set_verdicts(document, verdict="enforced", lowest_negotiated="TLSv1.2", held_by="code")


def _cells(document: dict[str, Any], **changes: Any) -> None:
    for cell in document["cells"]:
        if cell["below_floor"]:
            cell.update(changes)


def _drop(document: dict[str, Any], part: str, **facts: str) -> None:
    document[part] = [
        entry for entry in document[part] if any(entry[name] != fact for name, fact in facts.items())
    ]


def _drop_both(document: dict[str, Any], **facts: str) -> None:
    for part in ("verdicts", "cells"):
        _drop(document, part, **facts)


def _forget_server(document: dict[str, Any]) -> None:
    _drop(document, "cells", server="tls1_0_rsa")
    _drop(document["runs"][0], "servers", server="tls1_0_rsa")


def _server(document: dict[str, Any], **changes: Any) -> None:
    for server in document["runs"][0]["servers"]:
        if server["server"].startswith("tls1_0"):
            server.update(changes)


def _all_controls_fail(document: dict[str, Any]) -> None:
    _enforce(document)
    for server in document["runs"][0]["servers"]:
        server["control"]["passed"] = False


def _controls_fail_everywhere(document: dict[str, Any]) -> None:
    _all_controls_fail(document)
    for cell in document["cells"]:
        cell["control_passed"] = False


def _second_row(document: dict[str, Any]) -> None:
    document["verdicts"].append({**document["verdicts"][0], "verdict": "enforced"})


EDITS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "verdicts set to enforced": (_enforce, "said to be enforced, and its cells make it downgraded"),
    "one word of the verdict": (
        lambda document: set_verdicts(document, verdict="enforced"),
        "said to be enforced, and its cells make it downgraded",
    ),
    "called fragile": (
        lambda document: set_verdicts(document, verdict="fragile"),
        "said to be fragile, and its cells make it downgraded",
    ),
    "called untestable, which a policy may let pass": (
        lambda document: set_verdicts(document, verdict="untestable", held_by=None),
        "said to be untestable, and its cells make it downgraded",
    ),
    "another lowest version": (
        lambda document: set_verdicts(document, lowest_negotiated="TLSv1.2"),
        "have TLSv1.2 as its lowest version, and its cells have TLSv1",
    ),
    "another holder": (lambda document: set_verdicts(document, held_by="build"), "said to be held by build"),
    "all cells deleted": (lambda document: document.update(cells=[]), "has no cell for"),
    "the bad cells deleted": (
        lambda document: document.update(cells=[c for c in document["cells"] if not c["below_floor"]]),
        "has no cell for",
    ),
    "a failing row deleted, its cells kept": (
        lambda document: _drop(document, "verdicts", **_failing(document)),
        "it has cells of ",
    ),
    "a failing row deleted with its cells": (
        lambda document: _drop_both(document, **_failing(document)),
        "under ambient was asked for, and has no verdict",
    ),
    "all rows of an interpreter deleted": (
        lambda document: _drop_both(document, interpreter=_failing(document)["interpreter"]),
        "among its interpreters, and no verdict of it",
    ),
    "cells no longer below the floor": (
        lambda document: _cells(document, below_floor=False),
        "and says below_floor False",
    ),
    "cells said to be not offered": (
        lambda document: _cells(document, outcome="not offered"),
        "as negotiated",
    ),
    "cells without a version": (
        lambda document: _cells(document, negotiated=None),
        "connected, with no version",
    ),
    "controls of all servers failed": (_all_controls_fail, "has another word on the control than its run"),
    "controls of the bad cells failed": (
        lambda document: _cells(document, control_passed=False),
        "has another word on the control than its run",
    ),
    "cells that count although the control failed": (
        _controls_fail_everywhere,
        "and its server's control failed",
    ),
    "another floor": (lambda document: document.update(floor="TLSv1"), "was measured against TLSv1.2"),
    "a server forgotten": (_forget_server, "the server tls1_0_rsa of its catalogue is not among those"),
    "a server of another role": (
        lambda document: _server(document, role="page"),
        "is not the one of that name in its catalogue",
    ),
    "a server that speaks more": (
        lambda document: _server(document, protocols=["TLSv1", "TLSv1.1", "TLSv1.2"]),
        "is not the one of that name in its catalogue",
    ),
    "a second verdict of one row": (_second_row, "twice in verdicts"),
    "a second run of one id": (
        lambda document: document["runs"].append(document["runs"][0]),
        "twice in runs",
    ),
}
"""By what they are: edits of matrix.json, with what the gate has to say of them."""


def _again(folder: Path, document: dict[str, Any]) -> None:
    """Write a matrix so that all beside it agrees: what it counts, and the hashes of all files."""
    (folder / "matrix.json").write_text(json.dumps(document))
    summary = json.loads((folder / "run.json").read_text())
    summary.update(standings=dict(standings_of(document)), standings_found={})
    (folder / "run.json").write_text(json.dumps(summary))
    (folder / SUMS).unlink()
    write_sums(folder)


def _no_hash(folder: Path) -> None:
    text = (folder / "matrix.json").read_text()
    (folder / "matrix.json").write_text(text.replace('"downgraded"', '"enforced"'))


def _later(folder: Path) -> None:
    """Set the time of a run that is a month old to now, in one of the two files that have it."""
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(re.sub(r'("ended": ")[^"]*', r"\g<1>2020-01-01T00:00:00+00:00", text))
    (folder / SUMS).unlink()
    write_sums(folder)


def _counts(folder: Path) -> None:
    summary = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**summary, "standings": {"enforced": 9}}))
    (folder / SUMS).unlink()
    write_sums(folder)


def _instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return what puts something else in a file's place."""

    def edit(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return edit


DAMAGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "unhashed": ("verdicts edited, and the hashes left as they were", _no_hash),
    "time": ("a run's time set to another in run.json", _later),
    "counts": ("other verdicts counted in run.json", _counts),
    **{
        f"{name.partition('.')[0].lower()}-{kind}": (f"{what} in the place of {name}", _instead(name, make))
        for name in ("matrix.json", "run.json", SUMS)
        for kind, what, make in (
            ("pipe", "a pipe", os.mkfifo),
            ("folder", "a folder", lambda path: path.mkdir()),
            ("sparse", "a sparse file of 60 GB", sparse),
            ("device", "a link to /dev/zero", lambda path: path.symlink_to("/dev/zero")),
            ("bytes", "bytes that are no text", lambda path: path.write_bytes(b"\xff\xfe\0" * 99)),
        )
    },
    "matrix-gone": ("no matrix.json", lambda folder: (folder / "matrix.json").unlink()),
    "matrix-empty": ("an empty matrix.json", _instead("matrix.json", lambda path: path.write_text(""))),
    "matrix-deep": (
        "100,000 brackets for matrix.json",
        _instead("matrix.json", lambda path: path.write_text("[" * 100_000)),
    ),
    "schema": (
        "a schema version that is no number",
        _instead("matrix.json", lambda path: path.write_text('{"schema_version": true}')),
    ),
    "record": ("a folder in the place of gate.json", _instead("gate.json", lambda path: path.mkdir())),
    "policy-pipe": ("a pipe for a policy", _instead("policy.toml", os.mkfifo)),
    "policy-deep": (
        "a policy nested 5,000 deep",
        _instead("policy.toml", lambda path: path.write_text("a = " + "[" * 5000)),
    ),
    "policy-key": (
        "a policy with a key that there is not",
        _instead("policy.toml", lambda path: path.write_text("let_pass = true")),
    ),
    "baseline": (
        "a policy whose baseline is the run itself",
        _instead("policy.toml", lambda path: path.write_text('new_only = "matrix.json"')),
    ),
}
"""By name: what is done to the files of a run, and how."""


def _copied(ground: Ground) -> Path:
    """Return a copy of the healthy run's folder."""
    assert ground.healthy
    folder = ground.folder / "edited"
    shutil.rmtree(folder, ignore_errors=True)
    return shutil.copytree(ground.report, folder)


def _decided(folder: Path) -> tuple[GateOutcome, str]:
    decision = gate(folder, folder / "policy.toml", dt.datetime.now(dt.UTC))
    return decision.kind, decision.message


def _edited(name: str, ground: Ground) -> Sequence[str]:
    folder = _copied(ground)
    if (kind := _decided(folder)[0]) is GateOutcome.ERROR:
        msg = f"the gate calls the report as it was measured {kind}"
        raise RuntimeError(msg)
    edit, words = EDITS[name]
    document = json.loads((folder / "matrix.json").read_text())
    edit(document)
    _again(folder, document)
    kind, message = _decided(folder)
    found = [] if kind is GateOutcome.ERROR else [f"the gate says {kind}: {message}"]
    return found if words in message or "cannot be believed" in message else [*found, f"it says {message!r}"]


def _damaged(name: str, ground: Ground) -> Sequence[str]:
    folder = _copied(ground)
    DAMAGES[name][1](folder)
    kind, message = _decided(folder)
    return (
        []
        if kind in (GateOutcome.ERROR, GateOutcome.INCONCLUSIVE) and message
        else [f"the gate says {kind}: {message}"]
    )


def _in_other(act: Callable[[Path, Path], Sequence[str]], ground: Ground) -> Sequence[str]:
    """Hand a report whose verdicts were edited to something else that reads reports."""
    folder = _copied(ground)
    document = json.loads((folder / "matrix.json").read_text())
    _enforce(document)
    _again(folder, document)
    try:
        return act(folder, ground.report)
    except FloorError as error:
        return [] if "cannot be believed" in str(error) else [f"it says {error}"]


def _merged(edited: Path, original: Path) -> list[str]:
    """Merge: its rows are judged again, whatever the edited ones say."""
    ours, theirs = (
        {
            (row.interpreter.id, str(row.client)): row.verdict
            for row in merge(read_parts([folder]), [], a_run(a_catalogue(), "merger")).rows
        }
        for folder in (original, edited)
    )
    return [f"{key} is {verdict}" for key, verdict in theirs.items() if verdict is not ours[key]]


def _compared(edited: Path, original: Path) -> list[str]:
    """Compare, as the session does: whatever it says of an edited run would be wrong."""
    for folder in (original, edited):
        read_report(folder / "matrix.json", "compare another run")
    return ["the edited run is compared"]


def slug(text: str) -> str:
    """Return a fault's name for what an edit is."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


FAMILY = Family(
    "edits",
    "the gate does not pass, and a sentence says what does not fit; who edits keeps hashes and counts right",
    (
        *(Fault(slug(name), f"{name}, in matrix.json", functools.partial(_edited, name)) for name in EDITS),
        *(Fault(name, what, functools.partial(_damaged, name)) for name, (what, _) in DAMAGES.items()),
        Fault(
            "merged", "verdicts set to enforced, in a part of a merge", functools.partial(_in_other, _merged)
        ),
        Fault(
            "compared",
            "verdicts set to enforced, in a run that is compared",
            functools.partial(_in_other, _compared),
        ),
    ),
)
