"""Client `aiohttp`: a ClientSession with the context that aiohttp makes by itself."""

from __future__ import absolute_import

import asyncio

import aiohttp
import status_page
from aiohttp import connector

REQUIREMENT = "aiohttp"
GROUPS = "http"
ON_URLLIB3 = False

# Once, where a server closes after the handshake, and there is no option not to.
TRIES_AGAIN = True

LOOP = asyncio.new_event_loop()


def version():
    """Return the client's version."""
    return aiohttp.__version__


def wait(awaitable, timeout):
    """Return what comes of an awaitable within a time; written so that Python 2.7 can read it."""
    return LOOP.run_until_complete(asyncio.wait_for(awaitable, timeout))


def own_context():
    """Return the context of every session that is given none; older releases make it when it is first needed."""
    if hasattr(connector, "_SSL_CONTEXT_VERIFIED"):
        return connector._SSL_CONTEXT_VERIFIED
    return connector.TCPConnector._make_ssl_context(True)


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    own_context().load_verify_locations(cafile)
    return fetch_with({}, host, port, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the context that floors/aiohttp.py makes."""
    given["context"].load_verify_locations(cafile)
    return fetch_with({"ssl": given["context"]}, host, port, timeout)


def fetch_with(options, host, port, timeout):
    """Do the same with options of the caller's for the connector."""
    connecting = aiohttp.TCPConnector(loop=LOOP, **options)
    session = aiohttp.ClientSession(connector=connecting, loop=LOOP)
    try:
        answer = wait(session.get("https://%s:%d/" % (host, port)), timeout)
        return status_page.connection(wait(answer.read(), timeout))
    finally:
        wait(session.close(), timeout)
