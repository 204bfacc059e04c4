"""Sets the floor in every client of botocore, boto3's too: run this before the first one is made."""

import ssl

import botocore.httpsession

plain_context = botocore.httpsession.create_urllib3_context


def floored_context(*args, **kwargs):
    context = plain_context(*args, **kwargs)
    if hasattr(context, "minimum_version"):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:  # Python before 3.7
        for old in ("SSLv3", "TLSv1", "TLSv1_1"):
            context.options |= getattr(ssl, "OP_NO_" + old)
    return context


botocore.httpsession.create_urllib3_context = floored_context
