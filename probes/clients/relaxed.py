"""Reference client `relaxed`: a context told in code to allow everything that its library has.

It gets no row of its own: what even this client cannot negotiate, the build does not have.
"""

from __future__ import absolute_import

import ssl
import warnings

from clients import ssl as client_ssl

REQUIREMENT = ""
REFERENCE = True

version = client_ssl.version


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page with every restriction lifted; return version and cipher."""
    return client_ssl.fetch_with(relaxed_context(cafile), host, port, timeout)


def relaxed_context(cafile):
    """Return a verifying context with no minimum version and at security level 0."""
    context = ssl.create_default_context(cafile=cafile)
    for name in ("OP_NO_SSLv3", "OP_NO_TLSv1", "OP_NO_TLSv1_1", "OP_NO_TLSv1_2"):
        context.options &= ~getattr(ssl, name, 0)
    if hasattr(context, "minimum_version"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    try:
        context.set_ciphers("ALL:@SECLEVEL=0")
    except ssl.SSLError:  # OpenSSL before 1.1.0 has no security levels, and nothing to lower
        context.set_ciphers("ALL")
    return context
