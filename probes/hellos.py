"""Tells which of several ways to connect begin with the same ClientHello: a server cannot tell these apart.

So one of them may meet a server for all that share its hello. Each hello is seen, on a port of ours that hangs up
behind it, and not known from memory.
"""

import contextlib
import socket
import struct
import threading

HEADER, RANDOM = 9, 34
"""Bytes of the headers of record and message; of version and random behind these (RFC 8446 4, 4.1.2, 5.1)."""

LISTS = {10: 2, 13: 2, 43: 1}
"""The extensions that list codes of two bytes, and in how many bytes they say how many: groups, signatures, versions."""

DRAWN = (21, 35, 41, 51, 51764, 65037)
"""The extensions whose content is another each time: padding, ticket, its key, key shares, trust anchors (whose order
is drawn), encrypted hello."""


def alike(names, connect, timeout):
    """Return the names in lists of those whose hellos offer the same; `connect` gets a name and a port of this machine."""
    kinds = {}
    for name in names:
        hello = sent(lambda port: connect(name, port), timeout)
        # What cannot be read is like no other.
        kinds.setdefault(offered(hello) or name, []).append(name)
    return list(kinds.values())


def turn(kinds, number):
    """Return a name of each list, another with each number: so many servers are met by each of them itself."""
    return [names[number % len(names)] for names in kinds]


def sent(connect, timeout):
    """Return the first record that a client sends to a port of ours, as far as it comes; how it fails then is no matter."""
    got = []
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        listener.settimeout(timeout)
        reading = threading.Thread(target=_read, args=(listener, timeout, got))
        reading.start()
        try:
            connect(listener.getsockname()[1])
        except Exception:
            pass
        reading.join()
    return b"".join(got)


def _read(listener, timeout, got):
    """Keep what the first client sends until its record is whole, and hang up."""
    with contextlib.suppress(socket.error):
        connection = listener.accept()[0]
        with contextlib.closing(connection):
            connection.settimeout(timeout)
            while len(b"".join(got)) < 5 or len(b"".join(got)) < 5 + struct.unpack_from(">H", b"".join(got), 3)[0]:
                data = connection.recv(65536)
                if not data:
                    return
                got.append(data)


def offered(hello):
    """Return all that a ClientHello offers, without order and what is drawn anew for each; None for what is none."""
    try:
        if hello[:1] != b"\x16" or hello[5:6] != b"\x01":
            return None
        version, rest = hello[HEADER : HEADER + 2], hello[HEADER + RANDOM :]
        _, rest = _vector(rest, 1)
        suites, rest = _vector(rest, 2)
        compressions, rest = _vector(rest, 1)
        extensions, rest = _vector(rest, 2)
        found = []
        while extensions:
            kind = struct.unpack_from(">H", extensions)[0]
            content, extensions = _vector(extensions[2:], 2)
            if not _is_grease(kind):
                found.append((kind, _content(kind, content)))
    except (struct.error, ValueError):
        return None
    return version, _codes(suites), compressions, tuple(sorted(found))


def _content(kind, content):
    """Return of an extension what a server may decide by, in the order that the client prefers."""
    if kind in DRAWN:
        return ()
    if kind in LISTS:
        return _codes(_vector(content, LISTS[kind])[0])
    return tuple(bytearray(content))


def _vector(data, length):
    """Return what a field behind its length has, and what follows; raises ValueError or struct.error where it is cut off."""
    many = struct.unpack_from({1: ">B", 2: ">H"}[length], data)[0]
    if len(data) < length + many:
        raise ValueError("cut off")
    return data[length : length + many], data[length + many :]


def _codes(data):
    """Return codes of two bytes, without GREASE."""
    return tuple(code for (code,) in (struct.unpack(">H", data[at : at + 2]) for at in range(0, len(data), 2)) if not _is_grease(code))


def _is_grease(code):
    """Whether a code means nothing, and stands there at random: RFC 8701."""
    return code & 0x0F0F == 0x0A0A and code >> 8 == code & 0xFF
