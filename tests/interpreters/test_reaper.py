"""What the reaper makes of what it was told: which groups and folders are left at the end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from interpreters.reaper import VARIABLE, bearers, bears, open_ends
from tests.support.processes import killed_at_the_end


@pytest.mark.parametrize(
    ("told", "left"),
    [
        (b"", (set(), set())),
        (b"+ 12\n+ 13\n- 12\n+ /a b\n", ({"13"}, {"/a b"})),
        (b"+ 12\n+ /a\n- /a\n- 12\n", (set(), set())),
        (b"+ 12\n.\n", None),
        (b"+ 12\n.", None),
        (b"+ 1x\n+ a/b\n+ \n-\n+ 12", ({"12"}, set())),
    ],
)
def test_what_is_left_is_what_nobody_took_back(told: bytes, left: tuple[set[str], set[str]] | None) -> None:
    """Only numbers are groups and absolute paths folders; a full stop says that all is in order."""
    assert open_ends(told.splitlines(keepends=True)) == left


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux shows this")
def test_a_mark_is_found_by_its_beginning() -> None:
    """A process bears the mark that it was started with, and no other that begins alike and goes on."""
    marked = subprocess.Popen(["sleep", "600"], env={**os.environ, VARIABLE: "ab12.3."})
    with killed_at_the_end(marked) as process:
        assert process.pid in set(bearers("ab12.3."))
        assert process.pid in set(bearers("ab12"))
        assert process.pid not in set(bearers("ab12.30."))
        assert not bears(process.pid, b"VARIABLE=ab12")
