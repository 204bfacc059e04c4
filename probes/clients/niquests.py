"""Client `niquests`: a Session that verifies, on urllib3-future."""

from __future__ import absolute_import

import niquests
import status_page

REQUIREMENT = "niquests"
GROUPS = "http"
ON_URLLIB3 = True


def version():
    """Return the client's version."""
    return niquests.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    with niquests.Session(retries=retries) as session:
        answer = session.get("https://%s:%d/" % (host, port), verify=cafile, timeout=timeout)
        return status_page.connection(answer.content)
