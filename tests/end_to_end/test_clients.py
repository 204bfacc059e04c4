"""All clients, and versions of them, in the matrix as a person runs it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from interpreters.clients import clients
from servers.protocols import Protocol
from tests.support.causes import goes_below
from tests.support.dissection import check_hellos, has_tshark

if TYPE_CHECKING:
    from interpreters.interpreter import Interpreter
    from tests.support.checkout import Checkout

pytestmark = pytest.mark.e2e

HEAVY = "TLS_FLOOR_HEAVY_CLIENTS"
"""The variable that, set to 1, has these tests install clients of more than 15 MB too."""

LIGHT = tuple(
    one.id
    for one in clients().values()
    if not (one.reference or one.heavy or one.apart or "many" in one.needs)
)
"""The clients that are measured in each run of the tests: those that take seconds for a cell are not."""


def _opening(checkout: Checkout) -> str:
    """Return the first paragraph of its newest report."""
    return (checkout.latest / "matrix.md").read_text().split("\n\n")[1]


def _minor(interpreter: Interpreter) -> tuple[int, int]:
    major, minor = interpreter.version.split(".")[:2]
    return int(major), int(minor)


def test_every_client_has_a_row_that_its_causes_demand(
    checkout: Checkout, known: dict[str, Interpreter]
) -> None:
    """Where Python sets a minimum all that uses its ssl is enforced, and what brings its own TLS as seen."""
    name = _holding(known)
    measurable = set(LIGHT)
    matrix = checkout.measure("--clients", ",".join(measurable), "--only", name)
    opening = _opening(checkout)
    assert {client for _, client in matrix} == measurable
    lowest: dict[str, str] = {}
    own = set()
    order = [str(protocol) for protocol in Protocol]
    for line in (checkout.latest / "observations.jsonl").read_text().splitlines():
        cell = json.loads(line)
        own |= {cell["client"]} if cell["own_tls"] else set()
        for wire in cell["wire"]:
            counts = cell["condition"] == "ambient" and not cell["server"].startswith("page_")
            if counts and wire["client_data"] and wire["server_data"]:
                versions = (wire["server_version"], lowest.get(cell["client"], order[-1]))
                lowest[cell["client"]] = min(versions, key=order.index)
    assert own == {one.id for one in clients().values() if "native" in one.groups and one.id in LIGHT}
    for client in measurable:
        row = matrix[name, client]
        assert row["lowest_negotiated"] == lowest[client]
        down = order.index(lowest[client]) < order.index("TLSv1.2")
        assert row["verdict"] == ("downgraded" if down else "enforced"), row["reason"]
        assert not down or client in own
        assert ("its own TLS" in row["reason"]) is (client in own)
    stack = {client for client in own if matrix[name, client]["verdict"] == "downgraded"}
    assert stack >= {"awscrt", "boto3_crt", "s3torchconnectorclient"}
    assert "the AWS CRT" in opening
    assert all(client in opening for client in stack)
    if has_tshark():
        assert check_hellos(checkout.latest, "open") >= {"ssl", "awscrt"}


def _holding(known: dict[str, Interpreter]) -> str:
    """Return an interpreter that sets a minimum by itself and is new enough for every client."""
    able = [n for n, one in known.items() if one.sets_minimum and _minor(one) >= (3, 11)]
    # tests/probes/test_clients.py has the environments of the newest.
    name = max(able, key=lambda n: _minor(known[n]), default=None)
    if name is None:
        pytest.skip("no Python from 3.11 on that sets a minimum was found: pyenv install 3.13 would be one")
    return name


@pytest.mark.skipif(
    os.environ.get(HEAVY) != "1", reason=f"their wheels have 300 MB together: {HEAVY}=1 enables this"
)
def test_heavy_clients_have_the_rows_that_were_measured_by_hand(
    checkout: Checkout, known: dict[str, Interpreter]
) -> None:
    """Each client with a large wheel holds TLS 1.2 by its own TLS library, which its files name."""
    name, heavy = _holding(known), [one.id for one in clients().values() if one.heavy]
    matrix = checkout.measure("--clients", ",".join(heavy), "--only", name)
    assert {client for _, client in matrix} == set(heavy)
    library = {
        "rasterio": "OpenSSL 3",
        "tiledb": "OpenSSL 3",
        "pyarrow": "OpenSSL 3",
        "tensorstore": "BoringSSL",
        "scrapy": "OpenSSL",
    }
    for (_, client), row in matrix.items():
        assert (row["verdict"], row["lowest_negotiated"]) == ("enforced", "TLSv1.2"), row["reason"]
        assert row["tls_library"].startswith(library.get(client, "rustls 0."))
        assert row["held_by"] == ("code" if "OpenSSL" in library.get(client, "") else "library")


WITHOUT = {
    ("2.7", "httpx"): "No matching distribution found for httpx",
    ("2.7", "aiobotocore"): "No matching distribution found for aiobotocore (of wheels alone",
    ("2.7", "boto3_crt"): "there is no module 'awscrt'",
    ("3.6", "boto3_crt"): "transfers nothing through the CRT",
}
"""Clients that an old Python has not, with what says so: the installer, the probe, or the client's file."""


def test_old_pythons_run_the_clients_that_there_are_for_them(
    checkout: Checkout, known: dict[str, Interpreter]
) -> None:
    """On 2.7 and 3.6 each client is measured, or untestable with the true reason, and holds up no other."""
    minors = {n: one.version.rpartition(".")[0] for n, one in known.items()}
    old = {n: minor for n, minor in minors.items() if minor in ("2.7", "3.6")}
    if not old:
        pytest.skip("no Python 2.7 or 3.6 was found: `pyenv install 2.7.18 3.6.15` enables this")
    names = ("requests", "httpx", "aiobotocore", "awscrt", "boto3_crt")
    only = [word for name in old for word in ("--only", name)]
    matrix = checkout.measure("--clients", ",".join(names), *only)
    for name, version in old.items():
        for client in names:
            row = matrix[name, client]
            if why := WITHOUT.get((version, client)):
                assert row["verdict"] == "untestable"
                assert why in row["reason"]
            else:
                assert row["verdict"] in ("enforced", "downgraded"), row["reason"]


def test_a_sweep_tells_which_versions_decide(checkout: Checkout, known: dict[str, Interpreter]) -> None:
    """Of urllib3 the second sets a minimum: where Python sets none, that is where the floor changes."""
    able = [n for n, one in known.items() if _minor(one) >= (3, 10)]
    name = max(able, key=lambda n: goes_below(known[n]), default=None)
    if name is None:
        pytest.skip("no Python from 3.10 on was found, for which there is a botocore with both urllib3")
    holds = not goes_below(known[name])
    words = ("--botocore", "1.20.*,1.34.*", "--urllib3", "1.26.*,2.*", "--only", name)
    matrix = checkout.measure("--clients", "urllib3", *words)
    rows = {client: row for (_, client), row in matrix.items()}
    assert len(rows) == 4
    for client, row in rows.items():
        if "botocore-1.20" in client and "urllib3-2" in client:
            assert row["verdict"] == "untestable"
            assert "requirements are unsatisfiable" in row["reason"]
            continue
        second = "urllib3-2" in client
        assert row["client_version"].startswith("2." if second else "1.26.")
        assert row["verdict"] == ("enforced" if second or holds else "downgraded"), row["reason"]
    report = (checkout.latest / "matrix.md").read_text()
    line = next(line for line in report.splitlines() if line.startswith("- urllib3 on"))
    assert ("the versions decide" in line) is ("depends on the versions" in _opening(checkout)) is not holds
