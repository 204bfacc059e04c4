"""The evidence file says what the tap kept, to our own reader of the format and to tshark."""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.errors import BaseTLSException

from servers.catalogue import Certificate
from servers.evidence import (
    EVIDENCE_LIMIT,
    FIRST_CLIENT_PORT,
    LARGEST_SEGMENT,
    SERVER_PORT,
    _ends,
    build_evidence,
    write_evidence,
)
from servers.protocols import LADDER, Protocol, Sender
from servers.tap import KEPT_BYTES, Capture, Chunk, Tap
from servers.wire import WireAccount, read_capture
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from servers.certificates import KeyPair

Connections = list[tuple[str, Capture]]

NOON = 1_700_000_000.123456
SYN, FIN, ACK = 0x02, 0x01, 0x10


# A reader of the format that shares nothing with the writer.


@dataclass(frozen=True)
class Packet:
    """One packet as the file has it."""

    cell: str
    microseconds: int
    comments: list[str]
    source: tuple[int, int]
    target: tuple[int, int]
    sequence: int
    acknowledged: int
    flags: int
    payload: bytes

    @property
    def sender(self) -> Sender:
        """Which side sent it, by the port of the server."""
        return Sender.SERVER if self.source[1] == SERVER_PORT else Sender.CLIENT

    @property
    def client(self) -> tuple[int, int]:
        """The client's address and port, which name the connection."""
        return self.target if self.sender is Sender.SERVER else self.source


def _options(raw: bytes) -> list[tuple[int, str]]:
    found = []
    while raw:
        code, length = struct.unpack("<HH", raw[:4])
        if code == 0:
            assert (length, raw[4:]) == (0, b"")
            break
        found.append((code, raw[4 : 4 + length].decode()))
        raw = raw[4 + length + -length % 4 :]
    return found


def _sum_is_right(data: bytes) -> bool:
    """Verify as a receiver does, word by word: RFC 1071 section 1, point 3."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return int(total) == 0xFFFF


def _read_frame(frame: bytes) -> tuple[tuple[int, int], tuple[int, int], int, int, int, bytes]:
    assert frame[0] == 0x45
    assert struct.unpack("!H", frame[2:4]) == (len(frame),)
    assert frame[9] == 6
    assert _sum_is_right(frame[:20])
    segment = frame[20:]
    assert _sum_is_right(frame[12:20] + struct.pack("!HH", 6, len(segment)) + segment)
    source, target = struct.unpack("!II", frame[12:20])
    from_port, to_port, sequence, acknowledged, offset, flags = struct.unpack("!HHIIBB", segment[:14])
    payload = segment[(offset >> 4) * 4 :]
    return (source, from_port), (target, to_port), sequence, acknowledged, flags, payload


def _read(data: bytes) -> list[Packet]:
    packets = []
    cells: list[str] = []
    place = 0
    while place < len(data):
        kind, length = struct.unpack("<II", data[place : place + 8])
        assert length % 4 == 0
        assert data[place + length - 4 : place + length] == data[place + 4 : place + 8]
        body = data[place + 8 : place + length - 4]
        if place == 0:
            assert kind == 0x0A0D0D0A
            assert struct.unpack("<IHHq", body[:16]) == (0x1A2B3C4D, 1, 0, -1)
            assert "Made up" in dict(_options(body[16:]))[1]
        elif kind == 1:
            assert struct.unpack("<H", body[:2]) == (101,)
            cells.append(dict(_options(body[8:]))[2])
        else:
            assert kind == 6
            interface, high, low, kept, original = struct.unpack("<IIIII", body[:20])
            assert kept == original
            after = 20 + kept + -kept % 4
            comments = [text for code, text in _options(body[after:]) if code == 1]
            packets.append(
                Packet(cells[interface], high << 32 | low, comments, *_read_frame(body[20 : 20 + kept]))
            )
        place += length
    return packets


def _written(folder: Path, connections: Connections) -> list[list[Packet]]:
    """Write, check the size and read back: one list of packets for each connection, in file order."""
    path = folder / "evidence.pcapng"
    size = write_evidence(path, iter(connections))
    data = path.read_bytes()
    assert size == len(data)
    assert build_evidence(connections, size) == path.read_bytes()
    assert build_evidence(connections, size - 1) == b""
    by_client: dict[tuple[int, int], list[Packet]] = {}
    for packet in _read(data):
        by_client.setdefault(packet.client, []).append(packet)
    return list(by_client.values())


# Without tshark.

_chunks = st.builds(
    Chunk,
    st.integers(0, 2**41).map(lambda n: n / 1000),
    st.sampled_from(Sender),
    st.one_of(
        st.binary(max_size=40),
        st.integers(LARGEST_SEGMENT - 2, 2 * LARGEST_SEGMENT + 2).map(lambda n: bytes([n % 251]) * n),
    ),
)
_captures = st.builds(
    Capture,
    st.lists(_chunks, max_size=6),
    st.lists(st.text(max_size=5), max_size=2),
    st.lists(st.text(max_size=5), max_size=2),
)
_cells = st.sampled_from(["a/ssl/open/ambient", "a/ssl/tls1_2/ambient", "ü/urllib3/open/hardened"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all examples of a property may write to, one after another."""
    return tmp_path_factory.mktemp("evidence")


