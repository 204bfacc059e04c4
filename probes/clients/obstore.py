"""Client `obstore`: one object got through the object_store library, on the rustls that obstore brings along."""

from __future__ import absolute_import

import obstore
import obstore.store
import linked
import status_page

REQUIREMENT = "obstore"
GROUPS = "s3 native"
NEEDS = "length"
ON_URLLIB3 = False

TLS = linked.brought(obstore)
READS_OPENSSL_CONF = False

# With a resolver of its own.
LOOKS_UP = True

# It takes no option for the version of TLS.
NO_FLOOR = True


def version():
    """Return the client's version."""
    return obstore.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Get one object from the server's status page; return version and cipher as the page names them."""
    with open(cafile, "rb") as file:
        trusted = file.read()
    store = obstore.store.S3Store(
        "floor",
        endpoint="https://%s:%d" % (host, port),
        region="us-east-1",
        skip_signature=True,
        client_options={"root_certificate": trusted, "timeout": "%ds" % max(1, timeout)},
        retry_config={"max_retries": retries},
    )
    return status_page.connection(bytes(obstore.get(store, "probe").bytes()))
