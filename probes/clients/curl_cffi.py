"""Client `curl_cffi`: a request of curl_cffi's, on the BoringSSL that it brings along, without a browser's name."""

from __future__ import absolute_import

import curl_cffi
import linked
import status_page
from curl_cffi import requests

REQUIREMENT = "curl_cffi"
GROUPS = "http native"
ON_URLLIB3 = False

TLS = linked.brought(curl_cffi)
READS_OPENSSL_CONF = False

# With a resolver of libcurl's own.
LOOKS_UP = True


def version():
    """Return the client's version."""
    return curl_cffi.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them; it makes no second attempt."""
    return fetch_with({}, host, port, cafile, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the options that floors/curl_cffi.py makes."""
    return fetch_with({"curl_options": given["options"]}, host, port, cafile, timeout)


def fetch_with(options, host, port, cafile, timeout):
    """Do the same with options of the caller's for libcurl."""
    answer = requests.get("https://%s:%d/" % (host, port), verify=cafile, timeout=timeout, **options)
    return status_page.connection(answer.content)
