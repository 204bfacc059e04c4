#!/usr/bin/env bash
# aiohttp 3.14.5, httpx 0.28.1 (AsyncClient, on asyncio and on trio), aiosonic 1.3.3, trio 0.35.0: who refuses a
# server's certificate leaves without the TLS alert that says so; requests, httpx's Client, tornado and Twisted send it.
#
# A client that does not trust a certificate sends the fatal alert unknown_ca (RFC 8446 sections 4.4.2.4 and 6.2), so that
# the server's log tells a client without the right CA from a broken network. asyncio, anyio and trio run OpenSSL on
# buffers in memory. They close, or hand back, the connection when OpenSSL reports the failure, and what OpenSSL left in
# the buffer to be sent, the alert, is dropped.
# Expected: each of these clients raises an error, and the server is told "alert unknown ca".
# Seen 2026-11-29 on CPython 3.11.7, TLS 1.2 and TLS 1.3 alike: the server is told unknown_ca by requests, httpx.Client,
# tornado and Twisted; by aiohttp, httpx.AsyncClient, aiosonic and asyncio itself it sees an unexpected end of the
# connection; trio's stream even stays open and silent until its owner closes it.
# Matters for: whoever looks in a server's log, or at the wire, for clients that miss a CA.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  aiohttp==3.14.5 aiosonic==1.3.3 anyio==4.16.0 httpx==0.28.1 requests==2.34.2 tornado==6.6.1 trio==0.35.0 \
  trustme==1.2.1 Twisted==26.10.0 pyOpenSSL==26.4.0 service-identity==26.1.0
cat > "$work/refuse.py" <<'PY'
import asyncio
import socket
import ssl
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import aiohttp
import aiosonic
import httpx
import requests
import trio
import trustme
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from twisted.internet import reactor
from twisted.internet import ssl as twisted_ssl
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS

TOLD, CUT_OFF, OPEN = "alert unknown ca", "cut off", "left open"
trusted, stranger = trustme.CA(), trustme.CA()
CAFILE = str(Path(__file__).with_name("ca.pem"))
trusted.cert_pem.write_to_path(CAFILE)


def context():
    return ssl.create_default_context(cafile=CAFILE)


def attend(listener, highest, seen):
    """Take one connection with a certificate that nobody trusts; keep what the client says of that."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    stranger.issue_cert("localhost").configure_cert(server)
    server.maximum_version = highest
    plain, _ = listener.accept()
    plain.settimeout(3)
    try:
        with server.wrap_socket(plain, server_side=True) as secure:
            seen.append("trusted: %r" % secure.recv(1))
    except TimeoutError:
        seen.append(OPEN)
    except ssl.SSLError as error:
        seen.append(TOLD if error.reason == "TLSV1_ALERT_UNKNOWN_CA" else CUT_OFF)
    except OSError:
        seen.append(CUT_OFF)
    finally:
        plain.close()


async def by_aiohttp(port):
    async with aiohttp.ClientSession() as session:
        await session.get(f"https://localhost:{port}/", ssl=context())


async def by_httpx(port):
    async with httpx.AsyncClient(verify=context()) as client:
        await client.get(f"https://localhost:{port}/")


async def by_aiosonic(port):
    async with aiosonic.HTTPClient() as client:
        await client.get(f"https://localhost:{port}/", ssl=context())


async def by_tornado(port):
    await AsyncHTTPClient().fetch(HTTPRequest(f"https://localhost:{port}/", ca_certs=CAFILE))


async def by_asyncio(port):
    await asyncio.open_connection("localhost", port, ssl=context())


async def by_trio(port):
    stream = await trio.open_ssl_over_tcp_stream("localhost", port, ssl_context=context())
    await stream.do_handshake()


def by_twisted(port):
    """Run Twisted's reactor, which can be run once, for one request."""
    failures = []

    def answered(result):
        failures.append(result)
        reactor.callLater(0.2, reactor.stop)

    def begin():
        with open(CAFILE) as file:
            roots = twisted_ssl.trustRootFromCertificates([twisted_ssl.Certificate.loadPEM(file.read())])
        agent = Agent(reactor, BrowserLikePolicyForHTTPS(trustRoot=roots))
        agent.request(b"GET", b"https://localhost:%d/" % port).addBoth(answered)

    reactor.callWhenRunning(begin)
    reactor.run()
    raise OSError(str(failures[0]))


CLIENTS = {
    "requests": (lambda port: requests.get(f"https://localhost:{port}/", verify=CAFILE, timeout=5), TOLD),
    "httpx.Client": (lambda port: httpx.Client(verify=context()).get(f"https://localhost:{port}/"), TOLD),
    "tornado": (lambda port: asyncio.run(by_tornado(port)), TOLD),
    "aiohttp": (lambda port: asyncio.run(by_aiohttp(port)), CUT_OFF),
    "httpx.AsyncClient": (lambda port: asyncio.run(by_httpx(port)), CUT_OFF),
    "httpx.AsyncClient on trio": (lambda port: trio.run(by_httpx, port), CUT_OFF),
    "aiosonic": (lambda port: asyncio.run(by_aiosonic(port)), CUT_OFF),
    "asyncio": (lambda port: asyncio.run(by_asyncio(port)), CUT_OFF),
    "trio": (lambda port: trio.run(by_trio, port), OPEN),
    "twisted": (by_twisted, TOLD),
}

print("CPython", sys.version.split()[0], *(f"{name} {version(name)}" for name in ("aiohttp", "httpx", "trio")))
as_told = True
for highest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    for name, (connect, expected) in CLIENTS.items():
        if name == "twisted" and highest is ssl.TLSVersion.TLSv1_3:
            continue
        seen, raised = [], None
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = threading.Thread(target=attend, args=(listener, highest, seen))
            serving.start()
            try:
                connect(listener.getsockname()[1])
            except Exception as error:
                raised = type(error).__name__
            serving.join()
        as_told &= seen == [expected] and raised is not None
        print(f"{highest.name} {name}: the client raised {raised}, the server saw: {seen[0]}")
sys.exit(0 if as_told else 1)
PY
"$work/venv/bin/python" -W ignore "$work/refuse.py" 2>"$work/noise" || { cat "$work/noise"; echo "behaviour changed"; exit 1; }
