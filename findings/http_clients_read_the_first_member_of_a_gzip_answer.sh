#!/usr/bin/env bash
# httpx 0.28.1, httpxyz 0.42.1, aiosonic 1.3.3, primp 2.0.1, pyreqwest 0.15.1, httplib2 0.32.1, geventhttpclient 2.6.1: of an answer
# in several gzip members they return the first one, without an error; lightkube 1.0.1, on httpx, loses watched events so.
#
# The content coding gzip is the format of RFC 1952 (RFC 9110, section 8.4.1.3): a series of members, one after the other
# (section 2.2). `cat a.gz b.gz`, pigz and bgzip make such files, and a server that closes a member to flush makes such streams;
# the API server of Kubernetes 1.37 is reported to do so for each event of a watch (tower-rs/tower-http#737).
# Expected: "onetwo" for two members, "one" and "two"; at the least an error. `gzip -d` and gzip.decompress give "onetwo".
# Seen 2026-11-29:
#   requests 2.34.2, niquests 3.21.2, aiohttp 3.14.5, tornado 6.6.1   "onetwo"
#   curl-cffi 0.17.0                                                  an error that says so
#   httpx, httpxyz, aiosonic, primp, pyreqwest, httplib2, geventhttpclient   "one", status 200, no error
#   lightkube's watch of three events, a member each                  the first; then it watches again, from there, and never sees
#                                                                     the others; kubernetes 37.0.2 (control) sees all three
# primp and pyreqwest do raise when the second member arrives later than the first: whether data is lost depends on the network.
# Matters for: logs that a store keeps as joined .gz files with Content-Encoding: gzip, and operators that wait for an event.
# Fails if a release behaves otherwise. Needs Linux, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
  aiohttp==3.14.5 aiosonic==1.3.3 curl-cffi==0.17.0 geventhttpclient==2.6.1 httplib2==0.32.1 httpx==0.28.1 httpxyz==0.42.1 \
  kubernetes==37.0.2 lightkube==1.0.1 niquests==3.21.2 primp==2.0.1 pyreqwest==0.15.1 requests==2.34.2 tornado==6.6.1
cat > "$work/show.py" <<'PY'
import asyncio
import gzip
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import aiohttp
import aiosonic
import curl_cffi
import geventhttpclient.useragent
import httplib2
import httpx
import httpxyz
import kubernetes
import lightkube
import niquests
import primp
import requests
from lightkube.resources.core_v1 import Pod
from pyreqwest.client import SyncClientBuilder
from tornado.httpclient import AsyncHTTPClient

PODS = ["pod-0", "pod-1", "pod-2"]


def event(number, name):
    metadata = {"name": name, "namespace": "default", "resourceVersion": str(10 + number)}
    return json.dumps({"type": "ADDED", "object": {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}}).encode() + b"\n"


class Server(BaseHTTPRequestHandler):
    """Two members in one chunk at /; three events, a member and a chunk each if the client takes gzip, at any other path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        takes_gzip = self.path == "/" or "gzip" in self.headers.get("Accept-Encoding", "")
        coded = gzip.compress if takes_gzip else bytes
        parts = [coded(b"one") + coded(b"two")] if self.path == "/" else [coded(event(*each)) for each in enumerate(PODS)]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if takes_gzip:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


async def by_aiohttp(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.read()


async def by_aiosonic(url):
    async with aiosonic.HTTPClient() as client:
        return await (await client.get(url)).content()


async def by_tornado(url):
    return (await AsyncHTTPClient().fetch(url)).body


def by_pyreqwest(url):
    with SyncClientBuilder().build() as client:
        return bytes(client.get(url).build().send().bytes())


def by_lightkube(config):
    """The names seen up to the third event, of however many watches."""
    seen = []
    for _, pod in lightkube.Client(config=lightkube.KubeConfig.from_file(config)).watch(Pod):
        seen.append(pod.metadata.name)
        if len(seen) == 3:
            return seen


def by_kubernetes(config):
    api = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(config))
    stream = kubernetes.watch.Watch().stream(api.list_namespaced_pod, "default", timeout_seconds=1)
    return [next(stream)["object"].metadata.name for _ in range(3)]


WHOLE, FIRST, ERROR = b"onetwo", b"one", "an error"
CLIENTS = {
    "requests": (lambda url: requests.get(url).content, WHOLE),
    "niquests": (lambda url: niquests.get(url).content, WHOLE),
    "aiohttp": (lambda url: asyncio.run(by_aiohttp(url)), WHOLE),
    "tornado": (lambda url: asyncio.run(by_tornado(url)), WHOLE),
    "curl-cffi": (lambda url: curl_cffi.get(url).content, ERROR),
    "httpx": (lambda url: httpx.get(url).content, FIRST),
    "httpxyz": (lambda url: httpxyz.get(url).content, FIRST),
    "aiosonic": (lambda url: asyncio.run(by_aiosonic(url)), FIRST),
    "primp": (lambda url: primp.Client().get(url).content, FIRST),
    "pyreqwest": (by_pyreqwest, FIRST),
    "httplib2": (lambda url: httplib2.Http().request(url)[1], FIRST),
    "geventhttpclient": (lambda url: bytes(geventhttpclient.useragent.UserAgent().urlopen(url).content), FIRST),
    "kubernetes": (by_kubernetes, PODS),
    "lightkube": (by_lightkube, ["pod-0", "pod-0", "pod-0"]),
}


def outcome(get, argument):
    try:
        return get(argument)
    except curl_cffi.CurlError:
        return ERROR


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
url = "http://127.0.0.1:%d/" % server.server_address[1]
config = Path(sys.argv[1])
config.write_text(json.dumps({
    "apiVersion": "v1", "kind": "Config", "current-context": "here", "users": [{"name": "user", "user": {}}],
    "clusters": [{"name": "here", "cluster": {"server": url}}],
    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "user", "namespace": "default"}}],
}))
assert gzip.decompress(gzip.compress(b"one") + gzip.compress(b"two")) == WHOLE
as_stated = True
for name, (get, stated) in CLIENTS.items():
    seen = outcome(get, str(config) if name in ("kubernetes", "lightkube") else url)
    as_stated &= seen == stated
    print("%-16s %-8s %s" % (name, version(name), seen))
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
NO_PROXY='*' timeout 240 "$work/venv/bin/python" -W ignore "$work/show.py" "$work/config"
