"""Client `httpx`: a Client that verifies, with the context that its transport makes."""

from __future__ import absolute_import

import warnings

import httpx
import status_page

REQUIREMENT = "httpx"
GROUPS = "http"
ON_URLLIB3 = False


def version():
    """Return the client's version."""
    return httpx.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    with warnings.catch_warnings():
        # Newer ones would rather be given a context, but it is the one that httpx makes which counts.
        warnings.simplefilter("ignore", DeprecationWarning)
        transport = httpx.HTTPTransport(verify=cafile, retries=retries)
    with httpx.Client(transport=transport, timeout=timeout) as client:
        return fetch_with(client, host, port, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the Client that floors/httpx.py makes, which does not retry."""
    given["context"].load_verify_locations(cafile)
    return fetch_with(given["client"], host, port, timeout)


def fetch_with(client, host, port, timeout):
    """Do the same with a Client of the caller's."""
    return status_page.connection(client.get("https://%s:%d/" % (host, port), timeout=timeout).content)
