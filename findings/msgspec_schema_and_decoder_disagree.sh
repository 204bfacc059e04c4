#!/usr/bin/env bash
# msgspec 0.22.0: the JSON Schema that it writes for a type and its decoder for the same type disagree, in both directions.
#
# msgspec.json.schema(T) is there to publish what msgspec.json.decode(..., type=T) reads.
# Expected: a document that a validator passes by that schema decodes, and the other way round.
# Seen 2026-11-29, with jsonschema 4.26.0 and jsonschema-rs 0.61.2 (formats checked) in agreement on every document:
#   decodes, and the schema refuses it          [1, 1] for set[int]; {"port": 443} without the tag of a tagged Struct;
#                                               1.5, a number, for Decimal; a UUID of 32 hexadecimal digits without hyphens
#   does not decode, and the schema passes it   1.0 and 1e2 for int (an integer by JSON Schema); "P1W" for timedelta;
#                                               {"tls": ""} for dict[int, str]; "one" for Decimal
# Matters for: whoever publishes the schema of a report for others: their validated file need not load, and a file that loads need
# not validate. Test with both, or give the type narrower constraints.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    msgspec==0.22.0 "jsonschema[format]==4.26.0" jsonschema-rs==0.61.2
cat > "$work/show.py" <<'PY'
import json
from datetime import timedelta
from decimal import Decimal
from importlib.metadata import version
from uuid import UUID

import jsonschema_rs
import msgspec
from jsonschema import Draft202012Validator


class Server(msgspec.Struct, tag="server"):
    port: int


CONTROL, DECODES, VALIDATES = (True, True), (True, False), (False, True)
CASES = [
    (set[int], "[1, 2]", CONTROL),
    (set[int], "[1, 1]", DECODES),
    (Server, '{"type": "server", "port": 443}', CONTROL),
    (Server, '{"port": 443}', DECODES),
    (Decimal, '"1.5"', CONTROL),
    (Decimal, "1.5", DECODES),
    (Decimal, '"one"', VALIDATES),
    (UUID, '"12345678-1234-5678-1234-567812345678"', CONTROL),
    (UUID, '"12345678123456781234567812345678"', DECODES),
    (int, "1", CONTROL),
    (int, "1.0", VALIDATES),
    (int, "1e2", VALIDATES),
    (timedelta, '"P1D"', CONTROL),
    (timedelta, '"P1W"', VALIDATES),
    (dict[int, str], '{"771": ""}', CONTROL),
    (dict[int, str], '{"tls": ""}', VALIDATES),
]


def decodes(kind, text):
    try:
        msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError:
        return False
    return True


def validates(kind, text):
    schema, document = msgspec.json.schema(kind), json.loads(text)
    by_python = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).is_valid(document)
    by_rust = jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(document)
    assert by_python == by_rust, "the two validators disagree about %s" % text
    return by_python


print(*("%s %s" % (name, version(name)) for name in ("msgspec", "jsonschema", "jsonschema-rs")), sep=", ")
changed = []
for kind, text, stated in CASES:
    seen = decodes(kind, text), validates(kind, text)
    print("%-16s %-40s decodes: %-5s validates: %s" % (getattr(kind, "__name__", kind) if kind in (Server, Decimal, UUID, int, timedelta) else kind, text, *seen))
    if seen != stated:
        changed.append((text, seen))
assert not changed, "it behaves otherwise: %r" % changed
print("seen as stated")
PY
timeout 60 "$work/venv/bin/python" "$work/show.py"
