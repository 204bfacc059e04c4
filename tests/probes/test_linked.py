"""A real interpreter tells which shared libraries of OpenSSL it has loaded."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.support.checkout import ROOT

from interpreters.hardening.checks import LINKED, MARK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from interpreters.locate import Candidate


def test_the_mark_is_the_one_that_is_looked_for(passenger: Callable[[str], ModuleType]) -> None:
    """The script and its reader agree on how the line begins."""
    assert passenger("linked").MARK == MARK
    assert LINKED == ROOT / "probes" / "linked.py"


def linked(python: Path) -> list[str] | None:
    """Return what an interpreter says it has loaded."""
    said = subprocess.run([python, LINKED], stdout=subprocess.PIPE, check=True, text=True).stdout
    (line,) = [line for line in said.splitlines() if line.startswith(MARK)]
    found: list[str] | None = json.loads(line.removeprefix(MARK))
    return found


@pytest.mark.e2e
def test_real_interpreters_tell_what_they_are_linked_to(pythons: tuple[Candidate, ...]) -> None:
    """The system's own Python is linked to the system's OpenSSL, which `ldd` says as well."""
    system = [one for one in pythons if one.source == "system"]
    if not system:
        pytest.skip("no system Python was found: one in /usr/bin enables this")
    found = linked(system[0].path)
    assert found
    module = subprocess.run(
        [system[0].path, "-c", "import _ssl; print(getattr(_ssl, '__file__', ''))"],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout.strip()
    told = subprocess.run(
        ["ldd", module or system[0].path], stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    assert any(path.rpartition("/")[2] in told for path in found)


def test_a_statically_linked_interpreter_has_none(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of all that a process has mapped, only shared libraries of OpenSSL count."""
    module = passenger("linked")
    maps = tmp_path / "maps"
    monkeypatch.setattr(module, "open", lambda _: maps.open(), raising=False)
    other = "7f00-7f01 r-xp 0000 fe:00 1   /usr/lib/libz.so.1\n7f00-7f01 rw-p 0000 00:00 0\n"
    maps.write_text(other + "7f00-7f01 r-xp 0000 fe:00 1   /opt/x/lib/python3.11/lib-dynload/_ssl.so\n")
    assert module.loaded() == []
    maps.write_text(other + "7f00-7f01 r-xp 0000 fe:00 1   /usr/lib/libssl.so.3\n" * 2)
    assert module.loaded() == ["/usr/lib/libssl.so.3"]
