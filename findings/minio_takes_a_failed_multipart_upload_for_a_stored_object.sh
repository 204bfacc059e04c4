#!/usr/bin/env bash
# minio 7.2.20: when a store cannot put the parts of an upload together, put_object and fput_object return as if it were stored.
#
# S3 may take minutes to complete a multipart upload. Therefore it answers 200 first, sends white space to keep the connection, and
# says at the end whether it worked: the body is CompleteMultipartUploadResult, or Error. Its reference for CompleteMultipartUpload
# asks each client to look. (S3 does the same with CopyObject, where minio raises, as no ETag is in the answer.)
# Expected: S3Error "InternalError", best after another try; and the parts are given up (AbortMultipartUpload).
# Seen 2026-11-29 with an upload of 12 MiB in three parts, of which the store says InternalError in a 200 answer:
#   minio       returns an ObjectWriteResult for the object; its etag, bucket and name are None; no other try, no abort: the parts
#               stay, are paid for, and the object does not exist.
#   boto3 1.44.8, pyarrow 26.0.1 and obstore 0.12.1 (controls) try again, then raise and quote the store.
# Matters for: backups: the program says that it saved the object, and may delete what it saved. Check result.etag.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    minio==7.2.20 boto3==1.44.8 botocore==1.44.8 pyarrow==26.0.1 obstore==0.12.1
cat > "$work/show.py" <<'PY'
import io
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import minio
import obstore
import pyarrow.fs
from botocore.config import Config

DATA = bytes(12 << 20)
BEGUN = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
FAILED = b'<?xml version="1.0"?>\n     \n<Error><Code>InternalError</Code><Message>We could not finish.</Message></Error>'
asked = []


class Store(BaseHTTPRequestHandler):
    """Takes the parts of an upload and fails to put them together, after its status has gone out."""

    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("ETag", '"0123456789abcdef0123456789abcdef"')
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def take(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do_PUT(self):
        self.take()
        self.answer(200)

    def do_DELETE(self):
        asked.append("abort")
        self.answer(204)

    def do_POST(self):
        self.take()
        begins = urlsplit(self.path).query.startswith("uploads")
        asked.append("begin" if begins else "complete")
        self.answer(200, BEGUN if begins else FAILED)

    def log_message(self, *_):
        pass


def by_minio(place, path):
    client = minio.Minio(place, access_key="x", secret_key="y", region="us-east-1", secure=False)
    return client.put_object("bucket", "key", io.BytesIO(DATA), len(DATA), part_size=5 << 20)


def by_minio_from_a_file(place, path):
    client = minio.Minio(place, access_key="x", secret_key="y", region="us-east-1", secure=False)
    return client.fput_object("bucket", "key", path, part_size=5 << 20)


def by_boto3(place, path):
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2})
    keys = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "y"}
    boto3.client("s3", endpoint_url="http://" + place, config=config, **keys).upload_file(path, "bucket", "key")


def by_pyarrow(place, path):
    files = pyarrow.fs.S3FileSystem(access_key="x", secret_key="y", region="us-east-1", endpoint_override=place, scheme="http")
    with files.open_output_stream("bucket/key") as stream:
        stream.write(DATA)


def by_obstore(place, path):
    keys = {"region": "us-east-1", "access_key_id": "x", "secret_access_key": "y"}
    options = {"client_options": {"allow_http": True}, "retry_config": {"max_retries": 1}}
    obstore.put(obstore.store.S3Store("bucket", endpoint="http://" + place, **keys, **options), "key", DATA)


path = Path(sys.argv[1])
path.write_bytes(DATA)
server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = {}
for client in (by_minio, by_minio_from_a_file, by_boto3, by_pyarrow, by_obstore):
    asked.clear()
    try:
        result = client("127.0.0.1:%d" % server.server_address[1], str(path))
        ended = "returned %s, etag %s" % (type(result).__name__, result.etag)
    except Exception as error:
        ended = "raised, quotes the store: %s" % ("We could not finish." in str(error))
    name = client.__name__[3:]
    seen[name] = (ended, asked.count("complete") > 1, asked.count("abort") > 0)
    print("%-18s %-45s tried again: %-5s aborted: %s" % (name, *seen[name]))
server.shutdown()
print(*("%s %s" % (name, version(name)) for name in ("minio", "boto3", "pyarrow", "obstore")), sep=", ")
silent = ("returned ObjectWriteResult, etag None", False, False)
assert seen["minio"] == seen["minio_from_a_file"] == silent, "minio behaves otherwise: %r" % seen
raised = ("raised, quotes the store: True", True)
assert all(seen[name][:2] == raised for name in ("boto3", "pyarrow", "obstore")), "a control behaves otherwise: %r" % seen
print("seen as stated")
PY
export AWS_EC2_METADATA_DISABLED=true
timeout 120 "$work/venv/bin/python" "$work/show.py" "$work/data"
