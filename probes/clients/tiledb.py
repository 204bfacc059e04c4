"""Client `tiledb`: a bucket listed through TileDB's file system, on the libcurl and OpenSSL in its wheel."""

from __future__ import absolute_import

import linked
import status_page
import tiledb

REQUIREMENT = "tiledb"
GROUPS = "s3 native"
NEEDS = "listing"
HEAVY = True
ON_URLLIB3 = False

TLS = linked.brought(tiledb)
READS_OPENSSL_CONF = True

# With a resolver of libcurl's own.
LOOKS_UP = True

# It takes no option for the version of TLS.
NO_FLOOR = True


def version():
    """Return the client's version."""
    return tiledb.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """List a bucket; that the list makes no sense to it is an answer, too."""
    milliseconds = str(int(timeout * 1000))
    settings = {
        "vfs.s3.endpoint_override": "%s:%d" % (host, port),
        "vfs.s3.scheme": "https",
        "vfs.s3.use_virtual_addressing": "false",
        "vfs.s3.region": "us-east-1",
        "vfs.s3.no_sign_request": "true",
        "vfs.s3.ca_file": cafile,
        "vfs.s3.connect_timeout_ms": milliseconds,
        "vfs.s3.request_timeout_ms": milliseconds,
        "vfs.s3.connect_max_tries": str(1 + retries),
    }
    try:
        tiledb.VFS(ctx=tiledb.Ctx(settings)).ls("s3://floor/")
    except tiledb.TileDBError as error:
        return status_page.answered(error, "XML_ERROR")
    return status_page.untold()
