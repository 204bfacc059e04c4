#!/usr/bin/env bash
# aiosonic 1.3.3 and awscrt 0.38.1 (its HTTP client): a body that ends where the connection ends is read as empty, status 200.
#
# An answer with neither Content-Length nor "Transfer-Encoding: chunked" has a body that lasts until the server closes the
# connection (RFC 9112, section 6.3, rule 8). HTTP/1.0 servers, CGI programs and Python's own http.server answer so.
# Expected: "Hello", or an error.
# Seen 2026-11-29 with "HTTP/1.1 200 OK", with and without "Connection: close", and with "HTTP/1.0 200 OK":
#   aiosonic, awscrt                                 status 200, no byte of the body, no error
#   requests 2.34.2, httpx 0.28.1, aiohttp 3.14.5, curl-cffi 0.17.0 (controls)   "Hello"
# Matters for: small servers, and checks that take an empty body for "nothing found".
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
  aiohttp==3.14.5 aiosonic==1.3.3 awscrt==0.38.1 curl-cffi==0.17.0 httpx==0.28.1 requests==2.34.2
cat > "$work/show.py" <<'PY'
import asyncio
import socket
import threading
import time
from importlib.metadata import version

import aiohttp
import aiosonic
import curl_cffi
import httpx
import requests
from awscrt import http, io

HEADS = {
    "HTTP/1.1, close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    "HTTP/1.1": b"HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n",
}


def attend(listener, head):
    """Answer one request: the head, the body a little later, and the end of the connection."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(head)
        time.sleep(0.2)
        connection.sendall(b"Hello")
        time.sleep(0.2)


async def by_aiosonic(port):
    async with aiosonic.HTTPClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/")
        return answer.status_code, await answer.content()


async def by_aiohttp(port):
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/") as answer:
        return answer.status, await answer.read()


def by_awscrt(port):
    group = io.EventLoopGroup(1)
    bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
    connection = http.HttpClientConnection.new("127.0.0.1", port, bootstrap).result(20)
    parts = []
    stream = connection.request(
        http.HttpRequest("GET", "/", http.HttpHeaders([("Host", "127.0.0.1")])), on_body=lambda chunk, **_: parts.append(bytes(chunk))
    )
    stream.activate()
    return stream.completion_future.result(20), b"".join(parts)


def by(library):
    def get(port):
        answer = library.get(f"http://127.0.0.1:{port}/")
        return answer.status_code, answer.content

    return get


CLIENTS = {
    "aiosonic": (lambda port: asyncio.run(by_aiosonic(port)), b""),
    "awscrt": (by_awscrt, b""),
    "requests": (by(requests), b"Hello"),
    "httpx": (by(httpx), b"Hello"),
    "aiohttp": (lambda port: asyncio.run(by_aiohttp(port)), b"Hello"),
    "curl-cffi": (by(curl_cffi), b"Hello"),
}
as_stated = True
for name, (get, body) in CLIENTS.items():
    for kind, head in HEADS.items():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=attend, args=(listener, head), daemon=True).start()
            seen = get(listener.getsockname()[1])
        as_stated &= seen == (200, body)
        print("%-9s %-7s %-15s %d %r" % (name, version(name), kind, *seen))
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
NO_PROXY='*' timeout 120 "$work/venv/bin/python" "$work/show.py"
