"""Client `urllib3`: a PoolManager that verifies, which is the AWS page's own check."""

from __future__ import absolute_import

import status_page
import urllib3

# Not urllib3 itself: what counts, and what the page checks, is the one that botocore brings along.
REQUIREMENT = "botocore"
GROUPS = "default http"
# Its own version is told already.
ON_URLLIB3 = False
# What there may be a newer release of, where botocore holds it back.
LIBRARY = "urllib3"


def version():
    """Return the client's version."""
    return urllib3.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them.

    Source: check.py of the AWS page, which leaves urllib3 its three retries; here `retries` says.
    """
    return fetch_with(urllib3.PoolManager(ca_certs=cafile, cert_reqs="CERT_REQUIRED"), host, port, timeout, retries)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the PoolManager that floors/urllib3.py makes."""
    given["context"].load_verify_locations(cafile)
    return fetch_with(given["http"], host, port, timeout, retries)


def fetch_with(http, host, port, timeout, retries):
    """Do the same with a PoolManager of the caller's."""
    try:
        url = "https://%s:%d/" % (host, port)
        return status_page.connection(http.request("GET", url, retries=retries or False, timeout=timeout).data)
    finally:
        http.clear()
