"""Client `curl_cffi_browsers`: curl_cffi under each browser's name that it has; the lowest counts."""

from __future__ import absolute_import

from concurrent import futures

import status_page
from clients import curl_cffi as client_curl_cffi
from curl_cffi import requests
from curl_cffi.requests import impersonate

REQUIREMENT = "curl_cffi"
GROUPS = "http native"
NEEDS = "many"
ON_URLLIB3 = False

TLS = client_curl_cffi.TLS
READS_OPENSSL_CONF = False
LOOKS_UP = True

# Each name is a connection of its own.
TRIES_AGAIN = True
FLOOR = "curl_cffi"

# Each waits for the server nearly all of its time.
AT_ONCE = 8

NAMES = sorted(set(kind.value for kind in impersonate.BrowserType))
NOTES = []

version = client_curl_cffi.version


def note():
    """Say under which names the last server gave an answer."""
    return "; ".join(NOTES)


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page under each name. What became of each only the wire can tell."""
    return fetch_with({}, host, port, cafile, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the options that floors/curl_cffi.py makes."""
    return fetch_with({"curl_options": given["options"]}, host, port, cafile, timeout)


def fetch_with(options, host, port, cafile, timeout):
    """Do the same with options of the caller's for libcurl."""

    def failure(name):
        """Fetch the page under a name; return what went wrong."""
        try:
            url = "https://%s:%d/" % (host, port)
            status_page.connection(requests.get(url, verify=cafile, timeout=timeout, impersonate=name, **options).content)
        except Exception as error:
            return "%s: %s" % (name, error)

    with futures.ThreadPoolExecutor(AT_ONCE) as pool:
        failures = dict(zip(NAMES, pool.map(failure, NAMES)))
    answered = [name for name in NAMES if not failures[name]]
    NOTES[:] = ["answered as %s" % (", ".join(answered) or "nobody")]
    return status_page.left_to_the_wire(next(filter(None, failures.values()), None))
