#!/usr/bin/env bash
# requests 2.34.2, niquests 3.21.2, httpx2 2.16.2, aiosonic 1.3.3, aiohttp-retry 2.9.1: a streamed upload that has to be sent a
# second time is sent empty, and the client reports success.
#
# After 307 a client sends method and body again, elsewhere (RFC 9110, section 15.4.8); after 503 it may try again. A body that was
# read from a generator or a pipe is gone by then.
# Expected: an error (aiohttp), or the 307 handed back (pyreqwest). requests, niquests and httpx2 have an error for just this.
# Seen 2026-11-29, with "onetwo" sent by PUT (follow_redirects=True for httpx2, which does not follow by itself):
#                        generator, 307                  pipe, 307
#   requests, niquests   ""  and 200                     UnrewindableBodyError
#   httpx2               StreamConsumed                  ""  and 200
#   aiosonic             ""  and 200                     ""  and 200
#   aiohttp 3.14.5       ClientPayloadError              ClientPayloadError
#   pyreqwest 0.15.1     307 is the answer               307 is the answer
#   aiohttp-retry        as aiohttp; after 503 instead of 307 both give "" and 200
# The second upload is valid: "Transfer-Encoding: chunked" with no chunk, so that a store keeps an object of 0 bytes.
# Matters for: uploads to stores and registries that answer 307, as S3 does for new buckets. Give such clients bytes or a file that
# can seek, or forbid redirects.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check requests==2.34.2 urllib3==2.8.0 niquests==3.21.2 \
    urllib3-future==2.25.904 httpx2==2.16.2 aiosonic==1.3.3 aiohttp==3.14.5 aiohttp-retry==2.9.1 pyreqwest==0.15.1
cat > "$work/show.py" <<'PY'
import asyncio
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import aiohttp
import aiohttp_retry
import aiosonic
import httpx2
import niquests
import requests
from pyreqwest.client import SyncClientBuilder

stored = []


class Store(BaseHTTPRequestHandler):
    """Keeps what is put to /store; /moved sends there; /busy has no time at first."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        first = self.path == "/busy" and not stored
        self.send_response(307 if self.path == "/moved" else 503 if first else 200)
        if self.path == "/moved":
            self.send_header("Location", "/store")
        self.send_header("Content-Length", "0")
        self.end_headers()
        stored.append(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Say nothing of a client that gives up in the middle of its second try."""


def generator():
    yield b"one"
    yield b"two"


async def later():
    for chunk in generator():
        yield chunk


def pipe():
    reading, writing = os.pipe()
    os.write(writing, b"onetwo")
    os.close(writing)
    return open(reading, "rb")


def by_requests(place, body):
    return requests.put(place, data=body, timeout=10).status_code


def by_niquests(place, body):
    return niquests.put(place, data=body, timeout=10).status_code


def by_httpx2(place, body):
    return httpx2.put(place, content=body, follow_redirects=True, timeout=10).status_code


def by_pyreqwest(place, body):
    with SyncClientBuilder().build() as client:
        return client.put(place).body_stream(body).build().send().status


def by_aiosonic(place, body):
    async def put():
        async with aiosonic.HTTPClient() as client:
            return (await client.put(place, data=body, follow=True)).status_code

    return asyncio.run(put())


def by_aiohttp(place, body):
    async def put():
        async with aiohttp.ClientSession() as session, session.put(place, data=body) as answer:
            return answer.status

    return asyncio.run(put())


def by_aiohttp_retry(place, body):
    async def put():
        options = aiohttp_retry.ExponentialRetry(attempts=2, start_timeout=0.1)
        async with aiohttp_retry.RetryClient(retry_options=options) as session, session.put(place, data=body) as answer:
            return answer.status

    return asyncio.run(put())


def outcome(client, place, body):
    stored.clear()
    try:
        status = client(place, body)
    except Exception as error:
        return type(error).__name__
    assert stored[0] == b"onetwo", "the first try was not whole: %r" % stored
    return "%r kept, status %d" % (stored[-1].decode(), status) if len(stored) > 1 else "status %d" % status


LOST = "'' kept, status 200"
STATED = {
    by_requests: (LOST, "UnrewindableBodyError"),
    by_niquests: (LOST, "UnrewindableBodyError"),
    by_httpx2: ("StreamConsumed", LOST),
    by_aiosonic: (LOST, LOST),
    by_aiohttp: ("ClientPayloadError", "ClientPayloadError"),
    by_pyreqwest: ("status 307", "status 307"),
    by_aiohttp_retry: (LOST, LOST),
}
server = Server(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
as_stated = True
for client, stated in STATED.items():
    name = client.__name__[3:].replace("_", "-")
    place = "http://127.0.0.1:%d/%s" % (server.server_address[1], "busy" if client is by_aiohttp_retry else "moved")
    made = later if name.startswith("aio") else generator
    seen = (outcome(client, place, made()), outcome(client, place, pipe()))
    as_stated &= seen == stated
    print("%-14s%-9s %s generator: %s; pipe: %s" % (name, version(name), place[-5:], *seen))
server.shutdown()
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
timeout 120 "$work/venv/bin/python" -W ignore "$work/show.py"
