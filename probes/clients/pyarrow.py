"""Client `pyarrow`: a bucket listed through Arrow's S3FileSystem, on the libcurl and OpenSSL in its wheel."""

from __future__ import absolute_import

import pyarrow
import linked
import status_page
from pyarrow import fs

REQUIREMENT = "pyarrow"
GROUPS = "s3 native"
NEEDS = "listing"
HEAVY = True
ON_URLLIB3 = False

TLS = linked.brought(pyarrow)
READS_OPENSSL_CONF = True

# With a resolver of libcurl's own.
LOOKS_UP = True

# It takes no option for the version of TLS.
NO_FLOOR = True


def version():
    """Return the client's version."""
    return pyarrow.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """List a bucket; that the list makes no sense to it is an answer, too."""
    files = fs.S3FileSystem(
        anonymous=True,
        region="us-east-1",
        endpoint_override="https://%s:%d" % (host, port),
        tls_ca_file_path=cafile,
        connect_timeout=timeout,
        request_timeout=timeout,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1 + retries),
    )
    try:
        files.get_file_info(fs.FileSelector("floor"))
    except OSError as error:
        return status_page.answered(error, "XML_ERROR")
    return status_page.untold()
