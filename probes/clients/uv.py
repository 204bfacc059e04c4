"""Client `uv`: the program uv, which asks an index for a package, on the rustls in it."""

from __future__ import absolute_import

import atexit
import os
import shutil
import subprocess
import sys
import tempfile

import linked
import program
import status_page
import uv

REQUIREMENT = "uv"
GROUPS = "http native"
NEEDS = "many"
ON_URLLIB3 = False

TLS = linked.of_files([uv.find_uv_bin()])
READS_OPENSSL_CONF = False
LOOKS_UP = True

# What it says of an index that has nothing under the name.
ANSWERS = ("no versions of floor-probe", "not found in the package registry", "unsupported content type")

# With a cache it asks the interpreter once what that is; of an index, each of which has another port, nothing is in it.
CACHE = tempfile.mkdtemp()
atexit.register(shutil.rmtree, CACHE, True)

# It takes no option for the version of TLS.
NO_FLOOR = True


def version():
    """Return the program's version, as it says itself."""
    return subprocess.check_output([uv.find_uv_bin(), "--version"]).decode("ascii", "replace").split()[1]


def fetch(host, port, cafile, timeout, retries=0):
    """Ask for a package that is not there: that uv says so is the answer, for it has read the index."""
    return fetch_with([], {"SSL_CERT_FILE": os.path.abspath(cafile)}, host, port, timeout, retries)


def fetch_with(options, trusting, host, port, timeout, retries):
    """Do the same with the options or variables that say whom to trust."""
    words = [uv.find_uv_bin(), "--no-config", "pip", "compile", "--cache-dir", CACHE, "--color", "never"]
    words += ["--python", sys.executable, "--no-python-downloads", "--index-url", "https://%s:%d/simple" % (host, port)]
    variables = dict(trusting, UV_HTTP_RETRIES=str(retries), UV_HTTP_TIMEOUT=str(max(1, int(timeout))))
    # Some times the time of a socket: it also has to start, on a machine that may be busy.
    done = subprocess.run(
        words + options + ["-"],
        input=b"floor-probe\n",
        env=dict(os.environ, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=4 * timeout,
    )
    said = " ".join(done.stdout.decode("utf-8", "replace").split())
    return status_page.answered(program.ProgramError("exit status %d: %s" % (done.returncode, said)), *ANSWERS)
