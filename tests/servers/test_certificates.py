"""The run's own certificates: a client that trusts what it is given accepts them, and keys stay private."""

from __future__ import annotations

import os
import ssl
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from servers.catalogue import Certificate
from servers.certificates import KeyPair, issue, issue_page
from servers.s_server import find_s_server

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {Certificate.RSA: rsa.RSAPublicKey, Certificate.ECDSA: ec.EllipticCurvePublicKey}


def test_every_kind_but_the_page_s_is_issued(pairs: dict[Certificate, KeyPair]) -> None:
    """There is a pair for each kind of certificate, save the page's, which openssl makes."""
    assert set(pairs) == set(Certificate) - {Certificate.PAGE}


@pytest.mark.parametrize("kind", KINDS)
def test_certificate_is_of_its_kind(pairs: dict[Certificate, KeyPair], kind: Certificate) -> None:
    """The certificate's public key is of the kind that was asked for, and belongs to the key beside it."""
    public = _certificate(pairs[kind].certificate).public_key()
    private = load_pem_private_key(pairs[kind].key.read_bytes(), None)
    assert isinstance(public, KINDS[kind])
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert private.public_key().public_bytes(*form) == public.public_bytes(*form)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_client_that_trusts_the_authority_accepts(
    pairs: dict[Certificate, KeyPair], kind: Certificate, name: str
) -> None:
    """A verifying client with only `trust` in its store completes a handshake under both names."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pairs[kind].certificate, pairs[kind].key)
    client = ssl.create_default_context(cafile=str(pairs[kind].trust))
    assert _handshake(client, server, name) is not None


def test_client_that_trusts_another_run_refuses(pairs: dict[Certificate, KeyPair], tmp_path: Path) -> None:
    """Each run has an authority of its own: what another run trusted does not vouch for this one."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pairs[Certificate.RSA].certificate, pairs[Certificate.RSA].key)
    client = ssl.create_default_context(cafile=str(issue(tmp_path)[Certificate.RSA].trust))
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(client, server, "localhost")


def test_keys_are_their_owner_s_alone(pairs: dict[Certificate, KeyPair]) -> None:
    """No key can be read by group or others, even under a umask that allows everything."""
    for pair in pairs.values():
        assert stat.S_IMODE(pair.key.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR


def test_trust_holds_no_key(pairs: dict[Certificate, KeyPair]) -> None:
    """What clients are given to trust is a certificate and nothing else."""
    for pair in pairs.values():
        assert b"PRIVATE" not in pair.trust.read_bytes()
        assert b"PRIVATE" not in pair.certificate.read_bytes()


@pytest.mark.e2e
def test_page_s_certificate_is_as_the_page_makes_it(tmp_path: Path) -> None:
    """The page's own command gives a self-signed 4096 bit RSA certificate for localhost without a SAN."""
    engine = find_s_server(None, tmp_path, os.environ)
    pair = issue_page(engine.openssl, tmp_path, os.environ)
    certificate = _certificate(pair.certificate)
    public = certificate.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    assert public.key_size == 4096
    assert certificate.subject.rfc4514_string() == "CN=localhost"
    assert certificate.issuer == certificate.subject
    assert pair.trust == pair.certificate
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert stat.S_IMODE(pair.key.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR


def test_program_that_refuses_the_page_s_command_is_reported(tmp_path: Path) -> None:
    """Where openssl fails, the error is a SubprocessError, which the lab knows to expect."""
    refuses = tmp_path / "openssl"
    refuses.write_text("#!/bin/sh\nexit 1\n")
    refuses.chmod(0o700)
    with pytest.raises(subprocess.SubprocessError):
        issue_page(refuses, tmp_path, os.environ)


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> str | None:
    """Complete a handshake in memory; return the version, or raise what the client raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [near, far]
    for _ in range(20):
        for side in tuple(waiting):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(side)
        if not waiting:
            return near.version()
    return None
