"""Client `deltalake`: a Delta table opened in a bucket, on the rustls that deltalake brings along."""

from __future__ import absolute_import

import os

import deltalake
import linked
import status_page

REQUIREMENT = "deltalake"
GROUPS = "s3 native"
NEEDS = "head length listing"
HEAVY = True
ON_URLLIB3 = False

TLS = linked.brought(deltalake)
READS_OPENSSL_CONF = False

# With a resolver of its own.
LOOKS_UP = True

# It takes no option for the version of TLS.
NO_FLOOR = True


def version():
    """Return the client's version."""
    return deltalake.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Open a table where there is none: that deltalake says so is the answer, for it has read what is there."""
    # It ignores the option root_certificate without a word.
    os.environ["SSL_CERT_FILE"] = cafile
    options = {
        "AWS_ENDPOINT_URL": "https://%s:%d" % (host, port),
        "AWS_REGION": "us-east-1",
        "AWS_SKIP_SIGNATURE": "true",
        "max_retries": str(retries),
        "timeout": "%ds" % max(1, timeout),
    }
    try:
        deltalake.DeltaTable("s3://floor/table", storage_options=options)
    except Exception as error:
        return status_page.answered(error, "Content-Length Header missing", "not a Delta table", "No files in log", "Invalid JSON", "Invalid table", "no metadata")
    return status_page.untold()
