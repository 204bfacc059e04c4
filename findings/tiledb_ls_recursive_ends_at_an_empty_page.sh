#!/usr/bin/env bash
# TileDB-Py 0.36.1: VFS.ls_recursive ends at a page of a listing that is empty, though the store says that more pages follow.
#
# ListObjectsV2 may give fewer keys than asked for, none included; what says that there is more is IsTruncated, with
# NextContinuationToken. A store that filters while it walks (versions, delete markers, rights) may give empty pages in the middle.
# Expected: the keys of all pages, or an error.
# Seen 2026-11-29 with three pages, of which the second is empty:
#   tiledb 0.36.1   ls_recursive says the keys of the first page only, without an error; it asks for two pages of three
#   tiledb 0.36.1   ls says all, as do pyarrow 26.0.1, minio 7.2.20 and obstore 0.12.1 (controls)
#   With the first page empty ls_recursive goes on, and says the keys of the second.
# Matters for: whoever lists a bucket to copy, count or delete what is in it: the rest is as good as gone.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    tiledb==0.36.1 pyarrow==26.0.1 minio==7.2.20 obstore==0.12.1
cat > "$work/store.py" <<'PY'
"""A store that lists two keys on pages, some of them empty, in a process of its own: tiledb keeps Python's lock while it waits.

The arguments are the number of keys on each page and the file that keeps a line for each page asked for."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

KEYS = ("folder/a", "folder/b")
ITEM = (
    '<Contents><Key>%s</Key><LastModified>2026-11-28T10:00:00.000Z</LastModified><Size>10</Size>'
    "<ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><StorageClass>STANDARD</StorageClass></Contents>"
)
PAGE = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
    "<Prefix>%s</Prefix><KeyCount>%d</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>%s</IsTruncated>%s%s</ListBucketResult>"
)


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        number = int(asked.get("continuation-token", ["0"])[0])
        with Path(sys.argv[2]).open("a") as log:
            print(number, file=log)
        sizes = [int(size) for size in sys.argv[1]]
        keys = KEYS[sum(sizes[:number]) : sum(sizes[: number + 1])]
        more = number + 1 < len(sizes)
        token = "<NextContinuationToken>%d</NextContinuationToken>" % (number + 1) if more else ""
        items = "".join(ITEM % key for key in keys)
        body = (PAGE % (asked.get("prefix", [""])[0], len(keys), str(more).lower(), token, items)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
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
import obstore
import pyarrow.fs
import tiledb
from store import KEYS


def vfs(place):
    config = {"endpoint_override": place, "scheme": "http", "use_virtual_addressing": "false", "region": "us-east-1"}
    config |= {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    return tiledb.VFS(ctx=tiledb.Ctx({"vfs.s3." + name: value for name, value in config.items()}))


def by_tiledb_ls_recursive(place):
    return vfs(place).ls_recursive("s3://bucket/")


def by_tiledb_ls(place):
    return vfs(place).ls("s3://bucket/folder/")


def by_pyarrow(place):
    keys = {"access_key": "x", "secret_key": "y", "region": "us-east-1"}
    files = pyarrow.fs.S3FileSystem(endpoint_override=place, scheme="http", **keys)
    found = files.get_file_info(pyarrow.fs.FileSelector("bucket", recursive=True))
    return [each.path for each in found if each.type == pyarrow.fs.FileType.File]


def by_minio(place):
    client = minio.Minio(place, access_key="x", secret_key="y", region="us-east-1", secure=False)
    return [each.object_name for each in client.list_objects("bucket", recursive=True)]


def by_obstore(place):
    keys = {"region": "us-east-1", "access_key_id": "x", "secret_access_key": "y"}
    store = obstore.store.S3Store("bucket", endpoint="http://" + place, client_options={"allow_http": True}, **keys)
    return [each["path"] for page in obstore.list(store) for each in page]


seen = {}
log = Path(sys.argv[1])
for sizes in ("101", "02"):
    command = [sys.executable, Path(__file__).with_name("store.py"), sizes, log]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            place = "127.0.0.1:%d" % int(server.stdout.readline())
            for client in (by_tiledb_ls_recursive, by_tiledb_ls, by_pyarrow, by_minio, by_obstore):
                log.write_text("")
                name = client.__name__[3:]
                said = client(place)
                found = [key for key in KEYS if any(each.endswith(key) for each in said)]
                seen[sizes, name] = (len(found), len(log.read_text().split()))
                package = name.split("_")[0]
                print("pages of %s keys: %-19s %-7s %d of 2 keys, %d of %d pages asked for" % (
                    ", ".join(sizes), name, version(package), *seen[sizes, name], len(sizes)))
        finally:
            server.kill()
stated = {key: (2, len(key[0])) for key in seen} | {("101", "tiledb_ls_recursive"): (1, 2)}
assert seen == stated, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
export AWS_EC2_METADATA_DISABLED=true
timeout 120 "$work/venv/bin/python" "$work/show.py" "$work/log"
