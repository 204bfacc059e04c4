"""Client `opensearch_async`: AsyncOpenSearch, as Amazon OpenSearch Service is asked, with the context that it makes of a file."""

from __future__ import absolute_import

import asyncio
import contextlib

import opensearchpy
import status_page
from opensearchpy.serializer import TextSerializer

REQUIREMENT = "opensearch-py[async]"
GROUPS = "aws http"
BRINGS = "opensearchpy"
ON_URLLIB3 = False

# Once, where a server closes after the handshake: that is aiohttp, and there is no option not to.
TRIES_AGAIN = True

LOOP = asyncio.new_event_loop()


def version():
    """Return the client's version."""
    return opensearchpy.__versionstr__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    return fetch_with({"ca_certs": cafile}, host, port, timeout, retries)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the context that floors/opensearch_async.py makes."""
    given["context"].load_verify_locations(cafile)
    return fetch_with({"ssl_context": given["context"]}, host, port, timeout, retries)


def fetch_with(trusting, host, port, timeout, retries):
    """Do the same with options of the caller's that say whom to trust."""
    options = dict(trusting, timeout=timeout, max_retries=retries, serializers={"text/html": TextSerializer()})
    client = opensearchpy.AsyncOpenSearch(hosts=[{"host": host, "port": port}], use_ssl=True, **options)
    try:
        return status_page.connection(LOOP.run_until_complete(client.transport.perform_request("GET", "/")))
    finally:
        # What the server has closed the asyncio of Python 3.11 closes no more.
        with contextlib.suppress(AttributeError):
            LOOP.run_until_complete(client.close())
