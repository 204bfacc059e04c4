#!/usr/bin/env bash
# TileDB-Py 0.36.1: while some of its calls wait for a store, no other Python thread of the process runs.
#
# Native S3 clients release Python's global lock while they wait for the network (seen with pyarrow, obstore, tensorstore, rasterio,
# polars, awscrt, s3torchconnectorclient, pycurl and curl-cffi); Python's own sockets do so too.
# Expected: a slow store stops the thread that reads, and no other.
# Seen 2026-11-29 with a store that takes 1.5 s for each answer, and a second thread that notes the time every 10 ms:
#   VFS.open, VFS.ls_recursive, object_type     keep the lock for the whole answer (as do Group and ArraySchema.load)
#   VFS.is_file, VFS.file_size, VFS.ls, read    release it
#   pyarrow 26.0.1, get_file_info (control)     releases it
# Matters for: heartbeats, progress bars, time limits kept by a thread, and servers: a test server in the same process can never
# answer such a request, so that the client's own time-out reads like a store, or a TLS version, that refuses.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer with its global lock, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: tiledb==0.36.1 pyarrow==26.0.1
cat > "$work/store.py" <<'PY'
"""A slow store of a single object, in a process of its own."""

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = b"0123456789"
LIST = (
    b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
    b"<Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents>"
    b"<Key>folder/key</Key><LastModified>2026-11-28T10:00:00.000Z</LastModified><Size>10</Size></Contents></ListBucketResult>"
)
SECONDS = 1.5


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(SECONDS)
        body = LIST if "list-type" in self.path else BODY
        self.send_response(206 if self.headers.get("Range") else 200)
        self.send_header("Content-Length", str(len(body)))
        if self.headers.get("Range"):
            self.send_header("Content-Range", "bytes 0-9/10")
        self.send_header("ETag", '"0123456789abcdef0123456789abcdef"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 10:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

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
import threading
import time
from pathlib import Path

import pyarrow
import pyarrow.fs
import tiledb
from store import SECONDS


def longest_stop(of):
    """Seconds that another thread stood still, at the longest, while the call was under way."""
    stops, done = [0.0], threading.Event()

    def tick():
        last = time.monotonic()
        while not done.wait(0.01):
            now = time.monotonic()
            stops.append(now - last)
            last = now

    ticker = threading.Thread(target=tick)
    ticker.start()
    time.sleep(0.1)
    try:
        of()
    finally:
        time.sleep(0.1)
        done.set()
        ticker.join()
    return max(stops)


def calls(place):
    config = {
        "vfs.s3.endpoint_override": place,
        "vfs.s3.scheme": "http",
        "vfs.s3.use_virtual_addressing": "false",
        "vfs.s3.region": "us-east-1",
        "vfs.s3.aws_access_key_id": "x",
        "vfs.s3.aws_secret_access_key": "y",
    }
    context = tiledb.Ctx(config)
    vfs = tiledb.VFS(ctx=context)
    arrow = pyarrow.fs.S3FileSystem(access_key="x", secret_key="y", region="us-east-1", endpoint_override=place, scheme="http")
    key = "s3://bucket/folder/key"
    yield "pyarrow get_file_info", lambda: arrow.get_file_info("bucket/folder/key")
    yield "tiledb VFS.is_file", lambda: vfs.is_file(key)
    yield "tiledb VFS.file_size", lambda: vfs.file_size(key)
    yield "tiledb VFS.ls", lambda: vfs.ls("s3://bucket/folder/")
    yield "tiledb VFS.ls_recursive", lambda: vfs.ls_recursive("s3://bucket/folder/")
    yield "tiledb object_type", lambda: tiledb.object_type("s3://bucket/folder", ctx=context)
    opened = []
    yield "tiledb VFS.open", lambda: opened.append(vfs.open(key, "rb"))
    yield "tiledb FileIO.read", opened[0].read


seen = {}
print("tiledb", ".".join(map(str, tiledb.version())), "pyarrow", pyarrow.__version__, "answers take %.1f s" % SECONDS)
with subprocess.Popen([sys.executable, Path(__file__).with_name("store.py")], stdout=subprocess.PIPE, text=True) as server:
    try:
        for name, call in calls("127.0.0.1:%d" % int(server.stdout.readline())):
            stop = longest_stop(call)
            seen[name] = stop > SECONDS * 0.9
            print("%-24s another thread stood still for %.2f s at the longest" % (name, stop))
    finally:
        server.kill()
stated = dict.fromkeys(seen, False) | dict.fromkeys(("tiledb VFS.ls_recursive", "tiledb object_type", "tiledb VFS.open"), True)
assert seen == stated, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
timeout 120 "$work/venv/bin/python" "$work/show.py"
