#!/usr/bin/env bash
# sbomconvert 0.1.0, sbom2dot 0.3.2, ntia-conformance-checker 6.0.0: where an SPDX bill says "library DEPENDENCY_OF application", the first
# two make the library depend on the application, without an error, and the third takes the library for one that nothing needs.
#
# SPDX 2.3 (section 11.1, table 68) has most relationships in both directions: A DEPENDS_ON B says the same as B DEPENDENCY_OF A, and the
# other rows likewise; the document DESCRIBES A, or A is DESCRIBED_BY the document. In CycloneDX only "dependsOn" exists.
# Expected: the application depends on (or contains) the library, or the relationship is left out; every row as the first.
# Seen 2026-11-30, "app" and "lib" being packages, and "doc" the document, which describes app:
#                                    sbomconvert (CycloneDX)   sbom2dot        ntia-checker
#   app DEPENDS_ON lib (control)     app dependsOn lib         app -> lib      all connected
#   lib DEPENDENCY_OF app            lib dependsOn app         lib -> app      lib is "floating"
#   lib RUNTIME_DEPENDENCY_OF app    lib dependsOn app         lib -> app      lib is "floating"
#   lib PREREQUISITE_FOR app         lib dependsOn app         lib -> app      lib is "floating"
#   lib CONTAINED_BY app             lib dependsOn app         lib -> app      lib is "floating"
#   app DESCRIBED_BY doc             app dependsOn doc         app -> doc      no relationships
# In the last row app also DEPENDS_ON lib, which all of them read. ntia-checker warns of what floats, and judges the bill without it.
# sbomconvert and sbom2dot read by lib4sbom 0.10.4, which hands the relationships out as they stand.
# Other readers ignored the second direction until they were told (interlynk-io/sbomqs#722, which says that syft writes its whole graph
# so; kubernetes-sigs/bom#354); that these turn it around, we found nowhere.
# Matters for: who asks "what uses this library?" of a converted bill gets the answer to the opposite question.
# Fails if a release behaves otherwise. Needs Linux or macOS, uv, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv venv --quiet "$work/venv"
uv pip install --quiet --python "$work/venv/bin/python" sbomconvert==0.1.0 sbom2dot==0.3.2 lib4sbom==0.10.4 \
    ntia-conformance-checker==6.0.0 spdx-tools==0.8.5
cat > "$work/show.py" <<'PY'
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

folder = Path(sys.argv[1])
FILE, WRITTEN = folder / "bill.spdx.json", folder / "written.json"
NAMES = {"SPDXRef-app": "app", "SPDXRef-lib": "lib", "CDXRef-DOCUMENT": "doc"}


def package(name):
    open_questions = ("downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText")
    told = {"name": name, "SPDXID": "SPDXRef-" + name, "versionInfo": "1", "supplier": "Organization: Example", "filesAnalyzed": False}
    return told | dict.fromkeys(open_questions, "NOASSERTION")


def bill(*relationships):
    """An SPDX 2.3 document named "doc" of two packages; a relationship is "FROM TYPE TO"."""
    told = []
    for source, kind, target in map(str.split, relationships):
        source, target = ("SPDXRef-" + {"doc": "DOCUMENT"}.get(each, each) for each in (source, target))
        told.append({"spdxElementId": source, "relationshipType": kind, "relatedSpdxElement": target})
    creation = {"created": "2026-01-01T00:00:00Z", "creators": ["Organization: Example"]}
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "doc", "creationInfo": creation,
            "documentNamespace": "https://example.com/doc", "packages": [package("app"), package("lib")], "relationships": told}


def run(name, *options):
    return subprocess.run([folder / "venv/bin" / name, *options], capture_output=True, text=True, timeout=60).stdout


def by_sbomconvert():
    run("sbomconvert", "-i", FILE, "--sbom", "cyclonedx", "--format", "json", "-o", WRITTEN)
    read = json.loads(WRITTEN.read_text())["dependencies"]
    return {"%s dependsOn %s" % (NAMES[each["ref"]], NAMES[one]) for each in read for one in each["dependsOn"]}


def by_sbom2dot():
    pairs = re.findall(r'"([^"]+)" -> "([^"]+)"', run("sbom2dot", "-i", FILE))
    return {"%s -> %s" % each for each in pairs}


def by_ntia_checker():
    read = json.loads(run("ntia-checker", "-q", "-r", "json", FILE))
    floating = {NAMES[each] for each in read["graphValidation"]["floatingComponents"]["floatingComponentIds"]}
    return floating or ({"all connected"} if read["dependencyRelationshipsProvided"] else {"no relationships"})


READERS = [by_sbomconvert, by_sbom2dot, by_ntia_checker]
ROOT = "doc DESCRIBES app"
AROUND = [{"doc dependsOn app", "lib dependsOn app"}, {"doc -> app", "lib -> app"}, {"lib"}]
CASES = [
    ((ROOT, "app DEPENDS_ON lib"), [{"doc dependsOn app", "app dependsOn lib"}, {"doc -> app", "app -> lib"}, {"all connected"}]),
    ((ROOT, "lib DEPENDENCY_OF app"), AROUND),
    ((ROOT, "lib RUNTIME_DEPENDENCY_OF app"), AROUND),
    ((ROOT, "lib PREREQUISITE_FOR app"), AROUND),
    ((ROOT, "lib CONTAINED_BY app"), AROUND),
    (("app DESCRIBED_BY doc", "app DEPENDS_ON lib"),
     [{"app dependsOn doc", "app dependsOn lib"}, {"app -> doc", "app -> lib"}, {"no relationships"}]),
]
print(*("%s %s" % (each, version(each)) for each in ("sbomconvert", "sbom2dot", "ntia-conformance-checker", "lib4sbom")))
good = True
for relationships, stated in CASES:
    FILE.write_text(json.dumps(bill(*relationships)))
    assert not validate_full_spdx_document(parse_file(str(FILE))), "the bill is not valid"
    seen = [read() for read in READERS]
    good = good and seen == stated
    print(", ".join(relationships), *("  " + ", ".join(sorted(each)) for each in seen), sep="\n")
assert good, "it behaves otherwise"
print("seen as stated")
PY
timeout 200 "$work/venv/bin/python" -W ignore "$work/show.py" "$work"
