"""Client `scrapy`: a page that a spider downloads, with DOWNLOAD_VERIFY_CERTIFICATES; before 2.15, which has that, it verifies nobody."""

from __future__ import absolute_import

import os

import OpenSSL.SSL
import scrapy
import scrapy.core.downloader.handlers.http11  # as the next two what a first crawl would load, with 200 modules more
import scrapy.core.engine
import scrapy.downloadermiddlewares.cookies
import status_page
import twisted_reactor
from scrapy.crawler import Crawler
from twisted import internet
from twisted.internet import reactor, threads  # noqa: F401  of internet, too

REQUIREMENT = "scrapy"
GROUPS = "http native"
HEAVY = True
BRINGS = "OpenSSL twisted"
ON_URLLIB3 = False

# pyOpenSSL's, which comes with the cryptography package.
TLS = OpenSSL.SSL.SSLeay_version(OpenSSL.SSL.SSLEAY_VERSION).decode("ascii")
READS_OPENSSL_CONF = True

SETTINGS = dict.fromkeys(("LOG_ENABLED", "TELNETCONSOLE_ENABLED", "REMOTE_CONTROL_ENABLED", "HTTPPROXY_ENABLED", "ROBOTSTXT_OBEY"), False)
# The one that runs, whichever that is.
SETTINGS.update(TWISTED_REACTOR=None, DOWNLOAD_VERIFY_CERTIFICATES=True)


class FloorSpider(scrapy.Spider):
    """Keeps the one page that it gets."""

    name = "floor"

    def parse(self, response):
        """Keep the page."""
        self.got.append(response.body)


class NoPage(Exception):
    """The spider got none; its text is what Scrapy counted."""


def version():
    """Return the client's version."""
    return scrapy.__version__


def fetch(host, port, cafile, timeout, retries=0):
    """Download the status page; return version and cipher as the page names them."""
    return fetch_with({}, host, port, cafile, timeout, retries)


def fetch_given(given, host, port, cafile, timeout, retries=0):
    """Do the same with the settings in floors/scrapy.py."""
    settings = dict((name, value) for name, value in given.items() if name.isupper())
    return fetch_with(settings, host, port, cafile, timeout, retries)


def fetch_with(settings, host, port, cafile, timeout, retries):
    """Do the same with settings of the caller's."""
    # It has no other option for whom to trust.
    os.environ["SSL_CERT_FILE"] = cafile
    own = dict(SETTINGS, DOWNLOAD_TIMEOUT=timeout, RETRY_ENABLED=bool(retries), RETRY_TIMES=retries)
    crawler, got = Crawler(FloorSpider, dict(own, **settings)), []
    twisted_reactor.call(internet, lambda: crawler.crawl(start_urls=["https://%s:%d/" % (host, port)], got=got))
    if not got:
        counted = crawler.stats.get_stats()
        raise NoPage(", ".join(sorted(name for name in counted if "exception" in name or "status_count" in name)))
    return status_page.connection(got[0])
