#!/usr/bin/env bash
# scapy 2.8.0: a single empty line in a TLS key log makes it drop every key in the file, also those before that line.
#
# The key log format (SSLKEYLOGFILE, by which a client tells a capture's reader its secrets) has one secret on a line; lines are
# ignored if they are empty or begin with "#" (RFC 9850, section 2). Logs that are appended to, joined or edited have empty lines.
# Expected: both secrets below, as without the empty line.
# Seen 2026-11-29 with load_nss_keys(), which conf.tls_nss_filename uses:
#   as written, with a comment, with CR LF   both labels
#   with an empty line                       {}, and the warning "Invalid NSS Key Log Entry: " with no line to look for
# Matters for: a session that stays encrypted although its keys are in the file. Filter the file first: grep . keys.log
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check scapy==2.8.0 cryptography==50.0.2
cat > "$work/show.py" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

from scapy.layers.tls.session import load_nss_keys

FIRST = b"CLIENT_RANDOM " + b"aa" * 32 + b" " + b"bb" * 48
SECOND = b"CLIENT_HANDSHAKE_TRAFFIC_SECRET " + b"cc" * 32 + b" " + b"dd" * 32
BOTH = ["CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_RANDOM"]
LOGS = {
    "as written": (FIRST + b"\n" + SECOND + b"\n", BOTH),
    "a comment": (b"# session\n" + FIRST + b"\n" + SECOND + b"\n", BOTH),
    "CR LF": (FIRST + b"\r\n" + SECOND + b"\r\n", BOTH),
    "an empty line": (FIRST + b"\n\n" + SECOND + b"\n", []),
    "an empty line at the end": (FIRST + b"\n" + SECOND + b"\n\n", []),
}
path, as_stated = Path(sys.argv[1]), True
print("scapy", version("scapy"))
for name, (log, stated) in LOGS.items():
    path.write_bytes(log)
    seen = sorted(load_nss_keys(str(path)))
    as_stated &= seen == stated
    print("%-25s %s" % (name, seen))
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
timeout 120 "$work/venv/bin/python" -W ignore "$work/show.py" "$work/keys.log"
