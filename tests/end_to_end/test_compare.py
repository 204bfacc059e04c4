"""`nox -s compare` as a person runs it: what changed between two runs is named with its cause."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from servers.conditions import Condition, configuration
from servers.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
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


def test_a_swapped_interpreter_is_named(
    checkout: Checkout, loose: Interpreter, strict: Interpreter, script: Callable[[str, str], Path]
) -> None:
    """Another build behind the same path is named, and that verdicts are better for it."""
    for one in (loose, strict):
        # Not a copy: an executable that finds its library beside it, as conda's does, starts nowhere else.
        path = script("swapped/bin/python3", f'exec {shlex.quote(one.path)} "$@"')
        words = ("--interpreter", str(path), "--only", "given_*", "--clients", "ssl", "--keep", "2")
        matrix = checkout.measure(*words)
        assert [row["version"] for row in matrix.values()] == [one.version]
    said, changes = _compared(checkout)
    rebuilt = f"the interpreter was rebuilt or replaced (Python {strict.version}, before {loose.version})"
    assert rebuilt in said
    assert (changes["ssl"]["kind"], changes["ssl"]["interpreter"]) == ("better", "given_swapped")
    assert len(list((checkout.folder / "reports" / "history").glob("[0-9]*"))) == 2
    assert "interpreter" in _sources(changes["ssl"])


def test_another_configuration_is_named(checkout: Checkout, loose: Interpreter, tmp_path: Path) -> None:
    """An OPENSSL_CONF that sets the floor is named as the reason why a plain context now holds it."""
    name = loose.id
    words = ("--only", name, "--clients", "ssl")
    assert checkout.measure(*words)[name, "ssl"]["verdict"] == "downgraded"
    hardened = tmp_path / "hardened.cnf"
    hardened.write_text(configuration(Condition.HARDENED, Protocol.TLSV1_2))
    after = checkout.measure(*words, OPENSSL_CONF=str(hardened))
    assert after[name, "ssl"]["verdict"] == "enforced"
    said, changes = _compared(checkout)
    assert f"the OpenSSL configuration that it reads is {hardened}, before" in said
    assert (changes["ssl"]["kind"], _sources(changes["ssl"])) == ("better", {"configuration"})
    assert "rebuilt" not in said
    # The run before it is kept, and can be named.
    history = sorted(path.name for path in (checkout.folder / "reports" / "history").glob("[0-9]*"))
    status, said = checkout.nox("-s", "compare", "--", history[-1], history[-2])
    assert status == 0, said
    assert "Worse:" in said
