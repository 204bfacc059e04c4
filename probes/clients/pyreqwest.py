"""Client `pyreqwest`: a blocking client of pyreqwest's, on the rustls that it brings along."""

from __future__ import absolute_import

import datetime

import pyreqwest
import linked
import status_page
from pyreqwest.client import SyncClientBuilder

REQUIREMENT = "pyreqwest"
GROUPS = "http native"
ON_URLLIB3 = False

TLS = linked.brought(pyreqwest)
READS_OPENSSL_CONF = False

# With a resolver of its own.
LOOKS_UP = True


def version():
    """Return the client's version."""
    return pyreqwest.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them; it makes no second attempt."""
    return fetch_with(SyncClientBuilder(), host, port, cafile, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the version that floors/pyreqwest.py names."""
    return fetch_with(SyncClientBuilder().min_tls_version(given["lowest"]), host, port, cafile, timeout)


def fetch_with(builder, host, port, cafile, timeout):
    """Do the same with a builder of the caller's."""
    with open(cafile, "rb") as file:
        building = builder.add_root_certificate_pem(file.read())
    with building.timeout(datetime.timedelta(seconds=timeout)).build() as client:
        return status_page.connection(client.get("https://%s:%d/" % (host, port)).build().send().text())
