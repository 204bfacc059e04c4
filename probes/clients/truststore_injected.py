"""Client `truststore_injected`: urllib3 with truststore injected into the ssl module, as an application's start does."""

from __future__ import absolute_import

import system_trust
import truststore
import urllib3
from clients import truststore as client_truststore
from clients import urllib3 as client_urllib3

REQUIREMENT = "truststore urllib3"
GROUPS = "http"
ON_URLLIB3 = True

version = client_truststore.version


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    # Until that is taken out again: others in this process use the ssl module too.
    truststore.inject_into_ssl()
    try:
        http = urllib3.PoolManager(ca_certs=cafile, cert_reqs="CERT_REQUIRED")
        with system_trust.hidden():
            return client_urllib3.fetch_with(http, host, port, timeout, retries)
    finally:
        truststore.extract_from_ssl()
