"""A client that runs in a process of its own changes nothing for others, and is ended where it takes too long."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.probing import asked

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

CELLS = ("first", "second", "third")

SLOW = """
import os, time

def version():
    return "1"

def fetch(host, port, cafile, timeout, retries=0):
    if port == 2:
        time.sleep(60)
    if port == 4:
        os._exit(3)
    return {"version": "untold", "cipher": None, "error_text": str(os.getpid())}
"""

PLAIN = SLOW.replace("time.sleep(60)", "pass")


def run(
    ports: dict[str, int], sources: dict[str, str], apart: list[str], **more: float
) -> list[dict[str, Any]]:
    """Return the records of clients of these sources, each on a server for each port."""
    cells = [
        {"client": client, "server": server, "host": "h", "port": port, "cafile": "/c"}
        for client in sources
        for server, port in ports.items()
    ]
    plan = {"timeout": 0.5, "cells": cells, "sources": sources, "apart": apart, **more}
    return asked(sys.executable, f"{json.dumps({'modules': {}})}\n{json.dumps(plan)}\n")


def accounts(said: list[dict[str, Any]], client: str) -> dict[str, dict[str, Any]]:
    """Return what a client told, by server."""
    return {
        one["server"]: one["account"] for one in said if one["kind"] == "account" and one["client"] == client
    }


def test_what_takes_too_long_is_ended_and_the_others_are_measured() -> None:
    """A cell that never ends is cut off, its process too, and the cells behind it are measured in a new one."""
    said = run({"first": 1, "second": 2, "third": 3}, {"slow": SLOW}, ["slow"])
    told = accounts(said, "slow")
    assert [told[name]["outcome"] for name in CELLS] == ["connected", "failed", "connected"]
    assert told["second"]["error_text"] == "cut off after 1 s: the client neither answered nor gave up"
    assert told["first"]["error_text"] != told["third"]["error_text"]
    assert said[-1] == {"kind": "end"}


def test_a_process_that_does_not_start_has_the_patience_of_the_plan() -> None:
    """A client whose import takes longer than the plan's patience cannot be had, and one that is quicker can."""
    late = f"import time; time.sleep(2)\n{PLAIN}"
    assert accounts(run({"first": 1}, {"late": late}, ["late"], patience=0.5), "late") == {}
    assert accounts(run({"first": 1}, {"late": late}, ["late"], patience=30), "late").keys() == {"first"}


def test_a_process_that_dies_costs_one_cell() -> None:
    """Where the client ends its process, the cell says so, and the next has a new process."""
    told = accounts(run({"first": 4, "second": 1}, {"slow": SLOW}, ["slow"]), "slow")
    assert told["first"]["outcome"] == "failed"
    assert told["first"]["error_text"] == "the client's own process ended"
    assert told["second"]["outcome"] == "connected"


def test_what_is_not_apart_shares_the_probes_process() -> None:
    """Two clients have one process, and a third has another that its own cells share."""
    said = run({"first": 1, "second": 3}, {"a": PLAIN, "b": PLAIN, "c": PLAIN}, ["c"])
    pids = {name: {one["error_text"] for one in accounts(said, name).values()} for name in "abc"}
    assert pids["a"] == pids["b"] != pids["c"]
    assert len(pids["a"]) == len(pids["c"]) == 1


@pytest.mark.parametrize(
    ("source", "known"),
    [
        (f"import wave\n{PLAIN}", True),
        # What a process that was ended has loaded nobody knows.
        (SLOW, False),
        # Nor what it has read by another configuration than it was given.
        (f"import os\nos.environ['OPENSSL_CONF'] = '/other.cnf'\n{PLAIN}", False),
    ],
    ids=["it reaches its end", "it is ended", "it sets another configuration"],
)
def test_what_is_loaded_apart_is_told_with_the_rest(source: str, *, known: bool) -> None:
    """The probe's end has the files that clients' own processes loaded, too, or says that they are not known."""
    said = run({"first": 1, "second": 2}, {"beside": PLAIN, "alone": source}, ["alone"], loaded=True)
    assert said[-1]["kind"] == "end"
    loaded = said[-1]["loaded"]
    assert (loaded is not None) is known
    assert not known or {"/wave.py", "/json/__init__.py"} <= {
        path.removeprefix(os.path.dirname(os.__file__)) for path in loaded
    }


def test_what_is_looked_for_is_told_whether_or_not_it_is_there() -> None:
    """The probe's end has the modules that any client's process looked for, and those that were there before."""
    looks = f"try:\n    import nonesuch_here\nexcept ImportError:\n    import wave\n{PLAIN}"
    sources = {"beside": looks, "alone": looks.replace("here", "apart")}
    (end,) = [one for one in run({"first": 1}, sources, ["alone"], loaded=True) if one["kind"] == "end"]
    assert {"nonesuch_here", "nonesuch_apart", "wave", "json"} <= set(end["sought"])


def test_a_client_that_cannot_be_imported_is_told_once() -> None:
    """Where the file raises, that is why, and nobody waits for cells."""
    said = run({"first": 1, "second": 3}, {"ill": "raise ImportError('too old')"}, ["ill"])
    (told,) = [one for one in said if one["kind"] == "client"]
    assert (told["version"], told["error_text"]) == (None, "too old")
    assert not accounts(said, "ill")
    assert said[-1] == {"kind": "end"}


def test_a_process_that_never_begins_costs_the_client_alone() -> None:
    """A client that ends its process while it is imported has no cells for that reason; others have theirs."""
    said = run({"first": 1}, {"dead": "import os; os._exit(1)", "good": PLAIN}, ["dead"])
    (told,) = [one for one in said if one["kind"] == "client" and one["client"] == "dead"]
    assert told["version"] is None
    assert "before it began with a cell" in told["error_text"]
    assert accounts(said, "good")["first"]["outcome"] == "connected"


@pytest.mark.parametrize("starved", [True, False])
def test_a_process_without_a_processor_has_its_time(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, *, starved: bool
) -> None:
    """What comes after the limit is waited for as long as the process had no processor, and else is not."""
    apart = passenger("apart")
    lines: queue.Queue[str] = queue.Queue()
    threading.Timer(0.6, lines.put, ["late"]).start()
    if starved:
        monkeypatch.setattr(apart, "waited", lambda pid: time.monotonic())
        assert apart._next(lines, 1, 0.1) == "late"
    else:
        monkeypatch.setattr(apart, "waited", lambda pid: 0.0)
        with pytest.raises(queue.Empty):
            apart._next(lines, 1, 0.1)
