#!/usr/bin/env bash
# pyarrow 26.0.1 and TileDB-Py 0.36.1: they follow a redirect, and cut the object to the length of the redirect's own answer.
#
# Some S3-compatible stores spread their load by answering 307 with the place of the object, as S3 does for new buckets. The answer
# may carry a page of its own, whose Content-Length is of that page (RFC 9110, section 8.6), for HEAD too.
# Expected: the object, or an error because the redirect is not followed.
# Seen 2026-11-29 with an object of 200,000 bytes behind a 307, whose page has 164 bytes, or none:
#   pyarrow, tiledb            follow; the size is said to be 164 (or 0), just the first 164 bytes (or none) are read; no error
#   minio 7.2.20 and obstore 0.12.1 (controls) follow and read all 200,000 bytes.
#   tensorstore 0.1.86 and s3torchconnectorclient 1.5.0 (not run here) raise and name the status 307.
# Without a Content-Length in the redirect ("Transfer-Encoding: chunked") both read all.
# Matters for: tables and arrays that come out empty or cut, with exit code 0, on the day that a store begins to redirect.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    pyarrow==26.0.1 tiledb==0.36.1 minio==7.2.20 obstore==0.12.1
cat > "$work/store.py" <<'PY'
"""A store in front that redirects, and one behind that has a single object, in a process of their own: tiledb keeps Python's lock
while it waits for an answer. The argument is the length of the redirect's page, or -1 for one of unsaid length."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = b"0123456789" * 20_000
PAGE = int(sys.argv[1]) if len(sys.argv) > 1 else 0


class Behind(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body, asked = BODY, self.headers.get("Range")
        if asked:
            first, last = asked.removeprefix("bytes=").split("-")
            body = BODY[int(first) : int(last) + 1 if last else None]
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", "bytes %s-%d/%d" % (first, int(first) + len(body) - 1, len(BODY)))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"0123456789abcdef0123456789abcdef"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 10:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Front(Behind):
    def do_GET(self):
        self.send_response(307)
        self.send_header("Location", "http://127.0.0.1:%d%s" % (behind.server_address[1], self.path))
        if PAGE < 0:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(PAGE))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"0\r\n\r\n" if PAGE < 0 else b"." * PAGE)

    do_HEAD = do_GET


if __name__ == "__main__":
    behind, front = (ThreadingHTTPServer(("127.0.0.1", 0), handler) for handler in (Behind, Front))
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    print(front.server_address[1], flush=True)
    front.serve_forever()
PY
cat > "$work/show.py" <<'PY'
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import minio
import obstore
import pyarrow.fs
import tiledb
from store import BODY

KEYS = {"region": "us-east-1", "access_key_id": "x", "secret_access_key": "y"}


def by_pyarrow(place):
    keys = {"access_key": "x", "secret_key": "y", "region": "us-east-1"}
    return pyarrow.fs.S3FileSystem(endpoint_override=place, scheme="http", **keys).open_input_stream("bucket/key").read()


def by_tiledb(place):
    config = {"endpoint_override": place, "scheme": "http", "use_virtual_addressing": "false", "region": "us-east-1"}
    config |= {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    context = tiledb.Ctx({"vfs.s3." + name: value for name, value in config.items()})
    with tiledb.VFS(ctx=context).open("s3://bucket/key", "rb") as file:
        return file.read()


def by_minio(place):
    client = minio.Minio(place, access_key="x", secret_key="y", region="us-east-1", secure=False)
    return client.get_object("bucket", "key").read()


def by_obstore(place):
    store = obstore.store.S3Store("bucket", endpoint="http://" + place, client_options={"allow_http": True}, **KEYS)
    return bytes(obstore.get(store, "key").bytes())


seen = {}
for page in (164, 0, -1):
    command = [sys.executable, Path(__file__).with_name("store.py"), str(page)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            place = "127.0.0.1:%d" % int(server.stdout.readline())
            for client in (by_pyarrow, by_tiledb, by_minio, by_obstore):
                name, data = client.__name__[3:], client(place)
                assert BODY.startswith(data), "%s read something else" % name
                seen[page, name] = len(data)
                what = "of unsaid length" if page < 0 else "of %d bytes" % page
                print("redirect %-16s %-8s%-8s read %d bytes of %d" % (what, name, version(name), len(data), len(BODY)))
        finally:
            server.kill()
stated = dict.fromkeys(seen, len(BODY)) | {(page, name): page for page in (164, 0) for name in ("pyarrow", "tiledb")}
assert seen == stated, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
export AWS_EC2_METADATA_DISABLED=true
timeout 120 "$work/venv/bin/python" "$work/show.py"
