#!/usr/bin/env bash
# curl-cffi 0.17.0, grpcio 1.85.3, wreq 0.13.0 (all on BoringSSL): where a CA was renewed, and its old and its new certificate are both
# there, they take the first of the two, and refuse the server if that has expired. Python's ssl may choose wrongly too.
#
# A CA that is renewed keeps its name and its key; only the dates change. What it signed is signed by both certificates. A bundle to
# which the new one was appended has both; a server may send both, in any order (RFC 8446, section 4.4.2: clients should "be prepared
# to handle potentially extraneous certificates and arbitrary orderings").
# Expected: each client finds the chain that holds.
# Seen 2026-11-29 with TLS 1.3 and certificates that have all key identifiers ("-": refused):
#                                                           ssl, mbedtls  primp, pyreqwest  curl-cffi, grpcio, wreq
#   bundle: renewed CA, expired CA                          yes           yes               yes
#   bundle: expired CA, renewed CA                          yes           yes               -
#   server: its own, renewed intermediate, expired one      yes           yes               yes
#   server: its own, expired intermediate, renewed one      yes           yes               -
#   server: its own, intermediate of a root that the client
#     does not know, the same intermediate of its root      -             yes               -
# (ssl: OpenSSL 3.0.22; mbedtls: python-mbedtls 2.10.1; primp 2.0.1 and pyreqwest 0.15.1 are on rustls, which tries each.)
# For BoringSSL it is known from Bun (oven-sh/bun#33094); OpenSSL before 1.1.1 was so too (openssl/openssl#2495).
# Matters for: the day that a CA's first certificate ends: curl-cffi and gRPC fail, and requests beside them works with the same file.
# Put the new certificate before the old one, and send the intermediate of the root that clients know first.
# Fails if a release behaves otherwise. Needs Linux, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check curl-cffi==0.17.0 grpcio==1.85.3 wreq==0.13.0 primp==2.0.1 \
    pyreqwest==0.15.1 python-mbedtls==2.10.1 cryptography==50.0.2
cat > "$work/show.py" <<'PY'
import os
import socket
import ssl
import sys
import threading
import urllib.request
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import curl_cffi.requests
import grpc
import primp
import wreq
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mbedtls import tls
from mbedtls import x509 as mbedtls_x509
from pyreqwest.client import SyncClientBuilder
from wreq.tls import CertStore

