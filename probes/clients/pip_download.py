"""Client `pip_download`: the command `pip download --cert FILE`, in this process, which asks an index for a package."""

from __future__ import absolute_import

import os
import tempfile

import pip
import program
import quietly
import status_page
import system_trust
from pip._internal.cli import main as pip_main

REQUIREMENT = "pip"
GROUPS = "http"
NEEDS = "many"
ON_URLLIB3 = True

# Once more at least, whatever --retries says.
TRIES_AGAIN = True

# What it says of an index that has nothing under the name, or of a page that is no list.
ANSWERS = ("No matching distribution found", "from versions: none")

# What it says of an index that it could not read, before it goes on as if that were empty; but not unless it is asked to say more.
FAILED = "Could not fetch URL"

# It begins with this whatever the TLS library refused, and what follows says what that was.
ANY_REFUSAL = "There was a problem confirming the ssl certificate: "


def version():
    """Return the client's version."""
    return pip.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Ask for a package that is not there: that pip says so is the answer, unless the connection failed."""
    return fetch_with(["--cert", os.path.abspath(cafile)], host, port, timeout, retries)


def fetch_with(trusting, host, port, timeout, retries):
    """Do the same with the options that say whom to trust."""
    folder = tempfile.gettempdir()  # nothing is written there, for nothing is found
    words = ["download", "-vv", "--isolated", "--no-deps", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
    words += ["--retries", str(retries), "--timeout", str(max(1, int(timeout))), "--dest", folder]
    words += ["--index-url", "https://%s:%d/simple" % (host, port)]
    with system_trust.hidden():
        status, said = quietly.run(pip_main.main, words + trusting + ["floor-probe"])
    before, failed, words = said.partition(FAILED)
    error = program.ProgramError("exit status %s: %s" % (status, (failed + words or before).replace(ANY_REFUSAL, "")))
    if failed:
        raise error
    return status_page.answered(error, *ANSWERS)
