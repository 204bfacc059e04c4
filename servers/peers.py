"""Whose the other end of a loopback connection is: a process of ours, or a stranger's.

Linux tells: the kernel names the socket of the far end by its inode, and that inode is among the open files
of the process that holds it. Sources: sock_diag(7), proc_pid_fd(5), proc_tid_children(5), proc_pid_net(5).
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.offspring import children_of
from servers.resources import ResourceError, exhausted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Endpoint = tuple[str, int]

    Admission = Callable[[Endpoint, Endpoint], str]
    """Given both ends of a connection, the far one first, says who is there instead of ours; else nothing."""

LOOPBACK = "127.0.0.1"
"""Where all that we run listens: an address, not a name. What a name stands for is up to the machine, and
whoever answers there in our place would speak for the client."""

HOSTS = Path("/etc/hosts")
"""What names stand for before anybody else is asked: hosts(5)."""

CLOSED = "a process that closed at once"
"""Who it was, where the socket is gone before anybody could look: nothing can have passed on it. One of ours
does so too: urllib3 connects before it makes its context, and closes
if that fails."""

AFTERWARDS = "a process with the id of a probe that has ended"
"""Who it was, where the id of a process of ours belongs to somebody else by now."""

_SOCK_DIAG, _BY_FAMILY, _REQUEST = 4, 20, 1
_UNCONNECTED = (2, 10)
"""States of a socket that is no end of a connection yet, TCP_SYN_SENT, or never, TCP_LISTEN: tcp_states.h."""
_ANY_STATE, _ANY_COOKIE = 0xFFFFFFFF, (0xFFFFFFFF, 0xFFFFFFFF)
_HEADER = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence, port."""
_QUESTION = struct.Struct("!BBxxIHH")
"""The start of struct inet_diag_req_v2: family, protocol, states, and of its id the ports."""
_ANSWER = struct.Struct("=xBxx48x12xII")
"""Of struct inet_diag_msg: state, uid, inode."""
_ANSWER_LIMIT = 4096


@dataclass(frozen=True)
class Holder:
    """A socket as the kernel knows it: its inode, which is 0 once it is closed, and its user."""

    inode: int
    uid: int


def family(root: int, children: Callable[[int], Iterable[int]]) -> Iterator[int]:
    """Yield a process and all that descends from it, each once."""
    found = {root}
    ahead = [root]
    while ahead:
        yield (pid := ahead.pop())
        new = set(children(pid)) - found
        found |= new
        ahead += new


def stranger(holder: Holder | None, uid: int, holds: Iterable[bool | None]) -> str:
    """Say who holds a socket if none of our processes does; nothing if one does.

    `uid` is ours, and `holds` says of each of our processes whether it holds the socket: None where its
    open files may not be looked at, as those of a set-uid program; there the user alone has to do.
    """
    if holder is None or not holder.inode:
        return CLOSED
    answers = set()
    for answer in holds:
        if answer:
            return ""
        answers.add(answer)
    return "" if None in answers and holder.uid == uid else f"a process of user {holder.uid}"


def admit_family(root: int) -> Admission:
    """Return the admission of a process that runs and of what it started, for as long as it lives."""
    born = _born(root)

    def look(holder: Holder | None) -> str:
        inode = holder.inode if holder else 0
        who = stranger(holder, os.geteuid(), (_holds(pid, inode) for pid in family(root, children_of)))
        return who or ("" if _born(root) == born else AFTERWARDS)

    def admission(far: Endpoint, near: Endpoint) -> str:
        holder = _holder(far, near)
        # Most often the process itself: its id is nobody else's for as long as it lives.
        if holder and holder.inode and _holds(root, holder.inode) and _born(root) == born:
            return ""
        # Looked at twice: one of ours may have ended during the first look, and a stranger have got its id.
        who = look(holder) or look(holder)
        # What was closed while we looked is nobody's any more.
        return CLOSED if who and _holder(far, near) != holder else who

    return admission


def admit_port(port: int) -> Admission:
    """Return the admission of the one socket that is bound to this port of LOOPBACK.

    All of 127.0.0.0/8 is loopback, and the same port of another address may be anybody's.
    """
    return lambda far, _: "" if far == (LOOPBACK, port) else "a process"


def is_ours(name: str, hosts: str) -> bool:
    """Whether a name stands for nothing but addresses that a tap holds, by a text such as that of /etc/hosts.

    Then who looks it up asks no name server, and gets to nobody else.
    """
    lines = (line.partition("#")[0].split() for line in hosts.splitlines())
    homes = {words[0] for words in lines if name in words[1:]}
    return bool(homes) and homes <= {LOOPBACK, "::1"}


