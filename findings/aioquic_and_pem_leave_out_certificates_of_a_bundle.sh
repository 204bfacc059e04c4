#!/usr/bin/env bash
# aioquic 1.7.2 and pem 23.1.0: of a PEM bundle with Windows line ends, or with a blank after "-----BEGIN CERTIFICATE-----", they
# read some certificates or none, without an error.
#
# RFC 7468 (section 2: "parsers MUST handle different newline conventions"; section 3: white space may follow each boundary) allows
# both; editors, mail programs and shares of Windows make them.
# Expected: both certificates of the bundle, or an error.
# Seen 2026-11-29 with a bundle of two CAs, of which the second signed the server's certificate:
#                                     as made   CR LF   a blank after each boundary
#   aioquic load_pem_x509_certificates   2        1        1
#   pem.parse                            2        2        0
#   cryptography 50.0.2, Python's ssl    2        2        2   (controls)
# aioquic then trusts the first CA only: QuicConfiguration.load_verify_locations(cadata=...) with CR LF refuses a server
# that the same file, with LF, lets in.
# Matters for: an HTTP/3 client that takes the CA file of the HTTP/1.1 client beside it, and refuses the same server.
# Fails if a release behaves otherwise. Needs Linux or macOS, Python 3.10 or newer, and an index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
  aioquic==1.7.2 cryptography==50.0.2 pem==23.1.0 trustme==1.2.1
cat > "$work/show.py" <<'PY'
import asyncio
import ssl
import sys
from importlib.metadata import version
from pathlib import Path

import pem
import trustme
from aioquic.asyncio import connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import load_pem_x509_certificates
from cryptography import x509

other, signer = trustme.CA(), trustme.CA()
MADE = other.cert_pem.bytes() + signer.cert_pem.bytes()
FORMS = {"as made": MADE, "CR LF": MADE.replace(b"\n", b"\r\n"), "a blank": MADE.replace(b"-----\n", b"----- \n")}
STATED = {"as made": (2, 2, 2, 2, "connected"), "CR LF": (1, 2, 2, 2, "refused"), "a blank": (1, 0, 2, 2, "refused")}


def by_ssl(bundle):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=bundle.decode())
    return len(context.get_ca_certs())


async def by_quic(bundle, folder):
    """What a QUIC client that trusts the bundle says of a server whose certificate the second CA signed."""
    issued = signer.issue_cert("localhost")
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    of_server = QuicConfiguration(is_client=False, alpn_protocols=["x"])
    of_server.load_cert_chain(chain, key)
    server = await serve("127.0.0.1", 0, configuration=of_server)
    port = server._transport.get_extra_info("sockname")[1]
    of_client = QuicConfiguration(alpn_protocols=["x"], server_name="localhost")
    of_client.load_verify_locations(cadata=bundle)
    try:
        async with asyncio.timeout(20), connect("127.0.0.1", port, configuration=of_client) as client:
            await client.ping()
            return "connected"
    except ConnectionError:
        return "refused"
    finally:
        server.close()


seen = {}
print(*(f"{name} {version(name)}" for name in ("aioquic", "pem", "cryptography")))
for form, bundle in FORMS.items():
    counts = [len(read(bundle)) for read in (load_pem_x509_certificates, pem.parse, x509.load_pem_x509_certificates)]
    seen[form] = (*counts, by_ssl(bundle), asyncio.run(by_quic(bundle, Path(sys.argv[1]))))
    print("%-8s aioquic %d, pem %d, cryptography %d, ssl %d certificates; the QUIC client %s" % (form, *seen[form]))
assert seen == STATED, "it behaves otherwise: %r" % seen
print("seen as stated")
PY
timeout 120 "$work/venv/bin/python" "$work/show.py" "$work" 2>"$work/noise" || { cat "$work/noise"; exit 1; }
