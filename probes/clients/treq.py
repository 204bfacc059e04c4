"""Client `treq`: a request of treq's on Twisted's reactor, with the policy of Twisted's own for HTTPS."""

from __future__ import absolute_import

import OpenSSL.SSL
import status_page
import treq
import twisted_reactor
from twisted import internet
from twisted.internet import reactor, ssl, threads  # noqa: F401  of internet, too
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS

REQUIREMENT = "treq"
GROUPS = "http native"
BRINGS = "OpenSSL twisted"
ON_URLLIB3 = False

# pyOpenSSL's, which comes with the cryptography package.
TLS = OpenSSL.SSL.SSLeay_version(OpenSSL.SSL.SSLEAY_VERSION).decode("ascii")
READS_OPENSSL_CONF = True


def version():
    """Return the client's version."""
    return treq.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Fetch the status page; return version and cipher as the page names them. It never tries again."""
    return fetch_with(BrowserLikePolicyForHTTPS, host, port, cafile, timeout)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the policy that floors/treq.py makes."""
    return fetch_with(given["FlooredPolicy"], host, port, cafile, timeout)


def fetch_with(policy, host, port, cafile, timeout):
    """Do the same with a policy of the caller's."""
    with open(cafile, "rb") as file:
        trusted = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(file.read())])
    return status_page.connection(twisted_reactor.call(internet, page, policy(trusted), host, port, timeout))


def page(policy, host, port, timeout):
    """Return the page to be, on the reactor's thread."""
    agent = Agent(reactor, policy, connectTimeout=timeout)
    asked = treq.get("https://%s:%d/" % (host, port), agent=agent, timeout=timeout)
    return asked.addCallback(treq.content)
