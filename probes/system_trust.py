"""Hides the certificates that the system trusts from a client that loads them with each connection.

A client here trusts one file and nobody else. truststore, and pip on it, would load the system's beside that: 140
certificates and 20 ms each time, of which nothing is used.
"""

import contextlib
import os
import ssl

# A file without any, where the library would look for them; it has no option for none.
WITHOUT = os.path.abspath(ssl.__file__)
VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@contextlib.contextmanager
def hidden():
    """Let OpenSSL find none in the block, by the variables that it reads; what they were, they are behind it."""
    before = dict((name, os.environ.get(name)) for name in VARIABLES)
    os.environ.update((name, WITHOUT) for name in VARIABLES)
    try:
        yield
    finally:
        for name in VARIABLES:
            if before[name] is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before[name]
