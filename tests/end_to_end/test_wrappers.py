"""A wrapper that changes the environment, as a person meets it: a row of its own, measured as it runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from servers.conditions import Condition, configuration
from servers.protocols import Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

    Script = Callable[[str, str], Path]

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("how", ["exec", 'exec -a "$0"'])
def test_a_wrapper_that_lowers_the_floor_has_a_row_of_its_own(
    checkout: Checkout, loose: Interpreter, script: Script, tmp_path: Path, how: str
) -> None:
    """Beside an interpreter that a configuration holds, a wrapper on PATH that sets another goes below."""
    hard, legacy = tmp_path / "hard.cnf", tmp_path / "legacy.cnf"
    hard.write_text(configuration(Condition.HARDENED, Protocol.TLSV1_2))
    legacy.write_text(configuration(Condition.PERMISSIVE, Protocol.TLSV1_2))
    wrapper = script("w/bin/python9.9", f'export OPENSSL_CONF={legacy}\n{how} {loose.path} "$@"')
    wrapper.write_text(wrapper.read_text().replace("#!/bin/sh", "#!/usr/bin/env bash"))
    matrix = checkout.measure(
        *("--only", loose.id, "--only", "path_9_9", "--clients", "ssl,urllib3"),
        PATH=f"{wrapper.parent}:{os.environ['PATH']}",
        OPENSSL_CONF=str(hard),
    )
    assert matrix[loose.id, "ssl"]["verdict"] == "enforced"
    assert matrix[loose.id, "ssl"]["held_by"] == "openssl.cnf"
    assert matrix["path_9_9", "ssl"]["path"] == str(wrapper)
    assert matrix["path_9_9", "ssl"]["verdict"] == "downgraded"
