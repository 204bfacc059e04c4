"""Speaks HTTP/1 on one connection: the standard library's handler, with the answers of ours."""

from __future__ import annotations

import http.server
from typing import TYPE_CHECKING

from servers.https.answers import answer, status_page

if TYPE_CHECKING:
    import ssl

PIECE = 65536
"""Bytes of a request's body that are in memory at once: nobody reads it."""


KEPT_LIMIT = 3.0
"""Seconds for which a connection is kept for a further request."""


class RequestHandler(http.server.BaseHTTPRequestHandler):
    """Answers the requests of one connection until the client has enough."""

    protocol_version = "HTTP/1.1"
    connection: ssl.SSLSocket

    def __init__(self, connection: ssl.SSLSocket) -> None:
        """Answer the requests; there is neither an address nor a server to tell of."""
        super().__init__(connection, None, None)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Take in the whole request, send the answer, and wait for a further request."""
        self._skip_body()
        cipher = self.connection.cipher()
        page = status_page(self.connection.version() or "", cipher[0] if cipher else "")
        reply = answer(self.command, self.path, self.headers.get("Range", ""), page)
        self.send_response(reply.status)
        for name, text in reply.headers:
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.connection.settimeout(KEPT_LIMIT)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815  names that the base class looks for

    def _skip_body(self) -> None:
        """Read the request's body, so that the next request begins where it should."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while length := int(self.rfile.readline(PIECE).partition(b";")[0], 16):
                self._skip(length)
                self.rfile.readline(PIECE)
            while self.rfile.readline(PIECE).strip():
                pass  # trailers, up to an empty line: RFC 9112 section 7.1.2
        else:
            self._skip(int(self.headers.get("Content-Length", 0)))

    def _skip(self, length: int) -> None:
        while length > 0 and (data := self.rfile.read(min(length, PIECE))):
            length -= len(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
        """Say nothing: what passed is on the wire's record."""
