"""Client `pyopenssl`: urllib3 with pyOpenSSL put in the place of the ssl module, as some applications still do."""

from __future__ import absolute_import

from clients import urllib3 as client_urllib3
import OpenSSL.SSL
import OpenSSL.version
from urllib3.contrib import pyopenssl

REQUIREMENT = "urllib3 pyopenssl idna"
GROUPS = "http native"
BRINGS = "OpenSSL"
ON_URLLIB3 = True

# It comes with the cryptography package, and looks for its openssl.cnf where that was built.
TLS = OpenSSL.SSL.SSLeay_version(OpenSSL.SSL.SSLEAY_VERSION).decode("ascii")


def version():
    """Return the client's version."""
    return OpenSSL.version.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    # urllib3 makes its contexts of what is injected until that is taken out again: others in this process use urllib3 too.
    pyopenssl.inject_into_urllib3()
    try:
        return client_urllib3.fetch(host, port, cafile, timeout, retries)
    finally:
        pyopenssl.extract_from_urllib3()
