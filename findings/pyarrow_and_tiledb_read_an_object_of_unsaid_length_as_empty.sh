#!/usr/bin/env bash
# pyarrow 26.0.1 and TileDB-Py 0.36.1: an object whose length the store leaves out of its HEAD answer is read as empty.
#
# An answer to HEAD may leave out Content-Length (RFC 9110, section 8.6), and does where the body of a GET would be chunked: a
# proxy that compresses sends that, for one. No length is not a length of 0.
# Expected: the object by GET, or an error that names the header.
# Seen 2026-11-29 with an object of 200,000 bytes and a server that sends "Transfer-Encoding: chunked" to HEAD and GET:
#   pyarrow 26.0.1  get_file_info says size 0, open_input_stream().read() returns b"": the object is never requested.
#   tiledb 0.36.1   file_size says 0, read() returns b"": the object is never requested.
#   minio 7.2.20 (control) reads all of it.
#   s3fs 2026.9.0, obstore 0.12.1 and boto3 1.44.8 (not run here) raise and name the header that is missing.
# Matters for: whoever puts a TLS-terminating proxy before an S3-compatible store: data sets come out empty, with exit code 0.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    pyarrow==26.0.1 tiledb==0.36.1 minio==7.2.20
cat > "$work/store.py" <<'PY'
"""A store of a single object, in a process of its own: tiledb keeps Python's lock while it waits for an answer."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BODY = b"0123456789" * 20_000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with Path(sys.argv[1]).open("a") as log:
            print(self.command, file=log)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("ETag", '"0123456789abcdef0123456789abcdef"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 10:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()
PY
cat > "$work/show.py" <<'PY'
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import minio
import pyarrow.fs
import tiledb
from store import BODY


def by_pyarrow(place):
    files = pyarrow.fs.S3FileSystem(
        access_key="x", secret_key="y", region="us-east-1", endpoint_override=place, scheme="http"
    )
    return files.get_file_info("bucket/key").size, files.open_input_stream("bucket/key").read()


def by_tiledb(place):
    context = tiledb.Ctx(
        {
            "vfs.s3.endpoint_override": place,
            "vfs.s3.scheme": "http",
            "vfs.s3.use_virtual_addressing": "false",
            "vfs.s3.region": "us-east-1",
            "vfs.s3.aws_access_key_id": "x",
            "vfs.s3.aws_secret_access_key": "y",
        }
    )
    files = tiledb.VFS(ctx=context)
    with files.open("s3://bucket/key", "rb") as file:
        return files.file_size("s3://bucket/key"), file.read()


def by_minio(place):
    client = minio.Minio(place, access_key="x", secret_key="y", region="us-east-1", secure=False)
    return None, client.get_object("bucket", "key").read()


seen = {}
log = Path(sys.argv[1])
with subprocess.Popen([sys.executable, Path(__file__).with_name("store.py"), log], stdout=subprocess.PIPE, text=True) as server:
    try:
        place = "127.0.0.1:%d" % int(server.stdout.readline())
        for name, read in (("pyarrow", by_pyarrow), ("tiledb", by_tiledb), ("minio", by_minio)):
            log.write_text("")
            size, body = read(place)
            seen[name] = (size, len(body), "GET" in log.read_text().split())
    finally:
        server.kill()
for name, (size, length, sent) in seen.items():
    print("%-8s%-7s size %-5s %6d bytes of %d read, no error; sent a GET: %s" % (name, version(name), size, length, len(BODY), sent))
stated = {"pyarrow": (0, 0, False), "tiledb": (0, 0, False), "minio": (None, len(BODY), True)}
assert seen == stated, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
export AWS_EC2_METADATA_DISABLED=true
timeout 60 "$work/venv/bin/python" "$work/show.py" "$work/log"
