"""Runs a command that may hang, crash or leave children behind, and always takes all of it down again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def run(command: Sequence[str | Path], environment: Mapping[str, str], limit: float) -> tuple[int, str]:
    """Return the exit status (negative: the signal it died of) and what it printed, both streams mixed.

    Raises OSError if it cannot be started and subprocess.TimeoutExpired after `limit` seconds.
    """
    # Output goes to a file: a grandchild that outlives the command would keep a pipe open.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            process_group=0,
        )
        try:
            status = process.wait(limit)
        finally:
            # The whole group, because a wrapper script may have started something that still runs.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return status, output.read().decode(errors="replace")
