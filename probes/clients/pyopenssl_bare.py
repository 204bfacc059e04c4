"""Client `pyopenssl_bare`: a context of pyOpenSSL itself that verifies, which has no minimum but its library's."""

from __future__ import absolute_import

import socket
import struct

import OpenSSL.SSL
import OpenSSL.version
import status_page

REQUIREMENT = "pyopenssl"
GROUPS = "native"
BRINGS = "OpenSSL"
ON_URLLIB3 = False

# It comes with the cryptography package, and looks for its openssl.cnf where that was built.
TLS = OpenSSL.SSL.SSLeay_version(OpenSSL.SSL.SSLEAY_VERSION).decode("ascii")


def version():
    """Return the client's version."""
    return OpenSSL.version.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page by a request of its own; return what the connection says of itself."""
    context = OpenSSL.SSL.Context(getattr(OpenSSL.SSL, "TLS_METHOD", OpenSSL.SSL.SSLv23_METHOD))
    return fetch_with(trusting(context, cafile), host, port, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the context that floors/pyopenssl_bare.py makes."""
    # Once it has made a connection, a context can no longer be told anything.
    if given.get("trusts") != cafile:
        given.update(context=trusting(given["context"], cafile), trusts=cafile)
    return fetch_with(given["context"], host, port, timeout)


def trusting(context, cafile):
    """Return a context of the caller's, told whom to trust."""
    context.load_verify_locations(cafile)
    context.set_verify(OpenSSL.SSL.VERIFY_PEER, lambda connection, certificate, error, depth, good: bool(good))
    return context


def fetch_with(context, host, port, timeout):
    """Do the same with a context of the caller's, which knows whom to trust."""
    plain = socket.create_connection((host, port), timeout)
    try:
        plain.setblocking(True)  # pyOpenSSL takes a socket with a time limit for one that never blocks
        limit(plain, timeout)
        secure = OpenSSL.SSL.Connection(context, plain)
        secure.set_tlsext_host_name(host.encode("ascii"))
        secure.set_connect_state()
        secure.do_handshake()
        spoken = {"version": secure.get_protocol_version_name(), "cipher": secure.get_cipher_name()}
        secure.sendall(("GET / HTTP/1.0\r\nHost: %s\r\n\r\n" % host).encode("ascii"))
        status_page.connection(page(secure))
        return spoken
    finally:
        plain.close()


def limit(plain, seconds):
    """Let the system give up on a socket that blocks."""
    pair = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        plain.setsockopt(socket.SOL_SOCKET, option, pair)


def page(secure):
    """Return all that comes; an answer without a length ends with the connection."""
    parts = []
    try:
        while True:
            parts.append(secure.recv(65536))
    except OpenSSL.SSL.ZeroReturnError:
        return b"".join(parts)
