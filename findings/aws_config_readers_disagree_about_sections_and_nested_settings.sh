#!/usr/bin/env bash
# pyarrow 26.0.1, TileDB-Py 0.36.1, rasterio 1.4.4, polars 2.1.0: of one ~/.aws/config each reads something else than boto3
# does: another region, another key, another endpoint, or nothing, so that the request goes out unsigned.
#
# AWS's reference guide of SDKs and tools describes the file: a setting may hold indented settings of its own (s3 =, dynamodb =), which
# are not the profile's; a profile may name a [services] section with an endpoint_url for each service, which wins over the profile's
# own; a profile may take a role with the key of its source_profile; credential_process gives a session token for temporary
# credentials only. Beside [profile default], which the SDKs prefer, [default] is ignored.
# Expected: what boto3 1.44.8 does.
# Seen 2026-11-29 against a store on loopback:
#                                    boto3        pyarrow    TileDB           rasterio       polars
#   one profile (control)            right        right      right            right          right
#   region indented below "tool ="   right        indented   indented         right          right
#   endpoint_url indented below
#     "dynamodb ="                   right        (not run)  DynamoDB's       (not run)      right
#   [services]: an endpoint for S3,
#     and another one of the profile right        (not run)  right            (not run)      the profile's
#   [default] and [profile default]  the latter   the latter none, unsigned   [default]      (not run)
#   role_arn and source_profile      the role     none, unsigned (both)       (not run)      the role
#   credential_process, no token     right        right      right            not sent       right
# pyarrow and TileDB read the file with the SDK for C++, rasterio with GDAL. What was not run would look for AWS itself.
# Known: that the SDK for C++ lacks nested settings (aws/aws-sdk-cpp#1966, from 2022; that it takes them for the profile's is not said),
# and that the one for JavaScript took them so (smithy-lang/smithy-typescript#985, mended).
# Matters for: a file that a company hands out, tried with the AWS CLI: objects are sought in another region, with another account, or
# sent to another service's port; "access denied" for an unsigned request says nothing of the file.
# Fails if a release behaves otherwise. Needs Linux, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  boto3==1.44.8 pyarrow==26.0.1 tiledb==0.36.1 rasterio==1.4.4 polars==2.1.0
cat > "$work/use.py" <<'PY'
"""Read s3://bucket/data.csv with the client that the command names, at the given endpoint or at that of the configuration."""
import os
import sys

client, endpoint = sys.argv[1], sys.argv[2]
if client == "boto3":
    import boto3
    from botocore.config import Config

    settings = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})
    boto3.client("s3", endpoint_url=endpoint or None, config=settings).get_object(Bucket="bucket", Key="data.csv")["Body"].read()
elif client == "pyarrow":
    from pyarrow.fs import S3FileSystem

    S3FileSystem(endpoint_override=endpoint).open_input_stream("bucket/data.csv").read()
elif client == "tiledb":
    import tiledb

    settings = {"vfs.s3.use_virtual_addressing": "false", "vfs.s3.region": "", "vfs.s3.connect_max_tries": "1"}
    if endpoint:
        settings |= {"vfs.s3.scheme": "http", "vfs.s3.endpoint_override": endpoint.partition("//")[2]}
    tiledb.VFS(settings).open("s3://bucket/data.csv").read()
elif client == "rasterio":
    os.environ |= {"AWS_S3_ENDPOINT": endpoint.partition("//")[2], "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE"}
    import rasterio

    with rasterio.Env(session=None):
        rasterio.open("/vsis3/bucket/data.csv")
else:
    import polars

    if endpoint:
        os.environ["AWS_ENDPOINT_URL"] = endpoint
    polars.scan_csv("s3://bucket/data.csv").collect()
PY
cat > "$work/show.py" <<'PY'
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

