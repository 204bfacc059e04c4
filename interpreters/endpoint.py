"""The variables that lead a program to one of our servers, and to the certificates of that."""

from __future__ import annotations

TRUSTING = (
    *("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)
"""Variables by which programs are led to the certificates that they trust."""

ENDPOINT = "AWS_ENDPOINT_URL"
"""The variable by which the AWS CLI and SDKs are led to another server than AWS's."""

FOR_COMMANDS = {
    ENDPOINT: "{url}",
    **dict.fromkeys(TRUSTING, "{cafile}"),
    # Who signs needs some: those are the examples of AWS's documentation, and open nothing.
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",
}
"""What a command of the user's is started with beside the sanitized environment; its words are filled in."""
