"""Client `boto3`: an S3 client's unsigned GetObject, over the transport that boto3 takes by default."""

from __future__ import absolute_import

import boto3
import boto3.session
from clients import botocore as client_botocore

REQUIREMENT = "boto3"
GROUPS = "aws s3"
ON_URLLIB3 = True

# Its clients are botocore's.
FLOOR = "botocore"

# One session, as an application has it. Its clients are made and used as botocore's are.
SESSION = boto3.session.Session(botocore_session=client_botocore.new_session())
CLIENTS = {}


def version():
    """Return the client's version."""
    return boto3.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Get one object from the server's status page; return version and cipher as the page names them."""
    return client_botocore.fetch_with(SESSION.client, CLIENTS, host, port, cafile, timeout, retries)
