"""Client `grpcio`: one call on a secure channel, on the BoringSSL that grpcio brings along."""

from __future__ import absolute_import

import grpc
import linked
import status_page

REQUIREMENT = "grpcio"
GROUPS = "native"
NEEDS = "h2"
BRINGS = "grpc"
ON_URLLIB3 = False

TLS = linked.brought(grpc)
READS_OPENSSL_CONF = False

# With a resolver of its own.
LOOKS_UP = True

# After a second at the earliest, unless it is told to wait.
TRIES_AGAIN = True
WAITS = 60000

# It takes no option for the version of TLS.
NO_FLOOR = True


def version():
    """Return the client's version."""
    return grpc.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Call what the server does not have: that grpcio says so is the answer, for it has spoken HTTP/2."""
    with open(cafile, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    options += [("grpc.initial_reconnect_backoff_ms", WAITS), ("grpc.min_reconnect_backoff_ms", WAITS)]
    with grpc.secure_channel("%s:%d" % (host, port), credentials, options=options) as channel:
        call = channel.unary_unary("/floor/probe", request_serializer=bytes, response_deserializer=bytes)
        try:
            call(b"", timeout=timeout)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
    return status_page.untold()
