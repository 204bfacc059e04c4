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

if __name__ == "__main__":
    sys.exit(awscli.clidriver.main())
