#!/usr/bin/env bash
# boto3 1.44.8 and s3fs 2026.9.0: a whole object in answer to a range is taken for the range, without an error.
#
# A server may ignore Range and answer 200 with the whole object (RFC 9110, section 14.2); S3 itself never does, a proxy or
# cache before an S3-compatible store can. A client must look at the status: 206 is the range, 200 is everything.
# Expected: the right bytes (smart_open skips to the place), or an error (obstore and awscrt raise).
# Seen 2026-11-29 with an object of 200,000 bytes:
#   boto3   download_file in parts of 65,536 bytes leaves a file of 396,608 bytes: each part is the whole object, written where
#           the part begins.
#   s3fs    open(), seek(100000), read(16) returns bytes 0 to 15.
#   smart_open 9.0.2 (control) returns bytes 100,000 to 100,015.
#   obstore 0.12.1 (control) raises.
# Matters for: whoever puts a TLS-terminating proxy before a store: what arrives is wrong, and every exit code is 0.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# aiobotocore, which s3fs uses, wants an older botocore than boto3 1.44.8: an environment for each.
for set in "boto3==1.44.8 botocore==1.44.8 s3transfer==0.19.3 urllib3==2.8.0 smart_open==9.0.2 obstore==0.12.1" \
    "s3fs==2026.9.0 aiobotocore==3.10.0 aiohttp==3.14.5 fsspec==2026.9.0"; do
    venv="$work/${set%%=*}"
    python3 -m venv "$venv"
    # shellcheck disable=SC2086  # the words of the set are the packages
    "$venv/bin/pip" install --quiet --disable-pip-version-check $set
done
cat > "$work/store.py" <<'PY'
"""A store of a single object that ignores Range."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = bytes((i * 7 + i // 251) % 256 for i in range(200_000))
START, LENGTH = 100_000, 16
KEYS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "y"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
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
        """A client that hangs up in the middle of the object is no news."""


def start():
    store = Store(("127.0.0.1", 0), Handler)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    return "http://127.0.0.1:%d" % store.server_address[1]
PY
cat > "$work/boto.py" <<'PY'
import sys
from pathlib import Path

import boto3
import obstore
import smart_open
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from store import BODY, KEYS, LENGTH, START, start

url = start()
client = boto3.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": "path"}), **KEYS)
there = Path(sys.argv[1])
parts = TransferConfig(multipart_threshold=65_536, multipart_chunksize=65_536, preferred_transfer_client="classic")
client.download_file("bucket", "key", str(there), Config=parts)
print("boto3", boto3.__version__, "no error;", len(BODY), "bytes in the store,", there.stat().st_size, "in the file")
with smart_open.open("s3://bucket/key", "rb", transport_params={"client": client}) as file:
    file.seek(START)
    skipped = file.read(LENGTH) == BODY[START : START + LENGTH]
print("smart_open", smart_open.__version__, "right bytes:", skipped)
store = obstore.store.S3Store(
    "bucket", endpoint=url, region="us-east-1", access_key_id="x", secret_access_key="y",
    client_options={"allow_http": True}, retry_config={"max_retries": 0},
)
try:
    obstore.get_range(store, "key", start=START, length=LENGTH)
    raised = "nothing"
except obstore.exceptions.GenericError:
    raised = "GenericError"
print("obstore", obstore.__version__, "raised", raised)
assert (there.stat().st_size, skipped, raised) == (196_608 + len(BODY), True, "GenericError"), "it behaves otherwise"
PY
cat > "$work/fs.py" <<'PY'
import s3fs
from store import BODY, LENGTH, START, start

files = s3fs.S3FileSystem(key="x", secret="y", endpoint_url=start(), client_kwargs={"region_name": "us-east-1"})
with files.open("bucket/key", "rb", block_size=32_768) as file:
    file.seek(START)
    read = file.read(LENGTH)
print("s3fs", s3fs.__version__, "no error; bytes", "%d to %d" % (BODY.index(read), BODY.index(read) + LENGTH - 1), "of the object")
assert read == BODY[:LENGTH] != BODY[START : START + LENGTH], "it behaves otherwise: %r" % read
PY
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
unset AWS_PROFILE AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3
timeout 60 "$work/boto3/bin/python" "$work/boto.py" "$work/downloaded"
timeout 60 "$work/s3fs/bin/python" "$work/fs.py"
echo "seen as stated"
