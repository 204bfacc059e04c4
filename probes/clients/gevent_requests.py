"""Client `gevent_requests`: requests in a process that gevent has patched, as gunicorn's workers are."""

from __future__ import absolute_import

from gevent import monkey

# Before anything else is imported; what is patched stays so.
monkey.patch_all()

import gevent
from clients import requests as client_requests

REQUIREMENT = "gevent requests"
GROUPS = "http"
ON_URLLIB3 = True
FLOOR = "requests"

# What it patches would be patched for all others.
APART = True

fetch_given = client_requests.fetch_given


def version():
    """Return gevent's version."""
    return gevent.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    return client_requests.fetch(host, port, cafile, timeout, retries)
