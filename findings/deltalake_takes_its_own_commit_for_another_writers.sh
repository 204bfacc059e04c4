#!/usr/bin/env bash
# deltalake 1.6.6: when the store's answer to a commit is lost, it takes its own commit for another writer's: an append is
# committed twice, and every other change raises CommitFailedError although it was made.
#
# A Delta table on S3 gets version N by a PUT of N.json with "If-None-Match: *" (storage option aws_conditional_put=etag). S3 may
# answer 500 or 503 to a request, and clients are to try again; the first try may have been carried out all the same. The second
# try then gets 412, which says that N.json exists, not whose it is. Each commit holds an identifier (commitInfo.txnId, and the
# names of its new files) by which a writer can recognise its own.
# Expected: the commit is recognised, as lance 14.0.2 and icechunk 1.1.21 (not run here) do in the same place.
# Seen 2026-11-29 with a store that keeps version 1, and answers 500 to the first try only:
#   append                    no error; versions 1 and 2 hold the same file: the table has each row once, the change data feed twice.
#   delete, update, merge, overwrite, set_table_properties
#                             CommitFailedError; the change is in the table, as version 1.
# Matters for: readers of the change data feed or of single versions, who count rows twice; and whoever runs a failed job again.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: deltalake==1.6.6 pyarrow==26.0.1
cat > "$work/store.py" <<'PY'
"""A store that keeps version 1 of each table, but answers 500 to the first try; in a process of its own, as deltalake may keep
Python's lock while it waits."""

import hashlib
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

OBJECTS, LOST = {}, set()
LIST = '<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated>%s</ListBucketResult>'
ITEM = "<Contents><Key>%s</Key><LastModified>2026-11-28T10:00:00.000Z</LastModified><Size>%d</Size></Contents>"


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def key(self):
        return unquote(urlsplit(self.path).path).removeprefix("/bucket").lstrip("/")

    def do_PUT(self):
        key, body = self.key(), self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("If-None-Match") == "*" and key in OBJECTS:
            return self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        OBJECTS[key] = body
        if key.endswith("/00000000000000000001.json") and key not in LOST:
            LOST.add(key)
            return self.answer(500, b"<Error><Code>InternalError</Code></Error>")
        return self.answer(200, ETag='"%s"' % hashlib.md5(body).hexdigest())

    def do_GET(self):
        asked, key = parse_qs(urlsplit(self.path).query), self.key()
        if "list-type" in asked:
            prefix, after = (asked.get(name, [""])[0] for name in ("prefix", "start-after"))
            found = sorted(name for name in OBJECTS if name.startswith(prefix) and name > after)
            return self.answer(200, (LIST % "".join(ITEM % (name, len(OBJECTS[name])) for name in found)).encode())
        if key not in OBJECTS:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        body, size = OBJECTS[key], len(OBJECTS[key])
        headers = {"ETag": '"%s"' % hashlib.md5(body).hexdigest(), "Last_Modified": "Sat, 28 Nov 2026 10:00:00 GMT"}
        ranged = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not ranged:
            return self.answer(200, body, **headers)
        first, last = ranged.groups()
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last), size - 1) if first and last else size - 1
        return self.answer(206, body[start : end + 1], Content_Range="bytes %d-%d/%d" % (start, end, size), **headers)

    do_HEAD = do_GET

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
from pathlib import Path

import deltalake
import pyarrow as pa
from deltalake.exceptions import CommitFailedError

ROWS, FEED = pa.table({"a": [1, 2, 3]}), {"delta.enableChangeDataFeed": "true"}
CHANGES = {
    "append": lambda table: deltalake.write_deltalake(table, ROWS, mode="append"),
    "overwrite": lambda table: deltalake.write_deltalake(table, pa.table({"a": [9]}), mode="overwrite"),
    "delete": lambda table: table.delete("a = 2"),
    "update": lambda table: table.update(updates={"a": "a + 10"}, predicate="a = 2"),
    "merge": lambda table: (
        table.merge(pa.table({"a": [7]}), "s.a = t.a", source_alias="s", target_alias="t").when_not_matched_insert_all().execute()
    ),
    "set_table_properties": lambda table: table.alter.set_table_properties({"delta.appendOnly": "false"}),
}
STATED = {
    "append": (None, 2, [1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3]),
    "overwrite": ("CommitFailedError", 1, [9], [9]),
    "delete": ("CommitFailedError", 1, [1, 3], []),
    "update": ("CommitFailedError", 1, [1, 3, 12], []),
    "merge": ("CommitFailedError", 1, [1, 2, 3, 7], [7]),
    "set_table_properties": ("CommitFailedError", 1, [1, 2, 3], []),
}


def seen_of(change, place):
    """Error raised, version of the table, its rows, and the rows that the change data feed says were inserted from version 1 on."""
    options = {"endpoint_url": "http://" + place, "region": "us-east-1", "allow_http": "true", "conditional_put": "etag"}
    options = {"aws_" + name: value for name, value in options.items()}
    options |= {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    where = "s3://bucket/" + change
    deltalake.write_deltalake(where, ROWS, storage_options=options, configuration=FEED)
    raised = None
    try:
        CHANGES[change](deltalake.DeltaTable(where, storage_options=options))
    except CommitFailedError as error:
        raised = type(error).__name__
    after = deltalake.DeltaTable(where, storage_options=options)
    feed = pa.table(after.load_cdf(starting_version=1).read_all()).to_pylist()
    inserted = sorted(row["a"] for row in feed if row["_change_type"] == "insert")
    return raised, after.version(), sorted(after.to_pyarrow_table()["a"].to_pylist()), inserted


print("deltalake", deltalake.__version__)
with subprocess.Popen([sys.executable, Path(__file__).with_name("store.py")], stdout=subprocess.PIPE, text=True) as server:
    try:
        place = "127.0.0.1:%d" % int(server.stdout.readline())
        seen = {change: seen_of(change, place) for change in CHANGES}
    finally:
        server.kill()
for change, (raised, version, rows, inserted) in seen.items():
    print("%-21s raised %s; version %d, rows %s, inserted by the feed %s" % (change, raised, version, rows, inserted))
assert seen == STATED, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
AWS_EC2_METADATA_DISABLED=true timeout 120 "$work/venv/bin/python" "$work/show.py"
