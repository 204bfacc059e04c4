"""Says by what a client addresses a server: an address, or a name for which nobody is asked.

Whoever answers to a name elsewhere on the machine would speak for the client.
"""

import socket
import sys

KNOWS_ADDRESSES = sys.version_info >= (3, 5)
"""Whether the ssl module finds an address in a certificate; before, nothing but a name would do."""

look_up = socket.getaddrinfo
PINNED = {}


class UnknownName(Exception):
    """A client would have to ask a name server what a name stands for."""


def host(cell, looks_up=False):
    """Return what goes into a cell's URL; a name is `address` from then on, to all that ask the socket module.

    The cell has its `host` and, optionally, the `address` that a name stands for, a `name` that the server's
    certificate has for those who do not find the address in it, and whether the name is `known` to the machine
    as this address: if not, a client that looks it up by itself raises UnknownName.
    """
    wanted = cell["host"] if KNOWS_ADDRESSES else cell.get("name", cell["host"])
    if wanted != cell.get("address", wanted):
        if looks_up and not cell.get("known", True):
            raise UnknownName("/etc/hosts does not say that %s is this machine alone, and nobody else is asked" % wanted)
        PINNED[wanted] = cell["address"]
        socket.getaddrinfo = getaddrinfo
    return wanted


def getaddrinfo(host, *args, **kwargs):
    """Do what socket.getaddrinfo does, with the address in the place of a pinned name."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    return look_up(PINNED.get(name, host), *args, **kwargs)
