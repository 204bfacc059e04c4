"""Sets the floor in a context of truststore's: use this one for every connection."""

import ssl

import truststore

context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.minimum_version = ssl.TLSVersion.TLSv1_2
