#!/usr/bin/env bash
# cyclonedx-python-lib 11.12.0: a round trip changes the number of a TLS cipher suite in a cryptographic bill of materials.
#
# In CycloneDX 1.6 a cipher suite has "identifiers"; the examples of the schema, "0xC0" and "0x9E", are the two bytes of an
# IANA number: ["0x13", "0x03"] is TLS_CHACHA20_POLY1305_SHA256. cipherSuites itself is an array: its order can say preference.
# Expected: Bom.from_json, then JsonV1Dot6 or XmlV1Dot6, gives the same arrays; the schema does not say that order is free.
# Seen 2026-11-29: both are kept in sorted sets.
#   ["0x13", "0x03"] comes back as ["0x03", "0x13"], a number of no suite;
#   ["0xC0", "0x13"] (TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA) and ["0x13", "0xC0"] come back as the same pair;
#   ["0x00", "0x00"] (TLS_NULL_WITH_NULL_NULL) comes back as ["0x00"];
#   the suites come back sorted by name: a server's order of preference is lost.
# The document given and the document that comes back both pass the library's own strict validator.
# Matters for: whoever passes a TLS inventory through a tool that is built on this library: compare suites by name only.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.9 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "cyclonedx-python-lib[json-validation]==11.12.0"
cat > "$work/show.py" <<'PY'
import json
from importlib.metadata import version
from xml.etree import ElementTree

from cyclonedx.model.bom import Bom
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.output.xml import XmlV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

given = [
    ("TLS_CHACHA20_POLY1305_SHA256", ["0x13", "0x03"]),
    ("TLS_AES_128_GCM_SHA256", ["0x13", "0x01"]),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", ["0xC0", "0x13"]),
    ("TLS_NULL_WITH_NULL_NULL", ["0x00", "0x00"]),
]
document = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "components": [
        {
            "type": "cryptographic-asset",
            "name": "TLS",
            "bom-ref": "tls",
            "cryptoProperties": {
                "assetType": "protocol",
                "protocolProperties": {
                    "type": "tls",
                    "version": "1.3",
                    "cipherSuites": [{"name": name, "identifiers": number} for name, number in given],
                },
            },
        }
    ],
}
validator = JsonStrictValidator(SchemaVersion.V1_6)
bom = Bom.from_json(document)
as_json = JsonV1Dot6(bom).output_as_string()
assert validator.validate_str(json.dumps(document)) is None, "the document given is not valid"
assert validator.validate_str(as_json) is None, "the document that came back is not valid"
(component,) = json.loads(as_json)["components"]
suites = component["cryptoProperties"]["protocolProperties"]["cipherSuites"]
back = [(suite["name"], suite["identifiers"]) for suite in suites]
tag = "{http://cyclonedx.org/schema/bom/1.6}"
in_xml = [
    (suite.findtext(tag + "name"), [number.text for number in suite.iter(tag + "identifier")])
    for suite in ElementTree.fromstring(XmlV1Dot6(bom).output_as_string()).iter(tag + "cipherSuite")
]
print("cyclonedx-python-lib", version("cyclonedx-python-lib"), "(both documents are valid)")
for what, pairs in (("given", given), ("back", back)):
    for name, number in pairs:
        print("%-6s %-36s %s" % (what, name, number))
stated = [
    ("TLS_AES_128_GCM_SHA256", ["0x01", "0x13"]),
    ("TLS_CHACHA20_POLY1305_SHA256", ["0x03", "0x13"]),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", ["0x13", "0xC0"]),
    ("TLS_NULL_WITH_NULL_NULL", ["0x00"]),
]
assert back == in_xml == stated, "it behaves otherwise: %r %r" % (back, in_xml)
print("seen as stated")
PY
timeout 60 "$work/venv/bin/python" "$work/show.py"
