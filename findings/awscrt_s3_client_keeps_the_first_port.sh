#!/usr/bin/env bash
# awscrt 0.38.1: an S3Client takes every port of a host for the first port that it was sent to.
#
# Seen: two plain HTTP servers listen on two ports of 127.0.0.1. One awscrt.s3.S3Client gets an object from the first,
# then one from the second, each named with its port in the Host header. Both requests arrive at the first server;
# the second of them still says "Host: 127.0.0.1:PORT-OF-THE-SECOND". A client of its own for each port does what one expects.
# Expected: the second request arrives at the second server, as with botocore.
# Matters for: two S3-compatible stores, or a store and its proxy, on one host.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.8 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check awscrt==0.38.1
cat > "$work/show.py" <<'PY'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import awscrt
from awscrt import http, io, s3

arrived = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        arrived.append((self.server.server_address[1], self.headers["Host"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("ETag", '"e"')
        self.end_headers()
        self.wfile.write(b"ok")

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def client():
    group = io.EventLoopGroup(1)
    bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
    return s3.S3Client(bootstrap=bootstrap, region="us-east-1", tls_mode=s3.S3RequestTlsMode.DISABLED)


def get(with_client, port):
    request = http.HttpRequest("GET", "/bucket/key", http.HttpHeaders([("Host", "127.0.0.1:%d" % port)]))
    made = with_client.make_request(
        type=s3.S3RequestType.DEFAULT, request=request, operation_name="GetObject", on_body=lambda **_: None
    )
    made.finished_future.result(20)
    return arrived[-1]


servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
for server in servers:
    threading.Thread(target=server.serve_forever, daemon=True).start()
first, second = (server.server_address[1] for server in servers)
shared = client()
seen = [get(shared, first), get(shared, second), get(client(), second)]
wanted = [(first, first), (first, second), (second, second)]
print("awscrt", awscrt.__version__)
for what, (port, host) in zip(("one client, first port", "one client, second port", "a client of its own"), seen):
    place = "first" if port == first else "second"
    print("%-24s arrived at the %s server, which read Host: %s" % (what, place, host.replace(str(second), "SECOND").replace(str(first), "FIRST")))
assert seen == [(port, "127.0.0.1:%d" % host) for port, host in wanted], "it behaves otherwise: %r" % seen
PY
timeout 120 "$work/venv/bin/python" "$work/show.py"
