"""A wrapper that changes the environment, as a person meets it: a row of its own, measured as it runs."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from servers.conditions import Condition, configuration
from servers.protocols import Protocol
from tests.probes.test_identify import WITHOUT_CIPHERS
from tests.support.checkout import ROOT

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


def test_a_configuration_that_stops_nox_is_measured_by_the_guides_wrapper(
    checkout: Checkout, sample: Interpreter, script: Script, tmp_path: Path
) -> None:
    """Without ciphers, by the guide's wrapper, a Python is one untestable row with the reason."""
    asked = subprocess.run(
        [sample.path, "-c", "import ssl; print(ssl.OPENSSL_VERSION)"],
        capture_output=True,
        text=True,
        check=True,
    )
    if "OpenSSL 1." in asked.stdout:
        pytest.skip("no provider can be switched off in OpenSSL 1: a Python with OpenSSL 3 enables this")
    guide = (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8")
    found = re.search(r"```sh\n#!/bin/sh\n(export OPENSSL_CONF=.*?)```", guide, re.DOTALL)
    assert found is not None, "docs/how-to.md has no wrapper that sets OPENSSL_CONF"
    conf = tmp_path / "fips.cnf"
    conf.write_text(WITHOUT_CIPHERS)
    body = found[1].replace("/etc/ssl/fips.cnf", str(conf)).replace("/usr/bin/python3", sample.path)
    wrapper = script("fips-python", body)
    matrix = checkout.measure("--interpreter", str(wrapper), "--only", "given_*", "--clients", "ssl")
    (row,) = matrix.values()
    assert (row["path"], row["verdict"]) == (str(wrapper), "untestable")
    assert f"makes no context under {conf}" in row["reason"]
