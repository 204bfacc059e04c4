"""Client `smart_open_s3`: an s3:// address opened as a file, which is boto3 below."""

from __future__ import absolute_import

import boto3
import boto3.session
import smart_open
import status_page
from clients import botocore as client_botocore

REQUIREMENT = "smart_open[s3]"
GROUPS = "aws s3"
NEEDS = "length range"
ON_URLLIB3 = True
BRINGS = "smart_open boto3 botocore"
FLOOR = "botocore"

SESSION = boto3.session.Session()
CLIENTS = {}


def version():
    """Return the client's version."""
    return smart_open.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Read one object from the server's status page; return version and cipher as the page names them."""
    kind = (cafile, retries)
    if kind not in CLIENTS:
        CLIENTS[kind] = SESSION.client("s3", **client_botocore.settings(host, port, cafile, timeout, retries))
    # It would read a part, which the status page of some servers is not: the buffer is larger than the page.
    options = {"client": CLIENTS[kind], "defer_seek": True}
    with client_botocore.addressed(CLIENTS[kind], host, port):
        with smart_open.open("s3://floor/probe", "rb", transport_params=options) as file:
            return status_page.connection(file.read())
