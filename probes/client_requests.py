"""Client `requests`: a Session that verifies, as most Python code that is not AWS's own speaks HTTPS."""

import requests
import status_page

REQUIREMENT = "requests"


def version():
    """Return the client's version."""
    return requests.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    session = requests.Session()
    try:
        session.mount("https://", requests.adapters.HTTPAdapter(max_retries=retries))
        answer = session.get("https://%s:%d/" % (host, port), verify=cafile, timeout=timeout)
        return status_page.connection(answer.content)
    finally:
        session.close()
