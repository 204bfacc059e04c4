"""Client `tensorstore`: one object read through TensorStore's S3 driver, on the BoringSSL in its wheel."""

from __future__ import absolute_import

import os

import linked
import status_page
import tensorstore

REQUIREMENT = "tensorstore"
GROUPS = "s3 native"
NEEDS = "length"
HEAVY = True
ON_URLLIB3 = False

TLS = linked.brought(tensorstore)
READS_OPENSSL_CONF = False

# With a resolver of libcurl's own.
LOOKS_UP = True

# It takes no option for the version of TLS.
NO_FLOOR = True


def version():
    """Return the client's version."""
    return getattr(tensorstore, "__version__", None) or status_page.installed("tensorstore")


def fetch(host, port, cafile, timeout, retries=0):
    """Get one object from the server's status page; return version and cipher as the page names them."""
    os.environ["TENSORSTORE_CA_BUNDLE"] = cafile
    store = {
        "driver": "s3",
        "bucket": "floor",
        "endpoint": "https://%s:%d" % (host, port),
        "aws_region": "us-east-1",
        "aws_credentials": {"type": "anonymous"},
        # It tries as often as this says, and 32 times by itself.
        "context": {"s3_request_retries": {"max_retries": 1 + retries, "initial_delay": "1ms", "max_delay": "1ms"}},
    }
    opened = tensorstore.KvStore.open(store).result(timeout=timeout)
    try:
        return status_page.connection(opened.read("probe").result(timeout=timeout).value)
    except ValueError as error:
        return status_page.answered(error, "etag not found")
