"""What the system trusts is hidden for a block, and no longer."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType


def found() -> int:
    """Return how many certificates a context finds where OpenSSL looks by itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_default_verify_paths()
    return context.cert_store_stats()["x509"]


def test_the_system_s_certificates_are_hidden_for_a_block(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the block a context finds none, and still trusts what it is given; behind it the variables are as before."""
    trustme.CA().cert_pem.write_to_path(str(system := tmp_path / "system.pem"))
    trustme.CA().cert_pem.write_to_path(str(given := tmp_path / "given.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(system))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert found() == 1
    with passenger("system_trust").hidden():
        assert found() == 0
        context = ssl.create_default_context(cafile=str(given))
        assert context.cert_store_stats()["x509"] == 1
    assert found() == 1
    assert "SSL_CERT_DIR" not in os.environ


def test_it_is_hidden_no_longer_where_a_client_fails(
    passenger: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the client's comes through, and takes nothing with it."""
    before = {"SSL_CERT_FILE": "/before", "SSL_CERT_DIR": "/before.d"}
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ZeroDivisionError), passenger("system_trust").hidden():
        raise ZeroDivisionError
    assert {name: os.environ[name] for name in before} == before
