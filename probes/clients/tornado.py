"""Client `tornado`: Tornado's own HTTP client, with the context that it makes of the name of a file."""

from __future__ import absolute_import

import status_page
import tornado
from tornado import httpclient, simple_httpclient

REQUIREMENT = "tornado"
GROUPS = "http"
ON_URLLIB3 = False


def version():
    """Return the client's version."""
    return tornado.version


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them. It never tries again."""
    return fetch_with({"ca_certs": cafile}, host, port, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the context that floors/tornado.py makes."""
    given["context"].load_verify_locations(cafile)
    return fetch_with({"ssl_options": given["context"]}, host, port, timeout)


def fetch_with(trusting, host, port, timeout):
    """Do the same with options of the caller's that say whom to trust."""
    # Not the one on pycurl, which an application may have set.
    client = httpclient.HTTPClient(simple_httpclient.SimpleAsyncHTTPClient, force_instance=True)
    try:
        limits = {"connect_timeout": timeout, "request_timeout": timeout}
        answer = client.fetch("https://%s:%d/" % (host, port), **dict(trusting, **limits))
        return status_page.connection(answer.body)
    finally:
        client.close()
