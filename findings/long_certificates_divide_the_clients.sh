#!/usr/bin/env bash
# python-mbedtls 2.10.1, awscrt 0.38.1, primp 2.0.1, pyreqwest 0.15.1: a server's certificates may fill 16 MB, but these clients refuse
# more than 16 kB or 64 kB; OpenSSL and BoringSSL, more than 100 kB.
#
# In TLS the length of a Certificate message is a number of 24 bits (RFC 8446, section 4.4.2), spread over as many records of at most
# 16 kB as it takes (section 5.1). Servers of many names, long chains, RSA-PSS and post-quantum keys make it long.
# Expected: each client connects, or all stop at the same length.
# Seen 2026-11-29 with TLS 1.2 and 1.3 alike, and one certificate of a server with so many names beside localhost ("-": refused):
#   names (length of the certificate)                 400 (14 kB)   480 (17 kB)   1800 (63 kB)   2000 (70 kB)   3200 (112 kB)
#   python-mbedtls                                    yes           -             -              -              -
#   awscrt (s2n-tls), primp and pyreqwest (rustls)    yes           yes           yes            -              -
#   ssl, curl-cffi 0.17.0, grpcio 1.85.3              yes           yes           yes            yes            -
# Only rustls and OpenSSL say what it is ("HandshakePayloadTooLarge", "excessive message size"); mbedTLS says "the requested feature
# is not available", awscrt AWS_IO_TLS_ERROR_NEGOTIATION_FAILURE. The limits are meant, against floods of memory; each is known by
# itself (OpenSSL's SSL_CTX_set_max_cert_list, Mbed-TLS/mbedtls#3296, rustls/rustls#3176).
# Matters for: a certificate that names each host of a fleet: the 480th name locks out small clients, and one beyond 1,800 all that
# are on rustls or s2n-tls, whatever their TLS version; the handshake fails, which reads like a version or a cipher that is missing.
# Fails if a release behaves otherwise. Needs Linux, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check python-mbedtls==2.10.1 awscrt==0.38.1 primp==2.0.1 \
    pyreqwest==0.15.1 curl-cffi==0.17.0 grpcio==1.85.3 trustme==1.2.1
cat > "$work/show.py" <<'PY'
import os
import socket
import ssl
import sys
import threading
import urllib.request
from importlib.metadata import version
from pathlib import Path

import curl_cffi.requests
import grpc
import primp
import trustme
from awscrt import http, io
from mbedtls import tls
from mbedtls import x509 as mbedtls_x509
from pyreqwest.client import SyncClientBuilder

CA = Path(sys.argv[1]) / "ca.pem"
authority = trustme.CA()
authority.cert_pem.write_to_path(CA)


def listen(certificate, newest):
    """Start a server; return its port, and the list in which it notes who sent data, that is, took its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    certificate.configure_cert(context)
    context.set_alpn_protocols(["http/1.1", "h2"])
    listening, willing = socket.create_server(("127.0.0.1", 0)), []

    def attend(connection):
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                if secured.recv(4096):
                    willing.append(secured.version())
                    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except OSError:
            pass  # the client refused

    def accept():
        while True:
            threading.Thread(target=attend, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listening.getsockname()[1], willing


def by_mbedtls(port):
    store = tls.TrustStore()
    store.add(mbedtls_x509.CRT.from_PEM(CA.read_text()))
    client = tls.ClientContext(tls.TLSConfiguration(trust_store=store, validate_certificates=True))
    secured = client.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10), server_hostname="localhost")
    secured.do_handshake()
    secured.send(b"hello")
    secured.recv(100)


def by_awscrt(port):
    options = io.TlsContextOptions()
    options.override_default_trust_store_from_path(None, str(CA))
    secured = io.ClientTlsContext(options).new_connection_options()
    secured.set_server_name("localhost")
    connection = http.HttpClientConnection.new("localhost", port, tls_connection_options=secured).result(10)
    stream = connection.request(http.HttpRequest("GET", "/", http.HttpHeaders([("Host", "localhost")])))
    stream.activate()
    stream.completion_future.result(10)


def by_primp(port):
    primp.Client(ca_cert_file=str(CA)).get("https://localhost:%d/" % port)


def by_pyreqwest(port):
    client = SyncClientBuilder().add_root_certificate_pem(CA.read_bytes()).build()
    client.get("https://localhost:%d/" % port).build().send()


def by_ssl(port):
    urllib.request.urlopen("https://localhost:%d/" % port, context=ssl.create_default_context(cafile=CA), timeout=10)


def by_curl_cffi(port):
    curl_cffi.requests.get("https://localhost:%d/" % port, verify=str(CA))


def by_grpcio(port):
    with grpc.secure_channel("localhost:%d" % port, grpc.ssl_channel_credentials(CA.read_bytes())) as channel:
        channel.unary_unary("/service/method")(b"", timeout=10)


CLIENTS = {
    "python-mbedtls": by_mbedtls,
    "awscrt": by_awscrt,
    "primp": by_primp,
    "pyreqwest": by_pyreqwest,
    "ssl": by_ssl,
    "curl-cffi": by_curl_cffi,
    "grpcio": by_grpcio,
}
SMALL, MIDDLE, ALL = {"python-mbedtls"}, {"python-mbedtls", "awscrt", "primp", "pyreqwest"}, set(CLIENTS)
REFUSED_BY = {400: set(), 480: SMALL, 1800: SMALL, 2000: MIDDLE, 3200: ALL}


def who_refuses(certificate, newest):
    refusing = set()
    for client, connect in CLIENTS.items():
        port, willing = listen(certificate, newest)
        try:
            connect(port)
        except Exception:  # each client has its own; what counts is what the server saw
            pass
        if not willing:
            refusing.add(client)
    return refusing


print(", ".join("%s %s" % (client, version(client)) for client in CLIENTS if client != "ssl"), ssl.OPENSSL_VERSION)
for names, stated in REFUSED_BY.items():
    hosts = ["host-%05d.department.example.com" % number for number in range(names)]
    certificate = authority.issue_cert("localhost", *hosts, key_type=trustme.KeyType.ECDSA)
    length = len(ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode()))
    for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        refusing = who_refuses(certificate, newest)
        those = ", ".join(sorted(refusing)) or "none"
        print("%4d names, %6d bytes, %s, refused by: %s" % (names, length, newest.name, those), flush=True)
        assert refusing == stated, "it behaves otherwise: %r" % (refusing ^ stated)
print("seen as stated", flush=True)
os._exit(0)  # clients' threads still run
PY
timeout 150 "$work/venv/bin/python" "$work/show.py" "$work" 2> >(grep -v -E "^(E0000|I[0-9]{4}|E[0-9]{4}|WARNING: All log)" >&2)
