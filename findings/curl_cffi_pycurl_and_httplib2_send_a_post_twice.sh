#!/usr/bin/env bash
# curl-cffi 0.17.0, pycurl 7.49.0, httplib2 0.32.1: when a connection that is kept ends instead of an answer, they send a POST
# again, and report the second answer only.
#
# A server that reads a request, does what it asks, and is stopped before it answers closes the connection. Whether the request was
# carried out is unknown, and a POST must then not be repeated by the client itself (RFC 9110, section 9.2.2: "unless it has some
# means to know that the request semantics are actually idempotent").
# Expected: one POST, and an error for whoever sent it to decide.
# Seen 2026-11-29, a GET and then a POST on the same connection, which the server reads whole before it closes:
#   curl-cffi, pycurl (both on libcurl), httplib2           POST, POST; status 200, no error
#   requests 2.34.2, niquests 3.21.2, httpx 0.28.1, aiohttp 3.14.5, aiosonic 1.3.3, primp 2.0.1, pyreqwest 0.15.1,
#   tornado 6.6.1 (controls)                                one POST, an error
# httplib2 does the same with a POST that is the first request of its connection.
# Matters for: orders, payments and messages, on the day that a server is restarted. Give each POST a key by which the server knows
# it again; with libcurl, a new connection (FRESH_CONNECT) turns the second POST into an error.
# Fails if a release behaves otherwise. Needs Linux, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
  aiohttp==3.14.5 aiosonic==1.3.3 curl-cffi==0.17.0 httplib2==0.32.1 httpx==0.28.1 niquests==3.21.2 primp==2.0.1 pycurl==7.49.0 \
  pyreqwest==0.15.1 requests==2.34.2 tornado==6.6.1
cat > "$work/show.py" <<'PY'
import asyncio
import io
import socketserver
import threading
from importlib.metadata import version

import aiohttp
import aiosonic
import curl_cffi
import httplib2
import httpx
import niquests
import primp
import pycurl
import requests
from pyreqwest.client import SyncClientBuilder
from tornado.httpclient import AsyncHTTPClient

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Handler(socketserver.StreamRequestHandler):
    """Answers every request but the first POST, which it reads whole before it closes the connection."""

    def handle(self):
        while line := self.rfile.readline():
            headers = iter(self.rfile.readline, b"\r\n")
            length = sum(int(header[15:]) for header in headers if header.lower().startswith(b"content-length:"))
            method, body = line.split()[0].decode(), self.rfile.read(length)
            self.server.seen.append((method, body))
            if method == "POST" and self.server.seen.count((method, body)) == 1:
                return
            self.wfile.write(ANSWER)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []


def by_session(library):
    def send(url):
        with library.Session() as session:
            session.get(url)
            return session.post(url, data=b"pay").status_code

    return send


def by_httpx(url):
    with httpx.Client() as client:
        client.get(url)
        return client.post(url, content=b"pay").status_code


async def by_aiohttp(url):
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as answer:
            await answer.read()
        async with session.post(url, data=b"pay") as answer:
            return answer.status


async def by_aiosonic(url):
    async with aiosonic.HTTPClient() as client:
        await (await client.get(url)).content()
        return (await client.post(url, data=b"pay")).status_code


async def by_tornado(url):
    client = AsyncHTTPClient()
    await client.fetch(url)
    return (await client.fetch(url, method="POST", body=b"pay")).code


def by_primp(url):
    client = primp.Client()
    client.get(url).content
    return client.post(url, content=b"pay").status_code


def by_pyreqwest(url):
    with SyncClientBuilder().build() as client:
        client.get(url).build().send().bytes()
        return client.post(url).body_bytes(b"pay").build().send().status


def by_pycurl(url):
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.WRITEDATA, io.BytesIO())
    curl.perform()
    curl.setopt(pycurl.POSTFIELDS, "pay")
    curl.perform()
    return curl.getinfo(pycurl.RESPONSE_CODE)


def by_httplib2(url):
    client = httplib2.Http()
    client.request(url)
    return client.request(url, "POST", body=b"pay")[0].status


def by_httplib2_first(url):
    return httplib2.Http().request(url, "POST", body=b"pay")[0].status


CLIENTS = {
    "curl-cffi": (by_session(curl_cffi), 2),
    "pycurl": (by_pycurl, 2),
    "httplib2": (by_httplib2, 2),
    "httplib2, first": (by_httplib2_first, 2),
    "requests": (by_session(requests), 1),
    "niquests": (by_session(niquests), 1),
    "httpx": (by_httpx, 1),
    "aiohttp": (lambda url: asyncio.run(by_aiohttp(url)), 1),
    "aiosonic": (lambda url: asyncio.run(by_aiosonic(url)), 1),
    "primp": (by_primp, 1),
    "pyreqwest": (by_pyreqwest, 1),
    "tornado": (lambda url: asyncio.run(by_tornado(url)), 1),
}
as_stated = True
for name, (send, stated) in CLIENTS.items():
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            outcome = send("http://127.0.0.1:%d/" % server.server_address[1])
        except Exception as error:
            outcome = type(error).__name__
        server.shutdown()
    posts = server.seen.count(("POST", b"pay"))
    as_stated &= (posts, outcome == 200) == (stated, stated == 2)
    print("%-15s %-8s sent %d POST, and said %s" % (name, version(name.split(",")[0]), posts, outcome))
assert as_stated, "it behaves otherwise"
print("seen as stated")
PY
NO_PROXY='*' timeout 120 "$work/venv/bin/python" -W ignore "$work/show.py"
