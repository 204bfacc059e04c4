"""Client `pip_download`: the program `pip download --cert FILE`, which asks an index for a package."""

from __future__ import absolute_import

import os
import subprocess
import sys
import tempfile

import pip
import program
import status_page

REQUIREMENT = "pip"
GROUPS = "http"
NEEDS = "many"
ON_URLLIB3 = True

# Once more at least, whatever --retries says.
TRIES_AGAIN = True

# What it says of an index that has nothing under the name, or of a page that is no list.
ANSWERS = ("No matching distribution found", "from versions: none")


def version():
    """Return the client's version."""
    return pip.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Ask for a package that is not there: that pip says so is the answer, unless the connection failed."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "pip", "download", "--isolated", "--no-deps", "--no-cache-dir", "--no-input"]
        words += ["--disable-pip-version-check", "--retries", str(retries), "--timeout", str(max(1, int(timeout)))]
        words += ["--index-url", "https://%s:%d/simple" % (host, port), "--cert", os.path.abspath(cafile), "--dest", folder]
        # Some times the time of a socket: it also has to start, on a machine that may be busy.
        done = subprocess.run(words + ["floor-probe"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=4 * timeout)
    said = " ".join(done.stdout.decode("utf-8", "replace").split())
    error = program.ProgramError("exit status %d: %s" % (done.returncode, said))
    if "SSLError" in said or "Could not fetch URL" in said or "connection error" in said.lower():
        raise error
    return status_page.answered(error, *ANSWERS)
