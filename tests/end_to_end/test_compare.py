"""`nox -s compare` as a person runs it: what changed between two runs is named with its cause."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from servers.conditions import Condition, configuration
from servers.protocols import Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e


def _compared(checkout: Checkout) -> tuple[str, dict[str, dict[str, Any]]]:
    """Compare the last two runs; return what was printed, and the changes by client."""
    status, said = checkout.nox("-s", "compare")
    assert status == 0, said
    found = json.loads((checkout.latest / "compare.json").read_text(encoding="utf-8"))
    assert (checkout.latest / "compare.md").is_file()
    return said, {change["client"]: change for change in found["changes"]}


def _sources(change: dict[str, Any]) -> set[str]:
    return {cause["source"] for cause in change["causes"]}


def test_an_upgraded_client_is_named(checkout: Checkout, loose: Interpreter) -> None:
    """A botocore that is another between two runs is named with both versions, and nothing else is."""
    name = loose.id
    before = checkout.measure("--only", name, "--botocore", "1.33.13")
    after = checkout.measure("--only", name)
    old, new = (matrix[name, "botocore"]["client_version"] for matrix in (before, after))
    assert old == "1.33.13" != new
    said, changes = _compared(checkout)
    assert f"botocore is {new}, before {old}" in said
    assert _sources(changes["botocore"]) <= {"client", "urllib3"}
    assert changes["botocore"]["kind"] == "changed"
    assert "ssl" not in changes


@dataclass(frozen=True)
class ThreeRuns:
    """What `compare` said of three runs of one path."""

    unconfigured: tuple[str, dict[str, dict[str, Any]]]
    """What was printed, and the changes by client, after the configuration was gone."""
    swapped: tuple[str, dict[str, dict[str, Any]]]
    """The same after another interpreter was put behind the path."""
    turned: str
    """What is printed where the last two runs are named the other way round."""
    kept: int
    """How many runs are kept after the last one, which keeps two."""
    hardened: Path


@pytest.fixture(scope="module")
def three_runs(
    checkout: Checkout,
    loose: Interpreter,
    strict: Interpreter,
    tmp_path_factory: pytest.TempPathFactory,
) -> ThreeRuns:
    """Measure a path under a configuration, then without that, then with another interpreter behind it."""
    folder = tmp_path_factory.mktemp("compared")
    path = folder / "swapped" / "bin" / "python3"
    path.parent.mkdir(parents=True)
    hardened = folder / "hardened.cnf"
    hardened.write_text(configuration(Condition.HARDENED, Protocol.TLSV1_2))
    words = ("--interpreter", str(path), "--only", "given_*", "--clients", "ssl")

    def measure(interpreter: Interpreter, *more: str, **changes: str) -> None:
        # Not a copy: an executable that finds its library beside it, as conda's does, starts nowhere else.
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(interpreter.path)} "$@"\n')
        path.chmod(0o755)
        rows = checkout.measure(*words, *more, **changes)
        assert [row["version"] for row in rows.values()] == [interpreter.version]

    measure(loose, OPENSSL_CONF=str(hardened))
    measure(loose)
    unconfigured = _compared(checkout)
    measure(strict, "--keep", "2")
    swapped = _compared(checkout)
    history = sorted(one.name for one in (checkout.folder / "reports" / "history").glob("[0-9]*"))
    status, turned = checkout.nox("-s", "compare", "--", history[-1], history[-2])
    assert status == 0, turned
    return ThreeRuns(unconfigured, swapped, turned, len(history), hardened)


def test_a_swapped_interpreter_is_named(
    three_runs: ThreeRuns, loose: Interpreter, strict: Interpreter
) -> None:
    """Another build behind the same path is named, and that verdicts are better for it."""
    said, changes = three_runs.swapped
    rebuilt = f"the interpreter was rebuilt or replaced (Python {strict.version}, before {loose.version})"
    assert rebuilt in said
    assert (changes["ssl"]["kind"], changes["ssl"]["interpreter"]) == ("better", "given_swapped")
    assert "interpreter" in _sources(changes["ssl"])


def test_another_configuration_is_named(three_runs: ThreeRuns) -> None:
    """An OPENSSL_CONF that set the floor and is gone is named as the reason why nothing holds it now."""
    said, changes = three_runs.unconfigured
    assert re.search(
        rf"the OpenSSL configuration that it reads is \S+, before {re.escape(str(three_runs.hardened))}", said
    )
    assert (changes["ssl"]["kind"], _sources(changes["ssl"])) == ("worse", {"configuration"})
    assert "rebuilt" not in said


def test_runs_can_be_named(three_runs: ThreeRuns) -> None:
    """Two runs that are named the other way round are worse where they were better; two are kept."""
    assert "Better:" in three_runs.swapped[0]
    assert "Worse:" in three_runs.turned
    assert three_runs.kept == 2
