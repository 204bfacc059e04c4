#!/usr/bin/env bash
# boto3 1.44.8: an interim answer (103 Early Hints) before the object is taken for the object, which is then empty.
#
# A client must be able to read any number of 1xx answers before the final one (RFC 9110, section 15.2), expected or not.
# CPython's http.client, which botocore uses, skips 100 Continue only; and botocore counts every status below 300 as success.
# Expected: the interim answer is skipped, or at worst an error.
# Seen 2026-11-29 with Python 3.10, 3.11 and 3.13, an object of 200,000 bytes, and a server that sends 103 before its 200:
#   get_object    no error, HTTPStatusCode 103, an empty body, and no ContentLength
#   download_file no error, an empty file
#   minio 7.2.20 raises, also on http.client: it wants 200, 204 or 206.
#   httpx 0.28.1 (control) gets all 200,000 bytes.
# Matters for: whoever puts a proxy or content network that sends early hints before an S3-compatible store.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    boto3==1.44.8 botocore==1.44.8 s3transfer==0.19.3 urllib3==2.8.0 minio==7.2.20 httpx==0.28.1
cat > "$work/show.py" <<'PY'
import platform
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import httpx
import minio
from botocore.config import Config

BODY = b"0123456789" * 20_000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.command == "GET":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.send_header("ETag", '"0123456789abcdef0123456789abcdef"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 10:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(BODY)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Store(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that hangs up before the end of the answer is no news."""


store = Store(("127.0.0.1", 0), Handler)
threading.Thread(target=store.serve_forever, daemon=True).start()
place = "127.0.0.1:%d" % store.server_address[1]
client = boto3.client(
    "s3", endpoint_url="http://" + place, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y",
    config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
)
answer = client.get_object(Bucket="bucket", Key="key")
got = (answer["ResponseMetadata"]["HTTPStatusCode"], len(answer["Body"].read()), "ContentLength" in answer)
there = Path(sys.argv[1])
client.download_file("bucket", "key", str(there))
try:
    minio.Minio(place, access_key="x", secret_key="y", region="us-east-1", secure=False).get_object("bucket", "key")
    raised = "nothing"
except minio.error.InvalidResponseError:
    raised = "InvalidResponseError"
control = len(httpx.get("http://" + place + "/bucket/key", trust_env=False).content)
print("boto3", boto3.__version__, "on Python", platform.python_version())
print("get_object: no error, HTTPStatusCode %d, %d bytes, ContentLength there: %s" % got)
print("download_file: no error,", there.stat().st_size, "bytes of", len(BODY))
print("minio", minio.__version__, "raised", raised)
print("httpx", httpx.__version__, "read", control, "bytes")
seen = (got, there.stat().st_size, raised, control)
assert seen == ((103, 0, False), 0, "InvalidResponseError", len(BODY)), "it behaves otherwise: %r" % (seen,)
print("seen as stated")
PY
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
unset AWS_PROFILE AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3
timeout 60 "$work/venv/bin/python" "$work/show.py" "$work/downloaded"
