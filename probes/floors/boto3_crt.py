"""Keeps boto3's transfers off the CRT, which boto3 cannot tell a floor, and sets it in what they use instead.

Run this before the first client is made, and pass `config` as Config to every upload and download.
"""

import ssl

import botocore.httpsession
from boto3.s3.transfer import TransferConfig

config = TransferConfig(preferred_transfer_client="classic")

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
