"""Client `httplib2`: an Http that verifies, as Google's API client speaks HTTPS."""

from __future__ import absolute_import

import httplib2
import status_page

REQUIREMENT = "httplib2"
GROUPS = "http"
ON_URLLIB3 = False
# After an end without an answer it connects once more, whatever httplib2.RETRIES says.
TRIES_AGAIN = True


def version():
    """Return the client's version."""
    return httplib2.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    return fetch_with(httplib2.Http(), host, port, cafile, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the Http that floors/httplib2.py makes."""
    return fetch_with(given["http"], host, port, cafile, timeout)


def fetch_with(http, host, port, cafile, timeout):
    """Do the same with an Http of the caller's."""
    http.ca_certs, http.timeout = cafile, timeout
    try:
        _, content = http.request("https://%s:%d/" % (host, port))
        return status_page.connection(content)
    finally:
        http.close()
