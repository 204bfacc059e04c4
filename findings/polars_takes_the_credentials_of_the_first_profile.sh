#!/usr/bin/env bash
# polars 2.1.0: with a storage option such as an encryption or a checksum, it reads and writes S3 with the credentials of whatever
# profile stands first in ~/.aws/credentials, not with those of AWS_PROFILE or of the default profile.
#
# AWS's reference guide of SDKs and tools: AWS_PROFILE names the profile, [default] holds without it, and a profile inherits nothing
# from another. polars asks boto3, where it is installed, unless it takes one of storage_options for a credential; then its own reader
# looks for the first line "aws_access_key_id = ..." in the file, the first "aws_session_token = ...", and so on, below whatever
# heading.
# Expected: the profile that boto3 takes.
# Seen 2026-11-29 with boto3 1.44.8 installed, reads and writes alike, no warning:
#   AWS_PROFILE=work, no storage_options, or only aws_region or timeout      work (control)
#   AWS_PROFILE=work, and aws_server_side_encryption,
#     aws_checksum_algorithm or aws_unsigned_payload                         key and session token of the first profile
#   the same, work is first and a later profile has a session token         key of work, session token of the other
#   no AWS_PROFILE, [default] second, and such an option                     key and session token of the first profile
#   no AWS_PROFILE, no [default] (boto3: no credentials), no option          key and session token of the first profile
# Known for the time before polars asked boto3 (pola-rs/polars#18757, closed since) and for its Rust crate (derekwisong/datui#174);
# that an option brings it back beside boto3 we found nowhere.
# Matters for: data that is written as another account's, or read with another account's rights. Pass
# credential_provider=polars.CredentialProviderAWS(profile_name=...).
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 boto3==1.44.8
cat > "$work/show.py" <<'PY'
import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

USE = """
import json, sys
import boto3, polars
given = {"storage_options": json.loads(sys.argv[2])} if sys.argv[2] != "null" else {}
credentials = boto3.Session().get_credentials()
print(credentials.access_key if credentials else "none")
try:
    if sys.argv[1] == "read":
        polars.scan_csv("s3://bucket/data.csv", **given).collect()
    else:
        polars.DataFrame({"a": [1]}).lazy().sink_csv("s3://bucket/data.csv", **given)
except OSError as error:
    print(error, file=sys.stderr)
"""
FIRST, WORK = (
    "[%s]\naws_access_key_id = OF-%s\naws_secret_access_key = secret\n%s" % each
    for each in (("first", "FIRST", "aws_session_token = FIRST-TOKEN\n"), ("work", "WORK", ""))
)
DEFAULT = WORK.replace("work", "default").replace("WORK", "DEFAULT")
signed = []


class Store(BaseHTTPRequestHandler):
    """An S3 store with one object, which notes with whose key a request is signed."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key = re.search("Credential=([^/]*)", self.headers.get("Authorization", ""))
        token = self.headers.get("x-amz-security-token")
        signed.append((key.group(1) if key else "unsigned") + (" + " + token if token else ""))
        body = b"" if self.command == "PUT" else b"a\n1\n"
        self.send_response(206 if self.headers.get("Range") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Range", "bytes 0-3/4")
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sun, 29 Nov 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = answer

    def log_message(self, *_):
        pass


def used(number, how, file, profile, options):
    """Return the keys that boto3 would take, and that the requests of polars are signed with."""
    home = folder / str(number)
    (home / ".aws").mkdir(parents=True)
    (home / ".aws/credentials").write_text(file)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"HOME": str(home), "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "eu-west-3"}
    environment |= {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*"} | ({"AWS_PROFILE": profile} if profile else {})
    signed.clear()
    command = (sys.executable, "-c", USE, how, json.dumps(options))
    done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=60)
    assert signed and done.returncode == 0, done.stderr
    return done.stdout.strip(), *sorted(set(signed))


folder = Path(sys.argv[1])
server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
endpoint = "http://127.0.0.1:%d" % server.server_address[1]
WRONG = "OF-FIRST + FIRST-TOKEN"
CASES = [  # how, file, AWS_PROFILE, storage_options; then whose key boto3 and polars take
    ("read", FIRST + WORK, "work", None, "OF-WORK", "OF-WORK"),
    ("write", FIRST + WORK, "work", None, "OF-WORK", "OF-WORK"),
    ("read", FIRST + WORK, "work", {"aws_region": "eu-west-3"}, "OF-WORK", "OF-WORK"),
    ("read", FIRST + WORK, "work", {"timeout": "30s"}, "OF-WORK", "OF-WORK"),
    ("read", FIRST + WORK, "work", {"aws_checksum_algorithm": "sha256"}, "OF-WORK", WRONG),
    ("write", FIRST + WORK, "work", {"aws_server_side_encryption": "AES256"}, "OF-WORK", WRONG),
    ("write", FIRST + WORK, "work", {"aws_checksum_algorithm": "sha256"}, "OF-WORK", WRONG),
    ("write", FIRST + WORK, "work", {"aws_unsigned_payload": "true"}, "OF-WORK", WRONG),
    ("write", WORK + FIRST, "work", {"aws_unsigned_payload": "true"}, "OF-WORK", "OF-WORK + FIRST-TOKEN"),
    ("write", FIRST + DEFAULT, None, {"aws_unsigned_payload": "true"}, "OF-DEFAULT", WRONG),
    ("read", FIRST + WORK, None, None, "none", WRONG),
]
print("polars", version("polars"), "boto3", version("boto3"))
as_stated = True
for number, (how, file, profile, options, *stated) in enumerate(CASES):
    seen = used(number, how, file, profile, options)
    as_stated &= list(seen) == stated
    print("%-5s AWS_PROFILE=%s %-40s boto3: %s, polars: %s" % (how, profile, options, seen[0], ", ".join(seen[1:])), flush=True)
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
NO_PROXY='*' timeout 300 "$work/venv/bin/python" -W ignore "$work/show.py" "$work"
