"""Client `s3fs`: one object read through the file system that pandas and dask use for s3:// paths."""

from __future__ import absolute_import

import aiobotocore.session
import s3fs
import status_page
from fsspec import asyn

REQUIREMENT = "s3fs"
GROUPS = "aws s3"
BRINGS = "fsspec aiobotocore"
ON_URLLIB3 = False
FLOOR = "aiobotocore"

# Once, where a server closes after the handshake: that is aiohttp, and there is no option not to.
TRIES_AGAIN = True

# With one of its own each file system would read the models of S3 anew, which takes longer than all the rest.
SESSION = aiobotocore.session.get_session()


def version():
    """Return the client's version."""
    return s3fs.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Read one object from the server's status page; return version and cipher as the page names them."""
    files = s3fs.S3FileSystem(
        anon=True,
        session=SESSION,
        client_kwargs={"endpoint_url": "https://%s:%d" % (host, port), "verify": cafile, "region_name": "us-east-1"},
        config_kwargs={
            "connect_timeout": timeout,
            "read_timeout": timeout,
            "retries": {"max_attempts": retries},
            "s3": {"addressing_style": "path"},
        },
        skip_instance_cache=True,
    )
    # Beside botocore's attempts it makes some of its own.
    files.retries = 1 + retries
    # To read a file it would ask for the size first, by HEAD, which the status page does not answer.
    answer = files.call_s3("get_object", Bucket="floor", Key="probe")
    return status_page.connection(asyn.sync(files.loop, answer["Body"].read))
