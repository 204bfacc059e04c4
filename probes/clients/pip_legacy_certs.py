"""Client `pip_legacy_certs`: `pip download --cert FILE --use-deprecated=legacy-certs`, which takes no context of truststore's."""

from __future__ import absolute_import

import os

import releases
from clients import pip_download as client_pip_download

# The first that takes a context of truststore's by itself, and has an option not to.
SINCE = (24, 2)
if releases.older(client_pip_download.version(), SINCE):
    raise releases.NotMeasurableError("pip %s has no option --use-deprecated=legacy-certs; 24.2 does" % client_pip_download.version())

REQUIREMENT = "pip"
GROUPS = "http"
NEEDS = "many"
ON_URLLIB3 = True
TRIES_AGAIN = True

version = client_pip_download.version


def fetch(host, port, cafile, timeout, retries=0):
    """Ask for a package that is not there: that pip says so is the answer, unless the connection failed."""
    trusting = ["--cert", os.path.abspath(cafile), "--use-deprecated=legacy-certs"]
    return client_pip_download.fetch_with(trusting, host, port, timeout, retries)
