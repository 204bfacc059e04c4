"""Writes what the taps kept as one pcapng file that Wireshark opens, for somebody who need not trust us.

The writer is our own: a pcapng file is three kinds of block, and the work is in the TCP frames, which
no library makes from a list of bytes without more code than this. Looked at instead: scapy (kept up, but
GPL-2.0-only and 0.2 s to import), dpkt (BSD, but 0.2 s to import and no release since 2022),
python-pcapng (Apache-2.0, 0.03 s, no release since 2022; the blocks alone, no frames).

Formats: draft-ietf-opsawg-pcapng sections 3.5 (options) and 4.1 to 4.3 (blocks), RFC 791 (IPv4),
RFC 9293 (TCP), RFC 1071 (the checksum).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.protocols import Sender

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from servers.tap import Capture

EVIDENCE_LIMIT = 4 * 1024 * 1024
"""Bytes of one interpreter's file over which it is not written unless asked for. 60 cells of 8 KB fill an
eighth of it, and every client on every server under every condition (about 300) fits; what goes over is
a client that reconnects without end or a peer that pours out bytes, which no nightly artifact needs."""

SERVER_PORT = 443
"""The port of every server in the file: Wireshark takes it for TLS without being told, and of two ports
it tries the lower first."""

FIRST_CLIENT_PORT = 49152
"""Clients count up from here: RFC 6335 section 6 keeps ports from here on free of assigned services."""

LARGEST_SEGMENT = 65535 - 20 - 20
"""Payload bytes of a frame at most: what IPv4's 16-bit length leaves after both headers, as on a real
loopback interface. So nearly every frame is one read of the tap, and few records span two frames."""

ABOUT = (
    "Reassembled from the tap of tls-floor-matrix; these frames were never on a network. "
    "As they passed: the bytes of each side, their order, and the times (UTC) at which the tap read them. "
    "Made up: IP addresses and ports, sequence numbers, and how each TCP connection opens and closes, "
    f"also which side closes first. Every server is on port {SERVER_PORT} so that it is read as TLS. "
    "Each cell is an interface, named <interpreter>/<client>/<server>/<condition>: "
    'frame.interface_name == "..." shows all of a cell. The first packet of each of its connections has '
    "that name as its comment. A connection of which the tap noted a fault or an unusual end is not "
    "closed here, and its last packet's comment says what was noted."
)
"""The comment of the whole file, which Wireshark shows under Statistics, Capture File Properties."""

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_END, _COMMENT, _IF_NAME, _APPLICATION = 0, 1, 2, 4  # option codes; 2 and 4 mean this in these blocks
_RAW_IP = 101  # LINKTYPE_RAW: no link layer, so nothing more to make up than IP needs
_SNAP_LENGTH = 262144  # the usual "nothing was cut"; libpcap wants it equal on all interfaces
_LONGEST_OPTION = 0xFFFF

_SYN, _FIN, _PUSH, _ACK = 0x02, 0x01, 0x08, 0x10
# Largest segment; no operation; window shift of 7. Scaled, the window is 8 MB: nothing that a tap keeps
# fills it, so no acknowledgements need be made up between the segments of one side.
_SYN_OPTIONS = struct.pack("!BBHBBBB", 2, 4, LARGEST_SEGMENT, 1, 3, 3, 7)
_LOOPBACK = 0x7F000001

_PACKET_HEAD = struct.Struct("<IIIII")
_IP = struct.Struct("!BBHHHBBHII")
_TCP = struct.Struct("!HHIIBBHHH")
_PSEUDO = struct.Struct("!IIHH")


def write_evidence(path: Path, connections: Iterable[tuple[str, Capture]]) -> int:
    """Write one interpreter's connections as a pcapng file; return its size in bytes.

    Each connection comes with the id of its cell, `<interpreter>/<client>/<server>/<condition>`; a cell
    may have none or several. They are written one after another in the order given, each as a TCP
    stream of its own. `path` is replaced; its folder must exist. Raises OSError where it cannot be
    written.
    """
    return path.write_bytes(build_evidence(tuple(connections)))


def build_evidence(connections: Collection[tuple[str, Capture]], limit: float = math.inf) -> bytes:
    """Return that file; nothing where it would have more than `limit` bytes, of which no more are made."""
    blocks, size = [], 0
    for block in _blocks(connections):
        size += len(block)
        if size > limit:
            return b""
        blocks.append(block)
    return b"".join(blocks)


def _blocks(connections: Collection[tuple[str, Capture]]) -> Iterator[bytes]:
    """Yield the file piece by piece: the section, an interface for each cell, every packet."""
    yield _section()
    interfaces = {cell: n for n, cell in enumerate(dict.fromkeys(cell for cell, _ in connections))}
    for cell in interfaces:
        yield _interface(cell)
    # A connection on which nothing passed has no time: it gets that of its neighbour.
    at = next((chunk.at for _, capture in connections for chunk in capture.chunks), 0.0)
    for number, (cell, capture) in enumerate(connections):
        frames = list(_frames(capture, number, at))
        at = frames[-1][0]
        comments = {len(frames) - 1: _remarks(capture), 0: cell}
        for position, (moment, frame) in enumerate(frames):
            yield _packet(interfaces[cell], moment, frame, comments.get(position, ""))


def _remarks(capture: Capture) -> str:
    """Return what else there is to say of a connection; empty where it ran and ended in order."""
    comments = [*(f"fault: {fault}" for fault in capture.faults), *capture.notes]
    if not any(chunk.data for chunk in capture.chunks):
        comments.append("no bytes passed, so the time is made up too")
    # A fault may have been noted with every read.
    return "; ".join(dict.fromkeys(comments))


@dataclass
class _End:
    """One end of a connection, and the number of the next byte that it sends."""

    address: int
    port: int
    next: int


def _ends(number: int) -> tuple[_End, _End]:
    """Return the client and the server of the connection with this number; no two are the same."""
    # Past the last port the next loopback address begins, so any number of connections has room.
    lap, offset = divmod(number, 0x10000 - FIRST_CLIENT_PORT)
    client = _End(_LOOPBACK + lap, FIRST_CLIENT_PORT + offset, 1000)
    return client, _End(_LOOPBACK, SERVER_PORT, 2000)


def _frames(capture: Capture, number: int, at: float) -> Iterator[tuple[float, bytes]]:
    """Yield one connection's frames with their times; `at` is for a connection without a byte."""
    client, server = _ends(number)
    chunks = [chunk for chunk in capture.chunks if chunk.data]
    if chunks:
        at = chunks[0].at
    yield at, _frame(client, server, _SYN, options=_SYN_OPTIONS)
    yield at, _frame(server, client, _SYN | _ACK, options=_SYN_OPTIONS)
    yield at, _frame(client, server, _ACK)
    for chunk in chunks:
        at = chunk.at
        source, target = (client, server) if chunk.sender is Sender.CLIENT else (server, client)
        for start in range(0, len(chunk.data), LARGEST_SEGMENT):
            piece = chunk.data[start : start + LARGEST_SEGMENT]
            yield at, _frame(source, target, _PUSH | _ACK, piece)
    # An orderly end is only made up where the tap has nothing else to say of the end.
    if not capture.faults and not capture.notes:
        yield at, _frame(client, server, _FIN | _ACK)
        yield at, _frame(server, client, _FIN | _ACK)
        yield at, _frame(client, server, _ACK)


