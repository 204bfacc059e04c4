#!/usr/bin/env bash
# primp 2.0.1 and pyreqwest 0.15.1 (both on rustls), cryptography 50.0.2, curl-cffi 0.17.0 (on BoringSSL): they refuse valid chains
# with critical policies, or with constraints on names, that OpenSSL and s2n accept.
#
# Each application must process critical certificate policies, policy constraints and inhibit anyPolicy (RFC 5280, section 4.2), and
# name constraints on directoryName; on iPAddress it should (section 4.2.1.10). CAs of governments and companies have them, so that
# one CA cannot issue for another's names.
# Expected: each client connects; nothing in these chains breaks a rule that they state.
# Seen 2026-11-29 with a root, an intermediate CA and a server's certificate for localhost and 127.0.0.1 ("-": refused):
#                                                        ssl, awscrt 0.38.1  curl-cffi  primp, pyreqwest  cryptography
#   nothing special (control)                            yes                 yes        yes               yes
#   leaf: certificate policies, critical                 yes                 yes        -                 -
#   CA: certificate policies, critical                   yes                 yes        -                 -
#   CA: policy constraints, critical                     yes                 yes        -                 -
#   CA: inhibit anyPolicy, critical                      yes                 yes        -                 -
#   CA: not for the directory name CN=other              yes                 yes        -                 -
#   CA: only for localhost and 127.0.0.0/8               yes                 -          yes               yes
# cryptography is asked by its X.509 verifier (PolicyBuilder, without extension policies of one's own).
# Matters for: clients that are moved from OpenSSL to another stack: "invalid certificate" is then no fault of the certificate.
# Fails if a release behaves otherwise. Needs Linux, Python 3.11 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
  awscrt==0.38.1 cryptography==50.0.2 curl-cffi==0.17.0 primp==2.0.1 pyreqwest==0.15.1
cat > "$work/show.py" <<'PY'
import datetime
import ipaddress
import socket
import ssl
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import curl_cffi
import primp
from awscrt import http, io
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyreqwest.client import SyncClientBuilder

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def policies(number):
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(number), None)])


OWN, ANY = policies("1.3.6.1.4.1.32473.1"), policies("2.5.29.32.0")  # 32473: for examples (RFC 5612)
LOCAL = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_network("127.0.0.0/8"))]
CHAINS = {  # what is added to the CA, and to the leaf; True says critical
    "nothing special": ([], []),
    "leaf: policies": ([(OWN, False)], [(OWN, True)]),
    "CA: policies": ([(OWN, True)], [(OWN, False)]),
    "CA: policy constraints": ([(x509.PolicyConstraints(None, 0), True), (ANY, False)], []),
    "CA: inhibit anyPolicy": ([(x509.InhibitAnyPolicy(0), True), (ANY, False)], []),
    "CA: not for CN=other": ([(x509.NameConstraints(None, [x509.DirectoryName(named("other"))]), True)], []),
    "CA: only for local names": ([(x509.NameConstraints(LOCAL, None), True)], []),
}


def certificate(name, key, issuer, issuer_key, is_ca, extensions):
    builder = (
        x509.CertificateBuilder(named(issuer), named(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(hours=1))
        .not_valid_after(NOW + datetime.timedelta(days=30))
    )
    usage = x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False)
    extensions = [
        (x509.BasicConstraints(is_ca, None), True),
        (usage, True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
        *extensions,
    ]
    if not is_ca:
        extensions.append((x509.SubjectAlternativeName([x509.DNSName("localhost"), LOOPBACK]), False))
        extensions.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def written(folder, of_ca, of_leaf):
    """Write root.pem, chain.pem and key.pem to the folder."""
    root_key, ca_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = certificate("root", root_key, "root", root_key, True, [])
    ca = certificate("ca", ca_key, "root", root_key, True, of_ca)
    leaf = certificate("leaf", leaf_key, "ca", ca_key, False, of_leaf)
    pem = serialization.Encoding.PEM
    folder.mkdir()
    (folder / "root.pem").write_bytes(root.public_bytes(pem))
    (folder / "chain.pem").write_bytes(leaf.public_bytes(pem) + ca.public_bytes(pem))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(leaf_key.private_bytes(pem, *plain))


def serve(listener, context):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(65536)
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        except OSError:
            pass  # refused


def by_ssl(port, folder):
    context = ssl.create_default_context(cafile=folder / "root.pem")
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain, server_hostname="localhost") as secure:
        secure.sendall(b"x")
        secure.recv(1)


def by_awscrt(port, folder):
    group = io.EventLoopGroup(1)
    options = io.TlsContextOptions()
    options.override_default_trust_store_from_path(None, str(folder / "root.pem"))
    connecting = io.ClientTlsContext(options).new_connection_options()
    connecting.set_server_name("localhost")
    bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
    http.HttpClientConnection.new("127.0.0.1", port, bootstrap, tls_connection_options=connecting).result(20)


def by_pyreqwest(port, folder):
    with SyncClientBuilder().add_root_certificate_pem((folder / "root.pem").read_bytes()).build() as client:
        client.get(f"https://127.0.0.1:{port}/").build().send().bytes()


def by_cryptography(_, folder):
    leaf, *others = x509.load_pem_x509_certificates((folder / "chain.pem").read_bytes())
    roots = verification.Store(x509.load_pem_x509_certificates((folder / "root.pem").read_bytes()))
    verification.PolicyBuilder().store(roots).build_server_verifier(x509.DNSName("localhost")).verify(leaf, others)


CLIENTS = {
    "ssl": by_ssl,
    "awscrt": by_awscrt,
    "curl-cffi": lambda port, folder: curl_cffi.get(f"https://127.0.0.1:{port}/", verify=str(folder / "root.pem")),
    "primp": lambda port, folder: primp.Client(ca_cert_file=str(folder / "root.pem")).get(f"https://127.0.0.1:{port}/").content,
    "pyreqwest": by_pyreqwest,
    "cryptography": by_cryptography,
}


def accepts(client, port, folder):
    try:
        client(port, folder)
    except Exception:
        return False
    return True


STATED = dict.fromkeys(CHAINS, [True, True, True, False, False, False])
STATED |= {"nothing special": [True] * 6, "CA: only for local names": [True, True, False, True, True, True]}
print(ssl.OPENSSL_VERSION, *(f"{name} {version(name)}" for name in CLIENTS if name != "ssl"))
seen = {}
for name, extensions in CHAINS.items():
    folder = Path(sys.argv[1]) / name.replace(" ", "-")
    written(folder, *extensions)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, context), daemon=True).start()
        seen[name] = [accepts(client, listener.getsockname()[1], folder) for client in CLIENTS.values()]
    print("%-25s" % name, *("%s %s" % (client, "yes" if yes else "-") for client, yes in zip(CLIENTS, seen[name])), sep="  ")
assert seen == STATED, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
NO_PROXY='*' timeout 120 "$work/venv/bin/python" "$work/show.py" "$work"
