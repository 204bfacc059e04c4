"""Two lines of the atlas, measured again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from docs import atlas

if TYPE_CHECKING:
    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

AGAIN = "TLS_FLOOR_ATLAS"
"""The variable that, set to 1, has the atlas compared with what is measured now."""

CLIENTS = ("ssl", "awscrt")
"""One that uses its interpreter's TLS, and one that brings its own."""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        os.environ.get(AGAIN) != "1", reason=f"it takes half a minute: {AGAIN}=1 enables this"
    ),
]


def test_what_is_measured_again_is_as_the_atlas_has_it(
    checkout: Checkout, known: dict[str, Interpreter]
) -> None:
    """On an interpreter of the atlas each of two clients has its line, if it is the same release."""
    lines = [line for line in atlas.read(atlas.CSV.read_text()) if line.environment == "made"]
    ids = {line.python: name for line in lines for name in known if line.python.startswith(f"{name} ")}
    here = {python: name for python, name in ids.items() if python == f"{name} {known[name].version}"}
    if not here:
        pytest.skip(f"none of {', '.join(ids) or 'its interpreters'} is here in the version of the atlas")
    python, name = next(iter(here.items()))
    checkout.measure("--clients", ",".join(CLIENTS), "--only", name, "--made", "--conditions", "all")
    again = {line.client: line for line in atlas.lines_of(checkout.latest)}
    assert set(again) == set(CLIENTS)
    for line in lines:
        now = again.get(line.client)
        if now is None or line.python != python or line.client_version != now.client_version:
            continue
        assert (line.lowest, line.held_by, line.moved_by) == (now.lowest, now.held_by, now.moved_by)
