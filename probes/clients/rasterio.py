"""Client `rasterio`: GDAL's /vsis3/ as rasterio opens it, on the libcurl and OpenSSL in its wheel."""

from __future__ import absolute_import

import rasterio
import linked
import status_page
from rasterio.errors import RasterioIOError

REQUIREMENT = "rasterio"
GROUPS = "s3 native"
NEEDS = "length range"
HEAVY = True
ON_URLLIB3 = False

TLS = linked.brought(rasterio)
READS_OPENSSL_CONF = True

# With a resolver of libcurl's own.
LOOKS_UP = True

# It takes no option for the version of TLS.
NO_FLOOR = True


def version():
    """Return the client's version."""
    return rasterio.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Open an object that is no picture: that GDAL says so is the answer, for it has read the object."""
    options = {
        "AWS_S3_ENDPOINT": "%s:%d" % (host, port),
        "AWS_HTTPS": "YES",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_NO_SIGN_REQUEST": "YES",
        # It ignores CURL_CA_BUNDLE and SSL_CERT_FILE.
        "GDAL_CURL_CA_BUNDLE": cafile,
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_HTTP_CONNECTTIMEOUT": str(max(1, int(timeout))),
        "GDAL_HTTP_TIMEOUT": str(max(1, int(timeout))),
        "GDAL_HTTP_MAX_RETRY": str(retries),
        "VSI_CACHE": "FALSE",
        "CPL_VSIL_CURL_NON_CACHED": "/vsis3/",
    }
    try:
        # What it found under a name it keeps, whatever the endpoint: so the name has the port.
        with rasterio.Env(session=None, **options), rasterio.open("/vsis3/floor/probe%d" % port):
            return status_page.untold()
    except RasterioIOError as error:
        return status_page.answered(error, "not recognized as being in a supported file format")
