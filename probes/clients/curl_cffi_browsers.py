"""Client `curl_cffi_browsers`: curl_cffi as each browser that it can be, by one name of each ClientHello; the lowest counts."""

from __future__ import absolute_import

import itertools
from concurrent import futures

import hellos
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

# By options of libcurl, the names with the same hello.
KINDS = {}
TURNS = itertools.count()

version = client_curl_cffi.version


def note():
    """Say under which names the last server gave an answer."""
    return "; ".join(NOTES)


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page as each browser. What became of each only the wire can tell."""
    return fetch_with({}, host, port, cafile, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the options that floors/curl_cffi.py makes."""
    return fetch_with({"curl_options": given["options"]}, host, port, cafile, timeout)


def fetch_with(options, host, port, cafile, timeout):
    """Do the same with options of the caller's for libcurl."""

    def get(name, port, host="127.0.0.1"):
        """Return the page that a name gets."""
        url = "https://%s:%d/" % (host, port)
        return requests.get(url, verify=cafile, timeout=timeout, impersonate=name, **options).content

    def failure(name):
        """Fetch the page under a name; return what went wrong."""
        try:
            status_page.connection(get(name, port, host))
        except Exception as error:
            return "%s: %s" % (name, error)

    if repr(options) not in KINDS:
        KINDS[repr(options)] = hellos.alike(NAMES, get, timeout)
    kinds = KINDS[repr(options)]
    names = hellos.turn(kinds, next(TURNS))
    with futures.ThreadPoolExecutor(AT_ONCE) as pool:
        failures = list(pool.map(failure, names))
    NOTES[:] = ["answered as %s" % (", ".join(answered(kinds, names, failures)) or "nobody")]
    return status_page.left_to_the_wire(next(filter(None, failures), None))


def answered(kinds, names, failures):
    """Give each name that got an answer, with the others of its hello; of all of them only how many."""
    if not any(failures):
        yield "one name of each of the %d hellos that %d names have" % (len(kinds), len(NAMES))
        return
    for kind, name, failed in zip(kinds, names, failures):
        if not failed:
            others = ", ".join(other for other in kind if other != name)
            yield name + (" (the hello of %s too)" % others if others else "")
