"""Client `minio`: an unsigned download through the pool of connections that Minio makes by itself."""

from __future__ import absolute_import

import os

import minio
import status_page
import urllib3

REQUIREMENT = "minio"
GROUPS = "s3"
BRINGS = "urllib3"
ON_URLLIB3 = True


def version():
    """Return the client's version."""
    return minio.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Get one object from the server's status page; return version and cipher as the page names them."""
    # Its pool looks there for whom to trust. A pool of ours would have a floor of ours.
    os.environ["SSL_CERT_FILE"] = cafile
    return fetch_with(minio.Minio("%s:%d" % (host, port), region="us-east-1"), timeout, retries)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the pool that floors/minio.py makes."""
    given["context"].load_verify_locations(cafile)
    client = minio.Minio("%s:%d" % (host, port), region="us-east-1", http_client=given["http"])
    return fetch_with(client, timeout, retries)


def fetch_with(client, timeout, retries):
    """Do the same with a client of the caller's."""
    # Minio waits five minutes and tries six times.
    client._http.connection_pool_kw.update(timeout=urllib3.Timeout(timeout), retries=urllib3.Retry(retries))
    answer = client.get_object("floor", "probe")
    try:
        return status_page.connection(answer.read())
    finally:
        answer.close()
        client._http.clear()