@examples(60)
@given(connections=st.lists(st.tuples(_cells, _captures), max_size=4))
def test_the_file_holds_every_byte_of_each_side_in_order_for_any_chunks(
    folder: Path, connections: Connections
) -> None:
    """Streams, turns, times, numbers and cells read back from the file are those of the captures."""
    streams = _written(folder, connections)
    assert len(streams) == len(connections)
    for packets, (cell, capture) in zip(streams, connections, strict=True):
        assert {packet.cell for packet in packets} == {cell}
        assert packets[0].comments == [cell]
        assert [packet.flags & (SYN | ACK) for packet in packets[:3]] == [SYN, SYN | ACK, ACK]
        expected: dict[Sender, int] = {}
        heard = dict.fromkeys(Sender, b"")
        for packet in packets:
            # Each number is the one that the packets before have led up to.
            other = Sender.SERVER if packet.sender is Sender.CLIENT else Sender.CLIENT
            assert packet.sequence == expected.get(packet.sender, packet.sequence)
            assert packet.acknowledged == (expected[other] if packet.flags & ACK else 0)
            ends = 1 if packet.flags & (SYN | FIN) else 0
            expected[packet.sender] = packet.sequence + len(packet.payload) + ends
            heard[packet.sender] += packet.payload
        assert heard == {sender: capture.stream(sender) for sender in Sender}
        # In the file's order, each chunk is one packet or several, all with the chunk's time.
        data = iter([packet for packet in packets if packet.payload])
        for chunk in capture.chunks:
            left = chunk.data
            while left:
                packet = next(data)
                assert (packet.sender, packet.microseconds) == (chunk.sender, round(chunk.at * 1e6))
                assert left.startswith(packet.payload)
                left = left[len(packet.payload) :]
        assert next(data, None) is None


def test_a_read_of_the_tap_is_one_packet_with_its_time_to_the_microsecond(tmp_path: Path) -> None:
    """A flight that the tap read at once is not chopped up, and keeps its time."""
    capture = Capture([Chunk(NOON, Sender.CLIENT, bytes(LARGEST_SEGMENT))])
    (packets,) = _written(tmp_path, [("a/ssl/open/ambient", capture)])
    assert [(p.microseconds, len(p.payload)) for p in packets if p.payload] == [
        (1_700_000_000_123_456, LARGEST_SEGMENT)
    ]


def test_a_connection_that_ran_in_order_is_closed_by_both_sides(tmp_path: Path) -> None:
    """Both FINs are there where the tap noted nothing, and nothing but the cell is commented."""
    capture = Capture([Chunk(NOON, Sender.CLIENT, b"hello"), Chunk(NOON, Sender.SERVER, b"hello")])
    (packets,) = _written(tmp_path, [("a/ssl/open/ambient", capture)])
    assert [p.sender for p in packets if p.flags & FIN] == [Sender.CLIENT, Sender.SERVER]
    assert [p.comments for p in packets[1:]] == [[]] * (len(packets) - 1)


def test_what_the_tap_noted_is_said_on_the_last_packet_and_no_closing_is_made_up(tmp_path: Path) -> None:
    """Faults, each once, and notes stand beside the bytes, which do not pretend to be complete."""
    capture = Capture(
        [Chunk(NOON, Sender.CLIENT, b"hello")],
        faults=["record cut at 3 bytes", "record cut at 3 bytes"],
        notes=["the server broke off: reset"],
    )
    (packets,) = _written(tmp_path, [("a/ssl/open/ambient", capture)])
    assert packets[-1].payload == b"hello"
    assert packets[-1].comments == ["fault: record cut at 3 bytes; the server broke off: reset"]


