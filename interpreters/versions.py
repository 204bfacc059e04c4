"""Reads versions, so that they are compared as numbers and a release candidate stands before its release."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version


def version_of(text: str) -> Version:
    """Return the version of a Python or of a distribution; 0 for a text that begins with no number.

    platform.python_version() puts a + behind what was built between two releases, which PEP 440 has not;
    of any other text that it has not, the numbers count that the text begins with.
    """
    # Not at the top: the gate loads this file where there is nothing but the standard library.
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415

    numbers = re.match(r"\d+(\.\d+)*", text)
    for known in (text.removesuffix("+"), numbers[0] if numbers else "0"):
        with contextlib.suppress(InvalidVersion):
            return Version(known)
    return Version("0")


def minor_of(text: str) -> str:
    """Return the minor version of a Python by which people call it, such as ``3.12`` of 3.12.0rc1."""
    version = version_of(text)
    return f"{version.major}.{version.minor}"


def openssl_release(text: str) -> tuple[int, ...]:
    """Return the three numbers of ``OpenSSL 1.1.1w  11 Sep 2023``; empty for what is no OpenSSL.

    By hand: PEP 440 has no letter behind a release.
    """
    found = re.match(r"OpenSSL (\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else ()
