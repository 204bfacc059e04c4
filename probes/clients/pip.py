"""Client `pip`: the session with which pip itself downloads, on the requests and urllib3 that it carries along."""

from __future__ import absolute_import

import pip
import status_page
import system_trust
from pip._internal.commands import create_command
from pip._vendor import urllib3  # noqa: F401  the probe says its version, not that of one installed beside it

REQUIREMENT = "pip"
GROUPS = "http"
ON_URLLIB3 = True

# One session for each trust store and number of retries, as one run of pip has: to introduce itself, a new
# one looks for compilers.
SESSIONS = {}


def version():
    """Return the client's version."""
    return pip.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them."""
    kind = (cafile, retries)
    if kind not in SESSIONS:
        SESSIONS[kind] = session(cafile, retries)
    try:
        with system_trust.hidden():
            answer = SESSIONS[kind].get("https://%s:%d/" % (host, port), timeout=timeout)
        return status_page.connection(answer.content)
    finally:
        SESSIONS[kind].close()


def session(cafile, retries):
    """Return the session that a command of pip makes from its options; the user's settings are not read."""
    command = create_command("list")
    words = ["--isolated", "--no-cache-dir", "--no-input", "--cert", cafile, "--retries", str(retries)]
    options, _ = command.parse_args(words)
    return command._build_session(options)
