#!/usr/bin/env bash
# awscrt 0.38.1, s3torchconnectorclient 1.5.0: for an endpoint that is an IP address the ClientHello names the address as server.
#
# The server_name extension (SNI) holds a DNS name; "Literal IPv4 and IPv6 addresses are not permitted" (RFC 6066, section 3).
# Python's ssl, rustls and libcurl therefore leave the extension out for an address.
# Expected: no server name from any client.
# Seen 2026-11-29 with https://127.0.0.1:PORT:
#   awscrt 0.38.1 (S3Client) and s3torchconnectorclient 1.5.0 (its own CRT)   server name "127.0.0.1"
#   obstore 0.12.1 (rustls), Python's ssl (controls)                          no server name
# Matters for: servers, proxies and capture filters that choose a certificate or a route by SNI, and fingerprints: JA4 says "d"
# (a name) instead of "i" (an address), so that clients of the same store on the same machine sort into two kinds.
# Fails if a release behaves otherwise. Needs Linux, Python 3.10 to 3.14, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
    awscrt==0.38.1 s3torchconnectorclient==1.5.0 obstore==0.12.1 trustme==1.2.1
cat > "$work/client.py" <<'PY'
"""Connects once to an address of this machine with the client that the first argument names; trust is no matter here."""

import socket
import ssl
import sys


def by_awscrt(place):
    from awscrt import http, io, s3

    group = io.EventLoopGroup(1)
    bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
    client = s3.S3Client(bootstrap=bootstrap, region="us-east-1", tls_mode=s3.S3RequestTlsMode.ENABLED)
    request = http.HttpRequest("GET", "/bucket/key", http.HttpHeaders([("Host", place)]))
    client.make_request(type=s3.S3RequestType.GET_OBJECT, request=request).finished_future.result(60)


def by_s3torchconnectorclient(place):
    from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

    list(MountpointS3Client("us-east-1", "finding", endpoint="https://" + place, force_path_style=True).list_objects("bucket"))


def by_obstore(place):
    import obstore

    keys = {"region": "us-east-1", "access_key_id": "x", "secret_access_key": "y"}
    obstore.get(obstore.store.S3Store("bucket", endpoint="https://" + place, **keys), "key")


def by_ssl(place):
    host, port = place.split(":")
    with socket.create_connection((host, int(port)), 10) as plain:
        ssl.create_default_context().wrap_socket(plain, server_hostname=host)


globals()["by_" + sys.argv[1]](sys.argv[2])
PY
cat > "$work/show.py" <<'PY'
import os
import platform
import socket
import ssl
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import trustme

OFF = {name: "x" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")} | {"AWS_EC2_METADATA_DISABLED": "true"}


def name_sent_by(client):
    """The server name of the first ClientHello, or None."""
    names = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    context.sni_callback = lambda _, name, __: names.append(name)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        place = "127.0.0.1:%d" % server.getsockname()[1]
        command = [sys.executable, Path(__file__).with_name("client.py"), client, place]
        with subprocess.Popen(command, env=os.environ | OFF, stderr=subprocess.DEVNULL) as process:
            try:
                plain, _ = server.accept()
                plain.settimeout(30)
                with plain, context.wrap_socket(plain, server_side=True):
                    pass
            except ssl.SSLError:
                pass  # the client does not trust the certificate: the name has come all the same
            finally:
                process.kill()
    (name,) = names
    return name


seen = {client: name_sent_by(client) for client in ("awscrt", "s3torchconnectorclient", "obstore", "ssl")}
for client, name in seen.items():
    print("%-22s %-8s server name: %s" % (client, platform.python_version() if client == "ssl" else version(client), name))
stated = {"awscrt": "127.0.0.1", "s3torchconnectorclient": "127.0.0.1", "obstore": None, "ssl": None}
assert seen == stated, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
timeout 240 "$work/venv/bin/python" "$work/show.py"
