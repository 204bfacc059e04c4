"""Client `pycurl`: one transfer of libcurl, with the TLS library that pycurl was built with."""

from __future__ import absolute_import

import io

import pycurl
import status_page

REQUIREMENT = "pycurl"
GROUPS = "http native"
ON_URLLIB3 = False

# Its wheels bring libcurl and OpenSSL along; a build of a distribution's uses the distribution's.
TLS = "%s of libcurl %s" % (pycurl.version_info()[5], pycurl.version_info()[1])
READS_OPENSSL_CONF = False

# With a resolver of libcurl's own.
LOOKS_UP = True


def version():
    """Return the client's version."""
    return pycurl.version.split()[0].partition("/")[2].strip('"')


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them; libcurl makes no second attempt."""
    return fetch_with({}, host, port, cafile, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the version that floors/pycurl.py names."""
    return fetch_with({pycurl.SSLVERSION: given["lowest"]}, host, port, cafile, timeout)


def fetch_with(options, host, port, cafile, timeout):
    """Do the same with options of the caller's."""
    got = io.BytesIO()
    transfer = pycurl.Curl()
    try:
        transfer.setopt(pycurl.URL, "https://%s:%d/" % (host, port))
        transfer.setopt(pycurl.CAINFO, cafile)
        transfer.setopt(pycurl.PROXY, "")
        transfer.setopt(pycurl.CONNECTTIMEOUT_MS, int(timeout * 1000))
        transfer.setopt(pycurl.TIMEOUT_MS, int(timeout * 1000))
        transfer.setopt(pycurl.NOSIGNAL, 1)
        transfer.setopt(pycurl.WRITEDATA, got)
        for option, value in options.items():
            transfer.setopt(option, value)
        transfer.perform()
    finally:
        transfer.close()
    return status_page.connection(got.getvalue())
