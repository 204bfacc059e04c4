#!/usr/bin/env bash
# aiohttp 3.14.5, aiosonic 1.3.3, primp 2.0.1, pyreqwest 0.15.1, httplib2 0.32.1: an answer that was coded twice, or by "GZIP" in
# capitals, is handed out coded, or decoded by half, with status 200 and no error.
#
# Content codings are case-insensitive (RFC 9110, section 8.4.1) and are listed in the order in which they were applied (section
# 8.4), on one line or on several, which mean the same (section 5.3). Two proxies that compress, one after the other, make two.
# Expected: "Hello", as each of these clients undoes gzip and deflate, and all but aiosonic ask for both; or an error.
# Seen 2026-11-29 ("coded": the bytes as sent; "half": the outer coding alone is undone; "-": an error):
#                                                  GZIP    gzip, deflate   the same on two lines
#   requests 2.34.2, httpx 0.28.1, curl-cffi 0.17.0 Hello   Hello           Hello     (controls)
#   aiohttp                                         Hello   coded           half
#   aiosonic                                        coded   coded           half
#   primp, pyreqwest                                coded   coded           -
#   httplib2                                        coded   coded           coded
# Matters for: a checksum or a parser that fails behind one proxy, with a client that says that all is well.
# Fails if a release behaves otherwise. Needs Linux, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
  aiohttp==3.14.5 aiosonic==1.3.3 curl-cffi==0.17.0 httplib2==0.32.1 httpx==0.28.1 primp==2.0.1 pyreqwest==0.15.1 requests==2.34.2
cat > "$work/show.py" <<'PY'
import asyncio
import gzip
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import aiohttp
import aiosonic
import curl_cffi
import httplib2
import httpx
import primp
import requests
from pyreqwest.client import SyncClientBuilder

ONCE = gzip.compress(b"Hello", mtime=0)
TWICE = zlib.compress(ONCE)
ANSWERS = {"GZIP": (["GZIP"], ONCE), "one-line": (["gzip, deflate"], TWICE), "two-lines": (["gzip", "deflate"], TWICE)}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        codings, body = ANSWERS[self.path.strip("/")]
        self.send_response(200)
        for coding in codings:
            self.send_header("Content-Encoding", coding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


async def by_aiohttp(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.read()


async def by_aiosonic(url):
    async with aiosonic.HTTPClient() as client:
        return await (await client.get(url)).content()


def by_pyreqwest(url):
    with SyncClientBuilder().build() as client:
        return bytes(client.get(url).build().send().bytes())


HELLO, CODED, HALF, ERROR = "Hello", "coded", "half", "-"
CLIENTS = {
    "requests": (lambda url: requests.get(url).content, [HELLO, HELLO, HELLO]),
    "httpx": (lambda url: httpx.get(url).content, [HELLO, HELLO, HELLO]),
    "curl-cffi": (lambda url: curl_cffi.get(url).content, [HELLO, HELLO, HELLO]),
    "aiohttp": (lambda url: asyncio.run(by_aiohttp(url)), [HELLO, CODED, HALF]),
    "aiosonic": (lambda url: asyncio.run(by_aiosonic(url)), [CODED, CODED, HALF]),
    "primp": (lambda url: primp.Client().get(url).content, [CODED, CODED, ERROR]),
    "pyreqwest": (by_pyreqwest, [CODED, CODED, ERROR]),
    "httplib2": (lambda url: httplib2.Http().request(url)[1], [CODED, CODED, CODED]),
}


def outcome(get, url, sent):
    try:
        body = get(url)
    except Exception:
        return ERROR
    return {b"Hello": HELLO, ONCE: HALF, sent: CODED}[body]


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
place, as_stated = "http://127.0.0.1:%d/" % server.server_address[1], True
for name, (get, stated) in CLIENTS.items():
    seen = [outcome(get, place + kind, sent) for kind, (_, sent) in ANSWERS.items()]
    as_stated &= seen == stated
    print("%-10s %-8s" % (name, version(name)), *(f"{kind}: {each:7}" for kind, each in zip(ANSWERS, seen)))
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
NO_PROXY='*' timeout 120 "$work/venv/bin/python" -W ignore "$work/show.py"
