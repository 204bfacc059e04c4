"""A page on loopback that shows who has connected to the served catalogue, and with what result so far."""

from __future__ import annotations

import contextlib
import http.server
import json
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PAGE = Path(__file__).with_name("live.html")

NONCE = b"{{nonce}}"
"""Stands in the page where each answer's own nonce goes, by which a browser knows its style and script."""


# 41 lines: http.server makes an object of the handler's class itself, so the class has the state around it.
@contextlib.contextmanager
def live_page(state: Callable[[], Mapping[str, object]]) -> Iterator[str]:
    """Serve the page on an ephemeral port of 127.0.0.1 while the block lasts; give its address.

    `state` is asked, from threads of this server's own, whenever a browser looks; it returns what
    live.html shows, as JSON's own types.
    """

    class StatusHandler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # Another site's page must not read this one by giving its own name our address.
            if self.headers.get("Host", "").partition(":")[0] not in ("localhost", "127.0.0.1"):
                self.send_error(403)
            elif self.path == "/":
                nonce = secrets.token_urlsafe(16)
                own = f"style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'"
                page = PAGE.read_bytes().replace(NONCE, nonce.encode())
                self._answer("text/html; charset=utf-8", page, own)
            elif self.path == "/state.json":
                self._answer("application/json", json.dumps(state()).encode())
            else:
                self.send_error(404)

        def _answer(self, kind: str, body: bytes, allowed: str = "") -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Security-Policy", f"default-src 'none'; {allowed}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the terminal is for what connects to the servers."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), StatusHandler) as listening:
        loop = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
        loop.start()
        try:
            yield f"http://localhost:{listening.server_address[1]}/"
        finally:
            listening.shutdown()
