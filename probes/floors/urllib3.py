"""Sets the floor in a PoolManager of urllib3, which ignores ssl_minimum_version beside a context: use this one."""

import ssl

import urllib3
from urllib3.util.ssl_ import create_urllib3_context

context = create_urllib3_context()
context.load_default_certs()
if hasattr(context, "minimum_version"):
    context.minimum_version = ssl.TLSVersion.TLSv1_2
else:  # Python before 3.7
    for old in ("SSLv3", "TLSv1", "TLSv1_1"):
        context.options |= getattr(ssl, "OP_NO_" + old)

http = urllib3.PoolManager(ssl_context=context)
