"""Sessions: what a run that was refused leaves behind."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import runs.places
import runs.sessions
from interpreters.locate import SelectionError
from interpreters.own_clients import ClientFileError
from interpreters.places import PlaceError
from interpreters.tables import TableError
from reports.files import begun, marks
from runs.unfinished import ResumeError
from servers.engine import EngineError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("error", "began"),
    [
        *((refusal, False) for refusal in (SelectionError, PlaceError, TableError, ClientFileError)),
        (ResumeError, False),
        (EngineError, True),
        (OSError, True),
    ],
)
def test_a_question_that_is_refused_began_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception], *, began: bool
) -> None:
    """A place without a sense leaves no mark of a later run; a run that could not measure leaves one."""

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(runs.sessions, "begun", partial(begun, reports=tmp_path))
    monkeypatch.setattr(runs.sessions, "_refuse_unpublishable", lambda _: None)
    monkeypatch.setattr(runs.places, "measure_places", refuse)
    options = SimpleNamespace(conditions=(), place=("nowhere",), places=())
    job: Any = SimpleNamespace(run_id="one", options=options, settings=lambda _: None)
    with pytest.raises(error):
        runs.sessions.matrix(job)
    assert [mark.run_id for mark in marks(tmp_path)] == ["one"] * began
