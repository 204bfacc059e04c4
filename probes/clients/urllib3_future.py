"""Client `urllib3_future`: botocore beside urllib3-future, which takes the place of urllib3 without its name."""

from __future__ import absolute_import

import urllib3
# Not used: where this package is not there, urllib3 is another project's, and an environment has no such client.
import urllib3_future
from clients import botocore as client_botocore

REQUIREMENT = "botocore urllib3-future"
GROUPS = "aws s3"
ON_URLLIB3 = True
FLOOR = "botocore"
BRINGS = "urllib3 urllib3_future"

if int(urllib3.__version__.split(".")[-1]) < 900:
    raise ImportError("the urllib3 that is imported is %s, which is not urllib3-future" % urllib3.__version__)


def version():
    """Return the version of what takes urllib3's place."""
    return urllib3.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Get one object from the server's status page; return version and cipher as the page names them."""
    return client_botocore.fetch(host, port, cafile, timeout, retries)
