"""Runs a client in a process of its own, and ends that from outside where a cell takes too long.

For clients that change what all others in the process use, and for those that may never give up: a file says
`APART = True`. The process is another `python probes/`, with a plan for this client alone; what that prints is
printed here. It is started again for the cells that are left.
"""

import json
import os
import subprocess
import sys
import threading
import time

try:
    import queue
except ImportError:  # Python 2.7
    import Queue as queue

LIMIT = 2
"""Such a cell has this many times the time of a socket: a client may wait at several, one after another."""

START_LIMIT = 25.0
"""Seconds in which the process has to begin with a cell, unless the plan's `patience` gives it more; slow imports
take a few."""

clock = getattr(time, "monotonic", time.time)


def run(plan, mark, say):
    """Run the cells of a plan, all of one client; `say` prints a record, as `mark` marks it in what is read.

    A cell that is ended from outside has an account that says so: what became of it, the wire tells. Return
    what each process said at its end, None for one that did not reach that; of a plan without `loaded` nobody waits for it.
    """
    left, ends = list(plan["cells"]), []
    while left:
        if not _run(dict(plan, cells=left, apart=[]), left, mark, say, ends):
            why = "its own process ended, or had to be ended, before it began with a cell"
            say(kind="client", client=left[0]["client"], version=None, error_class="apart", error_text=why)
            break
    return ends


def _run(plan, left, mark, say, ends):
    """Start the process once; take from `left` what it dealt with, and return whether that is anything."""
    process = subprocess.Popen(_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lines = queue.Queue()
    reading = threading.Thread(target=_read, args=(process.stdout, lines))
    reading.daemon = True
    reading.start()
    many, inside, useless, why, end = len(left), False, False, "", None
    try:
        process.stdin.write((json.dumps({"modules": {}}) + "\n" + json.dumps(plan) + "\n").encode("ascii"))
        process.stdin.flush()
        while left or (plan.get("loaded") and end is None):
            limit = plan["timeout"] * LIMIT if inside else plan.get("patience", START_LIMIT)
            try:
                line = _next(lines, process.pid, limit)
            except queue.Empty:
                why = "cut off after %g s: the client neither answered nor gave up" % limit
                break
            if line is None:
                why = "the client's own process ended"
                break
            record = json.loads(line[len(mark) :]) if line.startswith(mark) else {"kind": ""}
            kind = record["kind"]
            if kind == "client" and many == len(left):
                useless = record["version"] is None
            if kind in ("client", "begin", "account"):
                say(**record)
                inside = kind == "begin"
            if kind == "account":
                left.pop(0)
            if kind == "end":
                end = record
            if useless:
                del left[:]
        if inside and why:
            _cut_off(left.pop(0), why, say)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    ends.append(end)
    return useless or len(left) < many


def _next(lines, pid, limit):
    """Return the next line of a process, or raise queue.Empty: on a busy machine its waiting for a processor does not count."""
    began = clock() - waited(pid)
    left = limit
    while left > 0:
        try:
            return lines.get(timeout=left)
        except queue.Empty:
            left = began + limit - clock() + waited(pid)
    raise queue.Empty


def waited(pid):
    """Return the seconds for which a process was ready to run and had no processor; 0 where the system does not tell."""
    try:
        with open("/proc/%d/schedstat" % pid) as file:
            return int(file.read().split()[1]) / 1e9
    except (EnvironmentError, ValueError, IndexError):
        return 0.0


def _read(stream, lines):
    """Put each line of a stream into a queue, and None at its end."""
    for line in iter(stream.readline, b""):
        lines.put(line.decode("utf-8", "replace").strip())
    lines.put(None)


def _cut_off(cell, why, say):
    """Say of a cell why it has no end of its own."""
    account = {"outcome": "failed", "version": None, "cipher": None, "error_class": None, "error_text": why, "seconds": 0}
    say(kind="account", client=cell["client"], server=cell["server"], account=account)


def _command():
    """Return the command by which this process itself was started."""
    # A zipapp is on the path only by that.
    if hasattr(sys, "orig_argv"):
        return [sys.executable] + list(sys.orig_argv[1:])
    return [sys.executable, os.path.dirname(os.path.abspath(__file__))]
