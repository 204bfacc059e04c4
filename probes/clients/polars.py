"""Client `polars`: the scan of a Parquet file in a bucket, on the rustls that polars brings along."""

from __future__ import absolute_import

import os

import polars
import linked
import status_page

REQUIREMENT = "polars"
GROUPS = "s3 native"
NEEDS = "head length range"
HEAVY = True
ON_URLLIB3 = False

TLS = linked.of_files(sorted(path for path in linked.mapped() or () if "polars_runtime" in path))
READS_OPENSSL_CONF = False

# With a resolver of its own.
LOOKS_UP = True

# It takes no option for the version of TLS.
NO_FLOOR = True


def version():
    """Return the client's version."""
    return polars.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Scan an object that is no Parquet file: that polars says so is the answer, for it has read the object."""
    # It ignores the option root_certificate without a word.
    os.environ["SSL_CERT_FILE"] = cafile
    options = {
        "aws_endpoint_url": "https://%s:%d" % (host, port),
        "aws_region": "us-east-1",
        "aws_skip_signature": "true",
        "max_retries": retries,
    }
    try:
        polars.scan_parquet("s3://floor/probe", storage_options=options).collect()
    except polars.exceptions.ComputeError as error:
        return status_page.answered(error, "out of specification", "parquet", "Content-Length Header missing")
    except OSError as error:
        return status_page.answered(error, "Content-Length Header missing")
    return status_page.untold()
