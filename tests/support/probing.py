"""Runs what stands in probes/ in a real interpreter, or says what a made-up one would."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.identify import MARK
from interpreters.process_environment import sanitized_environment
from runs.probe import MARK as PROBE_MARK
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def says(facts: object) -> str:
    """Return a shell command that prints an identity as the script inside a real interpreter would."""
    return f"printf '%s\\n' {shlex.quote(MARK + json.dumps(facts))}"


def records(said: str) -> list[dict[str, Any]]:
    """Return the records that the passenger program printed, as the one that reads them does."""
    lines = [line.strip() for line in said.splitlines()]
    return [json.loads(line.removeprefix(PROBE_MARK)) for line in lines if line.startswith(PROBE_MARK)]


def both_lines(
    cells: Sequence[Mapping[str, Any]],
    timeout: float = 5,
    modules: Mapping[str, Sequence[str]] | None = None,
    **more: Any,
) -> str:
    """Return what the passenger program reads: the question, and the plan whatever its answer is.

    `more` is what else the plan has: see probes/__main__.py.
    """
    question = {"modules": dict(modules or {})}
    plan = {"timeout": timeout, "cells": cells, "snippets": {}, "sources": {}, **more}
    return f"{json.dumps(question)}\n{json.dumps(plan)}\n"


def board(
    python: Path | str,
    cells: list[dict[str, Any]],
    timeout: float = 5,
    folder: Path = ROOT / "probes",
    **more: Any,
) -> list[dict[str, Any]]:
    """Run the passenger program through cells in a real interpreter and return its records."""
    return asked(python, both_lines(cells, timeout, **more), folder)


def asked(python: Path | str, lines: str, folder: Path = ROOT / "probes") -> list[dict[str, Any]]:
    """Run the passenger program on these lines in a real interpreter and return its records."""
    done = subprocess.run(
        [python, folder],
        input=lines,
        env={**sanitized_environment(os.environ, Path("/nowhere")), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return records(done.stdout)