def hosts_file() -> str:
    """Return the text of /etc/hosts; nothing where it cannot be read."""
    with contextlib.suppress(OSError):
        return HOSTS.read_text(encoding="utf-8", errors="replace")
    return ""


def can_tell() -> bool:
    """Whether this system says whose a connection is."""
    return _way() is not None


def _holder(far: Endpoint, near: Endpoint) -> Holder | None:
    """Return the socket at the far end; None if there is none any more."""
    way = _way()
    with contextlib.suppress(OSError):
        return way(far, near) if way else None
    return None


@functools.cache
def _way() -> Callable[[Endpoint, Endpoint], Holder | None] | None:
    """Return what tells whose a socket is on this system, as found out with one of our own.

    Some kernels lack tcp_diag, some sandboxes netlink, some the lists of children; others than Linux all.
    """
    if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        return None
    with socket.create_server((LOOPBACK, 0)) as listening:
        near = listening.getsockname()
        with _connected(near) as far:
            for way in (_ask_netlink, _look_up):
                with contextlib.suppress(OSError):
                    holder = way(far.getsockname(), near)
                    if holder and _holds(os.getpid(), holder.inode):
                        return way
    return None


def _connected(near: Endpoint) -> socket.socket:
    """Connect to ourselves; raises ResourceError where loopback is off, or filtered, which ends every run."""
    try:
        return socket.create_connection(near, 1)
    except OSError as error:
        if exhausted(error):
            raise
        msg = (
            f"nothing can connect to {LOOPBACK} here ({error.strerror or error}): switch loopback on"
            " (ip link set lo up), and let its filters pass connections to it"
        )
        raise ResourceError(msg) from error


def _ask_netlink(far: Endpoint, near: Endpoint) -> Holder | None:
    """Ask for exactly this socket, which takes no longer on a machine with a million of them."""
    kind = socket.AF_INET6 if ":" in far[0] else socket.AF_INET
    question = _QUESTION.pack(kind, socket.IPPROTO_TCP, _ANY_STATE, far[1], near[1])
    question += b"".join(socket.inet_pton(kind, host).ljust(16, b"\0") for host, _ in (far, near))
    question += struct.pack("=III", 0, *_ANY_COOKIE)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as netlink:
        netlink.settimeout(1)
        netlink.send(_HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _REQUEST, 1, 0) + question)
        answer = netlink.recv(_ANSWER_LIMIT)
    _, kind_of_answer, *_ = _HEADER.unpack_from(answer)
    if kind_of_answer != _BY_FAMILY:
        return None
    state, uid, inode = _ANSWER.unpack_from(answer, _HEADER.size)
    return None if state in _UNCONNECTED else Holder(inode, uid)


def _look_up(far: Endpoint, near: Endpoint) -> Holder | None:
    """Find the socket among all of the machine's.

    One of IPv6 may speak IPv4, as gRPC's do, and then stands among its own kind.
    """
    if ":" in far[0]:
        return _look_up_in(Path("/proc/net/tcp6"), far, near)
    holder, sixth = _look_up_in(Path("/proc/net/tcp"), far, near), Path("/proc/net/tcp6")
    if holder or not sixth.exists():
        return holder
    return _look_up_in(sixth, *((f"::ffff:{host}", port) for host, port in (far, near)))


def _look_up_in(table: Path, far: Endpoint, near: Endpoint) -> Holder | None:
    ends = [_in_hex(far), _in_hex(near)]
    for line in table.read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1:3] == ends and int(fields[3], 16) not in _UNCONNECTED:
            return Holder(int(fields[9]), int(fields[7]))
    return None


def _in_hex(end: Endpoint) -> str:
    """Return an address and a port as /proc/net has them: 32 bits at a time in the machine's order."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in end[0] else socket.AF_INET, end[0])
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{end[1]:04X}"


def _holds(pid: int, inode: int) -> bool | None:
    """Whether a process holds a socket; None if its open files may not be looked at."""
    name = f"socket:[{inode}]"
    try:
        # Not pathlib, which takes twice the time, with every connection. The newest file first.
        files = reversed(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
        return any(_leads_to(f"/proc/{pid}/fd/{file}") == name for file in files)
    except PermissionError:
        return None
    except OSError:
        return False


def _born(pid: int) -> str:
    """Return when a process started, in ticks since the machine did; empty if there is none of this id."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  as below
            # The name before it may have blanks and brackets: proc_pid_stat(5), where this is field 22.
            return file.read().rpartition(b")")[2].split()[19].decode("ascii")
    except (OSError, IndexError):
        return ""


def _leads_to(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  as above
    except OSError:
        return ""
