"""Client `smart_open`: an https:// address opened as a file, which is requests below."""

from __future__ import absolute_import

import requests
import smart_open
import status_page

REQUIREMENT = "smart_open[http]"
GROUPS = "http"
ON_URLLIB3 = True
BRINGS = "requests"
FLOOR = "requests"


def version():
    """Return the client's version."""
    return smart_open.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    session = requests.Session()
    session.mount("https://", requests.adapters.HTTPAdapter(max_retries=retries))
    session.verify = cafile
    return fetch_with(session, host, port, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the Session that floors/requests.py makes."""
    session = given["session"]
    session.get_adapter("https://").max_retries = requests.adapters.Retry(retries, read=retries or False)
    session.verify = cafile
    return fetch_with(session, host, port, timeout)


def fetch_with(session, host, port, timeout):
    """Do the same with a Session of the caller's."""
    try:
        url = "https://%s:%d/" % (host, port)
        with smart_open.open(url, "rb", transport_params={"session": session, "timeout": timeout}) as file:
            return status_page.connection(file.read())
    finally:
        session.close()
