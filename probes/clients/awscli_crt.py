"""Client `awscli_crt`: the AWS CLI v2 itself, in this process: `aws s3 cp` of a file into a bucket, with `preferred_transfer_client = crt`."""

from __future__ import absolute_import

import atexit
import os
import shutil
import sys
import tempfile
import threading

import awscli
import awscrt  # noqa: F401  a version 1 has none
import quietly
import releases
import status_page

if awscli.__version__.startswith("1."):
    raise releases.NotMeasurableError("the AWS CLI %s transfers nothing through the CRT" % awscli.__version__)

import awscli.clidriver
from awscli.customizations.s3 import factory
from clients import awscrt as client_awscrt

client_awscrt.refuse_portless()

# No index has a version 2: it is measured where it is installed, as a distribution's package.
REQUIREMENT = ""
GROUPS = "aws s3 native"
NEEDS = "upload"
BRINGS = "awscli awscrt"
ON_URLLIB3 = False

TLS = client_awscrt.TLS
READS_OPENSSL_CONF = client_awscrt.READS_OPENSSL_CONF
LOOKS_UP = client_awscrt.LOOKS_UP

# It waits until the CRT gives up, which may be after six attempts, and has no option for how long that is.
APART = True
TRIES_AGAIN = True

# Looked up in 2.23 to 2.38: what makes the CRT's client takes `verify` and no other TLS option, no setting is read for
# one, and awscrt reads no variable. So the lines keep the CLI off the CRT.
FLOOR = "awscli"
GIVEN_TLS = ""
LIMIT = 2.0

SETTINGS = """\
[default]
region = us-east-1
s3 =
  preferred_transfer_client = crt
  addressing_style = path
"""

FOLDER = tempfile.mkdtemp()
atexit.register(shutil.rmtree, FOLDER, True)
SETTINGS_FILE = os.path.join(FOLDER, "config")
OBJECT = os.path.join(FOLDER, "object")

for path, text in ((SETTINGS_FILE, SETTINGS), (OBJECT, "probe")):
    with open(path, "w") as file:
        file.write(text)

# In place of the user's.
os.environ["AWS_CONFIG_FILE"] = SETTINGS_FILE
DRIVER = awscli.clidriver.create_clidriver()

TRANSFERS = sys.modules[factory.create_s3_crt_client.__module__]
NOTES = []

# It takes the lock by which no other process of the CLI would choose the CRT by itself, those of the user among them.
factory.TransferManagerFactory._acquire_crt_s3_process_lock = lambda self: None


def version():
    """Return the client's version."""
    return awscli.__version__


def note():
    """Say by what the last file was transferred."""
    return "; ".join(NOTES)


def remark():
    """Say which client the CLI takes without that setting, as what it asks itself tells."""
    chosen = factory.TransferManagerFactory(DRIVER.session)._compute_transfer_client_type({}, {})
    return "without preferred_transfer_client = crt the CLI takes its client %r on this machine" % str(chosen)


class BoundedUploads(factory.CRTTransferManager):
    """The CLI's own manager, which tells that it was chosen, and cancels what takes too long."""

    def upload(self, *words, **options):
        """Begin an upload."""
        NOTES[:] = ["s3transfer.crt on awscrt %s" % client_awscrt.version()]
        transfer = super(BoundedUploads, self).upload(*words, **options)
        ending = threading.Timer(LIMIT, transfer.cancel)
        ending.daemon = True
        ending.start()
        return transfer


factory.CRTTransferManager = BoundedUploads


def fetch(host, port, cafile, timeout, retries=0):
    """Run the command, which tells no more than that the server has answered."""
    status, said = copy(host, port, cafile, retries)
    if not NOTES:
        raise quietly.CommandFailed("it chose the classic client: exit status %s: %s" % (status, said))
    return answered(status, said)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the lines of floors/awscli.py, which are to choose no CRT."""
    # The attempts of the classic client.
    os.environ["AWS_MAX_ATTEMPTS"] = str(retries + 1)
    status, said = copy(host, port, cafile, retries)
    if NOTES:
        raise quietly.CommandFailed("it would still transfer through the CRT")
    return answered(status, said)


def copy(host, port, cafile, retries):
    """Run the command; return its exit status and what it says."""
    # A download would begin with a HEAD of the classic client, which has another TLS.
    words = ["s3", "cp", OBJECT, "s3://floor/probe", "--no-sign-request", "--only-show-errors"]
    words += ["--endpoint-url", "https://%s:%d" % (host, port), "--ca-bundle", cafile]
    NOTES[:] = []
    with client_awscrt.hardly_retrying(TRANSFERS, retries):
        return quietly.run(DRIVER.main, words)


def answered(status, said):
    """Return what a command that has this exit status tells; raise CommandFailed for any but 0."""
    if status:
        raise quietly.CommandFailed("exit status %s: %s" % (status, said))
    return status_page.untold()
