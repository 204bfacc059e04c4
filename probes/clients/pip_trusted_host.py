"""Client `pip_trusted_host`: `pip download --trusted-host HOST`, which verifies nobody."""

from __future__ import absolute_import

from clients import pip_download as client_pip_download

REQUIREMENT = "pip"
GROUPS = "http"
NEEDS = "many"
ON_URLLIB3 = True
TRIES_AGAIN = True

version = client_pip_download.version


def fetch(host, port, cafile, timeout, retries=0):
    """Ask for a package that is not there: that pip says so is the answer, unless the connection failed."""
    return client_pip_download.fetch_with(["--trusted-host", "%s:%d" % (host, port)], host, port, timeout, retries)
