"""The AWS CLI with a floor: save this as a file, and run that in place of `aws`, with the Python that has the CLI."""

import ssl
import sys

import awscli.clidriver
import botocore.httpsession  # newer ones bring a botocore of their own under this name: import it after them

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

# To the CRT version 2 hands no TLS option over, and none is asked for on the command line: keep its transfers off it,
# as `aws configure set s3.preferred_transfer_client classic` does too.
try:
    from awscli.customizations.s3.factory import TransferManagerFactory
except ImportError:
    pass  # version 1 has no other client than this
else:
    TransferManagerFactory._compute_transfer_client_type = lambda *_: "classic"

if __name__ == "__main__":
    sys.exit(awscli.clidriver.main())
