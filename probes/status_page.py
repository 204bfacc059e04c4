"""Reads the answer of a restricted server: the status page that `openssl s_server -www` sends.

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
