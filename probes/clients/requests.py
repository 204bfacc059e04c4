"""Client `requests`: a Session that verifies, as most Python code that is not AWS's own speaks HTTPS."""

from __future__ import absolute_import

import requests
import status_page

REQUIREMENT = "requests"
GROUPS = "http"
BRINGS = "urllib3"
ON_URLLIB3 = True


def version():
    """Return the client's version."""
    return requests.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    session = requests.Session()
    session.mount("https://", requests.adapters.HTTPAdapter(max_retries=retries))
    return fetch_with(session, host, port, cafile, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the Session that floors/requests.py makes."""
    session = given["session"]
    session.get_adapter("https://").max_retries = requests.adapters.Retry(retries, read=retries or False)
    return fetch_with(session, host, port, cafile, timeout)


def fetch_with(session, host, port, cafile, timeout):
    """Do the same with a Session of the caller's."""
    try:
        answer = session.get("https://%s:%d/" % (host, port), verify=cafile, timeout=timeout)
        return status_page.connection(answer.content)
    finally:
        session.close()
