"""Client `httpx2`: a Client with the context that httpx2 makes by itself."""

from __future__ import absolute_import

import os

import httpx2
import status_page

REQUIREMENT = "httpx2"
GROUPS = "http"
ON_URLLIB3 = False


def version():
    """Return the client's version."""
    return httpx2.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    # A path in `verify` would lead to another context than the one that applications get.
    os.environ["SSL_CERT_FILE"] = cafile
    with httpx2.Client(timeout=timeout, transport=httpx2.HTTPTransport(retries=retries)) as client:
        return fetch_with(client, host, port, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the Client that floors/httpx2.py makes, which does not retry."""
    given["context"].load_verify_locations(cafile)
    return fetch_with(given["client"], host, port, timeout)


def fetch_with(client, host, port, timeout):
    """Do the same with a Client of the caller's."""
    return status_page.connection(client.get("https://%s:%d/" % (host, port), timeout=timeout).content)
