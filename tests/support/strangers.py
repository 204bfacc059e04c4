"""A stranger on the machine, as a program: finds each port on which somebody starts to listen, and meddles.

`python strangers.py WAY [UID]`, until its standard input ends; then it prints how often it did something.
Ways: `relay` answers on ::1 at the same port in the server's place, and speaks to the server in the
client's; the others connect to the port: `rubbish`, `bare`, `hello` (offers everything), `hold`, `drip`,
`flood`.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import sys
import threading
import time
import warnings
from pathlib import Path

LISTENING = "0A"
"""State of a socket: proc_pid_net(5)."""

POLL_INTERVAL = 0.005
LIMIT = 5.0
FLOOD = 40
FLOODED = 0.5
"""Seconds for which a flood stays on a port: there are some dozen ports, and a limit on open files."""

ALERT = 0x15

done: list[str] = []


def listening() -> set[int]:
    """Return the ports on which somebody listens on 127.0.0.1."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ends = [line.split()[1].split(":") for line in lines if line.split()[3] == LISTENING]
    return {int(port, 16) for host, port in ends if host == "0100007F"}


def hello(lowest: ssl.TLSVersion) -> bytes:
    """Return a ClientHello that offers everything from a version on."""
    context = ssl.create_default_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = lowest
    context.set_ciphers("ALL:@SECLEVEL=0")
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


STRICT, WIDE = hello(ssl.TLSVersion.TLSv1_2), hello(ssl.TLSVersion.TLSv1)


def connect(port: int) -> socket.socket:
    """Connect to a port of ours."""
    done.append("connected")
    return socket.create_connection(("127.0.0.1", port), LIMIT)


def relay(port: int) -> None:
    """Listen where clients look first, and stand between them and the server."""
    with socket.create_server(("::1", port), family=socket.AF_INET6) as mine:
        done.append("listened")
        while True:
            threading.Thread(target=answer, args=(mine.accept()[0], port), daemon=True).start()


def answer(client: socket.socket, port: int) -> None:
    """Let the server refuse a strict client if it would, and pass that on; else pass everything on."""
    with client, contextlib.suppress(OSError):
        client.settimeout(LIMIT)
        said = client.recv(65536)
        with connect(port) as scout:
            scout.sendall(STRICT)
            refusal = scout.recv(65536)
        if refusal[:1] == bytes([ALERT]):
            client.sendall(refusal)
            return
        with connect(port) as server:
            server.sendall(said)
            pass_on(client, server)


def pass_on(client: socket.socket, server: socket.socket) -> None:
    """Pass on all that both sides say."""
    other = {client: server, server: client}
    while ready := select.select(list(other), [], [], LIMIT)[0]:
        for one in ready:
            data = one.recv(65536)
            if not data:
                return
            other[one].sendall(data)


def rubbish(port: int) -> None:
    """Send what is no TLS."""
    with connect(port) as server:
        server.sendall(b"GET / HTTP/1.1\r\n\r\n")
        server.recv(1)


def bare(port: int) -> None:
    """Connect and leave."""
    connect(port).close()


def wide(port: int) -> None:
    """Offer every version, and go away over the answer."""
    with connect(port) as server:
        server.sendall(WIDE)
        server.recv(65536)


def hold(port: int) -> None:
    """Send the start of a hello and stay."""
    with connect(port) as server:
        server.sendall(WIDE[:4])
        time.sleep(60)


def drip(port: int) -> None:
    """Send a hello, a byte at a time."""
    with connect(port) as server:
        for byte in WIDE:
            server.sendall(bytes([byte]))
            time.sleep(0.2)


def flood(port: int) -> None:
    """Offer every version on many connections at once."""
    many = [connect(port) for _ in range(FLOOD)]
    for one in many:
        with contextlib.suppress(OSError):
            one.sendall(WIDE)
    time.sleep(FLOODED)
    for one in many:
        one.close()


WAYS = {
    "relay": relay,
    "rubbish": rubbish,
    "bare": bare,
    "hello": wide,
    "hold": hold,
    "drip": drip,
    "flood": flood,
}


def quietly(way: object, port: int) -> None:
    """Meddle with one port; what fails is no matter."""
    with contextlib.suppress(OSError):
        way(port)  # type: ignore[operator]  # a thread's target


def main() -> None:
    """Meddle with every port that appears, until nobody wants it any more."""
    way = WAYS[sys.argv[1]]
    if sys.argv[2:]:
        os.setuid(int(sys.argv[2]))
    seen = listening()
    print("ready", flush=True)  # noqa: T201  a program talks to its user
    while not select.select([sys.stdin], [], [], POLL_INTERVAL)[0]:
        for port in listening() - seen:
            seen.add(port)
            threading.Thread(target=quietly, args=(way, port), daemon=True).start()
    print(len(done), flush=True)  # noqa: T201
    os._exit(0)


if __name__ == "__main__":
    main()
