"""Sets the floor in a context of pyOpenSSL: make every Connection with it."""

import ssl

from OpenSSL import SSL

context = SSL.Context(SSL.TLS_METHOD)
context.set_min_proto_version(ssl.TLSVersion.TLSv1_2)
