"""Client `aiobotocore`: an asynchronous S3 client's unsigned GetObject, on aiohttp."""

from __future__ import absolute_import

import asyncio

import aiobotocore
import aiobotocore.session
from clients import botocore as client_botocore
import status_page
from aiobotocore.config import AioConfig

REQUIREMENT = "aiobotocore"
GROUPS = "aws s3"
ON_URLLIB3 = False

# Once, where a server closes after the handshake: that is aiohttp, and aiobotocore has no option not to.
TRIES_AGAIN = True

LOOP = asyncio.new_event_loop()
SESSION = aiobotocore.session.get_session()
CLIENTS = {}


def version():
    """Return the client's version."""
    return aiobotocore.__version__


def wait(awaitable, timeout):
    """Return what comes of an awaitable within a time; written so that Python 2.7 can read it."""
    return LOOP.run_until_complete(asyncio.wait_for(awaitable, timeout))


def fetch(host, port, cafile, timeout, retries=0):
    """Get one object from the server's status page; return version and cipher as the page names them."""
    kind = (cafile, retries)
    if kind not in CLIENTS:
        settings = client_botocore.settings(host, port, cafile, timeout, retries)
        settings["config"] = AioConfig().merge(settings["config"])
        CLIENTS[kind] = wait(SESSION.create_client("s3", **settings).__aenter__(), timeout)
    with client_botocore.addressed(CLIENTS[kind], host, port):
        answer = wait(CLIENTS[kind].get_object(Bucket="floor", Key="probe"), timeout)
        return status_page.connection(wait(answer["Body"].read(), timeout))
