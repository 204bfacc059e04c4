"""Client `awscrt`: a bare HTTP connection of the AWS Common Runtime, with the TLS options that it has by default."""

from __future__ import absolute_import

import sys

import awscrt
import awscrt.exceptions
import linked
import status_page
from awscrt import http, io

REQUIREMENT = "awscrt"
GROUPS = "aws native"
# Where awscrt is too old to say its version, setuptools is there and can.
BRINGS = "pkg_resources"
ON_URLLIB3 = False

# On Linux s2n, elsewhere what the system has: never the ssl module's OpenSSL.
TLS = "the AWS CRT: " + linked.brought(sys.modules["_awscrt"])
READS_OPENSSL_CONF = False

# With a resolver of its own.
LOOKS_UP = True

GROUP = io.EventLoopGroup(1)
BOOTSTRAP = io.ClientBootstrap(GROUP, io.DefaultHostResolver(GROUP))


def version():
    """Return the client's version."""
    if hasattr(awscrt, "__version__"):
        return awscrt.__version__
    import pkg_resources  # only where it is old

    return pkg_resources.get_distribution("awscrt").version


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page, of which the CRT hands over no more than that it came: it has no length.

    It has no retry logic, so `retries` changes nothing.
    """
    return fetch_with(io.TlsContextOptions(), host, port, cafile, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the options that floors/awscrt.py makes."""
    return fetch_with(given["options"], host, port, cafile, timeout)


def fetch_with(trusting, host, port, cafile, timeout):
    """Do the same with TLS options of the caller's."""
    trusting.override_default_trust_store_from_path(None, cafile)
    tls = io.ClientTlsContext(trusting).new_connection_options()
    tls.set_server_name(host)
    connecting = http.HttpClientConnection.new(host, port, BOOTSTRAP, socket_options(timeout), tls)
    connection = connecting.result(timeout)
    try:
        statuses = []
        stream = connection.request(
            http.HttpRequest("GET", "/", http.HttpHeaders([("Host", host)])),
            on_response=lambda status_code, **_: statuses.append(status_code),
        )
        stream.activate()
        try:
            stream.completion_future.result(timeout)
        except awscrt.exceptions.AwsCrtError:
            # To older ones the end of a page without a length is an error, even behind an answer.
            if not statuses:
                raise
        if statuses != [200]:
            raise ValueError("the answer has the status %s" % statuses)
        return {"version": status_page.VERSION_UNKNOWN, "cipher": None}
    finally:
        connection.close()


def socket_options(timeout):
    """Return the default options with a limit on connecting."""
    options = io.SocketOptions()
    options.connect_timeout_ms = int(timeout * 1000)
    return options
