#!/usr/bin/env bash
# lib4vex 0.2.3, csaf-tool 0.3.2, vex-reader 0.9.5.2: of an exploitability statement (VEX) that speaks of several products, they keep one
# product or one status: a vulnerability is "fixed" although the document says which products are affected.
#
# CSAF 2.0 lists for a vulnerability the products of each status ("known_affected", "fixed", ...), and a document may have many
# vulnerabilities; a CycloneDX vulnerability may affect several components; an OpenVEX statement may be of several products.
# Expected: version 1 affected and version 2 fixed; both components; both vulnerabilities.
# Seen 2026-11-29, no error and no warning:
#   CSAF, known_affected: 1, fixed: 2        lib4vex and csaf-tool: "fixed", of no product; with the two lists the other way round,
#                                            "known_affected", of no product
#   CSAF, not affected: 1 and 2 (a flag)     lib4vex and csaf-tool: product 2
#   CycloneDX, affects a and b               lib4vex: a
#   OpenVEX, products a and b                lib4vex: b
#   CSAF, two vulnerabilities                vex-reader: only the second, with the products of both: the version that the first
#                                            affects is listed under the second, which affects none
# lib4vex reads CSAF by csaf-tool, and CycloneDX by lib4sbom 0.10.4. That it takes one product of OpenVEX is known
# (anthonyharrison/lib4vex#1); for CSAF and CycloneDX we found nothing, and vex-reader's source has it as to be done for products.
# Matters for: triage by such a file (cve-bin-tool uses lib4vex): which version is safe comes out of the order of keys in JSON.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check lib4vex==0.2.3 csaf-tool==0.3.2 vex-reader==0.9.5.2 lib4sbom==0.10.4
cat > "$work/show.py" <<'PY'
import json
import sys
from importlib.metadata import version
from pathlib import Path

from csaf.parser import CSAFParser
from lib4vex.parser import VEXParser
from vex import Vex, VexPackages

folder = Path(sys.argv[1])
WHEN = "2026-01-01T00:00:00Z"


def product(number):
    named = {"name": "app " + number, "product_id": "P" + number}
    named["product_identification_helper"] = {"purl": "pkg:pypi/app@" + number}
    return {"category": "product_version", "name": number, "product": named}


def csaf(*vulnerabilities):
    history = [{"date": WHEN, "number": "1", "summary": "first"}]
    tracking = {"id": "EXAMPLE-1", "status": "final", "version": "1", "revision_history": history}
    tracking |= {"current_release_date": WHEN, "initial_release_date": WHEN}
    document = {"category": "csaf_vex", "csaf_version": "2.0", "title": "Example", "tracking": tracking}
    document["publisher"] = {"category": "vendor", "name": "Example", "namespace": "https://example.com"}
    tree = {"category": "product_name", "name": "app", "branches": [product("1"), product("2")]}
    branches = [{"category": "vendor", "name": "Example", "branches": [tree]}]
    return {"document": document, "product_tree": {"branches": branches}, "vulnerabilities": list(vulnerabilities)}


def vulnerability(number, **status):
    notes = [{"category": "description", "text": "Example"}]
    found = {"cve": "CVE-2026-000%d" % number, "notes": notes, "product_status": status}
    if "known_affected" in status:
        found["remediations"] = [{"category": "vendor_fix", "details": "Take 2", "product_ids": status["known_affected"]}]
    if "known_not_affected" in status:
        label = "vulnerable_code_not_present"
        found["flags"] = [{"date": WHEN, "label": label, "product_ids": status["known_not_affected"]}]
    return found


def cyclonedx(*affected):
    parts = [{"type": "library", "name": each, "version": "1", "bom-ref": each} for each in ("a", "b")]
    found = {"id": "CVE-2026-0001", "analysis": {"state": "exploitable"}, "affects": [{"ref": each} for each in affected]}
    metadata = {"timestamp": WHEN, "component": {"type": "application", "name": "app", "version": "1", "bom-ref": "app"}}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": metadata, "components": parts,
            "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79", "vulnerabilities": [found]}


def openvex(*products):
    statement = {"vulnerability": {"name": "CVE-2026-0001"}, "timestamp": WHEN, "status": "affected", "action_statement": "Wait"}
    statement["products"] = [{"@id": "pkg:pypi/%s@1" % each} for each in products]
    return {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex", "author": "Example", "role": "vendor",
            "timestamp": WHEN, "version": 1, "statements": [statement]}


def written(document):
    path = folder / "vex.json"
    path.write_text(json.dumps(document))
    return str(path)


def told(read, what):
    read = (read,) if isinstance(read, dict) else read
    return [tuple(each.get(name) for name in what) for each in read]


def by_lib4vex(document, *what):
    parser = VEXParser()
    parser.parse(written(document))
    return told(parser.get_vulnerabilities(), what)


def by_csaf_tool(document, *what):
    parser = CSAFParser()
    parser.parse_file(written(document))
    return told(parser.get_vulnerabilities(), what)


def by_vex_reader(document):
    read = Vex(written(document))
    packages = VexPackages(read.raw)
    return read.cve, len(packages.affected), len(packages.not_affected)


BOTH = csaf(vulnerability(1, known_affected=["P1"], fixed=["P2"]))
SWAPPED = csaf(vulnerability(1, fixed=["P2"], known_affected=["P1"]))
NEITHER = csaf(vulnerability(2, known_not_affected=["P1", "P2"]))
TWO = csaf(vulnerability(1, known_affected=["P1"]), vulnerability(2, known_not_affected=["P1", "P2"]))
ONE_OF_TWO = csaf(vulnerability(2, known_not_affected=["P1", "P2"]))
CASES = {
    "CSAF by lib4vex": (by_lib4vex(BOTH, "status", "Product"), [("fixed", None)]),
    "CSAF by csaf-tool": (by_csaf_tool(BOTH, "status", "Product"), [("fixed", None)]),
    "CSAF by lib4vex, swapped": (by_lib4vex(SWAPPED, "status", "Product"), [("known_affected", None)]),
    "CSAF by csaf-tool, swapped": (by_csaf_tool(SWAPPED, "status", "Product"), [("known_affected", None)]),
    "CSAF by lib4vex, not affected": (by_lib4vex(NEITHER, "status", "Product"), [("known_not_affected", "P2")]),
    "CycloneDX by lib4vex, a (control)": (by_lib4vex(cyclonedx("a"), "id", "bom_link"), [("CVE-2026-0001", "a")]),
    "CycloneDX by lib4vex, a and b": (by_lib4vex(cyclonedx("a", "b"), "id", "bom_link"), [("CVE-2026-0001", "a")]),
    "OpenVEX by lib4vex, a (control)": (by_lib4vex(openvex("a"), "id", "product"), [("CVE-2026-0001", "a")]),
    "OpenVEX by lib4vex, a and b": (by_lib4vex(openvex("a", "b"), "id", "product"), [("CVE-2026-0001", "b")]),
    "CSAF by vex-reader (control)": (by_vex_reader(ONE_OF_TWO), ("CVE-2026-0002", 0, 2)),
    "CSAF by vex-reader, two": (by_vex_reader(TWO), ("CVE-2026-0002", 1, 2)),
}
print(*("%s %s" % (each, version(each)) for each in ("lib4vex", "csaf-tool", "vex-reader", "lib4sbom")))
for case, (seen, stated) in CASES.items():
    print("%-34s %s" % (case, seen))
assert all(seen == stated for seen, stated in CASES.values()), "it behaves otherwise"
print("seen as stated")
PY
timeout 100 "$work/venv/bin/python" -W ignore "$work/show.py" "$work"