def _frame(source: _End, target: _End, flags: int, data: bytes = b"", options: bytes = b"") -> bytes:
    """Return one IPv4 packet, and move the source on by what it takes of the sequence space."""
    length = _TCP.size + len(options) + len(data)
    acknowledged = target.next if flags & _ACK else 0
    head = (source.port, target.port, source.next, acknowledged, (_TCP.size + len(options)) // 4 << 4, flags)
    source.next = (source.next + len(data) + (1 if flags & (_SYN | _FIN) else 0)) % 2**32
    payload = options + data
    pseudo = _PSEUDO.pack(source.address, target.address, 6, length)
    check = _checksum(pseudo + _TCP.pack(*head, 0xFFFF, 0, 0) + payload)
    # Never fragmented, so it needs no identification: RFC 6864 section 4.1.
    ip = (0x45, 0, _IP.size + length, 0, 0x4000, 64, 6)
    addresses = (source.address, target.address)
    ip_check = _checksum(_IP.pack(*ip, 0, *addresses))
    return _IP.pack(*ip, ip_check, *addresses) + _TCP.pack(*head, 0xFFFF, check, 0) + payload


def _checksum(data: bytes) -> int:
    """Return the internet checksum: RFC 1071."""
    # Since 2**16 is 1 modulo 65535, the ones' complement sum of the words is the whole number's
    # remainder, which C works out many times faster than a loop here would.
    return -int.from_bytes(data + bytes(len(data) % 2), "big") % 0xFFFF


def _section() -> bytes:
    # Byte-order magic, version 1.0, and a section length of -1: not given.
    fixed = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(_SECTION, fixed + _options((_COMMENT, ABOUT), (_APPLICATION, "tls-floor-matrix")))


def _interface(cell: str) -> bytes:
    # Without the option if_tsresol times are in microseconds, which is all that time.time() resolves.
    return _block(_INTERFACE, struct.pack("<HHI", _RAW_IP, 0, _SNAP_LENGTH) + _options((_IF_NAME, cell)))


def _packet(interface: int, at: float, frame: bytes, comment: str) -> bytes:
    high, low = divmod(max(0, round(at * 1e6)), 2**32)
    body = _PACKET_HEAD.pack(interface, high, low, len(frame), len(frame)) + _padded(frame)
    return _block(_PACKET, body + _options((_COMMENT, comment)) if comment else body)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _options(*options: tuple[int, str]) -> bytes:
    """Return a list of options that are text."""
    parts = []
    for code, text in options:
        # Cut to what the length field can say, and not in the middle of a character.
        raw = text.encode(errors="replace")[:_LONGEST_OPTION].decode(errors="ignore").encode()
        parts.append(struct.pack("<HH", code, len(raw)) + _padded(raw))
    return b"".join(parts) + struct.pack("<HH", _END, 0)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
