#!/usr/bin/env bash
# awscrt 0.38.1, curl-cffi 0.17.0, grpcio 1.85.3, deltalake 1.6.6: which server keys they can talk to differs, even between clients
# on the same TLS library.
#
# Ed25519 and P-521 (secp521r1) are server keys by RFC 8446 (section 4.2.3), and OpenSSL, as Python has it, takes both by default.
# Expected: each client takes both; at least obstore, polars and deltalake, all three on rustls, take the same.
# Seen 2026-11-29 with TLS 1.3 and a private CA with a P-256 key that all clients trust ("-": the server has to end the handshake,
# as the client's signature_algorithms leave the key out):
#                                                              RSA  P-256  P-384  P-521  Ed25519
#   Python's ssl, pyarrow 26.0.1, obstore 0.12.1, polars 2.1.0 yes  yes    yes    yes    yes
#   deltalake                                                  yes  yes    yes    -      yes
#   awscrt, which boto3[crt] uses                              yes  yes    yes    yes    -
#   curl-cffi, grpcio                                          yes  yes    yes    -      -
# Matters for: private stores and proxies: a certificate that boto3 and curl accept locks out other clients of the same store; what
# they report (handshake failure) reads like a TLS version or a cipher that is missing.
# Fails if a release behaves otherwise. Needs Linux, Python 3.11 or newer with OpenSSL 1.1.1 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: cryptography==50.0.2 awscrt==0.38.1 \
    obstore==0.12.1 polars==2.1.0 deltalake==1.6.6 pyarrow==26.0.1 curl-cffi==0.17.0 grpcio==1.85.3
cat > "$work/client.py" <<'PY'
"""Connects to localhost with the client that the first argument names: port and CA follow."""

import socket
import ssl
import sys

name, port, cafile = sys.argv[1:]
place = "localhost:" + port
with open(cafile, "rb") as file:
    roots = file.read()


def by_ssl():
    context = ssl.create_default_context(cafile=cafile)
    with socket.create_connection(("localhost", int(port)), 10) as plain:
        context.wrap_socket(plain, server_hostname="localhost").close()


def by_awscrt():
    from awscrt import http, io

    options = io.TlsContextOptions()
    options.override_default_trust_store(roots)
    connection = io.ClientTlsContext(options).new_connection_options()
    connection.set_server_name("localhost")
    group = io.EventLoopGroup(1)
    bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
    http.HttpClientConnection.new("localhost", int(port), bootstrap, tls_connection_options=connection).result(10)


def by_obstore():
    import obstore

    keys = {"region": "us-east-1", "access_key_id": "x", "secret_access_key": "y"}
    store = obstore.store.S3Store("bucket", endpoint="https://" + place, client_options={"root_certificate": roots}, **keys)
    obstore.get(store, "key")


ENDPOINT = {
    "aws_endpoint_url": "https://" + place,
    "aws_region": "us-east-1",
    "aws_access_key_id": "x",
    "aws_secret_access_key": "y",
}


def by_polars():
    import polars

    polars.scan_parquet("s3://bucket/key.parquet", storage_options=ENDPOINT).collect()


def by_deltalake():
    import deltalake

    deltalake.DeltaTable("s3://bucket/table", storage_options=ENDPOINT)


def by_pyarrow():
    import pyarrow.fs

    keys = {"access_key": "x", "secret_key": "y", "region": "us-east-1"}
    pyarrow.fs.S3FileSystem(endpoint_override=place, tls_ca_file_path=cafile, **keys).get_file_info("bucket/key")


def by_curl_cffi():
    from curl_cffi import requests

    requests.get("https://" + place, verify=cafile, timeout=10)


def by_grpcio():
    import grpc

    channel = grpc.secure_channel(place, grpc.ssl_channel_credentials(roots))
    channel.unary_unary("/a/b", request_serializer=bytes, response_deserializer=bytes)(b"", timeout=10)


globals()["by_" + name]()
PY
cat > "$work/show.py" <<'PY'
import datetime
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

work = Path(sys.argv[1])
KEYS = {
    "RSA": lambda: rsa.generate_private_key(65_537, 2048),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}
ALL, NO_P521, NO_ED25519 = set(KEYS), set(KEYS) - {"P-521"}, set(KEYS) - {"Ed25519"}
STATED = dict.fromkeys(("ssl", "pyarrow", "obstore", "polars"), ALL) | {"deltalake": NO_P521, "awscrt": NO_ED25519}
STATED |= dict.fromkeys(("curl_cffi", "grpcio"), NO_P521 & NO_ED25519)
now = datetime.datetime.now(datetime.timezone.utc)
root_key = KEYS["P-256"]()


def named(name):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def certificate(name, key, is_root):
    made = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named("root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
        .add_extension(x509.KeyUsage(True, False, False, False, False, is_root, is_root, False, False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
    )
    if not is_root:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        made = made.add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return made.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def takes(client, context, environment):
    """Whether the client completes its first handshake; a client that tries again is ended after it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        command = [sys.executable, work / "client.py", client, str(server.getsockname()[1]), work / "root.pem"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                plain, _ = server.accept()
                plain.settimeout(20)
                with plain, context.wrap_socket(plain, server_side=True):
                    return True
            except ssl.SSLError as error:
                assert error.reason == "NO_SUITABLE_SIGNATURE_ALGORITHM", "%s: %s" % (client, error)
                return False
            finally:
                process.kill()


(work / "root.pem").write_bytes(certificate("root", root_key, True))
environment = os.environ | {"SSL_CERT_FILE": str(work / "root.pem"), "AWS_EC2_METADATA_DISABLED": "true"}
contexts = {}
for kind, make in KEYS.items():
    key = make()
    pair = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate("localhost", key, False)
    (work / "leaf.pem").write_bytes(pair)
    contexts[kind] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    contexts[kind].load_cert_chain(work / "leaf.pem")
    contexts[kind].set_alpn_protocols(["h2", "http/1.1"])
seen = {}
for client in STATED:
    seen[client] = {kind for kind, context in contexts.items() if takes(client, context, environment)}
    print("%-10s" % client, *("%s %s" % (kind, "yes" if kind in seen[client] else "-  ") for kind in KEYS), flush=True)
assert seen == STATED, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
timeout 600 "$work/venv/bin/python" "$work/show.py" "$work"
