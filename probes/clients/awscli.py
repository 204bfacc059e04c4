"""Client `awscli`: the AWS CLI v1 itself, in this process: `aws s3api get-object`, unsigned."""

from __future__ import absolute_import

import os
import tempfile

import awscli
import introduction
import quietly
import releases
import status_page

if not awscli.__version__.startswith("1."):
    # Distributions ship it as a package of the same name; it is no library, and its own parts have moved.
    raise releases.NotMeasurableError("it is the AWS CLI %s: measure the command aws with --programs" % awscli.__version__)

import awscli.clidriver

REQUIREMENT = "awscli"
GROUPS = "aws s3"
# Before the CLI had a botocore of its own.
BRINGS = "botocore"
ON_URLLIB3 = True

# Whoever imports botocore behind it gets the one in its own package.
APART = True

DRIVER = awscli.clidriver.create_clidriver()
NOTES = []


def version():
    """Return the client's version."""
    return awscli.__version__


def note():
    """Say how the last request introduced itself."""
    return "; ".join(NOTES)


def introduce(request, **_):
    """Keep how the request about to be sent introduces itself."""
    NOTES[:] = ["User-Agent: %s" % introduction.user_agent(request)]


DRIVER.session.register("before-send.s3", introduce)


def fetch(host, port, cafile, timeout, retries=0):
    """Run the command; return version and cipher as the object that it writes names them."""
    # There is no option for it. 1 is the first attempt.
    os.environ["AWS_MAX_ATTEMPTS"] = str(retries + 1)
    with tempfile.TemporaryFile() as got:
        seconds = str(max(1, int(timeout)))
        words = ["s3api", "get-object", "--no-sign-request", "--region", "us-east-1", "--ca-bundle", cafile]
        words += ["--endpoint-url", "https://%s:%d" % (host, port)]
        words += ["--cli-connect-timeout", seconds, "--cli-read-timeout", seconds]
        # A bucket in capitals cannot be part of a host's name, so it goes into the path.
        words += ["--bucket", "FLOOR", "--key", "probe", "/dev/fd/%d" % got.fileno()]
        status, said = quietly.run(DRIVER.main, words)
        if status:
            raise quietly.CommandFailed("exit status %s: %s" % (status, said))
        got.seek(0)
        return status_page.connection(got.read())
