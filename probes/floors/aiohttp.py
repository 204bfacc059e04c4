"""Sets the floor for aiohttp: give this context to every session's connector, `TCPConnector(ssl=context)`."""

import ssl

context = ssl.create_default_context()
if hasattr(context, "minimum_version"):
    context.minimum_version = ssl.TLSVersion.TLSv1_2
else:  # Python before 3.7
    for old in ("SSLv3", "TLSv1", "TLSv1_1"):
        context.options |= getattr(ssl, "OP_NO_" + old)
