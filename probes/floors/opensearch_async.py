"""Sets the floor for AsyncOpenSearch: make every client with `ssl_context=context`, in place of `ca_certs`."""

import ssl

context = ssl.create_default_context()
if hasattr(context, "minimum_version"):
    context.minimum_version = ssl.TLSVersion.TLSv1_2
else:  # Python before 3.7
    for old in ("SSLv3", "TLSv1", "TLSv1_1"):
        context.options |= getattr(ssl, "OP_NO_" + old)
