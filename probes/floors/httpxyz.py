"""Sets the floor in a Client of httpxyz: use this one for every request."""

import ssl

import httpxyz

context = ssl.create_default_context()
context.minimum_version = ssl.TLSVersion.TLSv1_2

client = httpxyz.Client(verify=context)
