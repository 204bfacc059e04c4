"""The process that serves: it is told entries on its input, a line each, and ends when that does."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import ssl
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

from servers.https import http2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNECTIONS = 256
"""Connections that are open at once, each with a thread: for one more, the oldest has to go.

Fewer where this process may not open twice as many files.
"""

BACKLOG = 1024
"""Connections that may wait to be accepted."""

SILENCE_LIMIT = 10.0
"""Seconds that a client may be silent."""

GOODBYE_LIMIT = 1.0
"""Seconds that a client may take to answer a goodbye."""

PAUSE = 0.1
"""Seconds until an entry tries again that could not accept, because files or threads ran out."""

SSLSocket = ssl.SSLSocket


def main() -> None:
    """Serve each entry of the input, and say of each where, or why not."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = Connections(CONNECTIONS if files < 0 else min(CONNECTIONS, files // 2))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_serve(json.loads(line), connections)) + "\n")
        sys.stdout.flush()
    os._exit(0)  # whatever the threads do


def _serve(entry: Mapping[str, Any], connections: Connections) -> dict[str, Any]:
    """Begin to serve an entry; return its address, or the error."""
    try:
        context = tls_context(entry)
        listening = _listening(entry["path"])
    except (OSError, ValueError) as error:
        return {"id": entry["id"], "error": str(error)}
    threading.Thread(target=_accept, args=(listening, context, connections), daemon=True).start()
    return {"id": entry["id"], "address": listening.getsockname()}


def tls_context(entry: Mapping[str, Any]) -> ssl.SSLContext:
    """Return the context of an entry, which decides alone what it speaks; raises ssl.SSLError, ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Before the certificate, which the level may be too high for. All but one suite of TLS 1.3 stays.
    context.set_ciphers(entry["ciphers"])
    lowest, highest = (ssl.TLSVersion[name.replace(".", "_")] for name in entry["versions"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of old versions, which are the point
        context.options = ssl.OP_NO_COMPRESSION
        context.maximum_version, context.minimum_version = highest, lowest
    context.load_cert_chain(entry["certificate"], entry["key"])
    context.load_dh_params(entry["dh"])
    # Whoever can do without HTTP/2 gets the page.
    context.set_alpn_protocols(["http/1.1", "h2"])
    return context


def _listening(path: str | None) -> socket.socket:
    """Return a socket that listens at a path, or without one on a free port of loopback."""
    if path is None:
        return socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(BACKLOG)
    return listening


def _accept(listening: socket.socket, context: ssl.SSLContext, connections: Connections) -> None:
    """Give each connection a thread."""
    while True:
        try:
            connection, _ = listening.accept()
            threading.Thread(target=_attend, args=(connection, context, connections), daemon=True).start()
        except (OSError, RuntimeError):
            time.sleep(PAUSE)


def _attend(plain: socket.socket, context: ssl.SSLContext, connections: Connections) -> None:
    """Serve one connection to its end; whatever a client does, it ends no other's."""
    with contextlib.suppress(Exception), plain:
        plain.settimeout(SILENCE_LIMIT)
        with (
            context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as tls,
            connections.held(tls),
        ):
            try:
                tls.do_handshake()
                _answer(tls)
            finally:
                _part(tls)


def _answer(tls: SSLSocket) -> None:
    # Loaded by the first request, so that the servers are up in half the time.
    from servers.https.http1 import RequestHandler  # noqa: PLC0415

    if tls.selected_alpn_protocol() == "h2":
        with tls.makefile("rwb") as stream:
            http2.speak(stream)
    else:
        RequestHandler(tls)


def _part(tls: SSLSocket) -> None:
    """Say goodbye, and wait for the client's: on unread bytes a socket is reset, which may overtake ours."""
    tls.settimeout(GOODBYE_LIMIT)
    with contextlib.suppress(OSError, ValueError):
        tls.unwrap()
    with contextlib.suppress(OSError):
        socket.socket.shutdown(tls, socket.SHUT_WR)
        while socket.socket.recv(tls, 65536):
            pass


class Connections:
    """The connections that are open, the oldest first."""

    def __init__(self, most: int = CONNECTIONS) -> None:
        """Allow so many at once."""
        self._most = most
        self._open: dict[SSLSocket, None] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def held(self, connection: SSLSocket) -> Iterator[None]:
        """Count a connection while the block lasts; end the oldest where there are too many."""
        with self._lock:
            if len(self._open) >= self._most:
                oldest = next(iter(self._open))
                del self._open[oldest]
                # Not the method of its own, which takes TLS away under the thread that uses it.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(oldest, socket.SHUT_RDWR)
            self._open[connection] = None
        try:
            yield
        finally:
            with self._lock:
                self._open.pop(connection, None)


if __name__ == "__main__":
    main()
