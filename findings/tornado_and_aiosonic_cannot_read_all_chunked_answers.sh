#!/usr/bin/env bash
# tornado 6.6.1 and aiosonic 1.3.3: an answer in chunks with a chunk extension or a trailer is lost; with aiosonic a trailer makes
# the next request on the connection fail.
#
# A chunk size may be followed by extensions, and the last chunk by a trailer section; "a recipient MUST ignore unrecognized chunk
# extensions" (RFC 9112, section 7.1.1) and may discard the trailer (section 7.1.2). Checksums and timings are sent as trailers.
# Expected: "Hello", twice on one connection.
# Seen 2026-11-29, two requests on one connection:
#                             "5;part=1"                       trailer "X-Sum: 1"
#   tornado                   HTTPStreamClosedError            HTTPStreamClosedError
#   aiosonic                  ValueError                       "Hello", then HttpParsingError for the next request
#   requests 2.34.2, httpx 0.28.1, aiohttp 3.14.5, niquests 3.21.2 (controls)   "Hello" and "Hello"
# tornado's error ("Connection closed" or "Stream closed") reads like a broken network; the server has sent everything.
# Matters for: servers and proxies with which other clients have no trouble, so that the network is blamed.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
  aiohttp==3.14.5 aiosonic==1.3.3 httpx==0.28.1 niquests==3.21.2 requests==2.34.2 tornado==6.6.1
cat > "$work/show.py" <<'PY'
import asyncio
import socketserver
import threading
from importlib.metadata import version

import aiohttp
import aiosonic
import httpx
import niquests
import requests
from tornado.httpclient import AsyncHTTPClient

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS = {"extension": HEAD + b"5;part=1\r\nHello\r\n0\r\n\r\n", "trailer": HEAD + b"5\r\nHello\r\n0\r\nX-Sum: 1\r\n\r\n"}
TWICE = [b"Hello", b"Hello"]


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while self.rfile.readline():
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(self.server.answer)
        except ConnectionError:
            pass  # the client closed a connection that it could not read


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def by_session(library, url, seen):
    with library.Session() as session:
        for _ in TWICE:
            seen.append(session.get(url).content)


def by_httpx(url, seen):
    with httpx.Client() as client:
        for _ in TWICE:
            seen.append(client.get(url).content)


async def by_aiohttp(url, seen):
    async with aiohttp.ClientSession() as session:
        for _ in TWICE:
            async with session.get(url) as answer:
                seen.append(await answer.read())


async def by_aiosonic(url, seen):
    async with aiosonic.HTTPClient() as client:
        for _ in TWICE:
            seen.append(await (await client.get(url)).content())


async def by_tornado(url, seen):
    for _ in TWICE:
        seen.append((await AsyncHTTPClient().fetch(url)).body)


CLIENTS = {
    "tornado": (lambda *given: asyncio.run(by_tornado(*given)), ["HTTPStreamClosedError"], ["HTTPStreamClosedError"]),
    "aiosonic": (lambda *given: asyncio.run(by_aiosonic(*given)), ["ValueError"], [b"Hello", "HttpParsingError"]),
    "requests": (lambda *given: by_session(requests, *given), TWICE, TWICE),
    "niquests": (lambda *given: by_session(niquests, *given), TWICE, TWICE),
    "httpx": (by_httpx, TWICE, TWICE),
    "aiohttp": (lambda *given: asyncio.run(by_aiohttp(*given)), TWICE, TWICE),
}
as_stated = True
for number, (kind, answer) in enumerate(ANSWERS.items()):
    for name, (get, *stated) in CLIENTS.items():
        seen = []
        with Server(("127.0.0.1", 0), Handler) as server:
            server.answer = answer
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                get("http://127.0.0.1:%d/" % server.server_address[1], seen)
            except Exception as error:
                seen.append(type(error).__name__)
            server.shutdown()
        as_stated &= seen == stated[number]
        print("%-9s %-9s %-7s %s" % (kind, name, version(name), seen))
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
NO_PROXY='*' timeout 120 "$work/venv/bin/python" -W ignore "$work/show.py"
