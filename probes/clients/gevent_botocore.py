"""Client `gevent_botocore`: botocore's S3 client in a process that gevent has patched, as gunicorn's workers are."""

from __future__ import absolute_import

from gevent import monkey

# Before anything else is imported; what is patched stays so.
monkey.patch_all()

import gevent
from clients import botocore as client_botocore

REQUIREMENT = "gevent botocore"
GROUPS = "aws s3"
ON_URLLIB3 = True
FLOOR = "botocore"

# What it patches would be patched for all others.
APART = True


def version():
    """Return gevent's version."""
    return gevent.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Get one object from the server's status page; return version and cipher as the page names them."""
    return client_botocore.fetch(host, port, cafile, timeout, retries)
