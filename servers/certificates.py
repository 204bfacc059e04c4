"""Issues the run's own certificates: keys live as long as the run, in a folder that only we can read."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

from servers.catalogue import Certificate
from servers.peers import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "localhost"
"""The only name in the page's certificate, and in ours for clients that know no addresses in certificates."""

ISSUE_LIMIT = 60.0
"""Seconds that OpenSSL may take for the page's 4096 bit key on a busy machine."""


@dataclass(frozen=True)
class KeyPair:
    """A server certificate with its key, and what a client must trust to accept it (PEM files)."""

    certificate: Path
    key: Path
    trust: Path
    host: str = LOOPBACK
    """By what clients have to address its server: the address, or the name where it is for that alone."""


def issue(folder: Path) -> dict[Certificate, KeyPair]:
    """Issue an RSA and an ECDSA certificate for loopback, under an authority made for this run."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    trust = folder / "authority.pem"
    authority.cert_pem.write_to_path(trust)
    pairs = {}
    for kind, key_type in (
        (Certificate.RSA, trustme.KeyType.RSA),
        (Certificate.ECDSA, trustme.KeyType.ECDSA),
    ):
        leaf = authority.issue_cert(LOOPBACK, NAME, key_type=key_type)
        pair = KeyPair(folder / f"{kind}.pem", folder / f"{kind}.key", trust)
        leaf.cert_chain_pems[0].write_to_path(pair.certificate)
        pair.key.touch(mode=0o600)
        leaf.private_key_pem.write_to_path(pair.key)
        pairs[kind] = pair
    return pairs


def issue_page(openssl: Path, folder: Path, environment: Mapping[str, str]) -> KeyPair:
    """Issue the page's self-signed certificate with the page's own command.

    Source: the AWS page, "Determining your currently supported protocols". Raises
    subprocess.SubprocessError where this OpenSSL refuses the command or takes too long.
    """
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-subj", f"/CN={NAME}", "-x509", "-newkey", "rsa:4096"),
            *("-nodes", "-keyout", key, "-out", certificate, "-days", "365"),
        ],
        check=True,
        capture_output=True,
        timeout=ISSUE_LIMIT,
        stdin=subprocess.DEVNULL,
        env=dict(environment),
    )
    return KeyPair(certificate, key, certificate, NAME)
