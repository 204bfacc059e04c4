"""Runs the command line of a package in this process, and keeps what that prints: it is not for who reads the probe.

In a process of its own it would take ten times as long, and begin no other connection.
"""

import io
import sys

try:
    from StringIO import StringIO
except ImportError:

    def StringIO():
        """Return a stream that takes text, and bytes by its buffer; that of Python 2.7 takes both."""
        return io.TextIOWrapper(io.BytesIO(), "utf-8")



class CommandFailed(Exception):
    """The command ended with a status that is not 0; its text is what it said."""


def run(main, words):
    """Return the status that a command ends with, and in one line what it prints."""
    streams = sys.stdout, sys.stderr
    said = StringIO()
    sys.stdout = sys.stderr = said
    try:
        status = main(words)
    except SystemExit as ended:  # as where there is no such option; it must not end this process
        status = ended.code
    finally:
        sys.stdout, sys.stderr = streams
    said.seek(0)
    return status, " ".join(said.read().split())
