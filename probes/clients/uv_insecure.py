"""Client `uv_insecure`: the program uv with `--allow-insecure-host`, which verifies nobody."""

from __future__ import absolute_import

from clients import uv as client_uv

REQUIREMENT = "uv"
GROUPS = "http native"
NEEDS = "many"
ON_URLLIB3 = False

TLS = client_uv.TLS
READS_OPENSSL_CONF = False
LOOKS_UP = True

# It takes no option for the version of TLS.
NO_FLOOR = True

version = client_uv.version


def fetch(host, port, cafile, timeout, retries=0):
    """Ask for a package that is not there: that uv says so is the answer, for it has read the index."""
    options = ["--allow-insecure-host", "%s:%d" % (host, port)]
    return client_uv.fetch_with(options, {}, host, port, timeout, retries)
