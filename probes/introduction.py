"""Notes how a client introduces itself: the User-Agent of the request that it is about to send."""


def user_agent(request):
    """Return it as text, from a request as botocore's events have it."""
    sent = request.headers.get("User-Agent", "")
    return sent.decode("ascii", "replace") if isinstance(sent, bytes) else sent
