"""Client `websocket_client`: the request by which websocket-client asks for a WebSocket, as for API Gateway or a shell in a pod."""

from __future__ import absolute_import

import websocket

REQUIREMENT = "websocket-client"
GROUPS = "http"
BRINGS = "websocket"
ON_URLLIB3 = False


class TellingWebSocket(websocket.WebSocket):
    """Keeps what its socket knows of the connection: the page it may keep or not, and closes behind it."""

    def __setattr__(self, name, value):
        """Ask the socket when it is there: by then it is connected."""
        if name == "sock" and value is not None:
            self.told = {"version": value.version(), "cipher": value.cipher()[0]}
        super(TellingWebSocket, self).__setattr__(name, value)


def version():
    """Return the client's version."""
    return websocket.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Ask for a WebSocket; return version and cipher as its socket knows them."""
    return fetch_with({"ca_certs": cafile}, host, port, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the context that floors/websocket_client.py makes."""
    given["context"].load_verify_locations(cafile)
    return fetch_with({"context": given["context"]}, host, port, timeout)


def fetch_with(trusting, host, port, timeout):
    """Do the same with options of the caller's that say whom to trust; it never tries again."""
    connection = TellingWebSocket(sslopt=trusting)
    connection.settimeout(timeout)
    try:
        connection.connect("wss://%s:%d/" % (host, port))
    except websocket.WebSocketBadStatusException:
        # An answer: a page, and no WebSocket.
        return connection.told
    connection.close()
    return connection.told
