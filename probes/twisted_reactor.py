"""Runs Twisted's reactor in a thread of its own, for the clients on it: all others in a probe have none.

It cannot be started twice in a process, so they share it.
"""

import threading

RUNNING = []


def call(twisted, function, *arguments):
    """Return what a function comes to that is called on the reactor's thread; `twisted` has Twisted's `reactor` and `threads`."""
    if not RUNNING:
        RUNNING.append(threading.Thread(target=twisted.reactor.run, kwargs={"installSignalHandlers": False}))
        RUNNING[0].daemon = True
        RUNNING[0].start()
    return twisted.threads.blockingCallFromThread(twisted.reactor, function, *arguments)
