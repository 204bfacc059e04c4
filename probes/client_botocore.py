"""Client `botocore`: a real S3 client's unsigned GetObject, as an application or the AWS CLI would send it."""

import botocore
import botocore.session
import status_page
from botocore import UNSIGNED
from botocore.config import Config

REQUIREMENT = "botocore"

# One session, as applications have one: it reads the service models once for all clients made from it.
SESSION = botocore.session.Session()


def version():
    """Return the client's version."""
    return botocore.__version__


def fetch(host, port, cafile, timeout):
    """Get one object from the server's status page; return version and cipher as the page names them.

    Unsigned and path-addressed, so neither account nor credentials nor name resolution are needed; no
    retries, so that an observation is one connection.
    """
    client = SESSION.create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url="https://%s:%d" % (host, port),
        verify=cafile,
        config=Config(
            signature_version=UNSIGNED,
            connect_timeout=timeout,
            read_timeout=timeout,
            retries={"max_attempts": 0},
            s3={"addressing_style": "path"},
        ),
    )
    return status_page.connection(client.get_object(Bucket="floor", Key="probe")["Body"].read())
