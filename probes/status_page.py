"""Reads the answer of a restricted server: the status page, in the words of `openssl s_server -www`.

Clients that hide their socket learn from it which version and cipher they ended up with, as the AWS
page does when it says to look for "Protocol:" in the output.
"""

import re

VERSION_UNKNOWN = "untold"
"""The version of a connection whose client got an answer and has no way to tell the version."""


def connection(page):
    """Return version and cipher named on the page (bytes or text); raises ValueError without them."""
    if isinstance(page, bytes):
        page = page.decode("utf-8", "replace")
    version = re.search(r"^ *Protocol *: *(\S+)", page, re.MULTILINE)
    cipher = re.search(r"Cipher is (\S+)", page)
    if not version:
        raise ValueError("the answer names no protocol: %r" % page[:80])
    return {"version": version.group(1), "cipher": cipher.group(1) if cipher else None}


def untold():
    """Return what a client knows of a connection that got an answer: nothing but that."""
    return {"version": VERSION_UNKNOWN, "cipher": None}


def answered(error, *words):
    """Return the same for an error about what the server sent, which has any of these words; raises any other."""
    if any(word.lower() in str(error).lower() for word in words):
        return untold()
    raise error


def left_to_the_wire(error=None):
    """Return the account of a stack whose own words do not tell whether an answer came: only the wire does."""
    return {"outcome": "untold", "error_text": None if error is None else str(error)}


def installed(distribution):
    """Return the version of a distribution, for a client whose package does not say one."""
    from importlib import metadata  # such packages are for newer Pythons alone

    return metadata.version(distribution)
