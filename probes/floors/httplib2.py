"""Sets the floor in an Http of httplib2: use this one for every request."""

import ssl

import httplib2

http = httplib2.Http(tls_minimum_version=ssl.TLSVersion.TLSv1_2)
