"""Client `urllib3`: a PoolManager that verifies, which is the AWS page's own check."""

import status_page
import urllib3

# Not urllib3 itself: what counts, and what the page checks, is the one that botocore brings along.
REQUIREMENT = "botocore"


def version():
    """Return the client's version."""
    return urllib3.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them.

    Source: check.py of the AWS page, which leaves urllib3 its three retries; here `retries` says.
    """
    http = urllib3.PoolManager(ca_certs=cafile, cert_reqs="CERT_REQUIRED")
    try:
        url = "https://%s:%d/" % (host, port)
        return status_page.connection(http.request("GET", url, retries=retries or False, timeout=timeout).data)
    finally:
        http.clear()
