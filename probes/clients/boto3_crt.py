"""Client `boto3_crt`: an S3 download through the AWS Common Runtime, as boto3[crt] transfers files, with awscrt 0.23.9 or newer."""

from __future__ import absolute_import

import io
from concurrent import futures

import boto3
from clients import botocore as client_botocore
import introduction
import status_page

try:
    import boto3.crt
    import boto3.s3.transfer
    from clients import awscrt as client_awscrt
    from s3transfer import crt
    from s3transfer.manager import TransferManager
    from s3transfer.subscribers import BaseSubscriber
except ImportError as error:
    raise ImportError("boto3 %s transfers nothing through the CRT: %s" % (boto3.__version__, error))

client_awscrt.refuse_portless()

REQUIREMENT = "boto3[crt]"
GROUPS = "aws s3 native"
BRINGS = "boto3 botocore s3transfer"
ON_URLLIB3 = False

TLS = client_awscrt.TLS
READS_OPENSSL_CONF = client_awscrt.READS_OPENSSL_CONF
LOOKS_UP = client_awscrt.LOOKS_UP

# With its lines it does not use the CRT.
GIVEN_TLS = ""

# After a failure, and older releases have no option not to. So this, in seconds, is what it gets.
TRIES_AGAIN = True
LIMIT = 2.0

NOTES = []


def version():
    """Return the client's version."""
    return boto3.__version__


def note():
    """Say with what the last request went out, and how it introduced itself."""
    return "; ".join(NOTES)


def remark():
    """Say where boto3's own switch to the CRT leads, as a call of what it calls shows."""
    where = boto3.crt._create_crt_request_serializer(client_botocore.SESSION, "us-east-1")._client.meta.endpoint_url
    said = ["boto3's own switch to the CRT sends to %s, whatever endpoint_url and verify its client has" % where]
    acquired = boto3.crt.acquire_crt_s3_process_lock
    # As where another process of the machine has it; not taken here, where it would change what that process uses.
    boto3.crt.acquire_crt_s3_process_lock = lambda name: None
    try:
        if boto3.crt.create_crt_transfer_manager(NoClient, None) is None:
            said.append("and transfers by the classic client, without a word, while another process holds the CRT's lock")
    finally:
        boto3.crt.acquire_crt_s3_process_lock = acquired
    return ", ".join(said)


class NoClient(object):
    """Stands for a client of boto3's, of which nothing is read without the lock."""


def fetch(host, port, cafile, timeout, retries=0):
    """Download one object; the CRT does not tell the version."""
    # boto3's own switch takes neither an endpoint nor a trust store, so this is what it switches to. One for
    # each server, because it takes every port of a host for the first that it was sent to.
    with client_awscrt.hardly_retrying(crt, retries):
        client = crt.create_s3_crt_client("us-east-1", num_threads=1, verify=cafile)
    serializer = crt.BotocoreCRTRequestSerializer(
        client_botocore.SESSION, client_botocore.settings(host, port, cafile, timeout, retries)
    )
    serializer._client.meta.events.register("request-created.s3", introduce)
    manager = crt.CRTTransferManager(client, serializer)
    # A whole object would be asked for its size first, which the status page does not have; a part is not.
    manager.ALLOWED_DOWNLOAD_ARGS = ["PartNumber"]
    transfer = manager.download("floor", "probe", io.BytesIO(), {"PartNumber": 1}, [])
    try:
        transfer.result(min(timeout, LIMIT))
    except futures.TimeoutError:
        transfer.cancel()
        raise ValueError("no answer within %g s; after a failure the CRT tries again by itself" % min(timeout, LIMIT))
    return {"version": status_page.VERSION_UNKNOWN, "cipher": None}


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Download the object with the TransferConfig that floors/boto3_crt.py makes, which is to choose no CRT."""
    settings = client_botocore.settings(host, port, cafile, timeout, retries)
    client = boto3.session.Session().client("s3", **settings)
    got = io.BytesIO()
    with boto3.s3.transfer.create_transfer_manager(client, given["config"]) as manager:
        if not isinstance(manager, TransferManager):
            # It knows of no endpoint, and would go to the real one.
            raise ValueError("boto3 would still transfer through the CRT")
        with client_botocore.addressed(client, host, port):
            manager.download("floor", "probe", got, subscribers=[Known()]).result()
    return status_page.connection(got.getvalue())


class Known(BaseSubscriber):
    """Knows the object's size, which would be asked for first, and which the status page does not have."""

    def on_queued(self, future, **_):
        """Say what a request for the size would have."""
        future.meta.provide_transfer_size(1)
        if hasattr(future.meta, "provide_object_etag"):
            future.meta.provide_object_etag("known")


def introduce(request, **_):
    """Keep how the request about to be handed to the CRT introduces itself."""
    sent = introduction.user_agent(request)
    NOTES[:] = ["s3transfer.crt on awscrt %s" % client_awscrt.version(), "User-Agent: %s" % sent]
