"""Sets the floor in a Client of httpx2: use this one for every request."""

import ssl

import httpx2

context = ssl.create_default_context()
context.minimum_version = ssl.TLSVersion.TLSv1_2

client = httpx2.Client(verify=context)
