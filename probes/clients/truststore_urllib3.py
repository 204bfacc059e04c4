"""Client `truststore_urllib3`: urllib3 given a context of truststore's, in place of the context that it makes."""

from __future__ import absolute_import

import ssl

import system_trust
import truststore
import urllib3
from clients import truststore as client_truststore
from clients import urllib3 as client_urllib3

REQUIREMENT = "truststore urllib3"
GROUPS = "http"
ON_URLLIB3 = True
FLOOR = "truststore"

version = client_truststore.version


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    return fetch_given({"context": truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}, host, port, cafile, timeout, retries)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the context that floors/truststore.py makes."""
    given["context"].load_verify_locations(cafile)
    http = urllib3.PoolManager(ssl_context=given["context"])
    with system_trust.hidden():
        return client_urllib3.fetch_with(http, host, port, timeout, retries)
