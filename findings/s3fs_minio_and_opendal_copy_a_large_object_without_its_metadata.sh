#!/usr/bin/env bash
# s3fs 2026.9.0, minio 7.2.20, opendal 0.47.12: a copy of an object keeps its metadata up to 5 GiB, and loses all of it above: content
# type, Content-Encoding, Cache-Control and the user's own.
#
# S3 copies up to 5 GB in one CopyObject, which takes the metadata along. What is larger has to be copied in parts, and the new object
# has what CreateMultipartUpload said of it; a client that switches by size asks for the metadata first (S3's user guide, "Copying,
# moving, and renaming objects", and its references of the two operations).
# Expected: the same copy, whatever the size; or an error.
# Seen 2026-11-30 with a store on loopback; its object is said to have 1 MiB or 6 GiB, and no byte of it is moved:
#                                         1 MiB      6 GiB
#   s3fs cp_file, mv                      the same   none
#   minio copy_object                     the same   none; the content type is application/octet-stream
#   opendal Operator.copy                 the same   none
#   boto3 1.43.117 copy (control)         the same   the same
#   s3cmd 2.4.0 cp (control)              the same   the same
# For boto3 it was reported in 2017 (boto/boto3#1227), for the SDK for Java in 2015 (aws/aws-sdk-java#367); of these three we found
# nothing. pyarrow and obstore send one CopyObject (seen, not run here), which S3 refuses.
# Matters for: moves of archives and backups: the largest objects lose who they belong to, and a browser or a reader is no longer told
# that they are compressed; after s3fs mv the original is gone as well. Compare a HEAD of both before you delete.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --prefer-binary boto3==1.43.117 s3fs==2026.9.0 aiobotocore==3.10.0 \
    minio==7.2.20 opendal==0.47.12 s3cmd==2.4.0
cat > "$work/show.py" <<'PY'
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import minio
import opendal
import s3fs
from minio.commonconfig import CopySource

ETAG = '"0123456789abcdef0123456789abcdef"'
WHEN = "2026-11-28T10:00:00.000Z"
METADATA = {"content-type": "text/csv", "content-encoding": "gzip", "cache-control": "no-store", "x-amz-meta-owner": "me"}
SIZES = {"1 MiB": 2**20, "6 GiB": 6 * 2**30}
objects = {}


class Store(BaseHTTPRequestHandler):
    """A bucket that keeps of each object how large it is and what its metadata say."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, status, body="", headers=()):
        self.send_response(status)
        for name, value in (headers or {"content-length": len(body)}).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body.encode() if self.command != "HEAD" else b"")

    def told(self):
        return {name: self.headers[name] for name in METADATA if name in self.headers}

    def do_HEAD(self):
        path = self.path.partition("?")[0]
        if path not in objects:
            return self.answer(404)
        head = {"content-length": objects[path]["size"], "etag": ETAG, "last-modified": "Sat, 28 Nov 2026 10:00:00 GMT"}
        self.answer(200, headers=head | objects[path]["metadata"])

    def do_GET(self):
        prefix = parse_qs(urlsplit(self.path).query).get("prefix", [""])[0]
        rows = "".join("<Contents><Key>%s</Key><Size>%d</Size><ETag>%s</ETag><LastModified>%s</LastModified></Contents>"
                       % (path.removeprefix("/bucket/"), each["size"], ETAG, WHEN) for path, each in objects.items()
                       if path.removeprefix("/bucket/").startswith(prefix))
        self.answer(200, "<ListBucketResult><IsTruncated>false</IsTruncated>%s</ListBucketResult>" % rows)

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        path, _, query = self.path.partition("?")
        if not query:
            replaced = self.headers.get("x-amz-metadata-directive") == "REPLACE"
            objects[path] = objects["/bucket/old"] | ({"metadata": self.told()} if replaced else {})
        kind = "CopyPartResult" if "partNumber" in query else "CopyObjectResult"
        self.answer(200, "<%s><ETag>%s</ETag><LastModified>%s</LastModified></%s>" % (kind, ETAG, WHEN, kind))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        path, _, query = self.path.partition("?")
        if query.startswith("delete"):
            for key in re.findall("<Key>(.*?)</Key>", body):
                del objects["/bucket/" + key]
            return self.answer(200, "<DeleteResult></DeleteResult>")
        if query.startswith("uploads"):
            objects[path] = {"size": objects["/bucket/old"]["size"], "metadata": self.told()}
        kind = "InitiateMultipartUploadResult" if query.startswith("uploads") else "CompleteMultipartUploadResult"
        rest = "<Bucket>bucket</Bucket><Key>new</Key><UploadId>1</UploadId><ETag>%s</ETag><Location>x</Location>" % ETAG
        self.answer(200, "<%s>%s</%s>" % (kind, rest, kind))

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
PLACE = "127.0.0.1:%d" % server.server_address[1]
URL = "http://" + PLACE
KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}


def by_s3fs():
    return s3fs.S3FileSystem(endpoint_url=URL, key="x", secret="y", skip_instance_cache=True)


def copy_by_minio():
    client = minio.Minio(PLACE, access_key="x", secret_key="y", region="us-east-1", secure=False)
    client.copy_object("bucket", "new", CopySource("bucket", "old"))


def copy_by_opendal():
    keys = {"access_key_id": "x", "secret_access_key": "y", "region": "us-east-1"}
    opendal.Operator("s3", bucket="bucket", endpoint=URL, **keys).copy("old", "new")


def copy_by_boto3():
    boto3.client("s3", endpoint_url=URL, **KEYS).copy({"Bucket": "bucket", "Key": "old"}, "bucket", "new")


def copy_by_s3cmd():
    command = [Path(sys.executable).with_name("s3cmd"), "-c", "/dev/null", "--access_key=x", "--secret_key=y", "--no-ssl", "--quiet"]
    command += ["--host=" + PLACE, "--host-bucket=" + PLACE, "cp", "s3://bucket/old", "s3://bucket/new"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


COPIES = {
    "s3fs cp_file": lambda: by_s3fs().cp_file("bucket/old", "bucket/new"),
    "s3fs mv": lambda: by_s3fs().mv("bucket/old", "bucket/new"),
    "minio copy_object": copy_by_minio,
    "opendal copy": copy_by_opendal,
    "boto3 copy": copy_by_boto3,
    "s3cmd cp": copy_by_s3cmd,
}
NOTHING = dict.fromkeys(["s3fs cp_file", "s3fs mv", "opendal copy"], {})
NOTHING["minio copy_object"] = {"content-type": "application/octet-stream"}
print(*("%s %s" % (each, version(each)) for each in ("s3fs", "minio", "opendal", "boto3", "s3cmd")), flush=True)
good = True
for name, copy in COPIES.items():
    for size, length in SIZES.items():
        objects.clear()
        objects["/bucket/old"] = {"size": length, "metadata": METADATA}
        copy()
        seen = objects["/bucket/new"]["metadata"]
        stated = METADATA if size == "1 MiB" else NOTHING.get(name, METADATA)
        good = good and seen == stated and objects["/bucket/new"]["size"] == length and ("/bucket/old" in objects) == (name != "s3fs mv")
        print("%-18s %-6s %s" % (name, size, "the same" if seen == METADATA else seen or "none"), flush=True)
assert good, "it behaves otherwise"
print("seen as stated")
PY
export AWS_EC2_METADATA_DISABLED=true
timeout 200 "$work/venv/bin/python" -W ignore "$work/show.py"
