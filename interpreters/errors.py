"""The base of every error whose message is meant for the person who runs the tool."""


class FloorError(Exception):
    """Stops a session: the message is one sentence with the subject, the fact, the limit and the remedy.

    The session prints it and ends; any other exception is a fault of the tool, and its traceback stays.
    """
