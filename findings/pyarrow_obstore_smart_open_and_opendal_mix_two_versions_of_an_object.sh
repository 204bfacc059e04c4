#!/usr/bin/env bash
# pyarrow 26.0.1, obstore 0.12.1, smart_open 9.0.2, opendal 0.47.12, fsspec 2026.9.0 (http): an object that is replaced while it is
# read comes out as the beginning of the old one and the rest of the new one, without an error.
#
# These read in several requests, each for a range. S3 answers each from the newest version of the object, unless the request
# says which one it means (If-Match with the ETag, or versionId: S3's user guide, "Conditional requests"). Each answer has the ETag.
# Expected: an error, as soon as an answer is from another version (RFC 9110, 15.3.7.3 lets only parts with one strong validator
# be combined).
# Seen 2026-11-29 with 24 MiB of "o" that become 24 MiB of "n" after the first range was answered:
#   pyarrow open_input_file, and open_input_stream, which is read from beginning to end    6 MiB old, 18 MiB new
#   obstore open_reader; fsspec's HTTPFileSystem.open                                      6 MiB old, 18 MiB new
#   smart_open and opendal, where the reader seeks once                                    old before the seek, new behind it
#   boto3 download_file, s3fs open, s3torchconnectorclient get_object (controls)           If-Match, and an error
# For pyarrow this is known since 2024 (apache/arrow#41310), as errors of its Parquet reader; formats without checksums show none.
# Matters for: whoever reads logs, CSV or JSON under a key that another job writes anew. Read by version id, or whole in one request.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    pyarrow==26.0.1 obstore==0.12.1 smart_open==9.0.2 opendal==0.47.12 fsspec==2026.9.0 aiohttp==3.14.5 \
    boto3==1.43.117 s3fs==2026.9.0 s3torchconnectorclient==1.5.0
cat > "$work/show.py" <<'PY'
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import boto3
import fsspec
import obstore
import opendal
import pyarrow.fs
import s3fs
import smart_open
from botocore.config import Config
from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

MIB = 1 << 20
SIZE, FIRST, BEHIND = 24 * MIB, 6 * MIB, 12 * MIB
OLD, NEW = (b"o" * SIZE, '"old"'), (b"n" * SIZE, '"new"')
asked = []


class Store(BaseHTTPRequestHandler):
    """Has an object that another writer replaces as soon as the first range of it was read."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        data, tag = NEW if asked else OLD
        self.answer(200, data, {"ETag": tag, "Accept-Ranges": "bytes"})

    def do_GET(self):
        data, tag = NEW if asked else OLD
        wanted = self.headers.get("If-Match")
        asked.append(wanted)
        if wanted and wanted.strip('"') != tag.strip('"'):
            self.answer(412, b"<Error><Code>PreconditionFailed</Code><Message>At least one did not hold</Message></Error>", {})
            return
        if not self.headers.get("Range"):
            self.answer(200, data, {"ETag": tag})
            return
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        first, last = int(first), min(int(last or SIZE), SIZE - 1)
        self.answer(206, data[first : last + 1], {"ETag": tag, "Content-Range": "bytes %d-%d/%d" % (first, last, SIZE)})

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True

    def log_message(self, *_):
        pass


def client(place):
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    return boto3.client("s3", endpoint_url="http://" + place, config=config, region_name="us-east-1", **IDS)


IDS = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
KEYS = {"region": "us-east-1", "access_key_id": "x", "secret_access_key": "y"}


def by_pyarrow(place):
    return pyarrow.fs.S3FileSystem(access_key="x", secret_key="y", region="us-east-1", endpoint_override=place, scheme="http")


def pyarrow_file(place, _):
    with by_pyarrow(place).open_input_file("bucket/key") as file:
        return file.read(FIRST) + file.read()


def pyarrow_stream(place, _):
    with by_pyarrow(place).open_input_stream("bucket/key") as file:
        return file.read(FIRST) + file.read()


def obstore_reader(place, _):
    store = obstore.store.S3Store("bucket", endpoint="http://" + place, client_options={"allow_http": True}, **KEYS)
    file = obstore.open_reader(store, "key", buffer_size=4 * MIB)
    return bytes(file.read(FIRST)) + bytes(file.read())


def fsspec_http(place, _):
    with fsspec.filesystem("http", skip_instance_cache=True).open("http://%s/bucket/key" % place, block_size=5 * MIB) as file:
        return file.read(FIRST) + file.read()


def smart_open_seeks(place, _):
    with smart_open.open("s3://bucket/key", "rb", transport_params={"client": client(place)}) as file:
        begin = file.read(MIB)
        file.seek(BEHIND)
        return begin + file.read()


def opendal_seeks(place, _):
    with opendal.Operator("s3", bucket="bucket", endpoint="http://" + place, **KEYS).open("key", "rb") as file:
        begin = bytes(file.read(MIB))
        file.seek(BEHIND)
        return begin + bytes(file.read())


def boto3_download(place, path):
    client(place).download_file("bucket", "key", str(path))
    return path.read_bytes()


def s3fs_open(place, _):
    files = s3fs.S3FileSystem(key="x", secret="y", endpoint_url="http://" + place, default_block_size=5 * MIB, default_cache_type="none")
    with files.open("bucket/key", "rb") as file:
        return file.read(FIRST) + file.read(FIRST)


def s3torch_get(place, _):
    reader = MountpointS3Client("us-east-1", "x", endpoint="http://" + place, force_path_style=True)
    return b"".join(part[-1] if isinstance(part, tuple) else part for part in reader.get_object("bucket", "key"))


path = Path(sys.argv[1])
server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
mixing = (pyarrow_file, pyarrow_stream, obstore_reader, fsspec_http, smart_open_seeks, opendal_seeks)
controls = (boto3_download, s3fs_open, s3torch_get)
seen = {}
for read in (*mixing, *controls):
    asked.clear()
    try:
        data = read("127.0.0.1:%d" % server.server_address[1], path)
        ended = (bool(data.count(b"o")), bool(data.count(b"n")), any(asked))
        words = "returned %d bytes old, %d bytes new" % (data.count(b"o"), data.count(b"n"))
    except Exception as error:
        ended, words = ("raised", any(asked)), "raised %s" % type(error).__name__
    seen[read.__name__] = ended
    print("%-17s %-48s If-Match: %s" % (read.__name__, words, any(asked)))
server.shutdown()
names = ("pyarrow", "obstore", "smart_open", "opendal", "fsspec", "boto3", "s3fs", "s3torchconnectorclient")
print(*("%s %s" % (name, version(name)) for name in names), sep=", ")
assert all(seen[read.__name__] == (True, True, False) for read in mixing), "a reader behaves otherwise: %r" % seen
assert all(seen[read.__name__] == ("raised", True) for read in controls), "a control behaves otherwise: %r" % seen
print("seen as stated")
PY
export AWS_EC2_METADATA_DISABLED=true AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=y
timeout 120 "$work/venv/bin/python" "$work/show.py" "$work/data"
