"""Versions are read as what they are compared by."""

from __future__ import annotations

import platform
import sys
from itertools import pairwise

import pytest

from interpreters.versions import minor_of, openssl_release, version_of


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("2.7.18", (2, 7, 18)),
        ("3.12.0rc1+", (3, 12, 0)),
        ("3.15.0a1", (3, 15, 0)),
        ("1.26.20", (1, 26, 20)),
        ("3.8.1foo2", (3, 8, 1)),
        ("unknown", (0,)),
        ("", (0,)),
    ],
)
def test_the_numbers_of_a_version_are_read(text: str, release: tuple[int, ...]) -> None:
    """The numbers that a version begins with are its release, whatever stands behind them."""
    assert version_of(text).release == release


def test_versions_are_in_the_order_in_which_they_came() -> None:
    """A version that is made ready for a release stands before it, and 3.9 stands before 3.10."""
    texts = ["2.7.18", "3.9.18", "3.10.0a7", "3.10.0rc2", "3.10.0rc2+", "3.10.0", "3.10.1"]
    versions = [version_of(text) for text in texts]
    assert all(one <= other for one, other in pairwise(versions))
    assert version_of("3.10.0rc2") < version_of("3.10.0")


@pytest.mark.parametrize(
    ("text", "minor"), [("3.12.0rc1+", "3.12"), ("2.7.18", "2.7"), ("3.11", "3.11"), ("", "0.0")]
)
def test_a_python_is_called_by_its_minor_version(text: str, minor: str) -> None:
    """The first two numbers name a minor version."""
    assert minor_of(text) == minor


def test_this_python_is_called_as_it_calls_itself() -> None:
    """The minor version of the Python that runs is that of sys.version_info."""
    assert minor_of(platform.python_version()) == f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("OpenSSL 1.1.1w  11 Sep 2023", (1, 1, 1)),
        ("OpenSSL 3.0.20-dev xx XXX xxxx", (3, 0, 20)),
        ("LibreSSL 3.3.6", ()),
        ("", ()),
    ],
)
def test_the_numbers_of_an_openssl_are_read(text: str, release: tuple[int, ...]) -> None:
    """OpenSSL's numbers are read without the letter behind them, and no other library has any."""
    assert openssl_release(text) == release
