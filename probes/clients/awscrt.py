"""Client `awscrt`: a bare HTTP connection of the AWS Common Runtime, with the TLS options that it has by default."""

from __future__ import absolute_import

import contextlib
import functools
import sys

import awscrt
import awscrt.exceptions
import linked
import releases
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

# Measured: 0.23.8 and each release tried before it go to port 443 of an S3 endpoint's host, whatever its port, and
# so to whoever listens there; 0.23.9 and each tried after it go to the endpoint.
KNOWS_PORTS = (0, 23, 9)

# Debian's builds all say 1.0.0.dev0. This text came with that release.
UNNAMED = "1.0.0.dev"
SINCE_THEN = b"Event loop type Dispatch Queue is not supported on the platform"

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


def refuse_portless():
    """Raise NotMeasurableError where S3 clients of this release would go to a port where no server of ours is."""
    said = version()
    if said.startswith(UNNAMED):
        knows = linked.has(sys.modules["_awscrt"].__file__, SINCE_THEN)
    else:
        knows = not releases.older(said, KNOWS_PORTS)
    if not knows:
        raise releases.NotMeasurableError(
            "awscrt %s ignores the port of an endpoint and goes to port 443, where no server of ours is; 0.23.9 is the"
            " first release that can be measured" % said
        )


@contextlib.contextmanager
def hardly_retrying(transfers, retries):
    """Let the clients that s3transfer.crt makes in the block try again but once, and at once: it leaves the CRT its six attempts."""
    made = transfers.S3Client
    s3 = sys.modules[made.__module__]
    if hasattr(s3, "S3RetryConfig"):
        settings = s3.S3RetryConfig(max_retries=max(1, retries), backoff_scale_factor_ms=1, max_backoff_secs=1)
        transfers.S3Client = functools.partial(made, retry_config=settings)
    try:
        yield
    finally:
        transfers.S3Client = made


def socket_options(timeout):
    """Return the default options with a limit on connecting."""
    options = io.SocketOptions()
    options.connect_timeout_ms = int(timeout * 1000)
    return options