def test_a_connection_without_a_byte_is_there_at_its_neighbours_time_and_says_so(tmp_path: Path) -> None:
    """Connections can be counted even if nothing passed on them, and nobody takes their time for real."""
    cell = "a/ssl/open/ambient"
    early, late = (Capture([Chunk(at, Sender.CLIENT, b"x")]) for at in (1.0, 2.0))
    connections = [(cell, capture) for capture in (Capture(), early, late, Capture())]
    streams = _written(tmp_path, connections)
    assert [{packet.microseconds for packet in packets} for packets in streams] == [
        {1_000_000},
        {1_000_000},
        {2_000_000},
        {2_000_000},
    ]
    said = [" ".join(packets[-1].comments) for packets in streams]
    assert ["time is made up" in words for words in said] == [True, False, False, True]


def test_a_clock_before_1970_is_written_as_1970(tmp_path: Path) -> None:
    """A clock that jumps below what the format can say does not keep the bytes from being written."""
    (packets,) = _written(tmp_path, [("a/b/c/d", Capture([Chunk(-5.0, Sender.SERVER, b"x")]))])
    assert {packet.microseconds for packet in packets} == {0}


def test_a_comment_too_long_for_the_format_is_cut_between_characters(tmp_path: Path) -> None:
    """Words of any length and any characters leave a file that can be read."""
    capture = Capture([Chunk(NOON, Sender.SERVER, b"x")], notes=["é" * 40_000, "\udcff"])
    (packets,) = _written(tmp_path, [("a/b/c/d", capture)])
    assert packets[-1].comments == ["é" * 32_767]


def test_no_two_of_very_many_connections_share_their_ends() -> None:
    """A client that connects without end does not run two connections into one stream."""
    count = 3 * (65536 - FIRST_CLIENT_PORT)
    ends = {(client.address, client.port) for client, _ in map(_ends, range(count))}
    assert len(ends) == count
    assert all(FIRST_CLIENT_PORT <= port <= 65535 for _, port in ends)


