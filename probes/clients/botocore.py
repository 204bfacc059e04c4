"""Client `botocore`: a real S3 client's unsigned GetObject, as an application or the AWS CLI would send it."""

from __future__ import absolute_import

import contextlib

import botocore
import botocore.session
import releases
import status_page
from botocore import UNSIGNED
from botocore.config import Config

REQUIREMENT = "botocore"
GROUPS = "default aws s3"
ON_URLLIB3 = True


def new_session():
    """Return a session that need not look through hundreds of folders to find that there is an S3."""
    session = botocore.session.Session()
    session.get_component("data_loader").list_available_services = lambda type_name: ["s3"]
    return session


# The first release that says what it is about to send, so that it can be sent to another port. Before it a client
# stays with the address that it was made for.
ADDRESSED_SINCE = (1, 12, 13)

# One session, and one client for each trust store and number of retries, as an application has them: the
# first client reads all of S3's service model.
SESSION = new_session()
CLIENTS = {}


def version():
    """Return the client's version."""
    return botocore.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Get one object from the server's status page; return version and cipher as the page names them."""
    return fetch_with(SESSION.create_client, CLIENTS, host, port, cafile, timeout, retries)


def fetch_with(create, clients, host, port, cafile, timeout, retries):
    """Do the same with clients of a session of the caller's; `clients` has those that are there already."""
    kind = (cafile, retries)
    if releases.older(botocore.__version__, ADDRESSED_SINCE):
        kind += (host, port)
    if kind not in clients:
        clients[kind] = create("s3", **settings(host, port, cafile, timeout, retries))
    with addressed(clients[kind], host, port):
        return status_page.connection(clients[kind].get_object(Bucket="floor", Key="probe")["Body"].read())


@contextlib.contextmanager
def addressed(client, host, port):
    """Send what the client sends in the block to another port: a new port is a new connection."""

    def address(request, **_):
        # Where S3's own redirection to another region changes it.
        request.url = "https://%s:%d/floor/probe" % (host, port)

    client.meta.events.register("before-send.s3", address)
    try:
        yield
    finally:
        client.meta.events.unregister("before-send.s3", address)


def settings(host, port, cafile, timeout, retries):
    """Return those of an unsigned and path-addressed client: no account, credentials or name look-up needed."""
    return {
        "region_name": "us-east-1",
        "endpoint_url": "https://%s:%d" % (host, port),
        "verify": cafile,
        "config": Config(
            signature_version=UNSIGNED,
            connect_timeout=timeout,
            read_timeout=timeout,
            retries={"max_attempts": retries},
            s3={"addressing_style": "path"},
        ),
    }
