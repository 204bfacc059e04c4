"""What passed the wire, as files for Wireshark below a report: their names, and how they are written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import quote

from interpreters.regular import read_regular
from servers.evidence import EVIDENCE_LIMIT, build_evidence

if TYPE_CHECKING:
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from reports.verdicts.matrix import Matrix
    from reports.verdicts.observations import Run

EVIDENCE = "evidence"

LONGEST_HOST = 100
"""Letters of a machine's name in that of a folder, which takes 255 bytes."""


def write_captures(folder: Path, matrix: Matrix, *, everything: bool = False) -> None:
    """Write what passed the wire, a file for each interpreter: bytes of Wireshark's format, not a text."""
    (folder / EVIDENCE).mkdir()
    for subject in matrix.measured:
        file = folder / evidence_name(matrix.run, subject.interpreter)
        connections = [(seen.id, capture) for seen in subject.observations for capture in seen.captures]
        limit = math.inf if everything else EVIDENCE_LIMIT
        if connections and (built := build_evidence(connections, limit)):
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(built)
        elif subject.evidence and subject.evidence.is_file():
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(read_regular(subject.evidence))


def evidence_name(run: Run, interpreter: Interpreter) -> str:
    """Return the name below a report of an interpreter's capture; each of several machines has a folder."""
    folder = captures_folder(*run.numbered(interpreter)) if run.parts else EVIDENCE
    return f"{folder}/{capture_name(interpreter)}"


def captures_folder(number: int, run: Run) -> str:
    """Return the name below a report of the folder with the captures of one of its machines, by its number.

    Names from another machine's files stay names, whatever is in them.
    """
    return f"{EVIDENCE}/{number}-{quote(run.host, safe='')[:LONGEST_HOST]}"


def capture_name(interpreter: Interpreter) -> str:
    """Return the name of an interpreter's capture in its folder."""
    return f"{quote(interpreter.id, safe='')}.pcapng"