def test_the_limit_lets_an_ordinary_interpreter_through_and_stops_a_flood() -> None:
    """Sixty cells of 8 KB fit eight times over, sixty taps filled to their limit do not."""
    cells = [f"a/ssl/{number}/ambient" for number in range(60)]
    ordinary = [(cell, Capture([Chunk(NOON, Sender.SERVER, bytes(8192))])) for cell in cells]
    assert build_evidence(ordinary, EVIDENCE_LIMIT // 6)
    poured = [(cell, Capture([Chunk(NOON, Sender.SERVER, bytes(KEPT_BYTES))])) for cell in cells]
    assert build_evidence(poured, EVIDENCE_LIMIT) == b""


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Evidence that was not written is never reported as written."""
    with pytest.raises(FileNotFoundError):
        write_evidence(tmp_path / "nowhere" / "a.pcapng", [])


# With tshark: another's dissector must see what servers.wire sees.

SUSPICIOUS = (
    "_ws.malformed || _ws.expert.severity >= 0x600000 || tcp.analysis.flags"
    " || tcp.checksum.status == 0 || ip.checksum.status == 0"
)
"""Whatever Wireshark would mark: malformed, warnings and errors, odd sequence numbers, bad checksums."""

HANDSHAKES: dict[str, tuple[tuple[Protocol, ...], tuple[Protocol, ...], str]] = {
    "tester/tls/tls1_0/ambient": (LADDER[1:], (Protocol.TLSV1,), "secp256r1"),
    "tester/tls/tls1_1/ambient": (LADDER[1:], (Protocol.TLSV1_1,), "secp256r1"),
    "tester/tls/tls1_2/ambient": (LADDER[1:], (Protocol.TLSV1_2,), "secp256r1"),
    "tester/tls/tls1_3/ambient": (LADDER[1:], (Protocol.TLSV1_3,), "secp256r1"),
    "tester/tls/tls1_3_retry/ambient": (LADDER[1:], (Protocol.TLSV1_3,), "secp384r1"),
    "tester/old/open/ambient": (LADDER[1:2], LADDER[1:], "secp256r1"),
    "tester/strict/tls1_0/ambient": (LADDER[3:], (Protocol.TLSV1,), "secp256r1"),
}
"""By cell: what the client offers, what the server speaks, and the server's only curve."""


def _limits(protocols: Sequence[Protocol], curves: list[str]) -> HandshakeSettings:
    limits = HandshakeSettings()
    limits.minVersion, limits.maxVersion = protocols[0].wire, protocols[-1].wire
    # The server chooses from this list alone, whatever the maximum.
    limits.versions = [protocol.wire for protocol in reversed(protocols)]
    limits.cipherNames = ["aes128gcm", "aes128"]
    limits.eccCurves = curves
    limits.keyShares = curves[:1]
    return limits


def _answer(listener: socket.socket, pair: KeyPair, protocols: Sequence[Protocol], curve: str) -> None:
    """Serve one connection: a handshake, a question and an answer."""
    chain = X509CertChain()
    chain.parsePemList(pair.certificate.read_text())
    key = parsePEMKey(pair.key.read_text(), private=True)
    plain, _ = listener.accept()
    with plain:
        plain.settimeout(10)
        connection = TLSConnection(plain)
        try:
            connection.handshakeServer(certChain=chain, privateKey=key, settings=_limits(protocols, [curve]))
            connection.sendall(b"answer to " + connection.read(max=8, min=8))
            connection.close()
        except (OSError, BaseTLSException):
            return  # the client refused, which is one of the handshakes wanted


def _ask(port: int, protocols: Sequence[Protocol]) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        connection = TLSConnection(plain)
        try:
            connection.handshakeClientCert(settings=_limits(protocols, ["secp256r1", "secp384r1"]))
            connection.sendall(b"question")
            assert connection.read(max=18, min=18) == b"answer to question"
            connection.close()
        except BaseTLSException:
            return


async def _capture(
    pair: KeyPair, offered: Sequence[Protocol], spoken: Sequence[Protocol], curve: str
) -> Capture:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        server = threading.Thread(target=_answer, args=(listener, pair, spoken, curve))
        server.start()
        async with Tap(("127.0.0.1", listener.getsockname()[1])) as tap:
            await asyncio.to_thread(_ask, tap.port, offered)
            await tap.settle()
            await asyncio.to_thread(server.join)
            (capture,) = tap.captures
            return capture


@dataclass(frozen=True)
class Tshark:
    """The tshark command, away from its user's settings."""

    command: str
    home: Path

    def read(self, file: Path, keep: str, *fields: str) -> list[list[str]]:
        """Return these fields of the packets that a display filter keeps; tshark may not complain."""
        done = subprocess.run(
            [
                *(self.command, "-n", "-r", file, "-Y", keep, "-T", "fields"),
                *("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"),
                *(part for field in fields for part in ("-e", field)),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )
        complaints = [line for line in done.stderr.splitlines() if not line.startswith("Running as user")]
        assert complaints == []
        return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def tshark(tmp_path_factory: pytest.TempPathFactory) -> Tshark:
    """Return the tshark of this machine."""
    command = shutil.which("tshark")
    if not command:
        pytest.skip("there is no tshark command: `apt-get install tshark`, or Wireshark's own, enables this")
    return Tshark(command, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def handshakes(pairs: dict[Certificate, KeyPair]) -> Connections:
    """Return a real handshake for each entry of HANDSHAKES, in its order."""
    return [(cell, asyncio.run(_capture(pairs[Certificate.RSA], *how))) for cell, how in HANDSHAKES.items()]


@pytest.fixture(scope="module")
def file(handshakes: Connections, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the evidence file of these handshakes."""
    path = tmp_path_factory.mktemp("file") / "evidence.pcapng"
    write_evidence(path, handshakes)
    return path


def _accounts(handshakes: Connections) -> list[WireAccount]:
    return [read_capture(capture) for _, capture in handshakes]


def _protocols(field: str) -> list[Protocol | None]:
    return [Protocol.from_wire(divmod(int(number, 16), 256)) for number in field.split(",") if number]


@pytest.mark.e2e
def test_tshark_dissects_the_versions_that_we_read(
    tshark: Tshark, file: Path, handshakes: Connections
) -> None:
    """Offered, legacy and chosen versions of each connection are the same to tshark and to servers.wire."""
    wanted = "tls.handshake.version", "tls.handshake.extensions.supported_version"
    clients = tshark.read(file, "tls.handshake.type == 1", "tcp.stream", *wanted)
    servers = tshark.read(file, "tls.handshake.type == 2", "tcp.stream", *wanted)
    chosen: list[Protocol | None] = []
    for number, account in enumerate(_accounts(handshakes)):
        stream = str(number)
        hello = next(fields for fields in clients if fields[0] == stream)
        assert _protocols(hello[1]) == [account.legacy_version]
        assert _protocols(hello[2]) == list(account.offered or ())
        # The last ServerHello is the one that counts: a HelloRetryRequest may come before.
        answers = [_protocols(fields[2] or fields[1]) for fields in servers if fields[0] == stream]
        assert answers[-1:] == ([[account.server_version]] if account.server_version else [])
        chosen.append(account.server_version)
    # The comparison is worth something: these are the versions that were asked for.
    assert chosen == [*LADDER[1:], Protocol.TLSV1_3, Protocol.TLSV1, None]
    # Two hellos of each side where there was a retry, and no ServerHello where the server refused.
    assert len(clients) == len(handshakes) + 1
    assert len(servers) == len(handshakes)


@pytest.mark.e2e
def test_tshark_sees_the_alerts_that_we_read(tshark: Tshark, file: Path, handshakes: Connections) -> None:
    """The server's refusal of a client that wants more shows as the same alert in both accounts."""
    seen = tshark.read(file, "tls.alert_message.desc", "tcp.stream", "tcp.srcport", "tls.alert_message.desc")
    ours = [
        (str(number), alert.sender, alert.description)
        for number, account in enumerate(_accounts(handshakes))
        for alert in account.alerts
        if alert.description
    ]
    assert ours == [("6", Sender.SERVER, "protocol_version")]
    assert [(stream, port == str(SERVER_PORT), code) for stream, port, code in seen] == [("6", True, "70")]


@pytest.mark.e2e
def test_tshark_marks_nothing_and_sees_one_stream_for_each_connection(
    tshark: Tshark, file: Path, handshakes: Connections
) -> None:
    """No packet is malformed, badly summed or out of sequence, and the streams are the connections."""
    assert tshark.read(file, SUSPICIOUS, "frame.number", "_ws.expert.message") == []
    streams = tshark.read(file, "tcp.flags.syn == 1 && tcp.flags.ack == 0", "tcp.stream")
    assert streams == [[str(number)] for number in range(len(handshakes))]
    assert {s for (s,) in tshark.read(file, "tcp", "tcp.stream")} == {s for (s,) in streams}


@pytest.mark.e2e
def test_tshark_would_mark_a_byte_that_was_changed(tshark: Tshark, file: Path, tmp_path: Path) -> None:
    """The check for marks is not blind: one bit of the first ClientHello flipped is a bad checksum."""
    data = bytearray(file.read_bytes())
    place = data.index(bytes((22, 3)))  # the first handshake record
    data[place + 20] ^= 1
    broken = tmp_path / "broken.pcapng"
    broken.write_bytes(data)
    assert tshark.read(broken, SUSPICIOUS, "tcp.stream") == [["0"]]


@pytest.mark.e2e
def test_tshark_finds_each_cell_by_comment_and_by_interface(
    tshark: Tshark, file: Path, handshakes: Connections
) -> None:
    """A display filter with a cell's id leads to its first packet, and to all of its packets."""
    cells = [cell for cell, _ in handshakes]
    packets = tshark.read(file, "tcp", "tcp.stream", "frame.interface_name", "frame.comment")
    assert [cell for stream, cell, _ in packets] == [cells[int(stream)] for stream, _, _ in packets]
    # The last packets may have comments too: tlslite-ng likes to end with a reset.
    firsts = {stream: comment for stream, _, comment in reversed(packets)}
    assert [firsts[str(number)] for number in range(len(cells))] == cells
    number, cell = 3, cells[3]
    (first,) = tshark.read(file, f'frame.comment == "{cell}"', "tcp.stream", "tcp.flags.syn")
    assert first == [str(number), "1"]
    found = tshark.read(file, f'frame.interface_name == "{cell}"', "tcp.stream")
    assert found == [[stream] for stream, _, _ in packets if stream == str(number)]


@pytest.mark.e2e
def test_tshark_opens_captures_that_are_empty_cut_or_no_tls_at_all(
    tshark: Tshark, handshakes: Connections
) -> None:
    """What a tap may also hold leaves a file that opens, without a packet that looks malformed."""
    _, whole = handshakes[2]
    first = whole.chunks[0]
    odd = [
        ("odd/ssl/empty/ambient", Capture(notes=["the client closed without a byte"])),
        (
            "odd/ssl/cut/ambient",
            Capture([Chunk(first.at, first.sender, first.data[:60])], faults=["record cut at 60 bytes"]),
        ),
        (
            "odd/ssl/noise/ambient",
            Capture([Chunk(NOON, Sender.CLIENT, b"\x00 noise"), Chunk(NOON, Sender.SERVER, b"?")]),
        ),
        ("odd/ssl/flood/ambient", Capture([Chunk(NOON, Sender.SERVER, bytes(KEPT_BYTES))])),
    ]
    path = tshark.home / "odd.pcapng"
    write_evidence(path, odd)
    assert tshark.read(path, SUSPICIOUS, "frame.number", "_ws.expert.message") == []
    found = tshark.read(path, 'frame.comment contains "fault: record cut"', "tcp.stream", "tcp.len")
    assert found == [["1", "60"]]
    # The port alone says TLS: what a peer sent instead of it is shown in its place.
    assert tshark.read(path, "tls && tcp.stream == 2", "tcp.len") == [["7"], ["1"]]
    write_evidence(path, [])
    assert tshark.read(path, "frame", "frame.number") == []
