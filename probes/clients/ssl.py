"""Client `ssl`: the standard library's create_default_context, as careful plain Python code uses it."""

from __future__ import absolute_import

import platform
import socket
import ssl

REQUIREMENT = ""
GROUPS = "default http"


def version():
    """Return the client's version: the standard library has its interpreter's."""
    return platform.python_version()


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as this client's own socket has them.

    It has no retry logic, so `retries` changes nothing.
    """
    return fetch_with(ssl.create_default_context(cafile=cafile), host, port, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the context that floors/ssl.py makes."""
    given["context"].load_verify_locations(cafile)
    return fetch_with(given["context"], host, port, timeout)


def fetch_with(context, host, port, timeout):
    """Do the same with a context of the caller's."""
    plain = socket.create_connection((host, port), timeout)
    try:
        secure = context.wrap_socket(plain, server_hostname=host)
        try:
            negotiated = {"version": secure.version(), "cipher": secure.cipher()[0]}
            secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
            if not secure.recv(1):
                raise ValueError("the server closed without an answer")
            while secure.recv(65536):
                pass
            return negotiated
        finally:
            secure.close()
    finally:
        plain.close()
