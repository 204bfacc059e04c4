"""Client of any other kind: a program that is run for each cell, whose account is how it ended and what it printed.

One that prints the answer counts as connected only if it ended well and the answer names version and cipher.
Of a command that need not print the answer, such as the user's own, how it ended and its last words are told,
and nothing is made of them.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import tempfile
import time

import status_page

LIMIT = 2
"""A program has this many times the time of a socket, if it has no limit of its own: it also has to start, which takes Java a second or two."""

MAX_TIMEOUTS = 2
"""Programs that had to be ended so often are not tried again: they would only take more time. Not so where the wire alone tells: there a program may have connected, and wait for an answer. It has less time from then on: see time_for."""

HANGING_SHARE = 4
"""The part of its limit, as a divisor, that a command has while it hangs on one server after the other."""

OUTPUT_LIMIT = 4 * 1024 * 1024
"""Bytes after which a program is ended; a status page has some thousand."""

FLOODED = "printed without end, and was ended"
"""What is said of a program that printed more than that."""

WORDS_LIMIT = 400
"""Characters kept of the last words of a command."""

POLL_INTERVAL = 0.01
"""Seconds between two looks at whether a program has ended."""

REAP_LIMIT = 2.0
"""Seconds in which what a program left behind has to be gone."""

PR_SET_CHILD_SUBREAPER = 36
"""What makes orphans below this process its children: prctl(2)."""

clock = getattr(time, "monotonic", time.time)


def time_for(limit, hung):
    """Return the seconds that a command has for a server, of its limit, after it hung on so many in a row.

    One that hangs on each would take its limit once for each server. With less time none is left out, since it
    may connect and then wait; and what had to be ended says nothing good of it, however long it had.
    """
    return limit if hung < MAX_TIMEOUTS else limit / float(HANGING_SHARE)


class ProgramError(Exception):
    """The program did not do what it was asked for; the message has its last words."""


class ProgramClient(object):
    """One program: `told` has its path, version, the words of its command, and what it reads as request.

    Besides, whether it prints the answer, in which folder and with which further variables it runs (in words
    like those of the command), and how many seconds it has, if that is not as for any other.
    """

    LOOKS_UP = True

    def __init__(self, told):
        self._told = told
        self._ended = 0  # times that it had to be ended; of a command, that it hung in a row

    def version(self):
        """Return the program's version, as it said itself when it was found."""
        return self._told["version"]

    def fetch(self, host, port, cafile, timeout, retries=0):
        """Run the program once; return version and cipher as the answer that it printed names them.

        Raises ProgramError if it fails or does not end, ValueError if it printed no such answer. Whether
        it comes back by itself after a failure is its own affair, so `retries` changes nothing.
        A command that need not print the answer fails at nothing but its start: returned is how it ended.
        """
        told = self._told
        facts = {
            "program": told["path"],
            "here": os.path.dirname(os.path.abspath(__file__)),
            "url": "https://%s:%d/" % (host, port),
            "host": host,
            "port": port,
            "cafile": os.path.abspath(cafile),
        }
        words = [word.format(**facts) for word in told["words"]]
        variables = dict((name, text.format(**facts)) for name, text in told.get("variables", {}).items())
        limit = told.get("limit") or timeout * LIMIT
        if not told.get("prints_answer", True):
            return self._account(words, variables, limit)
        if self._ended >= MAX_TIMEOUTS:
            raise ProgramError("not tried again, after it had to be ended %d times" % self._ended)
        status, why, said, complained = self.run(words, variables, limit)
        if why:
            self._ended += 1
            raise ProgramError(why)
        if status:
            raise ProgramError("%s: %s" % (ending(status), last_words(complained) or last_words(said)))
        return status_page.connection(said)

    def _account(self, words, variables, limit):
        """Run a command that need not print the answer; return its account, of which the wire decides."""
        given = time_for(limit, self._ended)
        status, why, said, complained = self.run(words, variables, given)
        hung = why not in ("", FLOODED)
        if hung and given < limit:
            why += " (of %g s, as it hung on %d servers before)" % (limit, self._ended)
        self._ended = self._ended + 1 if hung else 0
        # An interrupt or a crash is no end that the program chose, as little as ours is.
        outcome = "broke off" if why or status < 0 else "untold"
        text = last_words(complained) or last_words(said)
        words = [why or ending(status)] + ([text[-WORDS_LIMIT:]] if text else [])
        return {"outcome": outcome, "error_text": ": ".join(words)}

    def run(self, words, variables, limit):
        """Return exit status (negative: a signal), why it had to be ended (empty if not), and both outputs."""
        # Files: what a program leaves behind would keep a pipe open.
        file = tempfile.TemporaryFile
        with ended_family(), file() as asked, file() as said, file() as complained:
            # A program that saves the answer to /dev/stdout would write over it with what else it prints.
            fcntl.fcntl(said, fcntl.F_SETFL, os.O_APPEND)
            asked.write(self._told["request"].encode("utf-8"))
            asked.seek(0)
            process = subprocess.Popen(
                words,
                stdin=asked,
                stdout=said,
                stderr=complained,
                env=dict(os.environ, **variables),
                cwd=self._told.get("folder") or None,
            )
            why = ""
            deadline = clock() + limit
            while process.poll() is None:
                size = os.fstat(said.fileno()).st_size + os.fstat(complained.fileno()).st_size
                if clock() > deadline or size > OUTPUT_LIMIT:
                    process.kill()
                    process.wait()
                    why = FLOODED if size > OUTPUT_LIMIT else "did not end within %g s, and was ended" % limit
                else:
                    time.sleep(POLL_INTERVAL)
            return process.returncode, why, _text(said), _text(complained)


@contextlib.contextmanager
def ended_family():
    """End all that the block started, and what that started, when the block ends: none of it is to connect later.

    Elsewhere than on Linux this process does not get to know the children of a child that has ended: they are in
    its process group, and end with it.
    """
    own = os.getpid()
    before = set(children(own))
    adopt_orphans(True)
    try:
        yield
    finally:
        deadline = clock() + REAP_LIMIT
        while clock() < deadline:
            left = [pid for pid in children(own) if pid not in before]
            if not left:
                break
            for pid in left:
                for one in [pid] + descendants(pid):
                    end(one)
            time.sleep(POLL_INTERVAL)
            for pid in left:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except OSError:
                    pass  # taken notice of already
        adopt_orphans(False)


def adopt_orphans(wanted):
    """Become the parent of descendants whose parent ends, or do not; where the system has no such thing, nothing."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
    except (AttributeError, OSError):
        pass


def children(pid):
    """Return the processes that a process has started and that live, where the system tells: proc_tid_children(5)."""
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as file:
                found += [int(word) for word in file.read().split()]
    except EnvironmentError:
        pass  # it has ended, or the system has no such list
    return found


def descendants(pid):
    """Return the children of a process, theirs, and so on."""
    return [one for child in children(pid) for one in [child] + descendants(child)]


def end(pid):
    """Kill a process, if it is there and ours to kill."""
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


def ending(status):
    """Return in words how a program ended by its exit status."""
    return "ended with status %d" % status if status >= 0 else "ended with signal %d" % -status


def _text(file):
    file.seek(0)
    return file.read(OUTPUT_LIMIT).decode("utf-8", "replace")


def last_words(text, most=3):
    """Return the last lines that have anything in them, on one line."""
    return " / ".join([line.strip() for line in text.splitlines() if line.strip()][-most:])
