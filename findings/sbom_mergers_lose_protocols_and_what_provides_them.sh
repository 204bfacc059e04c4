#!/usr/bin/env bash
# cyclonedx-editor-validator 1.0.3, sbommerge 0.2.0 and debsbom 0.10.2: of two merged cryptography bills of materials the weaker
# protocol goes, or its cipher suites, or which library it comes from.
#
# CycloneDX 1.6 describes TLS as a component of type cryptographic-asset: cryptoProperties has version and cipher suites, and a
# dependency's "provides" names the component that implements it (CycloneDX 1.6 JSON reference, dependencies, provides).
# Expected of merging a host whose TLS is 1.2 with one whose TLS is 1.0, each provided by urllib3: both protocols, whole, and provided.
# Seen 2026-11-29:
#   cdx-ev merge      keeps TLS 1.2 alone, with the properties of both: "verdict" is enforced and downgraded; nothing is provided.
#                     (It does warn that it drops a component; without version and purl the name alone decides which are the same.)
#   sbommerge         keeps TLS 1.0 alone, without its cipher suites; nothing is provided; no warning.
#   debsbom merge     keeps both protocols with their cipher suites, but nothing is provided.
#   the purl of urllib3 (control)   once in each, as it should be.
# Matters for: an inventory as PCI DSS 12.3.3 asks for, collected from hosts: the old protocol may not be in it. Give each asset a
# name of its own, and look for "provides" after a merge.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    cyclonedx-editor-validator==1.0.3 sbommerge==0.2.0 lib4sbom==0.10.4 debsbom==0.10.2 'cyclonedx-python-lib[validation]==11.12.0'
cat > "$work/show.py" <<'PY'
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

SUITE = {"name": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "identifiers": ["0xC0", "0x13"]}


def bill(host, number, verdict):
    """The bill of a host with one protocol."""
    protocol = {"type": "tls", "version": number, "cipherSuites": [SUITE]}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": "2026-11-29T10:00:00Z",
            "component": {"type": "platform", "bom-ref": host, "name": host, "version": "1"},
        },
        "components": [
            {"type": "library", "bom-ref": "urllib3", "name": "urllib3", "version": "2.8.0", "purl": "pkg:pypi/urllib3@2.8.0"},
            {
                "type": "cryptographic-asset",
                "bom-ref": host + "-tls",
                "name": "TLS",
                "cryptoProperties": {"assetType": "protocol", "protocolProperties": protocol},
                "properties": [{"name": "example:verdict", "value": verdict}],
            },
        ],
        "dependencies": [{"ref": host, "dependsOn": ["urllib3"]}, {"ref": "urllib3", "provides": [host + "-tls"]}],
    }


def merged(name, *words):
    """What a program makes of both, in short."""
    ended = subprocess.run([scripts / words[0], *words[1:], *files], cwd=work, capture_output=True, text=True, timeout=120)
    # sbommerge ends with 1 where the files differ.
    assert ended.returncode == (1 if name == "sbommerge" else 0), ended
    document = json.loads((work / "out.cdx.json").read_text())
    (work / "out.cdx.json").unlink()
    assets = [each for each in document["components"] if each["type"] == "cryptographic-asset"]
    kept = [each["cryptoProperties"]["protocolProperties"] for each in assets]
    return {
        "versions": sorted(each["version"] for each in kept),
        "suites": sum(len(each.get("cipherSuites", ())) for each in kept),
        "verdicts": sorted(each["value"] for asset in assets for each in asset.get("properties", ())),
        "provided": sum(len(each.get("provides", ())) for each in document["dependencies"]),
        "libraries": sum(each["name"] == "urllib3" for each in document["components"]),
        "warned": "Dropping a duplicate component (COORDINATES[TLS])" in ended.stdout + ended.stderr,
    }


work, scripts = Path(sys.argv[1]), Path(sys.executable).parent
files = []
for host, number, verdict in (("web", "1.2", "enforced"), ("store", "1.0", "downgraded")):
    text = json.dumps(bill(host, number, verdict))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    files.append(host + ".cdx.json")
    (work / files[-1]).write_text(text)
seen = {
    "cdx-ev": merged("cdx-ev", "cdx-ev", "merge", "--output", "out.cdx.json"),
    "sbommerge": merged(
        "sbommerge", "sbommerge", "--sbom", "cyclonedx", "--sbom-type", "cyclonedx", "--format", "json", "-o", "out.cdx.json"
    ),
    "debsbom": merged("debsbom", "debsbom", "merge", "-t", "cdx", "-o", "out"),
}
for name, found in seen.items():
    print("%-10s %s" % (name, found))
names = ("cyclonedx-editor-validator", "sbommerge", "lib4sbom", "debsbom", "cyclonedx-python-lib")
print(*("%s %s" % (name, version(name)) for name in names), sep=", ")
short = {name: (found["versions"], found["suites"], found["provided"], found["libraries"], found["warned"]) for name, found in seen.items()}
assert short["cdx-ev"] == (["1.2"], 1, 0, 1, True), short
assert seen["cdx-ev"]["verdicts"] == ["downgraded", "enforced"], seen
assert short["sbommerge"] == (["1.0"], 0, 0, 1, False), short
assert short["debsbom"] == (["1.0", "1.2"], 2, 0, 1, False), short
print("seen as stated")
PY
timeout 200 "$work/venv/bin/python" "$work/show.py" "$work"
