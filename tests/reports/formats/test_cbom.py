"""cbom.cdx.json: valid by the library's strict validator, equal to the matrix, and moved by another hello."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from docs.example import make
from reports.formats.cbom import build_cbom
from reports.formats.format import Report
from reports.verdicts.decision import Decision, GateOutcome
from reports.verdicts.judge import Verdict
from reports.verdicts.policy import Policy
from tests.support.builders import a_catalogue, a_hello, a_matrix, a_row, a_run, an_environment

if TYPE_CHECKING:
    from reports.verdicts.matrix import Matrix, Row

CATALOGUE = a_catalogue()
RUN = a_run(CATALOGUE)


def text_of(matrix: Matrix) -> str:
    """Return the bill of materials of a matrix."""
    return build_cbom(Report(matrix, Policy(), {}, Decision(GateOutcome.FINDINGS, "so it was decided")))


def bill(*rows: Row) -> Any:
    """Return that of a run that came to these rows."""
    return json.loads(text_of(a_matrix(rows, RUN, CATALOGUE)))


def protocols(document: Any) -> list[Any]:
    """Return its crypto-assets."""
    return [one for one in document["components"] if one["type"] == "cryptographic-asset"]


def properties(component: Any) -> dict[str, str]:
    """Return what it says under our namespace."""
    return {one["name"].partition(":")[2]: one["value"] for one in component["properties"]}


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """Return the matrix of the example's run."""
    return make.rebuild(tmp_path_factory.mktemp("example"))


def test_it_is_valid_and_comes_back_the_same(example: Matrix) -> None:
    """The strict validator passes it before and after the library has read it back, which changes nothing."""
    text = text_of(example)
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    read = Bom.from_json(json.loads(text))  # type: ignore[attr-defined]  # a decorator makes it
    back = JsonV1Dot6(read).output_as_string(indent=1) + "\n"
    assert validator.validate_str(back) is None
    assert json.loads(back) == json.loads(text)
    broken = json.loads(text)
    broken["components"][0]["type"] = "no such type"
    assert validator.validate_str(json.dumps(broken)) is not None
    undated = json.loads(text)
    undated["metadata"]["timestamp"] = "no such date"
    assert validator.validate_str(json.dumps(undated)) is not None
    assert text_of(example) == text


def test_its_counts_are_those_of_the_matrix(example: Matrix) -> None:
    """Each row is one occurrence of a protocol; interpreters, clients and libraries are components once."""
    document = json.loads(text_of(example))
    occurrences = [where for one in protocols(document) for where in one["evidence"]["occurrences"]]
    assert len(occurrences) == len(example.rows) == int(properties(document["metadata"])["rows"])
    refs = [one["bom-ref"].partition("/")[0] for one in document["components"]]
    found = [
        where for one in document["components"] for where in one.get("evidence", {}).get("occurrences", [])
    ]
    assert len(found) - len(occurrences) == len(example.groups)
    assert refs.count("client") == len({(row.client.name, row.client_version) for row in example.rows})
    assert refs.count("tls-library") == len({row.tls_library for row in example.rows})
    known = {one["bom-ref"] for one in [document["metadata"]["component"], *document["components"]]}
    needed = {ref for one in document["dependencies"] for ref in [one["ref"], *one.get("dependsOn", [])]}
    assert needed <= known
    by_verdict: dict[str, int] = {}
    for one in protocols(document):
        verdict = properties(one)["verdict"]
        by_verdict[verdict] = by_verdict.get(verdict, 0) + len(one["evidence"]["occurrences"])
    verdicts = [str(row.verdict) for row in example.rows]
    assert by_verdict == {verdict: verdicts.count(verdict) for verdict in set(verdicts)}


def test_a_protocol_says_what_is_offered_and_accepted(example: Matrix) -> None:
    """A cipher suite has its IANA name and its whole number; their order, and the groups, are properties."""
    document = json.loads(text_of(example))
    for one in protocols(document):
        facts = properties(one)
        suites = one["cryptoProperties"]["protocolProperties"]["cipherSuites"]
        assert {suite["identifiers"][0] for suite in suites} == set(facts["cipher-suites-in-order"].split())
        assert {"name": "TLS_AES_128_GCM_SHA256", "identifiers": ["0x1301"]} in suites
        assert "x25519(0x001d)" in facts["groups"].split()
        assert facts["versions-accepted"].split()[-1] == "TLSv1.3"
        assert one["cryptoProperties"]["protocolProperties"]["version"] == "1.3"


def test_a_changed_hello_changes_it() -> None:
    """A client that names one more group is another asset, with that group."""
    before, after = (
        bill(replace(a_row(), hello=a_hello(groups)))
        for groups in (("x25519",), ("X25519MLKEM768", "x25519"))
    )
    old, new = (properties(protocols(document)[0]) for document in (before, after))
    assert {name for name in new if new[name] != old.get(name)} == {"groups", "post-quantum"}
    assert new["groups"] == "X25519MLKEM768(0x11ec) x25519(0x001d)"


def test_alike_rows_are_one_asset_and_a_row_without_a_hello_none() -> None:
    """What two environments have in common is said once; what was not seen is counted, and not made up."""
    rows = [
        replace(a_row(), hello=a_hello()),
        replace(a_row(interpreter=an_environment("/srv/app")), hello=a_hello()),
    ]
    document = bill(*rows, a_row(client="botocore"))
    (asset,) = protocols(document)
    assert len(asset["evidence"]["occurrences"]) == 2
    counted = properties(document["metadata"])
    assert (counted["rows"], counted["rows-without-hello"]) == ("3", "1")
    purls = {one["name"]: one.get("purl") for one in document["components"]}
    assert purls["botocore"] == "pkg:pypi/botocore@1.26.20"
    assert purls["OpenSSL"] == "pkg:generic/openssl@3.0.19"


def test_bills_of_two_machines_can_be_merged() -> None:
    """What was measured on two machines shares neither a reference nor group, name and version."""
    went_below, held = (
        replace(a_row(verdict), hello=a_hello()) for verdict in (Verdict.DOWNGRADED, Verdict.ENFORCED)
    )
    bills = [
        json.loads(text_of(a_matrix([row], replace(RUN, host=host), CATALOGUE)))
        for host, row in (("web", went_below), ("store", went_below), ("queue", held))
    ]
    everything = [asset for document in bills for asset in protocols(document)]
    assert len({asset["bom-ref"] for asset in everything}) == len(everything) == len(bills)
    assert len({(asset["group"], asset["name"], asset.get("version")) for asset in everything}) == len(bills)
    assert len({document["metadata"]["component"]["bom-ref"] for document in bills}) == len(bills)


def test_two_results_of_one_client_have_names_of_their_own() -> None:
    """On one machine, too, crypto-assets differ in group, name or version; a later run names them alike."""
    rows = [
        replace(a_row(verdict, name), hello=a_hello())
        for verdict, name in ((Verdict.DOWNGRADED, "pyenv_3_9_18"), (Verdict.ENFORCED, "pyenv_3_12_1"))
    ]
    named = [
        {(asset["group"], asset["name"]): asset["bom-ref"] for asset in protocols(bill(*some))}
        for some in (rows, rows[::-1])
    ]
    assert len(named[0]) == len(rows)
    assert named[0] == named[1]
