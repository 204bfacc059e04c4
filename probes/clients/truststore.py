"""Client `truststore`: a context of truststore's, which verifies with the operating system, on the standard library."""

from __future__ import absolute_import

import socket
import ssl

import status_page
import system_trust
import truststore

REQUIREMENT = "truststore"
GROUPS = "http"
ON_URLLIB3 = False


def version():
    """Return the client's version."""
    return truststore.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page by a request of its own; return what the socket says of the connection."""
    return fetch_with(truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT), host, port, cafile, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the context that floors/truststore.py makes."""
    return fetch_with(given["context"], host, port, cafile, timeout)


def fetch_with(context, host, port, cafile, timeout):
    """Do the same with a context of the caller's."""
    context.load_verify_locations(cafile)
    plain = socket.create_connection((host, port), timeout)
    try:
        with system_trust.hidden():
            secure = context.wrap_socket(plain, server_hostname=host)
        secure.sendall(("GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % host).encode("ascii"))
        # Behind its end a connection has neither.
        spoken = {"version": secure.version(), "cipher": secure.cipher()[0]}
        status_page.connection(b"".join(iter(lambda: secure.recv(65536), b"")))
        return spoken
    finally:
        plain.close()
