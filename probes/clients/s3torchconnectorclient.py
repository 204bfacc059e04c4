"""Client `s3torchconnectorclient`: one object got as PyTorch's S3 connector gets it, on the CRT in its wheel."""

from __future__ import absolute_import

import os

import s3torchconnectorclient
import linked
import status_page
from s3torchconnectorclient import _mountpoint_s3_client

REQUIREMENT = "s3torchconnectorclient"
GROUPS = "aws s3 native"
NEEDS = "head length range"
ON_URLLIB3 = False

TLS = "the AWS CRT: " + linked.brought(s3torchconnectorclient)
READS_OPENSSL_CONF = False

# With a resolver of its own.
LOOKS_UP = True

# It takes no option for TLS at all, and reads no file.
NO_FLOOR = True


def version():
    """Return the client's version."""
    return s3torchconnectorclient.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Get one object from the server's status page; return version and cipher as the page names them."""
    # There is no other way to tell it whom to trust.
    os.environ["SSL_CERT_FILE"] = cafile
    client = _mountpoint_s3_client.MountpointS3Client(
        "us-east-1",
        unsigned=True,
        endpoint="https://%s:%d" % (host, port),
        force_path_style=True,
        # Asked for one attempt it makes four.
        max_attempts=max(2, 1 + retries),
    )
    try:
        return status_page.connection(b"".join(client.get_object("floor", "probe")))
    except _mountpoint_s3_client.S3Exception as error:
        return status_page.answered(error, "MISSING_CONTENT_RANGE_HEADER")