folder = Path(sys.argv[1])
NOW = datetime.now(timezone.utc)
EXPIRED, VALID = (-3000, -30), (-300, 3000)  # days from now


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def issued(subject, key, days, issuer, signer):
    """Return a certificate: of the server if its name is localhost, else of a CA."""
    is_ca = subject != "localhost"
    usage = x509.KeyUsage(True, False, False, False, False, is_ca, is_ca, False, False)
    builder = (
        x509.CertificateBuilder(serial_number=x509.random_serial_number())
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .not_valid_before(NOW + timedelta(days[0]))
        .not_valid_after(NOW + timedelta(days[1]))
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not is_ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def pem(certificates):
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def listen(chain, key):
    """Start a server with this chain; return its port, and the list in which it notes who sent data, that is, trusts it."""
    file = folder / "server.pem"
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(pem(chain) + key.private_bytes(serialization.Encoding.PEM, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.set_alpn_protocols(["http/1.1", "h2"])
    listening, trusted = socket.create_server(("127.0.0.1", 0)), []

    def attend(connection):
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                if secured.recv(4096):
                    trusted.append(secured.version())
                    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except OSError:
            pass  # the client refused

    def accept():
        while True:
            threading.Thread(target=attend, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listening.getsockname()[1], trusted


def each(bundle):
    end = "-----END CERTIFICATE-----\n"
    return [part + end for part in bundle.read_text().split(end) if part.strip()]


def by_ssl(port, bundle):
    urllib.request.urlopen("https://localhost:%d/" % port, context=ssl.create_default_context(cafile=bundle), timeout=5)


def by_mbedtls(port, bundle):
    store = tls.TrustStore()
    for certificate in each(bundle):
        store.add(mbedtls_x509.CRT.from_PEM(certificate))
    client = tls.ClientContext(tls.TLSConfiguration(trust_store=store, validate_certificates=True))
    secured = client.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=5), server_hostname="localhost")
    secured.do_handshake()
    secured.send(b"hello")
    secured.recv(100)


def by_primp(port, bundle):
    primp.Client(ca_cert_file=str(bundle)).get("https://localhost:%d/" % port)


def by_pyreqwest(port, bundle):
    builder = SyncClientBuilder()
    for certificate in each(bundle):
        builder = builder.add_root_certificate_pem(certificate.encode())
    builder.build().get("https://localhost:%d/" % port).build().send()


def by_curl_cffi(port, bundle):
    curl_cffi.requests.get("https://localhost:%d/" % port, verify=str(bundle))


def by_grpcio(port, bundle):
    with grpc.secure_channel("localhost:%d" % port, grpc.ssl_channel_credentials(bundle.read_bytes())) as channel:
        channel.unary_unary("/service/method")(b"", timeout=5)


def by_wreq(port, bundle):
    wreq.blocking.Client(tls_verify=CertStore.from_pem_stack(bundle.read_bytes())).get("https://localhost:%d/" % port)


CLIENTS = {
    "ssl": by_ssl,
    "python-mbedtls": by_mbedtls,
    "primp": by_primp,
    "pyreqwest": by_pyreqwest,
    "curl-cffi": by_curl_cffi,
    "grpcio": by_grpcio,
    "wreq": by_wreq,
}
RUSTLS, BORINGSSL = {"primp", "pyreqwest"}, {"curl-cffi", "grpcio", "wreq"}


def who_trusts(bundle, chain, key):
    """Return the clients that send data to a server with this chain, trusting this bundle."""
    file = folder / "bundle.pem"
    file.write_bytes(pem(bundle))
    willing = set()
    for client, connect in CLIENTS.items():
        port, trusted = listen(chain, key)
        try:
            connect(port, file)
        except Exception:  # each client has its own; what counts is what the server saw
            pass
        if trusted:
            willing.add(client)
    return willing


root_key, ca_key, unknown_key, own_key = (new_key() for _ in range(4))
root, old_root = (issued("Root", root_key, days, "Root", root_key) for days in (VALID, EXPIRED))
renewed, expired = (issued("Issuing CA", ca_key, days, "Root", root_key) for days in (VALID, EXPIRED))
crossed = issued("Issuing CA", ca_key, VALID, "Unknown Root", unknown_key)
by_root = issued("localhost", own_key, VALID, "Root", root_key)
by_ca = issued("localhost", own_key, VALID, "Issuing CA", ca_key)
EVERYONE = set(CLIENTS)
CASES = {
    "one CA (control)": ([root], [by_root], EVERYONE),
    "another CA (control)": ([crossed], [by_root], set()),
    "bundle: renewed, expired": ([root, old_root], [by_root], EVERYONE),
    "bundle: expired, renewed": ([old_root, root], [by_root], EVERYONE - BORINGSSL),
    "server: renewed, expired": ([root], [by_ca, renewed, expired], EVERYONE),
    "server: expired, renewed": ([root], [by_ca, expired, renewed], EVERYONE - BORINGSSL),
    "server: of unknown root, of root": ([root], [by_ca, crossed, renewed], RUSTLS),
}
print(", ".join("%s %s" % (client, version(client)) for client in CLIENTS if client != "ssl"), ssl.OPENSSL_VERSION)
for what, (bundle, chain, stated) in CASES.items():
    willing = who_trusts(bundle, chain, own_key)
    print("%-33s refused by: %s" % (what, ", ".join(sorted(EVERYONE - willing)) or "none"), flush=True)
    assert willing == stated, "it behaves otherwise: %r" % (willing ^ stated)
print("seen as stated", flush=True)
os._exit(0)  # clients' threads still run
PY
timeout 120 "$work/venv/bin/python" "$work/show.py" "$work" 2> >(grep -v -E "^(E0000|I[0-9]{4}|E[0-9]{4}|WARNING: All log)" >&2)
