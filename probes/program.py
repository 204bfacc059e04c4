"""Client of any other kind: a program that is run for each cell, whose account is how it ended and what it printed.

It counts as connected only if it ended well and printed the answer, which names version and cipher.
"""

import fcntl
import os
import subprocess
import tempfile
import time

import status_page

LIMIT = 2
"""A program has this many times the time of a socket: it also has to start, which takes Java a second or two."""

MAX_TIMEOUTS = 2
"""Programs that had to be ended so often are not tried again: they would only take more time."""

OUTPUT_LIMIT = 4 * 1024 * 1024
"""Bytes after which a program is ended; a status page has some thousand."""

POLL_INTERVAL = 0.01
"""Seconds between two looks at whether a program has ended."""

clock = getattr(time, "monotonic", time.time)


class ProgramError(Exception):
    """The program did not do what it was asked for; the message has its last words."""


class ProgramClient(object):
    """One program: `told` has its path, version, the words of its command, and what it reads as request."""

    LOOKS_UP = True

    def __init__(self, told):
        self._told = told
        self._ended = 0

    def version(self):
        """Return the program's version, as it said itself when it was found."""
        return self._told["version"]

    def fetch(self, host, port, cafile, timeout, retries=0):
        """Run the program once; return version and cipher as the answer that it printed names them.

        Raises ProgramError if it fails or does not end, ValueError if it printed no such answer. Whether
        it comes back by itself after a failure is its own affair, so `retries` changes nothing.
        """
        if self._ended >= MAX_TIMEOUTS:
            raise ProgramError("not tried again, after it had to be ended %d times" % self._ended)
        facts = {
            "program": self._told["path"],
            "here": os.path.dirname(os.path.abspath(__file__)),
            "url": "https://%s:%d/" % (host, port),
            "host": host,
            "port": port,
            "cafile": cafile,
        }
        words = [word.format(**facts) for word in self._told["words"]]
        status, said, complained = self._run(words, self._told["request"], timeout * LIMIT)
        if status:
            how = "status %d" % status if status > 0 else "signal %d" % -status
            raise ProgramError("ended with %s: %s" % (how, last_words(complained) or last_words(said)))
        return status_page.connection(said)

    def _run(self, words, request, limit):
        """Return exit status (negative: a signal) and both outputs; raises ProgramError without an end."""
        # Files: what a program leaves behind would keep a pipe open. All that it starts is in our own
        # process group, and ends with us.
        file = tempfile.TemporaryFile
        with file() as asked, file() as said, file() as complained:
            # A program that saves the answer to /dev/stdout would write over it with what else it prints.
            fcntl.fcntl(said, fcntl.F_SETFL, os.O_APPEND)
            asked.write(request.encode("utf-8"))
            asked.seek(0)
            process = subprocess.Popen(words, stdin=asked, stdout=said, stderr=complained)
            deadline = clock() + limit
            while process.poll() is None:
                size = os.fstat(said.fileno()).st_size + os.fstat(complained.fileno()).st_size
                if clock() > deadline or size > OUTPUT_LIMIT:
                    process.kill()
                    process.wait()
                    self._ended += 1
                    why = "printed without end" if size > OUTPUT_LIMIT else "did not end within %g s" % limit
                    raise ProgramError(why + ", and was ended")
                time.sleep(POLL_INTERVAL)
            return process.returncode, _text(said), _text(complained)


def _text(file):
    file.seek(0)
    return file.read(OUTPUT_LIMIT).decode("utf-8", "replace")


def last_words(text, most=3):
    """Return the last lines that have anything in them, on one line."""
    return " / ".join([line.strip() for line in text.splitlines() if line.strip()][-most:])
