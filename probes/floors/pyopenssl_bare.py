"""Sets the floor in a context of pyOpenSSL: make every Connection with it."""

from OpenSSL import SSL

context = SSL.Context(SSL.TLS_METHOD)
context.set_min_proto_version(SSL.TLS1_2_VERSION)