ROLE = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2050-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/a/b</Arn>
<AssumedRoleId>A:b</AssumedRoleId></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>""".encode()
seen = []


class Store(BaseHTTPRequestHandler):
    """An S3 store that notes key and region of the signature; it hands out a role as well."""

    protocol_version = "HTTP/1.1"
    note = "%s %s"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = ROLE if self.command == "POST" else b"a\n1\n"
        signed = re.search("Credential=([^/]*)/[^/]*/([^/]*)/", self.headers.get("Authorization", ""))
        if self.command != "POST":
            seen.append(self.note % signed.groups() if signed else "unsigned")
        self.send_response(206 if self.headers.get("Range") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Range", "bytes 0-3/4")
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sun, 29 Nov 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *_):
        pass


class Other(Store):
    note = "%s %s at the other endpoint"


def start(kind):
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "http://127.0.0.1:%d" % server.server_address[1]


def used(client, case, config, credentials, profile, endpoint):
    """Return what the store sees of one client: key and region, "unsigned", or "not sent"."""
    home = folder / ("%s in %s" % (client, case))
    (home / ".aws").mkdir(parents=True)
    (home / ".aws/config").write_text(config)
    (home / ".aws/credentials").write_text(credentials)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", "AWS_ALLOW_HTTP": "true", "NO_PROXY": "*"}
    environment |= {"AWS_ENDPOINT_URL_STS": store, "AWS_PROFILE": profile} if profile else {}
    seen.clear()
    done = subprocess.run((sys.executable, folder / "use.py", client, endpoint), env=environment, capture_output=True, timeout=60)
    assert seen or done.returncode, done.stdout + done.stderr
    return seen[0] if seen else "not sent"


folder = Path(sys.argv[1])
store, other = start(Store), start(Other)
KEY = "aws_access_key_id = %s\naws_secret_access_key = secret\n"
HERE = "[default]\nregion = eu-west-3\n"
PROCESS = folder / "process"
PROCESS.write_text("""#!/bin/sh
echo '{"Version": 1, "AccessKeyId": "KEY", "SecretAccessKey": "secret"}'
""")
PROCESS.chmod(0o700)
FILE = "[default]\n" + KEY % "KEY"
CASES = {  # config, credentials, AWS_PROFILE, endpoint
    "control": (HERE, FILE, None, store),
    "region of a tool": (HERE + "tool =\n  region = us-west-1\n", FILE, None, store),
    "endpoint of DynamoDB": (HERE + f"endpoint_url = {store}\ndynamodb =\n  endpoint_url = {other}\n", FILE, None, ""),
    "services": (
        HERE + f"endpoint_url = {other}\nservices = ours\n[services ours]\ns3 =\n  endpoint_url = {store}\n", FILE, None, ""),
    "two defaults": ("[default]\nregion = us-west-1\n" + KEY % "PLAIN" + "[profile default]\nregion = eu-west-3\n" + KEY % "KEY",
                     "", None, store),
    "role": ("[profile r]\nregion = eu-west-3\nrole_arn = arn:aws:iam::123456789012:role/a\nsource_profile = base\n",
             "[base]\n" + KEY % "BASE", "r", store),
    "process": (HERE + f"credential_process = {PROCESS}\n", "", None, store),
}
RIGHT, INDENTED = "KEY eu-west-3", "KEY us-west-1"
ELSEWHERE = RIGHT + " at the other endpoint"
CLIENTS = ("boto3", "pyarrow", "tiledb", "rasterio", "polars")
STATED = {  # None: not run
    "control": (RIGHT,) * 5,
    "region of a tool": (RIGHT, INDENTED, INDENTED, RIGHT, RIGHT),
    "endpoint of DynamoDB": (RIGHT, None, ELSEWHERE, None, RIGHT),
    "services": (RIGHT, None, RIGHT, None, ELSEWHERE),
    "two defaults": (RIGHT, RIGHT, "unsigned", "PLAIN us-west-1", None),
    "role": ("ROLE eu-west-3", "unsigned", "unsigned", None, "ROLE eu-west-3"),
    "process": (RIGHT, RIGHT, RIGHT, "not sent", RIGHT),
}
print(*("%s %s" % (client, version(client)) for client in CLIENTS))
as_stated = True
for case, arguments in CASES.items():
    for client, stated in zip(CLIENTS, STATED[case]):
        if stated:
            what = used(client, case, *arguments)
            as_stated &= what == stated
            print("%-22s %-9s %s" % (case, client, what), flush=True)
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
NO_PROXY='*' timeout 400 "$work/venv/bin/python" -W ignore "$work/show.py" "$work"
