"""A cluster of one pod as kubectl sees it: an API server of our own on loopback, whose pod is this machine.

Of the API it has what `kubectl exec` and `kubectl get pod` ask for: discovery, the pod, and a process behind
WebSocket (RFC 6455) with the channels of v5.channel.k8s.io, the first byte of each message.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import struct
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIGEST = f"sha256:{'5e' * 32}"
POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    "status": {
        "phase": "Running",
        "containerStatuses": [{"name": "app", "imageID": f"registry.example/app@{DIGEST}"}],
    },
}
PODS = {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get"]}
ANSWERS: dict[str, Any] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [PODS]},
    "/api/v1/namespaces/shop/pods/web": POD,
}

STDIN, STDOUT, STDERR, ENDED, CLOSED = 0, 1, 2, 3, 255
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer what is asked."""
        url = urlsplit(self.path)
        if url.path.endswith("/exec"):
            self._run(parse_qs(url.query)["command"])
            return
        answer = json.dumps(
            ANSWERS.get(url.path, {"kind": "Status", "status": "Failure", "code": 404})
        ).encode()
        self.send_response(200 if url.path in ANSWERS else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _run(self, command: list[str]) -> None:
        key = hashlib.sha1(f"{self.headers['Sec-WebSocket-Key']}{GUID}".encode(), usedforsecurity=False)
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(key.digest()).decode())
        self.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
        self.end_headers()
        self.close_connection = True
        self.writing = threading.Lock()
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            reader = threading.Thread(target=self._read, args=(process,), daemon=True)
            hearers = [
                threading.Thread(target=self._hear, args=(source, channel))
                for source, channel in ((process.stdout, STDOUT), (process.stderr, STDERR))
            ]
            for thread in (reader, *hearers):
                thread.start()
            for thread in hearers:
                thread.join()
            status = process.wait()
        causes = [{"reason": "ExitCode", "message": str(status)}]
        failure = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
        with contextlib.suppress(OSError):
            self._send(
                BINARY, bytes([ENDED]) + json.dumps(failure if status else {"status": "Success"}).encode()
            )
            self._send(CLOSE, struct.pack(">H", 1000))

    def _hear(self, pipe: Any, channel: int) -> None:
        """Send what the process prints."""
        with contextlib.suppress(OSError):
            while data := pipe.read1(16384):
                self._send(BINARY, bytes([channel]) + data)

    def _send(self, kind: int, data: bytes) -> None:
        head = bytes([0x80 | kind]) + (
            bytes([len(data)]) if len(data) < 126 else struct.pack(">BH", 126, len(data))
        )
        with self.writing:
            self.wfile.write(head + data)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """Hand on what kubectl says; when that is gone, so is the process."""
        assert process.stdin is not None
        with contextlib.suppress(OSError, ValueError, struct.error):
            while True:
                kind, data = self._message()
                if kind == PING:
                    self._send(PONG, data)
                elif kind == CLOSE:
                    break
                elif data[:1] == bytes([STDIN]):
                    process.stdin.write(data[1:])
                    process.stdin.flush()
                elif data == bytes([CLOSED, STDIN]):
                    process.stdin.close()
        process.kill()

    def _message(self) -> tuple[int, bytes]:
        first, length = self.rfile.read(2)
        length &= 0x7F
        if length >= 126:
            size = 2 if length == 126 else 8
            length = int.from_bytes(self.rfile.read(size))
        mask, data = self.rfile.read(4), self.rfile.read(length)
        return first & 0xF, bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Path]:
    """Serve a cluster while the block lasts, and give the configuration by which kubectl finds it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        named = {"server": f"http://127.0.0.1:{server.server_address[1]}"}
        configuration = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": named}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
            "users": [{"name": "me", "user": {}}],
        }
        (file := folder / "kubeconfig").write_text(json.dumps(configuration))
        try:
            yield file
        finally:
            server.shutdown()
